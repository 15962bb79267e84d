"""What a plugin's code may raise and change, and that nothing of it outlives the call."""

import asyncio
import decimal
import gc
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.plugin_code import PluginFault, plugin_code, plugin_session


class Nameless(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(0), "extract called exit(0)"),
        (SystemExit(), "extract called exit()"),
        (pytest.skip.Exception("not now"), "extract raised Skipped: not now"),
        (asyncio.CancelledError(), "extract raised CancelledError: "),
        (GeneratorExit(), "extract raised GeneratorExit: "),
        (StopIteration(), "extract raised StopIteration: "),
        (MemoryError(), "extract raised MemoryError: "),
        (Nameless(), "extract raised Nameless: its message cannot be read"),
        (ValueError("a\nb \ud83d"), "extract raised ValueError: a b \\ud83d"),
    ],
)
def test_whatever_it_raises_is_one_sentence(error: BaseException, told: str) -> None:
    with pytest.raises(PluginFault) as caught, plugin_code("extract"):
        raise error
    assert str(caught.value).startswith(told.strip())
    assert caught.value.error is error
    str(caught.value).encode()


def test_a_sentence_of_its_own_gets_the_place_before_it() -> None:
    with pytest.raises(UserError, match=r"^task 'a': no rows$"), plugin_code("task 'a'", "its data function"):
        raise UserError("no rows")
    with pytest.raises(UserError, match=r"^task 'a': its data function raised ValueError: x"):  # noqa: SIM117
        with plugin_code("task 'a'", "its data function"):
            raise ValueError("x")


def test_ctrl_c_passes_and_a_keyboard_interrupt_of_its_own_where_one_can_tell() -> None:
    class Stopped(KeyboardInterrupt):
        pass

    for passing in (KeyboardInterrupt, Stopped):
        with pytest.raises(passing), plugin_code("extract"):
            raise passing
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with pytest.raises(PluginFault, match=r"^extract raised KeyboardInterrupt"), plugin_code("extract"):
            raise KeyboardInterrupt
        with pytest.raises(Stopped), plugin_code("extract"):
            raise Stopped
    finally:
        signal.signal(signal.SIGINT, before)


def decimals() -> object:
    return decimal.getcontext().prec, [
        kind for kind, trapped in decimal.getcontext().traps.items() if trapped
    ]


def handler_and_alarm() -> object:
    return signal.getsignal(signal.SIGALRM), signal.alarm(0)


CHANGES: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "folder": (Path.cwd, lambda: os.chdir("/")),
    "environment": (
        lambda: dict(os.environ),
        lambda: (os.environ.pop("PATH"), os.environ.update(HOME="/nowhere", NEW="1")),
    ),
    "random": (random.getstate, lambda: random.seed(1)),
    "numpy": (lambda: np.random.get_state()[1].tolist(), lambda: np.random.seed(1)),  # type: ignore[index,union-attr]
    "numpy's faults": (np.geterr, lambda: np.seterr(all="raise")),
    "decimal": (
        decimals,
        lambda: (setattr(decimal.getcontext(), "prec", 2), decimal.getcontext().clear_traps()),
    ),
    "recursion": (sys.getrecursionlimit, lambda: sys.setrecursionlimit(10_000)),
    "signal": (
        handler_and_alarm,
        lambda: (signal.signal(signal.SIGALRM, lambda number, frame: None), signal.alarm(60)),
    ),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("error")),
    "how warnings are shown": (lambda: warnings.showwarning, lambda: setattr(warnings, "showwarning", None)),
    "stdout": (lambda: sys.stdout, lambda: setattr(sys, "stdout", None)),
    "garbage": (gc.isenabled, gc.disable),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_it_changes_of_the_process_is_put_back(name: str) -> None:
    look, change = CHANGES[name]
    before = look()
    with plugin_code("it"):
        change()
    assert look() == before
    with pytest.raises(PluginFault), plugin_code("it"):
        change()
        raise SystemExit(0)
    assert look() == before


def test_a_standard_stream_that_it_closes_is_opened_again(capfd: pytest.CaptureFixture[str]) -> None:
    stream = os.fdopen(os.dup(1), "w")
    before, sys.stdout = sys.stdout, stream
    try:
        with plugin_code("it"):
            sys.stdout.close()
        print("still heard", flush=True)
    finally:
        sys.stdout = before
    assert "still heard" in capfd.readouterr().out


def test_changes_last_for_a_session_of_many_calls() -> None:
    before = Path.cwd()
    with plugin_session():
        with plugin_code("it"):
            os.chdir("/")
        with plugin_code("it"):
            assert Path.cwd() == Path("/")
    assert Path.cwd() == before


def test_two_threads_never_run_it_at_once(tmp_path: Path) -> None:
    before = Path.cwd()
    folders: list[Path] = []

    def visit(name: str) -> None:
        for _ in range(50):
            with plugin_code("it"):
                os.chdir(tmp_path / name)
                folders.append(Path.cwd())

    threads = [threading.Thread(target=visit, args=(name,)) for name in "ab"]
    for name in "ab":
        (tmp_path / name).mkdir()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Path.cwd() == before
    assert len(folders) == 100
