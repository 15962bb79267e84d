"""Where values stand on the axes of charts, and which of them get a tick."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.chart.frame import Tick
from leaderboards.text import POINTS, Unit

MOST_TICKS = 8
LANE = 0.1
"""Share of an axis that stands before its first power of ten, for what costs nothing."""


@dataclass(frozen=True)
class LinearAxis:
    """An even axis: `low` is drawn at `start` and `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The place of a value, to a tenth."""
        share = (self.end - self.start) * (value - self.low) / (self.high - self.low)
        return round(self.start + share, 1)

    def within(self, value: float) -> float:
        """The place of a value; of one beyond an end, that end."""
        return self.at(min(max(value, self.low), self.high))

    def score_ticks(
        self, values: Sequence[float], *, sign: bool = False, unit: Unit = POINTS
    ) -> tuple[Tick, ...]:
        """Ticks at scores or gains, labelled in points or in the metric's unit."""
        return tuple(Tick(self.at(value), unit.tick(value, sign=sign)) for value in values)


@dataclass(frozen=True)
class LogAxis:
    """A logarithmic axis between two powers of ten, drawn from one place to another."""

    low: int
    high: int
    start: float
    end: float
    zero: bool = False
    """Whether zero has a place of its own, before the lower power."""

    def at(self, value: float) -> float:
        """The place of a value; what is not above zero is at the start, and what is beyond a power of an end
        is there."""
        if value <= 0:
            return self.start
        share = min(max((math.log10(value) - self.low) / (self.high - self.low), 0.0), 1.0)
        lane = LANE if self.zero else 0.0
        return self.start + (self.end - self.start) * (lane + (1 - lane) * share)

    def ticks(self) -> list[float]:
        """Powers of ten, with 2 and 5 between on a short axis, after zero where it has a place."""
        every = math.ceil((self.high - self.low) / MOST_TICKS)
        powers = range(self.low, self.high + 1, every)
        between = (1, 2, 5) if self.high - self.low <= 2 else (1,)
        values = [float(f"{step}e{power}") for power, step in itertools.product(powers, between)]
        return [0.0] * self.zero + [value for value in values if value <= float(f"1e{self.high}")]


def power_of(value: float) -> int:
    """The power of ten below a value, as its seven leading digits have it; 0 for what is not above zero."""
    return int(f"{value:.6e}".partition("e")[2]) if value > 0 else 0


def tenth(value: float) -> float:
    """A place rounded to a tenth, halves up, as JavaScript rounds."""
    return math.floor(10 * value + 0.5) / 10


def round_step(span: float, *, most: int, least: float) -> float:
    """The smallest step that goes into a span at most so often, of `least` and 2, 5,
    10, 20 … times as much."""
    step = least
    for factor in itertools.cycle((2, 2.5, 2)):
        if span / step <= most:
            break
        step *= factor
    return step


def nice_range(low: float, high: float) -> tuple[float, float, float]:
    """Ends and step of an axis of scores that holds both, and goes below zero for nothing but what is below
    zero."""
    span = max(high - low, 0.04)
    step = round_step(span, most=6, least=0.01)
    # A mark may stand a little outside, rather than an empty step be drawn for it.
    bottom, top = step * math.floor(low / step + 0.1), step * math.ceil(high / step - 0.1)
    if bottom < top:
        return bottom, top, step
    return (0.0, step, step) if top <= 0 <= low else (top - step, top, step)


def even_steps(low: float, high: float, step: float) -> list[float]:
    """The values from one end of an axis to the other that get a tick."""
    return [low + step * index for index in range(round((high - low) / step) + 1)]
