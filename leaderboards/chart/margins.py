"""Margins of two arms by label: histograms, the one arm's above its line and the other's below it."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records.analysis.boundary import ClassMargins, MarginsRecord
from harness.sweep.methods import Method
from leaderboards.chart.axes import LinearAxis, round_step
from leaderboards.chart.frame import LETTER, Tick
from leaderboards.text import chart_label, letters_wide

PLOT, RIGHT, STEP, HEAD, FOOT = 420.0, 104.0, 62, 14, 40
TALLEST = 26.0
"""Height of the highest bar of a row, on each side of its line."""

LONGEST_LABEL = 20
MOST_TICKS = 7


@dataclass(frozen=True)
class MarginBar:
    """Samples of about the same margin."""

    x: float
    y: float
    width: float
    height: float
    method: Method
    title: str


@dataclass(frozen=True)
class MarginRow:
    """The samples of one label."""

    y: float
    """Of the line between both arms."""

    name: str
    bars: tuple[MarginBar, ...]
    note: str


@dataclass(frozen=True)
class MarginChart:
    """Histograms below each other, on one axis of margins."""

    width: int
    height: int
    left: float
    right: float
    reach_left: float
    reach_width: float
    """The margins that are within reach of the boundary."""

    boundary: float
    ticks: tuple[Tick, ...]
    rows: tuple[MarginRow, ...]
    summary: str


def margin_chart(arms: Sequence[tuple[Method, str, MarginsRecord]], *, reach: float) -> MarginChart:
    """Draw the margins of one arm or two, each with its name; the last one stands above the lines."""
    labels = [row.label for row in arms[-1][2].classes]
    names = [chart_label(label or "All samples", "", LONGEST_LABEL).strip(" ·") for label in labels]
    left = max(70.0, LETTER * max(map(letters_wide, names)) + 14)
    edges = arms[-1][2].edges
    axis = LinearAxis(edges[0], edges[-1], left, left + PLOT)
    rows = []
    for place, (label, name) in enumerate(zip(labels, names, strict=True)):
        line = HEAD + STEP * (place + 0.5)
        bars: list[MarginBar] = []
        for arm, (method, title, record) in enumerate(arms):
            found = next((row for row in record.classes if row.label == label), None)
            if found is not None and found.n:
                above = arm == len(arms) - 1
                bars += _bars(found, record, axis, line, method, title, above=above)
        rows.append(MarginRow(line, name, tuple(bars), _note(arms[-1][2].classes[place])))
    step = round_step(2 * edges[-1], most=MOST_TICKS, least=1)
    last = int(edges[-1] // step)
    ticks = tuple(
        Tick(axis.at(step * number), _tick(round(step * number))) for number in range(-last, last + 1)
    )
    return MarginChart(
        round(left + PLOT + RIGHT),
        HEAD + STEP * len(rows) + FOOT,
        left,
        left + PLOT,
        axis.at(-reach),
        round(axis.at(reach) - axis.at(-reach), 1),
        axis.at(0.0),
        ticks,
        tuple(rows),
        "; ".join(_in_words(name, record) for _, name, record in arms),
    )


def _tick(value: int) -> str:
    return f"+{value}" if value > 0 else f"{value}".replace("-", "−")


def _note(row: ClassMargins) -> str:
    return f"{row.near:,} of {row.n:,} near"


def _bars(
    row: ClassMargins,
    record: MarginsRecord,
    axis: LinearAxis,
    line: float,
    method: Method,
    name: str,
    *,
    above: bool,
) -> list[MarginBar]:
    most = max(row.counts)
    bars = []
    for place, count in enumerate(row.counts):
        if not count:
            continue
        low, high = record.edges[place], record.edges[place + 1]
        start, end = axis.at(low), axis.at(high)
        height = round(max(1.5, TALLEST * count / most), 1)
        # What lies beyond the axis stands in its last bars.
        beyond = " and beyond" if place in (0, len(row.counts) - 1) else ""
        title = f"{name}, {low:+.1f} to {high:+.1f}{beyond}: {count:,} of {row.n:,}".replace("-", "−")
        y = round(line - 1 - height if above else line + 1, 1)
        bars.append(MarginBar(start, y, round(end - start - 0.8, 1), height, method, title))
    return bars


def _in_words(name: str, record: MarginsRecord) -> str:
    everything = record.classes[0]
    return (
        f"{name}: {everything.near:,} of {everything.n:,} samples within reach of the boundary, "
        f"{everything.n - everything.right:,} wrong"
    )
