"""Metrics that compare an answer with its accepted targets, sample by sample."""

import re
import string
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from harness.metrics.answers import last_number
from harness.metrics.likelihood import choice_logprobs
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def best(score: Callable[[str, str], float]) -> Callable[[Reply], float]:
    """A score of (answer, target) made into one of a reply: the best over its targets."""
    return lambda reply: max((score(reply.answer, target) for target in reply.targets), default=0.0)


def _exact_match(reply: Reply) -> float:
    return float(reply.accepts(reply.answer))


def _accuracy_norm(reply: Reply) -> float:
    logprobs = choice_logprobs(reply)
    per_byte = [
        logprob / max(1, len(choice.encode("utf-8", "surrogatepass")))
        for choice, logprob in zip(reply.choices, logprobs, strict=True)
    ]
    return float(reply.accepts(reply.choices[per_byte.index(max(per_byte))]))


def _numeric_match(answer: str, target: str) -> float:
    found, wanted = last_number(answer), last_number(target)
    # Decimals are exact for any number of digits, where two floats could both be infinite.
    return float(found != "" and wanted != "" and Decimal(found) == Decimal(wanted))


def _token_f1(answer: str, target: str) -> float:
    """F1 over the words of both, as in the SQuAD evaluation (Rajpurkar et al. 2016, arXiv 1606.05250)."""
    found, wanted = Counter(_squad_words(answer)), Counter(_squad_words(target))
    if not found or not wanted:
        return float(found == wanted)
    shared = (found & wanted).total()
    return 2 * shared / (found.total() + wanted.total())


def _squad_words(text: str) -> list[str]:
    """Lower case, without punctuation and articles."""
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


MATCHING = (
    Metric("accuracy", "the chosen answer is an accepted one", _exact_match, binary=True, outputs=ANSWERS),
    Metric(
        "accuracy_norm",
        "the choice with the highest log-probability per byte is an accepted one",
        _accuracy_norm,
        binary=True,
        outputs=("choice",),
    ),
    Metric(
        "exact_match",
        "the answer equals an accepted target, outer white space aside",
        _exact_match,
        binary=True,
        outputs=ANSWERS,
    ),
    Metric(
        "numeric_match",
        "the last number of the answer equals that of a target",
        best(_numeric_match),
        parses=lambda reply: last_number(reply.answer) != "",
        binary=True,
        outputs=ANSWERS,
    ),
    Metric(
        "token_f1",
        "F1 over the words of answer and target, without case, punctuation and articles",
        best(_token_f1),
        outputs=ANSWERS,
    ),
)
