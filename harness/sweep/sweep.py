"""What a sweep file may say. Settings keep the names of the libraries that consume them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from harness.errors import UserError, suggest
from harness.sweep.methods import CandidateMethod
from harness.sweep.prompting import Prompting
from harness.sweep.recipe import EnsembleSpec, FewShotTuning, Layers, Meta, Multitask, Stages
from harness.sweep.settings import (
    TRIAL_SEED,
    AnalysisSettings,
    Budget,
    EngineSettings,
    Generation,
    SearchSettings,
    Seed,
)
from harness.sweep.thoughts import SWITCHES
from harness.task import Demonstrations
from harness.toml import Frozen, load_toml


class CandidateSpec(Layers, Prompting):
    """One `[[candidates]]` table: a model and the methods to try on it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: str
    """A Hugging Face id, a folder, or a toy model (`gainboard/toy-llama`)."""

    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """The 40-hex commit of a hub model."""

    methods: tuple[CandidateMethod, ...] = Field(
        default=("zero_shot", "few_shot", "lora", "full"), min_length=1
    )

    @model_validator(mode="after")
    def _a_template_for_its_arguments(self) -> "CandidateSpec":
        if self.chat is False and self.chat_template_kwargs:
            raise ValueError(
                f"candidate '{self.name}': chat = false renders no chat template, and chat_template_kwargs "
                "are arguments of one; leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _thinks_or_not(self) -> "CandidateSpec":
        switched_on = [name for name in SWITCHES if self.chat_template_kwargs.get(name) is True]
        if switched_on and self.max_thought_tokens == 0:
            raise ValueError(
                f"candidate '{self.name}': {switched_on[0]} = true lets the model think, and "
                "max_thought_tokens = 0 has it answer at once; leave one of the two out"
            )
        return self


class Sweep(Frozen):
    """A whole sweep file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0, 1, 2), min_length=1)
    n_train: Budget | tuple[Budget, ...] = "all"
    """Training samples that a tuned run may use; a list gives a learning curve."""

    guard_tasks: tuple[str, ...] = ()
    """Tasks that nothing is trained on. Every tuned arm and its base are scored on them too, in their first
    wording: what an arm loses there, it has forgotten."""

    templates: str | tuple[str, ...] | None = None
    """The wordings that every arm is scored in: one name, several, or "all"; None: each task's first."""

    train_templates: str | tuple[str, ...] | None = None
    """The wordings that tuned arms are trained on, spread evenly over the samples; None: those that are
    scored."""

    num_fewshot: int | None = Field(default=None, gt=0)
    """Demonstrations per prompt of few-shot arms; None: each task's own number."""

    demonstrations: Demonstrations | None = None
    """How few-shot demonstrations are chosen; None: as each task says."""

    test_seed: Seed | None = None
    """Draws another test set for tasks whose data is generated: one that no model can have seen."""

    generation: Generation = Generation()
    engine: EngineSettings = EngineSettings()
    analysis: AnalysisSettings | None = None
    """What is analysed after scoring; None: nothing."""

    report_to: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """Where transformers' own integrations log trainings too."""

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

    @field_validator("seeds")
    @classmethod
    def _seeds_of_no_trial(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if TRIAL_SEED in seeds:
            raise ValueError(
                f"{TRIAL_SEED} is the seed of a search's trials, which may not be scored; take a smaller one"
            )
        return seeds

    def with_more_seeds(self, count: int) -> "Sweep":
        """The sweep with `count` seeds after its largest. Raises `UserError` where there are no more."""
        last = max(self.seeds)
        left = TRIAL_SEED - 1 - last
        if count > left:
            raise UserError(
                f"--more-seeds {count}: sweep '{self.name}' has seed {last}, and seeds end at "
                f"{TRIAL_SEED - 1}; add at most {left}"
            )
        return self.model_copy(update={"seeds": (*self.seeds, *range(last + 1, last + 1 + count))})

    @property
    def budgets(self) -> "tuple[Budget, ...]":
        """The training budgets, also when there is only one."""
        return self.n_train if isinstance(self.n_train, tuple) else (self.n_train,)

    @property
    def all_tasks(self) -> "tuple[str, ...]":
        """The tasks, followed by the guard tasks."""
        return (*self.tasks, *self.guard_tasks)

    @model_validator(mode="after")
    def _unique(self) -> "Sweep":
        for candidate in self.candidates:
            _check_unique(f"candidate '{candidate.name}': method", candidate.methods)
        _check_unique("task", self.tasks)
        _check_unique("seed", self.seeds)
        _check_unique("training budget", self.budgets)
        if isinstance(self.templates, tuple):
            _check_unique("template", self.templates)
        if isinstance(self.train_templates, tuple):
            _check_unique("training template", self.train_templates)
        # An ensemble's results lie beside those of candidates, under its own name.
        names = [spec.name for spec in self.candidates] + [spec.name for spec in self.ensembles]
        _check_unique("candidate name", names)
        return self

    @model_validator(mode="after")
    def _untrained_guards(self) -> "Sweep":
        for name in self.guard_tasks:
            if self.guard_tasks.count(name) > 1:
                raise ValueError(f"guard task '{name}' is given twice; each must be unique")
            if name in self.tasks:
                raise ValueError(
                    f"guard_tasks: task '{name}' is among the sweep's tasks, and so trained on; a guard "
                    "task is another one"
                )
        return self

    @model_validator(mode="after")
    def _known_tasks(self) -> "Sweep":
        for key, names in (
            ("multitask.tasks", self.multitask.tasks),
            ("multitask.held_out", self.multitask.held_out),
            ("meta.tasks", self.meta.tasks),
            *((f"ensemble '{spec.name}': tasks", spec.tasks) for spec in self.ensembles),
        ):
            for name in names or ():
                if name not in self.tasks:
                    raise ValueError(
                        f"{key}: task '{name}' is not among the sweep's tasks.{suggest(name, self.tasks)}"
                    )
        return self


def _check_unique(noun: str, values: Sequence[object]) -> None:
    if not values:
        raise ValueError(f"no {noun} is named; give at least one, or leave the key out")
    repeated = sorted({str(value) for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{noun} '{repeated[0]}' is given twice; each must be unique")


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file. Raises `UserError` with the file, the key and what is allowed."""
    return load_toml(path, Sweep)
