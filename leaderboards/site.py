"""Write the site: a pure function of results, board and prices, swapped in whole so that a failure leaves the old one."""

import csv
import io
import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.errors import UserError
from harness.results import read_failures, read_results
from leaderboards.board import load_board
from leaderboards.ledger import make_ledger
from leaderboards.pages.context import COST_HREF, Site, model_href, model_names, run_href, task_href
from leaderboards.pages.decision import decision_page
from leaderboards.pages.downloads import records
from leaderboards.pages.index import index_page
from leaderboards.pages.model import model_page
from leaderboards.pages.run import run_page
from leaderboards.pages.task import task_page
from leaderboards.prices import SHIPPED_PRICES, load_prices
from leaderboards.tables import tabulate
from leaderboards.text import visible
from leaderboards.verdict import decide

MARKER = ".gainboard-site"
"""Lies in every site, and only there: a folder without it is never replaced."""

_PACKAGE = Path(__file__).parent


@dataclass(frozen=True)
class Published:
    """A site that was written."""

    index: Path
    verdict: str
    """The first screen's answer, as plain text."""

    pages: int
    runs: int
    untrusted: int
    """Runs kept out of the ranking."""


def publish(results: Path, out: Path, *, board: Path | None = None, prices: Path | None = None) -> Published:
    """Build the site of every result below `results` in the folder `out`, in place of a former site.

    `board` is a board file or a folder with a `board.toml`; `prices` replaces the shipped prices. A file that cannot be
    read is named in a warning and on the first page. Raises `UserError` where there is nothing to publish, where a file
    given here is faulty, or where `out` holds something that is not a site.
    """
    _check_place(results, out)
    site = _gather(results, board, prices)
    with _replacing(out) as folder:
        pages = _write_pages(site, folder)
        _write_downloads(site, folder / "data", prices or SHIPPED_PRICES)
        shutil.copytree(_PACKAGE / "static", folder / "static")
        (folder / MARKER).write_text(
            "Written by gainboard publish, which replaces this folder as a whole.\n", encoding="utf-8"
        )
    return Published(out / "index.html", decide(site.table, site.ledger).text, pages, len(site.results), len(site.untrusted))


def _check_place(results: Path, out: Path) -> None:
    if not results.is_dir():
        raise UserError(f"results folder {results} does not exist; `gainboard run SWEEP` makes one")
    if results.resolve().is_relative_to(out.resolve()):
        raise UserError(f"{out} holds the results in {results} and would be replaced; choose another folder for the site")
    if out.is_dir() and (any(out.iterdir()) and not (out / MARKER).is_file()):
        raise UserError(f"{out} is not empty and not a site made by gainboard; choose a new or an empty folder")
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; choose a new or an empty folder for the site")


def _gather(folder: Path, board_path: Path | None, prices_path: Path | None) -> Site:
    board, prices = load_board(board_path), load_prices(prices_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results, failures = read_results(folder), read_failures(folder)
    skipped = [str(warning.message) for warning in caught]
    for message in skipped:
        warnings.warn(message, stacklevel=3)
    # Without the folder's own path: the same results give the same pages on every machine.
    problems = [message.replace(f"{folder}/", "") for message in skipped]
    if not results:
        why = f" {len(failures)} failed." if failures else ""
        why += f" {len(skipped)} could not be read: {skipped[0]}" if skipped else ""
        raise UserError(f"{folder} holds no finished run.{why} `gainboard run SWEEP --results {folder}` makes some")
    counted = [result for result in results if board.tasks is None or result.run.task in board.tasks]
    untrusted = [result for result in counted if result.untrusted]
    table = tabulate(results, folder, board)
    if not table.rows and untrusted:
        raise UserError(
            f"{folder} holds no run that can be trusted. {untrusted[0].run.label}: {untrusted[0].untrusted}. Remove "
            f"{folder / untrusted[0].run.folder} and run the sweep again"
        )
    if not table.rows:
        wanted = f" for the tasks of its board ({', '.join(board.tasks)})" if board.tasks else ""
        raise UserError(f"{folder} holds no run that can be shown{wanted}. {table.notes[0] if table.notes else ''}".rstrip())
    failed = tuple(failure for failure in failures if board.tasks is None or failure.run.task in board.tasks)
    return Site(
        board=board,
        table=table,
        ledger=make_ledger(table, prices, counted, failed),
        prices=prices,
        results=tuple(results),
        failures=failed,
        untrusted=tuple(untrusted),
        problems=(*problems, *table.notes),
        folder=folder,
    )


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A new folder beside `out` that takes its place when everything was written; on an error `out` stays as it was."""
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    new, old = (out.with_name(f".{out.name}.{os.getpid()}.{word}") for word in ("new", "old"))
    new.mkdir()
    try:
        yield new
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except BaseException:  # Ctrl-C too
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _write_pages(site: Site, folder: Path) -> int:
    environment = Environment(
        loader=FileSystemLoader(_PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Every expression passes here: what a model wrote cannot turn the text around it, nor hide in it.
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    shared = {
        "board": site.board,
        "runs": len(site.results),
        "prices_as_of": str(site.prices.as_of),
        "versions": ", ".join(sorted({result.provenance.gainboard for result in site.results})),
    }
    written: dict[str, str] = {}

    def render(template: str, href: str, page: Any) -> None:
        root = "../" if "/" in href else ""
        written[href] = environment.get_template(template).render(page=page, root=root, **shared)

    render("index.html", "index.html", index_page(site))
    render("cost.html", COST_HREF, decision_page(site))
    for task in site.table.tasks:
        render("task.html", task_href(task), task_page(site, task))
    for model in model_names(site.table):
        render("model.html", model_href(model), model_page(site, model))
    for result in site.results:
        render("run.html", run_href(result), run_page(site, result))
    for href, text in sorted(written.items()):
        path = folder / href
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
    return len(written)


def _write_downloads(site: Site, folder: Path, prices: Path) -> None:
    folder.mkdir()
    figures = records(site)
    text = json.dumps(figures, indent=1, ensure_ascii=True, allow_nan=False)
    (folder / "leaderboard.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(figures["rows"][0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in (*figures["rows"], *figures["cells"]))
    (folder / "leaderboard.csv").write_text(visible(buffer.getvalue()), encoding="utf-8", newline="\n")
    (folder / "prices.toml").write_bytes(prices.read_bytes())


def _cell(value: Any) -> Any:
    """A value as a spreadsheet may open it: text that would be run as a formula is quoted, a missing value is empty."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
