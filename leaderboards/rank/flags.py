"""What makes a finished run's score say little of its method: its training collapsed, or its loss rose and
stayed high."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.result import Result
from leaderboards.text import LONGEST_REASON, shortened


@dataclass(frozen=True)
class Flag:
    """A warning that a reader needs before believing a score."""

    text: str
    """In a few words, as `1 of 3 runs collapsed`."""

    reason: str
    """In a sentence."""


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong with one run's training."""

    kind: Literal["collapsed", "diverged"]
    reason: str


def troubles(result: Result) -> list[Trouble]:
    """What went wrong with the trainings of a run that finished all the same."""
    collapse = [Trouble("collapsed", result.collapsed)] if result.collapsed else []
    return collapse + [
        Trouble("diverged", training.diverged) for training in result.trainings if training.diverged
    ]


def flag_of(results: Sequence[Result]) -> Flag | None:
    """What to mark a candidate with; None when all is well with its runs."""
    by_run = [troubles(result) for result in results]
    if not any(by_run):
        return None
    counted = []
    for kind in ("collapsed", "diverged"):
        runs = sum(any(trouble.kind == kind for trouble in run_troubles) for run_troubles in by_run)
        if runs:
            counted.append(kind if runs == len(by_run) == 1 else f"{runs} of {len(by_run)} {kind}")
    reason = next(itertools.chain.from_iterable(by_run)).reason
    return Flag(", ".join(counted), shortened(reason, LONGEST_REASON))
