"""What all charts are drawn in: a box with ticks and labels."""

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
    leader: str = ""
    """The path of a line from the mark that it names; empty where none is drawn."""
