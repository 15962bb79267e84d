"""A task together with its samples."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.data.dataset import Dataset
from harness.task import Demonstrations, Sample, Task
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import prompt_row


@dataclass(frozen=True)
class LoadedTask:
    """A task, the samples made from its rows, and how many of them people have checked."""

    task: Task
    dataset: Dataset
    reviewed: float | None = None
    """Share of the prompts whose present wording people have reviewed; None without a review."""

    def prompt_rows(
        self,
        samples: Sequence[Sample],
        templates: Sequence[str],
        *,
        num_fewshot: int,
        demonstrations: Demonstrations | None,
        seed: int,
    ) -> Iterator[dict[str, Any]]:
        """What workers see of samples, after the demonstrations of a run: in one template after the other.

        `demonstrations`: how they are chosen, and None: as the task says. A training sample never is its own.
        """
        prompts = self.task.prompts
        if demonstrations is not None:
            prompts = dataclasses.replace(prompts, demonstrations=demonstrations)
        shown_before = choose_demonstrations(
            prompts, self.dataset.originals, samples, count=num_fewshot, seed=seed
        )
        for template in templates:
            for sample, shown in zip(samples, shown_before, strict=True):
                others = [demonstration for demonstration in shown if demonstration is not sample]
                yield prompt_row(prompts, sample, template, others)
