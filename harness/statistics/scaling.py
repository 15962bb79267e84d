"""How the loss of a fine-tune falls with its training samples: a law and a line, and what they predict for
larger budgets.

Fine-tuned on D samples, a model's loss follows the rectified scaling law (Lin et al., ICML 2024, arXiv
2402.02314):

    L(D) = B / (D_l + D^β) + E

D_l, the pre-learned data size, is what pre-training already knew of the task. While D^β is small beside it,
more samples hardly help (the pre-power phase); then log L falls about linearly with log D (the power phase),
down to E, which no amount of data removes. There are two predictions: by the law, fitted to all points, and
by the paper's accept-then-stop (AtS), a straight line through the points of the power phase alone, which the
paper finds better for choosing a model.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from harness.statistics.intervals import t_quantile

LINE_POINTS = 3
"""Points that accept-then-stop needs: k = 3 in the authors' code."""
LAW_POINTS = 4
"""Points that the law needs: it has as many parameters."""
THRESHOLD = 5.0
"""Accept-then-stop ends at the first point this many standard deviations off the line: δ = 5 in the authors'
code."""
ROUNDING = 1e-6
"""A loss is a float32, exact to seven digits: a point whose log loss is closer to a line than this counts as
on it."""
LARGEST_EXPONENT = 2.0
"""The bound of β. Parametric models reach 1; without a bound, noise at the largest budgets is fitted as a
cliff."""
OUTLIER = 0.01
"""Residuals of log L beyond this enter the law's fit linearly instead of squared."""
REACH = 8.0
"""The law has an interval up to this many times the largest budget; see `Law.at`."""

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Point:
    """One point of a learning curve."""

    n_train: int
    """Training samples."""

    loss: float
    """Dev loss in nats per token, above 0: the mean over seeds."""

    seeds: int = 1


@dataclass(frozen=True)
class PredictedLoss:
    """A dev loss that was not measured yet, in nats per token."""

    loss: float
    low: float | None
    high: float | None
    """95 % prediction interval of a measurement; None where its width cannot be estimated."""


@dataclass(frozen=True)
class PowerLine:
    """`log L = intercept + slope · log D` through the points of the power phase.

    It predicts without an interval: its error comes from how the curve bends beyond the last point, about
    which the scatter around the line says nothing.
    """

    slope: float
    intercept: float
    accepted: tuple[Point, ...]
    """From the largest budget downward."""

    stopped_at: int | None
    """The budget of the first point that was off the line; None when all were on it."""

    def at(self, n_train: int) -> float | None:
        """The loss at a budget; None where it is too large for a float."""
        return _exponential(self.intercept + self.slope * math.log(n_train))


@dataclass(frozen=True)
class Law:
    """The rectified scaling law with the parameters of one curve."""

    logarithms: tuple[float, ...]
    """Natural logarithms of B, D_l, β and E, for budgets and losses divided by their geometric means."""

    centre: tuple[float, float]
    """Logarithms of the geometric means of the budgets and of the losses."""

    points: tuple[Point, ...]
    """The points it was fitted to, smallest budget first."""

    scatter: float
    """Standard deviation of log L around the law; 0 when there are as many points as parameters."""

    covariance: Numbers = field(compare=False, repr=False)
    """Of `logarithms`."""

    @property
    def parameters(self) -> dict[str, float | None]:
        """B, D_l (samples to the power of β), β and E (nats per token); None for one too large for a
        float."""
        b, pre_learned, exponent, irreducible = self.logarithms
        beta = math.exp(exponent)
        size, loss = self.centre
        return {
            "B": _exponential(b + loss + beta * size),
            "D_l": _exponential(pre_learned + beta * size),
            "beta": beta,
            "E": _exponential(irreducible + loss),
        }

    def at(self, n_train: int) -> PredictedLoss | None:
        """The loss at a budget; None where it is too large for a float.

        The prediction interval is Student's t, with the parameters' covariance carried over to log L by the
        delta method. It assumes that the law holds: on curves drawn from the law with noise it covered 88 to
        98 % of the losses, on the 30 published curves of the paper's FLAN benchmark from 96 % (5 points) down
        to 77 % (11) within `REACH`, and fewer beyond. So there is no interval beyond, and none with only four
        points.
        """
        parameters, size = np.array(self.logarithms), np.array([math.log(n_train) - self.centre[0]])
        middle = float(_log_loss(parameters, size)[0]) + self.centre[1]
        loss, high = _exponential(middle), None
        if loss is None:
            return None
        degrees = len(self.points) - LAW_POINTS
        if degrees and n_train <= REACH * self.points[-1].n_train:
            slope = _slopes(parameters, size)[0]
            deviation = math.sqrt(self.scatter**2 + max(0.0, float(slope @ self.covariance @ slope)))
            half = float(t_quantile(np.array(degrees))) * deviation
            high = _exponential(middle + half)
        return PredictedLoss(loss, None if high is None else math.exp(middle - half), high)


def _exponential(logarithm: float) -> float | None:
    return math.exp(logarithm) if logarithm < math.log(sys.float_info.max) else None


def accept_then_stop(
    points: Iterable[Point], *, minimum: int = LINE_POINTS, threshold: float = THRESHOLD
) -> PowerLine | None:
    """The line through the largest budgets, extended to smaller ones until a point is off it (AtS).

    A point is off when its log loss differs from the line through the points accepted so far by more than
    `threshold` standard deviations of their residuals. Returns None for fewer than `minimum` points.
    """
    assert minimum >= LINE_POINTS, "two points are always on a line"
    falling = sorted(points, key=attrgetter("n_train"), reverse=True)
    if len(falling) < minimum:
        return None
    sizes, losses = _logarithms(falling)
    for accepted in range(minimum, len(falling) + 1):
        slope, intercept = np.polyfit(sizes[:accepted], losses[:accepted], 1)
        off = np.abs(losses - slope * sizes - intercept)
        deviation = max(float(np.sqrt(np.mean(off[:accepted] ** 2))), ROUNDING)
        if accepted < len(falling) and off[accepted] > threshold * deviation:
            break
    stopped_at = falling[accepted].n_train if accepted < len(falling) else None
    return PowerLine(float(slope), float(intercept), tuple(falling[:accepted]), stopped_at)


def fit_law(points: Iterable[Point]) -> Law | None:
    """The rectified law, fitted to log L by robust least squares within bounds, from the best starts of a
    grid.

    Large residuals enter linearly (soft L1), so one failed seed does not bend the curve. Returns None for
    fewer than four points; through four points the law passes exactly where its bounds allow.
    """
    rising = tuple(sorted(points, key=attrgetter("n_train")))
    if len(rising) < LAW_POINTS:
        return None
    sizes, losses = _logarithms(rising)
    centre = float(sizes.mean()), float(losses.mean())
    sizes, losses = sizes - centre[0], losses - centre[1]
    steepest = LARGEST_EXPONENT * float(np.abs(sizes).max())
    lowest = np.array([losses.min() - 40, -15, math.log(0.01), losses.min() - 15])
    highest = np.array(
        [losses.max() + 16 + steepest, 16, math.log(LARGEST_EXPONENT), losses.max() + ROUNDING]
    )

    def residuals_of(parameters: Numbers) -> Numbers:
        return _log_loss(parameters, sizes) - losses

    def slopes_of(parameters: Numbers) -> Numbers:
        return _slopes(parameters, sizes)

    fits = [
        optimize.least_squares(
            residuals_of,
            np.clip(start, lowest + 1e-9, highest - 1e-9),
            jac=slopes_of,
            bounds=(lowest, highest),
            loss="soft_l1",
            f_scale=OUTLIER,
            ftol=1e-12,
            xtol=1e-12,
            gtol=1e-12,
            max_nfev=300,
        )
        for start in _starts(sizes, losses)
    ]
    best = min(fits, key=attrgetter("cost")).x
    residuals, slopes = residuals_of(best), slopes_of(best)
    degrees = len(rising) - LAW_POINTS
    scatter = math.sqrt(float((residuals**2).sum()) / degrees) if degrees else 0.0
    # A direction that the points do not determine (E is not told from 0 while the loss still falls) is left
    # out of the covariance: the pseudo-inverse drops its small singular value.
    covariance = scatter**2 * np.linalg.pinv(slopes.T @ slopes, rcond=1e-10)
    return Law(tuple(float(value) for value in best), centre, rising, scatter, covariance)


def _logarithms(points: Sequence[Point]) -> tuple[Numbers, Numbers]:
    assert all(point.n_train > 0 and 0 < point.loss < math.inf for point in points), (
        "only these have a logarithm"
    )
    assert len({point.n_train for point in points}) == len(points), (
        "a budget is one point: the mean over its seeds"
    )
    return np.log([float(point.n_train) for point in points]), np.log([point.loss for point in points])


def _log_loss(parameters: Numbers, sizes: Numbers) -> Numbers:
    """log L, from the logarithms of B, D_l, β and E and of the budgets, so that no intermediate value
    overflows."""
    b, pre_learned, exponent, irreducible = parameters
    logarithm: Numbers = np.logaddexp(b - np.logaddexp(pre_learned, np.exp(exponent) * sizes), irreducible)
    return logarithm


def _slopes(parameters: Numbers, sizes: Numbers) -> Numbers:
    """The derivatives of log L by each parameter: one row per budget."""
    b, pre_learned, exponent, irreducible = parameters
    learned = np.exp(exponent) * sizes
    denominator = np.logaddexp(pre_learned, learned)
    total = np.logaddexp(b - denominator, irreducible)
    # The reducible part of the loss, as a share of all of it.
    share = np.exp(b - denominator - total)
    by_exponent = -share * np.exp(learned - denominator) * learned
    by_pre_learned = -share * np.exp(pre_learned - denominator)
    return np.stack([share, by_pre_learned, by_exponent, np.exp(irreducible - total)], axis=1)


def _starts(sizes: Numbers, losses: Numbers, best: int = 6) -> list[Numbers]:
    """The `best` starts of a grid over β, over the budget where D^β outgrows D_l, and over E as a share of
    the lowest loss; B follows from them."""
    rated_starts = []
    for exponent in np.geomspace(0.05, 0.95 * LARGEST_EXPONENT, 8):
        # The last value means no pre-power phase at all.
        for pre_learned in (*(exponent * np.linspace(sizes.min() - 1, sizes.max() + 2, 7)), -14.0):
            for share in (1e-5, 0.25, 0.5, 0.75, 0.9, 0.99):
                irreducible = losses.min() + math.log(share)
                excess = losses + np.log1p(-np.exp(irreducible - losses))
                b = np.mean(excess + np.logaddexp(pre_learned, exponent * sizes))
                start = np.array([b, pre_learned, math.log(exponent), irreducible])
                rated_starts.append((float(((_log_loss(start, sizes) - losses) ** 2).sum()), start))
    rated_starts.sort(key=itemgetter(0))
    return [start for _, start in rated_starts[:best]]
