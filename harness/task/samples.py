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
