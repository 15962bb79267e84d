"""Do many small pieces of work in several processes. How many does not change the outcomes or their order."""

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TextIO, TypeVar

SHARE = 64
"""Pieces that are handed over at once."""

LEAST_SHARED = 500
"""Pieces below which other processes would take longer to start than to help."""

SECONDS_BETWEEN = 2.0
"""Between two lines that say how far the work is."""

WorkT = TypeVar("WorkT")
OutcomeT = TypeVar("OutcomeT")

Tell = Callable[[str, int, int], None]
"""Receives the name of the work, how many pieces are done, and how many there are."""


class Counter:
    """Says on a terminal how far one piece of work is, once it has taken a few seconds."""

    def __init__(self, stream: TextIO) -> None:
        """Says nothing where `stream` is no terminal."""
        self._stream = stream if stream.isatty() else None
        self._said = time.monotonic()

    def __call__(self, work: str, done: int, total: int) -> None:
        """Say that `done` of `total` pieces of some `work` are done."""
        if self._stream is None or time.monotonic() - self._said < SECONDS_BETWEEN:
            return
        self._said = time.monotonic()
        print(f"gainboard: {work}, {done:,} of {total:,}", file=self._stream)


def tell_nobody(work: str, done: int, total: int) -> None:
    """Says nothing."""


class Workers:
    """Processes that are started when there is much to do, and ended with the `with` block; it may be entered
    again."""

    def __init__(self, processes: int = 1, tell: Tell = tell_nobody) -> None:
        """With one process, all work is done in this one."""
        self._processes, self._tell = processes, tell
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def map(
        self, label: str, function: Callable[[Sequence[WorkT]], list[OutcomeT]], work: Sequence[WorkT]
    ) -> Iterator[OutcomeT]:
        """The outcomes of all pieces, in their order. `label`: what is being done, as `reading predictions`.

        Other processes begin at once; in this one a share is done when its first outcome is read. `function`
        works on a share of the pieces; both must survive pickling. Where another process is killed, this one
        does what is left, and all that comes later.
        """
        shares = [work[start : start + SHARE] for start in range(0, len(work), SHARE)]
        if self._processes == 1 or len(work) < LEAST_SHARED:
            return self._counted(label, len(work), map(function, shares))
        return self._counted(label, len(work), self._shared(function, shares))

    def _started(self) -> ProcessPoolExecutor:
        # Spawned, not forked: a fork copies the state of threads that libraries have started, which is not
        # safe everywhere.
        if self._pool is None:
            fresh = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._processes, mp_context=fresh, initializer=_belong_to_the_first
            )
        return self._pool

    def _shared(
        self, function: Callable[[Sequence[WorkT]], list[OutcomeT]], shares: Sequence[Sequence[WorkT]]
    ) -> Iterator[list[OutcomeT]]:
        """The outcomes of shares that other processes work on."""
        pool = self._started()
        # Taken out one by one, so that no outcome stays in memory once it was used.
        begun = deque((share, pool.submit(function, share)) for share in shares)

        def outcomes() -> Iterator[list[OutcomeT]]:
            while begun:
                share, future = begun.popleft()
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    self._go_on_alone(pool)
                    outcome = function(share)
                del future
                yield outcome

        return outcomes()

    def _go_on_alone(self, broken: ProcessPoolExecutor) -> None:
        if self._pool is not broken:
            return
        self._pool, self._processes = None, 1
        broken.shutdown(wait=False, cancel_futures=True)
        warnings.warn(
            "a process that helped was killed (out of memory?); the rest is done in one, which takes longer",
            stacklevel=2,
        )

    def _counted(self, label: str, total: int, shares: Iterable[list[OutcomeT]]) -> Iterator[OutcomeT]:
        done = 0
        for share in shares:
            yield from share
            done += len(share)
            self._tell(label, done, total)


def _belong_to_the_first() -> None:
    """Ctrl-C reaches every process of a terminal, but the first one ends the others; where it is killed, they
    end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_first, daemon=True).start()


def _end_with_the_first() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
