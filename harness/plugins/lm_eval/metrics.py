"""The metrics of lm-evaluation-harness in GainBoard's terms: per-sample scores, or counts that add up to the
same value.

lm-eval judges each sample itself; here is only what it then makes of all samples, its *aggregation*.
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
"""Pipeline of filters → metric → what lm-eval's `process_results` gives for one sample."""

_BINARY = ("acc", "acc_norm", "acc_bytes", "exact_match")
"""Means of zeros and ones, unless a task computes them by code of its own."""

_ROUNDING = 1e-6
"""How far beyond its range arithmetic may carry a score: sacrebleu's perfect BLEU is 100.00000000000004."""

# Where exp() still is a finite number: a perplexity beyond it tells nothing more.
_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True)
class _Range:
    """Between what numbers lm-eval's scores of single samples lie."""

    low: float = 0.0
    high: float = 1.0
    whole: float = 1.0
    """What lm-eval gives where we say 1: 100 for percent."""


_RANGES = (
    (r"(bleu|rouge\w*)_(max|avg)", _Range(0.0, 100.0, whole=100.0)),
    (r"(bleu|rouge\w*)_diff", _Range(-100.0, 100.0, whole=100.0)),
    # Some tasks count these to 1 and others to 100, under one name.
    (r"bleu|chrf", _Range(0.0, 100.0)),
    (r"percent_\w+", _Range(0.0, 100.0)),
    (r"eqbench", _Range(-math.inf, 100.0)),
    (r"ter|wer|cer", _Range(0.0, math.inf)),
    (r"pct_\w+|\w+_toxicity_score", _Range()),
)
"""Metrics that lm-eval's tasks average over samples, by the whole name, and their ranges."""


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
    """Whether the task computes it by code of its own, and not lm-eval."""


def make_metric(
    name: str,
    read: Callable[[Reply], Any],
    *,
    aggregation: str,
    label: str,
    higher_is_better: bool,
    own_code: bool,
) -> Metric:
    """A metric named `label` of what `read` gives for each sample; `aggregation` is one of `AGGREGATIONS`."""
    return _MAKERS[aggregation](_Source(name, label, read, higher_is_better, own_code))


def _mean(source: _Source) -> Metric:
    span = _range(source)

    def score(reply: Reply) -> float:
        number = _number(source.read(reply), source)
        if not span.low - _ROUNDING <= number <= span.high + _ROUNDING:
            raise UserError(
                f"lm-eval gives {source.label} = {number:g}, which is outside {span.low:g} to {span.high:g}"
            )
        return min(max(number, span.low), span.high) / span.whole

    return Metric(
        source.label,
        f"lm-eval's {source.label}{'' if span.whole == 1 else f', divided by {span.whole:g}'}",
        score,
        binary=source.name in _BINARY and not source.own_code,
        low=span.low / span.whole,
        high=span.high / span.whole,
        higher_is_better=source.higher_is_better,
    )


def _range(source: _Source) -> _Range:
    """By the name. Of others, those where higher is better are shares of 1, and nothing is known of the
    rest."""
    for names, span in _RANGES:
        if re.fullmatch(names, source.name):
            return span
    return _Range() if source.higher_is_better else _Range(-math.inf, math.inf)


def _brier(source: _Source) -> Metric:
    def score(reply: Reply) -> float:
        right, chances = source.read(reply)
        return float(sum((chance - (place == right)) ** 2 for place, chance in enumerate(chances)))

    return Metric(source.label, f"lm-eval's {source.label}", score, high=2.0, higher_is_better=False)


def _likelihood(
    value: "Callable[[Values], Values]", *, weighted: bool, low: float
) -> Callable[[_Source], Metric]:
    """A function of the mean negative log-likelihood of a sample, or of each of a sample's units (words,
    bytes)."""

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
        right, answer = (int(place) for place in source.read(reply))
        if not {right, answer} <= {0, 1}:
            raise UserError(f"lm-eval's {source.label} is for two classes, numbered 0 and 1")
        return {"found": right * answer, "answered": answer, "wanted": right}

    def value(sums: "Mapping[str, Values]") -> "Values":
        import numpy

        whole = numpy.asarray(sums["answered"] + sums["wanted"])
        return numpy.divide(2 * sums["found"], whole, out=numpy.zeros_like(whole), where=whole > 0)

    return Metric(source.label, f"lm-eval's {source.label}, of the second class", counts=counts, value=value)


def _as_ours(name: str) -> Callable[[_Source], Metric]:
    """A metric of pairs of right and given answer that we have, too; what lm-eval counts to 100 we count to
    1."""

    def make(source: _Source) -> Metric:
        ours = METRICS[name]

        def counts(reply: Reply) -> Counts:
            right, answer = source.read(reply)
            assert ours.counts is not None, f"{name} is a corpus metric"
            # Filters may leave a list of one.
            return ours.counts(Reply(_texts(answer)[0], _texts(right)))

        description = f"lm-eval's {source.label}: {ours.description}"
        return dataclasses.replace(ours, name=source.label, description=description, counts=counts)

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
"""How lm-eval calls the ways from samples to a value that are known here."""
