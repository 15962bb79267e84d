"""Read files that others made, none of which is trusted: results come by pull request, models from anywhere.

Only ordinary files are opened, and none is read beyond its bound. What is wrong with a file is a phrase that
follows its name: `is no ordinary file`.
"""

import errno
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from harness.errors import UserError, one_line


class ForeignFileError(ValueError):
    """What is wrong with a file, as a phrase that follows its name."""


@contextmanager
def naming_what_is_read(path: Path | str) -> Iterator[None]:
    """Let whatever comes of one file be a `UserError` in one line that names it.

    Nobody can list what libraries raise for what others wrote: `OverflowError`, `RecursionError`,
    `MemoryError` and more were seen. It is that file's fault alone, and the others are read.
    """
    try:
        yield
    except UserError:
        raise
    except ForeignFileError as error:
        raise UserError(f"{os.fspath(path)} {error}") from None
    except Exception as error:
        raise UserError(f"{os.fspath(path)} cannot be read: {one_line(error)[:MOST_REASON]}") from None


# How much of each kind is read. What is larger is damaged, or is to do harm.

MOST_RECORD = 64 << 20
"""Bytes of a result, a failure, imported scores, an analysis or a snapshot. A result with a thousand classes
in ten wordings takes four million; one whose training logged a hundred thousand steps, twenty-five."""

MOST_PREDICTIONS = 4 << 30
"""Bytes of a run's predictions: a million samples in ten wordings take about two thousand million."""

MOST_VERDICTS = 64 << 20
"""Bytes of people's verdicts on prompts: a hundred thousand of them."""

MOST_SETTINGS = 1 << 20
"""Bytes of a sweep, board or prices file, which people write: twenty thousand lines."""

MOST_KEY_PARTS = 64
"""Parts of a key with dots in TOML. Reading one takes the square of them; real ones have three."""

MOST_FOREIGN_SCORES = 1 << 30
"""Bytes of a results file of another program, which may quote its whole configuration, or of the file of its
samples."""

MOST_JSON = 16 << 20
"""Bytes of a model's configuration; real ones have some thousand."""

MOST_TOKENIZER = 1 << 30
"""Bytes; the largest vocabularies take tens of millions."""

MOST_SAFETENSORS_HEADER = 100_000_000
"""Bytes: the format's own limit."""

MOST_GGUF_HEADER = 1 << 26
"""Bytes: a vocabulary of a quarter of a million tokens with its merges takes some twenty million."""

MOST_REASON = 200
"""Characters of why a file cannot be read: a reader may quote what it holds."""

_NOT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
"""A pipe without a writer would be waited for."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_IS_A_LINK = (errno.ELOOP, getattr(errno, "EMLINK", errno.ELOOP), getattr(errno, "EFTYPE", errno.ELOOP))
"""What systems say of a link where none is wanted."""


# Opening


def open_regular(
    path: Path | str, *, inside: Path | None = None, max_bytes: int | None = None
) -> BufferedReader:
    """The file, open to be read.

    `inside`: the folder that no link may lead out of; None: links are followed, as hubs keep models by them.
    Raises `ForeignFileError` for a pipe, a device or a folder, which may never end, for what is larger than
    `max_bytes`, and for what is not there.
    """
    descriptor, _ = _opened(path, inside, max_bytes)
    return os.fdopen(descriptor, "rb")


def read_bounded(path: Path | str, max_bytes: int, *, inside: Path | None = None) -> bytes:
    """All of a file. Raises `ForeignFileError` like `open_regular`."""
    descriptor, size = _opened(path, inside, max_bytes)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        try:
            return file.read(size + 1)
        except OSError as error:
            raise ForeignFileError(f"cannot be read: {error.strerror}") from None


def _opened(path: Path | str, inside: Path | None, max_bytes: int | None) -> tuple[int, int]:
    """The file's descriptor, and its size in bytes."""
    try:
        descriptor = os.open(path, _NOT_WAITING) if inside is None else _opened_inside(path, inside)
    except FileNotFoundError:
        raise ForeignFileError("is not there") from None
    except OSError as error:
        raise ForeignFileError(f"cannot be read: {error.strerror}") from None
    status = os.fstat(descriptor)
    fault = ""
    if not stat.S_ISREG(status.st_mode):
        fault = "is no ordinary file"
    elif max_bytes is not None and status.st_size > max_bytes:
        fault = f"is larger than {max_bytes >> 20} MB"
    if fault:
        os.close(descriptor)
        raise ForeignFileError(fault)
    return descriptor, status.st_size


def _opened_inside(path: Path | str, inside: Path) -> int:
    try:
        return os.open(path, _NOT_WAITING | _NO_LINK)
    except OSError as error:
        if error.errno not in _IS_A_LINK:
            raise
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(inside)):
        raise ForeignFileError("is a link that leads out of its folder, and is not followed")
    return os.open(target, _NOT_WAITING | _NO_LINK)


# JSON


def read_json_object(path: Path, max_bytes: int = MOST_JSON) -> dict[str, Any]:
    """A JSON object. Raises `ForeignFileError` for anything else."""
    return json_object(read_bounded(path, max_bytes))


def json_object(contents: bytes) -> dict[str, Any]:
    """The JSON object that a file holds; its numbers may be infinite, as models' configurations have some.
    Raises `ForeignFileError` like `read_json_object`."""
    return _object(_parsed(contents))


def check_keys(contents: bytes) -> None:
    """Raise `ForeignFileError` for JSON in which an object has a key twice: readers that take the last one,
    and people who read the first, would see different records."""
    try:
        # As many keys as there are colons behind quotes: none was there twice. This is several times faster.
        if not _SPACED_COLON.search(contents) and contents.count(b'":') == _count_keys(from_json(contents)):
            return
    except ValueError:  # no JSON: why is said below
        pass
    _parsed(contents, object_pairs_hook=_each_once)


_SPACED_COLON = re.compile(rb'"\s+:')


def _count_keys(parsed: Any) -> int:
    count = 0
    waiting = [parsed]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            count += len(part)
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return count


def _parsed(contents: bytes, **hooks: Any) -> Any:
    try:
        # Not by json's own guess, which takes UTF-16 and UTF-32, too.
        return json.loads(contents.decode("utf-8"), **hooks)
    except RecursionError:
        raise ForeignFileError("is nested too deeply") from None
    except ValueError as error:  # of UTF-8, of JSON, of a number with thousands of digits
        raise ForeignFileError(f"is not valid JSON ({str(error)[:MOST_REASON]})") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in entries if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is given twice")
    return entries


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ForeignFileError(f"holds {_kind(value)} where a JSON object is needed")
    return value


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


# TOML


def strict_toml(contents: bytes) -> dict[str, Any]:
    """The table that a TOML file holds.

    Raises `ValueError` with what is wrong, to follow the file's name and a colon: no TOML, a key of very many
    parts, a number that is not finite or has more than the 64 bits of the format.
    """
    try:
        text = contents.decode("utf-8")
        if _LONG_KEY.search(text):
            raise ValueError(f"a key has more than {MOST_KEY_PARTS} parts")
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError("not valid TOML: it is nested too deeply") from None
    except ValueError as error:  # of UTF-8, of TOML, of a number with thousands of digits
        raise ValueError(f"not valid TOML: {str(error)[:MOST_REASON]}") from None
    _check_numbers(table)
    return table


# Where a key may begin: on a line, in brackets, in an inline table. Nothing is gone through twice.
_LONG_KEY = re.compile(
    r"(?m)(?:^|[\[{,])[ \t]*+"
    rf"""(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_KEY_PARTS}}}"""
)


def _check_numbers(table: dict[str, Any]) -> None:
    waiting: list[tuple[str, Any]] = [("", table)]
    while waiting:
        place, value = waiting.pop()
        parts: Iterable[tuple[object, Any]] = ()
        if isinstance(value, dict):
            parts = value.items()
        elif isinstance(value, list):
            parts = enumerate(value)
        elif isinstance(value, float) and value - value:
            raise ValueError(f"'{place}' is {value}; every number must be finite")
        elif isinstance(value, int) and value.bit_length() > 63:
            raise ValueError(f"'{place}' has more than the 64 bits of a number in TOML")
        waiting += [(f"{place}.{key}".lstrip("."), part) for key, part in parts][::-1]
