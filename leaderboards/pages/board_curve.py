"""What more training samples bring on the whole board: its score by training budget, method by method."""

from collections.abc import Mapping
from statistics import fmean

from harness.statistics import Estimate
from leaderboards.chart.learning import LearningCurve, learning_curve
from leaderboards.gathered import Site
from leaderboards.pages.task_page.task_charts import MOST_CURVES, end_label
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.cells import Cell
from leaderboards.rank.means import weighted_mean
from leaderboards.rank.tables import Row


def board_curve(site: Site) -> LearningCurve | None:
    """The best complete rows that were trained on several budgets of every task, and the best untuned arms as
    level lines; None without such a row."""
    ranked = site.table.ranked
    by_budget = [(row, scores) for row in ranked if len(scores := _scores(site, row)) > 1][:MOST_CURVES]
    if not by_budget:
        return None
    names = {row.name for row, _ in by_budget}
    # Of several models the best untuned arms stand for all.
    untuned = [row for row in ranked if row.method in UNTUNED and (len(names) > 1 or row.name in names)]
    best = list({row.method: row for row in reversed(untuned)}.values())
    drawn = [*(row for row, _ in by_budget), *best]
    curves = [(row.method, end_label(row, drawn), scores) for row, scores in by_budget]
    levels = [(row.method, end_label(row, drawn), row.score) for row in best if row.score]
    return learning_curve(curves, levels, unit=site.table.unit)


def _scores(site: Site, row: Row) -> dict[int, Estimate]:
    """The board's score of a row by training samples per task, calculated as that in the ranking."""
    cells_by_task = {task: _trained(site.table.curves.get((*row.key, task), {})) for task in site.table.tasks}
    scores = {}
    for budget in _steps(cells_by_task):
        estimates = {task: cells_by_task[task][samples].estimate for task, samples in budget.items()}
        score = weighted_mean(estimates, site.table.tasks, site.table.weights, chance=True)
        if score is not None:
            scores[round(fmean(budget.values()))] = score
    return scores


def _trained(cells: Mapping[int, Cell]) -> dict[int, Cell]:
    return {samples: cell for samples, cell in sorted(cells.items()) if samples}


def _steps(cells_by_task: Mapping[str, Mapping[int, Cell]]) -> list[dict[str, int]]:
    """Budgets that belong together, as samples by task. Tasks may differ in how many samples “all” are, so
    that the largest of each belong together where all have as many budgets; elsewhere equal ones do."""
    budgets = {task: list(cells) for task, cells in cells_by_task.items()}
    if len({len(samples) for samples in budgets.values()}) == 1:
        return [dict(zip(budgets, step, strict=True)) for step in zip(*budgets.values(), strict=True)]
    common = set[int].intersection(*map(set, budgets.values()))
    return [dict.fromkeys(budgets, samples) for samples in sorted(common)]
