"""What has changed since the board was published before, and the snapshots that are kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.counts import count_of
from leaderboards.chart.trend import Trend, trend
from leaderboards.gathered import Site
from leaderboards.history import (
    FOLDER,
    MOST_KEPT,
    NOUNS,
    Change,
    History,
    Snapshot,
    SnapshotRow,
    StoredSnapshot,
    changes,
    summed,
)
from leaderboards.links import model_href
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, remainder_line
from leaderboards.pages.parts.heads import model_names
from leaderboards.text import MISSING, Unit, usd

MOST_CHANGES = 150
"""Lines of the table of changes."""


@dataclass(frozen=True)
class HistoryPage:
    """The page of a board's history."""

    headline: str
    lede: str
    trends: tuple[Trend, ...]
    """The best score and what it costs, table by table; empty for a single one."""

    changes: Grid | None
    """What counts first: scores beyond noise, then tasks, prices and rows."""

    ranks: Grid | None
    """Rows whose range of ranks is another one: new rows alone may do that."""

    snapshots: Grid
    damaged: tuple[str, ...]
    """Names of files that are not what they were written as."""

    refused: tuple[str, ...]
    """Of each file that is not taken over, which and why."""

    most_kept: int


def history_page(site: Site) -> HistoryPage:
    """The changes since the last snapshot, and all snapshots, newest first."""
    snapshots = site.history.snapshots
    latest = site.history.latest
    return HistoryPage(
        "What has changed" if len(snapshots) > 1 else "Nothing to compare yet",
        _lede(snapshots, latest),
        _trends(site.history),
        _change_grid(site, [change for change in latest if change.kind != "rank"]),
        _change_grid(site, [change for change in latest if change.kind == "rank"]),
        _snapshot_grid(site.history),
        tuple(sorted(site.history.damaged)),
        tuple(f"{FOLDER}/{name} {why}" for name, why in sorted(site.history.refused.items())),
        MOST_KEPT,
    )


def _trends(history: History) -> tuple[Trend, ...]:
    """Of the tables with the tasks of the last one: what a score is depends on them."""
    tables = [snapshot.table for snapshot in history.snapshots]
    alike = [table for table in tables if table.tasks == tables[-1].tasks]
    named = [(str(table.date), _best_row(table)) for table in alike]
    drawn = (
        trend("Best score", [(date, row.score if row else None) for date, row in named], history.unit.write),
        trend("Its training", [(date, row.train_usd if row else None) for date, row in named], usd),
    )
    return tuple(chart for chart in drawn if chart)


def news(site: Site) -> str:
    """What the first page says of the history: a sentence, or nothing where there is no earlier table."""
    snapshots = site.history.snapshots
    return f"Since {snapshots[-2].table.date}: {summed(site.history.latest)}." if len(snapshots) > 1 else ""


def _lede(snapshots: Sequence[StoredSnapshot], latest: Sequence[Change]) -> str:
    if len(snapshots) < 2:
        return (
            "This is the first table published here. "
            "When results or prices change, the next one is compared with it."
        )
    before, now = (snapshot.table.date for snapshot in snapshots[-2:])
    return f"Between the table of {before} and this one of {now}: {summed(latest)}."


def _change_grid(site: Site, latest: Sequence[Change]) -> Grid | None:
    if not latest:
        return None
    models = set(model_names(site))
    lines = [GridRow(_head(change, models), _items(change)) for change in latest[:MOST_CHANGES]]
    columns = (Column("What", text=True), Column("Now", "Below, as it was.", text=True))
    hidden = len(latest) - MOST_CHANGES
    if hidden > 0:
        lines.append(remainder_line(hidden, columns))
    return Grid("Changes since the last table", Column("Candidate"), columns, tuple(lines))


def _head(change: Change, models: set[str]) -> Head:
    row = change.row
    if row is None:
        return Head(change.subject)
    href = model_href(row.candidate) if row.candidate in models else ""
    return Head(row.candidate, row.method_name, method=row.method, href=href)


def _items(change: Change) -> tuple[Item, ...]:
    return (
        Item(NOUNS[change.kind], sort=NOUNS[change.kind]),
        Item(
            change.after or MISSING,
            f"was {change.before}" if change.before else "",
            sort=change.after or None,
        ),
    )


def _snapshot_grid(history: History) -> Grid:
    snapshots = history.snapshots
    lines = [
        _snapshot_line(snapshot, former, history.unit_of(snapshot.table))
        for former, snapshot in zip((None, *snapshots[:-1]), snapshots, strict=True)
    ]
    columns = (
        Column("Best score", text=True),
        Column("Table", narrow=False),
        Column("Prices of", narrow=False),
        Column("What changed", "Since the snapshot before.", text=True),
    )
    return Grid(
        "Snapshots", Column("Newest run", "Leads to the figures, as JSON."), columns, tuple(reversed(lines))
    )


def _snapshot_line(snapshot: StoredSnapshot, former: StoredSnapshot | None, unit: Unit) -> GridRow:
    table = snapshot.table
    place_text = "the first" if table.number == 1 else "the oldest that is kept"
    items = (
        Item(_best(table, unit)),
        Item(count_of(len(table.rows), "row"), sort=len(table.rows)),
        Item(str(table.prices_as_of), sort=str(table.prices_as_of)),
        Item(place_text if former is None else summed(changes(former.table, table))),
    )
    return GridRow(Head(str(table.date), f"no. {table.number}", href=f"{FOLDER}/{snapshot.name}"), items)


def _best_row(snapshot: Snapshot) -> SnapshotRow | None:
    return next((row for row in snapshot.rows if row.score is not None), None)


def _best(snapshot: Snapshot, unit: Unit) -> str:
    best = _best_row(snapshot)
    return MISSING if best is None else f"{best.label}, {best.score_text(unit)}"
