"""A task together with its samples."""

from dataclasses import dataclass

from harness.data.dataset import Dataset
from harness.task import Task


@dataclass(frozen=True)
class LoadedTask:
    """A task, the samples made from its rows, and how many of them people have checked."""

    task: Task
    dataset: Dataset
    reviewed: float | None = None
    """Share of the prompts whose present wording people have reviewed; None without a review."""
