"""Successive halving: train many trials a little, and go on with the best only (arXiv 1502.07943).

With reduction factor η and k rungs, all trials are trained for η^-(k-1) of a full training, the best 1/η of
them for η times as long, and so on (Jamieson & Talwalkar 2016). Survivors go on from their checkpoints, so
that each pays the difference between two rungs only.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import TypeVar

TrialId = TypeVar("TrialId", bound=Hashable)


@dataclass(frozen=True)
class Rung:
    """A point of the training at which trials are judged."""

    number: int
    share: float
    """Of the full training, after which they are; 1 at the last rung."""


WHOLE = (Rung(0, 1.0),)
"""Without halving: every trial is trained to the end."""


def rungs(reduction_factor: int, count: int) -> tuple[Rung, ...]:
    """`count` rungs, each after `reduction_factor` times the training of the one before."""
    assert reduction_factor > 1, "a rung keeps fewer trials than it trains"
    assert count > 0, "the last rung is the end of the training"
    return tuple(Rung(number, 1 / reduction_factor ** (count - 1 - number)) for number in range(count))


def survivors(
    scores: Mapping[TrialId, float | None],
    *,
    keep: int,
    higher_is_better: bool,
    noise: float = 0.0,
    losses: Mapping[TrialId, float] = MappingProxyType({}),
) -> list[TrialId]:
    """The best `keep` trials, best first. Without a score (None: it failed) none survives.

    Scores within `noise` of the best one do not tell trials apart, as those of trainings that have hardly
    begun: of these, and of others with equal scores, the one with the lower loss on dev comes first; without
    losses the first.
    """
    assert keep > 0, "a rung keeps at least one trial"
    scored = {trial: score for trial, score in scores.items() if score is not None}
    assert all(map(math.isfinite, scored.values())), "a trial without a finite score is None"
    behind = {trial: -score if higher_is_better else score for trial, score in scored.items()}
    best = min(behind.values(), default=0.0)
    behind = {trial: best if place <= best + noise else place for trial, place in behind.items()}
    return sorted(scored, key=lambda trial: (behind[trial], losses.get(trial, math.inf)))[:keep]


def trials_at(ladder: Sequence[Rung], trials: int) -> list[int]:
    """How many of so many trials each rung trains: as many fewer as it is further, but one at least."""
    return [min(trials, max(1, trials // round(rung.share / ladder[0].share))) for rung in ladder]


def full_trainings(ladder: Sequence[Rung], trials: int) -> float:
    """What so many trials train together, in full trainings."""
    shares = [0.0, *(rung.share for rung in ladder)]
    return sum(
        count * (share - before)
        for count, (before, share) in zip(trials_at(ladder, trials), pairwise(shares), strict=True)
    )


def token_share(ladder: Sequence[Rung], trials: int) -> float:
    """What so many trials train together, as a share of training every one of them to the end."""
    assert trials > 0, "no trial has no share"
    return full_trainings(ladder, trials) / trials
