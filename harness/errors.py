"""The user's mistakes, said in one sentence: what, where, what is allowed, what to do."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user must fix; the command line prints it without a traceback and exits with 2."""


def suggest(name: str, allowed: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the closest allowed name, or an empty string."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
