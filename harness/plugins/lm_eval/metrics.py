"""The metrics of lm-evaluation-harness in GainBoard's terms: per-sample scores, or counts whose sums give the
same value.

lm-eval judges each sample itself; this file redoes only its *aggregation*, the step from all samples to one
value.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.metrics import METRICS, Counts
from harness.task import Metric, Reply

if TYPE_CHECKING:
    from harness.task.metric import Values


Judged = dict[str, dict[str, Any]]
"""Pipeline of filters → metric → what lm-eval's `process_results` returns for one sample."""

_BINARY = ("acc", "acc_norm", "acc_bytes", "exact_match")
"""Means of zeros and ones, unless a task computes them with its own code."""

_ROUNDING = 1e-6
"""How far rounding may carry a score beyond its range: sacrebleu's perfect BLEU is 100.00000000000004."""

# exp() of it is still a finite number; a perplexity beyond that says nothing more.
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class _Range:
    """The range of lm-eval's scores of single samples."""

    low: float = 0.0
    high: float = 1.0
    unit: float = 1.0
    """lm-eval's number for our 1: 100 where it counts in percent."""


_RANGES = (
    (r"(bleu|rouge\w*)_(max|avg)", _Range(0.0, 100.0, unit=100.0)),
    (r"(bleu|rouge\w*)_diff", _Range(-100.0, 100.0, unit=100.0)),
    # Some tasks count these up to 1 and others up to 100, under one name.
    (r"bleu|chrf", _Range(0.0, 100.0)),
    (r"percent_\w+", _Range(0.0, 100.0)),
    (r"eqbench", _Range(-math.inf, 100.0)),
    (r"ter|wer|cer", _Range(0.0, math.inf)),
    (r"pct_\w+|\w+_toxicity_score", _Range()),
)
"""Metrics that lm-eval's tasks average over samples: a pattern of the full name, and the range."""


@dataclass(frozen=True)
class _Source:
    """A metric as lm-eval declares it."""

    name: str
    label: str
    """The name, and the pipeline of filters where there are several."""

    read: Callable[[Reply], Any]
    """What lm-eval gives for one sample."""

    higher_is_better: bool
    own_code: bool
    """Whether the task's own code computes it, and not lm-eval's."""


def make_metric(
    name: str,
    read: Callable[[Reply], Any],
    *,
    aggregation: str,
    label: str,
    higher_is_better: bool,
    own_code: bool,
) -> Metric:
    """The metric `label` over what `read` returns for each sample; `aggregation` is one of `AGGREGATIONS`."""
    return _MAKERS[aggregation](_Source(name, label, read, higher_is_better, own_code))


def _mean(source: _Source) -> Metric:
    span = _range(source)

    def score(reply: Reply) -> float:
        number = _number(source.read(reply), source)
        if not span.low - _ROUNDING <= number <= span.high + _ROUNDING:
            raise UserError(
                f"lm-eval gives {source.label} = {number:g}, which is outside {span.low:g} to {span.high:g}"
            )
        return min(max(number, span.low), span.high) / span.unit

    return Metric(
        source.label,
        f"lm-eval's {source.label}{'' if span.unit == 1 else f', divided by {span.unit:g}'}",
        score,
        binary=source.name in _BINARY and not source.own_code,
        low=span.low / span.unit,
        high=span.high / span.unit,
        higher_is_better=source.higher_is_better,
    )


def _range(source: _Source) -> _Range:
    """The range of a metric, by its name. Of names that are not listed, those where higher is better are
    shares of 1, and the rest may have any value."""
    for names, span in _RANGES:
        if re.fullmatch(names, source.name):
            return span
    return _Range() if source.higher_is_better else _Range(-math.inf, math.inf)


def _brier(source: _Source) -> Metric:
    def score(reply: Reply) -> float:
        right, probabilities = source.read(
            reply
        )  # the index of the right choice, and all choices' probabilities
        distances = [(probability - (index == right)) ** 2 for index, probability in enumerate(probabilities)]
        return float(sum(distances))

    return Metric(
        source.label,
        f"lm-eval's {source.label}",
        score,
        of_probabilities=True,
        high=2.0,
        higher_is_better=False,
    )


def _likelihood(
    value: "Callable[[Values], Values]", *, weighted: bool, low: float
) -> Callable[[_Source], Metric]:
    """A function of the mean negative log-likelihood per sample, or with `weighted` per unit of a sample (a
    word, a byte)."""

    def make(source: _Source) -> Metric:
        def counts(reply: Reply) -> Counts:
            read = source.read(reply)
            logprob, units = read if weighted else (read, 1)
            return {"nats": -_number(logprob, source), "units": _number(units, source)}

        return Metric(
            source.label,
            f"lm-eval's {source.label}",
            counts=counts,
            value=lambda sums: value(sums["nats"] / sums["units"]),
            low=low,
            high=math.inf,
            higher_is_better=False,
        )

    return make


def _exponential(nats: "Values") -> "Values":
    import numpy

    perplexity: Values = numpy.exp(numpy.minimum(nats, _LARGEST_EXPONENT))
    return perplexity


def _bits(nats: "Values") -> "Values":
    bits: Values = nats / math.log(2)
    return bits


def _binary_f1(source: _Source) -> Metric:
    """F1 of the second of two classes, as scikit-learn's `f1_score` has it."""

    def counts(reply: Reply) -> Counts:
        right, answer = map(int, source.read(reply))
        if not {right, answer} <= {0, 1}:
            raise UserError(f"lm-eval's {source.label} is for two classes, numbered 0 and 1")
        return {"found": right * answer, "answered": answer, "wanted": right}

    def value(sums: "Mapping[str, Values]") -> "Values":
        import numpy

        total = numpy.asarray(sums["answered"] + sums["wanted"])
        return numpy.divide(2 * sums["found"], total, out=numpy.zeros_like(total), where=total > 0)

    return Metric(source.label, f"lm-eval's {source.label}, of the second class", counts=counts, value=value)


def _as_ours(name: str) -> Callable[[_Source], Metric]:
    """A built-in metric that reads the same pairs of right and given answer; it ends at 1 where lm-eval's
    ends at 100."""

    def make(source: _Source) -> Metric:
        builtin = METRICS[name]

        def counts(reply: Reply) -> Counts:
            right, answer = source.read(reply)
            assert builtin.counts is not None, f"{name} is a corpus metric"
            # Filters may leave the answer as a list of one.
            return builtin.counts(Reply(_texts(answer)[0], _texts(right)))

        description = f"lm-eval's {source.label}: {builtin.description}"
        return dataclasses.replace(builtin, name=source.label, description=description, counts=counts)

    return make


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(map(str, value))
    return (str(value),)


def _number(value: Any, source: _Source) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise UserError(f"lm-eval gives {source.label} = {str(value)[:60]}, which is no number") from None
    if not math.isfinite(number):
        raise UserError(f"lm-eval gives {source.label} = {number}, which is no finite number")
    return number


_MAKERS: dict[str, Callable[[_Source], Metric]] = {
    "mean": _mean,
    "brier_score": _brier,
    "perplexity": _likelihood(_exponential, weighted=False, low=1.0),
    "weighted_perplexity": _likelihood(_exponential, weighted=True, low=1.0),
    "bits_per_byte": _likelihood(_bits, weighted=True, low=0.0),
    "f1": _binary_f1,
    "matthews_corrcoef": _as_ours("mcc"),
    "bleu": _as_ours("bleu"),
    "chrf": _as_ours("chrf"),
    "ter": _as_ours("ter"),
}
"""lm-eval's name of an aggregation → the metric."""

AGGREGATIONS = tuple(_MAKERS)
"""lm-eval's names of the aggregations that are known here."""
