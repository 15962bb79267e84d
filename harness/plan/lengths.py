"""Say how many tokens the prompts, answers and training samples of a sweep have, before any is made.

Where a model's tokenizer has counted samples of them, these are the means; elsewhere tokens are taken to be
characters / 4, over the first samples of a task. That knows nothing of what a chat template adds.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from harness.data.loaded import LoadedTask
from harness.plan.token_counts import ModelCounts, PromptCount, kind_of
from harness.sweep.recipe import Stage
from harness.sweep.run import Run
from harness.task import Sample
from harness.task.prompts import render

CHARACTERS_PER_TOKEN = 4
MEASURED_SAMPLES = 200
"""Samples of a task that its mean lengths are taken from."""

NO_COUNTS: Mapping[str, ModelCounts] = {}


class Lengths:
    """Mean tokens, by candidate and task."""

    def __init__(
        self, tasks: Mapping[str, LoadedTask], counts: Mapping[str, ModelCounts] = NO_COUNTS
    ) -> None:
        """`counts`: by the names of candidates."""
        self._tasks = tasks
        self._prompts = {
            (candidate, *prompts.kind): prompts for candidate, of in counts.items() for prompts in of.prompts
        }
        self._trainings = {
            (candidate, rows.task, rows.max_length): rows.tokens
            for candidate, of in counts.items()
            for rows in of.trainings
        }
        self._characters = cache(self._prompt_by_characters)
        self._answer = cache(self._answer_by_characters)

    def is_counted(self, run: Run) -> bool:
        """Whether its prompts were counted by its model's tokenizer."""
        return self._counted(run) is not None

    def prompt(self, run: Run) -> float:
        """Of a prompt that a run is asked, over all of its wordings."""
        counted = self._counted(run)
        return self._over_wordings(run, run.num_fewshot) if counted is None else counted.prompt_tokens

    def shared(self, run: Run) -> float:
        """Of the demonstrations that all of a run's prompts begin with."""
        if run.num_fewshot == 0 or run.demonstrations == "nearest":
            return 0
        counted = self._counted(run)
        if counted is not None:
            return counted.shared_tokens
        return self._over_wordings(run, run.num_fewshot) - self._over_wordings(run, 0)

    def answer(self, run: Run) -> float:
        """Of a right answer."""
        counted = self._counted(run)
        return self._answer(run.task) if counted is None else counted.target_tokens

    def rows(self, candidate: str, stage: Stage) -> list[float]:
        """Of a prompt with its answer, as a stage trains on it: for each of its portions."""
        rows = []
        for portion in stage.portions:
            counted = self._trainings.get((candidate, portion.task, stage.training.max_length))
            if counted is None:
                counted = self._characters(portion.task, portion.templates[0], 0) + self._answer(portion.task)
            rows.append(counted)
        return rows

    def _counted(self, run: Run) -> PromptCount | None:
        return self._prompts.get((run.candidate.name, *kind_of(run))) if self._prompts else None

    def _over_wordings(self, run: Run, num_fewshot: int) -> float:
        return sum(self._characters(run.task, name, num_fewshot) for name in run.templates) / len(
            run.templates
        )

    def _prompt_by_characters(self, task: str, template: str, num_fewshot: int) -> float:
        loaded = self._tasks[task]
        demonstrations: Sequence[Sample] = loaded.dataset.originals[:num_fewshot]
        measured = loaded.dataset.test[:MEASURED_SAMPLES]
        characters = sum(
            len(render(loaded.task.prompts, sample, template=template, demonstrations=demonstrations).text)
            for sample in measured
        )
        return characters / CHARACTERS_PER_TOKEN / len(measured)

    def _answer_by_characters(self, task: str) -> float:
        measured = self._tasks[task].dataset.test[:MEASURED_SAMPLES]
        return sum(len(sample.targets[0]) for sample in measured) / CHARACTERS_PER_TOKEN / len(measured)
