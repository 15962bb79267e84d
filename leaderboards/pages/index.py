"""The first page: the verdict, the ranking, what it costs and what went wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.records.result import Failure, Result
from harness.records.scores import MANY_CUT, TaskCard
from harness.sweep.methods import Method
from leaderboards.chart.staircase import Staircase, staircase_chart
from leaderboards.decide.cards import Card, cards
from leaderboards.decide.verdict import Verdict
from leaderboards.gathered import Site, scale_of
from leaderboards.links import method_href, model_href, task_href
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.pages.cost_items import price_list
from leaderboards.pages.costs import derived_grid, measured_grid
from leaderboards.pages.elsewhere import elsewhere_grid
from leaderboards.pages.grid import Column, Grid, GridRow, Head, Item, Link, Pairs, remainder_line
from leaderboards.pages.heads import (
    METHOD_TITLES,
    MOST_ROWS,
    compared_rows,
    model_names,
    run_head,
    size_text,
    test_sample_count,
)
from leaderboards.pages.heat import HeatMap, heat_map
from leaderboards.pages.history import news
from leaderboards.pages.method import methods_of
from leaderboards.pages.purchases import KINDS_ON_FIRST_PAGE, purchase_grid, purchase_lede
from leaderboards.pages.ranking import ranking_grid
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.flags import Trouble, troubles
from leaderboards.text import count_of, duration, method_name, shortened

MOST_COST_ROWS = 10
"""Rows of each cost table on the first page where the ranking is folded."""

MOST_DRAWN = 30
"""Rows of the chart where the ranking is folded, the frontier and what its rows were tuned from besides."""

MOST_FLAGGED = 50
"""Runs that went wrong and are listed."""


@dataclass(frozen=True)
class CardView:
    """A card of the first screen."""

    card: Card
    href: str


@dataclass(frozen=True)
class IndexPage:
    """The first page: the verdict, and the tables behind it."""

    decision: Verdict
    purchases: Grid | None
    """What would decide; None where the verdict is not open."""

    purchase_lede: str
    cards: tuple[CardView, ...]
    staircase: Staircase | None
    main: Grid
    measured: Grid
    derived: Grid
    tasks: tuple[Link, ...]
    methods: tuple[Link, ...]
    models: tuple[Link, ...]
    """Empty where the ranking is folded: its rows link to them."""

    failures: Grid | None
    untrusted: Grid | None
    flagged: Grid | None
    cut: Grid | None
    """Runs with more than a few answers that were cut; None without any."""

    many_cut: str
    """The share of a run's answers above which they are more than a few."""

    problems: tuple[str, ...]
    scale: str
    """What a score on this board is."""

    price_list: Pairs
    method_titles: dict[Method, str]
    elsewhere: Grid | None
    news: str
    """What has changed since the board was published before; empty where it was not."""
    folded: str
    """How many rows there are besides those shown; empty where all are."""

    folded_costs: str
    """How many rows there are besides those that the cost tables show; empty where all are shown."""

    gains: HeatMap | None
    """What each fine-tune gains on each task; None with one task."""

    compare: bool
    """Whether there are rows to compare."""


def index_page(site: Site) -> IndexPage:
    """The verdict, the ranking, the costs, and what went wrong."""
    table, entries = site.table, site.ledger.entries
    folded = len(entries) > MOST_ROWS
    outlook = site.advice.outlook if site.advice.kind in KINDS_ON_FIRST_PAGE else None
    return IndexPage(
        site.verdict,
        purchase_grid(site) if outlook else None,
        purchase_lede(outlook, site.table.unit) if outlook else "",
        tuple(CardView(card, model_href(card.row.name)) for card in cards(table, site.ledger)),
        staircase_chart(table, _drawn(site) if folded else site.ledger),
        replace(ranking_grid(site, entries[:MOST_ROWS]), lean=folded),
        measured_grid(site, entries[:MOST_COST_ROWS] if folded else entries, with_total=True),
        derived_grid(site, entries[:MOST_COST_ROWS] if folded else entries, with_total=True),
        tuple(_task_link(site, name, card) for name, card in table.tasks.items()),
        tuple(_method_link(site, method) for method in methods_of(site)),
        ()
        if folded
        else tuple(Link(name, model_href(name), size_text(site, name)) for name in model_names(site)),
        _failure_grid(site.failures),
        _untrusted_grid(site.untrusted),
        _flagged_grid(site),
        _cut_grid(site),
        f"{100 * MANY_CUT:.0f} %",
        site.problems,
        scale_of(table),
        price_list(site.prices),
        METHOD_TITLES,
        elsewhere_grid(site),
        news(site),
        _first_of(MOST_ROWS, entries) if folded else "",
        _first_of(MOST_COST_ROWS, entries) if folded else "",
        heat_map(site),
        bool(compared_rows(site)),
    )


def _drawn(site: Site) -> CostLedger:
    """The ledger of as many rows as a chart can show: the best, the frontier, and what the frontier was tuned
    from."""
    entries = site.ledger.entries
    frontier = [entry for entry in entries if entry.frontier]
    keys = {entry.row.key for entry in (*frontier, *entries[:MOST_DRAWN])}
    for entry in frontier:
        baselines = [site.table.baseline(entry.row, method) for method in UNTUNED]
        keys |= {row.key for row in baselines if row}
    return replace(site.ledger, entries=tuple(entry for entry in entries if entry.row.key in keys))


def _first_of(count: int, entries: Sequence[Entry]) -> str:
    return f"The first {count} of {len(entries):,} rows."


def _task_link(site: Site, name: str, card: TaskCard) -> Link:
    return Link(
        name,
        task_href(name),
        f"{card.primary_metric}, {count_of(test_sample_count(site, name), 'test sample')}",
    )


def _method_link(site: Site, method: Method) -> Link:
    models = sum(row.method == method for row in site.table.rows)
    return Link(METHOD_TITLES[method], method_href(method), count_of(models, "model"))


def _failure_grid(failures: Sequence[Failure]) -> Grid | None:
    if not failures:
        return None
    lines = tuple(
        GridRow(
            Head(failure.run.candidate.name, method_name(failure.run), method=failure.run.candidate.method),
            (
                Item(failure.run.task),
                Item(str(failure.run.seed)),
                Item(failure.phase),
                Item(duration(failure.spent.seconds), sort=failure.spent.seconds)
                if failure.spent.seconds
                else Item(),
                Item(shortened(failure.reason, 300)),
            ),
        )
        for failure in failures
    )
    columns = (
        Column("Task", text=True),
        Column("Seed"),
        Column("Phase", text=True),
        Column("Spent", "Device time until it failed."),
        Column("Reason", text=True),
    )
    return Grid("Runs that failed", Column("Candidate"), columns, lines)


def _untrusted_grid(results: Sequence[Result]) -> Grid | None:
    """Runs whose scores are not to be believed, each with the reason; None without any."""
    if not results:
        return None
    lines = tuple(
        GridRow(run_head(result), (*_place_items(result), Item(shortened(result.untrusted or "", 400))))
        for result in results
    )
    columns = (Column("Task", text=True), Column("Seed"), Column("Reason", text=True))
    return Grid("Runs kept out of the ranking", Column("Candidate"), columns, lines)


def _flagged_grid(site: Site) -> Grid | None:
    """Runs whose training collapsed or diverged; None without any."""
    columns = (*_PLACE, Column("What", text=True), Column("Reason", text=True))
    lines = []
    for result, trouble in _troubles(site):
        if trouble.kind != "cut":
            reason = Item(shortened(trouble.reason, 400))
            lines.append(GridRow(run_head(result), (*_place_items(result), Item(trouble.kind), reason)))
    return _first_flagged("Runs whose training went wrong", columns, lines)


def _cut_grid(site: Site) -> Grid | None:
    """Runs with more than a few answers that were cut; None without any."""
    columns = (*_PLACE, Column("Answers cut"), Column("What to do", text=True))
    lines = []
    for result, trouble in _troubles(site):
        if trouble.kind == "cut":
            share = result.samples.cut_share
            items = (
                *_place_items(result),
                Item(f"{100 * share:.0f} %", sort=share),
                Item(shortened(trouble.reason, 400)),
            )
            lines.append(GridRow(run_head(result), items))
    return _first_flagged("Runs with answers that were cut", columns, lines)


_PLACE = (Column("Task", text=True), Column("Seed"))


def _troubles(site: Site) -> Iterator[tuple[Result, Trouble]]:
    for result in site.results:
        if result.run.task in site.table.tasks:
            for trouble in troubles(result):
                yield result, trouble


def _first_flagged(caption: str, columns: tuple[Column, ...], lines: list[GridRow]) -> Grid | None:
    """The first of them, and how many there are besides; None without any."""
    if not lines:
        return None
    hidden = len(lines) - MOST_FLAGGED
    if hidden > 0:
        note = "marked in the tables; their pages say why"
        lines[MOST_FLAGGED:] = [remainder_line(hidden, columns, note)]
    return Grid(caption, Column("Candidate"), columns, tuple(lines))


def _place_items(result: Result) -> tuple[Item, Item]:
    return Item(result.run.task), Item(str(result.run.seed))
