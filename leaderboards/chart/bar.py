"""A score or a cost as a small bar in a cell."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics import Estimate


@dataclass(frozen=True)
class Bar:
    """A bar in a box that is 100 wide."""

    start: float
    width: float
    interval: tuple[float, float] | None = None
    """The ends of a whisker; None for a cost, which has none."""

    seeds: tuple[float, ...] = ()
    """What each seed scored: a dot."""


def bar(estimate: Estimate, *, floor: float = 0.0, seeds: Sequence[float] = ()) -> Bar:
    """A bar from zero to the estimate; `floor` is the lowest value of any bar beside it, where one is below
    zero. `seeds`: the scores of single seeds."""
    bottom = min(0.0, floor)

    def place(value: float) -> float:
        return round(100 * (min(max(value, bottom), 1.0) - bottom) / (1 - bottom), 2)

    ends = sorted((place(0.0), place(estimate.value)))
    interval = (place(estimate.low), place(estimate.high))
    return Bar(ends[0], round(ends[1] - ends[0], 2), interval, tuple(map(place, seeds)))


def cost_bar(cost: float, *, largest: float) -> Bar | None:
    """A cost as a share of the largest beside it; None where all are nothing."""
    return Bar(0.0, round(100 * cost / largest, 2)) if largest > 0 else None
