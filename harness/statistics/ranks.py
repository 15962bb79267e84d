"""What order paired differences allow: rank intervals that hold all together, and tiers.

Candidates answer the same samples, so their errors go together. Errors of all are drawn jointly (a multiplier
bootstrap: one normal weight a seed, template and sample or cluster, the same for every candidate); the
largest standardised difference of any two that chance alone makes in 95 % of the draws (max-t) is what a
difference must exceed to count. Best rank is then one more than the candidates that are surely better, and
the worst likewise from below (Mogstad, Romano, Shaikh and Wilhelm, Review of Economic Studies 91, 2024).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.statistics.intervals import CONFIDENCE
from harness.statistics.spread import Scores, effects

DRAWS = 1_000


@dataclass(frozen=True)
class Ranking:
    """Of K candidates, in their order."""

    best: NDArray[np.int64]
    worst: NDArray[np.int64]
    better: NDArray[np.bool_]
    """K × K: whether the row's is surely better than the column's."""

    level: float
    """The p-value below which a single pair counts, all pairs together at 5 %."""


def deviations(
    tables: Scores, *, clusters: ArrayLike | None = None, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """Joint draws of the errors of K means (K × seeds × templates × samples), in standard errors: draws × K.

    0 for a candidate whose scores are all equal, or with fewer than two samples or clusters.
    """
    parts = effects(tables, clusters)
    if parts is None:
        return np.zeros((draws, len(tables)))
    generator = np.random.default_rng(seed)
    total, variance = np.zeros((draws, len(tables))), np.zeros(len(tables))
    for axes, part in parts.parts.items():
        if len(axes) > 1:
            continue
        entries = part.shape[1]
        scaled = part / np.sqrt(entries * (entries - 1))
        total += generator.standard_normal((draws, entries)) @ scaled.T
        variance += (scaled**2).sum(axis=1)
    standardised: Scores = total / np.sqrt(np.where(variance > 0, variance, 1.0))
    return standardised


def rank(p: Scores, value: Scores, level: float) -> Ranking:
    """Rank intervals of K candidates.

    `p`: p-values of their paired differences (K × K), 1 where two cannot be compared; `value`: the
    differences, row less column; `level`: below which of them a single pair counts, `joint_level` of their
    errors.
    """
    better = (p < level) & (value > 0)
    np.fill_diagonal(better, False)
    return Ranking(1 + better.sum(axis=0), len(value) - better.sum(axis=1), better, level)


def joint_level(errors: Scores) -> float:
    """The p-value that the smallest one of all pairs falls below by chance in 5 % of the draws.

    `errors`: joint draws of the errors of K scores (draws × K), in the units of the scores.
    """
    spread = (
        np.cov(errors, rowvar=False).reshape(errors.shape[1], -1) if errors.shape[1] else np.zeros((0, 0))
    )
    own = np.diag(spread)
    variance = own[:, None] + own[None, :] - 2 * spread
    rows, columns = np.nonzero(np.triu(variance > 1e-12 * (own[:, None] + own[None, :]), k=1))
    if not len(rows):
        return 1 - CONFIDENCE
    scale = np.zeros_like(variance)
    scale[rows, columns] = 1 / np.sqrt(variance[rows, columns])
    largest = _largest(errors, scale)
    return float(2 * special.ndtr(-np.quantile(largest, CONFIDENCE)))


def _largest(errors: Scores, scale: Scores) -> Scores:
    """Of each draw the largest difference of any two, each times its `scale` (above the diagonal), whatever
    its sign."""
    # In single precision, which takes half the time: the level is needed to a few digits.
    by_candidate, scale = np.ascontiguousarray(errors.T, dtype=np.float32), scale.astype(np.float32)
    largest = np.zeros(len(errors), dtype=np.float32)
    differences = np.empty_like(
        by_candidate
    )  # one table for all: to ask for new memory takes longer than to fill it
    for place, own in enumerate(by_candidate[:-1]):
        others = differences[place + 1 :]
        np.subtract(by_candidate[place + 1 :], own, out=others)
        np.multiply(others, scale[place, place + 1 :, None], out=others)
        np.abs(others, out=others)
        np.maximum(largest, others.max(axis=0), out=largest)
    return largest.astype(np.float64)
