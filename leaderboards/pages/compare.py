"""Any two rows side by side: a page that is complete for one pair, and a small data file for each row's other
pairs.

Numbers leave Python as they are shown: in tenths of a point or the last digit of a metric's own unit, and in
thousandths of a p value. The page's script only chooses, turns a pair round, words it and
draws it; it computes no statistics.
"""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.counts import count_of
from harness.statistics import Estimate, FloatArray
from harness.visible import visible
from leaderboards.chart.differences import (
    DifferenceForest,
    DifferenceLine,
    DifferenceShares,
    difference_forest,
)
from leaderboards.gathered import Site, range_of
from leaderboards.links import change_href, model_href, row_slug, samples_href, task_href
from leaderboards.money.ledger import Entry
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, sign_tone
from leaderboards.pages.parts.heads import MOST_COMPARED, compared_rows, short_name
from leaderboards.pages.parts.kinds import Page
from leaderboards.pages.parts.scripts import script_call
from leaderboards.pages.samples_page.answer_files import keys_with_answers
from leaderboards.rank.baselines import Key
from leaderboards.rank.comparisons import Differences, TaskComparison, compare_rows, differences_of
from leaderboards.rank.tables import Row
from leaderboards.text import MINUS, MISSING, POINTS, Unit, interval, usd

ALL = slice(0, 4)
"""Of a task's figures those that a pair has over all tasks, too: the difference, its ends, whether it is
clear of zero."""

SAME_COST = 1e-4
"""Relative difference of two costs below which it is noise of the arithmetic, or next to it."""

Figures = list[int]
"""In the last digit that is shown, a tenth of a point mostly: difference, low, high; 1 where the interval is
clear of zero. Of one task, then: thousandths of the corrected p, fixed, broken, thousandths of their p."""


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
    names: str
    """The two rows, in a few words."""

    finding: str
    """Who is better, and what that costs, in a sentence."""

    options: tuple[Option, ...]
    rows: Grid
    forest: DifferenceForest
    mixed: bool
    """Whether tasks have different units."""

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
    files = {"compare/rows.js": script_call("gainboardRows", _rows_record(site, rows))}
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
    overall = _figures(differences_of(rows, site.table.overall), site.table.unit)
    comparisons = compare_rows(rows, site.table.tasks, site.table.standings)
    by_task = [
        _task_figures(comparison, Unit.of(site.table.tasks[task])) for task, comparison in comparisons.items()
    ]
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


def _figures(differences: Differences, unit: Unit) -> list[list[Figures | None]]:
    """Of every two rows."""
    return _where(differences, _difference_tables(differences, unit))


def _difference_tables(differences: Differences, unit: Unit) -> list[NDArray[np.int64]]:
    ends = (differences.value, differences.low, differences.high)
    return [*(_last_digits(end, unit) for end in ends), differences.clear.astype(np.int64)]


def _task_figures(compared: TaskComparison, unit: Unit) -> list[list[Figures | None]]:
    p, flips_p = (
        np.rint(1000 * np.nan_to_num(p_values)).astype(np.int64)
        for p_values in (compared.p, compared.flips_p)
    )
    tables = [*_difference_tables(compared.difference, unit), p, compared.fixed, compared.broken, flips_p]
    return _where(compared.difference, tables)


def _where(differences: Differences, tables: Sequence[NDArray[np.int64]]) -> list[list[Figures | None]]:
    """The figures of every two rows, None for those that cannot be compared."""
    figures, comparable = np.stack(tables, axis=-1).tolist(), differences.known.tolist()
    return [
        [pair_figures if is_comparable else None for pair_figures, is_comparable in zip(*line, strict=True)]
        for line in zip(figures, comparable, strict=True)
    ]


def _last_digits(values: FloatArray, unit: Unit) -> NDArray[np.int64]:
    """Differences in the last digit that is shown, rounded as `Unit.write` rounds, so that one
    number is never shown in two ways."""
    numbers = np.nan_to_num(values)
    fine = numbers * unit.steps
    rounded = np.rint(fine)
    # Where the half is near, only the number itself says to which side it goes.
    for place in zip(*np.nonzero(np.abs(np.abs(fine - rounded) - 0.5) < 1e-6), strict=True):
        shown = round(float(numbers[place]) * unit.whole, unit.decimals)
        rounded[place] = round(shown * 10.0**unit.decimals)
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


def _rows_record(site: Site, rows: Sequence[Row]) -> dict[str, Any]:
    """What a page says of each row alone, and of each task."""
    with_answers = {task: keys_with_answers(site, task) for task in site.table.tasks}
    return {
        "rows": [_row_record(site, row, with_answers) for row in rows],
        "tasks": [
            {"unit": _unit_record(Unit.of(card)), "samples": samples_href(task), "graded": not card.binary}
            for task, card in site.table.tasks.items()
        ],
        "unit": _unit_record(site.table.unit),
    }


def _unit_record(unit: Unit) -> dict[str, Any]:
    return {"whole": unit.whole, "decimals": unit.decimals, "noun": visible(unit.noun)}


def _row_record(site: Site, row: Row, with_answers: Mapping[str, Container[Key]]) -> dict[str, Any]:
    training, serving = _costs(site.ledger.of(row))
    return {
        "row": row_slug(row),
        "name": visible(row.name),
        "method": visible(row.method_name),
        "page": model_href(row.name),
        "score": _record_of(_score_item(row.score, site.table.unit)),
        "cost": [usd(training), usd(serving)],
        "tasks": [_record_of(_task_score(site, row, task)) for task in site.table.tasks],
        # Whether its samples can be shown.
        "samples": [int(row.key in keys) for keys in with_answers.values()],
    }


def _record_of(item: Item) -> list[str | float | None]:
    """A score, its interval, and what it is sorted by."""
    return [item.text, item.detail, item.sort]


def _score_item(estimate: Estimate | None, unit: Unit) -> Item:
    if estimate is None:
        return Item()
    # Sorted by the digits that are shown; + 0.0 turns −0.0 into 0.0.
    shown = round(unit.whole * estimate.value, unit.decimals) + 0.0
    return Item(unit.write(estimate.value), interval(estimate, unit=unit), shown)


def _page(site: Site, rows: Sequence[Row], first: Row, second: Row, pair: Pair) -> ComparePage:
    left_out = len(site.table.rows) - len(rows)
    return ComparePage(
        row_slug(first),
        row_slug(second),
        names_of(first, second),
        finding_of(site, first, second, pair),
        tuple(Option(row_slug(row), row.label) for row in rows),
        _row_grid(site, first, second, pair),
        _forest(site, pair),
        len({Unit.of(card) for card in site.table.tasks.values()}) > 1,
        _task_grid(site, first, second, pair),
        f"The {MOST_COMPARED} best rows can be compared here; the ranking has {left_out:,} more."
        if left_out
        else "",
    )


def _row_grid(site: Site, first: Row, second: Row, pair: Pair) -> Grid:
    columns = (
        Column(
            "Score",
            "Overall, with its 95 % interval; the difference is paired by seed and sample.",
        ),
        Column("Train", "Cost of one fine-tune, the mean over tasks and seeds."),
        Column("Serve / 1k", "Cost of 1,000 requests on a device that is always busy."),
    )
    lines = []
    for row in (first, second):
        head = Head(row.name, row.method_name, href=model_href(row.name))
        costs = (Item(usd(cost)) for cost in _costs(site.ledger.of(row)))
        lines.append(GridRow(head, (_score_item(row.score, site.table.unit), *costs)))
    difference = (_difference_item(pair.overall, site.table.unit), *map(_extra_item, pair.cost))
    total = GridRow(Head("Difference", "first minus second"), difference)
    return Grid("The two rows", Column("Row"), columns, tuple(lines), total)


OF_CORPUS = "Of corpus metrics, those whose part moved by more than the whole score."


def _task_grid(site: Site, first: Row, second: Row, pair: Pair) -> Grid:
    metric_help = f"The task’s own metric, {range_of(*site.table.tasks.values())}."
    scores = (Column("First", metric_help, narrow=False), Column("Second", metric_help, narrow=False))
    differences = (
        Column("Δ", "First minus second, paired by seed and sample, with its 95 % interval."),
        Column(
            "p", "Significance of the difference, corrected for the number of tasks (Holm).", narrow=False
        ),
        Column(
            "Fixed",
            "Samples that the second gets wrong and the first right; "
            f"for graded metrics, those it scores higher. {OF_CORPUS}",
        ),
        Column(
            "Broken",
            "Samples that the second gets right and the first wrong; "
            f"for graded metrics, those it scores lower. {OF_CORPUS}",
        ),
        Column("p of flips", "Exact McNemar test of fixed against broken.", narrow=False),
    )
    lines = []
    for task, figures in zip(site.table.tasks, pair.tasks, strict=True):
        items = _task_items(site, task, first, second, figures) if figures else (Item(),) * len(differences)
        items = (_task_score(site, first, task), _task_score(site, second, task), *items)
        lines.append(GridRow(Head(task, href=task_href(task)), items))
    return Grid("Difference by task", Column("Task"), (*scores, *differences), tuple(lines))


def _task_score(site: Site, row: Row, task: str) -> Item:
    estimate = row.cells[task].estimate if task in row.cells else None
    return _score_item(estimate, Unit.of(site.table.tasks[task]))


def _task_items(site: Site, task: str, first: Row, second: Row, figures: Figures) -> tuple[Item, ...]:
    p, fixed, broken, flips_p = figures[ALL.stop :]
    card = site.table.tasks[task]
    shown = {first.key, second.key} <= keys_with_answers(site, task)
    up, down = ("fixed", "broken") if card.binary else ("better", "worse")
    hrefs = [
        change_href(task, against=second, judged=first, change=change) if shown and count else ""
        for change, count in ((up, fixed), (down, broken))
    ]
    return (
        _difference_item(figures[ALL], Unit.of(card)),
        Item(p_text(p), sort=p),
        Item(f"{fixed:,}", sort=fixed, href=hrefs[0]),
        Item(f"{broken:,}", sort=broken, href=hrefs[1]),
        Item(p_text(flips_p), sort=flips_p),
    )


def _difference_item(figures: Figures | None, unit: Unit) -> Item:
    if figures is None:
        return Item()
    value, low, high, clear = figures
    tone = sign_tone(value, clear=bool(clear))
    ends = f"{signed_digits(low, unit)} to {signed_digits(high, unit)}"
    return Item(signed_digits(value, unit), ends, value, tone=tone)


def signed_digits(number: int, unit: Unit) -> str:
    """A difference in the last digit that is shown, with a sign."""
    return unit.write(_share(number, unit), sign=True)


def _share(number: int, unit: Unit) -> float:
    """As a share of the scale."""
    return number / unit.steps


def p_text(thousandths: int) -> str:
    """`0.034`, or `< 0.001`."""
    return f"{thousandths / 1000:.3f}" if thousandths else "< 0.001"


# In words and in a picture; static/compare.js does the same


def names_of(first: Row, second: Row) -> str:
    """The two rows: the model once, where both have it."""
    if first.name == second.name:
        return f"{first.name}: {first.method_name} or {second.method_name}?"
    return f"{first.label} or {second.label}?"


def finding_of(site: Site, first: Row, second: Row, pair: Pair) -> str:
    """On how many tasks the first beats the second, by how much overall, and for what cost."""
    known = [figures for figures in pair.tasks if figures is not None]
    won = sum(figures[3] == 1 and figures[0] > 0 for figures in known)
    lost = sum(figures[3] == 1 and figures[0] < 0 for figures in known)
    rival = second.method_name if first.name == second.name else second.label
    parts = [f"{first.label} {_outcome(won, lost, rival, count_of(len(known), 'task'))}"]
    if pair.overall is not None:
        unit = site.table.unit
        value, low, high = (signed_digits(number, unit) for number in pair.overall[:3])
        parts.append(f"{value} {unit.noun} overall ({low} to {high})")
    direction, amount = pair.cost[0]
    if amount != MISSING:
        extra = f"{amount} {'more' if direction > 0 else 'less'}" if direction else "as much"
        parts.append(f"and costs {extra} to train")
    return f"{', '.join(parts)}."


def _outcome(won: int, lost: int, rival: str, tasks: str) -> str:
    """What the first does to its rival, where intervals are clear of zero."""
    if won:
        return f"beats {rival} on {won} of {tasks}" + (f" and loses on {lost}" if lost else "")
    if lost:
        return f"loses to {rival} on {lost} of {tasks}"
    return f"is neither clearly better nor clearly worse than {rival} on any of {tasks}"


def _forest(site: Site, pair: Pair) -> DifferenceForest:
    """The differences by task, and over all of them."""
    units = [Unit.of(card) for card in site.table.tasks.values()]
    named = [
        (short_name(task), figures, unit)
        for task, figures, unit in zip(site.table.tasks, pair.tasks, units, strict=True)
    ]
    if site.table.normalised:
        named.append(("All tasks", pair.overall, site.table.unit))
    axis_unit = units[0] if len(set(units)) == 1 else POINTS
    return difference_forest([_line(*line) for line in named], axis_unit)


def _line(name: str, figures: Figures | None, unit: Unit) -> DifferenceLine:
    if figures is None:
        return DifferenceLine(name, None, MISSING, "muted")
    value, low, high = (_share(number, unit) for number in figures[:3])
    shares = DifferenceShares(value, low, high)
    return DifferenceLine(
        name, shares, signed_digits(figures[0], unit), sign_tone(value, clear=bool(figures[3]))
    )
