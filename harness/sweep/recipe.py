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
from harness.sweep.space import Range
from harness.toml import Frozen

LORA_FIELDS = ("r", "lora_alpha", "lora_dropout", "target_modules", "use_rslora")


class Training(Frozen):
    """How to fine-tune, under the names of TRL's `SFTConfig` and PEFT's `LoraConfig`."""

    num_train_epochs: float = Field(default=3.0, gt=0)
    max_steps: int = -1
    """When positive, overrides `num_train_epochs`."""

    learning_rate: float = Field(default=2e-5, gt=0)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_steps: float = Field(default=0.05, ge=0)
    """A number of steps, or below 1 a share of them."""

    optim: Literal["adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "paged_adamw_8bit"] = "adamw_torch"
    per_device_train_batch_size: int = Field(default=16, gt=0)
    """Halved, and `gradient_accumulation_steps` doubled, where a step needs more memory than there is."""

    gradient_accumulation_steps: int = Field(default=1, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    max_length: int = Field(default=1024, gt=0)
    """Longest training sample in tokens, prompt and target; a longer one is left out and counted."""

    packing: bool = False
    """Several samples in one row of `max_length` tokens, none of which sees the others; refused where they
    would."""

    gradient_checkpointing: bool = False
    eval_steps: float = Field(default=0.2, gt=0)
    """Dev evaluation every so many steps, or below 1 every such share of the training."""

    metric_for_best_model: Literal["eval_loss", "task_metric"] = "eval_loss"
    """What chooses the checkpoint and stops early: the loss on dev, or the task's own metric of answers
    written on dev."""

    eval_samples: int = Field(default=128, gt=0)
    """Dev samples that are answered at each evaluation, where `metric_for_best_model` is `task_metric`."""

    early_stopping_patience: int | None = Field(default=3, gt=0)
    """Evaluations without a better one before training stops; the best checkpoint is kept either way."""

    r: int | None = Field(default=16, gt=0)
    lora_alpha: float | None = Field(default=32, gt=0)
    lora_dropout: float | None = Field(default=0.0, ge=0, lt=1)
    target_modules: str | tuple[str, ...] | None = "all-linear"
    use_rslora: bool | None = False


def _check_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Whether each is a setting of `Training`, and its value, each of its list or both ends of its range
    allowed."""
    for name, value in settings.items():
        if name not in Training.model_fields:
            allowed = sorted(Training.model_fields)
            told = {"key": name, "hint": suggest(name, allowed), "allowed": ", ".join(allowed)}
            raise PydanticCustomError("unknown_key", "unknown key{hint} Allowed here: {allowed}", told)
        if value == []:
            raise PydanticCustomError("too_short", "must name at least one", {"key": name})
        try:
            ends = Range.model_validate(value, strict=True) if isinstance(value, dict) else None
            for one in [ends.low, ends.high] if ends else listed(name, value) or [value]:
                Training.model_validate_json(json.dumps({name: one}), strict=True)
        except ValidationError as error:
            fault = error.errors()[0]
            raise PydanticCustomError("setting", "{fault}", {"key": name, "fault": fault}) from None
    return settings


def listed(name: str, value: object) -> list[Any] | None:
    """The values to try where a setting has several; None where it has one.

    `target_modules` is one value as a list of names, and several as a list of lists.
    """
    if not isinstance(value, list):
        return None
    if name == "target_modules" and not any(isinstance(item, list) for item in value):
        return None
    return value


Settings = Annotated[dict[str, Any], AfterValidator(_check_settings)]
"""Training settings by their names: each a value, a list of values to try, or a range (`{low, high, log,
step}`)."""


class _CommonLayer(Frozen):
    """Training settings for all tuned methods, and what differs for one of them. Unset settings fall
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
    """A method's settings, lists and ranges among them: the built-in ones, then each layer's for all, for the
    tuner and for the method."""
    merged: dict[str, Any] = {"learning_rate": TUNERS[tuner].learning_rate}
    for name in ("training", tuner, *(() if method == tuner else (method,))):
        for layer in layers:
            merged |= getattr(layer, name)
    return merged


def make_training(settings: Mapping[str, Any], tuner: Tuner) -> Training:
    """One value of each setting, as the tuner takes them."""
    values = dict(settings)
    if TUNERS[tuner].all_weights:
        values |= dict.fromkeys(LORA_FIELDS)
    # Through JSON, which makes a list of modules a tuple.
    return Training.model_validate_json(json.dumps(values))


class Portion(Frozen):
    """Samples of one task that a stage trains on."""

    task: str
    version: int
    fingerprint: str
    n_train: int
    templates: tuple[str, ...]
    """The wordings, mixed evenly over the samples."""


class MetaLearning(Frozen):
    """Reptile (Nichol, Achiam and Schulman 2018, arXiv 1803.02999): tune a little on one task, go some of the
    way there."""

    meta_steps: int = Field(default=60, gt=0)
    """Tasks visited, one after the other."""

    inner_steps: int = Field(default=8, gt=0)
    """Training steps on the task of a visit."""

    meta_step_size: float = Field(default=0.5, gt=0, le=1)
    """Share of the way towards the tuned weights; falls to 0 over the visits."""


class Stage(Frozen):
    """One training: of what, on what and how."""

    tuner: Tuner
    portions: tuple[Portion, ...] = Field(min_length=1)
    training: Training
    meta: MetaLearning | None = None
    """Meta-learning over the portions' tasks instead of training on their mixture."""


class Recipe(Frozen):
    """Everything that could change an arm's weights. Runs of equal recipes share one training."""

    model: str
    revision: str | None
    fingerprint: str
    chat: bool | None
    seed: int
    stages: tuple[Stage, ...]
    """In order; each starts with the weights of the one before."""

    until: float = Field(default=1.0, gt=0, le=1)
    """Share of the last stage's steps after which to stop for now: the rung of a search."""

    members: "tuple[Recipe, ...]" = ()
    """Instead of stages: the arms whose weights are averaged."""

    @property
    def key(self) -> str:
        """Sixteen hex digits that name these weights and no others."""
        return key_of(self)

    @property
    def tuner(self) -> Tuner:
        """What of the model its weights are."""
        return self.members[0].tuner if self.members else self.stages[-1].tuner

    @property
    def before(self) -> "Recipe | None":
        """What the last stage starts with; None: the base."""
        if len(self.stages) < 2:
            return None
        return self.model_copy(update={"stages": self.stages[:-1], "until": 1.0})

    @property
    def needs(self) -> "tuple[Recipe, ...]":
        """The recipes whose weights must be there first."""
        return self.members or ((self.before,) if self.before else ())


def key_of(record: Frozen, *, without: Collection[str] = ()) -> str:
    """Sixteen hex digits over all of a record, or all but some fields."""
    canonical = json.dumps(record.model_dump(mode="json", exclude=set(without)), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


# What a sweep says of the methods that are more than one training on one task


class FewShotTuning(Frozen):
    """`[few_shot_tuning]`: how many samples it is."""

    n_train: int = Field(default=32, gt=0)
    tuner: Tuner = "lora"


class Multitask(Frozen):
    """`[multitask]`: the mixture. Its samples are taken in proportion to the tasks' training budgets."""

    tasks: tuple[str, ...] | None = None
    """Of the sweep's; None: all that are not held out."""

    held_out: tuple[str, ...] = ()
    """Scored by the same model and never trained on: what the instruction tuning gives to a new task."""

    tuner: Tuner = "lora"

    @model_validator(mode="after")
    def _apart(self) -> "Multitask":
        both = sorted({*(self.tasks or ())} & {*self.held_out})
        if both:
            raise ValueError(f"task '{both[0]}' is both trained on and held out; leave it out of one of them")
        return self


class Meta(MetaLearning):
    """`[meta]`: what is learnt from. A task's own samples only come in the adaptation,
    `few_shot_tuning`'s."""

    tasks: tuple[str, ...] | None = None
    """Of the sweep's; None: all. The task that is scored is never among them."""


class Stages(Frozen):
    """`[stages]`: what follows what."""

    methods: tuple[StageMethod, ...] = ("multitask", "lora")
    """The last is on the task itself and says what of the model all of them train."""

    @model_validator(mode="after")
    def _ends_on_the_task(self) -> "Stages":
        *first, last = self.methods or ("",)
        if not first or last not in LAST_STAGES or not set(first) <= set(FIRST_STAGES):
            raise ValueError(
                f"methods must begin with {_alternatives(FIRST_STAGES)} and end with one of the task's own: "
                f"{_alternatives(LAST_STAGES)}"
            )
        return self


def _alternatives(names: Sequence[str]) -> str:
    """`'lora', 'dora' or 'full'`."""
    *others, last = (f"'{name}'" for name in names)
    return f"{', '.join(others)} or {last}"


class EnsembleSpec(Frozen):
    """One `[[ensembles]]` table: an arm made of other arms' answers or weights, without a training of its
    own."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    method: EnsembleMethod
    members: tuple[str, ...] = Field(min_length=1)
    """Globs over candidate/method, such as `toy-*/lora`."""

    tasks: tuple[str, ...] | None = None
    """Of the sweep's; None: all."""

    over: Literal["seeds", "candidates"] = "seeds"
    """`seeds`: all members' seeds make one arm. `candidates`: the members of each seed do."""
