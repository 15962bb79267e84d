"""What a task plugin declares: its data, its prompts and how answers are judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Row = Mapping[str, Any]
"""One raw row of a data set: column name to value."""

Output = Literal["generate", "choice"]
"""`generate`: the model writes the answer. `choice`: the most likely of the sample's choices is the answer."""

FEW_SHOT = 4
"""Demonstrations a task gives in its few-shot prompts unless it says otherwise."""


@dataclass(frozen=True)
class Sample:
    """One question with its accepted answers."""

    id: str
    """Unique within its split."""

    fields: Mapping[str, str]
    """What the templates may name: `{text}` takes `fields["text"]`."""

    target: str | tuple[str, ...]
    """The right answer. Of several accepted answers the first is the one trained on."""

    choices: tuple[str, ...] = ()
    """The possible answers of a `choice` task, in a fixed order; empty for `generate`."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Anything worth keeping beside the sample; never shown to a model."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every accepted answer, the one trained on first."""
        return (self.target,) if isinstance(self.target, str) else self.target


@dataclass(frozen=True)
class Splits:
    """The raw rows of a task. Demonstrations and training come from `train`, choices of recipe from `dev`."""

    train: Sequence[Row]
    dev: Sequence[Row]
    test: Sequence[Row]


@dataclass(frozen=True)
class PromptSet:
    """How a sample is put to a model, in several wordings."""

    templates: Mapping[str, str]
    """Name to wording, with the sample's fields in braces; the first is the default."""

    marker: str = "Answer:"
    """Ends every prompt: what follows it is the answer."""

    system: str | None = None
    """A system message, put before the question."""

    num_fewshot: int = FEW_SHOT
    """Demonstrations in a few-shot prompt, drawn from `train` by the run's seed."""


@dataclass(frozen=True)
class Task:
    """Everything that makes a score trustworthy: data, prompts, metrics, and what chance would score."""

    name: str
    version: int
    """Raise it when samples or prompts change: scores of two versions are not comparable."""

    description: str
    """One sentence: what the task measures."""

    data: Callable[[], Splits]
    """Called late and once: it may read files, draw samples or load a hub data set."""

    to_sample: Callable[[Row, int], Sample]
    """A row and its index in its split, made into a sample."""

    prompts: PromptSet
    output: Output
    metrics: tuple[str, ...]
    """Names from `harness.metrics`; `primary_metric` among them."""

    primary_metric: str
    """The metric the board ranks by; one of `metrics`."""

    chance: float = 0.0
    """What guessing scores on the primary metric."""

    extract: Callable[[str], str] = str.strip
    """The answer inside a completion; what the metrics see."""

    max_tokens: int = 64
    """Tokens a `generate` answer may take, unless the sweep says otherwise."""

    stop: tuple[str, ...] = ()
    """Strings that end an answer, besides the model's end-of-sequence token."""

    license: str = "unknown"
    """SPDX identifier of the data's licence."""

    reference: str | None = None
    """Where the data comes from: a paper or an address."""


TaskFunction = Callable[[], Task]


def task(function: TaskFunction) -> TaskFunction:
    """Mark a function as a task plugin. Its name is the task's name."""
    function.__gainboard_task__ = True  # type: ignore[attr-defined]
    return function


def is_task_function(value: object) -> bool:
    """Whether `value` was marked with `@task`."""
    return bool(getattr(value, "__gainboard_task__", False))
