"""One run of a sweep: a candidate's method on a task with one seed, and the key that identifies it."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from harness.sweep.methods import Method
from harness.sweep.prompting import Prompting
from harness.sweep.recipe import (
    Recipe,
    Stage,
    Training,
    key_of,
)
from harness.sweep.settings import Generation, Search
from harness.task import Demonstrations
from harness.toml import LARGEST_COUNT, Frozen

Number = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
"""Of a seed or a version, or of samples."""


class Candidate(Prompting):
    """One model and one method, with all that identifies the model."""

    name: str
    model: str
    revision: str | None
    fingerprint: str
    """Changes when the weights or the tokenizer change, as far as their files tell."""

    method: Method

    @property
    def label(self) -> str:
        """Its name in messages and tables."""
        return f"{self.name} · {self.method}"


class TunedFor(Frozen):
    """What a guard run's weights were tuned for: the task of the ordinary run that trained them."""

    task: str
    version: Number
    n_train: Number
    """The ordinary run's."""


class Guard(Frozen):
    """Marks a run that measures forgetting: nothing is trained on its task."""

    after: TunedFor | None
    """Whose weights are scored; None: the base's, which those are compared with."""


class Run(Frozen):
    """One candidate on one task with one seed, and everything that could change its score."""

    task: str
    task_version: Number
    task_fingerprint: str
    """Changes when a sample or a prompt does."""

    candidate: Candidate
    seed: Number
    n_train: Number | None
    """Training samples of this task; None for arms that train nothing, 0 for arms that train on other tasks
    only."""

    stages: tuple[Stage, ...] = ()
    """The trainings that lead to its weights; empty for arms that train nothing."""

    search: Search | None = None
    """How the settings of the last stage are chosen; None when each has one value. Until then `stages` has
    the first value of each."""

    members: tuple[str, ...] = ()
    """The keys of an ensemble's members."""

    averaged: tuple[Recipe, ...] = ()
    """The recipes whose weights a `soup` averages."""

    num_fewshot: Number
    demonstrations: Demonstrations | None
    """How demonstrations are chosen; None when there are none."""

    templates: tuple[str, ...]
    """The wordings it is scored in; every sample is asked once in each."""

    generation: Generation
    split: Literal["test", "dev"] = "test"
    """The samples it is scored on; `dev` for the trials of a search."""

    until: float = Field(default=1.0, gt=0, le=1)
    """Share of the last stage's steps that are trained; below 1 at the rungs of a search."""

    test_seed: Number | None
    """The seed of a generated task's test set; None for its usual one."""

    limit: Number | None
    """Number of samples to score, from the first; None for all."""

    guard: Guard | None = None
    """None for an ordinary run, which boards rank."""

    @property
    def key(self) -> str:
        """Sixteen hex digits that identify this run."""
        # Without the field, so that ordinary runs keep the keys that they had before guards existed.
        return key_of(self, without={"guard"} if self.guard is None else set())

    @property
    def cell(self) -> str:
        """The key with the searched settings left blank, so it does not depend on what the search chooses."""
        if self.search is None:
            return self.key
        *before, last = self.stages
        unchosen = last.training.model_copy(update=dict.fromkeys(self.search.space))
        return self.model_copy(
            update={"stages": (*before, last.model_copy(update={"training": unchosen}))}
        ).key

    @property
    def arm(self) -> tuple[str, str, str, int | None]:
        """Candidate, method, and the task and budget its weights were tuned for. All seeds of an arm have the
        same settings."""
        after = self.guard.after if self.guard else None
        return self.candidate.name, self.candidate.method, after.task if after else self.task, self.budget

    @property
    def budget(self) -> int | None:
        """Training samples of the task its weights were tuned for, which for a guard run is not its own
        task."""
        after = self.guard.after if self.guard else None
        return after.n_train if after else self.n_train

    @property
    def as_declared(self) -> "Run":
        """With the trainings as the sweep declares them for every budget."""
        stages = tuple(
            stage.model_copy(update={"training": stage.training.as_declared}) for stage in self.stages
        )
        return self.model_copy(update={"stages": stages})

    @property
    def alike(self) -> str:
        """Equal for runs that differ only in seed, training budget and the settings their searches chose."""
        fields = self.as_declared.model_dump(
            mode="json",
            include={"candidate", "stages", "num_fewshot", "demonstrations", "task_fingerprint"},
            exclude={"stages": {place: self._differing(place) for place in range(len(self.stages))}},
        )
        return json.dumps(fields, sort_keys=True)

    def _differing(self, place: int) -> dict[str, Any]:
        """The fields of a stage that may differ between runs that are alike: sample counts, and in the last
        stage the searched settings."""
        chosen = set(self.search.space) if self.search and place == len(self.stages) - 1 else set()
        return {"portions": {"__all__": {"n_train"}}, "training": chosen}

    @property
    def recipe(self) -> Recipe | None:
        """How its weights are made; None when they are the base's."""
        if not self.stages and not self.averaged:
            return None
        candidate = self.candidate
        return Recipe(
            model=candidate.model,
            revision=candidate.revision,
            fingerprint=candidate.fingerprint,
            seed=self.seed,
            stages=self.stages,
            until=self.until,
            members=self.averaged,
            **candidate.prompting,
        )

    @property
    def same_for_every_seed(self) -> bool:
        """Whether its seed changes nothing:
        greedy answers of untuned weights to prompts that hold no draw."""
        drawn = self.demonstrations not in (None, "fixed", "nearest")
        return not (self.stages or self.members or self.generation.temperature or drawn)

    @property
    def training(self) -> Training | None:
        """The settings of the last stage; None for arms that train nothing."""
        return self.stages[-1].training if self.stages else None

    @property
    def train_templates(self) -> tuple[str, ...]:
        """The wordings of its own task that it was last trained on; empty for arms that never train on it."""
        for stage in reversed(self.stages):
            for portion in stage.portions:
                if portion.task == self.task:
                    return portion.templates
        return ()

    @property
    def folder(self) -> Path:
        """The folder of its result, relative to the results folder."""
        return Path(*self.place)

    @property
    def place(self) -> tuple[str, ...]:
        """The parts of `folder`."""
        if self.guard is None:
            return self._place(_task_folder(self.task, self.task_version), *_budget_folder(self.n_train))
        after = self.guard.after
        if after is None:
            return self._place(_task_folder(self.task, self.task_version), "before")
        tuned_for = f"after-{_task_folder(after.task, after.version)}"
        return self._place(
            _task_folder(self.task, self.task_version), tuned_for, *_budget_folder(after.n_train)
        )

    @property
    def guarded(self) -> Path | None:
        """The folder of the ordinary run whose weights this guard run scores; None for all other runs."""
        after = self.guard.after if self.guard else None
        if after is None:
            return None
        return Path(*self._place(_task_folder(after.task, after.version), *_budget_folder(after.n_train)))

    def _place(self, *parts: str) -> tuple[str, ...]:
        name = self.candidate.name
        place = name, self.candidate.method, *parts, f"seed-{self.seed}"
        # Sweeps allow no such name, but results made elsewhere may have one, and then it is several folders.
        return Path(*place).parts if "/" in name or name in ("", ".") else place

    @property
    def label(self) -> str:
        """Its name in messages and tables."""
        return f"{self.label_without_seed} · seed {self.seed}"

    @property
    def label_without_seed(self) -> str:
        """What all seeds of an arm are called on a task."""
        budget = "" if self.budget is None else f" · {self.budget} samples"
        return f"{self.candidate.label} · {self.task_label}{budget}"

    @property
    def task_label(self) -> str:
        """Its task, and for a guard run also whose weights it scores: `boolq after ticket_routing`, `boolq
        before tuning`."""
        if self.guard is None:
            return self.task
        return (
            f"{self.task} after {self.guard.after.task}" if self.guard.after else f"{self.task} before tuning"
        )


@cache
def _task_folder(task: str, version: int) -> str:
    # Tasks of another harness have names like `lm_eval:arc_easy`, and Windows forbids colons in paths.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", task) + f"-v{version}"


def _budget_folder(n_train: int | None) -> tuple[str, ...]:
    return () if n_train is None else (f"n-{n_train}",)
