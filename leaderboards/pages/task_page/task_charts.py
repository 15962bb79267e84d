"""The pictures of a task's page:
who scores what, what more training samples bring, and which samples changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.statistics.scaling import Point, PredictedLoss, accept_then_stop, fit_law
from harness.sweep.methods import METHODS
from leaderboards.chart.changes import Histogram, change_histogram
from leaderboards.chart.forest import Forest, forest
from leaderboards.chart.learning import LearningCurve, learning_curve
from leaderboards.chart.loss import LossByBudget, loss_chart
from leaderboards.gathered import Site
from leaderboards.pages.parts.heads import short_name
from leaderboards.pages.samples_page.arms import Arms
from leaderboards.pages.samples_page.strip import StripRow, sample_strip
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.cells import Cell
from leaderboards.rank.tables import Row
from leaderboards.text import Unit, chart_label

MOST_DRAWN = 36
"""Arms of the forest: those of the best models."""

MOST_CURVES = 5
"""Candidates of a learning curve, the best ones."""

LONGEST_LABEL = 30
"""Letters of a candidate beside a chart; beside the end of a curve there is room for fewer."""

LONGEST_END = 17

AHEAD = (2, 4)
"""How many times the largest budget losses are predicted for."""


@dataclass(frozen=True)
class TaskCharts:
    """What is drawn of a task."""

    forest: Forest
    left_out: int
    """Arms that are in the ranking alone."""

    curve: LearningCurve | None
    """None where one budget was trained."""

    loss: LearningCurve | None
    """None where no loss can be predicted."""

    strip: tuple[StripRow, ...]
    pair: str
    """Which arms the strip is of."""

    histogram: Histogram | None
    """None of answers that are right or wrong."""


def task_charts(site: Site, arms: Arms, rows: Sequence[Row]) -> TaskCharts:
    """Draw a task. `rows`: those that have it, best first."""
    card, unit = site.table.tasks[arms.task], Unit.of(site.table.tasks[arms.task])
    scored = [row for row in rows if row.cells[arms.task].estimate]
    drawn = _by_model(scored)[:MOST_DRAWN]
    lines = [
        (row.method, _label(row, arms.task), estimate)
        for row in drawn
        if (estimate := row.cells[arms.task].estimate)
    ]
    return TaskCharts(
        forest(lines, chance=card.chance, unit=unit),
        len(scored) - len(drawn),
        _learning(site, arms.task, scored, unit),
        _losses(site, arms.task, scored),
        sample_strip(arms),
        " to ".join(arm.row.label for arm in arms.pair if arm.row) if arms.pair else "",
        change_histogram([arms.gain(sample) for sample in arms.ids], unit=unit) if arms.graded else None,
    )


def _by_model(rows: Sequence[Row]) -> list[Row]:
    """All arms of the best model, from untuned to tuned, then those of the next."""
    models = list(dict.fromkeys(row.name for row in rows))
    return sorted(rows, key=lambda row: (models.index(row.name), METHODS.index(row.method)))


def _label(row: Row, task: str) -> str:
    label = chart_label(row.name, row.method_name, LONGEST_LABEL)
    return f"{label} (!)" if row.cells[task].flag else label


def _curves(site: Site, task: str, rows: Sequence[Row]) -> list[tuple[Row, dict[int, Cell]]]:
    """The best candidates that were trained on several budgets, with a cell for each."""
    curves = []
    for row in rows:
        cells = {
            budget: cell for budget, cell in site.table.curves.get((*row.key, task), {}).items() if budget
        }
        if len(cells) > 1:
            curves.append((row, cells))
    return curves[:MOST_CURVES]


def end_label(row: Row, rows: Sequence[Row]) -> str:
    """A candidate beside the end of its line: by its method, where all are of one model."""
    if len({other.name for other in rows}) == 1:
        return short_name(row.method_name)
    return chart_label(row.name, row.method_name, LONGEST_END)


def _learning(site: Site, task: str, rows: Sequence[Row], unit: Unit) -> LearningCurve | None:
    trained = _curves(site, task, rows)
    names = {row.name for row, _ in trained}
    # Of several models the best untuned arms stand for all.
    untuned = [row for row in rows if row.method in UNTUNED and (len(names) > 1 or row.name in names)]
    best = {row.method: row for row in reversed(untuned)}
    drawn = [*(row for row, _ in trained), *best.values()]
    curves = [
        (
            row.method,
            end_label(row, drawn),
            {budget: cell.estimate for budget, cell in cells.items() if cell.estimate},
        )
        for row, cells in trained
    ]
    levels = [
        (row.method, end_label(row, drawn), estimate)
        for row in best.values()
        if (estimate := row.cells[task].estimate)
    ]
    return learning_curve(curves, levels, unit=unit)


def _losses(site: Site, task: str, rows: Sequence[Row]) -> LearningCurve | None:
    trained = _curves(site, task, rows)
    drawn = [row for row, _ in trained]
    curves = []
    for row, cells in trained:
        measured = _measured(cells)
        curves.append(LossByBudget(row.method, end_label(row, drawn), measured, _predicted(measured)))
    return loss_chart(curves)


def _measured(cells: Mapping[int, Cell]) -> dict[int, float]:
    """The mean dev loss over seeds by budget; none where a training has no loss above 0."""
    losses = {}
    for budget, cell in sorted(cells.items()):
        by_seed = [result.training.dev_loss for result in cell.results if result.training is not None]
        known = [loss for loss in by_seed if loss is not None and loss > 0]
        if known and len(known) == len(cell.results):
            losses[budget] = fmean(known)
    return losses


def _predicted(measured: Mapping[int, float]) -> dict[int, PredictedLoss]:
    """What the scaling law predicts for larger budgets, as `gainboard extrapolate` does: by the law, or with
    too few budgets for it by a line, which has no interval."""
    points = [Point(budget, loss) for budget, loss in measured.items()]
    law, line = fit_law(points), accept_then_stop(points)
    predicted = {}
    for times in AHEAD:
        budget = times * max(measured, default=0)
        by_line = line.at(budget) if line else None
        prediction = law.at(budget) if law else None
        if prediction is None and by_line is not None:
            prediction = PredictedLoss(by_line, None, None)
        if prediction is not None:
            predicted[budget] = prediction
    return predicted
