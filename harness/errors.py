"""The user's mistakes, said in one sentence: what, where, what is allowed, what to do."""

import difflib
import inspect
import reprlib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path


class UserError(Exception):
    """Something the user must fix; the command line prints it without a traceback and exits with 2."""


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""


PLUGIN_FAULTS = (Exception, SystemExit)
"""What the code of a plugin may end in: a `sys.exit` in it must not end a check of all tasks. Ctrl-C is the
user's."""

_NOT_THE_AUTHORS = (
    Path(__file__).parent,
    *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")),
)

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80


def raised(error: BaseException) -> str:
    """`raised KeyError: 'rows' (task.py, line 12)`, or `called exit(0)` with its place."""
    if isinstance(error, SystemExit):
        return f"called exit({'' if error.code is None else repr(error.code)}){place(error)}"
    return f"raised {named(error)}{place(error)}"


def named(error: BaseException) -> str:
    """`KeyError: 'rows'`, on one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".split())


def place(error: BaseException) -> str:
    """` (task.py, line 12)`: the innermost line that is not ours or a library's; empty where there is
    none."""
    places = [(error.filename, error.lineno)] if isinstance(error, SyntaxError) else []
    places += [
        (frame.filename, frame.lineno) for frame in reversed(traceback.extract_tb(error.__traceback__))
    ]
    for file, line in places:
        if (
            file
            and line
            and not file.startswith("<")
            and not any(map(Path(file).is_relative_to, _NOT_THE_AUTHORS))
        ):
            return f" ({Path(file).name}, line {line})"
    return ""


def shown(value: object) -> str:
    """A value that should have been another, in a few words."""
    if inspect.isfunction(value):
        return f"the function {value.__name__}"
    return " ".join(_SHORT.repr(value).split())
