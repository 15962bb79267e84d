"""The first page: the verdict, the ranking, what it costs and what went wrong."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.records.result import Failure, Result
from harness.records.scores import TaskCard
from harness.sweep.methods import Method
from leaderboards.board import COLUMNS
from leaderboards.chart.staircase import Staircase, staircase_chart
from leaderboards.decide.verdict import ENOUGH_SEEDS, Card, Verdict, cards
from leaderboards.gathered import Site, scale_of
from leaderboards.links import method_href, model_href, row_slug, task_href
from leaderboards.money.ledger import Entry, Ledger
from leaderboards.pages.costs import (
    derived_grid,
    labels_item,
    measured_grid,
    payback_item,
    price_list,
    serve_item,
    train_item,
)
from leaderboards.pages.decision import scenario_text, worth_item
from leaderboards.pages.elsewhere import elsewhere_grid
from leaderboards.pages.forgetting import guard_column, guard_item
from leaderboards.pages.grid import Column, Grid, Head, Item, Line, gain_item, samples_item, score_item, slim
from leaderboards.pages.heads import (
    METHOD_TITLES,
    MOST_ROWS,
    Link,
    Pairs,
    candidate_head,
    compared_rows,
    model_names,
    run_head,
    samples_asked,
    size_text,
)
from leaderboards.pages.heat import HeatMap, heat_map
from leaderboards.pages.history import news
from leaderboards.pages.method import methods_of
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.flags import troubles
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, count_of, duration, method_name, shortened

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
    """The same of the cost tables."""

    gains: HeatMap | None
    """What each fine-tune gains on each task; None with one task."""

    compare: bool
    """Whether there are rows to compare."""


@dataclass(frozen=True)
class RankingPage:
    """The whole ranking, where the first page shows its beginning."""

    main: Grid
    lede: str


def index_page(site: Site) -> IndexPage:
    """The verdict, the ranking, the costs, and what went wrong."""
    table, entries = site.table, site.ledger.entries
    folded = len(entries) > MOST_ROWS
    return IndexPage(
        site.verdict,
        tuple(CardView(card, model_href(card.row.name)) for card in cards(table, site.ledger)),
        staircase_chart(table, _drawn(site) if folded else site.ledger),
        replace(_main_grid(site, entries[:MOST_ROWS]), lean=folded),
        measured_grid(site, entries[:MOST_COST_ROWS] if folded else entries, whole=True),
        derived_grid(site, entries[:MOST_COST_ROWS] if folded else entries, whole=True),
        tuple(_task_link(site, name, card) for name, card in table.tasks.items()),
        tuple(_method_link(site, method) for method in methods_of(site)),
        ()
        if folded
        else tuple(Link(name, model_href(name), size_text(site, name)) for name in model_names(table)),
        _failure_grid(site.failures),
        _untrusted_grid(site.untrusted),
        _flagged_grid(site),
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


def ranking_page(site: Site) -> RankingPage | None:
    """Every row of the ranking; None where the first page has them all."""
    entries = site.ledger.entries
    if len(entries) <= MOST_ROWS:
        return None
    return RankingPage(
        slim(_main_grid(site, entries)), f"{count_of(len(entries), 'row')}. Score: {scale_of(site.table)}."
    )


def _drawn(site: Site) -> Ledger:
    """The ledger of as many rows as a chart can show: the best, the frontier, and what the frontier was tuned
    from."""
    entries = site.ledger.entries
    frontier = [entry for entry in entries if entry.frontier]
    untuned = [site.table.baseline(entry.row, method) for entry in frontier for method in UNTUNED]
    shown = {row.key for row in untuned if row} | {
        entry.row.key for entry in (*frontier, *entries[:MOST_DRAWN])
    }
    return replace(site.ledger, entries=tuple(entry for entry in entries if entry.row.key in shown))


def _first_of(shown: int, entries: Sequence[Entry]) -> str:
    return f"The first {shown} of {len(entries):,} rows."


def _task_link(site: Site, name: str, card: TaskCard) -> Link:
    return Link(
        name, task_href(name), f"{card.primary_metric}, {count_of(samples_asked(site, name), 'test sample')}"
    )


def _method_link(site: Site, method: Method) -> Link:
    models = sum(row.method == method for row in site.table.rows)
    return Link(METHOD_TITLES[method], method_href(method), count_of(models, "model"))


def _main_grid(site: Site, entries: Sequence[Entry]) -> Grid:
    scores = [row.score for row in site.table.ranked if row.score]
    floor = min((estimate.low for estimate in scores), default=0.0)
    columns = (
        Column(
            "Score", f"With its 95 % interval over samples and seeds. {scale_of(site.table)}.", about="score"
        ),
        Column(
            "Δ few-shot",
            "Paired gain over the few-shot arm of the same model, with its 95 % interval. Grey where it is not "
            "significant after correction for all gains of the board.",
            about="gain",
        ),
        Column(
            "Δ zero-shot",
            "Paired gain over the untrained model without examples, with its 95 % interval.",
            narrow=False,
            about="gain",
        ),
        Column(
            "Win rate",
            "Share of the comparisons with all other rows, task by task, that it wins; a tie is half a win.",
            narrow=False,
            about="robustness",
        ),
        Column("Mean rank", "Mean of its ranks on the tasks.", narrow=False, about="robustness"),
        Column(
            "Train",
            "Cost of one fine-tune (mean over tasks and seeds), and its device-hours.",
            about="training",
        ),
        Column(
            "Labels",
            "Labelled samples of the task that it was trained on; below, those of other tasks.",
            narrow=False,
            about="labels",
        ),
        Column(
            "Serve / 1k",
            "Cost of 1,000 requests on a device that is always busy; below, busy 30 % of the time.",
            narrow=False,
            about="serving",
        ),
        Column(
            "Break-even",
            "Requests from which it is cheaper than few-shot prompting, training included.",
            narrow=False,
            about="break-even",
        ),
        Column("P(worth it)", scenario_text(site), narrow=False, about="worth-it"),
        guard_column(site.board.forgetting_margin),
        Column(
            "Seeds",
            "Fine-tunes, or draws of demonstrations, per task. One says nothing of seed noise.",
            narrow=False,
            about="seeds",
        ),
        Column(
            "n",
            "Test samples scored in every seed and wording, of those asked for.",
            narrow=False,
            about="samples",
        ),
    )
    # In the order of `COLUMNS`; the board file says which of them are shown, and in which order.
    empty = set() if any(row.forgetting for row in site.table.rows) else {"guard"}
    chosen = [COLUMNS.index(name) for name in site.board.columns if name not in empty]
    compared = {row.key for row in compared_rows(site)}
    lines = [_main_line(site, entry, floor, compared=entry.row.key in compared) for entry in entries]
    starts = {
        after.row.key for before, after in itertools.pairwise(entries) if before.row.tier != after.row.tier
    }
    lines = [
        line._replace(
            head=line.head._replace(divided=entry.row.score is not None and entry.row.key in starts)
        )
        for entry, line in zip(entries, lines, strict=True)
    ]
    return Grid(
        "Candidates by score",
        Column("Candidate", "Rank, model, method and size.", about="rank"),
        tuple(columns[place] for place in chosen),
        tuple(line._replace(items=tuple(line.items[place] for place in chosen)) for line in lines),
    )


def _main_line(site: Site, entry: Entry, floor: float, *, compared: bool) -> Line:
    row, spent = entry.row, entry.spend
    if row.score:
        score = score_item(row.score, floor=floor)
    else:
        done = sum(len(cell.results) for cell in row.cells.values())
        why = f"{done}/{row.runs_wanted} runs" if done < row.runs_wanted else "no sample scored in all runs"
        score = Item(MISSING, why, tone="muted")
    seeds = Item(
        str(row.seeds), _seed_note(row), row.seeds, tone="muted" if row.seeds == 1 else "", loose=True
    )
    items = (
        score,
        gain_item(row.over_few, p=row.significance.get("few_shot")),
        gain_item(row.over_zero, p=row.significance.get("zero_shot")),
        *_robustness_items(row),
        train_item(spent),
        labels_item(site, row.results),
        serve_item(spent),
        payback_item(entry.over_few or entry.over_zero, "" if entry.over_few else "vs zero-shot"),
        worth_item(site.decided.get(row.key)),
        guard_item(row.forgetting),
        seeds,
        samples_item(row.scored, row.total),
    )
    head = candidate_head(site, row, frontier=entry.frontier)
    head = head._replace(row=row_slug(row) if compared else "", kind=_kind(site, row))
    return Line(head, items, aside=row.score is None)


def _kind(site: Site, row: Row) -> str:
    """Where the filter of the ranking shows it."""
    if row.tuned:
        return "tuned"
    members = [member for result in row.results for member in site.ledger.runs.members(result)]
    prompted = row.method == "few_shot" or any(member.run.num_fewshot for member in members)
    return "few-shot" if prompted else "zero-shot"


def _robustness_items(row: Row) -> tuple[Item, Item]:
    """Win rate and mean rank."""
    if row.robustness is None:
        return Item(), Item()
    won, rank = row.robustness.win_rate, row.robustness.mean_rank
    return Item(f"{100 * won:.0f} %", sort=won), Item(f"{rank:.1f}", sort=rank)


def _seed_note(row: Row) -> str:
    if row.seeds == 1:
        return "a single draw" if row.members else "seed noise unknown"
    return "weak claim" if row.seeds < ENOUGH_SEEDS else ""


def _failure_grid(failures: Sequence[Failure]) -> Grid | None:
    if not failures:
        return None
    lines = tuple(
        Line(
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
        Line(run_head(result), (*_place_items(result), Item(shortened(result.untrusted or "", 400))))
        for result in results
    )
    columns = (Column("Task", text=True), Column("Seed"), Column("Reason", text=True))
    return Grid("Runs kept out of the ranking", Column("Candidate"), columns, lines)


def _flagged_grid(site: Site) -> Grid | None:
    """Runs whose training collapsed or diverged; None without any."""
    lines = [
        Line(
            run_head(result),
            (*_place_items(result), Item(trouble.what), Item(shortened(trouble.reason, 400))),
        )
        for result in site.results
        if result.run.task in site.table.tasks
        for trouble in troubles(result)
    ]
    more = len(lines) - MOST_FLAGGED
    if more > 0:
        lines[MOST_FLAGGED:] = [
            Line(Head(f"{more:,} more", "marked in the tables; their pages say why"), (Item(""),) * 4)
        ]
    columns = (
        Column("Task", text=True),
        Column("Seed"),
        Column("What", text=True),
        Column("Reason", text=True),
    )
    return (
        Grid("Runs whose training went wrong", Column("Candidate"), columns, tuple(lines)) if lines else None
    )


def _place_items(result: Result) -> tuple[Item, Item]:
    return Item(result.run.task), Item(str(result.run.seed))
