"""rich's console, for tables and bars, in which no text of others can steer the terminal."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from harness.terminal.output import own_stderr, own_stdout
from harness.visible import visible

PIPE_WIDTH = 160
"""Columns of a table that is printed into a pipe or a log, which has no width of its own."""


class HarmlessConsole(Console):
    """Spells out control characters in whatever it prints: escape sequences are rich's alone to write."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Texts and cells: spelt out before they are measured, so that columns stay even."""
        return super().render_str(visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Everything else, as the descriptions of bars."""
        for segment in super().render(renderable, options):
            is_ours = segment.control is not None or segment.text.isprintable()
            yield segment if is_ours else segment._replace(text=visible(segment.text))


def make_console(*, to_stderr: bool = False) -> HarmlessConsole:
    """A console on our own standard output, or on standard error when the output is for programs."""
    file = own_stderr() if to_stderr else own_stdout()
    console = HarmlessConsole(file=file, soft_wrap=True)
    # rich would fold the tables of a pipe or a log at 80 columns.
    return console if console.is_terminal else HarmlessConsole(file=file, soft_wrap=True, width=PIPE_WIDTH)
