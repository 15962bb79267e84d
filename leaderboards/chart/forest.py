"""Estimates below each other with their intervals: a forest plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.chart.frame import LETTER, Tick, nice_range, score_steps
from leaderboards.text import letters_wide, points, with_interval

FOREST_STEP = 0.25
"""Between two ticks of a forest chart of scores."""


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


def forest(rows: Sequence[tuple[Method, str, Estimate]], *, chance: float) -> Forest:
    """Draw the methods of one model on one task, on a scale from 0 to 100 that goes as far below as they
    do."""
    longest = max((letters_wide(name) for _, name, _ in rows), default=0.0)
    left, step = max(96.0, LETTER * longest + 12), 30
    right = left + 334.0
    first = math.floor(min([0.0, *(one.low for _, _, one in rows)]) / FOREST_STEP)
    last = math.ceil(max([1.0, *(one.high for _, _, one in rows)]) / FOREST_STEP)

    def x_of(value: float) -> float:
        return round(left + (right - left) * (value / FOREST_STEP - first) / (last - first), 1)

    lines = [
        ForestLine(
            24 + step * index,
            x_of(one.low),
            x_of(one.high),
            x_of(one.value),
            method,
            name,
            f"{points(one.value)}",
        )
        for index, (method, name, one) in enumerate(rows)
    ]
    return Forest(
        round(right) + 50,
        step * len(rows) + 36,
        tuple(
            Tick(x_of(FOREST_STEP * tick), points(FOREST_STEP * tick).removesuffix(".0"))
            for tick in range(first, last + 1)
        ),
        x_of(chance) if chance else None,
        "Chance",
        tuple(lines),
        "; ".join(f"{name} {with_interval(one)}" for _, name, one in rows),
    )


def gain_forest(rows: Sequence[tuple[Method, str, Estimate]]) -> Forest:
    """Draw gains, a line a model, on a scale that holds them and zero."""
    longest = max(letters_wide(name) for _, name, _ in rows)
    left, step = max(96.0, LETTER * longest + 12), 26
    right = left + 300.0
    low, high = min(0.0, *(one.low for _, _, one in rows)), max(0.0, *(one.high for _, _, one in rows))
    bottom, top, unit = nice_range(low, high)

    def x_of(value: float) -> float:
        return round(left + (right - left) * (min(max(value, bottom), top) - bottom) / (top - bottom), 1)

    lines = [
        ForestLine(
            24 + step * index,
            x_of(one.low),
            x_of(one.high),
            x_of(one.value),
            method,
            name,
            points(one.value, sign=True),
        )
        for index, (method, name, one) in enumerate(rows)
    ]
    return Forest(
        round(right) + 56,
        step * len(rows) + 40,
        tuple(
            Tick(x_of(value), points(value, sign=True).removesuffix(".0"))
            for value in score_steps(bottom, top, unit)
        ),
        x_of(0.0),
        "No gain",
        tuple(lines),
        "; ".join(f"{name} {with_interval(one, sign=True)}" for _, name, one in rows),
    )
