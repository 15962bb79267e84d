"""The part of the page that says whether an arm's confidence can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from harness.records.analysis import AnalysisRecord, CalibrationRecord
from harness.sweep.methods import Method
from leaderboards.chart.calibration import ShareChart, coverage, reliability
from leaderboards.pages.grid import Column, Grid, GridRow, Head, Item
from leaderboards.pages.why_page.sections import method_of, span_item, title_of
from leaderboards.rank.standings import SIGNIFICANT
from leaderboards.text import points


@dataclass(frozen=True)
class CalibrationSection:
    """Confidence against accuracy."""

    names: tuple[tuple[Method, str], ...]
    reliability: ShareChart
    coverage: ShareChart
    summary: Grid
    bins: Grid
    shares: Grid


def calibration_section(record: AnalysisRecord) -> CalibrationSection | None:
    """Whether confidence can be believed; None where no choices are weighed."""
    wanted = (record.reference, record.judged)
    shown = [
        (method, title_of(one.arm), one)
        for one in record.calibration
        if one.arm in wanted and (method := method_of(one.arm)) is not None
    ]
    if not shown:
        return None
    return CalibrationSection(
        tuple((method, name) for method, name, _ in shown),
        reliability(shown),
        coverage(shown),
        _calibration_grid(shown),
        _bins_grid(shown),
        _coverage_grid(shown),
    )


_Calibrations = Sequence[tuple[Method, str, CalibrationRecord]]


def _calibration_grid(shown: _Calibrations) -> Grid:
    columns = (
        Column("Confidence", "Mean probability of its choice."),
        Column("Right", "Share of its answers."),
        Column("Too sure by", "Confidence minus accuracy, with its 95 % interval."),
        Column("Calibration error", "Expected calibration error over ten bins.", about="analysis"),
    )
    lines = tuple(
        GridRow(
            Head(name, method=method),
            (
                Item(points(one.confidence), sort=one.confidence),
                Item(points(one.accuracy), sort=one.accuracy),
                span_item(one.surplus, sign=True, tone="bad" if one.p < SIGNIFICANT else "muted"),
                Item(points(one.error), sort=one.error),
            ),
        )
        for method, name, one in shown
    )
    return Grid("Confidence and accuracy", Column("Arm"), columns, lines)


def _bins_grid(shown: _Calibrations) -> Grid:
    columns = (Column("Confidence"), Column("Answers"), Column("Right"))
    lines = chain.from_iterable(
        (
            GridRow(
                Head(name, method=method),
                (
                    Item(f"{100 * one.low:.0f}–{100 * one.high:.0f} %", sort=one.low),
                    Item(f"{one.n:,}", sort=one.n),
                    span_item(one.accuracy),
                ),
            )
            for one in record.bins
        )
        for method, name, record in shown
    )
    return Grid("Right answers by confidence", Column("Arm"), columns, tuple(lines))


def _coverage_grid(shown: _Calibrations) -> Grid:
    columns = [Column(f"{name}, right") for _, name, _ in shown]
    columns += [
        Column(f"{name}, at least", "Confidence of the least sure of them.", narrow=False)
        for _, name, _ in shown
    ]
    lines = []
    for place, point in enumerate(shown[0][2].coverage):
        at = [record.coverage[place] for _, _, record in shown]
        items = [span_item(one.accuracy) for one in at]
        items += [Item(f"{100 * one.threshold:.0f} %", sort=one.threshold) for one in at]
        lines.append(GridRow(Head(f"{100 * point.coverage:.0f} %"), tuple(items)))
    return Grid(
        "Right answers among those that an arm is surest of", Column("Answered"), tuple(columns), tuple(lines)
    )
