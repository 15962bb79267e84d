"""Show how far long work is: a bar for each base model, plain lines where no terminal is, events for
machines."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from harness.counts import count_of
from harness.records.preflight import PreflightFinding
from harness.records.scores import SampleCounts
from harness.terminal.output import say
from harness.workers.listener import Event, JobAdvanced, JobBegan, JobsEnded, Note, PhaseBegan

Emit = Callable[[dict[str, Any]], None]
"""Takes an event: plain values, with the name of the kind under `event`."""

SECONDS_BETWEEN_EVENTS = 2.0
"""For events that only say how far a job is."""


SECONDS_BETWEEN_LINES = 45.0
"""Where no terminal shows a bar, a line says how far a long job is."""


class SweepProgress:
    """What a sweep tells the person, or the program, in front of it. May be told from several threads."""

    def __init__(self, console: Console, *, emit: Emit | None = None) -> None:
        """`emit`: who takes the events; None: nobody."""
        self._console, self._emit = console, emit
        self._lock = threading.RLock()
        self._lines = 0
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[detail]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    def line(self, label: str) -> "ProgressLine":
        """The line of a base model, or of other work; shown while its `with` block runs."""
        return ProgressLine(self, label)

    def finished(
        self,
        label: str,
        metric: str,
        value: float,
        samples: SampleCounts,
        *,
        doubts: Mapping[str, str] | None = None,
        losses: Sequence[float] = (),
    ) -> None:
        """One run has its result.

        `doubts`: words for why it may not be what it seems → the reason in a sentence. `losses`: its
        training's curve.
        """
        remarks = [*(doubts or ())]
        if samples.failed:
            remarks.append(f"{samples.failed:,} of {count_of(samples.total, 'sample')} could not be scored")
        in_brackets = f" [yellow]({escape(', '.join(remarks))})" if remarks else ""
        curve = f"  [dim]loss {sparkline(losses)} {losses[-1]:.3g}[/]" if losses else ""
        self._print(f"[green]✓[/] {escape(label)}  [bold]{escape(metric)} {value:.3f}[/]{curve}{in_brackets}")
        self.event(
            "finished", run=label, metric=metric, value=value, samples=samples.total, failed=samples.failed,
            doubts=dict(doubts or {}),
        )  # fmt: skip

    def failed(self, label: str, phase: str, reason: str) -> None:
        """One run did not finish."""
        self._print(f"[red]✗[/] {escape(label)}  {phase} failed: {escape(reason)}")
        self.event("failed", run=label, phase=phase, reason=reason)

    def noticed(self, finding: PreflightFinding) -> None:
        """Something was noticed of a model before the work began; what is only worth knowing is on its
        page."""
        if finding.severity == "warn":
            self._print(f"[yellow]![/] {escape(f'{finding.place}: {finding.sentence}')}")
        self.event(
            "noticed", severity=finding.severity, fact=finding.fact, candidate=finding.candidate,
            task=finding.task, sentence=finding.sentence,
        )  # fmt: skip

    def analysed(self, label: str, folder: str, sentences: Sequence[str], *, made_now: bool) -> None:
        """An arm was analysed; what was said already is not printed again."""
        if made_now:
            lines = (f"[dim]?[/] {escape(label)}", *(f"  {escape(sentence)}" for sentence in sentences))
            self._print("\n".join(lines))
        self.event("analysed", arm=label, folder=folder, findings=list(sentences), made_now=made_now)

    def note(self, text: str) -> None:
        """Anything worth knowing."""
        self._print(escape(text))
        self.event("note", text=text)

    def event(self, kind: str, **values: Any) -> None:
        """Something happened that a program may want to know."""
        if self._emit is not None:
            with self._lock:
                self._emit({"event": kind, **values})

    def _print(self, markup: str) -> None:
        with self._lock:
            self._console.print(markup, highlight=False)

    # For `ProgressLine`

    def _add(self, label: str) -> TaskID:
        with self._lock:
            self._lines += 1
            if self._lines == 1:
                self._bars.start()
            return self._bars.add_task(escape(label), total=None, detail="", rate="")

    def _remove(self, task: TaskID) -> None:
        with self._lock:
            self._bars.remove_task(task)
            self._lines -= 1
            if self._lines == 0:
                self._bars.stop()

    def _show(self, task: TaskID, **values: Any) -> None:
        with self._lock:
            self._bars.update(task, **values)

    def _far(self, text: str) -> None:
        """How far a job is, where no bar says so."""
        if not self._console.is_terminal:
            self._print(escape(text))

    def _begin(self, task: TaskID, description: str, jobs: int) -> None:
        with self._lock:
            self._bars.reset(task, total=jobs, description=escape(description), detail="", rate="")
            if not self._console.is_terminal:
                self._console.print(f"{escape(description)} ({jobs})", highlight=False)


class ProgressLine:
    """One bar: which phase of the work, how many of its jobs are done, and how far the present one is."""

    def __init__(self, progress: SweepProgress, label: str) -> None:
        self._progress, self._label = progress, label
        self._task: TaskID | None = None
        self._lock = threading.Lock()
        self._phase, self._jobs, self._ended = "", 0, 0
        self._started = self._last_event = 0.0
        self._job, self._last_line = "", 0.0
        self._job_began: tuple[float, float] | None = None
        """When the present job was first heard of, and how far it was then."""

    def __enter__(self) -> "ProgressLine":
        self._task = self._progress._add(self._label)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None, "it was entered"
        self._progress._remove(self._task)
        self._task = None

    def hear(self, event: Event) -> None:
        """A `Listener`: show, and pass on, what the work says. Several engines may say so at once."""
        with self._lock:
            match event:
                case PhaseBegan():
                    self._begin(event)
                case JobBegan():
                    self._job, self._job_began, self._last_line = event.label, None, time.monotonic()
                    self._show(detail=event.label)
                    self._emit("job", job=event.label)
                case JobAdvanced():
                    self._advance(event)
                case JobsEnded():
                    self._ended += event.jobs
                    self._show(completed=self._ended, rate=self._rate(self._ended))
                    self._emit("progress", done=self._ended, jobs=self._jobs)
                case Note():
                    self._progress.note(f"{self._label}: {event.text}")

    def _begin(self, event: PhaseBegan) -> None:
        self._phase, self._jobs, self._ended = event.phase, event.jobs, 0
        self._started = time.monotonic()
        if self._task is not None:
            self._progress._begin(self._task, f"{self._label}: {event.phase}", event.jobs)
        self._emit("phase", jobs=event.jobs)

    def _advance(self, event: JobAdvanced) -> None:
        if not event.total:
            return
        done = self._ended + min(event.done / event.total, 1.0)
        self._show(completed=done, rate=self._rate(done))
        now = time.monotonic()
        self._job_began = self._job_began or (now, event.done)
        left = self._seconds_left(event, now)
        if now - self._last_event > SECONDS_BETWEEN_EVENTS:
            self._last_event = now
            self._emit(
                "progress",
                done=done,
                jobs=self._jobs,
                job=self._job,
                job_done=event.done,
                job_total=event.total,
                loss=event.loss,
                seconds_left=None if left is None else round(left, 1),
            )
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = now
            unit = "steps" if self._phase == "train" else "answers"
            words = [f"{event.done:,.0f} of {event.total:,.0f} {unit}"]
            words += [] if event.loss is None else [f"loss {event.loss:.3g}"]
            words += [] if left is None else [f"about {_duration(left)} left"]
            self._progress._far(f"{self._job}: {', '.join(words)}")

    def _seconds_left(self, event: JobAdvanced, now: float) -> float | None:
        """Of the present job, at its speed so far; None while that is not known."""
        assert self._job_began is not None, "it is set when a job is first heard of"
        began, done_before = self._job_began
        if event.done <= done_before:
            return None
        return (now - began) * max(0.0, event.total - event.done) / (event.done - done_before)

    def _emit(self, kind: str, **values: Any) -> None:
        self._progress.event(kind, line=self._label, phase=self._phase, **values)

    def _show(self, **values: Any) -> None:
        if self._task is not None:
            self._progress._show(self._task, **values)

    def _rate(self, done: float) -> str:
        seconds = time.monotonic() - self._started
        return f"{60 * done / seconds:.1f}/min" if done and seconds > 1 else ""


def _duration(seconds: float) -> str:
    """`40 s`, `3 min`, `1.5 hours`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float]) -> str:
    """A curve as a word of blocks, the highest value a full one."""
    low, high = min(values), max(values)
    if high == low:
        return _BLOCKS[0] * len(values)
    return "".join(_BLOCKS[round((value - low) / (high - low) * (len(_BLOCKS) - 1))] for value in values)


def json_lines(event: dict[str, Any]) -> None:
    """Print an event as one line of JSON."""
    say(json.dumps(event), flush=True)
