"""Paired differences of two rows below each other, task by task:
a forest plot that a script can draw anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboards.chart.axes import LinearAxis, even_steps, nice_range
from leaderboards.chart.frame import LETTER, Tick
from leaderboards.text import Unit, letters_wide

PLOT, LINE, TOP, FOOT, VALUE = 380, 28, 22, 34, 64
"""Pixels: the width of the whiskers' part, the height of a row, above the first, below the last, and right
of the whiskers, for the values."""


@dataclass(frozen=True)
class DifferenceShares:
    """A difference and its interval, as shares of the scale."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DifferenceLine:
    """What stands in a row."""

    name: str
    shares: DifferenceShares | None
    """None where the two share nothing."""

    text: str
    tone: Literal["", "muted", "good", "bad"]


@dataclass(frozen=True)
class DrawnDifference:
    """A row: a whisker with a mark, or neither."""

    y: float
    name: str
    text: str
    tone: str
    drawn: bool
    x: float
    low: float
    high: float


@dataclass(frozen=True)
class DifferenceForest:
    """Differences below each other on an axis that holds them and zero."""

    width: int
    height: int
    left: float
    right: float
    ticks: tuple[Tick, ...]
    zero: float
    lines: tuple[DrawnDifference, ...]
    summary: str


def difference_forest(lines: Sequence[DifferenceLine], unit: Unit) -> DifferenceForest:
    """Draw differences. `unit`: of the axis; points where the rows have several."""
    shares = [line.shares for line in lines if line.shares is not None]
    bottom, top, step = nice_range(
        min([0.0, *(share.low for share in shares)]), max([0.0, *(share.high for share in shares)])
    )
    left = max(96.0, LETTER * max((letters_wide(line.name) for line in lines), default=0.0) + 12)
    axis = LinearAxis(bottom, top, left, left + PLOT)
    return DifferenceForest(
        round(left) + PLOT + VALUE,
        TOP + LINE * len(lines) + FOOT,
        round(left, 1),
        round(left + PLOT, 1),
        axis.score_ticks(even_steps(bottom, top, step), sign=True, unit=unit),
        axis.at(0.0),
        tuple(_drawn(line, TOP + LINE * (place + 0.5), axis) for place, line in enumerate(lines)),
        "; ".join(f"{line.name} {line.text}" for line in lines),
    )


def _drawn(line: DifferenceLine, y: float, axis: LinearAxis) -> DrawnDifference:
    shares = line.shares or DifferenceShares(0.0, 0.0, 0.0)
    return DrawnDifference(
        y,
        line.name,
        line.text,
        line.tone,
        line.shares is not None,
        axis.within(shares.value),
        axis.within(shares.low),
        axis.within(shares.high),
    )
