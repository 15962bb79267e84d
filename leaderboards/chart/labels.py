"""Names beside the marks of a chart, each with a line that leads to its own mark."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaderboards.chart.frame import LETTER, Label
from leaderboards.text import letters_wide

LINE = 13.0
"""Height of a line of text."""

REACH = 6.0
"""From the middle of a mark to where a line from its label ends."""

DISTANCES = (11.0, 20.0, 32.0, 46.0, 62.0, 80.0)
"""Of a label from its mark; the nearest place that is free is taken."""

DIRECTIONS = (
    (-0.6, -0.8),
    (1.0, 0.0),
    (0.6, -0.8),
    (-1.0, 0.0),
    (0.0, -1.0),
    (0.6, 0.8),
    (-0.6, 0.8),
    (0.0, 1.0),
)
"""Where from its mark a label may stand, right and down. Above and left of a step, the staircase never is."""


class Box(NamedTuple):
    """A rectangle that something takes in a chart."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, box: "Box") -> bool:
        """Whether the two have any area in common."""
        return (
            self.left < box.right
            and box.left < self.right
            and self.top < box.bottom
            and box.top < self.bottom
        )

    def is_within(self, box: "Box") -> bool:
        """Whether it lies inside another one."""
        return (
            self.left >= box.left
            and self.right <= box.right
            and self.top >= box.top
            and self.bottom <= box.bottom
        )


@dataclass(frozen=True)
class Named:
    """A mark that should have its name beside it."""

    x: float
    y: float
    text: str

    @property
    def box(self) -> Box:
        """The room that the mark takes."""
        return Box(self.x - REACH, self.y - REACH, self.x + REACH, self.y + REACH)


def place_labels(wanted: Sequence[Named], taken: Iterable[Box], *, within: Box) -> list[Label]:
    """Put each name as near to its mark as there is room, in the order given: over nothing that is `taken`,
    no other name and no line that leads to one. A name that has no room is left out.
    """
    occupied = [*taken]
    labels = []
    for mark in wanted:
        # What touches the mark belongs to it: its interval, and the steps that end there.
        others = [box for box in occupied if not box.meets(mark.box)]
        for place in _places(mark):
            covers = any(place.box.meets(box) for box in occupied)
            crosses = any(point.meets(box) for point, box in itertools.product(place.line, others))
            if place.box.is_within(within) and not covers and not crosses:
                occupied += [place.box, *place.line]
                labels.append(place.label)
                break
    return labels


class _Place(NamedTuple):
    """Where a name may stand, and the room that it and its line take."""

    label: Label
    box: Box
    line: list[Box]


def _places(mark: Named) -> Iterator[_Place]:
    """The places around a mark, the nearest first."""
    length = LETTER * letters_wide(mark.text)
    for distance, (right, down) in itertools.product(DISTANCES, DIRECTIONS):
        x, y = mark.x + distance * right, mark.y + distance * down
        anchor = "middle" if right == 0 else ("start" if right > 0 else "end")
        start = x - length * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        # The line ends at half the height of a name beside its mark, else at its lower or upper edge.
        baseline = y + {0: 4.0, -1: -2.0, 1: LINE - 2}[(down > 0) - (down < 0)]
        near_x, near_y = mark.x + REACH * right, mark.y + REACH * down
        yield _Place(
            Label(
                round(x, 1),
                round(baseline, 1),
                mark.text,
                anchor,
                f"M{near_x:.1f} {near_y:.1f}L{x:.1f} {y:.1f}",
            ),
            Box(start, baseline - LINE + 3, start + length, baseline + 3),
            _points_between(near_x, near_y, x, y),
        )


def _points_between(x: float, y: float, end_x: float, end_y: float) -> list[Box]:
    """Small boxes along a line, but for its end."""
    count = max(1, round(math.hypot(end_x - x, end_y - y) / 4))
    steps = [step / count for step in range(count)]
    middles = [(x + (end_x - x) * share, y + (end_y - y) * share) for share in steps]
    return [Box(across - 1, along - 1, across + 1, along + 1) for across, along in middles]
