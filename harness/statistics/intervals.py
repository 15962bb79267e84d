"""Estimates with 95 % intervals: of scores, of paired gains, of means over tasks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.statistics.planning import POWER
from harness.statistics.seeds import SeedNoise, seed_noise
from harness.statistics.spread import (
    FloatArray,
    SampleEffects,
    Spread,
    of_pairs,
    row_blocks,
    sample_effects,
    table_of,
    total,
)

CONFIDENCE = 0.95

ROUNDING = 1e-12
"""Means of scores that are closer than that are equal."""


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
        return (
            float(t_quantile(np.asarray(self.degrees)) + special.stdtrit(self.degrees, POWER)) * self.stderr
        )


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


@dataclass(frozen=True)
class ArmMeans:
    """The mean scores of K arms on the same samples, with all that makes them uncertain."""

    values: FloatArray
    """Of each sample in each wording, over an arm's seeds: K × templates × samples."""

    noise: SeedNoise
    seeds: NDArray[np.int64]
    """How many seeds each mean is over: (K,)."""

    clusters: ArrayLike | None = None
    random_wordings: bool = False
    """Whether the wordings are a draw of all possible ones, and not those that will be used."""

    @property
    def n(self) -> int:
        """Samples."""
        return int(self.values.shape[2])

    @property
    def exact(self) -> NDArray[np.bool_]:
        """For which means textbook intervals of proportions hold (K,): one seed that borrows nothing of other
        arms, one wording, samples that stand alone."""
        simple = self.clusters is None and self.values.shape[1] == 1
        return np.asarray(simple & (self.seeds == 1) & (self.noise.estimated == 0))

    @cached_property
    def means(self) -> FloatArray:
        """(K,)."""
        return np.asarray(self.values.mean(axis=(1, 2)))

    @cached_property
    def effects(self) -> SampleEffects | None:
        """How samples deviate; None with fewer than two."""
        return sample_effects(self.values, self.clusters, random_wordings=self.random_wordings)

    @cached_property
    def spread(self) -> Spread | None:
        """Of each mean: (K,)."""
        return None if self.effects is None else total([*self.effects.of_scores(), self.noise.of_scores()])

    @cached_property
    def spread_of_differences(self) -> Spread | None:
        """Of every two means: (K, K)."""
        if self.effects is None:
            return None
        of_samples = self.effects.of_differences()
        variance, degrees = np.empty((2, len(self.values), len(self.values)))
        for rows in row_blocks(len(variance)):
            spread = total([*(part.of(rows) for part in of_samples), self.noise.of_differences(rows)])
            variance[rows], degrees[rows] = spread.variance, spread.degrees
        return Spread(variance, degrees)


def means_of(
    tables: FloatArray, clusters: ArrayLike | None = None, *, random_wordings: bool = False
) -> ArmMeans:
    """K tables of one shape (K × seeds × templates × samples), whose seeds vary for the same reason."""
    noise = seed_noise([*tables], [clusters] * len(tables))
    seeds = np.full(len(tables), tables.shape[1])
    return ArmMeans(tables.mean(axis=1), noise, seeds, clusters, random_wordings)


def score(
    scores: ArrayLike, *, binary: bool, low: float = 0.0, high: float = 1.0, clusters: ArrayLike | None = None
) -> Estimate:
    """The mean of a table of scores (samples, seeds × samples, or seeds × templates × samples) with its 95 %
    interval; see `scores_of`."""
    return scores_of(means_of(table_of(scores)[None], clusters), binary=binary, low=low, high=high).at(0)


def scores_of(means: ArmMeans, *, binary: bool, low: float = 0.0, high: float = 1.0) -> Intervals:
    """The means of K arms with their 95 % intervals.

    Binary scores, and their means over wordings, get Wilson's interval: for one seed and wording the same as
    scipy's `binomtest(...).proportion_ci("wilson")`; for several, n becomes the effective sample size n /
    design effect, as for proportions from clustered surveys (Franco et al., J. Survey Statistics and
    Methodology 7, 2019). Other scores get the t interval, clipped to `low` and `high`, the range of the
    metric. Where all scores are equal the t interval would have no width; scores in [0, 1] then get Wilson's,
    which is wide enough because none varies more than a binary one.
    """
    value, spread, n = means.means, means.spread, means.n
    least_seeds = int(means.seeds.min())
    wilson_low, wilson_high = _wilson(value, _effective_n(value, n, spread), _wilson_quantile(means, spread))
    if spread is None:  # one sample bounds nothing, unless it is binary
        return Intervals(
            value,
            None,
            wilson_low if binary else np.full_like(value, low),
            wilson_high if binary else np.full_like(value, high),
            np.full_like(value, np.inf),
            n,
            least_seeds,
        )
    half_width = t_quantile(spread.degrees) * np.sqrt(spread.variance)
    all_equal = spread.variance == 0
    takes_wilson = np.full_like(all_equal, binary) | (all_equal & ((low, high) == (0.0, 1.0)))
    return Intervals(
        value,
        np.sqrt(spread.variance),
        np.where(takes_wilson, wilson_low, np.maximum(low, value - half_width)),
        np.where(takes_wilson, wilson_high, np.minimum(high, value + half_width)),
        spread.degrees,
        n,
        least_seeds,
    )


def _effective_n(proportions: FloatArray, n: int, spread: Spread | None) -> FloatArray:
    """How many independent samples would leave each proportion as uncertain as it is."""
    if spread is None:
        return np.full_like(proportions, n)
    simple = np.maximum(proportions * (1 - proportions), 0) / (n - 1)  # the variance of independent samples
    comparable = (simple > 0) & (spread.variance > 0)
    return np.where(comparable, n * simple / np.where(comparable, spread.variance, 1.0), float(n))


def _wilson_quantile(means: ArmMeans, spread: Spread | None) -> FloatArray:
    """The normal quantile where the textbooks' interval holds, of both scores of a difference; otherwise that
    of t."""
    normal, exact = special.ndtri(0.5 + CONFIDENCE / 2), means.exact
    if spread is None:
        return np.asarray(normal)
    if spread.degrees.ndim == 1:
        return np.where(exact, normal, t_quantile(spread.degrees))
    return np.where(exact[:, None] & exact[None, :], normal, quantile_of_pairs(spread.degrees))


def _wilson(proportions: FloatArray, n: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Both ends of Wilson's interval for proportions of `n` samples, at the normal or t quantile `z`."""
    centre = (proportions + z**2 / (2 * n)) / (1 + z**2 / n)
    inside = np.maximum(proportions * (1 - proportions) / n + z**2 / (4 * n**2), 0)
    half_width = z / (1 + z**2 / n) * np.sqrt(inside)
    return np.maximum(0.0, centre - half_width), np.minimum(1.0, centre + half_width)


def t_quantile(degrees: FloatArray) -> FloatArray:
    """The .975 quantile of t for degrees of freedom of any shape."""
    # The value of scipy.stats.t.ppf without its checks, which take ten times as long for a single number.
    return np.asarray(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def quantile_of_pairs(degrees: FloatArray) -> FloatArray:
    """`t_quantile` of the degrees of all pairs (K × K): each pair's is computed once."""
    return of_pairs(t_quantile, degrees)


def gain(
    tuned: ArrayLike, base: ArrayLike, *, binary: bool, span: float = 1.0, clusters: ArrayLike | None = None
) -> Estimate:
    """The difference of two arms' means over the same wordings and samples (each samples, seeds × samples, or
    seeds × templates × samples), with its 95 % interval; see `differences`.

    Each arm has seeds of its own, as many as it likes.
    """
    tables = [table_of(tuned), table_of(base)]
    assert tables[0].shape[1:] == tables[1].shape[1:], "a gain compares the same samples in the same wordings"
    means = ArmMeans(
        np.stack([table.mean(axis=0) for table in tables]),
        seed_noise(tables, [clusters] * 2),
        np.array([len(table) for table in tables]),
        clusters,
    )
    return differences(means, binary=binary, span=span).at(0, 1)


def differences(means: ArmMeans, *, binary: bool, span: float = 1.0) -> Intervals:
    """Every two of K arms, paired in their samples: K × K, the row's score minus the column's.

    Binary scores get the square-and-add interval (MOVER: Newcombe, Statistics in Medicine 17, 1998, method
    10; Zou and Donner, ibid. 27, 2008). It combines the intervals of both scores with their correlation, so
    it keeps its width where all differences are equal and the t interval would have none. Other scores get
    the t interval, clipped to ± `span`, the length of the metric's range; where that would have no width,
    scores in [0, 1] also get the square-and-add interval.
    """
    n, least_seeds = means.n, int(means.seeds.min())
    value = means.means[:, None] - means.means[None, :]
    value[np.abs(value) < ROUNDING] = 0.0  # equal sums of thirds differ by their order: a tie is no win
    spread = means.spread_of_differences
    if spread is None:
        # One sample bounds nothing. Its part in a corpus metric may even lie outside the metric's range.
        return Intervals(
            value,
            None,
            np.minimum(-span, value),
            np.maximum(span, value),
            np.full_like(value, np.inf),
            n,
            least_seeds,
        )
    if binary:
        low, high = _square_and_add(means, value, spread)
    else:
        half_width = quantile_of_pairs(spread.degrees) * np.sqrt(spread.variance)
        low, high = np.maximum(-span, value - half_width), np.minimum(span, value + half_width)
        if span == 1.0:
            mover_low, mover_high = _square_and_add(means, value, spread)
            all_equal = spread.variance == 0
            low, high = np.where(all_equal, mover_low, low), np.where(all_equal, mover_high, high)
    return Intervals(value, np.sqrt(spread.variance), low, high, spread.degrees, n, least_seeds)


def _square_and_add(
    means: ArmMeans, value: FloatArray, difference_spread: Spread
) -> tuple[FloatArray, FloatArray]:
    """Both ends of the intervals of all differences `value` (K × K), from the spread of the K scores.

    The degrees of freedom are those of the differences.
    """
    scores, score_spread = means.means, means.spread
    assert score_spread is not None, "differences that have a spread are of scores that have one"
    stderr = np.sqrt(score_spread.variance)
    effective_n = _effective_n(scores, means.n, score_spread)
    quantile = _wilson_quantile(means, difference_spread)
    low, high = np.empty_like(value), np.empty_like(value)
    for rows in row_blocks(len(scores)):
        product = stderr[rows, None] * stderr[None, :]
        variances = score_spread.variance[rows, None] + score_spread.variance[None, :]
        # Var(a − b) = Var(a) + Var(b) − 2ρ·SE(a)·SE(b) gives the correlation ρ of the two means.
        positive = product > 0
        covariance = (variances - difference_spread.variance[rows]) / 2
        correlation = np.where(positive, covariance / np.where(positive, product, 1.0), 0.0)
        margins = _Margins(scores, effective_n, quantile, rows)
        low[rows] = np.maximum(-1.0, value[rows] - margins.joined(correlation, down=True))
        high[rows] = np.minimum(1.0, value[rows] + margins.joined(correlation, down=False))
    return low, high


class _Margins:
    """How far the intervals of two scores reach, for some rows of a table of all pairs."""

    def __init__(self, scores: FloatArray, n: FloatArray, quantile: FloatArray, rows: slice) -> None:
        # A pair has one quantile, whichever score comes first.
        of_rows = _wilson(scores[rows, None], n[rows, None], quantile[rows])
        of_columns = _wilson(scores[None, :], n[None, :], quantile[rows])
        self._row_down, self._row_up = _sides(scores[rows, None], *of_rows)
        self._column_down, self._column_up = _sides(scores[None, :], *of_columns)

    def joined(self, correlation: FloatArray, *, down: bool) -> FloatArray:
        """How far the difference, row minus column, reaches down or up."""
        side, opposite_side = (self._row_down, self._column_up) if down else (self._row_up, self._column_down)
        correlation = np.clip(correlation, -1, 1)
        squares = side**2 + opposite_side**2 - 2 * correlation * side * opposite_side
        return np.asarray(np.sqrt(np.maximum(0.0, squares)))


def _sides(scores: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.maximum(scores - low, 0.0), np.maximum(high - scores, 0.0)


@dataclass(frozen=True)
class Sides:
    """How far intervals reach from their estimates, of a sum of independent estimates: arrays of one
    shape."""

    down: FloatArray
    up: FloatArray
    stderr: FloatArray
    degrees: FloatArray


def sides_of_sum(down: FloatArray, up: FloatArray, stderr: FloatArray, degrees: FloatArray) -> Sides:
    """The interval of a sum of independent estimates, from theirs (estimates × any shape); NaN is an unknown
    standard error.

    Sides add in squares, which keeps the asymmetry of Wilson's intervals; but each is as many standard errors
    long as its own few degrees of freedom demand, and the sum has more of them (Satterthwaite's). Both sides
    are therefore scaled by `t(pooled) · √Σ SE² / √Σ (t·SE)²`.
    """
    variance = (stderr**2).sum(axis=0)
    divisor = (stderr**4 / degrees).sum(axis=0)
    pooled = np.divide(variance**2, divisor, out=np.full_like(variance, np.inf), where=divisor > 0)
    separate = (t_quantile(degrees) ** 2 * stderr**2).sum(axis=0)
    is_known = np.isfinite(separate) & (separate > 0)
    scale = np.where(
        is_known, t_quantile(pooled) * np.sqrt(variance / np.where(is_known, separate, 1.0)), 1.0
    )
    return Sides(
        np.sqrt((down**2).sum(axis=0)) * scale,
        np.sqrt((up**2).sum(axis=0)) * scale,
        np.sqrt(variance),
        pooled,
    )


def mean_over_tasks(estimates: list[Estimate]) -> Estimate:
    """The mean of one candidate's independent estimates on several tasks; see `sides_of_sum`.

    The tasks are fixed, not a sample of anything, so only the uncertainty within tasks counts.
    """
    count = len(estimates)
    value = float(np.mean([estimate.value for estimate in estimates]))
    unknown = any(estimate.stderr is None for estimate in estimates)
    sides = sides_of_sum(
        np.array([estimate.value - estimate.low for estimate in estimates]) / count,
        np.array([estimate.high - estimate.value for estimate in estimates]) / count,
        np.array([np.nan if estimate.stderr is None else estimate.stderr for estimate in estimates]) / count,
        np.array([estimate.degrees for estimate in estimates]),
    )
    return Estimate(
        value,
        None if unknown else float(sides.stderr),
        value - float(sides.down),
        value + float(sides.up),
        n=sum(estimate.n for estimate in estimates),
        seeds=min(estimate.seeds for estimate in estimates),
        degrees=float("inf") if unknown else float(sides.degrees),
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
        estimate.degrees,
    )
