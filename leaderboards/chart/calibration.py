"""Confidence against accuracy, and accuracy against coverage."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records.analysis.errors import CalibrationRecord
from harness.records.analysis.span import Span
from harness.sweep.methods import Method
from leaderboards.chart.axes import LinearAxis
from leaderboards.chart.frame import Frame, Tick

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 44.0, 344.0, 14.0, 252.0
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class SharePoint:
    """A share with its interval."""

    x: float
    y: float
    low: float
    high: float
    title: str


@dataclass(frozen=True)
class ShareLine:
    """What one arm comes to."""

    method: Method
    points: str
    """SVG points."""

    marks: tuple[SharePoint, ...]


@dataclass(frozen=True)
class ShareChart:
    """Shares against shares, both from 0 to 1."""

    frame: Frame
    x_title: str
    y_title: str
    diagonal: bool
    """Whether a line stands where both are equal."""

    lines: tuple[ShareLine, ...]
    summary: str


def reliability(records: Sequence[tuple[Method, str, CalibrationRecord]]) -> ShareChart:
    """Accuracy against confidence, by bin; on the diagonal an arm is calibrated."""
    lines = [
        (
            method,
            [(each_bin.confidence, each_bin.accuracy, f"{each_bin.n:,} answers") for each_bin in record.bins],
        )
        for method, _, record in records
    ]
    summary = "; ".join(
        f"{name}: {100 * record.confidence:.0f} % sure, {100 * record.accuracy:.0f} % right"
        for _, name, record in records
    )
    return _chart(lines, "confidence →", "↑ right answers", summary, diagonal=True)


def coverage(records: Sequence[tuple[Method, str, CalibrationRecord]]) -> ShareChart:
    """Accuracy of the answers that an arm is surest of, against their share of all."""
    lines = [
        (
            method,
            [
                (point.coverage, point.accuracy, f"at least {100 * point.threshold:.0f} % sure")
                for point in record.coverage
            ],
        )
        for method, _, record in records
    ]
    summary = "; ".join(
        f"{name}: {100 * record.coverage[0].accuracy.value:.0f} % of the surest tenth are right, "
        f"{100 * record.coverage[-1].accuracy.value:.0f} % of all"
        for _, name, record in records
    )
    return _chart(lines, "share answered →", "↑ right answers", summary, diagonal=False)


def _chart(
    lines: Sequence[tuple[Method, Sequence[tuple[float, Span, str]]]],
    x_title: str,
    y_title: str,
    summary: str,
    *,
    diagonal: bool,
) -> ShareChart:
    x, y = LinearAxis(0.0, 1.0, LEFT, RIGHT), LinearAxis(0.0, 1.0, BOTTOM, TOP)
    frame = Frame(
        WIDTH,
        HEIGHT,
        LEFT,
        RIGHT,
        TOP,
        BOTTOM,
        tuple(Tick(x.at(value), f"{100 * value:.0f}") for value in TICKS),
        tuple(Tick(y.at(value), f"{100 * value:.0f}") for value in TICKS),
    )
    drawn = []
    for method, values in lines:
        marks = tuple(
            SharePoint(
                x.at(share),
                y.at(span.value),
                y.at(span.low),
                y.at(span.high),
                f"{100 * share:.0f} %: {100 * span.value:.1f} % right, {note}",
            )
            for share, span, note in values
        )
        drawn.append(ShareLine(method, " ".join(f"{mark.x},{mark.y}" for mark in marks), marks))
    return ShareChart(frame, x_title, y_title, diagonal, tuple(drawn), summary)
