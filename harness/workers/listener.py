"""What the work on one base model says while it runs, and what it hands back when it is over.

All of it is plain data, so that it can come from another machine.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError, from_here
from harness.workers.worker import JobFailed


@dataclass(frozen=True)
class PhaseBegan:
    """A phase begins, with its number of jobs."""

    phase: str
    jobs: int


@dataclass(frozen=True)
class JobBegan:
    """What is worked on now."""

    label: str


@dataclass(frozen=True)
class JobAdvanced:
    """The present job is `done` of `total` through: steps of a training, or requests that are answered."""

    done: float
    total: float
    loss: float | None = None
    """Of a training's last steps, as far as it is known."""


@dataclass(frozen=True)
class JobsEnded:
    """That many jobs are over, well or not."""

    jobs: int


@dataclass(frozen=True)
class Note:
    """Anything worth knowing."""

    text: str


@dataclass(frozen=True)
class FilesWritten:
    """What came of jobs is there, whole:
    of a training its record, of runs their answers and their records."""

    paths: tuple[Path, ...]


Event = PhaseBegan | JobBegan | JobAdvanced | JobsEnded | FilesWritten | Note
Listener = Callable[[Event], None]

MetricJudge = Callable[[str, list[dict[str, Any]]], dict[str, Any]]
"""(key of a training, its answers on dev) → the task's metric of them: `value`, `higher_is_better`."""


@dataclass
class JobFailure:
    """A training or a run that came to nothing."""

    key: str
    """Of the recipe or the run."""

    phase: str
    reason: str
    seconds: float
    """Device-seconds until it failed, with its share of the starts of its worker."""


def reason_of(error: Exception, *, subject: str, log: Path) -> str:
    """What went wrong with `subject`, in one line, with paths as seen from here; what nobody
    foresaw goes to the log in full."""
    reason = " ".join(str(error).split()).replace(f"{Path.cwd()}/", "")
    if isinstance(error, (JobFailed, UserError, OSError)):
        return reason
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{subject}\n{''.join(traceback.format_exception(error))}\n")
    return f"{type(error).__name__}: {reason} (log: {from_here(log)})"
