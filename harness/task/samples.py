"""The rows of a task, and the samples made from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""One raw row of a data set: column name to value."""


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
    """The possible answers of a `choice` task, or of one whose answers are written but are to be one of a
    few, in a fixed order; empty for the others."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Texts worth keeping beside the sample: metrics may read them, and they are never shown to a model."""

    copy_of: str = ""
    """The id of the sample that augmentation made it from; empty for an original."""

    cluster: str = ""
    """What it shares with others, so that they are no independent draws: a passage, a document, a person.
    Samples of equal texts are one cluster, and intervals count clusters. Empty: it shares nothing."""

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
