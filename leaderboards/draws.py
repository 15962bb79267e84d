"""Draws of all ranked scores together, from which every probability on the pages is counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leaderboards.tables import Table

COUNT = 1000
SEED = 0
STEP = 1e-4
"""What scores are rounded to before anything is counted, so that a page can carry them: a hundredth of a point."""

NORMAL_95 = 1.959964
"""Standard deviations from the mean to an end of its 95 % interval."""


@dataclass(frozen=True)
class Draws:
    """Scores as they might have come out with other samples and other seeds."""

    scores: NDArray[np.float64]
    """Draws × ranked rows, best row first, on the scale of `Row.score`."""

    @property
    def steps(self) -> NDArray[np.int16]:
        """The same in whole steps of `STEP`; what lies beyond ±3.27, far below chance, stays at that end."""
        limits = np.iinfo(np.int16)
        return np.clip(np.rint(self.scores / STEP), limits.min, limits.max).astype(np.int16)


def joint_draws(table: Table, *, count: int = COUNT) -> Draws:
    """Draw the scores of all ranked rows, the same ones every time.

    Each row is drawn from its own estimate: a normal distribution on either side, as wide there as that side of the
    interval.
    """
    estimates = [row.score for row in table.ranked if row.score]
    value, low, high = (np.array([getattr(one, end) for one in estimates]) for end in ("value", "low", "high"))
    standard = np.random.default_rng(SEED).standard_normal((count, len(estimates)))
    return Draws(value + standard * np.where(standard < 0, value - low, high - value) / NORMAL_95)
