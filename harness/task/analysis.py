"""What an analysis is: a look at saved answers that says why an arm scores as it does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.task.metric import Reply

Need = Literal["predictions", "hidden_states", "attentions"]
"""What an analysis reads. Predictions are saved by every run; the others take another pass of the weights,
which is not made for a task's own analyses yet."""


@dataclass(frozen=True)
class SavedAnswer:
    """What an arm said to a sample, once."""

    seed: int
    template: str
    prompt: str
    reply: Reply
    """As metrics see it."""

    score: float | None
    """The primary metric's; None where it was not scored."""


@dataclass(frozen=True)
class AnalysedSample:
    """A sample with all that was said to it."""

    id: str
    fields: Mapping[str, str]
    """Those of the sample; empty where its task's data is not at hand."""

    answers: Mapping[str, tuple[SavedAnswer, ...]]
    """By arm: `zero_shot`, `few_shot`, and the method that is analysed."""


@dataclass(frozen=True)
class AnalysisTable:
    """What an analysis found."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    findings: tuple[str, ...] = ()
    """What to change next, a sentence each. Only what is more than chance belongs here."""


@dataclass(frozen=True)
class Analysis:
    """A task's own analysis of its answers."""

    name: str
    description: str
    """What it looks at, in a sentence."""

    make: Callable[[Sequence[AnalysedSample], str], AnalysisTable]
    """Called with the samples and the name of the arm that is analysed."""

    needs: tuple[Need, ...] = ("predictions",)
