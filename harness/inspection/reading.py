"""What a pass may take from an arm, sample by sample."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from harness.inspection.arm import LoadedArm, PassSample


@dataclass(frozen=True)
class SampleReading:
    """What was read at one sample."""

    place: int
    """Of the sample, among those of the pass."""

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """By name, of plain numbers: what is written is read without pickles."""

    error: str = ""
    """Why nothing was read; empty where something was."""


class ReadSamples(Protocol):
    """A kind of pass: a function of a loaded arm, in a module of its own, that `READINGS` of
    `harness.inspection.__main__` names.

    It gets all samples at once, so that it may read several together, and tells of each as soon as it has
    read it. Samples whose question has an error are not among them.
    """

    def __call__(self, arm: LoadedArm, samples: Sequence[tuple[int, PassSample]]) -> Iterator[SampleReading]:
        """Read each of these samples, given with their places, in any order."""
