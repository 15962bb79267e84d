"""Show how far long work is: bars on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from harness.results import SampleCounts


class Phase:
    """One bar: whole jobs done, and how far the present one is."""

    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars, self._task, self._whole = bars, task, 0

    def describe(self, text: str) -> None:
        """Say what is being worked on."""
        self._bars.update(self._task, detail=text)

    def within(self, done: int, total: int) -> None:
        """The present job is `done` of `total` through."""
        if total:
            self._bars.update(self._task, completed=self._whole + min(done / total, 1.0))

    def advance(self, jobs: int) -> None:
        """That many jobs are over."""
        self._whole += jobs
        self._bars.update(self._task, completed=self._whole)


class Progress:
    """What a sweep tells the person in front of it."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def phase(self, label: str, *, total: int, hidden: bool = False) -> Iterator[Phase]:
        """A bar for `total` jobs while the block runs; on a pipe or in a log, one line."""
        terminal = self._console.is_terminal
        bars = Bars(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[detail]}"), console=self._console, transient=True, disable=not terminal or hidden,
        )  # fmt: skip
        if not terminal and not hidden:
            self.note(f"{label} ({total})")
        with bars:
            yield Phase(bars, bars.add_task(escape(label), total=total, detail=""))

    def finished(self, label: str, score: str, samples: SampleCounts) -> None:
        """One run has its result."""
        missing = f" [yellow]({samples.failed} of {samples.total} samples could not be scored)" if samples.failed else ""
        self._console.print(f"[green]✓[/] {escape(label)}  [bold]{escape(score)}[/]{missing}", highlight=False)

    def failed(self, label: str, phase: str, reason: str) -> None:
        """One run did not finish."""
        self._console.print(f"[red]✗[/] {escape(label)}  {phase} failed: {escape(reason)}", highlight=False)

    def note(self, text: str) -> None:
        """Anything worth knowing."""
        self._console.print(escape(text), highlight=False)
