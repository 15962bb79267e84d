"""The lists of tasks, models and methods, which the navigation leads to:
each with the best there is of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from harness.counts import count_of
from leaderboards.chart.learning import LearningCurve
from leaderboards.gathered import Site, is_whole, scale_of
from leaderboards.links import LISTS, method_href, model_href, task_href
from leaderboards.pages.board_curve import board_curve
from leaderboards.pages.method import methods_of
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, score_item
from leaderboards.pages.parts.heads import METHOD_TITLES, model_names, rank_text, size_text, test_sample_count
from leaderboards.pages.parts.kinds import Page
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, Unit


@dataclass(frozen=True)
class ListPage:
    """A list of pages of one kind."""

    title: str
    lede: str
    grid: Grid
    curve: LearningCurve | None = None
    """What more training samples bring on the whole board."""


def list_pages(site: Site, _board: Site) -> Iterator[Page]:
    """The lists that the board has something for."""
    makers: tuple[Callable[[Site], ListPage | None], ...] = (_tasks, _models, _methods)
    for href, make in zip(LISTS, makers, strict=True):
        if content := make(site):
            yield Page(href, content)


def _tasks(site: Site) -> ListPage:
    columns = (
        Column("Metric", text=True, narrow=False),
        Column("Test samples", narrow=False),
        Column("Best score", "By the task's own metric, with its 95 % interval.", about="score"),
        Column("Best candidate", text=True),
    )
    lines = []
    for name, card in site.table.tasks.items():
        best = _best_on(site, name)
        estimate = best.cells[name].estimate if best else None
        samples = test_sample_count(site, name)
        items = (
            Item(card.primary_metric),
            Item(f"{samples:,}", sort=samples),
            score_item(estimate, unit=Unit.of(card)),
            _candidate_item(best),
        )
        lines.append(GridRow(Head(name, card.description, href=task_href(name)), items))
    return ListPage(
        "Tasks",
        f"{count_of(len(lines), 'task')}. Each page has the ranking on that task, its samples and its "
        "mistakes.",
        Grid("Tasks of the board", Column("Task"), columns, tuple(lines)),
    )


def _best_on(site: Site, task: str) -> Row | None:
    """The complete row with the best score on a task that did not lose too much elsewhere."""
    rows = [row for row in site.table.rows if task in row.cells and is_whole(row, task) and not row.forgets]
    return max(rows, key=partial(_score_on, task=task), default=None)


def _score_on(row: Row, *, task: str) -> float:
    estimate = row.cells[task].estimate
    assert estimate, "a whole row has a score"
    return estimate.value


def _models(site: Site) -> ListPage:
    rows_by_name: dict[str, list[Row]] = {name: [] for name in model_names(site)}
    for row in site.table.rows:
        rows_by_name[row.name].append(row)
    columns = (
        Column("Rank", low_first=True, about="rank"),
        _score_column(site),
        Column("Best method", text=True),
    )
    lines = []
    for name, rows in rows_by_name.items():
        head = Head(name, size_text(site, name), href=model_href(name))
        lines.append(GridRow(head, (*_standing(site, rows), Item(rows[0].method_name))))
    return ListPage(
        "Models",
        f"{count_of(len(lines), 'model')}, each in its best row. Score: {scale_of(site.table)}.",
        Grid("Models of the board", Column("Model"), columns, tuple(lines)),
    )


def _methods(site: Site) -> ListPage | None:
    lines = []
    for method in methods_of(site):
        rows = [row for row in site.table.rows if row.method == method]
        head = Head(METHOD_TITLES[method], method=method, href=method_href(method))
        models = Item(f"{len(rows):,}", sort=len(rows))
        lines.append(GridRow(head, (models, *_standing(site, rows), _candidate_item(rows[0]))))
    if not lines:
        return None
    columns = (
        Column("Models", narrow=False),
        Column("Rank", low_first=True, about="rank"),
        _score_column(site),
        Column("Best candidate", text=True),
    )
    return ListPage(
        "Methods",
        f"{count_of(len(lines), 'method')}, each in its best row. Score: {scale_of(site.table)}.",
        Grid("Methods of the board", Column("Method"), columns, tuple(lines)),
        board_curve(site),
    )


def _score_column(site: Site) -> Column:
    return Column("Best score", f"With its 95 % interval. {scale_of(site.table)}.", about="score")


def _standing(site: Site, rows: Sequence[Row]) -> tuple[Item, Item]:
    """The rank and the score of the first of some rows, which are sorted best first."""
    ranks = rows[0].ranks
    rank = Item(rank_text(ranks), sort=ranks[0]) if ranks else Item(MISSING)
    return rank, score_item(rows[0].score, unit=site.table.unit)


def _candidate_item(row: Row | None) -> Item:
    return Item(row.label, href=model_href(row.name)) if row else Item()
