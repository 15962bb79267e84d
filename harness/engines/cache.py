"""Answers kept by content: the same weights, prompt and sampling are asked once, in whichever run or sweep
they come.

An answer is written as soon as it is there, so what an engine had finished before it died is not generated
again. A file that is damaged is put aside, and answers that are not as they were written are generated again:
the cache may cost time, and never an answer.
"""

import dataclasses
import hashlib
import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock

from harness.counts import agreeing, count_of
from harness.engines.engine import Answered, Choose, Completion, Engine, Generate, Likelihood, Request
from harness.records.damaged import put_aside

ResultT = TypeVar("ResultT")

_KEYS_AT_ONCE = 500
"""Keys per SQL statement: SQLite limits its variables."""

_SECONDS_BETWEEN_WRITES = 1.0


@dataclasses.dataclass(frozen=True)
class CachedAnswer:
    """An answer from the cache."""

    text: str
    """As `_plain` wrote it."""

    seconds: float
    """What it took when it was generated: its share of the time since the answers written before it. The
    answers of a batch thus take together what the batch took, however many an engine answers side by side."""

    def answered(self, place: int, request: Request) -> Answered:
        """As an engine would give it to this request."""
        # An answer of an older version does not say who gave it: the engine did.
        cached_tokens, plain, *by_transformers = json.loads(self.text)
        if isinstance(request, Generate):
            answer: Any = [Completion(*fields) for fields in plain]
        elif isinstance(request, Choose):
            answer = plain
        else:
            answer = Likelihood(*plain)
        return Answered(place, answer, cached_tokens, *by_transformers)


class AnswerCache:
    """A SQLite file of answers. Those of one process can be taken back (`forget`) when it turns out to be
    untrusted."""

    def __init__(self, path: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        """`tell` hears, in a sentence, what was damaged."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._tell = path, tell
        self._session = uuid.uuid4().hex
        self._file = self._opened()

    def cached(self, keys: Sequence[bytes]) -> dict[bytes, CachedAnswer]:
        """Those of the keys that are answered."""
        return self._whatever_is_damaged(lambda: self._read(keys))

    def keeping(self, answers: Iterable[Answered], keys: Sequence[bytes]) -> Iterator[Answered]:
        """Pass answers on and keep them, each under the key of its place."""
        written = time.monotonic()
        waiting: list[tuple[bytes, str]] = []
        try:
            for answered in answers:
                waiting.append((keys[answered.place], _plain(answered)))
                yield answered
                now = time.monotonic()
                if now - written > _SECONDS_BETWEEN_WRITES:
                    self._write(waiting, seconds=now - written)
                    written, waiting = now, []
        finally:  # what was finished before the engine failed, too
            if waiting:
                self._write(waiting, seconds=time.monotonic() - written)

    def forget(self) -> None:
        """Take back what this process has kept."""
        self._whatever_is_damaged(
            lambda: self._file.execute("DELETE FROM answers WHERE session = ?", (self._session,))
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, CachedAnswer]:
        answers: dict[bytes, CachedAnswer] = {}
        damaged = 0
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            chunk = keys[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(chunk))
            rows = self._file.execute(
                f"SELECT key, answer, seconds FROM answers WHERE key IN ({marks})", chunk
            )
            for key, text, seconds in rows:
                plain = _checked(key, text)
                if plain is None or not isinstance(seconds, float):
                    damaged += 1
                else:
                    answers[key] = CachedAnswer(plain, seconds)
        if damaged:
            self._tell(
                f"{self._path}: {count_of(damaged, 'answer')} {agreeing('are', damaged)} not as written, and "
                f"{agreeing('are', damaged)} asked for again"
            )
        return answers

    def _write(self, answers: Sequence[tuple[bytes, str]], *, seconds: float) -> None:
        """Keep answers that took so many seconds together."""
        rows = [
            (key, self._session, seconds / len(answers), f"{_check(key, plain)} {plain}")
            for key, plain in answers
        ]

        def insert() -> None:
            with self._file:  # one transaction
                self._file.execute("BEGIN IMMEDIATE")
                self._file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)

        self._whatever_is_damaged(insert)

    # A file that is damaged

    def _whatever_is_damaged(self, action: Callable[[], ResultT]) -> ResultT:
        """What comes of the action, or of the same once more with a new file where the present one is
        damaged."""
        try:
            return action()
        except sqlite3.DatabaseError as fault:
            if not _is_damage(fault):
                raise
        with suppress(sqlite3.DatabaseError):
            self._file.close()
        self._file = self._opened()
        return action()

    def _opened(self) -> sqlite3.Connection:
        # Engines that work side by side find the same damage, and one of them puts the file aside.
        with FileLock(self._path.with_name(f".{self._path.name}.lock")):
            try:
                return _connected(self._path)
            except sqlite3.DatabaseError as fault:
                if not _is_damage(fault):
                    raise
                self._tell(put_aside(self._path, fault))
                for part in ("wal", "shm"):  # they belong to that file
                    beside = self._path.with_name(f"{self._path.name}-{part}")
                    if beside.exists():
                        put_aside(beside, fault)
            return _connected(self._path)


class _OtherVersion(sqlite3.DatabaseError):
    """The file was made by another version of this program, or by another program."""


def _connected(path: Path) -> sqlite3.Connection:
    """The file, with its table, which has no damage that can be seen in a moment."""
    file = sqlite3.connect(path, timeout=60, isolation_level=None)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute(
            "CREATE TABLE IF NOT EXISTS answers "
            "(key BLOB PRIMARY KEY, session TEXT NOT NULL, seconds REAL NOT NULL, answer TEXT NOT NULL) "
            "WITHOUT ROWID"
        )
        columns = tuple(name for _, name, *_ in file.execute("PRAGMA table_info(answers)"))
        if columns != _COLUMNS:
            raise _OtherVersion(f"its columns are {', '.join(columns)}")
        file.execute("SELECT count(*) FROM (SELECT key FROM answers LIMIT 1)").fetchone()
    except BaseException:
        file.close()
        raise
    return file


_COLUMNS = ("key", "session", "seconds", "answer")

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_MOVED = sqlite3.SQLITE_READONLY_DBMOVED
"""Another engine has put the file aside."""


def _is_damage(fault: sqlite3.DatabaseError) -> bool:
    """Whether the file is at fault, and not the disk, a lock or this program."""
    code = getattr(fault, "sqlite_errorcode", 0)
    return isinstance(fault, _OtherVersion) or code & 0xFF in _DAMAGED or code == _MOVED


_CHECK_DIGITS = 16


def _check(key: bytes, plain: str) -> str:
    """What an answer's text begins with in the file: a file system or a person may change it there."""
    return hashlib.sha256(key + plain.encode()).hexdigest()[:_CHECK_DIGITS]


def _checked(key: bytes, text: object) -> str | None:
    """The answer in a row; None where it is not as it was written."""
    if not isinstance(text, str):
        return None
    if text.startswith("["):  # of a version that wrote no checks
        try:
            json.loads(text)
        except ValueError:
            return None
        return text
    check, _, plain = text.partition(" ")
    return plain if check == _check(key, plain) else None


def key_of(engine: Engine, request: Request, weights: str) -> bytes:
    """The digest of everything an answer depends on: kernels add in other orders on other devices and in
    other versions."""
    parts: list[Any] = [
        engine.name,
        engine.device,
        engine.dtype,
        engine.way,
        weights,
        type(request).__name__,
        request.prompt,
    ]
    if isinstance(request, Generate):
        parts.append(vars(request.sampling))
    else:
        parts.append(request.choices if isinstance(request, Choose) else request.continuation)
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def _plain(answered: Answered) -> str:
    """An answer as text."""
    answer = answered.answer
    if isinstance(answer, Likelihood):
        plain: Any = dataclasses.astuple(answer)
    elif answer and isinstance(answer[0], Completion):
        plain = [
            (written.text, written.token_ids, written.finish_reason, written.logprobs) for written in answer
        ]
    else:
        plain = answer
    return json.dumps([answered.cached_tokens, plain, answered.by_transformers])
