"""Metrics of classification, from the true positives, false positives and false negatives of every class.

They equal scikit-learn's with `labels` set to the classes that are the target of some sample. Any other
answer only counts as a miss of the true class, so a model that invents texts does not add classes to the
averages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.task.metric import Counts, Leaving, Metric, Reply, sums_of
from harness.task.output import ANSWERS
from harness.task.words import composed

if TYPE_CHECKING:
    from harness.task.metric import Values

Sums = Mapping[str, "Values"]
"""`tp NAME`, `fp NAME` and `fn NAME` for every class, in arrays of one shape: one entry per set of
samples."""

_INVENTED = "squares of invented answers"
"""For every answer that is no class, how often it was given, squared; summed over these answers. No metric
here needs to know more about them."""


@dataclass(frozen=True)
class _Classes:
    """Counts per class as arrays of shape (classes, *shape of the sums)."""

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
    answer, right = composed(reply.answer).strip(), reply.true_class
    return {f"tp {right}": 1} if answer == right else {f"fn {right}": 1, f"fp {answer}": 1}


def _leaving(rows: Sequence[Counts]) -> Leaving:
    """The counts of the real classes, and for all invented answers together their squares.

    A model may invent a text for every sample, and a table of all these texts by all samples would not fit
    into memory.
    """
    sums = sums_of(rows)
    real_classes = {name[3:] for name in sums if name.startswith(("tp ", "fn "))}
    invented = {name: count for name, count in sums.items() if name[3:] not in real_classes}
    real = {name: count for name, count in sums.items() if name not in invented}

    def without_invented(row: Counts) -> Counts:
        squares_lost = 0.0
        for name, count in row.items():
            if name in invented:
                squares_lost += invented[name] ** 2 - (invented[name] - count) ** 2
        return {
            **{name: count for name, count in row.items() if name not in invented},
            _INVENTED: squares_lost,
        }

    squares = sum(count**2 for count in invented.values())
    return Leaving({**real, _INVENTED: squares}, [without_invented(row) for row in rows])


def _classes(sums: Sums, *, only_targets: bool) -> _Classes:
    import numpy

    prefixes = ("tp ", "fn ") if only_targets else ("tp ", "fn ", "fp ")
    names = sorted({name[3:] for name in sums if name.startswith(prefixes)})
    zero = numpy.zeros_like(next(iter(sums.values())), dtype=numpy.float64)
    tp, fp, fn = (
        # Of no class, as where no sample has a label, the arrays have a shape all the same.
        numpy.stack([zero, *(sums.get(f"{kind} {name}", zero) for name in names)])[1:]
        for kind in ("tp", "fp", "fn")
    )
    return _Classes(names, tp, fp, fn)


def _ratio(part: "Values", total: "Values") -> "Values":
    """part / total, and 0 where total is 0."""
    import numpy

    return numpy.divide(part, total, out=numpy.zeros_like(total, dtype=numpy.float64), where=total > 0)


def _macro(measure: Callable[[_Classes], "Values"]) -> Callable[[Sums], "Values"]:
    """The unweighted mean over the classes that have samples."""

    def value(sums: Sums) -> "Values":
        classes = _classes(sums, only_targets=True)
        present = classes.support() > 0
        return _ratio((measure(classes) * present).sum(axis=0), present.sum(axis=0))

    return value


def macro_f1(sums: Sums) -> "Values":
    """The mean of the F1 of the classes that have samples."""
    return _macro(_Classes.f1)(sums)


def _weighted(measure: Callable[[_Classes], "Values"]) -> Callable[[Sums], "Values"]:
    """The mean over classes, each weighted by how often it is the target."""

    def value(sums: Sums) -> "Values":
        classes = _classes(sums, only_targets=True)
        return _ratio((measure(classes) * classes.support()).sum(axis=0), classes.support().sum(axis=0))

    return value


def _micro(measure: Callable[[_Classes], "Values"]) -> Callable[[Sums], "Values"]:
    """The measure of a single class that has the counts of all classes."""

    def value(sums: Sums) -> "Values":
        classes = _classes(sums, only_targets=True)
        present = classes.support() > 0
        tp, fp, fn = (counts.sum(axis=0) for counts in (classes.tp, classes.fp * present, classes.fn))
        return measure(_Classes(["all"], tp, fp, fn))

    return value


def _mcc(sums: Sums) -> "Values":
    """The correlation of targets and answers (Gorodkin, Computational Biology and Chemistry 28, 2004).

    With s samples, c right answers, and t targets and p answers of each class:
    (c·s − Σ t·p) / √((s² − Σ p²)(s² − Σ t²)), and 0 where all targets or all answers are one class.
    """
    import numpy

    classes = _classes(sums, only_targets=False)
    targets, answers = classes.support(), classes.tp + classes.fp
    samples, right = targets.sum(axis=0), classes.tp.sum(axis=0)
    covariance = right * samples - (targets * answers).sum(axis=0)
    squares = (answers**2).sum(axis=0) + sums.get(_INVENTED, 0.0)
    spread = numpy.sqrt((samples**2 - squares) * (samples**2 - (targets**2).sum(axis=0)))
    return numpy.clip(_ratio(covariance, spread), -1.0, 1.0)


def by_class(sums: Mapping[str, float]) -> dict[str, float]:
    """Precision, recall and F1 of every class that has samples."""
    import numpy

    numbers = {name: numpy.asarray(number, dtype=numpy.float64) for name, number in sums.items()}
    classes = _classes(numbers, only_targets=True)
    support = classes.support()
    values: dict[str, float] = {}
    for measure_name, (_, measure) in _MEASURES.items():
        by_class = measure(classes)
        for index, class_name in enumerate(classes.names):
            if support[index] > 0:
                values[f"{measure_name} {class_name}"] = float(by_class[index])
    return values


def _metric(name: str, description: str, value: Callable[[Sums], "Values"], *, low: float = 0.0) -> Metric:
    return Metric(
        name,
        description,
        counts=_counts,
        value=value,
        leaving=_leaving,
        details=by_class,
        low=low,
        outputs=ANSWERS,
    )


_MEASURES: dict[str, tuple[str, Callable[[_Classes], "Values"]]] = {
    "precision": ("share of a class's answers that are right", _Classes.precision),
    "recall": ("share of a class's targets that are found", _Classes.recall),
    "f1": ("F1 of a class", _Classes.f1),
}
"""Name → what it says, and its values per class."""

CLASSES = (
    *(
        _metric(f"{name}_macro", f"{phrase}; mean over classes", _macro(measure))
        for name, (phrase, measure) in _MEASURES.items()
    ),
    *(
        _metric(f"{name}_micro", f"{phrase}, over all classes' counts together", _micro(measure))
        for name, (phrase, measure) in _MEASURES.items()
    ),
    *(
        _metric(f"{name}_weighted", f"{phrase}; mean over classes, by their targets", _weighted(measure))
        for name, (phrase, measure) in _MEASURES.items()
    ),
    _metric("mcc", "Matthews correlation of targets and answers", _mcc, low=-1.0),
)
