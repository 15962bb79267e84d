"""Metrics that compare an answer with its accepted targets, sample by sample."""

import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from harness.metrics.answers import last_number
from harness.metrics.likelihood import choice_logprobs
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS
from harness.task.words import composed, spaced, without_punctuation

_ARTICLES = re.compile(r"\b(a|an|the)\b")


def best(score: Callable[[str, str], float]) -> Callable[[Reply], float]:
    """A score of an answer against one target, turned into one of a reply: the best over its targets. Both
    are composed (Unicode NFC) before."""

    def best_score(reply: Reply) -> float:
        answer = composed(reply.answer)
        return max((score(answer, composed(target)) for target in reply.targets), default=0.0)

    return best_score


def _exact_match(reply: Reply) -> float:
    return float(reply.accepts(reply.answer))


def _accuracy_norm(reply: Reply) -> float:
    logprobs = choice_logprobs(reply)
    per_byte = [
        logprob / max(1, len(choice.encode("utf-8", "surrogatepass")))
        for choice, logprob in zip(reply.choices, logprobs, strict=True)
    ]
    return float(reply.accepts(reply.choices[per_byte.index(max(per_byte))]))


def _has_number(reply: Reply) -> bool:
    return last_number(reply.answer) != ""


def _numeric_match(answer: str, target: str) -> float:
    number, expected = last_number(answer), last_number(target)
    if not number or not expected:
        return 0.0
    # Decimals are exact with any number of digits; two different floats could both become infinite.
    return float(Decimal(number) == Decimal(expected))


def token_f1(answer: str, target: str) -> float:
    """F1 over the words of both, as in the SQuAD evaluation (Rajpurkar et al. 2016, arXiv 1606.05250).

    Where nothing but articles and punctuation is in one of them, the texts
    themselves must be equal: "-" is not "+".
    """
    answer_words, target_words = Counter(_squad_words(answer)), Counter(_squad_words(target))
    if not answer_words or not target_words:
        return float(answer.lower().split() == target.lower().split())
    shared = (answer_words & target_words).total()
    return 2 * shared / (answer_words.total() + target_words.total())


def _squad_words(text: str) -> list[str]:
    """The words in lower case, without punctuation and articles; of scripts without spaces the characters."""
    return _ARTICLES.sub(" ", spaced(without_punctuation(text.lower()))).split()


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
        parses=_has_number,
        binary=True,
        outputs=ANSWERS,
    ),
    Metric(
        "token_f1",
        "F1 over the words of answer and target, without case, punctuation and articles",
        best(token_f1),
        outputs=ANSWERS,
    ),
)
