"""The garbage collector pauses while millions of records are read, and then is as it was."""

import gc
import threading
from collections.abc import Iterator

import pytest

from harness.records.collector import collector_paused


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_pauses_and_is_then_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled() == enabled


def test_after_an_error_the_collector_is_as_it_was() -> None:
    gc.enable()
    with pytest.raises(KeyError), collector_paused():
        raise KeyError
    assert gc.isenabled()


def test_the_end_of_an_inner_pause_does_not_end_the_outer_one() -> None:
    gc.enable()
    with collector_paused():
        with collector_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_stays_paused_until_the_last_thread_is_done() -> None:
    gc.enable()
    late_began, early_ended, late_may_end = threading.Event(), threading.Event(), threading.Event()
    seen: list[bool] = []

    def late() -> None:
        with collector_paused():
            late_began.set()
            early_ended.wait(10)
            seen.append(gc.isenabled())
            late_may_end.wait(10)

    thread = threading.Thread(target=late)
    with collector_paused():
        thread.start()
        assert late_began.wait(10)
    early_ended.set()
    late_may_end.set()
    thread.join(10)
    assert seen == [False], "the first to be done must not end the pause of the other"
    assert gc.isenabled()


def test_many_threads_leave_the_collector_as_it_was() -> None:
    gc.enable()
    barrier = threading.Barrier(8)
    seen: list[bool] = []

    def read() -> None:
        barrier.wait(10)
        for _ in range(2000):
            with collector_paused():
                seen.append(gc.isenabled())

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen == [False] * 16_000
    assert gc.isenabled()
