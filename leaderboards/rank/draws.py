"""Draws of all ranked scores together, from which every probability on the pages is counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.statistics import DRAWS, FloatArray
from leaderboards.rank.tables import Table

SEED = 0
STEP = 1e-4
"""What scores are rounded to before anything is counted, so that a page can carry them: a hundredth of a
point."""

NORMAL_95 = 1.959964
"""Standard deviations from the mean to an end of its 95 % interval."""


@dataclass(frozen=True)
class Draws:
    """Scores as they might have come out with other samples and other seeds."""

    scores: NDArray[np.float64]
    """Draws × ranked rows, best row first, on the scale of `Row.score`."""

    @property
    def steps(self) -> NDArray[np.int16]:
        """The scores in whole steps of `STEP`, cut at ±3.27, which is far below chance."""
        limits = np.iinfo(np.int16)
        return np.clip(np.rint(self.scores / STEP), limits.min, limits.max).astype(np.int16)


def joint_draws(table: Table, *, count: int = DRAWS) -> Draws:
    """Draw the scores of all ranked rows together, the same ones every time.

    Rows answer the same samples, so the errors that come from samples are drawn jointly; those of each row's
    seeds are its own, from t with the degrees of freedom of their variance, so that a difference has the
    tails that its interval has.
    """
    estimates = [row.score for row in table.ranked if row.score]
    value, low, high = (
        np.array([getattr(estimate, end) for estimate in estimates]) for end in ("value", "low", "high")
    )
    errors = table.overall.comparison.tailed_errors[:count].astype(np.float64)
    # A row whose samples all scored alike has an interval all the same, and errors of its own.
    alone = np.random.default_rng(SEED).standard_normal(errors.shape)
    alone *= np.where(alone < 0, value - low, high - value) / NORMAL_95
    scores = value + np.where(errors.std(axis=0) > 0, errors, alone)
    return Draws(within_range(scores, table))


def within_range(scores: FloatArray, table: Table) -> FloatArray:
    """Drawn scores without those that no metric can give: two seeds allow for such errors."""
    highs = [card.metrics[card.primary_metric].high for card in table.tasks.values()]
    return np.minimum(scores, 1.0) if all(high is not None for high in highs) else scores
