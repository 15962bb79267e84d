"""Any two rows of the ranking, compared with each other task by task, all pairs at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.records.scores import TaskCard
from harness.statistics import FloatArray, holm_by_column
from leaderboards.rank.changes import margins
from leaderboards.rank.flips import flips
from leaderboards.rank.standings import Standing
from leaderboards.rank.tables import Row


@dataclass(frozen=True)
class Differences:
    """Every two of R rows, the row minus the column: R × R each, NaN where the two cannot be compared."""

    value: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def clear(self) -> NDArray[np.bool_]:
        """Whether the interval excludes zero."""
        return (self.low > 0) | (self.high < 0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether two can be compared."""
        return ~np.isnan(self.value)


@dataclass(frozen=True)
class TaskComparison:
    """Every two of R rows on one task: R × R each."""

    difference: Differences
    p: FloatArray
    """P-value of the difference, corrected over the tasks of the pair of rows (Holm); NaN where there is
    none."""

    fixed: NDArray[np.int64]
    """Samples that the first gets right and the second wrong, by the majority of seeds and templates; of
    scores between 0 and 1 those on which the first scores higher."""

    broken: NDArray[np.int64]
    """Samples that the first gets wrong and the second right."""

    flips_p: FloatArray
    """Exact McNemar test of the two counts; not corrected."""


def compare_rows(
    rows: Sequence[Row], cards: Mapping[str, TaskCard], standings: Mapping[str, Standing]
) -> dict[str, TaskComparison]:
    """By task, the comparison of every row with every other."""
    by_task, p_values = {}, []
    for task, card in cards.items():
        means = _means(rows, task)
        is_part = card.metrics[card.primary_metric].corpus
        flipped = flips(means, binary=card.binary, margins=margins(means) if is_part else None)
        stderr, p = _of_rows(rows, standings[task], "stderr", "p")
        # Where a difference has no standard error, or none to speak of because it is the same on every
        # sample, the t test says nothing; its flips do.
        difference = differences_of(rows, standings[task])
        p_values.append(np.where(difference.known, np.where(stderr > 0, p, flipped.p), np.nan))
        by_task[task] = TaskComparison(difference, p_values[-1], flipped.fixed, flipped.broken, flipped.p)
    corrected = holm_by_column(np.array(p_values))
    return {
        task: replace(comparison, p=p)
        for (task, comparison), p in zip(by_task.items(), corrected, strict=True)
    }


def differences_of(rows: Sequence[Row], standing: Standing) -> Differences:
    """The paired differences of rows, as far as they stand there."""
    value, low, high = _of_rows(rows, standing, "value", "low", "high")
    return Differences(value, np.minimum(low, value), np.maximum(high, value))


def _of_rows(rows: Sequence[Row], standing: Standing, *names: str) -> list[FloatArray]:
    """Figures of a standing in the order of some rows; NaN for those that are not in it."""
    row_places = [place for place, row in enumerate(rows) if row.key in standing.places]
    standing_places = [standing.places[rows[place].key] for place in row_places]
    tables = []
    for name in names:
        table = np.full((len(rows), len(rows)), np.nan)
        table[np.ix_(row_places, row_places)] = getattr(standing.comparison, name)[
            np.ix_(standing_places, standing_places)
        ]
        tables.append(table)
    return tables


def _means(rows: Sequence[Row], task: str) -> FloatArray:
    """Rows × samples of a task: the mean over seeds and templates, NaN where a row has no score."""
    columns: dict[str, int] = {}
    row_means: list[tuple[int, list[int], FloatArray]] = []
    for place, row in enumerate(rows):
        if task in row.cells:
            ids, means = row.cells[task].sample_means
            row_means.append((place, [columns.setdefault(sample, len(columns)) for sample in ids], means))
    table = np.full((len(rows), len(columns)), np.nan)
    for place, wanted, means in row_means:
        table[place, wanted] = means
    return table
