"""Any two rows side by side: a page that is complete for one pair, and a small data file for each row's other
pairs.

Numbers leave Python as they are shown: tenths of a point, thousandths of a p value. The page's script only
chooses, turns a pair round and fills in; it computes no statistics.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics import Estimate, FloatArray
from harness.visible import visible
from leaderboards.gathered import Site, range_of
from leaderboards.links import model_href, row_slug, task_href
from leaderboards.money.ledger import Entry
from leaderboards.pages.grid import Column, Grid, GridRow, Head, Item, sign_tone
from leaderboards.pages.heads import MOST_COMPARED, compared_rows
from leaderboards.pages.kinds import Page
from leaderboards.pages.scripts import script_call
from leaderboards.rank.comparisons import Differences, TaskComparison, compare_rows, differences_of
from leaderboards.rank.tables import Row
from leaderboards.text import MINUS, MISSING, interval, points, usd

ALL = slice(0, 4)
"""Of a task's figures those that a pair has over all tasks, too: the difference, its ends, whether it is
clear of zero."""

SAME_COST = 1e-4
"""Relative difference of two costs below which it is noise of the arithmetic, or next to it."""

Figures = list[int]
"""Tenths of a point: difference, low, high; 1 where the interval is clear of zero. Of one task, then:
thousandths of the corrected p, fixed, broken, thousandths of their p."""


Extra = tuple[int, str]
"""How one cost differs from another: -1, 0 or 1, and the amount, as it is shown without a sign."""


@dataclass(frozen=True)
class Pair:
    """Two rows, in the numbers that a page shows."""

    overall: Figures | None
    cost: tuple[Extra, Extra]
    """What the first takes more than the second: to train, and to serve 1,000 requests."""

    tasks: tuple[Figures | None, ...]
    """In the order of the board."""


@dataclass(frozen=True)
class Option:
    """A row that may be chosen."""

    row: str
    label: str


@dataclass(frozen=True)
class ComparePage:
    """Two rows side by side, and which others there are."""

    first: str
    second: str
    options: tuple[Option, ...]
    rows: Grid
    tasks: Grid
    bound: str
    """Which rows are compared, where not all of them are; empty otherwise."""


def compare_pages(site: Site, _board: Site) -> Iterator[Page]:
    """The comparison of every two rows of the table, the best ones where there are very many, and the files
    that it loads pairs from; none for a single row."""
    rows = compared_rows(site)
    if not rows:
        return
    first, second = _default(site, rows)
    default_pair: Pair | None = None
    files = {
        "compare/rows.js": script_call("gainboardRows", {"rows": [_row_record(site, row) for row in rows]})
    }
    for row, pairs in _pairs(site, rows):
        if row is first:
            default_pair = pairs[row_slug(second)]
        if pairs:
            records = {
                second_slug: {"all": pair.overall, "cost": pair.cost, "tasks": pair.tasks}
                for second_slug, pair in pairs.items()
            }
            files[f"compare/{row_slug(row)}.js"] = script_call(
                "gainboardPairs", {"row": row_slug(row), "pairs": records}
            )
    assert default_pair is not None, "the default pair is in the order of the table"
    yield Page("compare.html", _page(site, rows, first, second, default_pair), files)


def _default(site: Site, rows: Sequence[Row]) -> tuple[Row, Row]:
    """The leader and its own few-shot arm, or else the two first rows; the earlier one first."""
    few_shot = site.table.baseline(rows[0], "few_shot")
    if few_shot is not None and any(row is few_shot for row in rows):
        return rows[0], few_shot
    return rows[0], rows[1]


def _pairs(site: Site, rows: Sequence[Row]) -> Iterator[tuple[Row, dict[str, Pair]]]:
    """Each row with those after it."""
    costs = [_costs(site.ledger.of(row)) for row in rows]
    slugs = [row_slug(row) for row in rows]
    overall = _figures(differences_of(rows, site.table.overall))
    comparisons = compare_rows(rows, site.table.tasks, site.table.standings)
    by_task = [_task_figures(comparison) for comparison in comparisons.values()]
    for first_place, row in enumerate(rows):
        pairs = {}
        for second_place in range(first_place + 1, len(rows)):
            train, serve = (
                _more(first_cost, second_cost)
                for first_cost, second_cost in zip(costs[first_place], costs[second_place], strict=True)
            )
            tasks = tuple(table[first_place][second_place] for table in by_task)
            pairs[slugs[second_place]] = Pair(overall[first_place][second_place], (train, serve), tasks)
        yield row, pairs


def _figures(differences: Differences) -> list[list[Figures | None]]:
    """Of every two rows."""
    ends = (differences.value, differences.low, differences.high)
    return _where(differences, [*map(_tenths_of, ends), differences.clear.astype(np.int64)])


def _task_figures(compared: TaskComparison) -> list[list[Figures | None]]:
    difference = compared.difference
    ends = (difference.value, difference.low, difference.high)
    p, flips_p = (
        np.rint(1000 * np.nan_to_num(p_values)).astype(np.int64)
        for p_values in (compared.p, compared.flips_p)
    )
    tables = [
        *map(_tenths_of, ends),
        difference.clear.astype(np.int64),
        p,
        compared.fixed,
        compared.broken,
        flips_p,
    ]
    return _where(difference, tables)


def _where(differences: Differences, tables: Sequence[NDArray[np.int64]]) -> list[list[Figures | None]]:
    """The figures of every two rows, None for those that cannot be compared."""
    figures, comparable = np.stack(tables, axis=-1).tolist(), differences.known.tolist()
    return [
        [pair_figures if is_comparable else None for pair_figures, is_comparable in zip(*line, strict=True)]
        for line in zip(figures, comparable, strict=True)
    ]


def _tenths_of(values: FloatArray) -> NDArray[np.int64]:
    """Tenths of a point, rounded as `points` rounds, so that one number is never shown in two ways."""
    numbers = np.nan_to_num(values)
    tenths = 1000 * numbers
    rounded = np.rint(tenths)
    # Where the half is near, only the number itself says to which side it goes.
    for place in zip(*np.nonzero(np.abs(np.abs(tenths - rounded) - 0.5) < 1e-6), strict=True):
        rounded[place] = round(10 * round(100 * float(numbers[place]), 1))
    return rounded.astype(np.int64)


def _costs(entry: Entry) -> tuple[float | None, float | None]:
    """Dollars of one fine-tune, and of 1,000 requests; None where they cannot be told."""
    spent = entry.spend
    training = (spent.training.mid if spent.training else None) if spent.tuned else 0.0
    return training, 1000 * spent.request.mid if spent.request else None


def _more(first: float | None, second: float | None) -> Extra:
    """What one costs more than the other."""
    if first is None or second is None:
        return 0, MISSING
    if math.isclose(first, second, rel_tol=SAME_COST):
        return 0, usd(0)
    return -1 if first < second else 1, usd(abs(first - second))


def _extra_item(extra: Extra) -> Item:
    direction, amount = extra
    return Item({-1: MINUS, 0: "", 1: "+"}[direction] + amount)


def _row_record(site: Site, row: Row) -> dict[str, Any]:
    """What a page says of a row alone."""
    training, serving = _costs(site.ledger.of(row))
    return {
        "row": row_slug(row),
        "name": visible(row.name),
        "method": visible(row.method_name),
        "page": model_href(row.name),
        "score": _score_record(row.score),
        "cost": [usd(training), usd(serving)],
        "tasks": [
            _score_record(row.cells[task].estimate if task in row.cells else None)
            for task in site.table.tasks
        ],
    }


def _score_record(estimate: Estimate | None) -> list[str | float | None]:
    """The score, its interval, and what it is sorted by."""
    item = _score_item(estimate)
    return [item.text, item.detail, item.sort]


def _score_item(estimate: Estimate | None) -> Item:
    if estimate is None:
        return Item()
    # Sorted by the digits that are shown; + 0.0 turns −0.0 into 0.0.
    return Item(points(estimate.value), interval(estimate), round(100 * estimate.value, 1) + 0.0)


def _page(site: Site, rows: Sequence[Row], first: Row, second: Row, pair: Pair) -> ComparePage:
    left_out = len(site.table.rows) - len(rows)
    return ComparePage(
        row_slug(first),
        row_slug(second),
        tuple(Option(row_slug(row), row.label) for row in rows),
        _row_grid(site, first, second, pair),
        _task_grid(site, first, second, pair),
        f"The {MOST_COMPARED} best rows can be compared here; {left_out:,} more are in the ranking."
        if left_out
        else "",
    )


def _row_grid(site: Site, first: Row, second: Row, pair: Pair) -> Grid:
    columns = (
        Column(
            "Score",
            "On the whole board, with its 95 % interval; its difference is paired by seed and sample.",
        ),
        Column("Train", "Cost of one fine-tune, the mean over tasks and seeds."),
        Column("Serve / 1k", "Cost of 1,000 requests on a device that is always busy."),
    )
    lines = []
    for row in (first, second):
        head = Head(row.name, row.method_name, href=model_href(row.name))
        costs = (Item(usd(cost)) for cost in _costs(site.ledger.of(row)))
        lines.append(GridRow(head, (_score_item(row.score), *costs)))
    difference = (_difference_item(pair.overall), *map(_extra_item, pair.cost))
    total = GridRow(Head("Difference", "first less second"), difference)
    return Grid("The two rows", Column("Row"), columns, tuple(lines), total)


def _task_grid(site: Site, first: Row, second: Row, pair: Pair) -> Grid:
    metric_help = f"The task’s own metric, {range_of(*site.table.tasks.values())}."
    scores = (Column("First", metric_help, narrow=False), Column("Second", metric_help, narrow=False))
    differences = (
        Column("Δ", "First less second, paired by seed and sample, with its 95 % interval."),
        Column("p", "Of the difference, corrected for the number of tasks (Holm).", narrow=False),
        Column(
            "Fixed",
            "Samples that the second gets wrong and the first right; "
            "of other metrics, those it scores higher.",
        ),
        Column(
            "Broken",
            "Samples that the second gets right and the first wrong; "
            "of other metrics, those it scores lower.",
        ),
        Column("p of flips", "Exact McNemar test of fixed against broken.", narrow=False),
    )
    lines = []
    for task, figures in zip(site.table.tasks, pair.tasks, strict=True):
        items = _task_items(figures) if figures else (Item(),) * len(differences)
        items = (_task_score(first, task), _task_score(second, task), *items)
        lines.append(GridRow(Head(task, href=task_href(task)), items))
    return Grid("Difference by task", Column("Task"), (*scores, *differences), tuple(lines))


def _task_score(row: Row, task: str) -> Item:
    return _score_item(row.cells[task].estimate if task in row.cells else None)


def _task_items(figures: Figures) -> tuple[Item, ...]:
    p, fixed, broken, flips_p = figures[ALL.stop :]
    return (
        _difference_item(figures[ALL]),
        Item(p_text(p), sort=p),
        Item(f"{fixed:,}", sort=fixed),
        Item(f"{broken:,}", sort=broken),
        Item(p_text(flips_p), sort=flips_p),
    )


def _difference_item(figures: Figures | None) -> Item:
    if figures is None:
        return Item()
    value, low, high, clear = figures
    tone = sign_tone(value, clear=bool(clear))
    return Item(_tenths(value), f"{_tenths(low)} to {_tenths(high)}", value, tone=tone)


def _tenths(number: int) -> str:
    """Tenths of a point, with a sign."""
    return points(number / 1000, sign=True)


def p_text(thousandths: int) -> str:
    """`0.034`, or `< 0.001`."""
    return f"{thousandths / 1000:.3f}" if thousandths else "< 0.001"
