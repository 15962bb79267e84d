"""Samples that one candidate gets right and another gets wrong, and whether such a difference could be
chance.

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
    """Every two of R candidates: R × R each, the row's against the column's."""

    fixed: NDArray[np.int64]
    """Samples that the first gets right, or scores higher on, and the second does not."""

    broken: NDArray[np.int64]
    """Samples that the second gets right, or scores higher on, and the first does not."""

    p: NDArray[np.float64]
    """Exact McNemar test of each pair."""


def flips(scores: ArrayLike, *, binary: bool, margins: NDArray[np.float64] | None = None) -> Flips:
    """Compare the scores of R candidates on n samples (R × n) with each other; NaN where a sample was not
    scored.

    `binary`: scores are shares of right answers, and the majority's verdicts are compared; otherwise the
    scores are. `margins`: how far scores of each pair may be apart and count as the same (R × R).
    """
    table = np.asarray(scores, dtype=np.float64)
    if binary:
        right, wrong = (
            (table > MAJORITY).astype(np.float64),
            (table <= MAJORITY).astype(np.float64),
        )  # NaN is neither
        fixed = np.rint(right @ wrong.T).astype(np.int64)
    else:
        apart = np.zeros((len(table), len(table))) if margins is None else margins
        fixed = np.array(
            [(row - table > margin[:, None]).sum(axis=1) for row, margin in zip(table, apart, strict=True)]
        )
    broken = fixed.T
    return Flips(fixed, broken, mcnemar(fixed, broken))
