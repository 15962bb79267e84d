"""Records on disk: written atomically, read with every fault named."""

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from harness.errors import UserError
from harness.records.collector import collector_paused
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Failure, Result
from harness.records.training import Spent
from harness.sweep.run import Run
from harness.toml import first_fault

Place = tuple[str, ...]
"""The parts of a folder below the results."""
RecordT = TypeVar("RecordT", bound=BaseModel)
RunRecordT = TypeVar("RunRecordT", "Result", "Failure")


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file that becomes `path` only when everything was written and reached the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON with sorted keys and a final newline, atomically."""
    text = json.dumps(
        record.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False
    )
    with atomic_write(path) as file:
        file.write(text + "\n")


def read_record(path: Path, model: type[RecordT]) -> RecordT:
    """Read a JSON record. Raises `UserError` for a file that is malformed or written by a newer version."""
    return _record(path, _content(path), model)


def _content(path: Path | str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of tens of thousands, many are given as text
            return file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _record(path: Path | str, text: bytes, model: type[RecordT]) -> RecordT:
    try:
        record = model.model_validate_json(text)
    except ValidationError:
        return _why_not(path, text, model)
    if getattr(record, "schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        return _why_not(path, text, model)
    return record


def _why_not(path: Path | str, text: bytes, model: type[RecordT]) -> RecordT:
    """Read a record again, more slowly, for the sentence that says what is wrong with it."""
    try:
        data = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # brackets within brackets, thousands deep
        raise UserError(f"{path}: cannot be read: {error}") from None
    version = data.get("schema_version", SCHEMA_VERSION) if isinstance(data, dict) else SCHEMA_VERSION
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(
            f"{path} is schema {version}; this version reads up to {SCHEMA_VERSION}. Upgrade gainboard."
        )
    if version in (1, 2, 3):
        raise UserError(
            f"{path} is schema {version}, of a preview of gainboard; use another --results folder, or remove this one"
        )
    try:
        return model.model_validate(upgrade(data))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error, model)}") from None


def upgrade(data: Any) -> Any:
    """A record of an earlier schema as one of this; what is of this schema, or no record, as it is."""
    # A version that is a list, of a damaged record, is not looked up.
    while (
        isinstance(data, dict)
        and isinstance(version := data.get("schema_version"), int)
        and version in _STEPS
    ):
        data = _STEPS[version](data)
    return data


def _from_4(data: dict[str, Any]) -> dict[str, Any]:
    """Schema 5 counts the answers that have the form of their task, which of older ones nobody knows yet."""
    added = {"parsed": None} if "metrics" in data else {}
    return {**data, **added, "schema_version": 5}


_STEPS = {4: _from_4}
"""From a schema to the next one."""


def spent_on_failures(results: Path, run: Run) -> Spent:
    """What earlier starts of a run took that came to nothing."""
    path = results / run.folder / FAILURE
    try:
        failure = read_record(path, Failure) if path.exists() else None
    except UserError:  # of another version: nobody can tell
        return Spent()
    return failure.spent if failure is not None and failure.run.cell == run.cell else Spent()


def read_results(results: Path) -> list[Result]:
    """Every finished run below a folder, sorted by path. A file that cannot be read is named in a warning and
    skipped."""
    records, skipped = _read_all(results, RESULT, Result, places_of(results, RESULT))
    _warn(skipped)
    return [result for result, _ in records]


def read_failures(results: Path) -> list[Failure]:
    """Every run that failed and was not finished since, sorted by path."""
    records, skipped = _read_all(results, FAILURE, Failure, places_of(results, FAILURE))
    _warn(skipped)
    return [failure for failure, _ in records]


def _warn(skipped: Sequence[str]) -> None:
    """Warn whoever called the function that read."""
    for sentence in skipped:
        warnings.warn(sentence, stacklevel=3)


class Runs(NamedTuple):
    """All runs below a folder that finished or failed, sorted by path."""

    finished: list[Result]
    failed: list[Failure]
    digests: dict[str, str]
    """By the key of a finished run, of the file that it was read from."""

    skipped: list[str]
    """Files that cannot be read, and why: a sentence each."""


def read_runs(results: Path) -> Runs:
    """Finished and failed runs, for one walk through the folder; warns of nothing."""
    places = places_of(results, RESULT, FAILURE)
    finished, skipped_results = _read_all(results, RESULT, Result, places)
    failed, skipped_failures = _read_all(results, FAILURE, Failure, places)
    return Runs(
        [result for result, _ in finished],
        [failure for failure, _ in failed],
        {result.key: digest for result, digest in finished},
        skipped_results + skipped_failures,
    )


def _read_all(
    results: Path, name: str, model: type[RunRecordT], places: Mapping[str, Sequence[Place]]
) -> tuple[list[tuple[RunRecordT, str]], list[str]]:
    """Records, each with a digest of the file it was read from; and a sentence for each file that was
    skipped."""
    records, skipped = [], []
    paths: dict[str, str] = {}
    place: Place  # which mypy does not tell from what is unpacked below
    with collector_paused():
        for place in places[name]:
            path = "/".join(
                (os.fspath(results), *place, name)
            )  # as a path it would take several times as long
            try:
                text = _content(path)
                record = _record(path, text, model)
                # A copy elsewhere would count twice, and a name that climbs out of the folder would be
                # followed.
                if place != record.run.place:
                    raise UserError(
                        f"{path}: it belongs in {record.run.folder}; a copy or a moved result is not read"
                    )
                # Pages, digests and shared costs go by keys.
                if paths.setdefault(record.key, path) != path:
                    raise UserError(
                        f"{path}: it has the key of {paths[record.key]}; only the first of both is read"
                    )
                records.append((record, hashlib.sha256(text).hexdigest()))
            except UserError as error:
                skipped.append(f"skipped: {error}")
    return records, skipped


def places_of(folder: Path, *names: str) -> dict[str, list[Place]]:
    """Where below a folder files of these names lie, or whatever lies in the place of one, by name, sorted.

    No link is followed. Written out, as neither a glob nor `os.walk` is fast enough for tens of thousands of
    runs.
    """
    found: dict[str, list[Place]] = {name: [] for name in names}
    todo: list[tuple[str, Place]] = [(os.fspath(folder), ())]
    while todo:
        path, place = todo.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name in found:
                        found[entry.name].append(place)
                    elif entry.is_dir(follow_symlinks=False):
                        todo.append((entry.path, (*place, entry.name)))
        except OSError:  # as good as not there
            continue
    return {name: sorted(places) for name, places in found.items()}
