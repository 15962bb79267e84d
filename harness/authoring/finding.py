"""The result of one check."""

import json
from dataclasses import dataclass
from typing import Literal

from harness.errors import shortened

Level = Literal["error", "warning", "note", "ok"]


@dataclass(frozen=True)
class Finding:
    """One sentence about one place: a task, a candidate, a file."""

    level: Level
    """`error`: scores would be wrong or missing. `warning`: they would need explaining. `note`: nothing is
    wrong, and something may be left to do."""

    place: str
    """The place, such as `task 'gsm8k'`."""

    message: str


def short(value: object) -> str:
    """A value as one line of JSON, cut when it is long."""
    return shortened(json.dumps(value, ensure_ascii=False), 80)
