"""Run code that a task's author wrote: whatever it raises becomes one sentence, and what it
changes of the process is put back.

What it prints goes to standard error, for the whole command line (`harness.terminal.output`). This is no
sandbox: a task is code that its user trusts. It keeps the faults of one task from the runs of all others.
"""

import decimal
import gc
import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from harness.errors import UserError, raised, writable


class PluginFault(UserError):
    """What a plugin's code ended with, in a sentence."""

    def __init__(self, sentence: str, error: BaseException) -> None:
        super().__init__(sentence)
        self.error = error


class plugin_code:
    """While it is entered, a plugin's code runs.

    Raises `PluginFault` for all that it ends with, such as `sys.exit`, pytest's `skip()` or a cancelled task
    of asyncio. A `UserError` of its own passes, with the place before it; so does Ctrl-C, and a
    `KeyboardInterrupt` of its own where nobody could tell the two apart.
    """

    __slots__ = ("_part", "_place")

    def __init__(self, place: str, part: str = "") -> None:
        """The sentence begins with `place`; `part`: what of the plugin fails there, `its data function`."""
        self._place, self._part = place, part

    def __enter__(self) -> None:
        _session.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _session.end()
        if error is None or _may_be_the_users(error):
            return
        if isinstance(error, UserError):
            place = f"{self._place}: " if self._place else ""
            error.args = (writable(f"{place}{error}"),)
            return
        subject = ": ".join(filter(None, (self._place, self._part)))
        raise PluginFault(f"{subject} {raised(error)}", error) from error


def _may_be_the_users(error: BaseException) -> bool:
    """Whether an error is Ctrl-C, or may be."""
    if type(error) is not KeyboardInterrupt:
        return isinstance(error, KeyboardInterrupt)
    # Where the command line has a handler of its own, Ctrl-C raises a class of its own.
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler


@contextmanager
def plugin_session() -> Iterator[None]:
    """Around many calls of plugin code, what it changes is looked at only once, at the end."""
    _session.begin()
    try:
        yield
    finally:
        _session.end()


class _Session:
    """Puts back what plugin code has changed of the process, once the last that was begun is over.

    Plugin code runs in one thread at a time: of two, each would take the other's changes for how things were.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._before: list[tuple[_Trait, Any]] = []

    def begin(self) -> None:
        self._lock.acquire()
        self._depth += 1
        if self._depth == 1:
            self._before = [(trait, trait.read()) for trait in _TRAITS]

    def end(self) -> None:
        try:
            if self._depth == 1:
                for trait, before in self._before:
                    if trait.read() != before:
                        trait.restore(before)
        finally:
            self._depth -= 1
            self._lock.release()


@dataclass(frozen=True)
class _Trait:
    """Something of the process that everything in it shares."""

    read: Callable[[], Any]
    restore: Callable[[Any], object]


def _folder() -> Path | None:
    """The folder that relative paths begin at; None where it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _return_to(folder: Path | None) -> None:
    if folder is not None:
        with suppress(OSError):
            os.chdir(folder)


def _restore_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    for name, text in before.items():
        if os.environ.get(name) != text:
            os.environ[name] = text


def _restore_locale(before: str) -> None:
    with suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, before)


def _numpy_state() -> tuple[Any, ...] | None:
    """How numpy's global generator stands, and what becomes of its faulty operations; None without
    numpy, which is not loaded for that."""
    numpy = sys.modules.get("numpy")
    if numpy is None or "numpy.random" not in sys.modules:
        return None
    kind, keys, *rest = numpy.random.get_state()
    return kind, keys.tobytes(), *rest, numpy.geterr()


def _restore_numpy(before: tuple[Any, ...] | None) -> None:
    if before is None:
        return
    import numpy

    kind, keys, *rest, faulty = before
    numpy.random.set_state((kind, numpy.frombuffer(keys, numpy.uint32), *rest))
    numpy.seterr(**faulty)


def _decimal_context() -> dict[str, Any]:
    context = decimal.getcontext()
    names = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    traps = [kind for kind, is_trapped in context.traps.items() if is_trapped]
    return {name: getattr(context, name) for name in names} | {"traps": traps}


def _restore_decimal(before: dict[str, Any]) -> None:
    decimal.setcontext(decimal.Context(**before, flags=[]))


def _signal_handlers() -> dict[signal.Signals, Any]:
    """Only the main thread has a say in them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _restore_signals(before: dict[signal.Signals, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            if number == signal.SIGALRM:
                signal.alarm(0)  # it would end the process, for want of a handler
            signal.signal(number, handler)


_SIGNALS = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGPIPE, signal.SIGCHLD,
    signal.SIGUSR1, signal.SIGUSR2,
)  # fmt: skip


def _warnings() -> tuple[list[Any], Any]:
    return list(warnings.filters), warnings.showwarning


def _restore_warnings(before: tuple[list[Any], Any]) -> None:
    filters, warnings.showwarning = before
    warnings.resetwarnings()  # which also forgets what it had looked up
    warnings.filters[:] = filters  # type: ignore[index]


def _streams() -> tuple[TextIO | None, TextIO | None, bool]:
    """The standard streams, and whether one of them was closed."""
    is_closed = any(stream is not None and stream.closed for stream in (sys.stdout, sys.stderr))
    return sys.stdout, sys.stderr, is_closed


def _restore_streams(before: tuple[TextIO | None, TextIO | None, bool]) -> None:
    stdout, stderr, _ = before
    sys.stdout, sys.stderr = _opened(stdout, 1), _opened(stderr, 2)


def _opened(stream: TextIO | None, descriptor: int) -> TextIO | None:
    if stream is None or not stream.closed:
        return stream
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", closefd=False)


_TRAITS = (
    _Trait(_folder, _return_to),
    _Trait(lambda: dict(os.environ), _restore_environment),
    _Trait(lambda: locale.setlocale(locale.LC_ALL), _restore_locale),
    _Trait(random.getstate, random.setstate),
    _Trait(_numpy_state, _restore_numpy),
    _Trait(_decimal_context, _restore_decimal),
    _Trait(_signal_handlers, _restore_signals),
    _Trait(_warnings, _restore_warnings),
    _Trait(_streams, _restore_streams),
    _Trait(sys.getrecursionlimit, sys.setrecursionlimit),
    _Trait(gc.isenabled, lambda was_enabled: gc.enable() if was_enabled else gc.disable()),
)

_session = _Session()
