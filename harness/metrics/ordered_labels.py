"""Answers that are one of some labels in an order, stars from 1 to 5: how far off the wrong ones are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.task.metric import Counts, Metric, Reply
from harness.task.output import ANSWERS

if TYPE_CHECKING:
    from harness.task.metric import Values


@dataclass(frozen=True)
class OrderedLabels:
    """The labels of a task in their order, lowest first.

    An answer that is none of them counts as the label that is farthest from the target. Raises `UserError`
    for fewer than two, or a repeated one.
    """

    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.labels)) < max(2, len(self.labels)):
            raise UserError("the labels of OrderedLabels are different texts, two at least")

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Quadratic weighted kappa, and the mean number of steps by which answers miss."""
        return (
            Metric(
                "quadratic_kappa",
                "Cohen's kappa, where misses weigh by the square of their steps",
                counts=self._pair,
                value=self._kappa,
                parses=self._is_label,
                low=-1.0,
                outputs=ANSWERS,
            ),
            Metric(
                "label_mae",
                "steps between the answer and the target in the order of the labels",
                self._steps,
                parses=self._is_label,
                constants=self._constants,
                high=float(len(self.labels) - 1),
                higher_is_better=False,
                outputs=ANSWERS,
            ),
        )

    def _is_label(self, reply: Reply) -> bool:
        return reply.answer.strip() in self.labels

    def _constants(self, targets: Sequence[str]) -> Sequence[str]:
        return self.labels

    def _places(self, reply: Reply) -> tuple[int, int]:
        """The places of answer and target in the order, of several targets the nearest."""
        targets = [self._place(target) for target in reply.targets]
        answer = reply.answer.strip()
        if answer not in self.labels:
            last = len(self.labels) - 1
            # Of all labels the farthest; of several targets the one that it is least far from.
            return min(((0 if 2 * target > last else last, target) for target in targets), key=_distance)
        place = self.labels.index(answer)
        return min(((place, target) for target in targets), key=_distance)

    def _place(self, target: str) -> int:
        if target.strip() not in self.labels:
            raise UserError(f"the target {target!r} is none of the ordered labels {', '.join(self.labels)}")
        return self.labels.index(target.strip())

    def _steps(self, reply: Reply) -> float:
        return float(_distance(self._places(reply)))

    def _pair(self, reply: Reply) -> Counts:
        answer, target = self._places(reply)
        return {f"{answer} {target}": 1}

    def _kappa(self, sums: Mapping[str, "Values"]) -> "Values":
        """1 − Σ w·o / Σ w·e over all pairs of labels, with w the squared steps between them, o how often the
        pair occurs, and e how often it would if answers had nothing to do with targets (Cohen, Psychological
        Bulletin 70, 1968). 0 where all answers and targets are one label."""
        import numpy

        size = len(self.labels)
        zero = numpy.zeros_like(next(iter(sums.values())), dtype=numpy.float64)
        observed = numpy.stack([sums.get(f"{a} {t}", zero) for a, t in product(range(size), repeat=2)])
        observed = observed.reshape(size, size, *zero.shape)
        weights = (numpy.arange(size)[:, None] - numpy.arange(size)) ** 2.0
        answers, targets = observed.sum(axis=1), observed.sum(axis=0)
        disagreement = numpy.tensordot(weights, observed, axes=((0, 1), (0, 1)))
        expected = numpy.einsum("at,a...,t...->...", weights, answers, targets)
        scaled_disagreement = disagreement * observed.sum(axis=(0, 1))
        ratio = numpy.divide(scaled_disagreement, expected, out=numpy.ones_like(expected), where=expected > 0)
        kappa: Values = numpy.clip(1 - ratio, -1.0, 1.0)
        return kappa


def _distance(places: tuple[int, int]) -> int:
    return abs(places[0] - places[1])
