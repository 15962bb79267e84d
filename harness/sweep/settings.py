"""The tables of a sweep file: how to generate, how engines run, how settings are searched."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from harness.sweep.space import Range
from harness.toml import Frozen


class TuningBudget(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """What every model of a sweep may spend on finding its settings: the same for all, in one of three
    currencies."""

    trials: int | None = Field(default=None, gt=0)
    """Settings tried, however early they were dropped."""

    tokens: int | None = Field(default=None, gt=0)
    """Tokens trained on by all trials together, each as often as it was."""

    device_hours: float | None = Field(default=None, gt=0)
    """Hours of training by all trials together, times the devices that were at it."""

    @model_validator(mode="after")
    def _one_currency(self) -> "TuningBudget":
        given = [f"{name} = {value}" for name, value in self if value is not None]
        if len(given) != 1:
            got = " and ".join(given) or "none"
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)} (got {got})")
        return self


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
    """Tokens measured by each window of a text that is longer than the context, after as much as fits before
    them; None measures windows side by side, as lm-evaluation-harness does."""

    @model_validator(mode="after")
    def _draws_differ(self) -> "Generation":
        if self.n > 1 and self.temperature == 0:
            raise ValueError(
                f"n = {self.n} answers at temperature 0 are all the same; set a temperature, or n = 1"
            )
        return self


class EngineSettings(Frozen):
    """How scoring runs, under vLLM's own names. None of it changes what is asked, so none of it is part of a
    run."""

    way: Literal["auto", "swap", "adapters"] = "auto"
    """How tuned weights get into the engine. `swap`: merged, and loaded in place. `adapters`: LoRA adapters
    are served beside each other. `auto` decides by device and size; the result says which it was."""

    max_num_seqs: int = Field(default=256, gt=0)
    """Sequences worked on at a time. Halved, down to 4, where the device's memory is too small."""

    data_parallel_size: int = Field(default=1, gt=0)
    """Engines that share a base model's runs, each on devices of its own."""

    tensor_parallel_size: int = Field(default=1, gt=0)
    """Devices that one engine's model is spread over."""

    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes."""

    time_uncached: bool = False
    """Also time few-shot arms with the prefix cache off, on up to 64 prompts: what they cost where prompts
    share nothing."""


class SearchSettings(Frozen):
    """`[search]`: how settings that have several values, or a range, are chosen: on dev, by the task's
    metric."""

    sampler: Literal[
        "grid", "random", "TPESampler", "GPSampler", "CmaEsSampler", "QMCSampler", "NSGAIISampler"
    ] = "grid"
    """`grid`: every combination. `random`, or the name of one of Optuna's samplers (`TPESampler`, say):
    `trials` of them."""

    budget: TuningBudget | None = None
    """What each model may spend on the choice for a task, over all its methods: `{ trials = 16 }`, `{ tokens
    = 2_000_000 }` or `{ device_hours = 1.5 }`. None: whatever the grid takes."""

    trials: int = Field(default=16, gt=0)
    """Settings that a sampler proposes for each method, where no budget says less; of a grid all are
    tried."""

    batch: int = Field(default=8, gt=0)
    """Settings that a sampler proposes at a time: the next ones know how these did."""

    rungs: int = Field(default=1, gt=0, le=10)
    """Times that trials are judged: with 3 and a factor of 4 after a sixteenth, a quarter and all of the
    training."""

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
