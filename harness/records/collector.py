"""Pause the garbage collector of this process, and leave it as it was."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_pauses = 0
"""How many pauses are in progress: nested, or of several threads."""

_enabled_before = False
"""Whether the collector was on when the first of them began."""


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the garbage collector off: among the millions of records of a large board there is no garbage, and
    looking for some goes through all of them again and again.

    The collector is the process's own, so it stays off until the last of several pauses ends.
    """
    global _pauses, _enabled_before
    with _lock:
        if _pauses == 0:
            _enabled_before = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1
            if _pauses == 0 and _enabled_before:
                gc.enable()
