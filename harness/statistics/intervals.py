"""Estimates with their 95 % intervals: of scores, of paired gains, of means over tasks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from harness.statistics.planning import POWER
from harness.statistics.spread import Scores, Spread, effects, of_pairs, table_of

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
        """The true value that would be found different from zero four times in five; None when it cannot be
        told.

        `(t(.975) + t(.80)) · SE` with the degrees of freedom of the standard error; 2.8 · SE when they are
        many.
        """
        if not self.stderr:
            return None
        return float(_quantile(np.asarray(self.degrees)) + special.stdtrit(self.degrees, POWER)) * self.stderr


@dataclass(frozen=True)
class Intervals:
    """Estimates as arrays of one shape: K scores, or K × K differences."""

    value: Scores
    stderr: Scores | None
    """None when there are fewer than two samples."""

    low: Scores
    high: Scores
    degrees: Scores
    n: int
    seeds: int

    def at(self, *place: int) -> Estimate:
        """One of them."""
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
    """Mean of a table of scores (samples, seeds × samples, or seeds × templates × samples) with its 95 %
    interval.

    Binary scores, and their means over templates, get Wilson's interval (scipy's
    `binomtest(...).proportion_ci("wilson")` for one seed and template); with several, n becomes the effective
    sample size n / design effect, as for proportions from clustered surveys (Franco et al., J. Survey
    Statistics and Methodology 7, 2019). Other scores get the t interval, kept within `low` and `high`, the
    range of the metric; where all are equal it would have no width, and Wilson's bounds any score in [0, 1]:
    none varies more than a binary one.
    """
    return scores_of(table_of(scores)[None], binary=binary, low=low, high=high, clusters=clusters).at(0)


def scores_of(
    tables: Scores, *, binary: bool, low: float = 0.0, high: float = 1.0, clusters: ArrayLike | None = None
) -> Intervals:
    """The same for K tables of one shape (K × seeds × templates × samples), and K estimates."""
    parts = effects(tables, clusters)
    return _scores(
        tables, None if parts is None else parts.spread(parts.squares()), binary=binary, ends=(low, high)
    )


def _scores(tables: Scores, spread: Spread | None, *, binary: bool, ends: tuple[float, float]) -> Intervals:
    _, seeds, _, n = tables.shape
    value = tables.mean(axis=(1, 2, 3))
    low, high = (np.full_like(value, end) for end in ends)  # one sample bounds nothing
    if spread is not None:
        half = _quantile(spread.degrees) * np.sqrt(spread.variance)
        low, high = np.maximum(low, value - half), np.minimum(high, value + half)
    effective = _effective(value, tables.shape, spread)
    wilson_low, wilson_high = _wilson(value, effective, _wilson_quantile(tables, spread))
    level = (
        np.zeros_like(value, dtype=bool) if spread is None else (spread.variance == 0) & (ends == (0.0, 1.0))
    )
    chosen = np.full_like(level, binary) | level
    return Intervals(
        value,
        None if spread is None else np.sqrt(spread.variance),
        np.where(chosen, wilson_low, low),
        np.where(chosen, wilson_high, high),
        np.full_like(value, np.inf) if spread is None else spread.degrees,
        n,
        seeds,
    )


def _effective(p: Scores, shape: tuple[int, ...], spread: Spread | None) -> Scores:
    """Independent samples that would make a proportion as uncertain as it is."""
    n = shape[-1]
    if spread is None:
        return np.full_like(p, n)
    simple = np.maximum(p * (1 - p), 0) / (n - 1)
    known = (simple > 0) & (spread.variance > 0)
    return np.where(known, n * simple / np.where(known, spread.variance, 1.0), float(n))


def _wilson_quantile(tables: Scores, spread: Spread | None) -> Scores:
    """The normal one for one seed and template, as in the textbooks; otherwise that of t."""
    _, seeds, templates, _ = tables.shape
    if spread is None or seeds == templates == 1:
        return np.asarray(special.ndtri(0.5 + CONFIDENCE / 2))
    return _quantile(spread.degrees)


def _wilson(p: Scores, effective: Scores, z: Scores) -> tuple[Scores, Scores]:
    centre = (p + z**2 / (2 * effective)) / (1 + z**2 / effective)
    inside = np.maximum(p * (1 - p) / effective + z**2 / (4 * effective**2), 0)
    half = z / (1 + z**2 / effective) * np.sqrt(inside)
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)


def _quantile(degrees: Scores) -> Scores:
    """Of t, for degrees of freedom of any shape; of a square of them, which is that of all pairs, once a
    pair."""
    if degrees.ndim == 2:
        return of_pairs(_quantile, degrees)
    # What scipy.stats.t.ppf comes to, without its checks: of one number they take ten times as long.
    return np.asarray(special.stdtrit(degrees, 0.5 + CONFIDENCE / 2))


def gain(
    tuned: ArrayLike, base: ArrayLike, *, binary: bool, span: float = 1.0, clusters: ArrayLike | None = None
) -> Estimate:
    """Paired difference of two tables over the same seeds, templates and samples, with its 95 % interval.

    Binary scores get the square-and-add interval (MOVER: Newcombe, Statistics in Medicine 17, 1998, method
    10; Zou and Donner, ibid. 27, 2008): it joins the two scores' own intervals with their correlation, so it
    keeps its width where every difference is equal and the t interval would collapse. Other scores get the t
    interval, kept within `span`, the distance of the metric's ends; where that would collapse, the same as
    binary ones, if they lie in [0, 1].
    """
    first, second = table_of(tuned), table_of(base)
    assert first.shape == second.shape, "a paired gain compares the same seeds and samples"
    return differences(np.stack([first, second]), binary=binary, span=span, clusters=clusters).at(0, 1)


def differences(
    tables: Scores, *, binary: bool, span: float = 1.0, clusters: ArrayLike | None = None
) -> Intervals:
    """The same for every two of K tables (K × seeds × templates × samples): K × K, the row's less the
    column's."""
    _, seeds, _, n = tables.shape
    means = tables.mean(axis=(1, 2, 3))
    value = means[:, None] - means[None, :]
    parts = effects(tables, clusters)
    if parts is None:
        # A sample's part in a corpus metric may lie outside the metric's range.
        ends = np.full_like(value, span)
        return Intervals(
            value,
            None,
            np.minimum(-ends, value),
            np.maximum(ends, value),
            np.full_like(value, np.inf),
            n,
            seeds,
        )
    spread = parts.spread(parts.squares_of_differences())
    if binary:
        low, high = _square_and_add(tables, parts.spread(parts.squares()), value, spread)
    else:
        half = _quantile(spread.degrees) * np.sqrt(spread.variance)
        low, high = np.maximum(-span, value - half), np.minimum(span, value + half)
        if span == 1.0:
            careful = _square_and_add(tables, parts.spread(parts.squares()), value, spread)
            level = spread.variance == 0
            low, high = np.where(level, careful[0], low), np.where(level, careful[1], high)
    return Intervals(value, np.sqrt(spread.variance), low, high, spread.degrees, n, seeds)


def _square_and_add(tables: Scores, own: Spread, value: Scores, spread: Spread) -> tuple[Scores, Scores]:
    """`own`: of the K scores; `spread`: of their differences, whose degrees of freedom hold for the
    interval."""
    means, stderr = tables.mean(axis=(1, 2, 3)), np.sqrt(own.variance)
    product = stderr[:, None] * stderr[None, :]
    squares = own.variance[:, None] + own.variance[None, :]
    # Var(a − b) = Var(a) + Var(b) − 2ρ·SE(a)·SE(b) gives the correlation of the two means.
    known = product > 0
    correlation = np.where(known, (squares - spread.variance) / (2 * np.where(known, product, 1.0)), 0.0)
    correlation = np.clip(correlation, -1, 1)
    effective = _effective(means, tables.shape, own)
    low, high = _wilson(means[:, None], effective[:, None], _wilson_quantile(tables, spread))
    down, up = np.maximum(means[:, None] - low, 0.0), np.maximum(high - means[:, None], 0.0)

    def margin(first: Scores, second: Scores) -> Scores:
        return np.asarray(np.sqrt(np.maximum(0.0, first**2 + second**2 - 2 * correlation * first * second)))

    # The other's side of the interval stands in the transposed place: its row, this column.
    return np.maximum(-1.0, value - margin(down, up.T)), np.minimum(1.0, value + margin(up, down.T))


def mean_over_tasks(estimates: list[Estimate]) -> Estimate:
    """Mean of independent estimates of the same candidate on fixed tasks; the tasks are not a sample of
    anything."""
    value = float(np.mean([estimate.value for estimate in estimates]))
    down = float(np.sqrt(sum((estimate.value - estimate.low) ** 2 for estimate in estimates))) / len(
        estimates
    )
    up = float(np.sqrt(sum((estimate.high - estimate.value) ** 2 for estimate in estimates))) / len(estimates)
    errors = [estimate.stderr for estimate in estimates]
    stderr = (
        None
        if None in errors
        else float(np.sqrt(sum(error**2 for error in errors if error is not None))) / len(errors)
    )
    return Estimate(
        value, stderr, value - down, value + up, sum(e.n for e in estimates), min(e.seeds for e in estimates)
    )


def rescale(estimate: Estimate, chance: float) -> Estimate:
    """`(s − chance) / (1 − chance)`, so that tasks with different chance levels can be averaged; never
    clipped."""
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
