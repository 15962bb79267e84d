"""Which order paired differences allow: rank intervals that hold jointly for all candidates.

Candidates answer the same samples, so their errors are correlated and have to be drawn jointly. That is done
by a multiplier bootstrap: one normal weight per sample (or cluster, or random wording), the same for every
candidate, and errors of its seeds for each candidate alone. In 95 % of the draws, the largest standardised
difference of any two candidates stays below a critical value (max-t); an observed difference counts if it is
larger than that. A candidate's best rank is one plus the number of candidates that are significantly better,
and its worst rank follows from those that are significantly worse (Mogstad, Romano, Shaikh and Wilhelm,
Review of Economic Studies 91, 2024).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from harness.statistics.intervals import CONFIDENCE, ArmMeans
from harness.statistics.spread import FloatArray

DRAWS = 1_000
"""Joint draws of the errors of all candidates."""


@dataclass(frozen=True)
class Ranking:
    """The rank intervals of K candidates, in the order given."""

    best: NDArray[np.int64]
    worst: NDArray[np.int64]
    better: NDArray[np.bool_]
    """K × K: whether the row's candidate is significantly better than the column's."""

    p_threshold: float
    """Pairs with a p-value below it count; the chance that any of them is false is 5 % in all."""


def sample_errors(means: ArmMeans, *, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Joint draws of what samples (and random wordings) add to the errors of K means, in standard errors:
    draws × K.

    0 for an arm whose samples all scored alike, or with fewer than two samples or clusters.
    """
    effects, count = means.effects, len(means.values)
    if effects is None:
        return np.zeros((draws, count))
    generator = np.random.default_rng(seed)
    drawn, variance = np.zeros((draws, count)), np.zeros(count)
    for part in (effects.samples, effects.templates):
        if part is None:
            continue
        entries = part.shape[1]
        scaled = part / np.sqrt(entries * (entries - 1))
        # Weights of samples give errors whose covariance is `scaled @ scaled.T`. So do weights of the rows of
        # the triangle R of `scaled.T = Q R`, and they are as few as candidates.
        factor = np.linalg.qr(scaled.T, mode="r") if count < entries else scaled.T
        drawn += generator.standard_normal((draws, len(factor))) @ factor
        variance += (scaled**2).sum(axis=1)
    return np.asarray(drawn / np.sqrt(np.where(variance > 0, variance, 1.0)))


def score_errors(
    means: ArmMeans, stderr: FloatArray, *, draws: int = DRAWS, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Joint draws of the errors of K means with these standard errors (K,), in the units of the scores: draws
    × K each. First as if all variances were known, then with the tails that the estimated variances of seeds
    give them."""
    of_samples = sample_errors(means, draws=draws, seed=seed)
    of_samples *= np.sqrt(np.maximum(0.0, stderr**2 - means.noise.variance))
    of_seeds, tailed = means.noise.errors(draws=draws, seed=seed)
    return of_samples + of_seeds, of_samples + tailed


def rank(p: FloatArray, differences: FloatArray, p_threshold: float) -> Ranking:
    """The rank intervals of K candidates.

    `p`: two-sided p-values of their paired differences (K × K), 1 where two cannot be compared;
    `differences`: the row's score minus the column's; `p_threshold`: `joint_threshold` of the scores' errors.
    """
    better = (p < p_threshold) & (differences > 0)
    np.fill_diagonal(better, False)
    return Ranking(1 + better.sum(axis=0), len(differences) - better.sum(axis=1), better, p_threshold)


def joint_threshold(errors: NDArray[np.floating[Any]]) -> float:
    """The p-value below which, by chance alone, the smallest of all pairs' p-values falls in 5 % of the
    draws.

    `errors`: joint draws of the errors of K scores (draws × K), in the units of the scores.
    """
    count = errors.shape[1]
    covariance = np.cov(errors, rowvar=False).reshape(count, -1) if count else np.zeros((0, 0))
    scale = np.zeros(covariance.shape, dtype=np.float32)
    differ = False
    for place in range(count - 1):
        later = slice(place + 1, None)
        sums = covariance[place, place] + np.diagonal(covariance)[later]
        variance = sums - 2 * covariance[place, later]  # of the difference of each pair
        places = np.flatnonzero(variance > 1e-12 * sums)
        scale[place, place + 1 + places] = 1 / np.sqrt(variance[places])
        differ = differ or len(places) > 0
    if not differ:
        return 1 - CONFIDENCE
    largest = _largest_differences(errors, scale)
    return float(2 * special.ndtr(-np.quantile(largest, CONFIDENCE)))


def _largest_differences(errors: NDArray[np.floating[Any]], scale: NDArray[np.float32]) -> FloatArray:
    """For each draw, the largest absolute difference of any two errors times the pair's `scale`, which is
    read above the diagonal (K × K)."""
    # Single precision halves the time, and the threshold is needed to a few digits only.
    by_candidate = np.ascontiguousarray(errors.T, dtype=np.float32)
    largest = np.zeros(len(errors), dtype=np.float32)
    # One buffer for all candidates: allocating a new one takes longer than filling it.
    buffer = np.empty_like(by_candidate)
    for place, candidate in enumerate(by_candidate[:-1]):
        differences = buffer[place + 1 :]
        np.subtract(by_candidate[place + 1 :], candidate, out=differences)
        np.multiply(differences, scale[place, place + 1 :, None], out=differences)
        np.abs(differences, out=differences)
        np.maximum(largest, differences.max(axis=0), out=largest)
    return largest.astype(np.float64)
