"""Read files that others made, none of which is trusted: ordinary files only, of bounded
size, and JSON that is an object."""

import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

MOST_JSON = 16 << 20
"""Bytes of a configuration; real ones have some thousand."""


def open_regular(path: Path) -> BufferedReader:
    """The file, open to be read.
    Raises `ValueError` for a pipe, a device or a folder, which may never end."""
    try:
        # A pipe without a writer would be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise ValueError("is not there") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("is no ordinary file")
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path, max_bytes: int) -> bytes:
    """All of a file. Raises `ValueError` where it is no ordinary file, or larger than `max_bytes` bytes."""
    with open_regular(path) as file:
        contents = file.read(max_bytes + 1)
    if len(contents) > max_bytes:
        raise ValueError(f"is larger than {max_bytes >> 20} MB")
    return contents


def read_json_object(path: Path, max_bytes: int = MOST_JSON) -> dict[str, Any]:
    """A JSON object. Raises `ValueError`, with a phrase that follows the file's name, for anything else."""
    return json_object(read_bounded(path, max_bytes))


def json_object(contents: bytes) -> dict[str, Any]:
    """The JSON object that a file holds. Raises `ValueError` like `read_json_object`."""
    try:
        value = json.loads(contents)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:  # of UTF-8, of JSON, of a number with thousands of digits
        raise ValueError(f"is not valid JSON ({str(error)[:80]})") from None
    if not isinstance(value, dict):
        raise ValueError(f"holds {_kind(value)} where a JSON object is needed")
    return value


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
