"""What a task plugin declares: its data, its prompts and how answers are judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    """Called late and once: it may read files, draw samples or load a hub data set."""

    to_sample: Callable[[Row, int], Sample]
    """A row and its index in its split, made into a sample."""

    prompts: PromptSet
    output: Output
    metrics: tuple[str | Metric, ...]
    """Names from `harness.metrics`, or metrics of the task's own; `primary_metric` among them."""

    primary_metric: str = ""
    """The name of the metric the board ranks by; it ends at 1, and higher is better. Default: the first of
    `metrics`."""

    version: int = 1
    """Raise it when samples or prompts change: scores of two versions are not comparable."""

    chance: float = 0.0
    """What guessing scores on the primary metric."""

    steps: tuple[Step, ...] = ()
    """Cleaning and augmentation, in this order, of the training samples unless a step says otherwise."""

    extract: Callable[[str], str] = str.strip
    """The answer inside a completion; what the metrics see."""

    max_tokens: int = 64
    """Tokens a `generate` answer may take, unless the sweep says otherwise."""

    stop: tuple[str, ...] = ()
    """Strings that end an answer, besides the model's end-of-sequence token."""

    structured_outputs: Literal["choice"] | Mapping[str, Any] | None = None
    """What a written answer is held to while it is written: `"choice"`, one of its sample's choices; a JSON
    schema, a document that fulfils it."""

    truncation_side: Literal["left", "right"] | None = None
    """Where a prompt that is too long for the context loses tokens, which is counted. None: its sample is an
    error."""

    license: str = "unknown"
    """SPDX identifier of the data's licence."""

    reference: str | None = None
    """Where the data comes from: a paper or an address."""

    def __post_init__(self) -> None:
        # What is no tuple of metrics is left alone here: `gainboard check` says what is wrong with it.
        if not self.primary_metric and isinstance(self.metrics, tuple) and self.metrics:
            first = self.metrics[0]
            object.__setattr__(
                self, "primary_metric", first if isinstance(first, str) else getattr(first, "name", "")
            )


TaskFunction = Callable[[], Task]


def task(function: TaskFunction) -> TaskFunction:
    """Mark a function as a task plugin. Its name is the task's name."""
    function.__gainboard_task__ = True  # type: ignore[attr-defined]
    return function


def is_task_function(value: object) -> bool:
    """Whether `value` was marked with `@task`."""
    return bool(getattr(value, "__gainboard_task__", False))
