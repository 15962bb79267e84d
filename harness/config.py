"""What a sweep file may say, and the runs it resolves to. Settings keep the names of the libraries that consume them."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from harness.budget import TuningBudget
from harness.errors import suggest
from harness.recipe import (
    CandidateMethod,
    EnsembleSpec,
    FewShotTuning,
    Layers,
    Meta,
    Method,
    Multitask,
    Recipe,
    Stage,
    Stages,
    Training,
    key_of,
)
from harness.space import Range
from harness.task import Demonstrations
from harness.toml import Frozen, load_toml

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Budget = int | Literal["all"]


class Generation(Frozen):
    """How to generate, under the names of vLLM's `SamplingParams`."""

    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    n: int = Field(default=1, gt=0)
    """Answers sampled for each prompt; a sample's score is their mean."""

    max_tokens: int | None = Field(default=None, gt=0)
    """None takes the task's own."""

    max_model_len: int | None = Field(default=None, gt=0)
    """Tokens a prompt and its answer may take together; None takes the model's own, at most 4096."""

    stride: int | None = Field(default=None, gt=0)
    """Tokens measured by each window of a text that is longer than the context, after as much as fits before them; None
    measures windows side by side, as lm-evaluation-harness does."""

    @model_validator(mode="after")
    def _draws_differ(self) -> "Generation":
        if self.n > 1 and self.temperature == 0:
            raise ValueError(f"n = {self.n} answers at temperature 0 are all the same; set a temperature, or n = 1")
        return self


class EngineSettings(Frozen):
    """How scoring runs, under vLLM's own names. None of it changes what is asked, so none of it is part of a run."""

    way: Literal["auto", "swap", "adapters"] = "auto"
    """How tuned weights get into the engine. `swap`: merged, and loaded in place. `adapters`: LoRA adapters are served
    beside each other. `auto` decides by device and size; the result says which it was."""

    max_num_seqs: int = Field(default=256, gt=0)
    """Sequences worked on at a time. Halved, down to 4, where the device's memory is too small."""

    data_parallel_size: int = Field(default=1, gt=0)
    """Engines that share a base model's runs, each on devices of its own."""

    tensor_parallel_size: int = Field(default=1, gt=0)
    """Devices that one engine's model is spread over."""

    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes."""

    time_uncached: bool = False
    """Also time few-shot arms with the prefix cache off, on up to 64 prompts: what they cost where prompts share nothing."""


class SearchSettings(Frozen):
    """`[search]`: how settings that have several values, or a range, are chosen: on dev, by the task's metric."""

    sampler: Literal["grid", "random", "TPESampler", "GPSampler", "CmaEsSampler", "QMCSampler", "NSGAIISampler"] = "grid"
    """`grid`: every combination. `random`, or the name of one of Optuna's samplers (`TPESampler`, say): `trials` of them."""

    budget: TuningBudget | None = None
    """What each model may spend on the choice for a task, over all its methods: `{ trials = 16 }`, `{ tokens = 2_000_000 }`
    or `{ device_hours = 1.5 }`. None: whatever the grid takes."""

    trials: int = Field(default=16, gt=0)
    """Settings that a sampler proposes for each method, where no budget says less; of a grid all are tried."""

    batch: int = Field(default=8, gt=0)
    """Settings that a sampler proposes at a time: the next ones know how these did."""

    rungs: int = Field(default=1, gt=0, le=10)
    """Times that trials are judged: with 3 and a factor of 4 after a sixteenth, a quarter and all of the training."""

    reduction_factor: int = Field(default=4, gt=1, le=30)
    """After each rung the best one in so many goes on (successive halving)."""

    seed: Seed = 0
    """Of the sampler."""


class Search(Frozen):
    """What was to be chosen among, and how; a run that was chosen carries it."""

    space: dict[str, tuple[int | float | str | bool | tuple[str, ...], ...] | Range]
    """Setting → its values, or its range."""

    settings: SearchSettings
    methods: int
    """Methods of the same model that share the budget."""

    seed: Seed
    """The one that its trials are trained with."""


class CandidateSpec(Layers):
    """One `[[candidates]]` table: a model and the methods to try on it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: str
    """A Hugging Face id, a folder, or a toy model (`gainboard/toy-llama`)."""

    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """The 40-hex commit of a hub model."""

    methods: tuple[CandidateMethod, ...] = Field(default=("zero_shot", "few_shot", "lora", "full"), min_length=1)
    chat: bool | None = None
    """Render with the tokenizer's chat template; None: when it has one."""


class Sweep(Frozen):
    """A whole sweep file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0, 1, 2), min_length=1)
    n_train: Budget | tuple[Budget, ...] = "all"
    """Training samples a tuned run may use; a list is a learning curve."""

    guard_tasks: tuple[str, ...] = ()
    """Tasks that nothing is trained on: every tuned arm is scored on them too, in their first wording, and so is its base.
    What is lost there was forgotten."""

    templates: str | tuple[str, ...] | None = None
    """The wordings every arm is scored in: one name, several, or "all". None takes each task's first."""

    train_templates: str | tuple[str, ...] | None = None
    """The wordings tuned arms are trained on, mixed evenly over the samples. None takes those that are scored."""

    num_fewshot: int | None = Field(default=None, gt=0)
    """Demonstrations of the few-shot arms; None takes each task's own."""

    demonstrations: Demonstrations | None = None
    """How few-shot demonstrations are chosen; None takes each task's own."""

    test_seed: Seed | None = None
    """Draws another test set for the tasks whose data is generated: one that no model can have seen."""

    generation: Generation = Generation()
    engine: EngineSettings = EngineSettings()
    report_to: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """Where trainings are logged besides, by transformers' own integrations."""

    defaults: Layers = Layers()
    search: SearchSettings = SearchSettings()
    few_shot_tuning: FewShotTuning = FewShotTuning()
    multitask: Multitask = Multitask()
    meta: Meta = Meta()
    stages: Stages = Stages()
    candidates: tuple[CandidateSpec, ...] = Field(min_length=1)
    ensembles: tuple[EnsembleSpec, ...] = ()

    @field_validator("n_train", mode="before")
    @classmethod
    def _sensible_budgets(cls, value: object) -> object:
        for budget in value if isinstance(value, list | tuple) else [value]:
            if budget != "all" and (isinstance(budget, bool) or not isinstance(budget, int) or budget <= 0):
                raise ValueError('must be a positive number or "all", or a list of them')
        if isinstance(value, list) and not value:
            raise ValueError("must name at least one budget")
        return tuple(value) if isinstance(value, list) else value

    @property
    def budgets(self) -> "tuple[Budget, ...]":
        """Every training budget of the sweep."""
        return self.n_train if isinstance(self.n_train, tuple) else (self.n_train,)

    @property
    def all_tasks(self) -> "tuple[str, ...]":
        """Its tasks, and then those that guard against forgetting."""
        return (*self.tasks, *self.guard_tasks)

    @model_validator(mode="after")
    def _unique(self) -> "Sweep":
        for what, values in (
            *((f"candidate '{candidate.name}': method", candidate.methods) for candidate in self.candidates),
            ("task", self.tasks),
            ("seed", self.seeds),
            ("training budget", self.budgets),
            *(
                (what, names)
                for what, names in (("template", self.templates), ("training template", self.train_templates))
                if isinstance(names, tuple)
            ),
            ("candidate name", [*(spec.name for spec in self.candidates), *(spec.name for spec in self.ensembles)]),
        ):
            if not values:
                raise ValueError(f"no {what} is named; give at least one, or leave the key out")
            twice = sorted({str(value) for value in values if list(values).count(value) > 1})
            if twice:
                raise ValueError(f"{what} '{twice[0]}' is given twice; each must be unique")
        return self

    @model_validator(mode="after")
    def _untrained_guards(self) -> "Sweep":
        for name in self.guard_tasks:
            if self.guard_tasks.count(name) > 1:
                raise ValueError(f"guard task '{name}' is given twice; each must be unique")
            if name in self.tasks:
                raise ValueError(
                    f"guard_tasks: task '{name}' is among the sweep's tasks, and so trained on; a guard task is another one"
                )
        return self

    @model_validator(mode="after")
    def _known_tasks(self) -> "Sweep":
        for where, names in (
            ("multitask.tasks", self.multitask.tasks),
            ("multitask.held_out", self.multitask.held_out),
            ("meta.tasks", self.meta.tasks),
            *((f"ensemble '{spec.name}': tasks", spec.tasks) for spec in self.ensembles),
        ):
            for name in names or ():
                if name not in self.tasks:
                    raise ValueError(f"{where}: task '{name}' is not among the sweep's tasks.{suggest(name, self.tasks)}")
        return self


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
    """Training samples of this task; None for the arms that train nothing, 0 for those that train on others only."""

    stages: tuple[Stage, ...] = ()
    """The trainings that lead to its weights; empty for the arms that train nothing."""

    search: Search | None = None
    """How the settings of the last stage were chosen; None where there was one of each. Until the choice is made, a run has
    the first of each."""

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
        return self.model_copy(update={"stages": (*before, last.model_copy(update={"training": unchosen}))}).key

    @property
    def arm(self) -> tuple[str, str, str, int | None]:
        """Candidate, method, and the task and budget that its weights are of: all seeds of an arm have the same settings."""
        after = self.guard.after if self.guard else None
        return self.candidate.name, self.candidate.method, after.task if after else self.task, self.budget

    @property
    def budget(self) -> int | None:
        """Training samples of the task that its weights are of: of a guard run, the task that they were tuned for."""
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
        """What of a stage may differ between runs that are alike. Only settings of the last one are chosen."""
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
        portions = (portion for stage in reversed(self.stages) for portion in stage.portions if portion.task == self.task)
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
        return self._place(_task_folder(self.task, self.task_version), tuned_for, *_budget_folder(after.n_train))

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
        """Its task, and of a guard run whose weights it scores: `boolq after ticket_routing`, `boolq before tuning`."""
        if self.guard is None:
            return self.task
        return f"{self.task} after {self.guard.after.task}" if self.guard.after else f"{self.task} before tuning"


@cache
def _task_folder(task: str, version: int) -> str:
    # A task of another harness is named `lm_eval:arc_easy`, and a colon is no good in a path.
    return re.sub(r"[^A-Za-z0-9._-]+", "-", task) + f"-v{version}"


def _budget_folder(n_train: int | None) -> tuple[str, ...]:
    return () if n_train is None else (f"n-{n_train}",)


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file. Raises `UserError` with the file, the key and what is allowed."""
    return load_toml(path, Sweep)
