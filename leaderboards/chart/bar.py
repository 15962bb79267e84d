"""A score as a small bar with its interval."""

from dataclasses import dataclass

from harness.statistics import Estimate


@dataclass(frozen=True)
class Bar:
    """A score as a bar with its interval as a whisker, in a box 100 wide."""

    start: float
    width: float
    low: float
    high: float


def bar(estimate: Estimate, *, floor: float = 0.0) -> Bar:
    """A bar from zero to the estimate; `floor` is the lowest value of any bar beside it, where one is below
    zero."""
    bottom = min(0.0, floor)

    def place(value: float) -> float:
        return round(100 * (min(max(value, bottom), 1.0) - bottom) / (1 - bottom), 2)

    ends = sorted((place(0.0), place(estimate.value)))
    return Bar(ends[0], round(ends[1] - ends[0], 2), place(estimate.low), place(estimate.high))
