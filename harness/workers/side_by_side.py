"""Wait for several workers at once, in a thread each, and end them all at Ctrl-C."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from harness.workers.worker import stopping_workers

ResultT = TypeVar("ResultT")


def side_by_side(jobs: Sequence[Callable[[], ResultT]], *, at_a_time: int) -> list[ResultT]:
    """The results of the jobs, in their order. What the first of them raises is raised when all are over."""
    with ThreadPoolExecutor(at_a_time) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            # Only the main thread hears Ctrl-C; the others wait for workers that could take hours.
            for future in futures:
                future.cancel()
            with stopping_workers():
                pool.shutdown()
            raise
