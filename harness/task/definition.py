"""A task: its data, its prompts and how answers are judged, as a plugin declares them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.task.analysis import Analysis
from harness.task.metric import Metric
from harness.task.output import Output
from harness.task.prompts import PromptSet
from harness.task.samples import Row, Sample, Splits
from harness.task.step import Step


@dataclass(frozen=True)
class Task:
    """Everything that makes a score trustworthy: data, prompts, metrics, and what chance would score."""

    name: str
    description: str
    """One sentence: what the task measures."""

    data: Callable[[], Splits]
    """Called once, when the samples are needed: it may read files, draw samples or load a hub data set."""

    to_sample: Callable[[Row, int], Sample]
    """Makes a sample of a row and its index within the split."""

    prompts: PromptSet
    output: Output
    metrics: tuple[str | Metric, ...]
    """Names from `harness.metrics`, or metrics of the task's own; they include `primary_metric`."""

    primary_metric: str = ""
    """The name of the metric that boards rank by, whose range must have two ends. Default: the first of
    `metrics`."""

    analyses: tuple[Analysis, ...] = ()
    """Looks at its saved answers that say why an arm scores as it does, besides those of `gainboard
    analyse`."""

    version: int = 1
    """Increase it when samples or prompts change: scores of two versions are not comparable."""

    chance: float = 0.0
    """What guessing scores on the primary metric, from 0 to below 1; of a metric with other ends, the share
    of the way from its worst to its best value."""

    steps: tuple[Step, ...] = ()
    """Cleaning and augmentation, applied in this order; to the training samples, unless a step says
    otherwise."""

    extract: Callable[[str], str] = str.strip
    """Takes the answer out of a completion; the metrics see only that."""

    max_tokens: int = 64
    """The most tokens of a `generate` answer, unless the sweep says otherwise."""

    stop: tuple[str, ...] = ()
    """Strings that end an answer, besides the model's end-of-sequence token."""

    structured_outputs: Literal["choice"] | Mapping[str, Any] | None = None
    """Constrains a written answer during decoding: `"choice"` to one of its sample's choices, a JSON schema
    to a document that fulfils it."""

    truncation_side: Literal["left", "right"] | None = None
    """The end at which a prompt that is too long for the context loses tokens; such samples are counted. With
    None the sample is an error."""

    license: str = "unknown"
    """SPDX identifier of the data's licence."""

    reference: str | None = None
    """Where the data comes from: a paper or a URL."""

    def __post_init__(self) -> None:
        # `metrics` may be anything here; `gainboard check` says what is wrong with it.
        if not self.primary_metric and isinstance(self.metrics, tuple) and self.metrics:
            metric = self.metrics[0]
            name = metric if isinstance(metric, str) else getattr(metric, "name", "")
            object.__setattr__(
                self, "primary_metric", name
            )  # the only way to set a field of a frozen instance


TaskFunction = Callable[[], Task]


def task(function: TaskFunction) -> TaskFunction:
    """Mark a function that returns a `Task` as the plugin of that task; its name must be the task's."""
    function.__gainboard_task__ = True  # type: ignore[attr-defined]
    return function


def is_task_function(value: object) -> bool:
    """Whether `value` was marked with `@task`."""
    return bool(getattr(value, "__gainboard_task__", False))
