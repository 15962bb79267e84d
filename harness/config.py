"""What a sweep file may say, and the runs it resolves to. Settings keep the names of the libraries that consume them."""

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import UserError, suggest
from harness.task import Demonstrations

Method = Literal["zero_shot", "few_shot", "lora", "full"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Budget = int | Literal["all"]
METHODS: tuple[Method, ...] = get_args(Method)
TUNED: tuple[Method, ...] = ("lora", "full")
"""The methods that change weights."""

LORA_FIELDS = ("r", "lora_alpha", "lora_dropout", "target_modules")


ModelT = TypeVar("ModelT", bound=BaseModel)


class Frozen(BaseModel):
    """Data that touches disk: unknown fields are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Training(Frozen):
    """How to fine-tune, under the names of TRL's `SFTConfig` and PEFT's `LoraConfig`."""

    num_train_epochs: float = Field(default=3.0, gt=0)
    max_steps: int = -1
    """When positive, overrides `num_train_epochs`."""

    learning_rate: float = Field(default=2e-5, gt=0)
    lr_scheduler_type: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_steps: float = Field(default=0.05, ge=0)
    """A number of steps, or below 1 a share of them."""

    per_device_train_batch_size: int = Field(default=16, gt=0)
    gradient_accumulation_steps: int = Field(default=1, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0)
    max_length: int = Field(default=1024, gt=0)
    """Longest training sample in tokens, prompt and target; a longer one is left out and counted."""

    gradient_checkpointing: bool = False
    eval_steps: float = Field(default=0.2, gt=0)
    """Dev loss every so many steps, or below 1 every such share of the training."""

    early_stopping_patience: int | None = Field(default=3, gt=0)
    """Evaluations without a better dev loss before training stops; the best checkpoint is kept either way."""

    r: int | None = Field(default=16, gt=0)
    lora_alpha: float | None = Field(default=32, gt=0)
    lora_dropout: float | None = Field(default=0.0, ge=0, lt=1)
    target_modules: str | tuple[str, ...] | None = "all-linear"


_METHOD_DEFAULTS: dict[str, Training] = {"lora": Training(learning_rate=2e-4), "full": Training(learning_rate=2e-5)}


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


class Layers(Frozen):
    """Training settings for all tuned methods, and what differs for one of them. Unset fields fall through."""

    training: Training = Training()
    lora: Training = Training()
    full: Training = Training()


class CandidateSpec(Layers):
    """One `[[candidates]]` table: a model and the methods to try on it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    model: str
    """A Hugging Face id, a folder, or a toy model (`gainboard/toy-llama`)."""

    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """The 40-hex commit of a hub model."""

    methods: tuple[Method, ...] = Field(default=METHODS, min_length=1)
    chat: bool | None = None
    """Render with the tokenizer's chat template; None: when it has one."""


class Sweep(Frozen):
    """A whole sweep file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    tasks: tuple[str, ...] = Field(min_length=1)
    seeds: tuple[Seed, ...] = Field(default=(0, 1, 2), min_length=1)
    n_train: Budget | tuple[Budget, ...] = "all"
    """Training samples a tuned run may use; a list is a learning curve."""

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
    defaults: Layers = Layers()
    candidates: tuple[CandidateSpec, ...] = Field(min_length=1)

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
            ("candidate name", [candidate.name for candidate in self.candidates]),
        ):
            if not values:
                raise ValueError(f"no {what} is named; give at least one, or leave the key out")
            twice = sorted({str(value) for value in values if list(values).count(value) > 1})
            if twice:
                raise ValueError(f"{what} '{twice[0]}' is given twice; each must be unique")
        return self


class Candidate(Frozen):
    """One model and one method, fully resolved."""

    name: str
    model: str
    revision: str | None
    fingerprint: str
    """Changes when the weights or the tokenizer do, as far as can be told without loading them."""

    method: Method
    training: Training | None
    """None for the arms that train nothing."""

    chat: bool | None

    @property
    def label(self) -> str:
        """How people read it."""
        return f"{self.name} · {self.method}"


class Run(Frozen):
    """One cell of a sweep: a task, a candidate and a seed, with everything that could change its score."""

    task: str
    task_version: int
    task_fingerprint: str
    """Changes when a sample or a prompt does."""

    candidate: Candidate
    seed: int
    n_train: int | None
    """Training samples; None for the arms that train nothing."""

    train_templates: tuple[str, ...]
    """The wordings it is trained on; empty for the arms that train nothing."""

    num_fewshot: int
    demonstrations: Demonstrations | None
    """How they are chosen; None without any."""

    templates: tuple[str, ...]
    """The wordings it is scored in: every test sample once in each."""

    generation: Generation
    test_seed: int | None
    """Which test set was drawn, of a task whose data is generated; None: its usual one."""

    limit: int | None
    """Score only the first so many test samples; None: all of them."""

    @property
    def key(self) -> str:
        """Sixteen hex digits that name this run and nothing else."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Where its result lies, relative to the results folder."""
        # A task of another harness is named `lm_eval:arc_easy`, and a colon is no good in a path.
        task = re.sub(r"[^A-Za-z0-9._-]+", "-", self.task) + f"-v{self.task_version}"
        budget = () if self.n_train is None else (f"n-{self.n_train}",)
        return Path(self.candidate.name, self.candidate.method, task, *budget, f"seed-{self.seed}")

    @property
    def label(self) -> str:
        """How people read it."""
        budget = "" if self.n_train is None else f" · {self.n_train} samples"
        return f"{self.candidate.label} · {self.task}{budget} · seed {self.seed}"


def resolve_training(method: Method, *layers: Layers) -> Training | None:
    """Settings of one method: built-in defaults, then each layer's `training`, then each layer's own for the method."""
    if method not in TUNED:
        return None
    ordered = [
        _METHOD_DEFAULTS[method],
        *(layer.training for layer in layers),
        *(getattr(layer, method) for layer in layers),
    ]
    merged: dict[str, Any] = {}
    for training in ordered:
        merged |= training.model_dump(exclude_unset=True)
    if method != "lora":
        merged |= dict.fromkeys(LORA_FIELDS)
    return Training(**merged)


_PLAIN_WORDS = {
    "tuple_type": "must be a list",
    "too_short": "must name at least one",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
}
"""What pydantic's kinds of fault are called in a file that a person wrote."""


def load_sweep(path: Path) -> Sweep:
    """Read a sweep file. Raises `UserError` with the file, the key and what is allowed."""
    return load_toml(path, Sweep)


def load_toml(path: Path, model: type[ModelT]) -> ModelT:
    """Read a TOML file into a model; its first fault becomes one sentence."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise UserError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    try:
        # Through JSON, whose strict reading takes a list for a tuple but no text for a number.
        return model.model_validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error, model)}") from None


def first_fault(error: ValidationError, model: type[BaseModel]) -> str:
    """The first validation error as a sentence that names the key and what is allowed."""
    faults = error.errors()
    # A misspelt required key is both missing and unknown; only the second says what to correct.
    fault = next((fault for fault in faults if fault["type"] == "extra_forbidden"), faults[0])
    location = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(model, fault["loc"][:-1]))
        key = str(fault["loc"][-1])
        return f"unknown key '{location}'.{suggest(key, allowed)} Allowed here: {', '.join(allowed)}"
    if fault["type"] == "missing":
        return f"'{location}' is missing"
    message = _PLAIN_WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "string_pattern_mismatch":
        hexadecimal = "0-9a-f" in fault["ctx"]["pattern"]
        message = "must be a commit, 40 hexadecimal digits" if hexadecimal else "may hold letters, digits, '.', '_' and '-'"
    got = "" if isinstance(fault["input"], dict) else f" (got {fault['input']!r})"
    return f"'{location}': {message}{got}" if location else message


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> set[str]:
    """The field names allowed at a place inside `model`, following nested models and lists of them."""
    current: type[BaseModel] = model
    for part in location:
        if isinstance(part, int):
            continue
        annotation = current.model_fields[part].annotation
        nested = [
            kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type) and issubclass(kind, BaseModel)
        ]
        current = nested[0]
    return set(current.model_fields)
