"""Judge one answer against its accepted targets; a score of a set is the mean over its samples."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.task import Task


@dataclass(frozen=True)
class Metric:
    """A per-sample score from 0 (wrong) to 1 (right); higher is better."""

    name: str
    score: Callable[[str, Sequence[str]], float]
    """(answer, accepted targets) → score in [0, 1]. Never raises, whatever the answer."""

    binary: bool
    """Whether every score is 0 or 1, so that intervals of proportions apply."""

    description: str


def answer_of(task: Task, completion: str) -> str:
    """The answer inside a completion, as the metrics see it; of a choice there is nothing to extract.

    Raises `UserError` when the task's `extract` raises, or returns something else than a text.
    """
    if task.output == "choice":
        return completion
    try:
        answer = task.extract(completion)
    except Exception as error:  # a plugin's extractor may raise anything
        raise UserError(f"extract raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, str):
        raise UserError(f"extract returned {type(answer).__name__}, expected a text")
    return answer


def _exact_match(answer: str, targets: Sequence[str]) -> float:
    return float(answer.strip() in {target.strip() for target in targets})


_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


def last_number(text: str) -> str:
    """The last number in `text` without thousands separators, or an empty string."""
    numbers = _NUMBER.findall(text)
    return numbers[-1].replace(",", "") if numbers else ""


def _numeric_match(answer: str, targets: Sequence[str]) -> float:
    found = last_number(answer)
    wanted = {last_number(target) for target in targets} - {""}
    return float(found != "" and any(float(found) == float(number) for number in wanted))


def _flat_json(text: str) -> dict[str, Any] | None:
    """The top-level fields of a JSON object, or None when `text` is not one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_f1(answer: str, targets: Sequence[str]) -> float:
    """F1 over (field, value) pairs, best over the accepted targets; 0 when the answer is not a JSON object."""
    found = _flat_json(answer)
    if found is None:
        return 0.0
    return max((_pair_f1(found, wanted) for target in targets if (wanted := _flat_json(target)) is not None), default=0.0)


def _pair_f1(found: dict[str, Any], wanted: dict[str, Any]) -> float:
    if not found and not wanted:
        return 1.0
    # The type counts: 3 and "3" differ, and so do True and 1, which Python's == would call equal.
    right = sum(key in wanted and json.dumps(wanted[key]) == json.dumps(value) for key, value in found.items())
    return 2 * right / (len(found) + len(wanted))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("exact_match", _exact_match, True, "the answer equals an accepted target, outer white space aside"),
        Metric("accuracy", _exact_match, True, "the chosen label is an accepted one"),
        Metric("numeric_match", _numeric_match, True, "the last number of the answer equals that of a target"),
        Metric("json_f1", _json_f1, False, "F1 over the field-value pairs of a JSON object"),
    )
}
