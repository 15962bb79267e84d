"""Answers that are numbers, and may be nearly right: the metrics that say how nearly.

scikit-learn's and scipy's, for answers that can be read. An answer without a number is not left out, or a
model would win by answering only what it is sure of; and it is not a sample's error, since the model is at
fault. It counts as the end of the range of targets that lies farther from its target: the worst that an
answer within the range could be, so that writing nothing never beats writing something. For the same reason
no error counts for more than that, however large the number: a single slip of a zero would otherwise outweigh
a thousand answers. Answers that miss by less, also beyond the ends, count as they are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, median
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.metrics.number_format import PLAIN_NUMBERS, NumberFormat
from harness.task.metric import Counts, Metric, Reply
from harness.task.output import ANSWERS

if TYPE_CHECKING:
    from harness.task.metric import Values

Sums = Mapping[str, "Values"]

_NO_SPREAD = 1e-12
"""A variance is rounding alone below this share of the squares that it is the difference of."""


@dataclass(frozen=True)
class NumberRange:
    """The numbers that a task's targets may be: the ends of a scale, or the least and the greatest training
    target.

    Raises `UserError` for ends that are none.
    """

    low: float
    high: float
    tolerance: float | None = None
    """With it, the share of answers that miss by no more is measured, too; in the unit of the targets."""

    written: NumberFormat = PLAIN_NUMBERS
    """How targets write numbers, by which answers are read, too."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserError(
                f"a NumberRange from {self.low:g} to {self.high:g} is empty; its ends are finite numbers"
            )
        if self.tolerance is not None and not self.tolerance > 0:
            raise UserError(f"the tolerance is {self.tolerance:g}; it is above 0")

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Mean absolute error, root mean squared error, Pearson's and Spearman's correlation, and with a
        tolerance the share of answers within it."""
        width, unit = self.high - self.low, self.written.unit or "the unit of the targets"
        errors = (
            Metric(
                "mae",
                f"mean absolute error, in {unit}",
                self._nearest_error,
                parses=self.written.has_number,
                constants=self._constants(median),
                high=width,
                higher_is_better=False,
                outputs=ANSWERS,
            ),
            Metric(
                "rmse",
                f"root of the mean squared error, in {unit}",
                counts=self._squares,
                value=_root_mean,
                parses=self.written.has_number,
                constants=self._constants(fmean),
                high=width,
                higher_is_better=False,
                outputs=ANSWERS,
            ),
            Metric(
                "pearson",
                "Pearson's correlation of answers and targets",
                counts=self._moments,
                value=_pearson,
                parses=self.written.has_number,
                low=-1.0,
                outputs=ANSWERS,
            ),
            Metric(
                "spearman",
                "Spearman's correlation of answers and targets: Pearson's of their ranks",
                counts=self._pair,
                value=_spearman,
                parses=self.written.has_number,
                low=-1.0,
                outputs=ANSWERS,
            ),
        )
        return errors if self.tolerance is None else (*errors, self._within_tolerance(self.tolerance))

    def _within_tolerance(self, tolerance: float) -> Metric:
        def score(reply: Reply) -> float:
            # 0.3 - 0.1 is a little more than 0.2.
            return float(self._nearest_error(reply) <= tolerance * (1 + 1e-9))

        return Metric(
            "within_tolerance",
            f"the answer misses by no more than {tolerance:g}",
            score,
            parses=self.written.has_number,
            binary=True,
            outputs=ANSWERS,
        )

    def _placed(self, reply: Reply) -> tuple[float, float]:
        """The answer as it counts, and the accepted target that it comes closest to."""
        if not reply.targets:
            raise UserError("a sample without a target")
        pairs = [self._against(reply.answer, target) for target in reply.targets]
        return min(pairs, key=lambda pair: abs(pair[0] - pair[1]))

    def _against(self, answer: str, target: str) -> tuple[float, float]:
        target_number = self.written.read(target)
        if not target_number:
            raise UserError(f"the target {target!r} holds no number")
        expected, number = float(target_number), self.written.read(answer)
        farther = self.low if expected - self.low > self.high - expected else self.high
        worst = min(abs(farther - expected), self.high - self.low)
        if not number:
            return expected + math.copysign(worst, farther - expected), expected
        return min(max(float(number), expected - worst), expected + worst), expected

    def _nearest_error(self, reply: Reply) -> float:
        answer, target = self._placed(reply)
        return min(abs(answer - target), self.high - self.low)

    def _squares(self, reply: Reply) -> Counts:
        return {"samples": 1, "squares": self._nearest_error(reply) ** 2}

    def _moments(self, reply: Reply) -> Counts:
        # From the middle of the range, so that the squares of large numbers do not swallow their differences.
        middle = (self.low + self.high) / 2
        x, y = (number - middle for number in self._placed(reply))
        return {"samples": 1, "x": x, "y": y, "xx": x * x, "yy": y * y, "xy": x * y}

    def _pair(self, reply: Reply) -> Counts:
        answer, target = self._placed(reply)
        return {f"{answer!r} {target!r}": 1}

    def _constants(
        self, middle: Callable[[Sequence[float]], float]
    ) -> Callable[[Sequence[str]], Sequence[str]]:
        """The number that has the least error to all training targets."""

        def constants(targets: Sequence[str]) -> Sequence[str]:
            numbers = [float(number) for target in targets if (number := self.written.read(target))]
            return [f"{middle(numbers):.6f}".replace(".", self.written.decimal)] if numbers else []

        return constants


def _root_mean(sums: Sums) -> "Values":
    import numpy

    squares = numpy.maximum(sums["squares"], 0.0)  # what is left without a sample may be a little below zero
    root: Values = numpy.sqrt(squares / numpy.maximum(sums["samples"], 1.0))
    return root


def _pearson(sums: Sums) -> "Values":
    return _correlation(*(sums[name] for name in ("samples", "x", "y", "xx", "yy", "xy")))


def _correlation(n: "Values", x: "Values", y: "Values", xx: "Values", yy: "Values", xy: "Values") -> "Values":
    """Pearson's r from the sums of n pairs, and 0 where all answers or all targets are one number."""
    import numpy

    n = numpy.maximum(numpy.asarray(n, dtype=numpy.float64), 1.0)
    spreads = [squares - total**2 / n for squares, total in ((xx, x), (yy, y))]
    differ = (spreads[0] > _NO_SPREAD * xx) & (spreads[1] > _NO_SPREAD * yy)
    scale = numpy.sqrt(numpy.maximum(spreads[0], 0.0) * numpy.maximum(spreads[1], 0.0))
    covariance = numpy.asarray(xy - x * y / n)
    ratio = numpy.divide(covariance, scale, out=numpy.zeros_like(covariance), where=differ)
    clipped: Values = numpy.clip(ratio, -1.0, 1.0)
    return clipped


def _spearman(sums: Sums) -> "Values":
    """From how often each pair of answer and target occurs. Without a sample all ranks move, so they are
    taken anew for each set of samples."""
    import numpy

    names = sorted(sums)
    pairs = numpy.array([[float(part) for part in name.split()] for name in names])
    shape = numpy.shape(sums[names[0]])
    times = numpy.stack([numpy.ravel(sums[name]) for name in names])
    x, y = (_ranks(pairs[:, side], times) for side in (0, 1))
    n = times.sum(axis=0)
    # From the middle rank, as `_moments` is from the middle of the range.
    x, y = x - (n + 1) / 2, y - (n + 1) / 2
    moments = ((times * part).sum(axis=0) for part in (x, y, x * x, y * y, x * y))
    return numpy.reshape(_correlation(n, *moments), shape)


def _ranks(numbers: "Values", times: "Values") -> "Values":
    """The mean rank of each number in each of m sets of samples: of shape (numbers, m), as `times` says how
    often each occurs there."""
    import numpy

    _, place, counts = numpy.unique(numbers, return_inverse=True, return_counts=True)
    order = numpy.argsort(place, kind="stable")
    starts = numpy.concatenate([[0], numpy.cumsum(counts)[:-1]])
    by_number = numpy.add.reduceat(times[order], starts, axis=0)
    return (numpy.cumsum(by_number, axis=0) - (by_number - 1) / 2)[place]
