"""Records of what a run was scored on, and what it scored."""

from typing import Annotated, Literal

from pydantic import Field

from harness.records.fields import Count, Finite, record_part


@record_part
class MetricCard:
    """What the pages say of a metric."""

    description: str
    low: Finite | None
    high: Finite | None
    """The ends of its range; None where it has none."""

    higher_is_better: bool
    corpus: bool
    """Whether it is made of sums over samples: a sample's score is then its part in it, and may lie outside
    the range."""

    chance: Finite | None = None
    """What guessing evenly among the choices scores; None where there are none."""

    majority: Finite | None = None
    """What always giving the most frequent training answer scores; None where no answer is given twice."""


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
    """What the pages say of a task, so that publishing needs no plugin."""

    name: str
    version: int
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
    reviewed: Annotated[float, Field(ge=0, le=1)] | None
    """Share of the prompt set that people had judged when the run was scored; None when nobody had looked."""

    def __post_init__(self) -> None:
        if self.primary_metric not in self.metrics:
            raise ValueError(f"the primary metric '{self.primary_metric}' is not among the metrics")


@record_part
class MetricValue:
    """A mean over samples, with its uncertainty from samples alone (one fine-tune, one set of
    demonstrations)."""

    value: Finite
    stderr: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    """Standard error over samples; None when n < 2."""

    low: Finite | None
    high: Finite | None
    """95 % interval; None where it has no end (one sample of a metric without bound)."""

    n: Count
    details: dict[str, Finite] = Field(default_factory=dict)
    """Named parts of the value: precision, recall and F1 by class, say."""


@record_part
class FormRecord:
    """Format and content: how many answers have the form that their task wants, and what those score."""

    share: MetricValue
    """Of the answers, over the samples that the metrics are of."""

    score: MetricValue | None
    """The primary metric of those that have it, over the samples with at least one; None where no answer
    has."""


@record_part
class SampleCounts:
    """How many samples a run was asked for, in each template, and how many were scored."""

    total: Count
    scored: Count
    failed: Count
    truncated: Count = 0
    """Those whose prompt was cut to fit the context, as their task allows."""


@record_part
class OverlapRecord:
    """How much of the test set stands, exactly or nearly, in the rows a run was trained on.

    Of an arm that trains nothing, in the whole training set, so that every arm has a score on clean samples.
    """

    exact: Count
    """Test samples whose question is that of a training sample, white space and case aside."""

    near: Count
    """Others whose question is nearly that of a training sample."""

    samples: Annotated[int, Field(ge=1, le=10**15)]
    """Test samples that were compared."""

    method: str
    """How near is told."""

    clean: dict[str, MetricValue]
    """The metrics over the test samples that are neither; empty when none is left."""

    @property
    def share(self) -> float:
        """Exact and near, of all."""
        return (self.exact + self.near) / self.samples
