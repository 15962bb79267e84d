"""Each row of the ranking with what it costs, what it gains for that, and whether it is on the frontier."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.config import Run
from harness.results import Failure, Result
from leaderboards.baselines import Key
from leaderboards.bill import Bill, bill, usual_device
from leaderboards.economics import Payback, Prices, Spend, Verdict, payback, spend, staircase, usd_per_point
from leaderboards.tables import Row, Table


@dataclass(frozen=True)
class Entry:
    """A row and its economics."""

    row: Row
    spend: Spend
    bill: Bill
    """All that was spent on the candidate: every task, seed and training budget, the search, what failed."""

    over_few: Payback | None
    """Break-even against the few-shot arm of the same model; None where there is none, or no price."""

    over_zero: Payback | None
    """The same against the zero-shot arm."""

    usd_per_point: float | Verdict | None
    """Training dollars for each point gained over few-shot, or over zero-shot where few-shot was not run."""

    frontier: bool
    """Whether no complete row scores as much for less training."""


@dataclass(frozen=True)
class Ledger:
    """All entries, in the order of the table."""

    entries: tuple[Entry, ...]
    priced: bool
    """Whether training is compared in dollars; otherwise a device has no price, and it is device-seconds."""

    total: Bill
    """All that was spent on all candidates, those without a finished run among them."""

    def of(self, row: Row) -> Entry:
        """The entry of a row."""
        return next(entry for entry in self.entries if entry.row.key == row.key)

    def outlay(self, entry: Entry) -> float:
        """What one fine-tune takes, in dollars or device-seconds; 0 for arms that train nothing."""
        if not entry.spend.tuned:
            return 0.0
        if not self.priced:
            return entry.spend.device_seconds
        assert entry.spend.training is not None, "a ledger is priced when every tuned row is"
        return entry.spend.training.mid


def make_ledger(table: Table, prices: Prices, results: Sequence[Result], failures: Sequence[Failure]) -> Ledger:
    """Work out every row's economics at these prices, from all runs of the board's tasks, whatever became of them."""
    known = {result.key: result for result in results}
    made, failed = defaultdict[Key, list[Result]](list), defaultdict[Key, list[Failure]](list)
    for result in results:
        made[_key(result.run)].append(result)
    for failure in failures:
        failed[_key(failure.run)].append(failure)
    entries = []
    for row in table.rows:
        mine = made[row.key]
        spent = bill(mine, failed[row.key], prices, known, device=usual_device(mine))
        entries.append(_entry(row, spent, table, prices, known))
    ledger = Ledger(
        tuple(entries),
        priced=all(entry.spend.training for entry in entries if entry.spend.tuned),
        total=bill(results, failures, prices, known, device=usual_device(results)),
    )
    ranked = [(entry, entry.row.score.value) for entry in entries if entry.row.score]
    kept = staircase([(ledger.outlay(entry), score) for entry, score in ranked])
    frontier = {ranked[index][0].row.key for index in kept}
    return replace(ledger, entries=tuple(replace(entry, frontier=entry.row.key in frontier) for entry in entries))


def _key(run: Run) -> Key:
    return run.candidate.name, run.candidate.method


def _entry(row: Row, spent: Bill, table: Table, prices: Prices, known: Mapping[str, Result]) -> Entry:
    own = spend(row.results, prices, known)
    if not row.tuned:
        return Entry(row, own, spent, over_few=None, over_zero=None, usd_per_point=None, frontier=False)
    few, zero = table.baseline(row, "few_shot"), table.baseline(row, "zero_shot")
    return Entry(
        row,
        own,
        spent,
        over_few=payback(row.results, few.results, prices, known, gain=row.over_few) if few and row.over_few else None,
        over_zero=payback(row.results, zero.results, prices, known, gain=row.over_zero) if zero and row.over_zero else None,
        usd_per_point=usd_per_point(own, row.over_few or row.over_zero),
        frontier=False,
    )
