"""Metrics of answers that are SQL queries: by the rows they return on the sample's own database."""

import itertools
import re
import sqlite3
import weakref
from collections import Counter
from contextlib import closing
from functools import lru_cache
from threading import Lock

from harness.errors import UserError
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

SQL_STEPS = 5_000_000
"""Instructions of SQLite's virtual machine that a query may take. A count, unlike a clock, gives the same
verdict on every machine."""

SQL_TEXT = 10_000
"""Bytes that a query, or a value it makes, may have; as many as the database's script has, if that is
more."""

OPEN_DATABASES = 32
"""Databases kept open for the next judgement. The metrics and the draws of one sample follow each other, so a
few are enough; one made by a short script takes about 40 KB."""

_STEPS_PER_TICK = 1_000
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_TOUCHING_FILES = {
    sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_PRAGMA, sqlite3.SQLITE_CREATE_VTABLE,
}  # fmt: skip
_FORBIDDEN_FUNCTIONS = {"load_extension", "random", "randomblob"}
_SQL_ERRORS = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError)
"""What sqlite3 raises for a faulty query: ValueError, for one, when a text cannot be encoded as UTF-8."""

_FORMATTING = ("printf", "format")
"""SQLite's functions that write as many characters as they are told to, all in one step: `%.*c` takes 9 s."""

Rows = list[tuple[object, ...]]


def _sql_execution(reply: Reply) -> float:
    """Whether the answer returns the rows of an accepted query, on the database that `metadata["database"]`
    creates."""
    database = _database_of(reply)
    # Every accepted query runs, even after the answer has matched one, so that a broken one is always found.
    matches = [_returns_same_rows(database, reply.answer, query) for query in reply.targets]
    return float(any(matches))


def _runs(reply: Reply) -> bool:
    """Whether the answer is a query that the database can run, whatever rows it returns."""
    database = _database_of(reply)
    try:
        database.rows(reply.answer, limit=1)
    except _SQL_ERRORS:
        return False
    return True


def _database_of(reply: Reply) -> "_Database":
    script = reply.metadata.get("database")
    if script is None:
        raise UserError("it needs metadata['database']: the SQL script that creates and fills the tables")
    return _open_database(script)


def _returns_same_rows(database: "_Database", answer: str, query: str) -> bool:
    """Whether both queries return the same rows; in the same order, if the accepted one asks for an order."""
    try:
        expected = database.rows(query)
    except _SQL_ERRORS as error:
        raise UserError(
            f"the accepted query {query!r} does not run on metadata['database']: {error}"
        ) from error
    try:
        # One row more than expected is enough to tell that there are too many.
        returned = database.rows(answer, limit=len(expected) + 1)
    except _SQL_ERRORS:
        return False
    return returned == expected if _is_ordered(query) else Counter(returned) == Counter(expected)


def _is_ordered(query: str) -> bool:
    """Whether the outermost query says ORDER BY; inside a subquery or a window it does not order the
    result."""
    outermost = re.sub(r"'[^']*'", "", query)
    # Brackets go from the inside out, until only what stands outside of all is left.
    while (shorter := re.sub(r"\([^()]*\)", "", outermost)) != outermost:
        outermost = shorter
    return re.search(r"\border\s+by\b", outermost, re.IGNORECASE) is not None


class _Database:
    """The tables that a script creates in memory: made once, then only read, by one thread at a time.

    Raises `UserError` for a script that does not run to its end, or reaches for a file.
    """

    def __init__(self, script: str) -> None:
        # Groups of a sweep are scored in threads of their own.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._lock = Lock()
        weakref.finalize(self, self._connection.close)
        _allow_only_memory(self._connection)
        try:
            self._connection.executescript(script)
        except _SQL_ERRORS as error:
            raise UserError(
                f"metadata['database'] is no SQL script that makes tables in memory within {SQL_STEPS:,} "
                f"steps: {error}"
            ) from error
        _allow_only_reading(self._connection, longest_text=max(SQL_TEXT, len(script.encode())))

    def rows(self, query: str, *, limit: int | None = None) -> Rows:
        """The rows of one reading query, at most `limit`. Raises one of `_SQL_ERRORS` for any other query.

        Floats are rounded to 12 digits: sums differ beyond them with the order of their terms.
        """
        with self._lock:
            _limit_steps(self._connection)
            cursor = self._connection.execute(query)
            if cursor.description is None:
                raise sqlite3.ProgrammingError("it returns no rows")
            with closing(cursor):
                rows = cursor.fetchall() if limit is None else cursor.fetchmany(limit)
        return [tuple(map(_rounded, row)) for row in rows]


_open_database = lru_cache(maxsize=OPEN_DATABASES)(_Database)


def _allow_only_memory(connection: sqlite3.Connection) -> None:
    """A script may come with downloaded data: it touches no file, loads nothing and comes to an end."""

    def authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        forbidden = action in _TOUCHING_FILES or _calls_forbidden_function(action, name)
        return sqlite3.SQLITE_DENY if forbidden else sqlite3.SQLITE_OK

    connection.set_authorizer(authorize)
    for name in _FORMATTING:
        connection.create_function(name, -1, _formatted, deterministic=True)
    _limit_steps(connection)


def _formatted(*arguments: object) -> str | None:
    """SQLite's own `printf` of the arguments. Raises `ValueError` where it is to
    fill a width that no value may have."""
    if not arguments:
        return None
    wording, *values = arguments
    widths = [int(digits) for digits in re.findall(r"\d+", str(wording))]
    if "*" in str(wording):
        widths += [abs(value) for value in values if isinstance(value, int)]
    if max(widths, default=0) > SQL_TEXT:
        raise ValueError("it writes more characters than a value may have")
    placeholders = ", ".join("?" * len(arguments))
    with _formatting_lock:
        (row,) = _formatter().execute(f"SELECT printf({placeholders})", arguments)
    text: str | None = row[0]
    return text


@lru_cache
def _formatter() -> sqlite3.Connection:
    """A connection without tables, whose `printf` is SQLite's own."""
    return sqlite3.connect(":memory:", check_same_thread=False)


_formatting_lock = Lock()


def _allow_only_reading(connection: sqlite3.Connection, *, longest_text: int) -> None:
    def authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
        allowed = action in _READING and not _calls_forbidden_function(action, name)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    connection.set_authorizer(authorize)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest_text)
    connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, longest_text)


def _calls_forbidden_function(action: int, name: str | None) -> bool:
    return action == sqlite3.SQLITE_FUNCTION and name in _FORBIDDEN_FUNCTIONS


def _limit_steps(connection: sqlite3.Connection) -> None:
    """From now on the connection may take `SQL_STEPS`, to within a tick."""
    ticks = itertools.count(1)

    def is_over() -> bool:
        return next(ticks) * _STEPS_PER_TICK > SQL_STEPS

    connection.set_progress_handler(is_over, _STEPS_PER_TICK)


def _rounded(value: object) -> object:
    return float(f"{value:.12g}") if isinstance(value, float) else value


SQL = (
    Metric(
        "sql_execution",
        "the query returns the rows of an accepted one",
        _sql_execution,
        parses=_runs,
        binary=True,
        outputs=ANSWERS,
    ),
)
