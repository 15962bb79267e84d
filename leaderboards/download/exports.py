"""Write a board's figures for other programs: as a table, or as records that others' databases and model
cards take."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.counts import count_of
from harness.errors import UserError
from harness.records.store import atomic_write
from leaderboards.download.data import figures_csv, figures_json
from leaderboards.download.every_eval_ever import records as every_eval_ever
from leaderboards.download.model_index import records as model_index
from leaderboards.download.parquet import write_parquet
from leaderboards.download.records import records as figures
from leaderboards.gathered import Site, gather, read_folder
from leaderboards.write.folders import claimed, replacing

MARKER = ".gainboard-export"
"""Lies in every exported folder, and only there: a folder without it is never replaced."""

TABLES = ("csv", "json", "parquet")
RECORDS: dict[str, Callable[[Site], dict[str, str]]] = {
    "every-eval-ever": every_eval_ever,
    "model-index": model_index,
}
"""Formats of many files, to what makes their texts by path."""


@dataclass(frozen=True)
class Written:
    """What an export came to."""

    path: Path
    what: str
    """`12 rows and cells`."""


def export(results: Path, form: str, *, board: Path | None, prices: Path | None, out: Path | None) -> Written:
    """Write the figures that a site of these results would show, in the format `form`, to the file or folder
    `out`.

    A former file, or folder that an export wrote, is replaced as a whole. Raises `UserError` where there is
    nothing to export, or where `out` holds something else.
    """
    if form in TABLES:
        path = out or Path(f"leaderboard.{form}")
        if path.is_dir():
            raise UserError(f"{path} is a folder; {form} is one file: give --out FILE")
        if path.resolve().is_relative_to(results.resolve()):
            raise UserError(f"{path} would lie among the results in {results}; choose a file elsewhere")
        return _table(_gathered(results, board, prices), form, path)
    path = out or Path(form)
    with claimed(path, results, marker=MARKER, purpose="set of records") as target:
        texts = RECORDS[form](_gathered(results, board, prices))
        if not texts:
            raise UserError(f"{results} holds nothing that {form} takes: no trusted run was fine-tuned")
        with replacing(target) as folder:
            for name, text in sorted(texts.items()):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8", newline="\n")
            (folder / MARKER).write_text(
                "Written by gainboard export, which replaces this folder as a whole.\n", encoding="utf-8"
            )
    return Written(path, f"{count_of(len(texts), 'record')} of {form}")


def _gathered(results: Path, board: Path | None, prices: Path | None) -> Site:
    """What a site would draw from. What its first page would say of runs that are left out is a warning."""
    site = gather(read_folder(results), board, prices)
    for note in site.table.notes:
        warnings.warn(note, stacklevel=3)
    return site


def _table(site: Site, form: str, path: Path) -> Written:
    site_figures = figures(site)
    with atomic_write(path, "wb") as file:
        if form == "parquet":
            buffer = io.BytesIO()
            write_parquet(site_figures, buffer)
            file.write(buffer.getvalue())
        else:
            file.write((figures_json(site_figures) if form == "json" else figures_csv(site_figures)).encode())
    return Written(
        path,
        f"{count_of(len(site_figures['rows']), 'row')} and {count_of(len(site_figures['cells']), 'cell')}",
    )
