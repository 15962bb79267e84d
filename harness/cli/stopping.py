"""End a verb in order when a signal, Ctrl-C or the end of its terminal asks for that,
however it was started."""

import atexit
import math
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a verb to end: Ctrl-C, `kill`, and a terminal that is closed."""

SECONDS_AS_ONE = 1.0
"""A shell and the system both tell of a closed terminal, and `timeout` and its like signal a whole group:
signals that come so soon after the first ask for nothing new."""


class Stopped(KeyboardInterrupt):
    """A signal asked the verb to end. Whatever stops at Ctrl-C stops at this."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = exit_code(number)


def exit_code(number: int) -> int:
    """What a shell says of a process that a signal ended: 130 for Ctrl-C, 143 for `kill`, 129 for a closed
    terminal."""
    return 128 + number


@contextmanager
def stoppable(*, process_ends: bool) -> Iterator[None]:
    """Raise `Stopped` in the block where a signal asks for its end; at a second one, end the process at once.

    That loses nothing: files are whole or not there, and workers end with the process. `process_ends`: when
    the block does; signals that come even later change nothing but that.
    """
    asked_at: float | None = None

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked_at
        if asked_at is None:
            asked_at = time.monotonic()
            # Raised here: SIGINT, sent on to this process, would be ignored by
            # all that a script starts with `&`.
            raise Stopped(number)
        if time.monotonic() - asked_at > SECONDS_AS_ONE:
            os._exit(exit_code(number))

    if process_ends:
        atexit.register(_hear_no_more)  # before all others, and so called after them
    formerly = {}
    for number in STOPS:
        # `nohup` asks to outlive the terminal, and `&` in a script not to
        # hear Ctrl-C. `kill` is always heard.
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
            formerly[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        if not process_ends:
            for number, handler in formerly.items():
                signal.signal(number, handler or signal.SIG_DFL)
        elif asked_at is None:
            asked_at = -math.inf


def _hear_no_more() -> None:
    """Python is about to put the system's own handlers back, which would change the exit code at the last
    moment."""
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
