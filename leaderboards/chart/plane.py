"""A map of hidden states: test samples as marks on the regions of a classifier."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.records.analysis.boundary import MapMark, MapRecord
from leaderboards.text import shortened

SIDE = 380
"""Width and height of the map."""

SIZE = 4.6
"""Radius of a mark."""

NUMBER_ROOM = 16.0
"""Between two numbers that can be read apart."""

LONGEST_ID = 40
"""Characters of a sample's name."""

MOST_MARKS = 200
"""Marks of a map; of more samples, the named ones and the first of the others."""


def _polygon(corners: int, turn: float, inner: float = 1.0) -> str:
    """A regular polygon, or with `inner` below 1 a star, as an SVG path about the origin."""
    count = corners if inner == 1.0 else 2 * corners
    points = []
    for number in range(count):
        radius = SIZE * (1.15 if inner == 1.0 or number % 2 == 0 else 1.25 * inner)
        angle = math.radians(turn) + 2 * math.pi * number / count
        points.append(f"{radius * math.sin(angle):.1f} {-radius * math.cos(angle):.1f}")
    return f"M{'L'.join(points)}Z"


def _cross() -> str:
    arm, half = SIZE * 1.15, SIZE * 0.42
    return (
        f"M{-half:.1f} {-arm:.1f}H{half:.1f}V{-half:.1f}H{arm:.1f}V{half:.1f}H{half:.1f}V{arm:.1f}"
        f"H{-half:.1f}V{half:.1f}H{-arm:.1f}V{-half:.1f}H{-half:.1f}Z"
    )


SHAPES = (
    f"M{-SIZE} 0a{SIZE} {SIZE} 0 1 0 {2 * SIZE} 0a{SIZE} {SIZE} 0 1 0 {-2 * SIZE} 0Z",
    _polygon(4, 45),
    _polygon(3, 0),
    _polygon(4, 0),
    _polygon(3, 180),
    _cross(),
    _polygon(5, 0, 0.5),
    _polygon(6, 0),
    _polygon(3, 90),
    _polygon(4, 45, 0.4),
    _polygon(3, 270),
    _polygon(5, 180),
)
"""Shapes of labels, told apart without colours."""


@dataclass(frozen=True)
class MarkName:
    """The number of a named sample, beside its mark."""

    number: int
    x: float
    y: float
    href: str
    """Where the sample is shown; empty where it is not."""


@dataclass(frozen=True)
class PlaneMark:
    """A test sample."""

    x: float
    y: float
    shape: int
    """Place among `SHAPES`."""

    style: str
    """Classes of stylesheets: its label, and whether the answer is right."""

    title: str
    named: MarkName | None


@dataclass(frozen=True)
class PlaneRegion:
    """Where the classifier says a label."""

    points: str
    label: int
    title: str


@dataclass(frozen=True)
class PlaneChart:
    """A map."""

    width: int
    height: int
    regions: tuple[PlaneRegion, ...]
    marks: tuple[PlaneMark, ...]
    x_title: str
    y_title: str
    summary: str


def plane_chart(record: MapRecord, names: Mapping[str, tuple[int, str]], *, summary: str) -> PlaneChart:
    """Draw a map. `names`: of the samples that are named, by id, the number and where they are shown."""
    span_x, span_y = (high - low for low, high in zip(record.low, record.high, strict=True))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(SIDE * (x - record.low[0]) / span_x, 1),
            round(SIDE * (record.high[1] - y) / span_y, 1),
        )

    regions = [
        PlaneRegion(
            " ".join(f"{x},{y}" for x, y in (place(*point) for point in region.points)),
            region.label,
            f"here the classifier says {record.labels[region.label]}",
        )
        for region in record.regions
    ]
    # The named ones last, so that they lie above the others.
    others = [mark for mark in record.marks if mark.sample not in names]
    named = [mark for mark in record.marks if mark.sample in names]
    marks = []
    labelled: list[tuple[float, float]] = []
    for mark in [*others[: MOST_MARKS - len(named)], *named]:
        x, y = place(mark.x, mark.y)
        name = None
        if mark.sample in names:
            number, href = names[mark.sample]
            labelled.append(_free_place(x, y, labelled))
            name = MarkName(number, *labelled[-1], href)
        marks.append(_mark(record, mark, x, y, name))
    return PlaneChart(SIDE, SIDE, tuple(regions), tuple(marks), *_axis_titles(record), summary)


def _mark(record: MapRecord, mark: MapMark, x: float, y: float, name: MarkName | None) -> PlaneMark:
    has_label = bool(record.labels) and mark.label >= 0
    label = record.labels[mark.label] if has_label else ""
    right = "right" if mark.right else "wrong"
    style = f"class-{mark.label} {right}" if has_label else f"no-class {right}"
    title = ", ".join(part for part in (shortened(mark.sample, LONGEST_ID), label, right) if part)
    return PlaneMark(x, y, mark.label if has_label else 0, style, title, name)


def _free_place(x: float, y: float, others: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Where a number beside a mark is furthest from the others' numbers."""
    left = -18.0
    places = [(x + right, y + down) for right, down in ((7, -4), (7, 12), (left, -4), (left, 12))]
    inside = [(at_x, at_y) for at_x, at_y in places if 0 <= at_x <= SIDE - 14 and 10 <= at_y <= SIDE]

    def room(at: tuple[float, float]) -> float:
        nearest = min((max(abs(at[0] - x), abs(at[1] - y)) for x, y in others), default=NUMBER_ROOM)
        return min(nearest, NUMBER_ROOM)

    at_x, at_y = max(inside or places, key=room)
    return round(at_x, 1), round(at_y, 1)


def _axis_titles(record: MapRecord) -> tuple[str, str]:
    first, second = (f"{100 * share:.0f} %" for share in record.shares)
    if record.projection == "pca":
        return f"{first} of the variance", f"{second} of the variance"
    # Two labels are parted by one axis.
    rest = f"{second} of what parts the labels" if record.shares[1] else "the most variance of the rest"
    return f"{first} of what parts the labels", rest
