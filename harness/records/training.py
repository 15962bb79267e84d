"""Records of trainings: what was measured of each, and how settings were chosen."""

import operator
from functools import reduce
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from harness.records.fields import LARGEST_AMOUNT, Amount, Count, Finite, TrainingShare, record_part
from harness.sweep.recipe import Settings, is_none
from harness.toml import LARGEST_COUNT, Frozen

LONGEST_PLACE = 1_000
"""Characters of an address."""


NODE = "node "
"""What `weights_at` begins with, where weights lie on a node of a cluster alone; its name follows."""


@record_part
class CurvePoint:
    """One point of a training curve: over the training samples since the previous point, or over dev."""

    step: Count
    epoch: Finite
    loss: Finite
    learning_rate: Finite | None = None
    grad_norm: Finite | None = None
    """Of the last step, before it was clipped."""

    tokens_per_second: Finite | None = None
    """Prompt and answer tokens trained on since the previous point, divided by the seconds of their steps."""

    metric: Finite | None = None
    """The task's metric on dev, where that chooses the checkpoint."""


class ResourceUse(Frozen):
    """What work took, whether or not anything came of it."""

    seconds: float = Field(default=0.0, ge=0)
    tokens: int = Field(default=0, ge=0)
    """Tokens trained on."""

    flops: float = Field(default=0.0, ge=0)

    def plus(self, addend: "ResourceUse") -> "ResourceUse":
        """Both together."""
        return ResourceUse(
            seconds=self.seconds + addend.seconds,
            tokens=self.tokens + addend.tokens,
            flops=self.flops + addend.flops,
        )


def _as_measured(spent: ResourceUse) -> ResourceUse:
    if not (spent.seconds <= LARGEST_AMOUNT and spent.flops <= LARGEST_AMOUNT):
        raise ValueError(f"no seconds and no operations may be above {LARGEST_AMOUNT:g}")
    if spent.tokens > LARGEST_COUNT:
        raise ValueError(f"no tokens may be above {LARGEST_COUNT:,}")
    return spent


RecordedUse = Annotated[ResourceUse, AfterValidator(_as_measured)]
"""What one piece of work took; a sum over several may be larger than a record's bounds."""


class TrainingRecord(Frozen):
    """What the training worker measured of one stage; at a rung of a search, of the stage up to there."""

    key: str
    """Of the recipe that was trained. Results that name the same key share its cost."""

    tuner: str
    tasks: tuple[str, ...]
    """Those whose samples it was trained on."""

    steps: Count
    epochs: Amount
    best_step: Count
    """The step whose checkpoint was kept."""

    best_dev_loss: Finite | None
    """Mean natural-log loss per answer token at the best step, over the dev samples of an evaluation; None
    for a meta-learning, which has no dev."""

    best_metric: Finite | None = None
    """The task's metric on dev at the best step, where the metric chose that step."""

    stopped_early: bool
    train_curve: tuple[CurvePoint, ...]
    dev_curve: tuple[CurvePoint, ...]
    samples: Count
    samples_left_out: Count
    """Training samples longer than `max_length` or the model's context."""

    dev_samples: Count | None = None
    """Dev samples that each evaluation read; None in records from before they were counted."""

    final_dev_loss: Finite | None = None
    """Like `best_dev_loss`, of the same weights over the more samples that were read once, at the end; None
    where every evaluation read as many."""

    final_dev_samples: Count = 0

    dev_samples_left_out: Count = 0
    """Dev samples longer than `max_length` or the model's context."""

    per_device_train_batch_size: Count
    """The one that fitted into memory: that of the settings, or halved as often as needed; 0 for averaged
    weights."""

    tokens: Count
    """Tokens that the model was trained on: prompts and targets of all epochs, without padding."""

    target_tokens: Count
    """Those of them that carried loss."""

    dev_tokens: Count
    """Tokens read, and written, for evaluations on dev."""

    parameters: Count
    trainable_parameters: Count
    flops: Amount
    device: str
    dtype: str
    startup_seconds: Amount = 0.0
    """This training's share of the worker's start."""

    load_seconds: Amount
    """Loading the base and reading the samples."""

    train_seconds: Amount
    """Training steps, dev evaluations and checkpoints."""

    peak_memory_bytes: Count
    energy_joules: Amount | None
    resumed_at: tuple[Count, ...] = ()
    """Steps at which it resumed after a stop."""

    discarded: RecordedUse = ResourceUse()
    """Work in vain: steps after the last checkpoint of a start that was killed, and steps that ran out of
    memory."""

    diverged: str = ""
    """Why the training is not to be trusted although it ended: its loss rose and did not come down again.
    Empty when all is well."""

    weights_at: str = Field(default="", max_length=LONGEST_PLACE, exclude_if=operator.not_)
    """Where the weights lie, if not in the sweep's work folder: an address, or `NODE` and the name of the one
    whose own work folder has them."""

    @property
    def dev_loss(self) -> float | None:
        """Mean natural-log loss per answer token of the kept weights, over all dev samples that were read."""
        return self.best_dev_loss if self.final_dev_loss is None else self.final_dev_loss

    @property
    def all_seconds(self) -> float:
        """Device-seconds of the training, with its loading and what was thrown away."""
        return self.startup_seconds + self.load_seconds + self.train_seconds + self.discarded.seconds


class TrialRecord(Frozen):
    """One setting that a search tried."""

    settings: Settings
    key: str
    """Of its recipe, up to the rung that it was trained to."""

    shares: tuple[TrainingShare, ...]
    """The rungs at which it was judged, as shares of its training."""

    scores: tuple[Finite | None, ...]
    """Its score on dev at each of them; None where it failed."""

    losses: tuple[Finite | None, ...] = ()
    """Its loss on dev at each of them, which decides where scores do not tell trials apart."""

    spent: RecordedUse
    """Training, and answering on dev."""

    reason: str = ""
    """Why it failed; empty when it did not."""

    @model_validator(mode="after")
    def _judged_at_each(self) -> "TrialRecord":
        if len(self.shares) != len(self.scores):
            raise ValueError(f"{len(self.shares)} shares have {len(self.scores)} scores; each must have one")
        return self


class Selection(Frozen):
    """How a run's settings were chosen."""

    metric: str
    higher_is_better: bool
    trials: tuple[TrialRecord, ...]
    """All settings that were tried, in order."""

    chosen: Count
    """The index of the chosen trial."""

    stopped: str = ""
    """What ended the search before everything was tried: the budget, in words. Empty when nothing did."""

    judged: int | None = Field(default=None, gt=0, le=LARGEST_COUNT, exclude_if=is_none)
    """Dev samples that each trial answered; None: all."""

    @property
    def spent(self) -> ResourceUse:
        """What all trials took, with the chosen one, whose training one of the runs records, too."""
        return reduce(ResourceUse.plus, (trial.spent for trial in self.trials), ResourceUse())
