"""What people said of prompts: a line of `reviews.jsonl` for each verdict, beside the task.

A verdict is locked to what was read, by a hash of the rendered prompt with its targets and choices. A later
line of the same person on the same prompt replaces an earlier one.
"""

import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from harness.errors import UserError
from harness.foreign import MOST_VERDICTS, ForeignFileError, check_keys, naming_what_is_read, read_bounded
from harness.records.store import atomic_write
from harness.review.items import PromptPlace, ReviewItem
from harness.toml import Frozen, first_fault

REVIEWS = "reviews.jsonl"

Opinion = Literal["accept", "reject", "fix"]

_OneLine = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

_NOTES = {"reject": "say what is wrong", "fix": "propose the wording it should have"}


class PromptVerdict(Frozen):
    """What one person says of one prompt: a line of `reviews.jsonl`."""

    item: str = Field(pattern=r"^[0-9a-f]{16}$")
    """The hash of what was read."""

    template: str
    sample: str
    """Split and id, `test/17`, at the time of reading."""

    few_shot: bool = False
    """Whether the prompt had demonstrations."""

    verdict: Opinion
    note: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    """Why it is rejected, or the wording proposed."""

    reviewer: _OneLine
    reviewed_at: date

    @model_validator(mode="after")
    def _has_a_note(self) -> "PromptVerdict":
        if self.verdict != "accept" and not self.note:
            raise ValueError(f"'{self.verdict}' needs a note: {_NOTES[self.verdict]}")
        return self

    @property
    def place(self) -> PromptPlace:
        """The place in the prompt set that it is about."""
        return PromptPlace(self.template, self.sample, self.few_shot)


def read_verdicts(path: Path) -> list[PromptVerdict]:
    """Every verdict of a file, in order; none without a file. Raises `UserError` that names the line at
    fault."""
    verdicts = []
    # Not str.splitlines, which also cuts at the separators that a JSON string may hold, such as U+2028.
    for number, line in enumerate(_text(path).split("\n"), 1):
        if line.strip():
            verdicts.append(_parse(line, f"{path}, line {number}"))
    return verdicts


def _text(path: Path) -> str:
    """All of the file; empty where there is none."""
    if not os.path.lexists(path):
        return ""
    with naming_what_is_read(path):
        contents = read_bounded(path, MOST_VERDICTS)
    try:
        return contents.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text: {error}; nothing was changed") from None


def _parse(line: str, location: str) -> PromptVerdict:
    try:
        check_keys(line.encode("utf-8"))
        return PromptVerdict.model_validate_json(line)
    except ForeignFileError as error:
        fault = str(error)
    except ValidationError as error:
        fault = first_fault(error, PromptVerdict)
    raise UserError(f"{location}: {fault}; correct or remove this line, nothing was changed")


def add_verdicts(path: Path, verdicts: Sequence[PromptVerdict]) -> None:
    """Append verdicts to a file, all or none. Raises `UserError`, and changes nothing, when the file is
    malformed."""
    read_verdicts(path)
    text = _text(path)
    if text and not text.endswith("\n"):
        text += "\n"
    lines = (json.dumps(verdict.model_dump(mode="json"), ensure_ascii=False) for verdict in verdicts)
    with atomic_write(path) as file:
        file.write(text + "".join(f"{line}\n" for line in lines))


def judge(item: ReviewItem, verdict: Opinion, *, note: str = "", reviewer: str, on: date) -> PromptVerdict:
    """A verdict on one prompt as it stands. Raises `UserError` for a missing note or an unreadable name."""
    try:
        return PromptVerdict(
            item=item.id,
            template=item.place.template,
            sample=item.place.sample,
            few_shot=item.place.few_shot,
            verdict=verdict,
            note=note,
            reviewer=reviewer,
            reviewed_at=on,
        )
    except ValidationError as error:
        raise UserError(f"the verdict on {item.place}: {first_fault(error, PromptVerdict)}") from None
