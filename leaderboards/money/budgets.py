"""Training budgets below the one that a row is ranked with, as rows of their own: how many labels to buy is a
choice as well."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Estimate
from leaderboards.rank.draws import NORMAL_95, SEED
from leaderboards.rank.means import weighted_mean
from leaderboards.rank.tables import Row, Table


def smaller_budgets(table: Table) -> Iterator[Row]:
    """The ranked fine-tunes at each smaller budget at which they have every task with every seed, smallest
    budget first.

    They are not ranked. Each is judged by guard runs of its own weights; without any, what it forgets is not
    known.
    """
    for row in table.ranked:
        curves = [table.curves.get((*row.key, task), {}) for task in table.tasks]
        for budget in sorted(set.intersection(*(set(curve) for curve in curves))):
            cells = {task: curve[budget] for task, curve in zip(table.tasks, curves, strict=True)}
            is_complete = all(cell.seeds == row.seeds_wanted and cell.estimate for cell in cells.values())
            if is_complete and cells != row.cells:
                score = weighted_mean(
                    {task: cell.estimate for task, cell in cells.items()},
                    table.tasks,
                    table.weights,
                    chance=True,
                )
                smaller = replace(row, cells=cells, score=score, ranks=None, tier=None, robustness=None)
                yield replace(
                    smaller,
                    over_zero=gain_over(table.baseline(smaller, "zero_shot"), smaller, table),
                    over_few=gain_over(table.baseline(smaller, "few_shot"), smaller, table),
                    significance={},
                    forgetting=table.smaller_guards.get((row.key, budget)),
                )


def gain_over(arm: Row | None, row: Row, table: Table) -> Estimate | None:
    """What a smaller budget scores more than an arm without tuning; None without one, or where they share no
    samples."""
    if arm is None:
        return None
    parts = {task: table.paired(row.cells[task], arm.cells[task]) for task in table.tasks}
    return weighted_mean(parts, table.tasks, table.weights, chance=False)


def draws_alone(estimate: Estimate, count: int, *, number: int) -> NDArray[np.float64]:
    """Scores as they might have come out, independent of all others, the same ones every time.

    From t with the degrees of freedom of the standard error; where all samples scored alike, and there is no
    such error, as wide as the interval on either side. Rows of one board answer the same samples, so that
    differences from them are drawn wider than they are. `number`: tells such draws apart.
    """
    chance = np.random.default_rng([SEED, number])
    if estimate.stderr and np.isfinite(estimate.degrees):
        return estimate.value + estimate.stderr * chance.standard_t(estimate.degrees, count)
    errors = chance.standard_normal(count)
    if estimate.stderr:
        return estimate.value + estimate.stderr * errors
    low, high = estimate.value - estimate.low, estimate.high - estimate.value
    return np.asarray(estimate.value + np.where(errors < 0, low, high) / NORMAL_95 * errors)
