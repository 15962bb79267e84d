"""Each row of the ranking with what it costs, what it gains for that, and whether it is on the frontier."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from harness.records.result import Failure, Result
from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.board import ScenarioTable
from leaderboards.money.bill import Bill, bill, usual_device
from leaderboards.money.budgets import smaller_budgets
from leaderboards.money.frontier import frontier_shares, staircase, usd_per_point
from leaderboards.money.payback import Line, NoFigure, Payback, accuracy, doubt, payback, spread_of
from leaderboards.money.peaks import mfu
from leaderboards.money.prices import Prices, total_of
from leaderboards.money.spend import PricedRuns, Spend, price_runs
from leaderboards.rank.baselines import Key, key_of
from leaderboards.rank.draws import Draws, joint_draws
from leaderboards.rank.tables import Row, Table


@dataclass(frozen=True)
class Entry:
    """A row and its economics."""

    row: Row
    spend: Spend
    bill: Bill
    """All that was spent on the candidate: every task, seed and training budget, the search, what failed."""

    over_few: Payback | None
    """Break-even against the few-shot arm of the same model; None where there is none, or no price."""

    over_few_uncached: Payback | None
    """Against that arm with its prefix cache off; None where its speed without it was not measured, too."""

    over_zero: Payback | None
    """Break-even against the zero-shot arm of the same model."""

    over_api: Payback | None
    """Break-even against the first hosted model of the prices file, of costs alone; None without one, or a
    price."""

    accuracy: float | None
    """Share of right answers; None unless every task is right or wrong."""

    mfu: float | None
    """Share of the devices' peak that its trainings reached; None where a peak is not known."""

    usd_per_point: float | NoFigure | None = None
    """Training dollars for each point over the next cheaper row on the frontier; None for the cheapest, or no
    price."""

    frontier: bool = False
    """Whether no complete row scores as much for less training."""

    frontier_share: float | None = None
    """In which share of the draws it is; None for a row that is not complete."""


@dataclass(frozen=True)
class CostLedger:
    """All entries, in the order of the table."""

    entries: tuple[Entry, ...]
    priced: bool
    """Whether training is compared in dollars; otherwise a device has no price, and it is device-seconds."""

    total: Bill
    """All that was spent on all candidates, those without a finished run among them."""

    draws: Draws
    """Joint draws of the ranked rows' scores."""

    smaller: tuple[Entry, ...]
    """Ranked fine-tunes at training budgets below their own: see `leaderboards.money.budgets`."""

    runs: PricedRuns
    """All runs of the board's tasks, from which the entries were made."""

    lines: "CostLines"

    def payback(self, row: Row, arm: Row, gain: Estimate | None) -> Payback | None:
        """Break-even of a fine-tune against any arm without tuning;
        None where a price or a rate is missing."""
        row_line, arm_line = self.lines.of(row.key), self.lines.of(arm.key)
        if row_line is None or arm_line is None:
            return None
        spread = spread_of(row.results, arm.results, self.runs)
        return payback(row_line, arm_line, why=doubt(gain), spread=spread)

    def of(self, row: Row) -> Entry:
        """The entry of a row."""
        return self._by_key[row.key]

    @cached_property
    def _by_key(self) -> dict[Key, Entry]:
        return {entry.row.key: entry for entry in self.entries}

    def outlay(self, entry: Entry) -> float:
        """What one fine-tune takes, in dollars or device-seconds; 0 for arms that train nothing."""
        if not entry.spend.tuned:
            return 0.0
        if not self.priced:
            return entry.spend.device_seconds
        assert entry.spend.training is not None, "a ledger is priced when every tuned row is"
        return entry.spend.training.mid


def make_ledger(
    table: Table,
    prices: Prices,
    results: Sequence[Result],
    failures: Sequence[Failure],
    *,
    use: ScenarioTable,
) -> CostLedger:
    """Work out every row's economics at these prices and in this use, from all runs of the board's tasks,
    whatever became of them."""
    runs = price_runs(results, prices)
    results_by_row, failures_by_row = (
        defaultdict[Key, list[Result]](list),
        defaultdict[Key, list[Failure]](list),
    )
    for result in results:
        results_by_row[key_of(result.run)].append(result)
    for failure in failures:
        failures_by_row[key_of(failure.run)].append(failure)
    lines = CostLines({row.key: runs.spend(row.results) for row in table.rows}, prices, use)
    entries = []
    for row in table.rows:
        row_runs = results_by_row[row.key]
        spent = bill(row_runs, failures_by_row[row.key], runs, device=usual_device(row_runs))
        entries.append(_entry(row, spent, table, runs, lines))
    smaller = []
    for row in smaller_budgets(table):
        spent = bill(row.results, (), runs, device=usual_device(row.results))
        budget_lines = replace(lines, spends={**lines.spends, row.key: runs.spend(row.results)})
        smaller.append(_entry(row, spent, table, runs, budget_lines))
    ledger = CostLedger(
        tuple(entries),
        priced=all(entry.spend.training for entry in entries if entry.spend.tuned),
        total=bill(results, failures, runs, device=usual_device(results)),
        draws=joint_draws(table),
        smaller=tuple(smaller),
        runs=runs,
        lines=lines,
    )
    return replace(ledger, entries=_with_frontier(ledger))


def _with_frontier(ledger: CostLedger) -> tuple[Entry, ...]:
    """The entries with their places on the staircase of score against training cost; complete rows come
    first."""
    scores = [entry.row.score.value for entry in ledger.entries if entry.row.score]
    ranked, incomplete = ledger.entries[: len(scores)], ledger.entries[len(scores) :]
    costs, steps = [ledger.outlay(entry) for entry in ranked], ledger.draws.steps
    on_staircase = set(staircase(list(zip(costs, scores, strict=True))))
    shares, points = frontier_shares(costs, steps), usd_per_point(costs, scores, steps)
    placed = [
        replace(
            entry,
            usd_per_point=points[place] if ledger.priced else None,
            frontier=place in on_staircase,
            frontier_share=shares[place],
        )
        for place, entry in enumerate(ranked)
    ]
    return (*placed, *incomplete)


@dataclass(frozen=True)
class CostLines:
    """The total cost of each row against volume, in the scenario of a board."""

    spends: Mapping[Key, Spend]
    prices: Prices
    use: ScenarioTable

    def of(self, key: Key, *, cached: bool = True) -> Line | None:
        """None where a price or a rate is not known."""
        spend, use = self.spends[key], self.use
        request = spend.request if cached else spend.uncached_request
        hours = [(self.prices.hour(device), count) for device, count in spend.devices.items()]
        held = total_of([None if hour is None else hour.times(count * use.hours) for hour, count in hours])
        if spend.training is None or request is None or held is None:
            return None
        again = use.retrains if spend.tuned else 0
        labels = 0.0 if use.labels == "owned" else spend.data.mid * (1 + again * use.relabel)
        fixed = labels + spend.training.mid * (1 + again)
        return Line(fixed, request.mid * 100 / use.utilisation, held.mid)


def _entry(row: Row, spent: Bill, table: Table, runs: PricedRuns, lines: CostLines) -> Entry:
    row_spend, hosted = lines.spends[row.key], runs.prices.apis
    row_line = lines.of(row.key) if row.tuned else None

    def over(method: Method, gain: Estimate | None, *, cached: bool = True) -> Payback | None:
        arm = table.baseline(row, method) if row.tuned else None
        line = lines.of(arm.key, cached=cached) if arm else None
        if arm is None or gain is None or row_line is None or line is None:
            return None
        spread = spread_of(row.results, arm.results, runs, cached=cached)
        return payback(row_line, line, why=doubt(gain), spread=spread)

    over_api = None
    if hosted and row_line:
        tokens = hosted[0].request(row_spend.prompt_tokens, row_spend.completion_tokens)
        over_api = payback(row_line, Line(0.0, tokens.mid))
    return Entry(
        row,
        row_spend,
        spent,
        over_few=over("few_shot", row.over_few),
        over_few_uncached=over("few_shot", row.over_few, cached=False),
        over_zero=over("zero_shot", row.over_zero),
        over_api=over_api,
        accuracy=accuracy(row.results),
        mfu=mfu(itertools.chain.from_iterable(result.trainings for result in row.results)),
    )
