"""Records on disk: written whole or not at all, and read one by one or by the folder, with every fault
named."""

import hashlib
import json
import os
import sys
import threading
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import UserError, naming_what_is_written
from harness.foreign import (
    MOST_RECORD,
    check_keys,
    json_object,
    naming_what_is_read,
    read_bounded,
)
from harness.records.collector import collector_paused
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Failure, Result
from harness.records.training import ResourceUse
from harness.sweep.run import Run
from harness.toml import first_fault

RecordT = TypeVar("RecordT", bound=BaseModel)
RunRecordT = TypeVar("RunRecordT", "Result", "Failure")

PathParts = tuple[str, ...]
"""The names of the folders from the results down to a run's own."""


# One record


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file that becomes `path` only when everything was written and reached the disk."""
    # Of the thread, too: halves of a sweep write side by side in one process.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with naming_what_is_written(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = temporary.open(mode, encoding=None if "b" in mode else "utf-8")
    try:
        with opened as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def linked(source: Path, path: Path) -> bool:
    """Make `path` the same file as `source`, which is only ever replaced as a whole; False where that cannot
    be."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.hardlink_to(source)
        temporary.replace(path)
    except OSError:  # it was removed, or lies where a file has only one name
        return False
    finally:
        # Of two names of one file, neither is replaced by the other.
        temporary.unlink(missing_ok=True)
    return True


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON with sorted keys and a final newline, atomically."""
    text = json.dumps(
        record.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    with atomic_write(path) as file:
        file.write(text + "\n")


def read_record(path: Path, model: type[RecordT], *, inside: Path | None = None) -> RecordT:
    """Read a JSON record. Raises `UserError` for a file that is malformed or written by a newer version.

    `inside`: of a record that somebody else may have made, the folder that no link may lead out of.
    """
    with naming_what_is_read(path):
        contents = read_bounded(path, MOST_RECORD, inside=inside)
        check_keys(contents)
        return _record(path, contents, model)


def _record(path: Path | str, contents: bytes, model: type[RecordT]) -> RecordT:
    """A record whose keys were checked."""
    try:
        record = model.model_validate_json(contents)
    except ValidationError:
        return _upgraded(path, contents, model)
    if getattr(record, "schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        return _upgraded(path, contents, model)
    return record


def _upgraded(path: Path | str, contents: bytes, model: type[RecordT]) -> RecordT:
    """Read a record again that is damaged or not of this schema: upgrade it, or refuse it in one sentence."""
    former = json_object(contents)
    version = former.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{path} is schema {version}; this version reads up to {SCHEMA_VERSION}. Upgrade gainboard."
        )
    if version in (1, 2, 3):
        raise UserError(
            f"{path} is schema {version}, of a preview of gainboard; "
            "use another --results folder, or remove this one"
        )
    try:
        # As JSON again, which is read more strictly than Python's objects.
        return model.model_validate_json(json.dumps(_upgrade(former)))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error, model)}") from None


def _upgrade(former: dict[str, Any]) -> dict[str, Any]:
    """A record of an earlier schema as one of this; what is of this schema as it is."""
    # A version that is a list, of a damaged record, is not looked up.
    while isinstance(version := former.get("schema_version"), int) and version in _STEPS:
        former = _STEPS[version](former)
    return former


def _from_4(data: dict[str, Any]) -> dict[str, Any]:
    """Schema 5 counts the answers that have the form of their task, which of older ones nobody knows yet."""
    added = {"parsed": None} if "metrics" in data else {}
    return {**data, **added, "schema_version": 5}


_STEPS = {4: _from_4}
"""From a schema to the next one."""


# All records of a folder


def read_results(results: Path) -> list[Result]:
    """Every finished run below a folder, sorted by path. A file that cannot be read is named in a warning and
    skipped."""
    found = find_files(results, RESULT)
    records, skipped = _read_all(results, RESULT, Result, found.folders[RESULT])
    _warn([*found.unlisted, *skipped])
    return [result for result, _ in records]


def read_failures(results: Path) -> list[Failure]:
    """Every run that failed and was not finished since, sorted by path."""
    found = find_files(results, FAILURE)
    records, skipped = _read_all(results, FAILURE, Failure, found.folders[FAILURE])
    _warn([*found.unlisted, *skipped])
    return [failure for failure, _ in records]


def _warn(skipped: Sequence[str]) -> None:
    """Warn whoever called the function that read."""
    for sentence in skipped:
        warnings.warn(sentence, stacklevel=3)


@dataclass(frozen=True)
class RunRecords:
    """All runs below a folder that finished or failed, sorted by path."""

    finished: list[Result]
    failed: list[Failure]
    digests: dict[str, str]
    """By the key of a finished run, the SHA-256 of the file that it was read from."""

    skipped: list[str]
    """Of each file that cannot be read, and each folder that cannot be listed, which and why."""


def read_runs(results: Path, *, checked: Collection[str] = frozenset()) -> RunRecords:
    """Finished and failed runs, for one walk through the folder; warns of nothing.

    `checked`: the SHA-256 of each record in whose bytes no key was found twice before. That check takes as
    long as reading does.
    """
    found = find_files(results, RESULT, FAILURE)
    finished, skipped_results = _read_all(results, RESULT, Result, found.folders[RESULT], checked)
    failed, skipped_failures = _read_all(results, FAILURE, Failure, found.folders[FAILURE])
    return RunRecords(
        finished=[result for result, _ in finished],
        failed=[failure for failure, _ in failed],
        digests={result.key: digest for result, digest in finished},
        skipped=[*found.unlisted, *skipped_results, *skipped_failures],
    )


def locale_fault(names: Iterable[str]) -> str | None:
    """Why folders of such names lie elsewhere for this process than for others; None where they do not."""
    encoding = sys.getfilesystemencoding()
    strange = next((name for name in names if not name.isascii()), None)
    if encoding == "utf-8" or strange is None:
        return None
    return (
        f"the locale has the names of files in {encoding}, in which '{strange}' is another folder than "
        "elsewhere: set PYTHONUTF8=1, or LC_ALL=C.UTF-8"
    )


def use_of_failed_starts(results: Path, run: Run) -> ResourceUse:
    """What earlier starts of a run took, which failed."""
    path = results / run.folder / FAILURE
    try:
        failure = read_record(path, Failure) if path.exists() else None
    except UserError:  # of another version: nobody can tell
        return ResourceUse()
    return failure.spent if failure is not None and failure.run.cell == run.cell else ResourceUse()


def _read_all(
    results: Path,
    name: str,
    model: type[RunRecordT],
    folders: Sequence[PathParts],
    checked: Collection[str] = frozenset(),
) -> tuple[list[tuple[RunRecordT, str]], list[str]]:
    """Records, each with a digest of the file it was read from; and a sentence for each file that was
    skipped."""
    records, skipped = [], []
    path_by_key: dict[str, str] = {}
    folder: PathParts  # which mypy does not infer
    with collector_paused():
        for folder in folders:
            # Text, for a Path would take several times as long.
            path = "/".join((os.fspath(results), *folder, name))
            try:
                with naming_what_is_read(path):
                    contents = read_bounded(path, MOST_RECORD, inside=results)
                    digest = hashlib.sha256(contents).hexdigest()
                    if digest not in checked:
                        check_keys(contents)
                    record = _record(path, contents, model)
                    _check_place(path, folder, record, path_by_key)
                records.append((record, digest))
            except UserError as error:
                skipped.append(f"skipped: {error}")
    return records, skipped


def _check_place(path: str, folder: PathParts, record: Result | Failure, path_by_key: dict[str, str]) -> None:
    # A copy elsewhere would count twice, and a name that climbs out of the results would be followed.
    if folder != record.run.place:
        fault = locale_fault(record.run.place)
        if fault is not None:
            raise UserError(f"{path}: {fault}")
        raise UserError(f"{path}: it belongs in {record.run.folder}; a copy or a moved result is not read")
    # Pages, digests and shared costs go by keys.
    if path_by_key.setdefault(record.key, path) != path:
        raise UserError(
            f"{path}: it has the key of {path_by_key[record.key]}; only the first of both is read"
        )


@dataclass(frozen=True)
class FoundFiles:
    """Where files of some names lie."""

    folders: dict[str, list[PathParts]]
    """By name, the folders that hold a file of that name, or whatever else bears the name; sorted."""

    unlisted: list[str]
    """Of each folder that cannot be listed, which and why."""


def find_files(folder: Path, *names: str) -> FoundFiles:
    """The folders below `folder` that hold files of these names; nothing where there is no such folder.

    No link to a folder is followed. Neither a glob nor `os.walk` is fast enough for tens of thousands of
    runs.
    """
    holders: dict[str, list[PathParts]] = {name: [] for name in names}
    unlisted: list[str] = []
    waiting: list[tuple[str, PathParts]] = [(os.fspath(folder), ())]
    while waiting:
        path, parts = waiting.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name in holders:
                        holders[entry.name].append(parts)
                    elif entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, (*parts, entry.name)))
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError as error:
            unlisted.append(f"skipped: {path} cannot be listed: {error.strerror}")
    return FoundFiles({name: sorted(folders) for name, folders in holders.items()}, sorted(unlisted))
