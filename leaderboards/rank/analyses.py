"""Why arms score as they do, as `gainboard analyse` wrote it beside their runs."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from harness.errors import UserError
from harness.records.analysis.file import read_analysis
from harness.records.analysis.record import ANALYSIS, AnalysisRecord, digests_of
from harness.records.result import Result
from leaderboards.rank.tables import Row, Table
from leaderboards.text import without_folder


@dataclass(frozen=True)
class RowAnalysis:
    """The analysis of a row on one task."""

    row: Row
    record: AnalysisRecord


def read_analyses(table: Table, folder: Path, notes: list[str]) -> dict[str, RowAnalysis]:
    """By task, the analysis of the best row that has one: of a fine-tune, where one has.

    `folder`: the results. What cannot be read, or was made of other predictions than lie there now, is noted
    and left out.
    """
    analyses = {task: _first(table, task, folder, notes) for task in table.tasks}
    return {task: analysis for task, analysis in analyses.items() if analysis is not None}


def _first(table: Table, task: str, folder: Path, notes: list[str]) -> RowAnalysis | None:
    for row in _best_first(table, task):
        results = row.cells[task].results
        path = folder / results[0].run.folder.parent / ANALYSIS
        if not os.path.lexists(path):
            continue
        try:
            record = read_analysis(path, inside=folder)
        except UserError as error:
            notes.append(f"{without_folder(str(error), folder)}; `gainboard analyse` makes it again")
            continue
        if _is_of(record, results, table, folder):
            return RowAnalysis(row, record)
        place = path.relative_to(folder).as_posix()
        notes.append(f"{place} was made of other predictions: `gainboard analyse {row.name}` makes it again")
    return None


def _best_first(table: Table, task: str) -> Iterator[Row]:
    def merit(row: Row) -> tuple[bool, float]:
        estimate = row.cells[task].estimate
        return row.tuned, estimate.value if estimate else -1.0

    yield from sorted((row for row in table.rows if task in row.cells), key=merit, reverse=True)


def _is_of(record: AnalysisRecord, judged: tuple[Result, ...], table: Table, folder: Path) -> bool:
    """Whether an analysis was made of these runs and of others of the table, as they are now."""
    cells = [row.cells[record.task] for row in table.rows if record.task in row.cells]
    results = chain.from_iterable(cell.results for cell in cells)
    results_by_folder = {result.run.folder.as_posix(): result for result in results}
    judged_folders = {result.run.folder.as_posix() for result in judged}
    if not judged_folders <= record.made_of.keys() <= results_by_folder.keys():
        return False
    return digests_of(folder, [results_by_folder[place] for place in record.made_of]) == record.made_of
