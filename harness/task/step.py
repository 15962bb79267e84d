"""A declared step: it cleans or augments samples before any of them is used."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness.task.samples import Sample

SPLITS = ("train", "dev", "test")
TRAIN_ONLY = ("train",)


@dataclass(frozen=True)
class Step:
    """One change to the samples of a split."""

    name: str
    """Its name in results and on pages, with its arguments: `noise(text, rate=0.05)`."""

    apply: Callable[[list[Sample], random.Random], list[Sample]]
    """Takes the samples of one split and returns those to use. All randomness must come from the generator,
    and new samples need ids of their own."""

    splits: tuple[str, ...] = TRAIN_ONLY
    """The splits it is applied to."""
