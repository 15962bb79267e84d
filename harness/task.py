"""What a task plugin declares: its data, its prompts and how answers are judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from harness.data.steps import Step
    from harness.metrics import Metric

Row = Mapping[str, Any]
"""One raw row of a data set: column name to value."""

Output = Literal["generate", "choice", "perplexity"]
"""`generate`: the model writes the answer. `choice`: the most likely of the sample's choices is the answer.
`perplexity`: the target's own likelihood is measured, and nothing is written."""

Demonstrations = Literal["random", "balanced", "fixed", "nearest"]
"""How few-shot demonstrations are drawn from the training samples. `random`: by the run's seed. `balanced`: as even over
the labels as their number allows, and by the seed. `fixed`: the samples that `PromptSet.fixed` names. `nearest`: for every
sample those whose questions are most like its own (BM25), the most similar last."""

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
    """The possible answers of a `choice` task, or of one whose answers are written but are to be one of a few, in a fixed
    order; empty for the others."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Texts worth keeping beside the sample: metrics may read them, and they are never shown to a model."""

    copy_of: str = ""
    """The id of the sample that augmentation made it from; empty for an original."""

    cluster: str = ""
    """What it shares with others, so that they are no independent draws: a passage, a document, a person. Samples of equal
    texts are one cluster, and intervals count clusters. Empty: it shares nothing."""

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
class Rendered:
    """A prompt and what surrounds its answer."""

    messages: list[dict[str, str]]
    """For tokenizers with a chat template: `{"role": …, "content": …}` each, the question last. Empty where nothing is
    said before a text whose likelihood is measured."""

    text: str
    """The same as plain text, up to where the answer begins."""

    before: str = " "
    """Between `text` and the answer."""

    after: str = ""
    """What follows the answer and belongs to it."""

    @property
    def question(self) -> str:
        """The last turn, without system line and demonstrations; empty where nothing is asked."""
        return self.messages[-1]["content"] if self.messages else ""


@dataclass(frozen=True)
class PromptSet:
    """How a sample is put to a model, in several wordings."""

    templates: Mapping[str, str]
    """Name to wording, with the sample's fields in braces; the first is the default.

    A template may say where the answer stands, with `[output]` (an answer that is written) or `<mask>` (a choice, or a
    text whose likelihood is measured): the model reads what comes before, and what comes after belongs to the answer.
    A choice is then judged by the likelihood of the whole filled text; from a written answer it is taken off the end, and
    `Task.stop` may name it, too, so that models end there. Without a slot the answer follows `marker`."""

    marker: str = "Answer:"
    """Ends every prompt that has no slot: what follows it is the answer."""

    system: str | None = None
    """A system message, put before the question."""

    num_fewshot: int = FEW_SHOT
    """Demonstrations in a few-shot prompt; always from `train`."""

    demonstrations: Demonstrations = "balanced"
    fixed: tuple[str, ...] = ()
    """The ids of the training samples that `demonstrations = "fixed"` shows, in this order."""

    target_delimiter: str = " "
    """Between a question and its answer in plain text; chat templates have their own way."""

    fewshot_delimiter: str = "\n\n"
    """Between the system line, the demonstrations and the question in plain text."""

    render_version: str = ""
    """With `render`: changes whenever what it gives may, so that a result tells which rendering it is of."""

    render: "Callable[[Sample, Sequence[Sample]], Rendered] | None" = None
    """Replaces our own rendering of a sample after its demonstrations, for tasks of other harnesses that bring theirs."""


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
    metrics: "tuple[str | Metric, ...]"
    """Names from `harness.metrics`, or metrics of the task's own; `primary_metric` among them."""

    primary_metric: str = ""
    """The name of the metric the board ranks by; it ends at 1, and higher is better. Default: the first of `metrics`."""

    version: int = 1
    """Raise it when samples or prompts change: scores of two versions are not comparable."""

    chance: float = 0.0
    """What guessing scores on the primary metric."""

    steps: "tuple[Step, ...]" = ()
    """Cleaning and augmentation, in this order, of the training samples unless a step says otherwise."""

    extract: Callable[[str], str] = str.strip
    """The answer inside a completion; what the metrics see."""

    max_tokens: int = 64
    """Tokens a `generate` answer may take, unless the sweep says otherwise."""

    stop: tuple[str, ...] = ()
    """Strings that end an answer, besides the model's end-of-sequence token."""

    structured_outputs: Literal["choice"] | Mapping[str, Any] | None = None
    """What a written answer is held to while it is written: `"choice"`, one of its sample's choices; a JSON schema, a
    document that fulfils it."""

    truncation_side: Literal["left", "right"] | None = None
    """Where a prompt that is too long for the context loses tokens, which is counted. None: its sample is an error."""

    license: str = "unknown"
    """SPDX identifier of the data's licence."""

    reference: str | None = None
    """Where the data comes from: a paper or an address."""

    def __post_init__(self) -> None:
        # What is no tuple of metrics is left alone here: `gainboard check` says what is wrong with it.
        if not self.primary_metric and isinstance(self.metrics, tuple) and self.metrics:
            first = self.metrics[0]
            object.__setattr__(self, "primary_metric", first if isinstance(first, str) else getattr(first, "name", ""))


TaskFunction = Callable[[], Task]


def task(function: TaskFunction) -> TaskFunction:
    """Mark a function as a task plugin. Its name is the task's name."""
    function.__gainboard_task__ = True  # type: ignore[attr-defined]
    return function


def is_task_function(value: object) -> bool:
    """Whether `value` was marked with `@task`."""
    return bool(getattr(value, "__gainboard_task__", False))
