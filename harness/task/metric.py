"""What a metric is, and how it is computed over a set of answered samples.

There are two kinds. The value of a *mean* metric is the mean of per-sample scores (exact match, ROUGE). A
*corpus* metric adds up counts over samples and computes one value from the sums (F1 from true and false
positives, BLEU from n-gram matches). The counts are kept per sample, so that the value can be
computed for any subset or resample.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.task.output import ANSWERS, Output
from harness.task.words import composed

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Values = NDArray[numpy.float64]
    """Sums or metric values of several sets of samples, as an array of any one shape."""

Counts = Mapping[str, float]
"""What one sample adds to the sums of a corpus metric, by name; an absent name counts 0."""


@dataclass(frozen=True)
class Reply:
    """One answered sample, as metrics see it."""

    answer: str
    """What the task's `extract` took from the completion; for a choice task, the choice."""

    targets: tuple[str, ...]
    """Every accepted answer."""

    choices: tuple[str, ...] = ()
    choice_logprobs: tuple[float, ...] = ()
    """Natural logarithm of each choice's probability, summed over its tokens; empty unless the task's output
    is `choice`."""

    logprob: float | None = None
    """Natural logarithm of the target's probability after the prompt; None unless the task's output is
    `perplexity`."""

    target_tokens: int | None = None
    """Tokens in the target; None like `logprob`."""

    greedy: bool | None = None
    """Whether every token of the target was the most likely one; None like `logprob`."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """`Sample.metadata`."""

    def __post_init__(self) -> None:
        if not isinstance(self.answer, str):
            # A task's own code may pass a number or None; as text, it needs no care in any metric.
            object.__setattr__(self, "answer", "" if self.answer is None else str(self.answer))

    def accepts(self, text: str) -> bool:
        """Whether `text` is an accepted answer,
        ignoring white space around it and how accents are encoded."""
        return composed(text).strip() in {composed(target).strip() for target in self.targets}

    @property
    def true_class(self) -> str:
        """The class this sample counts under: the answer if it is accepted, else the first target."""
        accepted = self.answer if self.accepts(self.answer) or not self.targets else self.targets[0]
        return composed(accepted).strip()


@dataclass(frozen=True)
class Scale:
    """A metric's range as boards compare it: from 0, its worst value, to 1, its best."""

    worst: float = 0.0
    best: float = 1.0

    @classmethod
    def of(cls, low: float | None, high: float | None, *, higher_is_better: bool) -> "Scale":
        """The scale of a range. Where more is better and 1 is best, from 0 or from -1 on, values are shares
        already and stay as they are; so do those of a range without two finite ends."""
        if low is None or high is None or not (low < high and math.isfinite(high - low)):
            return cls()
        if higher_is_better:
            return cls() if (low, high) in ((0.0, 1.0), (-1.0, 1.0)) else cls(low, high)
        return cls(high, low)

    @property
    def is_share(self) -> bool:
        """Whether values are on it as they are."""
        return (self.worst, self.best) == (0.0, 1.0)

    def share(self, value: float) -> float:
        """A value on the scale of 0 to 1."""
        return (value - self.worst) / (self.best - self.worst)

    def value(self, share: float) -> float:
        """The value at a place of the scale of 0 to 1."""
        return self.worst + share * (self.best - self.worst)


@dataclass(frozen=True)
class Leaving:
    """The counts of a corpus, and what each sample's leaving takes away."""

    sums: Mapping[str, float]
    """The counts of all samples, added up."""

    rows: Sequence[Counts]
    """For each sample, what the sums lose without it."""


@dataclass(frozen=True)
class Metric:
    """How answers become a score. Give either `score` (a mean metric) or both `counts` and `value` (a corpus
    metric)."""

    name: str
    description: str
    """What it measures, in a phrase."""

    score: Callable[[Reply], float] | None = None
    """The score of one sample, between `low` and `high`; the metric is its mean."""

    counts: Callable[[Reply], Counts] | None = None
    """What one sample adds to the sums."""

    value: "Callable[[Mapping[str, Values]], Values] | None" = None
    """The metric from the sums: arrays by name, all of one shape, give values of that shape. A name that no
    sample had is absent. Must not return NaN: where it would divide by zero, it returns the worst score."""

    leaving: Callable[[Sequence[Counts]], Leaving] | None = None
    """Turns the counts of all samples into sums and rows with fewer names, if `value` can do with fewer; by
    default they stay as they are."""

    details: Callable[[Mapping[str, float]], dict[str, float]] | None = None
    """Parts of the value worth reporting, from the sums: F1 per class, say."""

    parses: Callable[[Reply], bool] | None = None
    """Whether an answer, right or wrong, has the form that the metric expects: a number, say. None: any text
    that is not blank has it."""

    constants: Callable[[Sequence[str]], Sequence[str]] | None = None
    """Answers that may do well without a look at the question, from the training targets: the best of them on
    training samples is the level that a constant answer reaches. None: only
    the most frequent target is tried."""

    binary: bool = False
    """Whether every per-sample score is 0 or 1, so that intervals for proportions apply."""

    of_probabilities: bool = False
    """Whether it judges how likely each choice is, and not only which of them is chosen. Guessing is then an
    even spread over the choices, and else a choice drawn evenly."""

    low: float = 0.0
    high: float = 1.0
    """The ends of the value's range; infinite where it has no bound."""

    higher_is_better: bool = True

    outputs: tuple[Output, ...] = (*ANSWERS, "perplexity")
    """The outputs it can judge. With `perplexity` there is no answer, so a metric of answers leaves it
    out."""

    def __post_init__(self) -> None:
        assert (self.score is None) != (self.counts is None), f"{self.name}: give score, or counts and value"
        assert (self.counts is None) == (self.value is None), f"{self.name}: counts and value belong together"
        assert self.leaving is None or self.counts is not None, f"{self.name}: only counts can leave"

    @property
    def rankable(self) -> bool:
        """Whether a board can rank by it: only between two ends can it say how much of what is possible a
        gain is."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def scale(self) -> Scale:
        """Its range as boards compare it."""
        return Scale.of(self.low, self.high, higher_is_better=self.higher_is_better)

    @property
    def range_text(self) -> str:
        """`0 to 1, higher is better`."""
        high = "∞" if math.isinf(self.high) else f"{self.high:g}"
        return f"{self.low:g} to {high}, {'higher' if self.higher_is_better else 'lower'} is better"


def total(rows: Sequence[Counts]) -> "dict[str, Values]":
    """Counts of n samples as columns: name → array of shape (n,). Sum them to get what `Metric.value`
    takes."""
    import numpy

    columns = {name: numpy.zeros(len(rows)) for name in sorted(set().union(*rows))}
    for index, row in enumerate(rows):
        for name, count in row.items():
            columns[name][index] = count
    return columns


def sums_of(rows: Sequence[Counts]) -> dict[str, float]:
    """The counts of n samples, added up by name."""
    sums: dict[str, float] = {}
    for row in rows:
        for name, count in row.items():
            sums[name] = sums.get(name, 0.0) + count
    return sums


def certain_logprobs(choices: Sequence[str], chosen: str) -> tuple[float, ...]:
    """The log-probabilities of a model that is certain of one choice; exp() of all others is 0."""
    return tuple(0.0 if choice == chosen else -1e9 for choice in choices)


def evaluate(metric: Metric, replies: Sequence[Reply]) -> float:
    """The value of a metric over replies. Raises `UserError` where a reply lacks what the metric needs."""
    import numpy

    assert replies, "a metric of at least one reply"
    if metric.score is not None:
        return sum(map(metric.score, replies)) / len(replies)
    assert metric.counts is not None and metric.value is not None, "a corpus metric has both"
    sums = sums_of([metric.counts(reply) for reply in replies])
    return float(metric.value({name: numpy.asarray(number) for name, number in sums.items()}))


def contributions(metric: Metric, rows: Sequence[Counts]) -> "tuple[float, Values]":
    """The value of a corpus metric, and each sample's part in it: n numbers whose mean is the value.

    The parts are jackknife pseudo-values, `θ + (n − 1)(mean θ₍₋ⱼ₎ − θ₍₋ᵢ₎)` (Efron, The Jackknife, the
    Bootstrap and Other Resampling Plans, 1982, ch. 3), centred so that they average to θ itself. To first
    order their variance over samples is that of the metric, so intervals and paired differences treat them
    like the scores of a mean metric. Raises `UserError` for a value outside the
    metric's range, and for what is no number.
    """
    import numpy

    assert metric.value is not None and rows, "a corpus metric of at least one sample"
    leaving = metric.leaving(rows) if metric.leaving is not None else Leaving(sums_of(rows), rows)
    if len(leaving.rows) != len(rows):
        raise UserError(f"leaving gives {len(leaving.rows)} rows for {len(rows)} samples")
    value = float(metric.value({name: numpy.asarray(number) for name, number in leaving.sums.items()}))
    _check_value(metric, value)
    if len(rows) == 1:
        return value, numpy.array([value])
    # Samples with equal counts leave the same sums behind (for labels there are only few different rows), so
    # the value without a sample is computed once per different row.
    distinct: dict[frozenset[tuple[str, float]], int] = {}
    row_numbers = [distinct.setdefault(frozenset(row.items()), len(distinct)) for row in leaving.rows]
    without = _without_each(metric.value, leaving.sums, [dict(row) for row in distinct])[row_numbers]
    if not numpy.isfinite(without).all():
        raise UserError(
            f"its value is {float(without[~numpy.isfinite(without)][0]):g} once a sample is left out; where "
            "it would divide by zero, let it return the worst score"
        )
    return value, value + (len(rows) - 1) * (without.mean() - without)


def _check_value(metric: Metric, value: float) -> None:
    """Raises `UserError` for a value that the metric cannot have."""
    if not math.isfinite(value):
        remedy = "where it would divide by zero, let it return the worst score"
        raise UserError(f"its value is {value:g}; {remedy}")
    slack = ROUNDING * max(1.0, abs(value))
    if not metric.low - slack <= value <= metric.high + slack:
        raise UserError(f"its value is {value:g}, and its range is {metric.range_text}")


ROUNDING = 1e-9
"""By how much a value may lie outside its range for the order in which its sums were added up."""

_CELLS = 500_000
"""Numbers held at once while each row is left out in turn: 4 MB per array."""


def _without_each(
    value: "Callable[[Mapping[str, Values]], Values]", sums: Mapping[str, float], rows: Sequence[Counts]
) -> "Values":
    """The values from `sums` without each of the n rows in turn, of shape (n,)."""
    import numpy

    # In batches, because a table of all names and all rows may not fit into memory.
    step = max(1, _CELLS // max(1, len(sums)))
    parts = []
    for start in range(0, len(rows), step):
        batch = rows[start : start + step]
        columns, zeros = total(batch), numpy.zeros(len(batch))
        values = value({name: number - columns.get(name, zeros) for name, number in sums.items()})
        parts.append(numpy.broadcast_to(values, (len(batch),)))
    return numpy.concatenate(parts)
