"""Read files that hold one JSON object per line."""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.foreign import naming_what_is_read, open_regular


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The object of every line that is not blank. Raises `UserError` naming the file and the line."""
    return list(each_jsonl(path))


def each_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """`read_jsonl`, one object at a time, so that a large file is never held in memory whole."""
    with naming_what_is_read(path):
        opened = open_regular(path)
    # utf-8-sig: some programs put a byte order mark first.
    with io.TextIOWrapper(opened, encoding="utf-8-sig") as file:
        yield from jsonl_rows(file, where=str(path))


def jsonl_rows(lines: Iterable[str], *, where: str) -> Iterator[dict[str, Any]]:
    """The object of every line that is not blank. Raises `UserError`, which begins with `where`, naming the
    line."""
    # Not str.splitlines, which also cuts at the separators that a JSON string may hold, such as U+2028.
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            # The error's own text counts lines too, but within this one line.
            reason = f"{error.msg} at character {error.pos + 1}"
            raise UserError(f"{where}, line {number}: not valid JSON: {reason}") from None
        except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
            raise UserError(f"{where}, line {number}: not readable as JSON: {error}") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}, line {number}: expected a JSON object, got {line.strip()[:40]}")
        yield row
