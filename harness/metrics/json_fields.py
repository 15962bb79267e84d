"""Metrics of answers that are JSON objects: which of their top-level fields agree."""

import json

from harness.metrics.answers import json_number
from harness.metrics.matching import best
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

Fields = dict[str, str]
"""Field name to its value as JSON, so that the type counts: 3 and "3" differ, and so
do true and 1, but not 5.0 and 5."""


def _json_precision(answer: str, target: str) -> float:
    answered, expected = _fields(answer), _fields(target)
    if not answered:
        return float(answered == expected == {})
    return _shared(answered, expected) / len(answered)


def _json_recall(answer: str, target: str) -> float:
    return _json_precision(target, answer)


def _json_f1(answer: str, target: str) -> float:
    answered, expected = _fields(answer), _fields(target)
    if not answered or not expected:
        return float(answered == expected == {})
    return 2 * _shared(answered, expected) / (len(answered) + len(expected))


def _is_object(reply: Reply) -> bool:
    return _fields(reply.answer) is not None


def _fields(text: str) -> Fields | None:
    """The top-level fields of a JSON object, or None when `text` is not one."""
    try:
        value = json.loads(text, parse_float=json_number)
        if not isinstance(value, dict):
            return None
        return {name: json.dumps(item, sort_keys=True) for name, item in value.items()}
    except (ValueError, RecursionError):
        return None


def _shared(answered: Fields | None, expected: Fields | None) -> int:
    """How many fields both objects have with the same value."""
    return len((answered or {}).items() & (expected or {}).items())


JSON_FIELDS = (
    Metric(
        "json_precision",
        "share of the answer's field-value pairs that a target has",
        best(_json_precision),
        parses=_is_object,
        outputs=ANSWERS,
    ),
    Metric(
        "json_recall",
        "share of a target's field-value pairs that the answer has",
        best(_json_recall),
        parses=_is_object,
        outputs=ANSWERS,
    ),
    Metric(
        "json_f1",
        "F1 over the field-value pairs of a JSON object",
        best(_json_f1),
        parses=_is_object,
        outputs=ANSWERS,
    ),
)
