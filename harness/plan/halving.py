"""Successive halving: train many trials a little, and continue only the best (arXiv 1502.07943).

With reduction factor η and k rungs, all trials are trained for η^-(k-1) of a full training, the best 1/η of
them for η times as long, and so on (Jamieson & Talwalkar 2016). Survivors continue from their checkpoints, so
each pays only for the steps between two rungs.

What leads early need not lead at the end: learning rates that are too high for a whole training learn fast at
first. Where a single trial reaches the last rung, nothing is compared there, and one that was ahead by luck
is chosen whatever becomes of it. So at least `FINALISTS` do, unless several batches of trials each send one.
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
    """Of the full training, after which trials are judged; 1 at the last rung."""


FINALISTS = 2
"""The fewest trials of a search that are compared after the whole training."""

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
    """The best `keep` trials, best first. A trial without a score (None: it failed) never survives.

    Scores within `noise` of the best count as equal, since trainings that have hardly begun differ by chance.
    Among equal scores the lower dev loss comes first; without losses, the earlier trial.
    """
    assert keep > 0, "a rung keeps at least one trial"
    scored = {trial: score for trial, score in scores.items() if score is not None}
    assert all(map(math.isfinite, scored.values())), "a trial without a finite score is None"
    # As costs, of which lower is better whatever the metric.
    costs = {trial: -score if higher_is_better else score for trial, score in scored.items()}
    lowest = min(costs.values(), default=0.0)
    order = {
        trial: (lowest if cost <= lowest + noise else cost, losses.get(trial, math.inf))
        for trial, cost in costs.items()
    }
    return sorted(order, key=order.__getitem__)[:keep]


def trials_at(ladder: Sequence[Rung], trials: int, *, fewest: int = 1) -> list[int]:
    """How many of `trials` trials each rung trains: in inverse proportion to its share, at least `fewest`."""
    return [min(trials, max(fewest, trials // round(rung.share / ladder[0].share))) for rung in ladder]


def full_trainings(ladder: Sequence[Rung], trials: int, *, fewest: int = 1) -> float:
    """What `trials` trials train in total, in full trainings, when each rung trains at least `fewest`."""
    shares = [0.0, *(rung.share for rung in ladder)]
    # A rung only adds what lies between it and the rung before.
    return sum(
        count * (share - before)
        for count, (before, share) in zip(
            trials_at(ladder, trials, fewest=fewest), pairwise(shares), strict=True
        )
    )


def token_share(ladder: Sequence[Rung], trials: int, *, fewest: int = 1) -> float:
    """What `trials` trials train in total, as a share of training each of them fully."""
    assert trials > 0, "no trial has no share"
    return full_trainings(ladder, trials, fewest=fewest) / trials
