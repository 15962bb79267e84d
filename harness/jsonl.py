"""Read files of one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.errors import UserError


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """One JSON object a line, empty lines aside. Raises `UserError` naming the file and the line."""
    return list(each_jsonl(path))


def each_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The same, read as they are taken."""
    with path.open(encoding="utf-8") as file:
        # Not str.splitlines, which also cuts at the separators that a JSON string may hold, such as U+2028.
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                # Its own text counts lines, too: those of this one line.
                reason = f"{error.msg} at character {error.pos + 1}"
                raise UserError(f"{path}, line {number}: not valid JSON: {reason}") from None
            except (ValueError, RecursionError) as error:  # a number of too many digits, brackets in brackets
                raise UserError(f"{path}, line {number}: not readable as JSON: {error}") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: expected a JSON object, got {line.strip()[:40]}")
            yield row
