"""How many samples changed their score by how much: a histogram on both sides of zero."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.counts import count_of
from leaderboards.chart.axes import LinearAxis
from leaderboards.chart.frame import Frame, Tick
from leaderboards.text import POINTS, Unit

WIDTH, HEIGHT = 544, 240
LEFT, RIGHT, TOP, BOTTOM = 40.0, 520.0, 16.0, 190.0
BARS = 10
"""On each side of zero."""

STEPS = (0.1, 0.2, 0.5, 1.0)
"""What the axis may reach on each side, as a share of the scale."""


@dataclass(frozen=True)
class HistogramBar:
    """Samples whose change is between two ends."""

    x: float
    width: float
    y: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True)
class Histogram:
    """Samples by change of score."""

    frame: Frame
    zero: float
    bars: tuple[HistogramBar, ...]
    summary: str


def change_histogram(gains: Sequence[float], *, unit: Unit = POINTS) -> Histogram | None:
    """Draw the changes of samples' scores, from −1 to 1; those that did not change stand in the
    summary alone. None where none changed."""
    moved = [gain for gain in gains if gain]
    if not moved:
        return None
    reach = next(step for step in STEPS if max(map(abs, moved)) <= step or step == STEPS[-1])
    step = reach / BARS
    counts = [0] * (2 * BARS)
    for gain in moved:
        # The bar that ends at the change, seen from zero.
        place = min(BARS - 1, math.ceil(round(abs(gain) / step, 9)) - 1)
        counts[BARS + place if gain > 0 else BARS - 1 - place] += 1
    x = LinearAxis(-reach, reach, LEFT, RIGHT)
    most = max(counts)
    y = LinearAxis(0, most, BOTTOM, TOP)
    bars = tuple(_bar(place, count, step, reach, x, y, unit) for place, count in enumerate(counts) if count)
    better = sum(gain > 0 for gain in moved)
    summary = (
        f"Samples by change of score: {better:,} better, {len(moved) - better:,} worse, "
        f"{len(gains) - len(moved):,} the same. {'; '.join(bar.title for bar in bars)}"
    )
    x_ticks = tuple(
        Tick(x.at(share * reach), unit.tick(share * reach, sign=True)) for share in (-1, -0.5, 0, 0.5, 1)
    )
    y_ticks = tuple(Tick(y.at(count), f"{count:,}") for count in sorted({0, most // 2, most}))
    return Histogram(
        Frame(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, x_ticks, y_ticks), x.at(0.0), bars, summary
    )


def _bar(
    place: int, count: int, step: float, reach: float, x: LinearAxis, y: LinearAxis, unit: Unit
) -> HistogramBar:
    low = place * step - reach
    ends = " to ".join(unit.tick(end, sign=True) for end in (low, low + step))
    start, top = x.at(low), y.at(count)
    return HistogramBar(
        round(start + 1, 1),
        round(x.at(low + step) - start - 2, 1),
        top,
        round(BOTTOM - top, 1),
        "good" if place >= BARS else "bad",
        f"{count_of(count, 'sample')} by {ends}",
    )
