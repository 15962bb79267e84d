"""Metrics of classification, from the true positives, false positives and false negatives of every class.

They follow scikit-learn with `labels` = the classes that are the target of some sample: an answer that is no
such class is a miss of the true one, and however many different texts a model invents, the averages stay over
the real classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.task.metric import Counts, Leaving, Metric, Reply, sums_of
from harness.task.output import ANSWERS

if TYPE_CHECKING:
    from harness.task.metric import Values

Sums = Mapping[str, "Values"]

_INVENTED = "squares of invented answers"
"""How often each answer that is no class was given, squared and summed: all that any metric here needs to
know of them."""


@dataclass(frozen=True)
class _Classes:
    """Counts as arrays of (class, *shape), over the classes named."""

    names: list[str]
    tp: "Values"
    fp: "Values"
    fn: "Values"

    def support(self) -> "Values":
        return self.tp + self.fn

    def precision(self) -> "Values":
        return _ratio(self.tp, self.tp + self.fp)

    def recall(self) -> "Values":
        return _ratio(self.tp, self.tp + self.fn)

    def f1(self) -> "Values":
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)


def _counts(reply: Reply) -> Counts:
    answer, right = reply.answer.strip(), reply.true_class
    return {f"tp {right}": 1} if answer == right else {f"fn {right}": 1, f"fp {answer}": 1}


def _leaving(rows: Sequence[Counts]) -> Leaving:
    """The counts of the real classes, and of all invented answers together their squares.

    A model may invent a text for every sample; a table of all of them by all samples would fill any memory.
    """
    sums = sums_of(rows)
    real = {name[3:] for name in sums if name.startswith(("tp ", "fn "))}
    invented = {name: count for name, count in sums.items() if name[3:] not in real}
    kept = {name: count for name, count in sums.items() if name not in invented}

    def leaves(row: Counts) -> Counts:
        left = {name: count for name, count in row.items() if name not in invented}
        lost = sum(
            invented[name] ** 2 - (invented[name] - count) ** 2
            for name, count in row.items()
            if name in invented
        )
        return {**left, _INVENTED: lost}

    return Leaving(
        {**kept, _INVENTED: sum(count**2 for count in invented.values())}, [leaves(row) for row in rows]
    )


def _classes(sums: Sums, *, only_targets: bool) -> _Classes:
    import numpy

    prefixes = ("tp ", "fn ") if only_targets else ("tp ", "fn ", "fp ")
    names = sorted({name[3:] for name in sums if name.startswith(prefixes)})
    zero = numpy.zeros_like(next(iter(sums.values())), dtype=numpy.float64)
    tp, fp, fn = (
        numpy.stack([sums.get(f"{kind} {name}", zero) for name in names]) for kind in ("tp", "fp", "fn")
    )
    return _Classes(names, tp, fp, fn)


def _ratio(part: "Values", whole: "Values") -> "Values":
    """part / whole, and 0 where whole is 0."""
    import numpy

    return numpy.divide(part, whole, out=numpy.zeros_like(whole, dtype=numpy.float64), where=whole > 0)


def _macro(part: Callable[[_Classes], "Values"]) -> Callable[[Sums], "Values"]:
    """The plain mean over the classes that have samples."""

    def value(sums: Sums) -> "Values":
        classes = _classes(sums, only_targets=True)
        present = classes.support() > 0
        return _ratio((part(classes) * present).sum(axis=0), present.sum(axis=0))

    return value


def _weighted(part: Callable[[_Classes], "Values"]) -> Callable[[Sums], "Values"]:
    """The mean over classes, each counting as often as it is the target."""

    def value(sums: Sums) -> "Values":
        classes = _classes(sums, only_targets=True)
        return _ratio((part(classes) * classes.support()).sum(axis=0), classes.support().sum(axis=0))

    return value


def _micro(part: Callable[[_Classes], "Values"]) -> Callable[[Sums], "Values"]:
    """The part of one class that has all classes' counts."""

    def value(sums: Sums) -> "Values":
        classes = _classes(sums, only_targets=True)
        present = classes.support() > 0
        tp, fp, fn = (counts.sum(axis=0) for counts in (classes.tp, classes.fp * present, classes.fn))
        return part(_Classes(["all"], tp, fp, fn))

    return value


def _mcc(sums: Sums) -> "Values":
    """The correlation of targets and answers (Gorodkin, Computational Biology and Chemistry 28, 2004).

    Of samples s, right answers c, and for every class its targets t and answers p:
    (c·s − Σ t·p) / √((s² − Σ p²)(s² − Σ t²)), and 0 where all targets or all answers are one class.
    """
    import numpy

    classes = _classes(sums, only_targets=False)
    targets, answers = classes.support(), classes.tp + classes.fp
    samples, right = targets.sum(axis=0), classes.tp.sum(axis=0)
    shared = right * samples - (targets * answers).sum(axis=0)
    squares = (answers**2).sum(axis=0) + sums.get(_INVENTED, 0.0)
    spread = numpy.sqrt((samples**2 - squares) * (samples**2 - (targets**2).sum(axis=0)))
    return numpy.clip(_ratio(shared, spread), -1.0, 1.0)


def _by_class(sums: Mapping[str, float]) -> dict[str, float]:
    """Precision, recall and F1 of every class that has samples."""
    import numpy

    numbers = {name: numpy.asarray(number, dtype=numpy.float64) for name, number in sums.items()}
    classes = _classes(numbers, only_targets=True)
    parts = {"precision": classes.precision(), "recall": classes.recall(), "f1": classes.f1()}
    present = [(index, name) for index, name in enumerate(classes.names) if classes.support()[index] > 0]
    return {
        f"{part} {name}": float(values[index]) for part, values in parts.items() for index, name in present
    }


def _metric(name: str, description: str, value: Callable[[Sums], "Values"], *, low: float = 0.0) -> Metric:
    return Metric(
        name,
        description,
        counts=_counts,
        value=value,
        leaving=_leaving,
        details=_by_class,
        low=low,
        outputs=ANSWERS,
    )


_PARTS: dict[str, tuple[str, Callable[[_Classes], "Values"]]] = {
    "precision": ("share of a class's answers that are right", _Classes.precision),
    "recall": ("share of a class's targets that are found", _Classes.recall),
    "f1": ("F1 of a class", _Classes.f1),
}

CLASSES = (
    *(
        _metric(f"{name}_macro", f"{what}; mean over classes", _macro(part))
        for name, (what, part) in _PARTS.items()
    ),
    *(
        _metric(f"{name}_micro", f"{what}, over all classes' counts together", _micro(part))
        for name, (what, part) in _PARTS.items()
    ),
    *(
        _metric(f"{name}_weighted", f"{what}; mean over classes, by their targets", _weighted(part))
        for name, (what, part) in _PARTS.items()
    ),
    _metric("mcc", "Matthews correlation of targets and answers", _mcc, low=-1.0),
)
