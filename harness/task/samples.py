"""The rows of a task, and the samples made from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One raw row of a data set: column name to value."""

Turn = Mapping[str, Any]
"""One message of a conversation: its `role` (system, user, assistant or tool) and its `content`, a text; an
assistant's may have `tool_calls`, each `{"id": …, "type": "function", "function": {"name": …, "arguments":
{…}}}`, and a tool's the `tool_call_id` that it answers."""


@dataclass(frozen=True)
class Sample:
    """One question with its accepted answers."""

    id: str
    """Unique within its split."""

    fields: Mapping[str, str]
    """What templates may name: `{text}` stands for `fields["text"]`."""

    target: str | tuple[str, ...]
    """The right answer, or all accepted ones; training uses the first."""

    choices: tuple[str, ...] = ()
    """The possible answers in a fixed order, for a `choice` task or one whose written answer must be one of a
    few; empty for any other."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Texts that metrics may read and that no model is ever shown."""

    copy_of: str = ""
    """The id of the sample that augmentation made it from; empty for an original."""

    cluster: str = ""
    """Names what it shares with other samples, so that they are not independent draws: a passage, a document,
    a person. Samples with the same text form a cluster, and intervals count clusters. Empty: it shares
    nothing."""

    messages: tuple[Turn, ...] = ()
    """The turns of a conversation so far, which the target answers; empty for a question without any. A
    wording is put around the last turn where that is the user's: its content must be the field that the
    wording names."""

    tools: tuple[Mapping[str, Any], ...] = ()
    """The functions that the conversation may call, as chat templates and OpenAI's API have them. A target
    that calls some is a text of `harness.calls_text`."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Every accepted answer, the one trained on first."""
        return (self.target,) if isinstance(self.target, str) else self.target


@dataclass(frozen=True)
class Splits:
    """The raw rows of a task. Training and demonstrations use `train`, the choice of a recipe `dev`."""

    train: Sequence[Row]
    dev: Sequence[Row]
    test: Sequence[Row]
    remarks: tuple[str, ...] = ()
    """What was done to the rows, or left out, for `gainboard check` to tell: a sentence each."""
