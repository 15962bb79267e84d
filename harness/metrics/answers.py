"""Find the answer in a completion."""

import json
import re
from typing import TYPE_CHECKING

from harness.errors import PLUGIN_FAULTS, UserError, raised

if TYPE_CHECKING:
    from harness.task import Task

# A hyphen after a letter or digit is a joint ("3-5", "covid-19"), elsewhere a sign. A comma counts only
# between groups of three digits.
_NUMBER = re.compile(r"(?:(?<!\w)[-−])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?")


def answer_of(task: "Task", completion: str) -> str:
    """The answer in a completion, as the metrics see it.

    Raises `UserError` when the task's `extract` raises, or returns anything but a text.
    """
    if task.output != "generate":
        return completion  # one of the choices, not text a model wrote
    try:
        answer = task.extract(completion)
    except PLUGIN_FAULTS as error:  # a plugin's `extract` may raise anything
        raise UserError(f"extract {raised(error)}") from error
    if not isinstance(answer, str):
        raise UserError(f"extract returned {type(answer).__name__}, expected a text")
    return answer


def first_json_object(completion: str) -> str:
    """The first JSON object in a completion with its keys sorted, so that equal objects are equal texts.

    A completion without one comes back whole, stripped.
    """
    start = completion.find("{")
    try:
        value, _ = json.JSONDecoder().raw_decode(completion, start) if start >= 0 else (None, 0)
    except (ValueError, RecursionError):
        value = None
    if value is None:
        return completion.strip()
    # Letters of any script are kept, except half of a surrogate pair, which no file can hold: it is written
    # as `\\ud800`.
    return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8", "backslashreplace").decode()


def last_number(text: str) -> str:
    """The last number in `text` without thousands separators, or an empty string.

    A comma separates thousands only before groups of three digits, as in "1,234,567". Decimal commas are not
    read: any other comma ends a number, so "4,5" is a list of 4 and 5, and its last number is 5.
    """
    numbers = _NUMBER.findall(text)
    return numbers[-1].replace(",", "").replace("−", "-") if numbers else ""


def is_number(text: str) -> bool:
    """Whether `text` is one number and nothing else, as `last_number` reads it."""
    return _NUMBER.fullmatch(text) is not None
