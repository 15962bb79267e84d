"""What a board said when it was published before, and what has changed since.

A site keeps a dated snapshot of its table in `history/`, and the next publish carries them over. The date is
that of the newest run, for pages know no clock. A name ends in the hash of the file, so that a damaged
snapshot is found out.
"""

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from harness.counts import count_of
from harness.errors import UserError
from harness.foreign import MOST_RECORD, ForeignFileError, check_keys, read_bounded
from harness.records.fields import Count, Finite
from harness.records.result import Result
from harness.sweep.methods import Method
from harness.toml import Frozen
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.money.prices import Price, Prices
from leaderboards.rank.tables import Table
from leaderboards.text import POINTS, Unit, candidate_label, listed, usd

FOLDER = "history"
MOST_KEPT = 50
"""Snapshots; the oldest are dropped."""

_NAME = re.compile(r"\d{4}-\d{2}-\d{2}-([0-9a-f]{12})\.json")

Kind = Literal["tasks", "prices", "new", "gone", "rank", "score", "advice"]

NOUNS: dict[Kind, str] = {
    "score": "score beyond noise",
    "advice": "advice no longer given",
    "tasks": "change of the tasks",
    "prices": "price",
    "new": "new row",
    "gone": "row gone",
    "rank": "rank",
}
"""In the order in which they are told: new rows alone may change the ranks of all others."""


class SnapshotRow(Frozen):
    """A row of the table as it was."""

    candidate: str
    method: Method
    method_name: str
    rank_best: Count | None
    rank_worst: Count | None
    score: Finite | None
    low: Finite | None
    high: Finite | None
    """95 % interval."""

    train_usd: float | None
    serve_usd_per_1k: float | None

    @property
    def key(self) -> tuple[str, Method]:
        """What tells rows apart."""
        return self.candidate, self.method

    @property
    def label(self) -> str:
        """How people read the candidate."""
        return candidate_label(self.candidate, self.method_name)

    @property
    def rank(self) -> str:
        """`3`, or `1–2` where the order is open."""
        if self.rank_best is None or self.rank_worst is None:
            return "not ranked"
        return (
            str(self.rank_best)
            if self.rank_best == self.rank_worst
            else f"{self.rank_best}–{self.rank_worst}"
        )

    def score_text(self, unit: Unit = POINTS) -> str:
        """The score with its interval."""
        if self.score is None or self.low is None or self.high is None:
            return "no score"
        low, high = sorted((self.low, self.high), key=unit.scale.value)
        return f"{unit.write(self.score)} ({unit.write(low)} to {unit.write(high)})"


class Snapshot(Frozen):
    """A board's table at one time."""

    snapshot_version: Literal[1] = 1
    number: Count
    """Counts the snapshots of a site, from 1."""

    date: datetime.date
    """When the newest run finished."""

    board: str
    prices_as_of: datetime.date
    prices: dict[str, Price]
    """By what they are for."""

    tasks: dict[str, Finite] = Field(min_length=1)
    """With their weights."""

    rows: tuple[SnapshotRow, ...]
    """In the order of the table."""

    advice: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By task that was analysed, what there was to change next, in sentences."""


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot as it lies in the folder."""

    name: str
    content: bytes
    table: Snapshot


def stored(table: Snapshot) -> StoredSnapshot:
    """A snapshot with its file, which is named by date and contents."""
    written = table.model_dump(mode="json", exclude=None if table.advice else {"advice"})
    text = json.dumps(written, indent=1, sort_keys=True, allow_nan=False) + "\n"
    content = text.encode()
    return StoredSnapshot(f"{table.date}-{_hash(content)}.json", content, table)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


@dataclass(frozen=True)
class Change:
    """One thing that differs between two snapshots."""

    kind: Kind
    subject: str
    """The candidate of a row; otherwise what has changed, in words."""

    before: str
    after: str
    row: SnapshotRow | None = None
    """The row that has changed; None where tasks or prices have."""

    @property
    def text(self) -> str:
        """In a sentence, without a full stop."""
        if self.kind in ("new", "gone"):
            return f"{self.subject}: {NOUNS[self.kind]}"
        moved = f"{self.before} → {self.after}"
        return (
            f"{self.subject}: {moved}" if self.row is None else f"{self.subject}: {NOUNS[self.kind]}, {moved}"
        )


@dataclass(frozen=True)
class History:
    """The snapshots of a site, the one of this table among them."""

    snapshots: tuple[StoredSnapshot, ...] = ()
    """Oldest first; the last is the current table."""

    damaged: dict[str, bytes] = field(default_factory=dict)
    """By name: files that are not what they were written as. They are kept as they are."""

    refused: dict[str, str] = field(default_factory=dict)
    """By name, why a file is not taken over: a link, say, that might lead to a secret."""

    grown: bool = False
    """Whether the table was not in the history before."""

    unit: Unit = POINTS
    """How scores of the board as it is now are written."""

    @property
    def files(self) -> dict[str, bytes]:
        """What lies in the folder, by name."""
        return self.damaged | {snapshot.name: snapshot.content for snapshot in self.snapshots}

    @property
    def latest(self) -> list[Change]:
        """What has changed since the snapshot before; empty where there is none."""
        if len(self.snapshots) < 2:
            return []
        before, now = self.snapshots[-2:]
        return changes(before.table, now.table, self.unit_of(before.table))

    def unit_of(self, table: Snapshot) -> Unit:
        """How the scores of a snapshot are written:
        in the unit of the board, as long as it has these tasks."""
        return self.unit if self.snapshots and table.tasks == self.snapshots[-1].table.tasks else POINTS

    def advice_done(self, task: str) -> tuple[str, list[str]]:
        """When the table before this one was, and what there was to change next on a task, and no more is."""
        if len(self.snapshots) < 2 or task not in self.snapshots[-1].table.advice:
            return "", []
        before, now = (snapshot.table for snapshot in self.snapshots[-2:])
        return str(before.date), advice_gone(before, now, task)

    @property
    def fresh(self) -> list[Change]:
        """What has changed since the site was last published; empty when nothing has, or it never was."""
        return self.latest if self.grown else []


def looks(history: History, keys: Iterable[tuple[str, Method]]) -> int:
    """How many times some rows were published together with other scores than the time before."""
    wanted = list(keys)
    scores: list[tuple[float | None, ...]] = []
    for snapshot in history.snapshots:
        by_key = {row.key: row.score for row in snapshot.table.rows}
        seen = tuple(by_key.get(key) for key in wanted)
        if None not in seen and (not scores or scores[-1] != seen):
            scores.append(seen)
    return len(scores)


def read_history(folder: Path) -> History:
    """The snapshots of a former site; empty where there are none.

    Raises `UserError` where the folder cannot be listed: the next site would be without them.
    """
    snapshots, damaged, refused = [], {}, {}
    for name in _names(folder):
        named = _NAME.fullmatch(name)
        if not named:
            continue
        try:
            if (folder / name).is_symlink():
                raise ForeignFileError("is a link, which is not followed")
            content = read_bounded(folder / name, MOST_RECORD)
        except ForeignFileError as error:
            refused[name] = str(error)
            continue
        table = _read(content) if named[1] == _hash(content) else None
        if table is None:
            damaged[name] = content
        else:
            snapshots.append(StoredSnapshot(name, content, table))
    snapshots.sort(key=lambda snapshot: (snapshot.table.number, snapshot.name))
    return History(tuple(snapshots), dict(list(damaged.items())[-MOST_KEPT:]), refused)


def _names(folder: Path) -> list[str]:
    if folder.is_symlink() or folder.parent.is_symlink():
        raise UserError(f"{folder} is reached by a link, which is not followed; remove the link")
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise UserError(
            f"{folder} cannot be listed: {error.strerror}; make it readable, or move it away, and publish "
            "again: the new site would have no history"
        ) from None


def _read(content: bytes) -> Snapshot | None:
    try:
        check_keys(content)
        return Snapshot.model_validate_json(content)
    except (ForeignFileError, ValidationError):  # of another version
        return None


def extended(former: History, now: Snapshot) -> History:
    """The history with the current table added, unless its last snapshot is that table already."""
    last = former.snapshots[-1].table if former.snapshots else None
    if last is not None and now.model_copy(update={"number": last.number}) == last:
        return former
    added = stored(now.model_copy(update={"number": last.number + 1 if last else 1}))
    # The same table under the same name puts a damaged file right.
    damaged = {name: content for name, content in former.damaged.items() if name != added.name}
    return replace(
        former,
        snapshots=(*former.snapshots, added)[-MOST_KEPT:],
        damaged=damaged,
        grown=last is not None,
    )


def snapshot_of(
    board: str,
    table: Table,
    ledger: CostLedger,
    prices: Prices,
    results: Iterable[Result],
    *,
    advice: Mapping[str, tuple[str, ...]],
) -> Snapshot:
    """A snapshot of the current table."""
    return Snapshot(
        number=1,
        date=_newest(results) or prices.as_of,
        board=board,
        prices_as_of=prices.as_of,
        prices=_named_prices(prices),
        tasks=table.weights,
        rows=tuple(_row(entry) for entry in ledger.entries),
        advice=dict(advice),
    )


def _newest(results: Iterable[Result]) -> datetime.date | None:
    dates = []
    for result in results:
        try:
            dates.append(datetime.date.fromisoformat(result.provenance.finished_at[:10]))
        except ValueError:  # somebody else's result
            continue
    return max(dates, default=None)


def _named_prices(prices: Prices) -> dict[str, Price]:
    named: dict[str, Price] = {f"an hour of {entry.match}": entry.usd_per_hour for entry in prices.devices}
    for hosted in prices.apis:
        named[f"a million tokens that a {hosted.name} reads"] = hosted.usd_per_million_input
        named[f"a million tokens that a {hosted.name} writes"] = hosted.usd_per_million_output
    return named | {"a kilowatt-hour": prices.energy.usd_per_kwh, "a label": prices.label.usd_per_item}


def _row(entry: Entry) -> SnapshotRow:
    row, spent = entry.row, entry.spend
    return SnapshotRow(
        candidate=row.name,
        method=row.method,
        method_name=row.method_name,
        rank_best=row.ranks[0] if row.ranks else None,
        rank_worst=row.ranks[1] if row.ranks else None,
        score=row.score.value if row.score else None,
        low=row.score.low if row.score else None,
        high=row.score.high if row.score else None,
        train_usd=spent.training.mid if spent.training else None,
        serve_usd_per_1k=1000 * spent.request.mid if spent.request else None,
    )


def changes(before: Snapshot, after: Snapshot, unit: Unit = POINTS) -> list[Change]:
    """What differs: scores whose intervals do not touch, tasks and prices, rows come and gone, and ranks.

    Where the tasks differ a score is another quantity, and is not compared.
    """
    differences = []
    if before.tasks != after.tasks:
        differences.append(Change("tasks", "Tasks and weights", _tasks_text(before), _tasks_text(after)))
    differences += [
        Change(
            "prices",
            f"The price of {name}",
            _price_text(before.prices.get(name)),
            _price_text(after.prices.get(name)),
        )
        for name in sorted({*before.prices, *after.prices})
        if before.prices.get(name) != after.prices.get(name)
    ]
    old, new = ({row.key: row for row in snapshot.rows} for snapshot in (before, after))
    differences += [_of_row("new", row, "", f"rank {row.rank}") for key, row in new.items() if key not in old]
    differences += [
        _of_row("gone", row, f"rank {row.rank}", "") for key, row in old.items() if key not in new
    ]
    in_both = [(old[key], row) for key, row in new.items() if key in old]
    differences += [
        _of_row("rank", row, former.rank, row.rank) for former, row in in_both if former.rank != row.rank
    ]
    if before.tasks == after.tasks:
        differences += [
            _of_row("score", row, former.score_text(unit), row.score_text(unit))
            for former, row in in_both
            if _apart(former, row)
        ]
    differences += [
        Change("advice", task, sentence, "nothing of the kind is found")
        for task in after.advice
        for sentence in advice_gone(before, after, task)
    ]
    return sorted(differences, key=_told_at)


def advice_gone(before: Snapshot, after: Snapshot, task: str) -> list[str]:
    """What there was to change next on a task, and is not found in its present analysis any more.

    Sentences that differ in their figures alone say the same, of more or fewer samples.
    """
    present = {_without_figures(sentence) for sentence in after.advice.get(task, ())}
    return [sentence for sentence in before.advice.get(task, ()) if _without_figures(sentence) not in present]


def _without_figures(sentence: str) -> str:
    return re.sub(r"\d+(?:[.,]\d+)*", "#", sentence)


def _told_at(change: Change) -> int:
    """Its place among the kinds of changes."""
    return list(NOUNS).index(change.kind)


def _of_row(kind: Kind, row: SnapshotRow, before: str, after: str) -> Change:
    return Change(kind, row.label, before, after, row)


def _apart(row: SnapshotRow, other_row: SnapshotRow) -> bool:
    """Whether two scores differ by more than both intervals allow."""
    if row.low is None or row.high is None or other_row.low is None or other_row.high is None:
        return False
    return row.high < other_row.low or other_row.high < row.low


def _tasks_text(snapshot: Snapshot) -> str:
    even = len(set(snapshot.tasks.values())) < 2
    named = [name if even else f"{name} × {weight:g}" for name, weight in snapshot.tasks.items()]
    return listed(named if len(named) < 7 else [*named[:5], f"{len(named) - 5} more"])


def _price_text(price: Price | None) -> str:
    return "none" if price is None else f"{usd(price.mid)} ({usd(price.low)} to {usd(price.high)})"


def summed(differences: Sequence[Change]) -> str:
    """`2 ranks and 1 new row`; `nothing beyond noise` where scores have moved, but not far."""
    counts = [(sum(change.kind == kind for change in differences), kind) for kind in NOUNS]
    parts = [_counted(number, kind) for number, kind in counts if number]
    return listed(parts) if parts else "nothing beyond noise"


def _counted(number: int, kind: Kind) -> str:
    if kind == "tasks":
        return "other tasks"
    if kind == "gone":
        return f"{count_of(number, 'row')} gone"
    if kind == "advice":
        return f"{count_of(number, 'piece')} of advice no longer given"
    if kind == "score":
        return f"{count_of(number, 'score')} beyond noise"
    return count_of(number, NOUNS[kind])
