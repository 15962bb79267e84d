"""Answers kept by content: the same weights, prompt and sampling are asked once, in whichever run or sweep
they come.

An answer is written as soon as it is there, so what an engine had finished before it died is not generated
again.
"""

import dataclasses
import hashlib
import json
import sqlite3
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.engines.engine import Answered, Choose, Completion, Engine, Generate, Likelihood, Request

_KEYS_AT_ONCE = 500
"""Keys per SQL statement: SQLite limits its variables."""

_SECONDS_BETWEEN_WRITES = 1.0


@dataclasses.dataclass(frozen=True)
class CachedAnswer:
    """An answer from the cache."""

    text: str
    """As `_written` wrote it."""

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

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._session = uuid.uuid4().hex
        self._file = sqlite3.connect(path, timeout=60, isolation_level=None)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("PRAGMA synchronous = NORMAL")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS answers "
            "(key BLOB PRIMARY KEY, session TEXT NOT NULL, seconds REAL NOT NULL, answer TEXT NOT NULL) "
            "WITHOUT ROWID"
        )

    def cached(self, keys: Sequence[bytes]) -> dict[bytes, CachedAnswer]:
        """Those of the keys that are answered."""
        answers: dict[bytes, CachedAnswer] = {}
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            chunk = keys[start : start + _KEYS_AT_ONCE]
            marks = ",".join("?" * len(chunk))
            rows = self._file.execute(
                f"SELECT key, answer, seconds FROM answers WHERE key IN ({marks})", chunk
            )
            answers |= {key: CachedAnswer(answer, seconds) for key, answer, seconds in rows}
        return answers

    def keeping(self, answers: Iterable[Answered], keys: Sequence[bytes]) -> Iterator[Answered]:
        """Pass answers on and keep them, each under the key of its place."""
        written = time.monotonic()
        waiting: list[tuple[bytes, str]] = []
        try:
            for answered in answers:
                waiting.append((keys[answered.place], _written(answered)))
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
        self._file.execute("DELETE FROM answers WHERE session = ?", (self._session,))

    def _write(self, answers: Sequence[tuple[bytes, str]], *, seconds: float) -> None:
        """Keep answers that took so many seconds together."""
        rows = [(key, self._session, seconds / len(answers), answer) for key, answer in answers]
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")


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


def _written(answered: Answered) -> str:
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
