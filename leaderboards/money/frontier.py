"""The Pareto staircase of score against cost: who is on it, how often, and what a point costs from step to
step.

A candidate is dominated by one that costs no more and scores no less, and is better in one of the two. The
staircase is the set that nothing dominates; it is no convex hull, since a mixture of two models cannot be
bought.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leaderboards.money.payback import NoFigure

RESOLVED = 0.975
"""Share of draws in which a step must score more than the one before it: that of a 95 % interval clear of
zero."""


def staircase(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, score) points that none dominates, cheapest first; of equal points all."""
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    indices: list[int] = []
    for index in order:
        if not indices or points[index][1] > points[indices[-1]][1] or points[index] == points[indices[-1]]:
            indices.append(index)
    return indices


def frontier_shares(costs: Sequence[float], steps: NDArray[np.int16]) -> list[float]:
    """In which share of the draws (draws × candidates) each candidate is on the staircase at these costs."""
    if not costs:
        return []
    levels = sorted(set(costs))
    # Best score among strictly cheaper candidates; below any score where there are none.
    cheaper = np.full(len(steps), np.iinfo(np.int16).min - 1, dtype=np.int32)
    shares = [0.0] * len(costs)
    for level in levels:
        group = [index for index, cost in enumerate(costs) if cost == level]
        best = steps[:, group].max(axis=1).astype(np.int32)
        for index in group:
            on = (steps[:, index] == best) & (best > cheaper)
            shares[index] = int(np.count_nonzero(on)) / len(steps)
        cheaper = np.maximum(cheaper, best)
    return shares


def usd_per_point(
    costs: Sequence[float], scores: Sequence[float], steps: NDArray[np.int16]
) -> list[float | NoFigure | None]:
    """Dollars for each point (a hundredth of the scale) over the next cheaper candidate on the staircase.

    None for the cheapest: there is nothing to compare it with. "dominated" off the staircase; "unresolved"
    where too few draws have the step score more than the one before.
    """
    on_staircase = staircase(list(zip(costs, scores, strict=True)))
    figures: list[float | NoFigure | None] = ["dominated"] * len(costs)
    for place, index in enumerate(on_staircase):
        figures[index] = _step(on_staircase[place - 1], index, costs, scores, steps) if place else None
    return figures


def _step(
    before: int, index: int, costs: Sequence[float], scores: Sequence[float], steps: NDArray[np.int16]
) -> float | NoFigure:
    if (
        np.count_nonzero(steps[:, index] > steps[:, before]) < RESOLVED * len(steps)
        or scores[index] <= scores[before]
    ):
        return "unresolved"
    return (costs[index] - costs[before]) / (100 * (scores[index] - scores[before]))
