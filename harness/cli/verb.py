"""What verbs share: exit codes, options, plugins and boards found by name, and how tables are printed."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plugins.registry import Plugin

DONE, SOME_FAILED, USER_MUST_FIX, INTERRUPTED = 0, 1, 2, 130

DEFAULT_PORT, PORTS_TRIED = 8000, 100
"""Of a preview, unless told otherwise: the first port, and how many from there are tried."""

SIGNS = {"ok": "[green]✓[/]", "note": "[dim]·[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}
"""What a line begins with that says how something stands."""

Verb = Callable[[argparse.Namespace], int]
"""Does what the options say, and returns the exit code."""

AddVerb = Callable[[str, Verb, str], argparse.ArgumentParser]
"""(name, function, help text) → the parser that takes the verb's own options."""


def positive(text: str) -> int:
    """The type of an option that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)


def add_tasks_dir(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where tasks are found, besides the bundled ones."""
    text = "a folder of task plugins; may be given more than once"
    parser.add_argument("--tasks-dir", type=Path, action="append", default=[], metavar="DIR", help=text)
    text = "a folder of lm-eval's YAML files, for tasks named lm_eval:NAME; may be given more than once"
    parser.add_argument("--lm-eval-dir", type=Path, action="append", default=[], metavar="DIR", help=text)


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the results folder."""
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: results"
    )


def add_prices(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a file of prices."""
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices instead of the shipped ones")


def add_publish_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a site is built, where it will be read, and what it is priced with."""
    parser.add_argument("--out", type=Path, default=Path("site"), metavar="DIR", help="default: site")
    parser.add_argument(
        "--url", help="where the site will be: for a sitemap, canonical links and previews of shared links"
    )
    add_prices(parser)


def plugins_for(options: argparse.Namespace, names: Iterable[str]) -> "dict[str, Plugin]":
    """Every plugin, and those of other harnesses among `names`."""
    from harness.plugins.lm_eval.tasks import lm_eval_plugins
    from harness.plugins.registry import find_plugins

    return find_plugins(options.tasks_dir) | lm_eval_plugins(names, options.lm_eval_dir)


def board_file(name: str, file: str) -> Path:
    """The path itself, or the file of the shipped board of that name. Raises `UserError` for neither."""
    from harness.errors import suggest
    from leaderboards.board import shipped_boards

    if Path(name).suffix == ".toml" or Path(name).is_file():
        return Path(name)
    files = {board: folder / file for board, folder in shipped_boards().items() if (folder / file).is_file()}
    if name not in files:
        raise UserError(
            f"'{name}' is neither a .toml file nor a shipped board "
            f"({', '.join(files)}).{suggest(name, files)}"
        )
    return files[name]


@contextmanager
def hub_offline() -> Iterator[None]:
    """Answer from what is on this machine: no model hub is asked meanwhile."""
    formerly = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if formerly is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = formerly


def make_console(*, json_output: bool = False) -> "Console":
    """Where tables and notes are printed: stderr when stdout is for scripts."""
    from harness.terminal.console import make_console

    return make_console(to_stderr=json_output)


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print rows that have the same keys, which become the headings."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*("–" if value is None else escape(str(value)) for value in row.values()))
    make_console().print(table)
