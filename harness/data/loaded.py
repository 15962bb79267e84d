"""A task together with its samples."""

from dataclasses import dataclass

from harness.data.dataset import Dataset
from harness.task import Task


@dataclass(frozen=True)
class LoadedTask:
    """A task with its samples."""

    task: Task
    dataset: Dataset
    reviewed: float | None = None
    """Share of the prompt set that people have judged as it is now; None when nobody was asked."""
