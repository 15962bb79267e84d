"""Uncertainty of scores and of gains, over samples and over training seeds.

Scores form a table of S seeds × n samples: every seed (a fine-tune, or a draw of demonstrations) answers the same
samples. Seeds and samples are both draws, so the variance of the grand mean has a part from each (two-way random
effects without replication):

    Var(mean) = (MS_seeds + MS_samples − MS_residual) / (S·n)

with the mean squares of the analysis of variance, and Satterthwaite's degrees of freedom (Biometrics Bulletin 2,
1946) for the t quantile. With one seed only the samples vary, and the seed's part is unknown: say so beside the number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
POWER = 0.8

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and 95 % interval."""

    value: float
    stderr: float | None
    """None when there are fewer than two samples."""

    low: float
    high: float
    n: int
    """Samples."""

    seeds: int
    degrees: float = float("inf")
    """Degrees of freedom of the standard error."""

    def __post_init__(self) -> None:
        assert self.low <= self.value <= self.high, "an interval holds its estimate"

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0

    @property
    def resolvable(self) -> float | None:
        """The true value that would be found different from zero four times in five; None when it cannot be told.

        `(t(.975) + t(.80)) · SE` with the degrees of freedom of the standard error; 2.8 · SE when they are many.
        """
        if not self.stderr:
            return None
        return float(stats.t.ppf(0.5 + CONFIDENCE / 2, self.degrees) + stats.t.ppf(POWER, self.degrees)) * self.stderr


@dataclass(frozen=True)
class _Spread:
    variance: float
    """Of the grand mean."""

    degrees: float
    """Satterthwaite's degrees of freedom of that variance."""


def _table(scores: ArrayLike) -> Scores:
    table = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    assert table.ndim == 2 and table.size > 0, "scores are a table of seeds × samples with at least one of each"
    assert np.isfinite(table).all(), "an unscored sample is left out before, never NaN"
    return table


def _spread(table: Scores) -> _Spread | None:
    """Variance of the mean of a (seeds × samples) table; None with fewer than two samples."""
    seeds, n = table.shape
    if n < 2:
        return None
    if seeds == 1:
        return _Spread(float(table.var(ddof=1)) / n, n - 1.0)
    grand = table.mean()
    by_seed, by_sample = table.mean(axis=1), table.mean(axis=0)
    square_seeds = n * float(((by_seed - grand) ** 2).sum()) / (seeds - 1)
    square_samples = seeds * float(((by_sample - grand) ** 2).sum()) / (n - 1)
    residual = table - by_seed[:, None] - by_sample[None, :] + grand
    square_residual = float((residual**2).sum()) / ((seeds - 1) * (n - 1))
    total = square_seeds + square_samples - square_residual
    # The estimate of a component can come out negative; samples alone are then the floor.
    total = max(total, square_samples)
    parts = square_seeds**2 / (seeds - 1) + square_samples**2 / (n - 1) + square_residual**2 / ((seeds - 1) * (n - 1))
    degrees = total**2 / parts if parts > 0 else n - 1.0
    return _Spread(total / (seeds * n), degrees)


def score(scores: ArrayLike, *, binary: bool, low: float = 0.0, high: float = 1.0) -> Estimate:
    """Mean of a (seeds × samples) table of scores, or of one seed's scores, with its 95 % interval.

    Binary scores, and their means over templates, get Wilson's interval (scipy's
    `binomtest(...).proportion_ci("wilson")` for one seed and template); with several, n becomes the effective sample
    size n / design effect, as for proportions from clustered surveys (Franco et al., J. Survey Statistics and
    Methodology 7, 2019). Other scores get the t interval, kept within `low` and `high`, the range of the metric; where
    all are equal it would have no width, and Wilson's bounds any score in [0, 1]: none varies more than a binary one.
    """
    table = _table(scores)
    seeds, n = table.shape
    value = float(table.mean())
    spread = _spread(table)
    level = spread is not None and spread.variance == 0 and (low, high) == (0.0, 1.0)
    if binary or level:
        low, high = _wilson(value, n, seeds, spread)
    elif spread is not None:  # one sample bounds nothing
        half = _quantile(spread.degrees) * spread.variance**0.5
        low, high = max(low, value - half), min(high, value + half)
    return Estimate(value, None if spread is None else spread.variance**0.5, min(low, value), max(high, value), n, seeds)


def _wilson(p: float, n: int, seeds: int, spread: _Spread | None) -> tuple[float, float]:
    effective, z = float(n), float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    if spread is not None:
        z = _quantile(spread.degrees) if seeds > 1 else z
        simple = p * (1 - p) / (n - 1)
        if simple > 0 and spread.variance > 0:
            effective = n * simple / spread.variance
    centre = (p + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * (p * (1 - p) / effective + z**2 / (4 * effective**2)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def _quantile(degrees: float) -> float:
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees))


def gain(tuned: ArrayLike, base: ArrayLike, *, binary: bool, span: float = 1.0) -> Estimate:
    """Paired difference of two (seeds × samples) tables over the same seeds and samples, with its 95 % interval.

    Binary scores get the square-and-add interval (MOVER: Newcombe, Statistics in Medicine 17, 1998, method 10; Zou
    and Donner, ibid. 27, 2008): it joins the two scores' own intervals with their correlation, so it keeps its width
    where every difference is equal and the t interval would collapse. Other scores get the t interval, kept within
    `span`, the distance of the metric's ends.
    """
    first, second = _table(tuned), _table(base)
    assert first.shape == second.shape, "a paired gain compares the same seeds and samples"
    seeds, n = first.shape
    difference = first - second
    value = float(difference.mean())
    spread = _spread(difference)
    if spread is None:
        # A sample's part in a corpus metric may lie outside the metric's range.
        return Estimate(value, None, min(-span, value), max(span, value), n, seeds)
    if binary:
        low, high = _square_and_add(score(first, binary=True), score(second, binary=True), spread)
    else:
        half = _quantile(spread.degrees) * spread.variance**0.5
        low, high = max(-span, value - half), min(span, value + half)
    return Estimate(value, spread.variance**0.5, min(low, value), max(high, value), n, seeds, spread.degrees)


def _square_and_add(first: Estimate, second: Estimate, spread: _Spread) -> tuple[float, float]:
    assert first.stderr is not None and second.stderr is not None, "n ≥ 2 was checked"
    product = first.stderr * second.stderr
    # Var(a − b) = Var(a) + Var(b) − 2ρ·SE(a)·SE(b) gives the correlation of the two means.
    correlation = (first.stderr**2 + second.stderr**2 - spread.variance) / (2 * product) if product > 0 else 0.0
    correlation = float(np.clip(correlation, -1, 1))

    def margin(down: float, up: float) -> float:
        return float(np.sqrt(max(0.0, down**2 + up**2 - 2 * correlation * down * up)))

    value = first.value - second.value
    low = value - margin(first.value - first.low, second.high - second.value)
    high = value + margin(first.high - first.value, second.value - second.low)
    return max(-1.0, low), min(1.0, high)


def mean_over_tasks(estimates: list[Estimate]) -> Estimate:
    """Mean of independent estimates of the same candidate on fixed tasks; the tasks are not a sample of anything."""
    value = float(np.mean([estimate.value for estimate in estimates]))
    down = float(np.sqrt(sum((estimate.value - estimate.low) ** 2 for estimate in estimates))) / len(estimates)
    up = float(np.sqrt(sum((estimate.high - estimate.value) ** 2 for estimate in estimates))) / len(estimates)
    errors = [estimate.stderr for estimate in estimates]
    stderr = None if None in errors else float(np.sqrt(sum(error**2 for error in errors if error is not None))) / len(errors)
    return Estimate(value, stderr, value - down, value + up, sum(e.n for e in estimates), min(e.seeds for e in estimates))


def rescale(estimate: Estimate, chance: float) -> Estimate:
    """`(s − chance) / (1 − chance)`, so that tasks with different chance levels can be averaged; never clipped."""
    span = 1 - chance

    def map_score(value: float) -> float:
        return (value - chance) / span

    return Estimate(
        map_score(estimate.value),
        None if estimate.stderr is None else estimate.stderr / span,
        map_score(estimate.low),
        map_score(estimate.high),
        estimate.n,
        estimate.seeds,
    )
