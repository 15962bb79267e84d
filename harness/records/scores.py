"""Records of what a run was scored on, and what it scored."""

from typing import Annotated, Literal

from pydantic import Field

from harness.records.fields import Amount, Count, Finite, Share, record_part
from harness.task.metric import Scale
from harness.toml import LARGEST_COUNT


@record_part
class MetricCard:
    """What pages need to know about a metric."""

    description: str
    low: Finite | None
    high: Finite | None
    """The ends of its range; None for an end without bound."""

    higher_is_better: bool
    corpus: bool
    """Whether it is computed from sums over samples. A sample's score is then its part in the whole, and may
    lie outside the range."""

    chance: Finite | None = None
    """What guessing evenly among the choices scores; None where there are none."""

    majority: Finite | None = None
    """What always giving one answer scores: the most frequent training answer, or a better one that the
    metric knows of. None where there is none, as where no answer occurs twice."""

    @property
    def scale(self) -> Scale:
        """Its range as boards compare it."""
        return Scale.of(self.low, self.high, higher_is_better=self.higher_is_better)

    def level(self, chance: float) -> float:
        """What needs no skill, guessing at `chance` or always giving one answer, on that scale: whichever is
        more."""
        return chance if self.majority is None else max(chance, self.scale.share(self.majority))


@record_part
class StepRecord:
    """What one cleaning or augmentation step did to one split."""

    step: str
    split: str
    before: Count
    after: Count
    changed: Count


@record_part
class TaskCard:
    """What pages need to know about a task, so that publishing needs no plugin."""

    name: str
    version: Count
    description: str
    output: Literal["generate", "choice", "perplexity"]
    primary_metric: str
    binary: bool
    """Whether every per-sample score of the primary metric is 0 or 1."""

    chance: Finite
    """What guessing scores on the primary metric."""

    metrics: dict[str, MetricCard]
    license: str
    reference: str | None
    templates: tuple[str, ...]
    n_train: Count
    n_dev: Count
    n_test: Count
    steps: tuple[StepRecord, ...]
    reviewed: Share | None
    """Share of the prompt set that people had judged when the run was scored; None when nobody had looked."""

    def __post_init__(self) -> None:
        if self.primary_metric not in self.metrics:
            raise ValueError(f"the primary metric '{self.primary_metric}' is not among the metrics")


@record_part
class MetricValue:
    """A mean over samples, with its uncertainty from samples alone (one fine-tune, one set of
    demonstrations)."""

    value: Finite
    stderr: Amount | None
    """Standard error over samples; None when n < 2."""

    low: Finite | None
    high: Finite | None
    """95 % interval; None where it has no end (one sample of a metric without bound)."""

    n: Count
    details: dict[str, Finite] = Field(default_factory=dict)
    """Named parts of the value, such as precision, recall and F1 by class."""


@record_part
class FormRecord:
    """Form apart from content: how many answers have the form that their task wants, and what those score."""

    share: MetricValue
    """Of answers with the right form, over the samples that the metrics are computed on."""

    score: MetricValue | None
    """The primary metric of answers with the right form, over samples with at least one; None without any."""


MANY_CUT = 0.05
"""Share of a run's samples with cut answers above which a score is flagged."""


@record_part
class SampleCounts:
    """How many samples a run had to answer, counted once per template, and how many were scored."""

    total: Count
    scored: Count
    failed: Count
    truncated: Count = 0
    """Those whose prompt was cut to fit the context, which their task allows."""

    cut: Count | None = None
    """Those with an answer that was cut at `max_tokens`, or a thought that has no end; None in a result from
    before this was counted."""

    cut_in_thought: Count | None = None
    """Those of them with a thought that has no end, so that there is no answer."""

    @property
    def cut_share(self) -> float:
        """The share of samples with cut answers, as far as they were counted."""
        return (self.cut or 0) / max(1, self.total)


@record_part
class OverlapRecord:
    """How much of the test set occurs, exactly or nearly, in the rows that a run was trained on.

    For an untuned arm the whole training set counts, so that every arm has a score on clean samples.
    """

    exact: Count
    """Test samples whose question is that of a training sample, apart from white space and case."""

    near: Count
    """Further test samples whose question is nearly that of a training sample."""

    samples: Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
    """Test samples that were compared."""

    method: str
    """How near ones are found, in words."""

    clean: dict[str, MetricValue]
    """The metrics over the test samples that do not occur there; empty when none is left."""

    @property
    def share(self) -> float:
        """The share of test samples that occur there, exactly or nearly."""
        return (self.exact + self.near) / self.samples
