"""How a board's best score, and what it costs, went from one published table to the next."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leaderboards.chart.axes import LinearAxis
from leaderboards.chart.frame import Frame, Tick

WIDTH, HEIGHT = 320, 126
LEFT, RIGHT, TOP, BOTTOM = 48.0, 306.0, 10.0, 104.0
PAD = 0.15
"""Of the span of the values, the air above and below them."""


@dataclass(frozen=True)
class TrendMark:
    """A table of the history."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class Trend:
    """One quantity over the tables of the history."""

    title: str
    last: str
    """Its last value."""

    frame: Frame
    line: str
    """The points of a polyline."""

    marks: tuple[TrendMark, ...]
    summary: str
    """The chart in words."""


def trend(
    title: str, tables: Sequence[tuple[str, float | None]], write: Callable[[float], str]
) -> Trend | None:
    """Draw one value per table, oldest first, each with the name of its table; None for fewer than two.

    A table without the value has a gap's place, over which the line goes on.
    """
    known = [(place, name, value) for place, (name, value) in enumerate(tables) if value is not None]
    if len(known) < 2:
        return None
    values = [value for _, _, value in known]
    low, high = min(values), max(values)
    air = PAD * (high - low) or PAD * abs(high) or 1.0
    x = LinearAxis(0, len(tables) - 1, LEFT, RIGHT)
    y = LinearAxis(low - air, high + air, BOTTOM, TOP)
    marks = tuple(
        TrendMark(x.at(place), y.at(value), f"{name}: {write(value)}") for place, name, value in known
    )
    ends = [(known[0][0], known[0][1]), (known[-1][0], known[-1][1])]
    levels = sorted({low, high}) if not math.isclose(low, high) else [low]
    return Trend(
        title,
        write(values[-1]),
        Frame(
            WIDTH,
            HEIGHT,
            LEFT,
            RIGHT,
            TOP,
            BOTTOM,
            tuple(Tick(x.at(place), name) for place, name in ends),
            tuple(Tick(y.at(value), write(value)) for value in levels),
        ),
        " ".join(f"{mark.x:g},{mark.y:g}" for mark in marks),
        marks,
        f"{title} over {len(tables)} tables: from {write(values[0])} to {write(values[-1])}, between "
        f"{write(low)} and {write(high)}.",
    )
