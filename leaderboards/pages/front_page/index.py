"""The first page in three screens: the verdict with its chart, the ranking, and where the rest is."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from harness.counts import count_of
from harness.sweep.methods import Method
from leaderboards.chart.staircase import NARROW, WIDE, Staircase, staircase_chart
from leaderboards.decide.cards import Card, cards
from leaderboards.decide.verdict import Verdict
from leaderboards.gathered import Site, scale_of
from leaderboards.links import model_href
from leaderboards.money.ledger import CostLedger
from leaderboards.pages.front_page.ranking import ranking_grid
from leaderboards.pages.history import news
from leaderboards.pages.parts.elsewhere import elsewhere_grid
from leaderboards.pages.parts.grid import Grid, Link
from leaderboards.pages.parts.heads import METHOD_TITLES, MOST_ROWS
from leaderboards.pages.parts.heat import heat_map
from leaderboards.pages.parts.purchases import KINDS_ON_FIRST_PAGE, purchase_grid, purchase_lede
from leaderboards.pages.parts.use import UseBox, row_box
from leaderboards.pages.problems import problems_summary
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.tables import Row
from leaderboards.text import duration, usd

MOST_DRAWN = 30
"""Rows of the chart where the ranking is folded, the frontier and what its rows were tuned from besides."""


@dataclass(frozen=True)
class CardView:
    """A card of the first screen."""

    card: Card
    href: str


@dataclass(frozen=True)
class IndexPage:
    """The first page."""

    decision: Verdict
    purchases: Grid | None
    """What would decide; None where the verdict is not open."""

    purchase_lede: str
    cards: tuple[CardView, ...]
    staircases: tuple[tuple[str, Staircase], ...]
    """The chart for a desktop and for a phone, by size; empty without anything to draw."""

    use: UseBox | None
    """How to use what is advised; None where nothing is."""

    main: Grid
    method_titles: dict[Method, str]
    scale: str
    """What a score on this board is."""

    elsewhere: Grid | None
    news: str
    """What has changed since the board was published before; empty where it was not."""

    folded: str
    """How many rows there are besides those shown; empty where all are."""

    more: tuple[Link, ...]
    """The pages behind this one, each with what there is to find."""


def index_page(site: Site) -> IndexPage:
    """The verdict, the ranking, and the way to all else."""
    table, entries = site.table, site.ledger.entries
    folded = len(entries) > MOST_ROWS
    outlook = site.advice.outlook if site.advice.kind in KINDS_ON_FIRST_PAGE else None
    return IndexPage(
        decision=site.verdict,
        purchases=purchase_grid(site) if outlook else None,
        purchase_lede=purchase_lede(outlook, site.table.unit) if outlook else "",
        cards=tuple(
            CardView(card, model_href(card.row.name))
            for card in cards(table, site.ledger, site.base_parameters)
        ),
        staircases=_staircases(site, _drawn(site) if folded else site.ledger),
        use=row_box(site, site.advice.advised) if site.advice.advised else None,
        main=replace(ranking_grid(site, entries[:MOST_ROWS]), lean=folded),
        method_titles=METHOD_TITLES,
        scale=scale_of(table),
        elsewhere=elsewhere_grid(site),
        news=news(site),
        folded=f"The first {MOST_ROWS} of {len(entries):,} rows." if folded else "",
        more=tuple(_more(site)),
    )


def _staircases(site: Site, ledger: CostLedger) -> tuple[tuple[str, Staircase], ...]:
    draw = partial(staircase_chart, site.table, ledger, href_of=_model_page)
    charts = (("for-desktop", draw(canvas=WIDE)), ("for-phone", draw(canvas=NARROW)))
    return tuple((size, chart) for size, chart in charts if chart)


def _model_page(row: Row) -> str:
    return model_href(row.name)


def _more(site: Site) -> Iterator[Link]:
    """The pages that say more, with what this board has on them."""
    bill = site.ledger.total
    spent = (
        f"The whole sweep took {duration(bill.spent.seconds)} of device time" if bill.spent.seconds else ""
    )
    if spent and bill.price:
        spent += f", {usd(bill.price.mid)}"
    yield Link(
        "Costs", "cost.html", f"Total cost at your own volume, prices and budget. {spent}.".replace(" .", "")
    )
    if gains := heat_map(site):
        found = f"{gains.discoveries:,}" if gains.discoveries else "None"
        note = f"Every fine-tune on every task. {found} of {count_of(gains.gains, 'gain')} "
        yield Link(
            "Gains by task", "gains.html", f"{note}{'is' if gains.discoveries < 2 else 'are'} significant."
        )
    if problems := problems_summary(site):
        yield Link("Problems", "problems.html", f"{problems[:1].upper()}{problems[1:]}.")
    yield Link(
        "About the numbers", "methodology.html", "Every formula, its source, and how often it is wrong."
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
