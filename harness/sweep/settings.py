"""Tables of a sweep file: how answers are generated, how engines run, how settings are searched."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from harness.sweep.space import Range
from harness.toml import LARGEST_COUNT, Frozen


class TuningBudget(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """What each model of a sweep may spend on choosing its settings, in one of three currencies; the same for
    all."""

    trials: int | None = Field(default=None, gt=0, le=LARGEST_COUNT)
    """Settings tried, however early they are dropped."""

    tokens: int | None = Field(default=None, gt=0, le=LARGEST_COUNT)
    """Tokens trained on by all trials together, repeats included."""

    device_hours: float | None = Field(default=None, gt=0, le=LARGEST_COUNT)
    """Hours of training of all trials together, times the devices used."""

    @model_validator(mode="after")
    def _one_currency(self) -> "TuningBudget":
        currencies = [f"{name} = {value}" for name, value in self if value is not None]
        if len(currencies) != 1:
            got = " and ".join(currencies) or "none"
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)} (got {got})")
        return self


Seed = Annotated[int, Field(ge=0, lt=2**32)]
TRIAL_SEED = 2**32 - 1
"""The seed that all trials of a search are trained with; no run that is scored may have it.

The chosen settings did best with this seed, partly by chance: scored with it,
they would seem better than they are.
"""

Budget = int | Literal["all"]


class Generation(Frozen):
    """How to generate, under the names of vLLM's `SamplingParams`."""

    temperature: float = Field(default=0.0, ge=0, le=LARGEST_COUNT)
    top_p: float = Field(default=1.0, gt=0, le=1)
    n: int = Field(default=1, gt=0, le=LARGEST_COUNT)
    """Answers per prompt; a sample's score is their mean."""

    max_tokens: int | None = Field(default=None, gt=0, le=LARGEST_COUNT)
    """None takes the task's own."""

    max_model_len: int | None = Field(default=None, gt=0, le=LARGEST_COUNT)
    """Tokens that a prompt and its answer may have together; None: the model's own context, at most 4096."""

    stride: int | None = Field(default=None, gt=0, le=LARGEST_COUNT)
    """Tokens measured per window of a text longer than the context, each window beginning with as much
    preceding text as fits; None measures disjoint windows, as lm-evaluation-harness does."""

    @model_validator(mode="after")
    def _draws_differ(self) -> "Generation":
        if self.n > 1 and self.temperature == 0:
            raise ValueError(
                f"n = {self.n} answers at temperature 0 are all the same; set a temperature, or n = 1"
            )
        return self


class EngineSettings(Frozen):
    """How scoring runs, under vLLM's own names. Nothing here changes what is asked, so it is no part of a
    run."""

    way: Literal["auto", "swap", "adapters"] = "auto"
    """How tuned weights get into the engine. `swap`: merged and loaded in place. `adapters`: LoRA adapters
    are served side by side. `auto` decides by the arms of the whole sweep, device and size; results say which
    was used."""

    max_num_seqs: int = Field(default=256, gt=0, le=LARGEST_COUNT)
    """Sequences generated at a time; halved, down to 4, when the device's memory is too small."""

    data_parallel_size: int = Field(default=1, gt=0, le=LARGEST_COUNT)
    """Engines among which a base model's runs are divided, each on its own devices."""

    tensor_parallel_size: int = Field(default=1, gt=0, le=LARGEST_COUNT)
    """Devices over which one engine's model is spread."""

    gpu_memory_utilization: float = Field(default=0.9, gt=0, le=1)
    """Share of a GPU's memory that vLLM takes."""

    time_uncached: bool = False
    """Also time few-shot arms with the prefix cache off, on up to 64 prompts: their cost when prompts share
    no prefix."""


class SearchSettings(Frozen):
    """`[search]`: how to choose settings that have several values or a range: on dev, by the task's
    metric."""

    sampler: Literal[
        "grid", "random", "TPESampler", "GPSampler", "CmaEsSampler", "QMCSampler", "NSGAIISampler"
    ] = "grid"
    """`grid` tries every combination; `random`, or one of Optuna's samplers such as `TPESampler`, tries
    `trials` of them."""

    budget: TuningBudget | None = None
    """What each model may spend on the choice for a task, over all its methods: `{ trials = 16 }`, `{ tokens
    = 2_000_000 }` or `{ device_hours = 1.5 }`. None: whatever the grid takes."""

    trials: int = Field(default=16, gt=0, le=LARGEST_COUNT)
    """Settings that a sampler proposes per method, unless a budget in trials says otherwise; a grid is tried
    in full."""

    batch: int = Field(default=8, gt=0, le=LARGEST_COUNT)
    """Settings that a sampler proposes at a time; it learns from each batch before the next."""

    rungs: int = Field(default=1, gt=0, le=10)
    """How often trials are judged: 3 rungs with a factor of 4 judge after a sixteenth, a quarter and all of
    the training."""

    reduction_factor: int = Field(default=4, gt=1, le=30)
    """After each rung the best trial out of this many continues (successive halving)."""

    seed: Seed = 0
    """The sampler's."""


class Search(Frozen):
    """The settings that a run's search chooses among, and how it chooses."""

    space: dict[str, tuple[int | float | str | bool | tuple[str, ...], ...] | Range]
    """Setting → its values, or its range."""

    settings: SearchSettings
    methods: int = Field(ge=1, le=LARGEST_COUNT)
    """Number of methods of the same model that share the budget."""

    seed: Seed = TRIAL_SEED
    """The seed that all trials are trained with.
    Results from before `TRIAL_SEED` have the first scored one."""


class AnalysisSettings(Frozen):
    """`[analysis]`: that arms are analysed once they are scored, and which."""

    arms: Literal["tuned", "all"] = "tuned"
    """`tuned`: fine-tunes, each beside the untuned arms of its model; `all`: these, too, by themselves."""

    weights: Literal["auto", "always", "never"] = "auto"
    """Whether weights are read again for what predictions cannot tell, as hidden states; `auto`: those of
    models that are small enough for it to take minutes."""

    samples: int = Field(default=200, gt=0, le=10_000)
    """The most test samples that are read so; of training samples half as many are."""

    seed: Seed = 0
    """Of the draw of these samples."""
