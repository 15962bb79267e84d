"""A declared step that changes samples before any is used."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness.task.samples import Sample

SPLITS = ("train", "dev", "test")
TRAIN_ONLY = ("train",)


@dataclass(frozen=True)
class Step:
    """One thing done to samples before any is used."""

    name: str
    """How results and pages call it, with what it was given: `noise(text, rate=0.05)`."""

    apply: Callable[[list[Sample], random.Random], list[Sample]]
    """Samples of one split → samples; randomness only from the generator. New samples get ids of their
    own."""

    splits: tuple[str, ...] = TRAIN_ONLY
    """Where it is taken."""
