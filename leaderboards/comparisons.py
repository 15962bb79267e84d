"""Any two rows of the ranking, held against each other task by task."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.results import TaskCard
from harness.statistics import Estimate, holm
from leaderboards.cells import Cell
from leaderboards.flips import Flips, difference_p, flips
from leaderboards.tables import Row

PairedOn = Callable[[str, Row, Row], Estimate | None]
"""Paired difference of two rows on a task; None where they share no seed or sample."""

Overall = Callable[[Row, Row], Estimate | None]
"""The same over all tasks; None unless they share every one."""


@dataclass(frozen=True)
class TaskComparison:
    """The first of two rows less the second, on one task."""

    difference: Estimate
    p: float
    """Of the difference, corrected over the tasks of this pair of rows (Holm)."""

    fixed: int
    """Samples that the first gets right and the second wrong, by the majority of seeds and templates; of scores between 0
    and 1 those on which the first scores higher."""

    broken: int
    """The reverse."""

    flips_p: float
    """Exact McNemar test of the two counts; not corrected."""


@dataclass(frozen=True)
class Comparison:
    """The first of two rows less the second."""

    overall: Estimate | None
    """The difference of their scores on the board; None unless they share seeds and samples on every task."""

    tasks: dict[str, TaskComparison]
    """The tasks on which they share seeds and samples."""


def compare_rows(
    rows: Sequence[Row], cards: Mapping[str, TaskCard], *, paired: PairedOn, overall: Overall
) -> Iterator[tuple[Row, list[Comparison]]]:
    """Each row with its comparison with every row after it, in their order."""
    scores = {task: _scores(rows, task) for task in cards}
    for place, row in enumerate(rows):
        others = rows[place + 1 :]
        counted = {
            task: flips(table[place], table[place + 1 :], binary=cards[task].binary) for task, table in scores.items()
        }
        yield row, [_compare(row, other, index, counted, paired, overall) for index, other in enumerate(others)]


def _compare(
    row: Row, other: Row, index: int, counted: Mapping[str, Flips], paired: PairedOn, overall: Overall
) -> Comparison:
    shared = [task for task in counted if task in row.cells and task in other.cells]
    differences = {task: difference for task in shared if (difference := paired(task, row, other))}
    flips_p = [float(counted[task].p[index]) for task in differences]
    p_values = holm(difference_p(list(differences.values()), flips_p))
    tasks = {
        task: TaskComparison(
            difference, float(p), int(counted[task].fixed[index]), int(counted[task].broken[index]), uncorrected
        )
        for (task, difference), p, uncorrected in zip(differences.items(), p_values, flips_p, strict=True)
    }
    return Comparison(overall(row, other), tasks)


def _scores(rows: Sequence[Row], task: str) -> NDArray[np.float64]:
    """Rows × samples of a task: the mean over seeds and templates, NaN where a row has no score."""
    columns: dict[str, int] = {}
    known: list[tuple[int, list[int], NDArray[np.float64]]] = []
    for place, row in enumerate(rows):
        if task in row.cells:
            ids, means = sample_means(row.cells[task])
            known.append((place, [columns.setdefault(one, len(columns)) for one in ids], means))
    table = np.full((len(rows), len(columns)), np.nan)
    for place, wanted, means in known:
        table[place, wanted] = means
    return table


def sample_means(cell: Cell) -> tuple[list[str], NDArray[np.float64]]:
    """A cell's samples, and the mean score of each over seeds and templates."""
    return list(cell.scores.ids), cell.scores.values.mean(axis=(0, 1))
