"""Metrics of probabilities: how likely the target is, and how well confidence in a choice is calibrated."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.task.metric import Counts, Metric, Reply

if TYPE_CHECKING:
    from harness.task.metric import Values

BINS = 10
"""Equal-width bins of confidence, as in Guo et al. 2017 (arXiv 1706.04599)."""

# exp() of it is still a finite number; a perplexity beyond that says nothing more.
_LARGEST_EXPONENT = 700.0


def choice_logprobs(reply: Reply) -> tuple[float, ...]:
    """The natural log-probabilities of the reply's choices. Raises `UserError` if one is missing or no
    number."""
    if not reply.choices or len(reply.choice_logprobs) != len(reply.choices):
        raise UserError("it needs the log-probability of every choice, so it needs output = 'choice'")
    if any(map(math.isnan, reply.choice_logprobs)) or not math.isfinite(max(reply.choice_logprobs)):
        raise UserError(f"it needs log-probabilities of choices, not {reply.choice_logprobs}")
    return reply.choice_logprobs


def probabilities(reply: Reply) -> list[float]:
    """The choices' probabilities given that the answer is one of them: the softmax of their
    log-probabilities."""
    logprobs = choice_logprobs(reply)
    highest = max(logprobs)
    weights = [math.exp(logprob - highest) for logprob in logprobs]
    total = sum(weights)
    return [weight / total for weight in weights]


def _nats(reply: Reply) -> float:
    """The negative natural log-likelihood of the target."""
    if reply.logprob is None or reply.target_tokens is None:
        raise UserError("it needs the likelihood of the target, so it needs output = 'perplexity'")
    if (
        not math.isfinite(reply.logprob)
        or reply.target_tokens < 1
        or not reply.targets
        or not reply.targets[0]
    ):
        raise UserError("it needs a target that is not empty and has a probability above 0")
    return -reply.logprob


def _token_counts(reply: Reply) -> Counts:
    return {"nats": _nats(reply), "tokens": float(reply.target_tokens or 0)}


def _byte_counts(reply: Reply) -> Counts:
    return {"nats": _nats(reply), "bytes": len(reply.targets[0].encode("utf-8", "surrogatepass"))}


def _perplexity(sums: Mapping[str, "Values"]) -> "Values":
    import numpy

    perplexity: Values = numpy.exp(numpy.minimum(sums["nats"] / sums["tokens"], _LARGEST_EXPONENT))
    return perplexity


def _bits_per_byte(sums: Mapping[str, "Values"]) -> "Values":
    bits: Values = sums["nats"] / math.log(2)
    return bits / sums["bytes"]


def _byte_probability(sums: Mapping[str, "Values"]) -> "Values":
    import numpy

    return numpy.exp2(-_bits_per_byte(sums))


def _brier(reply: Reply) -> float:
    """The squared distance of the probabilities from certainty of the right choice (Brier 1950): 0 to 2."""
    right = reply.true_class
    return sum(
        (probability - (choice.strip() == right)) ** 2
        for choice, probability in zip(reply.choices, probabilities(reply), strict=True)
    )


def _ece_counts(reply: Reply) -> Counts:
    confidence = max(probabilities(reply))
    bin_ = max(1, math.ceil(confidence * BINS))
    return {
        f"samples {bin_}": 1,
        f"confidence {bin_}": confidence,
        f"right {bin_}": float(reply.accepts(reply.answer)),
    }


def _ece(sums: Mapping[str, "Values"]) -> "Values":
    """Σ over bins of share · |accuracy − confidence|, which is Σ |right − confidence| / samples, all of them
    sums over a bin."""
    import numpy

    bins = [name.removeprefix("samples ") for name in sums if name.startswith("samples ")]
    gaps = sum(abs(sums[f"right {bin_}"] - sums[f"confidence {bin_}"]) for bin_ in bins)
    return numpy.asarray(gaps / sum(sums[f"samples {bin_}"] for bin_ in bins))


def _reliability(sums: Mapping[str, float]) -> dict[str, float]:
    """The share of right answers per bin of confidence; for a calibrated model it lies within the bin."""
    return {
        f"right at {(bin_ - 1) / BINS:g} to {bin_ / BINS:g}": sums[f"right {bin_}"] / sums[f"samples {bin_}"]
        for bin_ in range(1, BINS + 1)
        if sums.get(f"samples {bin_}", 0) > 0
    }


LIKELIHOOD = (
    Metric(
        "perplexity",
        "exp of the mean negative log-likelihood of a target token; compares only models of one tokenizer",
        counts=_token_counts,
        value=_perplexity,
        low=1.0,
        high=math.inf,
        higher_is_better=False,
        outputs=("perplexity",),
    ),
    Metric(
        "bits_per_byte",
        "negative log2-likelihood of the targets by UTF-8 byte, which compares models of any tokenizer",
        counts=_byte_counts,
        value=_bits_per_byte,
        high=math.inf,
        higher_is_better=False,
        outputs=("perplexity",),
    ),
    Metric(
        "byte_probability",
        "2 to the power of minus bits_per_byte: the (geometric) mean probability of a target byte",
        counts=_byte_counts,
        value=_byte_probability,
        outputs=("perplexity",),
    ),
    Metric(
        "brier",
        "squared distance of the choices' probabilities from certainty of the right one",
        _brier,
        of_probabilities=True,
        high=2.0,
        higher_is_better=False,
        outputs=("choice",),
    ),
    Metric(
        "ece",
        f"expected calibration error: distance of confidence and accuracy over {BINS} bins of confidence",
        counts=_ece_counts,
        value=_ece,
        details=_reliability,
        of_probabilities=True,
        higher_is_better=False,
        outputs=("choice",),
    ),
)
