"""Estimates below each other with their intervals: a forest plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.chart.axes import LinearAxis, even_steps, nice_range
from leaderboards.chart.frame import LETTER, Tick
from leaderboards.text import POINTS, Unit, letters_wide, with_interval

FOREST_STEP = 0.25
"""Between two ticks of a forest chart of scores."""

MOST_STEPS = 16
"""Of a metric without bounds; beyond them a step is twice as long."""


@dataclass(frozen=True)
class ForestLine:
    """One method of a forest chart: a whisker with a mark."""

    y: float
    low: float
    high: float
    x: float
    method: Method
    name: str
    value: str


@dataclass(frozen=True)
class Forest:
    """Intervals below each other: how each method scores on one task, or what it gains on each model."""

    width: int
    height: int
    ticks: tuple[Tick, ...]
    level: float | None
    """Where a broken line stands."""

    level_name: str
    lines: tuple[ForestLine, ...]
    summary: str


@dataclass(frozen=True)
class _Layout:
    """Room in a forest chart beside its names."""

    plot: int
    """Width of the whiskers' part."""

    line: int
    """Height of a row."""

    margin: int
    """Right of the whiskers, for the values."""

    foot: int
    """Below the last row, for the ticks."""


_SCORES, _GAINS = _Layout(334, 30, 50, 36), _Layout(300, 26, 56, 40)


def forest(rows: Sequence[tuple[Method, str, Estimate]], *, chance: float, unit: Unit = POINTS) -> Forest:
    """Draw the methods of one model on one task, on a scale from the worst to the best score that goes as far
    below as they do."""
    low, high = (
        min([0.0, *(score.low for _, _, score in rows)]),
        max([1.0, *(score.high for _, _, score in rows)]),
    )
    step = FOREST_STEP
    while (high - low) / step > MOST_STEPS:
        step *= 2
    values = [step * tick for tick in range(math.floor(low / step), math.ceil(high / step) + 1)]
    ends = values[0], values[-1]
    return _forest(rows, ends, values, _SCORES, level=chance or None, level_name="Chance", unit=unit)


def gain_forest(rows: Sequence[tuple[Method, str, Estimate]], *, unit: Unit = POINTS) -> Forest:
    """Draw gains, one line per model, on a scale that holds them and zero."""
    low, high = min(0.0, *(gain.low for _, _, gain in rows)), max(0.0, *(gain.high for _, _, gain in rows))
    bottom, top, step = nice_range(low, high)
    values = even_steps(bottom, top, step)
    return _forest(rows, (bottom, top), values, _GAINS, level=0.0, level_name="No gain", sign=True, unit=unit)


def _forest(
    rows: Sequence[tuple[Method, str, Estimate]],
    ends: tuple[float, float],
    values: Sequence[float],
    layout: _Layout,
    *,
    level: float | None,
    level_name: str,
    sign: bool = False,
    unit: Unit = POINTS,
) -> Forest:
    """A whisker per row on an axis between `ends`; `values` get a tick. `sign`: of gains."""
    longest = max((letters_wide(name) for _, name, _ in rows), default=0.0)
    left = max(96.0, LETTER * longest + 18)
    right = left + layout.plot
    axis = LinearAxis(*ends, left, right)
    lines = [
        ForestLine(
            24 + layout.line * index,
            axis.within(estimate.low),
            axis.within(estimate.high),
            axis.within(estimate.value),
            method,
            name,
            unit.write(estimate.value, sign=sign),
        )
        for index, (method, name, estimate) in enumerate(rows)
    ]
    return Forest(
        round(right) + layout.margin,
        layout.line * len(rows) + layout.foot,
        axis.score_ticks(values, sign=sign, unit=unit),
        None if level is None else axis.at(level),
        level_name,
        tuple(lines),
        "; ".join(f"{name} {with_interval(estimate, sign=sign, unit=unit)}" for _, name, estimate in rows),
    )
