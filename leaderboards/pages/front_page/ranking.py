"""The ranking: a column of it is a name in `leaderboards.board` and a `RankingColumn` here."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from harness.counts import count_of
from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.board import ColumnName
from leaderboards.chart.bar import cost_bar
from leaderboards.decide.cards import ONE_CENT
from leaderboards.decide.purchases import ENOUGH_SEEDS
from leaderboards.gathered import Site, scale_of
from leaderboards.links import row_slug
from leaderboards.money.ledger import Entry
from leaderboards.pages.cost_page.figures import worth_item
from leaderboards.pages.cost_page.sentences import scenario_text
from leaderboards.pages.front_page.row_detail import row_detail
from leaderboards.pages.parts.cost_items import labels_item, payback_item, serve_help, serve_item, train_item
from leaderboards.pages.parts.forgetting import guard_column, guard_item
from leaderboards.pages.parts.grid import (
    Column,
    FilledColumn,
    Grid,
    GridRow,
    Item,
    gain_item,
    heads_of,
    items_of,
    samples_item,
    score_item,
    slim,
)
from leaderboards.pages.parts.heads import MOST_ROWS, candidate_head, compared_rows
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, Unit

SHOWN_COLUMNS = 7
"""Columns that are shown at once; the others where a reader asks for them."""

MOST_OPENED = 20
"""Rows, from the first, that open in place; the pages of their models say the same of all."""

MOST_OPENED_IF_FOLDED = 1
"""Where the ranking is folded, the leader alone: the first page is nearly as large as it may be without."""

GAINS: tuple[ColumnName, ...] = ("few_shot", "zero_shot")


@dataclass(frozen=True)
class RankingColumn(FilledColumn[Entry]):
    """A column that a board file may ask for."""

    name: ColumnName
    """What the board file calls it."""

    has_content: bool = True
    """Whether this board has anything to show in it; the column is left out where not, even if asked for."""


@dataclass(frozen=True)
class RankingPage:
    """The whole ranking, where the first page shows its beginning."""

    main: Grid
    lede: str


def ranking_page(site: Site) -> RankingPage | None:
    """Every row of the ranking; None where the first page has them all."""
    entries = site.ledger.entries
    if len(entries) <= MOST_ROWS:
        return None
    return RankingPage(
        slim(ranking_grid(site, entries)), f"{count_of(len(entries), 'row')}. Score: {scale_of(site.table)}."
    )


def ranking_grid(site: Site, entries: Sequence[Entry]) -> Grid:
    """Entries of the ledger, with the columns of the board file in its order."""
    by_name = {column.name: column for column in ranking_columns(site) if column.has_content}
    columns = [by_name[name] for name in site.board.columns if name in by_name]
    # What no row has anything in is left out before the first columns are counted.
    columns = [column for column in columns if any(column.item(entry).says_anything for entry in entries)]
    compared = {row.key for row in compared_rows(site)}
    opened = MOST_OPENED_IF_FOLDED if len(site.ledger.entries) > MOST_ROWS else MOST_OPENED
    lines = []
    former_tier = entries[0].row.tier if entries else None
    for place, entry in enumerate(entries):
        row = entry.row
        head = candidate_head(site, row, frontier=entry.frontier)._replace(
            row=row_slug(row) if row.key in compared else "",
            kind=_kind(site, row),
            divided=row.score is not None and row.tier != former_tier,
            more=row_detail(site, row) if place < opened else None,
        )
        lines.append(GridRow(head, items_of(columns, entry), aside=row.score is None))
        former_tier = row.tier
    heads = [head._replace(extra=place >= SHOWN_COLUMNS) for place, head in enumerate(heads_of(columns))]
    return Grid(
        "Candidates by score",
        Column("Candidate", "Rank, model, method and size.", about="rank"),
        tuple(_for_phones(heads, [column.name for column in columns])),
        tuple(lines),
    )


def _for_phones(heads: Sequence[Column], names: Sequence[ColumnName]) -> list[Column]:
    """The heads, of which a phone shows the score, what training costs, and one gain: the first that there
    is."""
    gain = next((name for name in names if name in GAINS), None)
    return [
        head._replace(narrow=name in ("score", "train", gain))
        for head, name in zip(heads, names, strict=True)
    ]


def ranking_columns(site: Site) -> tuple[RankingColumn, ...]:
    """All columns that there are."""
    return (*_score_columns(site), *_cost_columns(site), *_evidence_columns(site))


def _score_columns(site: Site) -> tuple[RankingColumn, ...]:
    """What a row scores, and what that is over others."""
    return (
        RankingColumn(
            name="score",
            head=Column(
                "Score",
                f"With its 95 % interval over samples and seeds; each dot is a seed. Scale: "
                f"{scale_of(site.table)}.",
                about="score",
            ),
            item=partial(_score_item, site, floor=_lowest_bound(site)),
        ),
        RankingColumn(
            name="few_shot",
            head=Column(
                "Δ few-shot",
                "Paired gain over the few-shot arm of the same model, with its 95 % interval. Grey where it "
                "is not significant after correction for all gains of the board.",
                about="gain",
            ),
            item=partial(_over_few_shot_item, unit=site.table.unit),
        ),
        RankingColumn(
            name="zero_shot",
            head=Column(
                "Δ zero-shot",
                "Paired gain over the untrained model without examples, with its 95 % interval.",
                about="gain",
            ),
            item=partial(_over_zero_shot_item, unit=site.table.unit),
        ),
        RankingColumn(
            name="win_rate",
            head=Column(
                "Win rate",
                "Share of the comparisons with all other rows, task by task, that it wins; "
                "a tie is half a win.",
                about="robustness",
            ),
            item=_win_rate_item,
        ),
        RankingColumn(
            name="mean_rank",
            head=Column("Mean rank", "Mean of its ranks on the tasks.", low_first=True, about="robustness"),
            item=_mean_rank_item,
        ),
    )


def _cost_columns(site: Site) -> tuple[RankingColumn, ...]:
    """What a row costs, and whether it is worth that."""
    entries = site.ledger.entries
    return (
        RankingColumn(
            name="train",
            head=Column(
                "Train",
                "Cost of one fine-tune (mean over tasks and seeds), and its device-hours.",
                low_first=True,
                about="training",
            ),
            item=partial(_train_item, largest=max((_train_usd(entry) for entry in entries), default=0.0)),
        ),
        RankingColumn(
            name="labels",
            head=Column(
                "Labels",
                "Labelled samples of the task that it was trained on; below, those of other tasks.",
                low_first=True,
                about="labels",
            ),
            item=partial(_labels_item, site),
        ),
        RankingColumn(
            name="serve",
            head=Column(
                "Serve / 1k",
                serve_help(site.scenario.utilisation),
                low_first=True,
                about="serving",
            ),
            item=partial(_serve_item, site, largest=max(map(_request_usd, entries), default=0.0)),
        ),
        RankingColumn(
            name="break_even",
            head=Column(
                "Break-even",
                "Requests from which it is cheaper in total than few-shot prompting, with its 95 % interval.",
                low_first=True,
                about="break-even",
            ),
            item=_break_even_item,
        ),
        RankingColumn(
            name="worth_it",
            head=Column("P(worth it)", scenario_text(site), about="worth-it"),
            item=partial(_worth_it_item, site),
        ),
    )


def _evidence_columns(site: Site) -> tuple[RankingColumn, ...]:
    """What a reader should know before believing a row."""
    return (
        RankingColumn(
            name="guard",
            head=guard_column(site.board.forgetting_margin),
            item=_guard_item,
            has_content=any(row.forgetting for row in site.table.rows),
        ),
        RankingColumn(
            name="seeds",
            head=Column(
                "Seeds",
                "Fine-tunes, or draws of demonstrations, per task. One says nothing about seed noise.",
                about="seeds",
            ),
            item=_seeds_item,
        ),
        RankingColumn(
            name="n",
            head=Column(
                "n",
                "Test samples scored in every seed and wording, out of those requested.",
                about="samples",
            ),
            item=_samples_item,
        ),
    )


def _lowest_bound(site: Site) -> float:
    """Where the bars of all scores begin."""
    return min((row.score.low for row in site.table.ranked if row.score), default=0.0)


def _score_item(site: Site, entry: Entry, *, floor: float) -> Item:
    row = entry.row
    if row.score:
        seeds = site.table.seed_scores(row)
        return score_item(row.score, floor=floor, seeds=seeds, unit=site.table.unit)
    done = sum(len(cell.results) for cell in row.cells.values())
    why = f"{done}/{row.runs_wanted} runs" if done < row.runs_wanted else "no sample scored in all runs"
    return Item(MISSING, why, tone="muted")


def _over_few_shot_item(entry: Entry, *, unit: Unit) -> Item:
    return _gain_item(entry.row, "few_shot", entry.row.over_few, unit)


def _over_zero_shot_item(entry: Entry, *, unit: Unit) -> Item:
    return _gain_item(entry.row, "zero_shot", entry.row.over_zero, unit)


def _gain_item(row: Row, over: Method, gain: Estimate | None, unit: Unit) -> Item:
    return gain_item(gain, p=row.significance.get(over), seeds_known=row.seed_noise_known, unit=unit)


def _win_rate_item(entry: Entry) -> Item:
    robustness = entry.row.robustness
    if robustness is None:
        return Item()
    return Item(f"{100 * robustness.win_rate:.0f} %", sort=robustness.win_rate)


def _mean_rank_item(entry: Entry) -> Item:
    robustness = entry.row.robustness
    return Item() if robustness is None else Item(f"{robustness.mean_rank:.1f}", sort=robustness.mean_rank)


def _train_item(entry: Entry, *, largest: float) -> Item:
    """Less than a cent is said to be that:
    a price that is cut by the edge of a phone would be a false one."""
    item = train_item(entry.spend)
    price = _train_usd(entry)
    if not price:
        return item
    cents = item._replace(text="< $0.01", title=item.text) if price < ONE_CENT else item
    return cents._replace(bar=cost_bar(price, largest=largest))


def _train_usd(entry: Entry) -> float:
    return entry.spend.training.mid if entry.spend.tuned and entry.spend.training else 0.0


def _request_usd(entry: Entry) -> float:
    return entry.spend.request.mid if entry.spend.request else 0.0


def _labels_item(site: Site, entry: Entry) -> Item:
    return labels_item(site, entry.row.results)


def _serve_item(site: Site, entry: Entry, *, largest: float) -> Item:
    item = serve_item(entry.spend, utilisation=site.scenario.utilisation)
    return item._replace(bar=cost_bar(_request_usd(entry), largest=largest)) if entry.spend.request else item


def _break_even_item(entry: Entry) -> Item:
    """Against few-shot; of a model that has no few-shot arm, against zero-shot."""
    if entry.over_few is not None:
        return payback_item(entry.over_few)
    return payback_item(entry.over_zero, "vs zero-shot")


def _worth_it_item(site: Site, entry: Entry) -> Item:
    return worth_item(site.figures_by_row.get(entry.row.key))


def _guard_item(entry: Entry) -> Item:
    return guard_item(entry.row.forgetting)


def _seeds_item(entry: Entry) -> Item:
    row = entry.row
    note = "weak claim" if row.seeds < ENOUGH_SEEDS else ""
    if row.seeds == 1:
        note = "a single draw" if row.members else "seed noise unknown"
    return Item(str(row.seeds), note, row.seeds, tone="muted" if row.seeds == 1 else "", loose=True)


def _samples_item(entry: Entry) -> Item:
    return samples_item(entry.row.scored, entry.row.total)


def _kind(site: Site, row: Row) -> str:
    """Which filter of the ranking shows it."""
    if row.tuned:
        return "tuned"
    members = site.ledger.runs.members_of(row.results)
    prompted = row.method == "few_shot" or any(member.run.num_fewshot for member in members)
    return "few-shot" if prompted else "zero-shot"
