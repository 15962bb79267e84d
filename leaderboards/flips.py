"""Samples that one candidate gets right and another gets wrong, and whether such a difference could be chance.

Pure functions of numbers: nothing in here knows of results or of pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.statistics import Estimate, mcnemar

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


def difference_p(differences: Sequence[Estimate], otherwise: ArrayLike) -> NDArray[np.float64]:
    """Two-sided p values of paired differences, from their standard errors and degrees of freedom (t test).

    Where a difference has no standard error, or none to speak of because it is the same on every sample, the t test says
    nothing, and the value of `otherwise` is taken.
    """
    values, errors, degrees = (
        np.array([getattr(difference, name) or 0.0 for difference in differences], dtype=np.float64)
        for name in ("value", "stderr", "degrees")
    )
    known = errors > 0
    p = 2 * special.stdtr(np.where(known, degrees, 1.0), -np.abs(values) / np.where(known, errors, 1.0))
    return np.where(known, p, np.asarray(otherwise, dtype=np.float64))
