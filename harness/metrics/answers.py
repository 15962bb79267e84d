"""Take the answer out of a completion."""

import json
import re
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.task import Task

# A hyphen after a letter or digit joins ("3-5", "covid-19"); elsewhere it is a sign.
_NUMBER = re.compile(r"(?:(?<!\w)[-−])?\d[\d,]*(?:\.\d+)?")


def answer_of(task: "Task", completion: str) -> str:
    """The answer inside a completion, as the metrics see it; only what a model wrote needs extracting.

    Raises `UserError` when the task's `extract` raises, or returns something else than a text.
    """
    if task.output != "generate":
        return completion
    try:
        answer = task.extract(completion)
    except Exception as error:  # a plugin's extractor may raise anything
        raise UserError(f"extract raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, str):
        raise UserError(f"extract returned {type(answer).__name__}, expected a text")
    return answer


def first_json_object(completion: str) -> str:
    """The first JSON object of a completion, its keys sorted so that equal ones are equal texts; else all of it."""
    start = completion.find("{")
    try:
        value, _ = json.JSONDecoder().raw_decode(completion, start) if start >= 0 else (None, 0)
    except (ValueError, RecursionError):
        value = None
    return completion.strip() if value is None else json.dumps(value, sort_keys=True)


def last_number(text: str) -> str:
    """The last number in `text` without thousands separators, or an empty string."""
    numbers = _NUMBER.findall(text)
    return numbers[-1].replace(",", "").replace("−", "-") if numbers else ""
