"""The user's mistakes in one sentence: what, where, what is allowed, what to do. And what a plugin raised."""

import difflib
import inspect
import os
import reprlib
import sysconfig
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Something the user must fix; the command line prints it without a traceback and exits with 2."""


def from_here(path: Path) -> Path:
    """A path as a person types it, where it lies below the folder that they are in: what is recorded and
    published says nothing of the folders above."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty string."""
    names = list(allowed)
    other_case = [allowed_name for allowed_name in names if allowed_name.casefold() == name.casefold()]
    close = other_case or difflib.get_close_matches(name, names, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


@contextmanager
def naming_what_is_written(path: Path) -> Iterator[None]:
    """Let an `OSError` name the place that could not be written:
    the system may name a temporary file beside it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, f"cannot be written: {error.strerror}", os.fspath(path)) from None


def raised(error: BaseException) -> str:
    """What a plugin did: `raised KeyError: 'rows' (task.py, line 12)`, or `called exit(0)` with its line."""
    if isinstance(error, SystemExit):
        return f"called exit({'' if error.code is None else short_repr(error.code)}){authors_line(error)}"
    return f"raised {one_line(error)}{authors_line(error)}"


def shortened(text: str, longest: int) -> str:
    """A text of at most so many characters, its end replaced by "…" where it has more."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def one_line(error: BaseException) -> str:
    """`KeyError: 'rows'`, with line breaks in the message as spaces, in characters that a file can hold."""
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except Exception:  # a class of the plugin's own may fail at this, too
        message = "its message cannot be read"
    return writable(" ".join(f"{type(error).__name__}: {message}".split()))


def writable(text: str) -> str:
    """A text that a file can hold: half of a surrogate pair is spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


def authors_line(error: BaseException) -> str:
    """` (task.py, line 12)`: the innermost line that is neither ours nor a library's, or an empty string."""
    lines = [(error.filename, error.lineno)] if isinstance(error, SyntaxError) else []
    frames = reversed(traceback.extract_tb(error.__traceback__))
    lines += [(frame.filename, frame.lineno) for frame in frames]
    for file, number in lines:
        if file and number and _is_the_authors(file):
            return f" ({Path(file).name}, line {number})"
    return ""


_NOT_THE_AUTHORS = (
    Path(__file__).parent,
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
)
"""Our own code, Python's and the installed packages'."""


def _is_the_authors(file: str) -> bool:
    # Python calls code that has no file `<string>` or `<frozen importlib._bootstrap>`.
    return not file.startswith("<") and not any(map(Path(file).is_relative_to, _NOT_THE_AUTHORS))


def short_repr(value: object) -> str:
    """A value of the wrong kind, in at most 80 characters on one line."""
    if inspect.isfunction(value):
        return f"the function {value.__name__}"
    return writable(" ".join(_SHORT.repr(value).split()))


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type when it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]
