"""Who hears how far the work on one base model is: the progress display, or what carries word to it from
another machine."""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from harness.errors import UserError
from harness.workers.worker import JobFailed


class Listener(Protocol):
    """Hears plain values only, so that it may be on another machine."""

    def started(self) -> None:
        """The work begins; or begins again elsewhere, and what was said of it before no longer counts."""

    def phase(self, what: str, jobs: int) -> None:
        """A phase of so many jobs begins."""

    def job(self, label: str) -> None:
        """What is worked on now."""

    def within(self, done: float, total: float) -> None:
        """The present job is `done` of `total` through."""

    def advance(self, jobs: int) -> None:
        """That many jobs are over."""

    def note(self, text: str) -> None:
        """Anything worth knowing."""

    def failed(self, key: str, phase: str, reason: str, seconds: float) -> None:
        """What has this key came to nothing after so long."""

    def judge(self, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The task's metric of answers on dev (`value`, `higher_is_better`), for the training with this
        key."""


@contextmanager
def reporting_failure(
    listener: Listener, key: str, phase: str, started: float, *, log: Path
) -> Iterator[None]:
    """Turn what goes wrong with one job into its reported failure. `started`: on the monotonic clock."""
    try:
        yield
    except Exception as error:  # a fault of ours must not cost the jobs beside it
        listener.failed(key, phase, reason_of(error, what=key, log=log), time.monotonic() - started)


def reason_of(error: Exception, *, what: str, log: Path) -> str:
    """What went wrong, in one line; what nobody foresaw goes to the log in full. `what`: it happened with
    this."""
    reason = " ".join(str(error).split())
    if isinstance(error, (JobFailed, UserError, OSError)):
        return reason
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{what}\n{''.join(traceback.format_exception(error))}\n")
    return f"{type(error).__name__}: {reason} (log: {log})"
