"""What all charts are drawn in: frames, ticks and round numbers."""

import math
from dataclasses import dataclass

LETTER = 6.3
"""Width of a letter of a label, about."""


@dataclass(frozen=True)
class Tick:
    """A place on an axis with its label."""

    at: float
    label: str


@dataclass(frozen=True)
class Frame:
    """The box of a chart and its axes."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


@dataclass(frozen=True)
class Label:
    """Text in a chart."""

    x: float
    y: float
    text: str
    anchor: str


def nice_range(low: float, high: float) -> tuple[float, float, float]:
    """Ends and step of an axis of scores that holds both, and goes below zero for nothing but what is below
    zero."""
    span = max(high - low, 0.04)
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if span / step <= 6)
    # A mark may stand a little outside, rather than an empty step be drawn for it.
    bottom, top = step * math.floor(low / step + 0.1), step * math.ceil(high / step - 0.1)
    if bottom < top:
        return bottom, top, step
    return (0.0, step, step) if top <= 0 <= low else (top - step, top, step)


def score_steps(low: float, high: float, step: float) -> list[float]:
    return [low + step * index for index in range(round((high - low) / step) + 1)]
