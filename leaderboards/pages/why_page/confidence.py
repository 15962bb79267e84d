"""The part of the page that says whether an arm's confidence can be believed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from harness.records.analysis.errors import CalibrationRecord
from harness.records.analysis.record import AnalysisRecord
from harness.sweep.methods import Method
from leaderboards.chart.calibration import ShareChart, coverage, reliability
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item
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
    calibrations = [
        (method, title_of(calibration.arm), calibration)
        for calibration in record.calibration
        if calibration.arm in wanted and (method := method_of(calibration.arm)) is not None
    ]
    if not calibrations:
        return None
    return CalibrationSection(
        tuple((method, name) for method, name, _ in calibrations),
        reliability(calibrations),
        coverage(calibrations),
        _calibration_grid(calibrations),
        _bins_grid(calibrations),
        _coverage_grid(calibrations),
    )


_Calibrations = Sequence[tuple[Method, str, CalibrationRecord]]


def _calibration_grid(calibrations: _Calibrations) -> Grid:
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
                Item(points(calibration.confidence), sort=calibration.confidence),
                Item(points(calibration.accuracy), sort=calibration.accuracy),
                span_item(
                    calibration.surplus, sign=True, tone="bad" if calibration.p < SIGNIFICANT else "muted"
                ),
                Item(points(calibration.error), sort=calibration.error),
            ),
        )
        for method, name, calibration in calibrations
    )
    return Grid("Confidence and accuracy", Column("Arm"), columns, lines)


def _bins_grid(calibrations: _Calibrations) -> Grid:
    columns = (Column("Confidence"), Column("Answers"), Column("Right"))
    lines = chain.from_iterable(
        (
            GridRow(
                Head(name, method=method),
                (
                    Item(f"{100 * each_bin.low:.0f}–{100 * each_bin.high:.0f} %", sort=each_bin.low),
                    Item(f"{each_bin.n:,}", sort=each_bin.n),
                    span_item(each_bin.accuracy),
                ),
            )
            for each_bin in record.bins
        )
        for method, name, record in calibrations
    )
    return Grid("Right answers by confidence", Column("Arm"), columns, tuple(lines))


def _coverage_grid(calibrations: _Calibrations) -> Grid:
    columns = [Column(f"{name}, right") for _, name, _ in calibrations]
    columns += [
        Column(f"{name}, at least", "Confidence of the least sure of them.", narrow=False)
        for _, name, _ in calibrations
    ]
    lines = []
    for place, point in enumerate(calibrations[0][2].coverage):
        at = [record.coverage[place] for _, _, record in calibrations]
        items = [span_item(point_of_arm.accuracy) for point_of_arm in at]
        items += [
            Item(f"{100 * point_of_arm.threshold:.0f} %", sort=point_of_arm.threshold) for point_of_arm in at
        ]
        lines.append(GridRow(Head(f"{100 * point.coverage:.0f} %"), tuple(items)))
    return Grid(
        "Right answers among those that an arm is surest of", Column("Answered"), tuple(columns), tuple(lines)
    )
