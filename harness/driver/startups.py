"""Share the seconds that a worker took to start among the jobs that it served.

A worker serves several waves, so a job's share shrinks as others follow: records are written with what is
known then, and put right at the end of every wave, until results are made of them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.records.generation import GenerationRecord
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.workers.listener import JobFailure


@dataclass
class _Start:
    """One start, and the jobs that it served."""

    seconds: float
    """Those that failures have paid for are taken off."""

    records: list[Path] = field(default_factory=list)
    failures: list[JobFailure] = field(default_factory=list)
    """Of the present wave."""


class StartShares:
    """The starts of one worker process after another. Their shares add up to the seconds that they took."""

    def __init__(self, record_type: type[GenerationRecord] | type[TrainingRecord]) -> None:
        self._record_type = record_type
        self._starts: list[_Start] = []
        self._total = 0.0

    def started(self, seconds: float) -> None:
        """A process has started, or failed to, after so long."""
        self._total += seconds
        if self._starts and not (self._starts[-1].records or self._starts[-1].failures):
            # Nobody else will pay for a start that served no job.
            seconds += self._starts.pop().seconds
        self._starts.append(_Start(seconds))

    def served(self, record: Path) -> None:
        """The process did a job, whose record this is."""
        self._starts[-1].records.append(record)

    def failed(self, failure: JobFailure) -> None:
        """The process, if there ever was one, could not do a job."""
        if self._starts:
            self._starts[-1].failures.append(failure)

    def stopwatch(self) -> Callable[[], float]:
        """Tells the seconds since this call, those of starts left out: they are shared."""
        began, total = time.monotonic(), self._total
        return lambda: max(0.0, time.monotonic() - began - (self._total - total))

    def settle(self) -> list[Path]:
        """Give every job its share of the start that served it. The records of those that succeeded."""
        records = []
        for start in self._starts:
            jobs = len(start.records) + len(start.failures)
            share = start.seconds / jobs if jobs else 0.0
            # A failure is reported with this wave, so it pays now and no more; records can still be changed.
            for failure in start.failures:
                failure.seconds += share
                start.seconds -= share
            start.failures.clear()
            for path in start.records:
                record = read_record(path, self._record_type)
                write_record(path, record.model_copy(update={"startup_seconds": share}))
            records += start.records
        del self._starts[:-1]  # only the last may serve again
        return records

    def pay(self) -> None:
        """Keep the shares of all jobs so far as they are; what follows pays nothing for these starts."""
        for start in self._starts:
            if start.records:
                start.seconds = 0.0
                start.records.clear()
