"""How an arm gets its weights: what of the model is trained, in which stages, on which samples, with which
settings."""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from harness.errors import suggest
from harness.sweep.methods import (
    FIRST_STAGES,
    LAST_STAGES,
    SINGLE_STAGES,
    TUNERS,
    EnsembleMethod,
    Method,
    StageMethod,
    Tuner,
)
from harness.sweep.prompting import Prompting
from harness.sweep.space import Range
from harness.toml import LARGEST_COUNT, Frozen

ALL_LINEAR = "all-linear"
"""What PEFT takes for every linear layer but the output layer, in letters of any case."""

LORA_FIELDS = ("r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora")


EVALUATION_FIELDS = ("eval_samples", "interim_eval_samples")
"""How much of dev is read: where a sweep leaves it open, planning may lower it by the training budget."""


def is_none(value: object) -> bool:
    """For settings that came later: those who lack them have the keys that they had before."""
    return value is None


class Training(Frozen):
    """How to fine-tune, under the names of TRL's `SFTConfig` and PEFT's `LoraConfig`."""

    num_train_epochs: float = Field(default=3.0, gt=0, le=LARGEST_COUNT)
    max_steps: int = Field(default=-1, ge=-LARGEST_COUNT, le=LARGEST_COUNT)
    """When positive, overrides `num_train_epochs`."""

    learning_rate: float = Field(default=2e-5, gt=0, le=LARGEST_COUNT)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_steps: float = Field(default=0.05, ge=0, le=LARGEST_COUNT)
    """A number of steps; below 1, a share of all steps."""

    optim: Literal["adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "paged_adamw_8bit"] = "adamw_torch"
    per_device_train_batch_size: int = Field(default=16, gt=0, le=LARGEST_COUNT)
    """Halved, and `gradient_accumulation_steps` doubled, where a step needs more memory than there is."""

    gradient_accumulation_steps: int = Field(default=1, gt=0, le=LARGEST_COUNT)
    weight_decay: float = Field(default=0.0, ge=0, le=LARGEST_COUNT)
    max_grad_norm: float = Field(default=1.0, ge=0, le=LARGEST_COUNT)
    max_length: int = Field(default=1024, gt=0, le=LARGEST_COUNT)
    """Longest training sample in tokens, prompt and target; a longer one is left out and counted."""

    packing: bool = False
    """Several samples in one row of `max_length` tokens, none of which attends to the others; refused where
    the model cannot keep them apart."""

    gradient_checkpointing: bool = False
    eval_steps: float = Field(default=0.2, gt=0, le=LARGEST_COUNT)
    """Steps between two evaluations on dev; below 1, a share of all steps."""

    metric_for_best_model: Literal["eval_loss", "task_metric"] = "eval_loss"
    """What chooses the checkpoint and stops early: the dev loss, or the task's metric over answers generated
    on dev."""

    eval_samples: int = Field(default=128, gt=0, le=LARGEST_COUNT)
    """The most dev samples of a task that an evaluation reads: for their loss, and to answer them when
    `metric_for_best_model` is `task_metric`. Where a sweep does not set it, planning lowers it such that
    evaluations read less than half of what is trained on (`harness.plan.evaluation`)."""

    interim_eval_samples: int | None = Field(default=None, gt=0, le=LARGEST_COUNT, exclude_if=is_none)
    """Those of them that evaluations read until the end of the training, which reads all of `eval_samples`
    once more; drawn by label. None: every evaluation reads all, and nothing is read once more."""

    early_stopping_patience: int | None = Field(default=3, gt=0, le=LARGEST_COUNT)
    """Evaluations without improvement after which training stops; the best checkpoint is kept either way."""

    r: int | None = Field(default=16, gt=0, le=LARGEST_COUNT)
    lora_alpha: float | None = Field(default=32, gt=0, le=LARGEST_COUNT)
    lora_dropout: float | None = Field(default=0.0, ge=0, lt=1)
    target_modules: str | tuple[str, ...] | None = ALL_LINEAR
    use_rslora: bool | None = False

    @property
    def samples_per_evaluation(self) -> int:
        """The most dev samples of a task that each evaluation reads until the end."""
        return self.interim_eval_samples or self.eval_samples

    @property
    def as_declared(self) -> "Training":
        """Without what planning made of the training budget: how much of dev is read."""
        if self.interim_eval_samples is None:
            return self
        left_open = {name: type(self).model_fields[name].default for name in EVALUATION_FIELDS}
        return self.model_copy(update=left_open)


def _check_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Raise for a key that is no setting of `Training`, and for a value, a listed value or an end of a range
    that is not allowed."""
    for name, value in settings.items():
        if name not in Training.model_fields:
            allowed = sorted(Training.model_fields)
            context = {"key": name, "hint": suggest(name, allowed), "allowed": ", ".join(allowed)}
            raise PydanticCustomError("unknown_key", "unknown key{hint} Allowed here: {allowed}", context)
        if value == []:
            raise PydanticCustomError("too_short", "must name at least one", {"key": name})
        try:
            values = listed(name, value) or [value]
            if isinstance(value, dict):
                ends = Range.model_validate(value, strict=True)
                values = [ends.low, ends.high]
            for candidate in values:
                # Through JSON, whose strict reading takes a list for a tuple but no text for a number.
                Training.model_validate_json(json.dumps({name: candidate}), strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            raise PydanticCustomError("setting", "{fault}", {"key": name, "fault": fault}) from None
    return settings


def listed(name: str, value: object) -> list[Any] | None:
    """The values to try when a setting has several; None when it has one.

    For `target_modules` a list of names is one value, and a list of lists several.
    """
    if not isinstance(value, list):
        return None
    if name == "target_modules" and not any(isinstance(item, list) for item in value):
        return None
    return value


def is_all_linear(target_modules: str | Sequence[str] | None) -> bool:
    """Whether `target_modules` leaves the choice of layers to PEFT."""
    return isinstance(target_modules, str) and target_modules.lower() == ALL_LINEAR


Settings = Annotated[dict[str, Any], AfterValidator(_check_settings)]
"""Training settings by their names: each a value, a list of values to try, or a range (`{low, high, log,
step}`)."""


class _CommonLayer(Frozen):
    """Training settings of all tuned methods, and what differs for one of them; unset settings fall
    through."""

    training: Settings = Field(default_factory=dict)


if TYPE_CHECKING:  # a type checker cannot see the fields that the table of methods adds
    Layers = _CommonLayer
else:
    Layers = create_model(
        "Layers",
        __base__=_CommonLayer,
        __module__=__name__,
        __doc__=_CommonLayer.__doc__,
        **{name: (Settings, Field(default_factory=dict)) for name in SINGLE_STAGES},
    )


def layered(tuner: Tuner, method: Method, *layers: Layers) -> dict[str, Any]:
    """A method's settings, lists and ranges included: the built-in learning rate, overridden by the layers'
    settings for all methods, then for the tuner, then for the method."""
    merged: dict[str, Any] = {"learning_rate": TUNERS[tuner].learning_rate}
    for name in ("training", tuner, *(() if method == tuner else (method,))):
        for layer in layers:
            merged |= getattr(layer, name)
    return merged


def make_training(settings: Mapping[str, Any], tuner: Tuner) -> Training:
    """The record of a training with one value for each setting; full tuning has none for adapters."""
    values = dict(settings)
    if TUNERS[tuner].all_weights:
        values |= dict.fromkeys(LORA_FIELDS)
    # Through JSON, which makes a list of modules a tuple.
    return Training.model_validate_json(json.dumps(values))


class Portion(Frozen):
    """Samples of one task that a stage trains on."""

    task: str
    version: int = Field(ge=0, le=LARGEST_COUNT)
    fingerprint: str
    n_train: int = Field(ge=0, le=LARGEST_COUNT)
    templates: tuple[str, ...]
    """The wordings to train on, spread evenly over the samples."""


class MetaLearning(Frozen):
    """Reptile (Nichol, Achiam and Schulman 2018, arXiv 1803.02999): tune a little on one task, then move the
    weights part of the way there."""

    meta_steps: int = Field(default=60, gt=0, le=LARGEST_COUNT)
    """Visits to tasks, one after the other."""

    inner_steps: int = Field(default=8, gt=0, le=LARGEST_COUNT)
    """Training steps per visit."""

    meta_step_size: float = Field(default=0.5, gt=0, le=1)
    """How far to move towards the tuned weights, as a share; it falls linearly to 0 over the visits."""


class Stage(Frozen):
    """One training: what is trained, on which samples, with which settings."""

    tuner: Tuner
    portions: tuple[Portion, ...] = Field(min_length=1)
    training: Training
    meta: MetaLearning | None = None
    """When given, meta-learning over the portions' tasks instead of training on their mixture."""


class Recipe(Prompting):
    """Everything that could change an arm's weights. Runs with equal recipes share one training."""

    model: str
    revision: str | None
    fingerprint: str
    seed: int = Field(ge=0, le=LARGEST_COUNT)
    stages: tuple[Stage, ...]
    """In order; each starts from the weights of the previous one."""

    until: float = Field(default=1.0, gt=0, le=1)
    """Share of the last stage's steps after which training pauses: a rung of a search."""

    members: "tuple[Recipe, ...]" = ()
    """The arms whose weights are averaged, instead of stages."""

    @property
    def key(self) -> str:
        """Sixteen hex digits that identify these weights."""
        return key_of(self)

    @property
    def tuner(self) -> Tuner:
        """The tuner of the last stage, which says in what form the weights are saved."""
        return self.members[0].tuner if self.members else self.stages[-1].tuner

    @property
    def before(self) -> "Recipe | None":
        """The recipe of the weights that the last stage starts from; None for the base."""
        if len(self.stages) < 2:
            return None
        return self.model_copy(update={"stages": self.stages[:-1], "until": 1.0})

    @property
    def needs(self) -> "tuple[Recipe, ...]":
        """The recipes whose weights must exist first."""
        return self.members or ((self.before,) if self.before else ())


def key_of(record: Frozen, *, without: Collection[str] = ()) -> str:
    """Sixteen hex digits that identify a record by its fields, apart from those in `without`."""
    canonical = json.dumps(record.model_dump(mode="json", exclude=set(without)), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


# The tables of a sweep file for the methods that take more than one training on one task


class FewShotTuning(Frozen):
    """`[few_shot_tuning]`: how many samples few-shot tuning has, and what it trains."""

    n_train: int = Field(default=32, gt=0, le=LARGEST_COUNT)
    tuner: Tuner = "lora"


class Multitask(Frozen):
    """`[multitask]`: the mixture. Each task contributes its training budget."""

    tasks: tuple[str, ...] | None = None
    """Tasks of the sweep to train on; None: all that are not held out."""

    held_out: tuple[str, ...] = ()
    """Tasks that the tuned model is scored on and never trained on, which shows what it gained for a new
    task."""

    tuner: Tuner = "lora"

    @model_validator(mode="after")
    def _apart(self) -> "Multitask":
        contradicting = sorted({*(self.tasks or ())} & {*self.held_out})
        if contradicting:
            raise ValueError(
                f"task '{contradicting[0]}' is both trained on and held out; leave it out of one of them"
            )
        return self


class Meta(MetaLearning):
    """`[meta]`: what meta-learning learns from. The scored task's own samples come only in the adaptation,
    which is `few_shot_tuning`'s."""

    tasks: tuple[str, ...] | None = None
    """Tasks of the sweep; None: all. The task that is scored is always left out."""


class Stages(Frozen):
    """`[stages]`: the trainings that follow each other."""

    methods: tuple[StageMethod, ...] = ("multitask", "lora")
    """The last is on the task itself, and its tuner is used by all of them."""

    @model_validator(mode="after")
    def _ends_on_the_task(self) -> "Stages":
        *preparing, last = self.methods or ("",)
        if not preparing or last not in LAST_STAGES or not set(preparing) <= set(FIRST_STAGES):
            raise ValueError(
                f"methods must begin with {_alternatives(FIRST_STAGES)} and end with one of the task's own: "
                f"{_alternatives(LAST_STAGES)}"
            )
        return self


def _alternatives(names: Sequence[str]) -> str:
    """`'lora', 'dora' or 'full'`."""
    *all_but_last, last = (f"'{name}'" for name in names)
    return f"{', '.join(all_but_last)} or {last}"


class EnsembleSpec(Frozen):
    """One `[[ensembles]]` table: an arm made of other arms' answers or weights, without training of its
    own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    method: EnsembleMethod
    members: tuple[str, ...] = Field(min_length=1)
    """Globs over candidate/method, for example `toy-*/lora`."""

    tasks: tuple[str, ...] | None = None
    """Tasks of the sweep; None: all."""

    over: Literal["seeds", "candidates"] = "seeds"
    """`seeds`: one arm of all members and seeds. `candidates`: one arm per seed, of that seed's members."""
