"""Records of trainings: what was measured of each, and how settings were chosen."""

from functools import reduce
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from harness.records.fields import LARGEST_AMOUNT, Amount, Count, Finite, TrainingShare, record_part
from harness.sweep.recipe import Settings
from harness.toml import Frozen


@record_part
class CurvePoint:
    """One point of a training curve, on the training samples since the point before or on dev."""

    step: Count
    epoch: float
    loss: float
    learning_rate: float | None = None
    grad_norm: float | None = None
    """Of the last step, before clipping."""

    tokens_per_second: float | None = None
    """Prompt and answer tokens trained on since the point before, by the seconds of its steps."""

    metric: float | None = None
    """The task's metric of answers written on dev, where the training was asked for it."""


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
    if not (
        spent.seconds <= LARGEST_AMOUNT and spent.tokens <= LARGEST_AMOUNT and spent.flops <= LARGEST_AMOUNT
    ):
        raise ValueError(f"none of them may be above {LARGEST_AMOUNT:g}")
    return spent


RecordedUse = Annotated[ResourceUse, AfterValidator(_as_measured)]
"""What one thing took. Sums of several have no upper bound."""


class TrainingRecord(Frozen):
    """What the training worker measured of one stage; of a rung of a search, of the stage up to there."""

    key: str
    """Of the recipe that it made. Results that name the same one share its cost."""

    tuner: str
    tasks: tuple[str, ...]
    """Whose samples it was trained on."""

    steps: Count
    epochs: Amount
    best_step: Count
    """The step whose checkpoint was kept."""

    best_dev_loss: float | None
    """Mean natural-log loss of an answer's token on dev, at the best step; None of a meta-learning, which has
    no dev."""

    best_metric: Finite | None = None
    """The task's metric on dev at the best step, where it chose it."""

    stopped_early: bool
    train_curve: tuple[CurvePoint, ...]
    dev_curve: tuple[CurvePoint, ...]
    samples: Count
    samples_left_out: Count
    """Training samples longer than `max_length` or the model's context."""

    per_device_train_batch_size: Count
    """The one that fitted into memory: the settings' own, or half of it, and so on; 0 of averaged weights."""

    tokens: Count
    """Tokens the model was trained on, prompts and targets, all epochs; no padding."""

    target_tokens: Count
    """Of these, the tokens that carried loss."""

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
    """Steps at which it went on after a stop."""

    discarded: RecordedUse = ResourceUse()
    """What came of nothing: steps after the last checkpoint of a start that was killed, steps that ran out of
    memory."""

    diverged: str = ""
    """Why the training is not to be trusted though it ended: its loss rose for good. Empty when all is
    well."""

    @property
    def all_seconds(self) -> float:
        """Device-seconds of the training, with its loading and what was thrown away."""
        return self.startup_seconds + self.load_seconds + self.train_seconds + self.discarded.seconds


class TrialRecord(Frozen):
    """One setting that a search tried."""

    settings: Settings
    key: str
    """Of its recipe, as far as it was trained."""

    shares: tuple[TrainingShare, ...]
    """The rungs it was judged at, as shares of its training."""

    scores: tuple[Finite | None, ...]
    """What it scored on dev at each; None where it failed."""

    losses: tuple[float | None, ...] = ()
    """Its loss on dev at each, which decides where scores do not."""

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
    """How a run's settings were chosen: all that were tried, in order."""

    metric: str
    higher_is_better: bool
    trials: tuple[TrialRecord, ...]
    chosen: int
    """The place of the chosen one."""

    stopped: str = ""
    """What ended the search before all was tried: the budget, in words."""

    @property
    def spent(self) -> ResourceUse:
        """What all trials took; the chosen one's training is that of one of the runs."""
        return reduce(ResourceUse.plus, (trial.spent for trial in self.trials), ResourceUse())
