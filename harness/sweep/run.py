"""One run of a sweep: a candidate's method on a task, with one seed; and the key that tells it from all
others."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

from harness.sweep.methods import Method
from harness.sweep.recipe import (
    Recipe,
    Stage,
    Training,
    key_of,
)
from harness.sweep.settings import Generation, Search
from harness.task import Demonstrations
from harness.toml import Frozen


class Candidate(Frozen):
    """One model and one method, fully resolved."""

    name: str
    model: str
    revision: str | None
    fingerprint: str
    """Changes when the weights or the tokenizer do, as far as can be told without loading them."""

    method: Method
    chat: bool | None

    @property
    def label(self) -> str:
        """How people read it."""
        return f"{self.name} · {self.method}"


class TunedFor(Frozen):
    """What weights were tuned for: the task whose ordinary run has them."""

    task: str
    version: int
    n_train: int
    """As that run has it."""


class Guard(Frozen):
    """Says of a run that it looks for forgetting: its task is one that nothing is trained on."""

    after: TunedFor | None
    """Whose weights are scored; None: the base as it is, which the others are held against."""


class Run(Frozen):
    """One cell of a sweep: a task, a candidate and a seed, with everything that could change its score."""

    task: str
    task_version: int
    task_fingerprint: str
    """Changes when a sample or a prompt does."""

    candidate: Candidate
    seed: int
    n_train: int | None
    """Training samples of this task; None for the arms that train nothing, 0 for those that train on others
    only."""

    stages: tuple[Stage, ...] = ()
    """The trainings that lead to its weights; empty for the arms that train nothing."""

    search: Search | None = None
    """How the settings of the last stage were chosen; None where there was one of each. Until the choice is
    made, a run has the first of each."""

    members: tuple[str, ...] = ()
    """The keys of the runs that an ensemble is made of."""

    averaged: tuple[Recipe, ...] = ()
    """The recipes whose weights are averaged, of a `soup`."""

    num_fewshot: int
    demonstrations: Demonstrations | None
    """How they are chosen; None without any."""

    templates: tuple[str, ...]
    """The wordings it is scored in: every sample once in each."""

    generation: Generation
    split: Literal["test", "dev"] = "test"
    """What it is scored on: a trial of a search on dev."""

    until: float = 1.0
    """Share of the last stage's steps that it is trained for: less than 1 at the rungs of a search."""

    test_seed: int | None
    """Which test set was drawn, of a task whose data is generated; None: its usual one."""

    limit: int | None
    """Score only the first so many samples; None: all of them."""

    guard: Guard | None = None
    """None: an ordinary run, which is a cell of a board."""

    @property
    def key(self) -> str:
        """Sixteen hex digits that name this run and nothing else."""
        # Ordinary runs have the names that they had before there were guards.
        return key_of(self, without={"guard"} if self.guard is None else set())

    @property
    def cell(self) -> str:
        """The same for every choice that its search may come to."""
        if self.search is None:
            return self.key
        *before, last = self.stages
        unchosen = last.training.model_copy(update=dict.fromkeys(self.search.space))
        return self.model_copy(
            update={"stages": (*before, last.model_copy(update={"training": unchosen}))}
        ).key

    @property
    def arm(self) -> tuple[str, str, str, int | None]:
        """Candidate, method, and the task and budget that its weights are of: all seeds of an arm have the
        same settings."""
        after = self.guard.after if self.guard else None
        return self.candidate.name, self.candidate.method, after.task if after else self.task, self.budget

    @property
    def budget(self) -> int | None:
        """Training samples of the task that its weights are of: of a guard run, the task that they were tuned
        for."""
        after = self.guard.after if self.guard else None
        return after.n_train if after else self.n_train

    @property
    def alike(self) -> str:
        """Equal for runs that differ in nothing but seed, training budget and what their searches chose."""
        made = self.model_dump(
            mode="json",
            include={"candidate", "stages", "num_fewshot", "demonstrations", "task_fingerprint"},
            exclude={"stages": {place: self._differing(place) for place in range(len(self.stages))}},
        )
        return json.dumps(made, sort_keys=True)

    def _differing(self, place: int) -> dict[str, Any]:
        """What of a stage may differ between runs that are alike. Only settings of the last one are
        chosen."""
        chosen = set(self.search.space) if self.search and place == len(self.stages) - 1 else set()
        return {"portions": {"__all__": {"n_train"}}, "training": chosen}

    @property
    def recipe(self) -> Recipe | None:
        """What its weights are made by; None: they are the base's."""
        if not self.stages and not self.averaged:
            return None
        candidate = self.candidate
        return Recipe(
            model=candidate.model,
            revision=candidate.revision,
            fingerprint=candidate.fingerprint,
            chat=candidate.chat,
            seed=self.seed,
            stages=self.stages,
            until=self.until,
            members=self.averaged,
        )

    @property
    def training(self) -> Training | None:
        """The settings of the last stage; None for the arms that train nothing."""
        return self.stages[-1].training if self.stages else None

    @property
    def train_templates(self) -> tuple[str, ...]:
        """The wordings of its own task that it is trained on; empty for the arms that train nothing of it."""
        portions = (
            portion
            for stage in reversed(self.stages)
            for portion in stage.portions
            if portion.task == self.task
        )
        return next((portion.templates for portion in portions), ())

    @property
    def folder(self) -> Path:
        """Where its result lies, relative to the results folder."""
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
        """The folder of the ordinary run whose weights a guard run scores; None of all other runs."""
        after = self.guard.after if self.guard else None
        if after is None:
            return None
        return Path(*self._place(_task_folder(after.task, after.version), *_budget_folder(after.n_train)))

    def _place(self, *parts: str) -> tuple[str, ...]:
        name = self.candidate.name
        place = name, self.candidate.method, *parts, f"seed-{self.seed}"
        # A name that no sweep allows may hold folders, as other people's results can.
        return Path(*place).parts if "/" in name or name in ("", ".") else place

    @property
    def label(self) -> str:
        """How people read it."""
        budget = "" if self.budget is None else f" · {self.budget} samples"
        return f"{self.candidate.label} · {self.task_label}{budget} · seed {self.seed}"

    @property
    def task_label(self) -> str:
        """Its task, and of a guard run whose weights it scores: `boolq after ticket_routing`, `boolq before
        tuning`."""
        if self.guard is None:
            return self.task
        return (
            f"{self.task} after {self.guard.after.task}" if self.guard.after else f"{self.task} before tuning"
        )


@cache
def _task_folder(task: str, version: int) -> str:
    # A task of another harness is named `lm_eval:arc_easy`, and a colon is no good in a path.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", task) + f"-v{version}"


def _budget_folder(n_train: int | None) -> tuple[str, ...]:
    return () if n_train is None else (f"n-{n_train}",)
