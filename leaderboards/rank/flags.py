"""What makes a finished run's score say little of its method: its training collapsed, or its loss rose and
stayed high; its prompts were begun wrongly; or its answers were cut."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.result import Result
from leaderboards.text import LONGEST_REASON, shortened

TroubleKind = Literal["collapsed", "diverged", "begun", "cut"]

TROUBLE_WORDS: Mapping[TroubleKind, str] = {
    "collapsed": "collapsed",
    "diverged": "diverged",
    "begun": "begun wrongly",
    "cut": "with cut answers",
}
"""What is said of such runs. What says most of a score comes first."""

OF_TRAININGS: Sequence[TroubleKind] = ("collapsed", "diverged")


@dataclass(frozen=True)
class Flag:
    """A warning that a reader needs before believing a score."""

    text: str
    """In a few words, as `1 of 3 runs collapsed`."""

    reason: str
    """In a sentence."""

    kind: TroubleKind
    """Of what says most."""

    @property
    def broken(self) -> bool:
        """Whether a training went wrong, so that the score says little of the method."""
        return self.kind in OF_TRAININGS

    @property
    def section(self) -> str:
        """The part of the page of problems that names the runs."""
        return "flagged" if self.broken else self.kind


@dataclass(frozen=True)
class Trouble:
    """One thing that went wrong with one run."""

    kind: TroubleKind
    reason: str


def troubles(result: Result) -> list[Trouble]:
    """What went wrong with the trainings, the prompts and the answers of a run that finished all the same."""
    collapse = [Trouble("collapsed", result.collapsed)] if result.collapsed else []
    diverged = [Trouble("diverged", training.diverged) for training in result.trainings if training.diverged]
    begun = [Trouble("begun", result.begun_wrongly)] if result.begun_wrongly else []
    return [*collapse, *diverged, *begun, *([Trouble("cut", result.often_cut)] if result.often_cut else [])]


def flag_of(results: Sequence[Result]) -> Flag | None:
    """What to mark a candidate with; None when all is well with its runs."""
    by_run = [troubles(result) for result in results]
    if not any(by_run):
        return None
    counted = []
    for kind, words in TROUBLE_WORDS.items():
        runs = sum(any(trouble.kind == kind for trouble in run_troubles) for run_troubles in by_run)
        if runs:
            counted.append(words if runs == len(by_run) == 1 else f"{runs} of {len(by_run)} {words}")
    worst = min(itertools.chain.from_iterable(by_run), key=_place)
    return Flag(", ".join(counted), shortened(worst.reason, LONGEST_REASON), worst.kind)


def _place(trouble: Trouble) -> int:
    return list(TROUBLE_WORDS).index(trouble.kind)
