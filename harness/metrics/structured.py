"""Metrics of answers in a formal language: JSON objects by their fields, SQL queries by the rows they
return."""

import itertools
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

from harness.errors import UserError
from harness.metrics.matching import best
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

Fields = dict[str, str]
"""Field to its value as JSON, so that the type counts: 3 and "3" differ, and so do true and 1."""

SQL_STEPS = 5_000_000
"""Instructions of SQLite's machine that a query may take. A count, unlike a clock, judges alike on every
machine."""

SQL_TEXT = 10_000
"""Bytes of a query, and of a value that it makes; or as many as the database's script has."""

_STEPS_A_TICK = 1_000
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_TOUCHING_FILES = {
    sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_CREATE_VTABLE,
}  # fmt: skip
_FORBIDDEN = {"load_extension", "random", "randomblob"}
_SQL_ERRORS = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError)
"""What sqlite3 raises of a query: ValueError, for one, when a text cannot be written in UTF-8."""

Rows = list[tuple[object, ...]]


def _fields(text: str) -> Fields | None:
    """The top-level fields of a JSON object, or None when `text` is not one."""
    try:
        value = json.loads(text)
        if not isinstance(value, dict):
            return None
        return {name: json.dumps(item, sort_keys=True) for name, item in value.items()}
    except (ValueError, RecursionError):
        return None


def _shared(found: Fields | None, wanted: Fields | None) -> int:
    return len((found or {}).items() & (wanted or {}).items())


def _json_precision(answer: str, target: str) -> float:
    found, wanted = _fields(answer), _fields(target)
    if not found:
        return float(found == wanted == {})
    return _shared(found, wanted) / len(found)


def _json_recall(answer: str, target: str) -> float:
    return _json_precision(target, answer)


def _json_f1(answer: str, target: str) -> float:
    found, wanted = _fields(answer), _fields(target)
    if not found or not wanted:
        return float(found == wanted == {})
    return 2 * _shared(found, wanted) / (len(found) + len(wanted))


def _is_object(reply: Reply) -> bool:
    return _fields(reply.answer) is not None


def _sql_execution(reply: Reply) -> float:
    """Whether the answer returns the rows of an accepted query, on the database that `metadata["database"]`
    creates."""
    with _database(reply) as connection:
        # Every accepted query runs, whichever the answer agrees with, so that a broken one is always found.
        agrees = [_same_rows(connection, reply.answer, query) for query in reply.targets]
        return float(any(agrees))


def _runs(reply: Reply) -> bool:
    """Whether the answer is a query that the database answers, with whatever rows."""
    with _database(reply) as connection:
        try:
            _rows(connection, reply.answer, most=1)
        except _SQL_ERRORS:
            return False
        return True


@contextmanager
def _database(reply: Reply) -> Iterator[sqlite3.Connection]:
    """The sample's database, to be read only."""
    script = reply.metadata.get("database")
    if script is None:
        raise UserError("it needs metadata['database']: the SQL script that creates and fills the tables")
    with closing(sqlite3.connect(":memory:")) as connection:
        _allow_only_memory(connection)
        try:
            connection.executescript(script)
        except _SQL_ERRORS as error:
            raise UserError(
                f"metadata['database'] is no SQL script that makes tables in memory within {SQL_STEPS:,} steps: {error}"
            ) from error
        _allow_only_reading(connection, most_text=max(SQL_TEXT, len(script.encode())))
        yield connection


def _allow_only_memory(connection: sqlite3.Connection) -> None:
    """A script may come with downloaded data: it touches no file, loads nothing and comes to an end."""

    def authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        forbidden = action in _TOUCHING_FILES or (action == sqlite3.SQLITE_FUNCTION and name in _FORBIDDEN)
        return sqlite3.SQLITE_DENY if forbidden else sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    _limit_steps(connection)


def _limit_steps(connection: sqlite3.Connection) -> None:
    """From now on the connection may take `SQL_STEPS`, more or less."""
    ticks = itertools.count(1)
    connection.set_progress_handler(lambda: next(ticks) * _STEPS_A_TICK > SQL_STEPS, _STEPS_A_TICK)


def _allow_only_reading(connection: sqlite3.Connection, *, most_text: int) -> None:
    def authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        allowed = action in _READING and not (action == sqlite3.SQLITE_FUNCTION and name in _FORBIDDEN)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, most_text)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, most_text)


def _same_rows(connection: sqlite3.Connection, answer: str, query: str) -> bool:
    """Whether both queries return the same rows; in the same order, where the accepted one asks for an
    order."""
    try:
        wanted = _rows(connection, query)
    except _SQL_ERRORS as error:
        raise UserError(
            f"the accepted query {query!r} does not run on metadata['database']: {error}"
        ) from error
    try:
        found = _rows(connection, answer, most=len(wanted) + 1)
    except _SQL_ERRORS:
        return False
    return found == wanted if _is_ordered(query) else Counter(found) == Counter(wanted)


def _rows(connection: sqlite3.Connection, query: str, *, most: int = -1) -> Rows:
    """The rows of one reading query, at most `most`, with floats rounded to what does not hang on the order
    of adding."""
    _limit_steps(connection)
    cursor = connection.execute(query)
    if cursor.description is None:
        raise sqlite3.ProgrammingError("it returns no rows")
    with closing(cursor):
        rows = cursor.fetchall() if most < 0 else cursor.fetchmany(most)
    return [tuple(float(f"{item:.12g}") if isinstance(item, float) else item for item in row) for row in rows]


def _is_ordered(query: str) -> bool:
    """Whether the outermost query says ORDER BY; one in a subquery or a window orders nothing that is
    seen."""
    outside = re.sub(r"'[^']*'", "", query)
    while (shorter := re.sub(r"\([^()]*\)", "", outside)) != outside:
        outside = shorter
    return re.search(r"\border\s+by\b", outside, re.IGNORECASE) is not None


STRUCTURED = (
    Metric(
        "json_precision",
        "share of the answer's field-value pairs that a target has",
        best(_json_precision),
        parses=_is_object,
        outputs=ANSWERS,
    ),
    Metric(
        "json_recall",
        "share of a target's field-value pairs that the answer has",
        best(_json_recall),
        parses=_is_object,
        outputs=ANSWERS,
    ),
    Metric(
        "json_f1",
        "F1 over the field-value pairs of a JSON object",
        best(_json_f1),
        parses=_is_object,
        outputs=ANSWERS,
    ),
    Metric(
        "sql_execution",
        "the query returns the rows of an accepted one",
        _sql_execution,
        parses=_runs,
        binary=True,
        outputs=ANSWERS,
    ),
)
