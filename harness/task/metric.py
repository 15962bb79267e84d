"""What a metric is: from one answered sample to a number, and from a set of them to its score.

There are two kinds. The score of a *mean* metric is the mean of per-sample scores (exact match, ROUGE). A
*corpus* metric adds up counts over samples and makes one value of the sums (F1 from true and false positives,
BLEU from n-gram matches); its counts are kept for every sample, so it can be computed again for any subset or
resample of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray

    Values = NDArray[numpy.float64]

from harness.task.output import ANSWERS, Output

_CELLS = 500_000
"""Numbers held at once while leaving out each sample in turn: 4 MB an array."""

Counts = Mapping[str, float]
"""What one sample adds to the sums of a corpus metric, by name; a name that is absent counts 0."""


@dataclass(frozen=True)
class Reply:
    """One answered sample, as metrics see it."""

    answer: str
    """What the task's `extract` took from the completion; of a choice task, the chosen choice."""

    targets: tuple[str, ...]
    """Every accepted answer."""

    choices: tuple[str, ...] = ()
    choice_logprobs: tuple[float, ...] = ()
    """Natural-log probability of each choice, summed over its tokens; empty unless the task's output is
    `choice`."""

    logprob: float | None = None
    """Natural-log probability of the target given the prompt; None unless the task's output is
    `perplexity`."""

    target_tokens: int | None = None
    """Tokens of the target, where `logprob` is known."""

    greedy: bool | None = None
    """Whether every token of the target was the most likely one, where `logprob` is known."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """The sample's own."""

    def __post_init__(self) -> None:
        if not isinstance(self.answer, str):
            # A task's own code may hand over a number or nothing; here it becomes text, and no metric need
            # care.
            object.__setattr__(self, "answer", "" if self.answer is None else str(self.answer))

    def accepts(self, text: str) -> bool:
        """Whether `text` is an accepted answer, outer white space aside."""
        return text.strip() in {target.strip() for target in self.targets}

    @property
    def true_class(self) -> str:
        """The one target to count this sample under: the answer if it is accepted, else the first."""
        return (self.answer if self.accepts(self.answer) or not self.targets else self.targets[0]).strip()


@dataclass(frozen=True)
class Leaving:
    """The counts of a corpus, and what becomes of them when a sample leaves it."""

    sums: Mapping[str, float]
    """What all samples add up to."""

    rows: Sequence[Counts]
    """What the sums lose without a sample, for each of them."""


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
    """The metric from sums: by name an array of any one shape, and the values in that shape. A name that no
    sample had is absent. Never NaN: a division by zero is a worst score."""

    leaving: Callable[[Sequence[Counts]], Leaving] | None = None
    """Of all samples' counts the sums and rows under fewer names, where `value` needs fewer; by default as
    they are."""

    details: Callable[[Mapping[str, float]], dict[str, float]] | None = None
    """Parts of the value worth naming, from the sums: F1 by class, say."""

    parses: Callable[[Reply], bool] | None = None
    """Whether an answer has the form that the metric wants, right or wrong: a number, say. None: any text
    that is not blank."""

    binary: bool = False
    """Whether every per-sample score is 0 or 1, so that intervals of proportions apply."""

    low: float = 0.0
    high: float = 1.0
    """The range of the value; infinite where it has no bound."""

    higher_is_better: bool = True

    outputs: tuple[Output, ...] = (*ANSWERS, "perplexity")
    """The outputs it can judge. Where likelihood is measured nothing is answered, and a metric of answers
    means nothing."""

    def __post_init__(self) -> None:
        assert (self.score is None) != (self.counts is None), f"{self.name}: give score, or counts and value"
        assert (self.counts is None) == (self.value is None), f"{self.name}: counts and value belong together"
        assert self.leaving is None or self.counts is not None, f"{self.name}: only counts can leave"

    @property
    def rankable(self) -> bool:
        """Whether a board can rank by it: from 0 to 1, and higher is better."""
        return self.higher_is_better and (self.low, self.high) in ((0.0, 1.0), (-1.0, 1.0))

    @property
    def range_text(self) -> str:
        """`0 to 1, higher is better`."""
        high = "∞" if math.isinf(self.high) else f"{self.high:g}"
        return f"{self.low:g} to {high}, {'higher' if self.higher_is_better else 'lower'} is better"


def total(rows: Sequence[Counts]) -> "dict[str, Values]":
    """Counts of n samples as columns: name → array of shape (n,). Sum them to get what `Metric.value`
    takes."""
    import numpy

    columns = {name: numpy.zeros(len(rows)) for name in sorted({name for row in rows for name in row})}
    for index, row in enumerate(rows):
        for name, count in row.items():
            columns[name][index] = count
    return columns


def sums_of(rows: Sequence[Counts]) -> dict[str, float]:
    """Counts of n samples added up, by name."""
    sums: dict[str, float] = {}
    for row in rows:
        for name, count in row.items():
            sums[name] = sums.get(name, 0.0) + count
    return sums


def certain_logprobs(choices: Sequence[str], chosen: str) -> tuple[float, ...]:
    """The log-probabilities of a model that is certain of one choice; of the others the exponential is 0."""
    return tuple(0.0 if choice == chosen else -1e9 for choice in choices)


def evaluate(metric: Metric, replies: Sequence[Reply]) -> float:
    """The value of a metric over some replies. Raises `UserError` where a reply lacks what the metric
    needs."""
    import numpy

    assert replies, "a metric of at least one reply"
    if metric.score is not None:
        return sum(map(metric.score, replies)) / len(replies)
    assert metric.counts is not None and metric.value is not None, "a corpus metric has both"
    sums = sums_of([metric.counts(reply) for reply in replies])
    return float(metric.value({name: numpy.asarray(number) for name, number in sums.items()}))


def contributions(metric: Metric, rows: Sequence[Counts]) -> "tuple[float, Values]":
    """The value of a corpus metric, and of each sample its part in it: n numbers whose mean is the value.

    The parts are jackknife pseudo-values, `θ + (n − 1)(mean θ₍₋ⱼ₎ − θ₍₋ᵢ₎)` (Efron, The Jackknife, the
    Bootstrap and Other Resampling Plans, 1982, ch. 3), centred so that they average to θ itself. Their
    variance over samples is that of the metric to first order, so intervals and paired differences work on
    them as on the scores of a mean metric.
    """
    import numpy

    assert metric.value is not None and rows, "a corpus metric of at least one sample"
    leaving = metric.leaving(rows) if metric.leaving is not None else Leaving(sums_of(rows), rows)
    value = float(metric.value({name: numpy.asarray(number) for name, number in leaving.sums.items()}))
    if len(rows) == 1:
        return value, numpy.array([value])
    # Samples that count alike leave the same behind, and of labels there are few pairs: each is computed
    # once.
    places: dict[frozenset[tuple[str, float]], int] = {}
    which = [places.setdefault(frozenset(row.items()), len(places)) for row in leaving.rows]
    without = _without(metric.value, leaving.sums, [dict(row) for row in places])[which]
    return value, value + (len(rows) - 1) * (without.mean() - without)


def _without(
    value: "Callable[[Mapping[str, Values]], Values]", sums: Mapping[str, float], rows: Sequence[Counts]
) -> "Values":
    """The values from `sums` without each of the rows in turn."""
    import numpy

    step = max(1, _CELLS // max(1, len(sums)))  # a table of all names and rows could be any size
    left = []
    for at in range(0, len(rows), step):
        some = rows[at : at + step]
        columns, none = total(some), numpy.zeros(len(some))
        values = value({name: number - columns.get(name, none) for name, number in sums.items()})
        left.append(numpy.broadcast_to(values, (len(some),)))
    return numpy.concatenate(left)
