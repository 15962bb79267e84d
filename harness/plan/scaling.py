"""How the loss of a fine-tune falls with its training samples: a law and a line, and what they predict of
larger budgets.

Fine-tuned on D samples, a model's loss follows the rectified scaling law (Lin et al., ICML 2024, arXiv
2402.02314):

    L(D) = B / (D_l + D^β) + E

D_l, the pre-learned data size, is what pre-training already knew of the task. While D^β is small beside it,
more samples hardly help (the pre-power phase); then log L falls about linearly with log D (the power phase),
down to E, which no data takes away. Two predictions are made: by the law, fitted to all points, and by the
paper's accept-then-stop (AtS), a straight line through the points of the power phase alone, which the paper
finds the better guide to a model.
"""

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.statistics import CONFIDENCE

LINE_POINTS = 3
"""Points that accept-then-stop needs: k = 3 in the authors' code."""
LAW_POINTS = 4
"""Points that the law needs: it has as many parameters."""
THRESHOLD = 5.0
"""Accept-then-stop ends at a point this many standard deviations off the line: δ = 5 in the authors' code."""
ROUNDING = 1e-6
"""A loss is a float32, right to seven digits: a point whose log loss is closer to a line than this is on
it."""
LARGEST_EXPONENT = 2.0
"""Of β. Parametric models reach 1; without a bound, noise at the largest budgets is read as a cliff."""
OUTLIER = 0.01
"""The residual of log L from which the law's fit counts it by its size, no longer by its square."""
REACH = 8.0
"""The law has an interval up to this many times the largest budget; see `Law.at`."""

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Point:
    """One point of a learning curve."""

    n_train: int
    """Training samples."""

    loss: float
    """Dev loss in nats a token, above 0: the mean over seeds."""

    seeds: int = 1


@dataclass(frozen=True)
class PredictedLoss:
    """A dev loss that was not measured yet, in nats a token."""

    loss: float
    low: float | None
    high: float | None
    """95 % interval of a measured loss; None where nothing tells how far off the prediction may be."""


@dataclass(frozen=True)
class PowerLine:
    """`log L = intercept + slope · log D` through the points of the power phase.

    It predicts without an interval. What it misses is the bend of the curve beyond the last point, and the
    scatter about the line says nothing of that.
    """

    slope: float
    intercept: float
    accepted: tuple[Point, ...]
    """From the largest budget downward."""

    stopped_at: int | None
    """The budget that was off the line; None when all were on it."""

    def at(self, n_train: int) -> float | None:
        """The loss of a budget; None where it is too large for a float."""
        return _exponential(self.intercept + self.slope * math.log(n_train))


@dataclass(frozen=True)
class Law:
    """The rectified scaling law with the parameters of one curve."""

    logarithms: tuple[float, ...]
    """Of B, D_l, β and E, for budgets and losses divided by their geometric means."""

    centre: tuple[float, float]
    """The logarithms of these means: of the budgets, and of the losses."""

    points: tuple[Point, ...]
    """Those it was fitted to, smallest budget first."""

    scatter: float
    """Standard deviation of log L about the law; 0 when there are as many points as parameters."""

    covariance: Numbers = field(compare=False, repr=False)
    """Of `logarithms`."""

    @property
    def parameters(self) -> dict[str, float | None]:
        """B, D_l (samples to the power of β), β and E (nats a token); None for one too large for a float."""
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
        """The loss of a budget; None where it is too large for a float.

        The interval is Student's t, by the parameters' covariance carried to log L (delta method), for a new
        measurement. It stands on the law being true: on curves drawn from the law with noise it held 88 to 98
        % of the losses, on the 30 published curves of the paper's FLAN benchmark from 96 % (5 points) down to
        77 % (11) within `REACH`, and fewer beyond. So there is none beyond, and none with only four points.
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
            half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, degrees)) * deviation
            high = _exponential(middle + half)
        return PredictedLoss(loss, None if high is None else math.exp(middle - half), high)


def _exponential(logarithm: float) -> float | None:
    return math.exp(logarithm) if logarithm < math.log(sys.float_info.max) else None


def accept_then_stop(
    points: Iterable[Point], *, minimum: int = LINE_POINTS, threshold: float = THRESHOLD
) -> PowerLine | None:
    """The line through the largest budgets, and every smaller one until the first that is off it (AtS).

    A point is off when its log loss differs from the line through those accepted so far by more than
    `threshold` standard deviations of their residuals. Returns None for fewer than `minimum` points, of which
    a line needs three.
    """
    assert minimum >= LINE_POINTS, "two points are always on a line"
    falling = sorted(points, key=lambda point: -point.n_train)
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
    """The rectified law by robust least squares of log L, within bounds, from the best of a grid of starts.

    Large residuals count by their size (soft L1), so one seed that went wrong does not bend the curve.
    Returns None for fewer than four points; with four, the law passes through them where it can.
    """
    rising = tuple(sorted(points, key=lambda point: point.n_train))
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
    fits = [
        optimize.least_squares(
            lambda parameters: _log_loss(parameters, sizes) - losses,
            np.clip(start, lowest + 1e-9, highest - 1e-9),
            jac=lambda parameters: _slopes(parameters, sizes),
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
    best = min(fits, key=lambda fit: float(fit.cost)).x
    residuals, slopes = _log_loss(best, sizes) - losses, _slopes(best, sizes)
    degrees = len(rising) - LAW_POINTS
    scatter = math.sqrt(float((residuals**2).sum()) / degrees) if degrees else 0.0
    # What the points cannot tell apart, such as E from 0 in the middle of a fall, has no part in the
    # covariance.
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
    """log L, by the logarithms of B, D_l, β and E and of the budgets, so that nothing overflows on the
    way."""
    b, pre_learned, exponent, irreducible = parameters
    logarithm: Numbers = np.logaddexp(b - np.logaddexp(pre_learned, np.exp(exponent) * sizes), irreducible)
    return logarithm


def _slopes(parameters: Numbers, sizes: Numbers) -> Numbers:
    """The derivatives of log L by each parameter: a row a budget."""
    b, pre_learned, exponent, irreducible = parameters
    learned = np.exp(exponent) * sizes
    known = np.logaddexp(pre_learned, learned)
    total = np.logaddexp(b - known, irreducible)
    share = np.exp(b - known - total)
    by_exponent = -share * np.exp(learned - known) * learned
    return np.stack(
        [share, -share * np.exp(pre_learned - known), by_exponent, np.exp(irreducible - total)], axis=1
    )


def _starts(sizes: Numbers, losses: Numbers, best: int = 6) -> list[Numbers]:
    """The likeliest of a grid over β, over the budget where D^β outgrows D_l, and over E as a share of the
    lowest loss."""
    found = []
    for exponent in np.geomspace(0.05, 0.95 * LARGEST_EXPONENT, 8):
        # The last: no pre-power phase at all.
        for pre_learned in (*(exponent * np.linspace(sizes.min() - 1, sizes.max() + 2, 7)), -14.0):
            for share in (1e-5, 0.25, 0.5, 0.75, 0.9, 0.99):
                irreducible = losses.min() + math.log(share)
                excess = losses + np.log1p(-np.exp(irreducible - losses))
                b = np.mean(excess + np.logaddexp(pre_learned, exponent * sizes))
                start = np.array([b, pre_learned, math.log(exponent), irreducible])
                found.append((float(((_log_loss(start, sizes) - losses) ** 2).sum()), start))
    found.sort(key=lambda rated: rated[0])
    return [start for _, start in found[:best]]
