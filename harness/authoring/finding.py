"""One thing that was checked, and what came of it."""

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """One sentence on one place."""

    level: Literal["error", "warning", "ok"]
    """`error`: scores would be wrong or missing. `warning`: they would need explaining."""

    where: str
    message: str


def short(value: object) -> str:
    """A value as one line of JSON, cut when it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
