"""Estimates with 95 % intervals: of scores, of paired gains, of means over tasks."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from harness.statistics.planning import POWER
from harness.statistics.spread import FloatArray, Spread, effects, of_pairs, table_of

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and 95 % interval."""

    value: float
    stderr: float | None
    """None when there are fewer than two samples."""

    low: float
    high: float
    n: int
    """Number of samples."""

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
        """The smallest true value that would be found to differ from zero in four of five repetitions; None
        without a standard error above 0.

        `(t(.975) + t(.80)) · SE` with the degrees of freedom of the standard error; 2.8 · SE when they are
        many.
        """
        if not self.stderr:
            return None
        return float(_quantile(np.asarray(self.degrees)) + special.stdtrit(self.degrees, POWER)) * self.stderr


@dataclass(frozen=True)
class Intervals:
    """Estimates as arrays of one shape: (K,) for scores, (K, K) for differences."""

    value: FloatArray
    stderr: FloatArray | None
    """None when there are fewer than two samples."""

    low: FloatArray
    high: FloatArray
    degrees: FloatArray
    n: int
    seeds: int

    def at(self, *place: int) -> Estimate:
        """The estimate at one index: `at(k)`, or `at(row, column)`."""
        value = float(self.value[place])
        return Estimate(
            value,
            None if self.stderr is None else float(self.stderr[place]),
            min(float(self.low[place]), value),
            max(float(self.high[place]), value),
            self.n,
            self.seeds,
            float(self.degrees[place]),
        )


def score(
    scores: ArrayLike, *, binary: bool, low: float = 0.0, high: float = 1.0, clusters: ArrayLike | None = None
) -> Estimate:
    """The mean of a table of scores (samples, seeds × samples, or seeds × templates × samples) with its 95 %
    interval.

    Binary scores, and their means over templates, get Wilson's interval: for one seed and template the same
    as scipy's `binomtest(...).proportion_ci("wilson")`; for several, n becomes the effective sample size n /
    design effect, as for proportions from clustered surveys (Franco et al., J. Survey Statistics and
    Methodology 7, 2019). Other scores get the t interval, clipped to `low` and `high`, the range of the
    metric. Where all scores are equal the t interval would have no width; scores in [0, 1] then get Wilson's,
    which is wide enough because none varies more than a binary one.
    """
    return scores_of(table_of(scores)[None], binary=binary, low=low, high=high, clusters=clusters).at(0)


def scores_of(
    tables: FloatArray,
    *,
    binary: bool,
    low: float = 0.0,
    high: float = 1.0,
    clusters: ArrayLike | None = None,
) -> Intervals:
    """`score` for K tables of one shape (K × seeds × templates × samples) at once: K estimates."""
    parts = effects(tables, clusters)
    spread = None if parts is None else parts.spread(parts.squares())
    _, seeds, _, n = tables.shape
    means = tables.mean(axis=(1, 2, 3))
    wilson_low, wilson_high = _wilson(
        means, _effective_n(means, tables.shape, spread), _wilson_quantile(tables, spread)
    )
    if spread is None:  # one sample bounds nothing, unless it is binary
        return Intervals(
            means,
            None,
            wilson_low if binary else np.full_like(means, low),
            wilson_high if binary else np.full_like(means, high),
            np.full_like(means, np.inf),
            n,
            seeds,
        )
    half_width = _quantile(spread.degrees) * np.sqrt(spread.variance)
    all_equal = spread.variance == 0
    takes_wilson = np.full_like(all_equal, binary) | (all_equal & ((low, high) == (0.0, 1.0)))
    return Intervals(
        means,
        np.sqrt(spread.variance),
        np.where(takes_wilson, wilson_low, np.maximum(low, means - half_width)),
        np.where(takes_wilson, wilson_high, np.minimum(high, means + half_width)),
        spread.degrees,
        n,
        seeds,
    )


def _effective_n(proportions: FloatArray, shape: tuple[int, ...], spread: Spread | None) -> FloatArray:
    """How many independent samples would leave each proportion as uncertain as it is."""
    n = shape[-1]
    if spread is None:
        return np.full_like(proportions, n)
    simple = np.maximum(proportions * (1 - proportions), 0) / (n - 1)  # the variance of independent samples
    comparable = (simple > 0) & (spread.variance > 0)
    return np.where(comparable, n * simple / np.where(comparable, spread.variance, 1.0), float(n))


def _wilson_quantile(tables: FloatArray, spread: Spread | None) -> FloatArray:
    """The normal quantile for one seed and template, as in the textbooks; otherwise that of t."""
    _, seeds, templates, _ = tables.shape
    if spread is None or seeds == templates == 1:
        return np.asarray(special.ndtri(0.5 + CONFIDENCE / 2))
    return _quantile(spread.degrees)


def _wilson(proportions: FloatArray, n: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both ends of Wilson's interval for proportions of `n` samples, at the normal or t quantile `z`."""
    centre = (proportions + z**2 / (2 * n)) / (1 + z**2 / n)
    inside = np.maximum(proportions * (1 - proportions) / n + z**2 / (4 * n**2), 0)
    half_width = z / (1 + z**2 / n) * np.sqrt(inside)
    return np.maximum(0.0, centre - half_width), np.minimum(1.0, centre + half_width)


def _quantile(degrees: FloatArray) -> FloatArray:
    """The .975 quantile of t for degrees of freedom of any shape.

    A square holds those of all pairs, so each pair's quantile is computed once.
    """
    if degrees.ndim == 2:
        return of_pairs(_quantile, degrees)
    # The value of scipy.stats.t.ppf without its checks, which take ten times as long for a single number.
    return np.asarray(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def gain(
    tuned: ArrayLike, base: ArrayLike, *, binary: bool, span: float = 1.0, clusters: ArrayLike | None = None
) -> Estimate:
    """The paired difference of two tables over the same seeds, templates and samples, with its 95 % interval.

    Binary scores get the square-and-add interval (MOVER: Newcombe, Statistics in Medicine 17, 1998, method
    10; Zou and Donner, ibid. 27, 2008). It combines the intervals of both scores with their correlation, so
    it keeps its width where all differences are equal and the t interval would have none. Other scores get
    the t interval, clipped to ± `span`, the length of the metric's range; where that would have no width,
    scores in [0, 1] also get the square-and-add interval.
    """
    tuned_table, base_table = table_of(tuned), table_of(base)
    assert tuned_table.shape == base_table.shape, "a paired gain compares the same seeds and samples"
    return differences(np.stack([tuned_table, base_table]), binary=binary, span=span, clusters=clusters).at(
        0, 1
    )


def differences(
    tables: FloatArray, *, binary: bool, span: float = 1.0, clusters: ArrayLike | None = None
) -> Intervals:
    """`gain` for every two of K tables (K × seeds × templates × samples): K × K, the row's score minus the
    column's."""
    _, seeds, _, n = tables.shape
    means = tables.mean(axis=(1, 2, 3))
    value = means[:, None] - means[None, :]
    parts = effects(tables, clusters)
    if parts is None:
        # One sample bounds nothing. Its part in a corpus metric may even lie outside the metric's range.
        return Intervals(
            value,
            None,
            np.minimum(-span, value),
            np.maximum(span, value),
            np.full_like(value, np.inf),
            n,
            seeds,
        )
    spread = parts.spread(parts.squares_of_differences())
    if binary:
        low, high = _square_and_add(tables, value, parts.spread(parts.squares()), spread)
    else:
        half_width = _quantile(spread.degrees) * np.sqrt(spread.variance)
        low, high = np.maximum(-span, value - half_width), np.minimum(span, value + half_width)
        if span == 1.0:
            mover_low, mover_high = _square_and_add(tables, value, parts.spread(parts.squares()), spread)
            all_equal = spread.variance == 0
            low, high = np.where(all_equal, mover_low, low), np.where(all_equal, mover_high, high)
    return Intervals(value, np.sqrt(spread.variance), low, high, spread.degrees, n, seeds)


def _square_and_add(
    tables: FloatArray, value: FloatArray, score_spread: Spread, difference_spread: Spread
) -> tuple[FloatArray, FloatArray]:
    """Both ends of the intervals of all differences `value` (K × K), from the spread of the K scores.

    The degrees of freedom are those of the differences.
    """
    means, stderr = tables.mean(axis=(1, 2, 3)), np.sqrt(score_spread.variance)
    product = stderr[:, None] * stderr[None, :]
    variances = score_spread.variance[:, None] + score_spread.variance[None, :]
    # Var(a − b) = Var(a) + Var(b) − 2ρ·SE(a)·SE(b) gives the correlation ρ of the two means.
    positive = product > 0
    covariance = (variances - difference_spread.variance) / 2
    correlation = np.where(positive, covariance / np.where(positive, product, 1.0), 0.0)
    correlation = np.clip(correlation, -1, 1)
    effective_n = _effective_n(means, tables.shape, score_spread)
    quantile = _wilson_quantile(tables, difference_spread)
    low, high = _wilson(means[:, None], effective_n[:, None], quantile)
    down, up = np.maximum(means[:, None] - low, 0.0), np.maximum(high - means[:, None], 0.0)

    def margin(side: FloatArray, opposite_side: FloatArray) -> FloatArray:
        squares = side**2 + opposite_side**2 - 2 * correlation * side * opposite_side
        return np.asarray(np.sqrt(np.maximum(0.0, squares)))

    # `down` and `up` hold the row's margins; transposed, they hold the column's.
    return np.maximum(-1.0, value - margin(down, up.T)), np.minimum(1.0, value + margin(up, down.T))


def mean_over_tasks(estimates: list[Estimate]) -> Estimate:
    """The mean of one candidate's independent estimates on several tasks.

    The tasks are fixed, not a sample of anything, so only the uncertainty within tasks counts.
    """

    def root_of_squares(numbers: Iterable[float]) -> float:
        return float(np.sqrt(sum(number**2 for number in numbers))) / len(estimates)

    value = float(np.mean([estimate.value for estimate in estimates]))
    down = root_of_squares(estimate.value - estimate.low for estimate in estimates)
    up = root_of_squares(estimate.high - estimate.value for estimate in estimates)
    errors = [estimate.stderr for estimate in estimates if estimate.stderr is not None]
    return Estimate(
        value,
        root_of_squares(errors) if len(errors) == len(estimates) else None,
        value - down,
        value + up,
        n=sum(estimate.n for estimate in estimates),
        seeds=min(estimate.seeds for estimate in estimates),
    )


def rescale(estimate: Estimate, chance: float) -> Estimate:
    """`(s − chance) / (1 − chance)`, so that tasks with different chance levels can be averaged; never
    clipped.

    0 is what guessing scores, 1 the best score; below chance the result is negative.
    """
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
