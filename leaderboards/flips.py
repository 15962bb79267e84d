"""Samples that one candidate gets right and another gets wrong, and whether such a difference could be chance.

Pure functions of numbers: nothing in here knows of results or of pages.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics import mcnemar

MAJORITY = 0.5
"""A sample is right when more than this share of a candidate's seeds and templates is."""


@dataclass(frozen=True)
class Flips:
    """One candidate against each of several others."""

    fixed: NDArray[np.int64]
    """Samples that it gets right, or scores higher on, and the other does not."""

    broken: NDArray[np.int64]
    """The reverse."""

    p: NDArray[np.float64]
    """Exact McNemar test of each pair."""


def flips(scores: ArrayLike, others: ArrayLike, *, binary: bool) -> Flips:
    """Compare a candidate's scores on n samples with those of m others (m × n); NaN where a sample was not scored.

    `binary`: scores are shares of right answers, and the majority's verdicts are compared; otherwise the scores are.
    """
    mine, theirs = np.asarray(scores, dtype=np.float64), np.atleast_2d(np.asarray(others, dtype=np.float64))
    if binary:
        mine, theirs = (np.where(np.isnan(table), np.nan, table > MAJORITY) for table in (mine, theirs))
    fixed, broken = (mine > theirs).sum(axis=1), (mine < theirs).sum(axis=1)  # NaN is neither
    return Flips(fixed, broken, mcnemar(fixed, broken))
