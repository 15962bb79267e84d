"""What makes a finished run's score say little of its method: its training collapsed, or its loss rose and
stayed high; or its answers were cut."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.result import Result
from leaderboards.text import LONGEST_REASON, shortened

TroubleKind = Literal["collapsed", "diverged", "cut"]


@dataclass(frozen=True)
class Flag:
    """A warning that a reader needs before believing a score."""

    text: str
    """In a few words, as `1 of 3 runs collapsed`."""

    reason: str
    """In a sentence."""

    broken: bool
    """Whether a training went wrong, so that the score says little of the method; else answers were cut."""

    @property
    def section(self) -> str:
        """The part of the page of problems that names the runs."""
        return "flagged" if self.broken else "cut"


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong with one run."""

    kind: TroubleKind
    reason: str


def troubles(result: Result) -> list[Trouble]:
    """What went wrong with the trainings of a run that finished all the same, and with its answers."""
    collapse = [Trouble("collapsed", result.collapsed)] if result.collapsed else []
    diverged = [Trouble("diverged", training.diverged) for training in result.trainings if training.diverged]
    return [*collapse, *diverged, *([Trouble("cut", result.often_cut)] if result.often_cut else [])]


def flag_of(results: Sequence[Result]) -> Flag | None:
    """What to mark a candidate with; None when all is well with its runs."""
    by_run = [troubles(result) for result in results]
    if not any(by_run):
        return None
    counted = []
    for kind in ("collapsed", "diverged", "cut"):
        runs = sum(any(trouble.kind == kind for trouble in run_troubles) for run_troubles in by_run)
        words = "with cut answers" if kind == "cut" else kind
        if runs:
            counted.append(words if runs == len(by_run) == 1 else f"{runs} of {len(by_run)} {words}")
    all_troubles = list(itertools.chain.from_iterable(by_run))
    # What says most of a score comes first.
    reason = min(all_troubles, key=_cut_last).reason
    broken = any(trouble.kind != "cut" for trouble in all_troubles)
    return Flag(", ".join(counted), shortened(reason, LONGEST_REASON), broken)


def _cut_last(trouble: Trouble) -> bool:
    return trouble.kind == "cut"
