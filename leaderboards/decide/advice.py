"""What follows from a table, as facts: what to fine-tune or that nothing should be, what decides it, and what
weakens it. `leaderboards.decide.verdict` words them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.money.payback import Payback
from leaderboards.rank.standings import SIGNIFICANT
from leaderboards.rank.tables import Row, Table

SLACK = 1e-9
"""A difference of two means of counts below it is one of rounding."""

AdviceKind = Literal["tune", "keep", "tuned_only", "untuned_only", "all_forget", "none_complete"]
"""Fine-tune; prompting is enough; no untuned arm, or no fine-tune, is complete; every fine-tune lost too much
on guard tasks; no candidate is complete."""


@dataclass(frozen=True)
class Gain:
    """What a fine-tune scores more than an untuned arm of its model, in paired samples."""

    over: Method
    difference: Estimate
    arm: Row | None


@dataclass(frozen=True)
class TuningCost:
    """What the best fine-tune costs."""

    entry: Entry
    per_task: bool
    """Whether there are several tasks, and so several trainings."""

    payback: Payback | None
    """Against `payback_over`; None when it is not known."""

    payback_over: Method
    """The few-shot arm of its model, or the zero-shot arm where that is not known."""


@dataclass(frozen=True)
class LevelRow:
    """A row of the leader's tier."""

    row: Row
    cheaper_usd: float | None
    """What its training costs, where that is less than the leader's; None elsewhere."""


@dataclass(frozen=True)
class LeadersTier:
    """The leader, and the rows whose difference from it is within noise."""

    leader: Row
    level: tuple[LevelRow, ...]


Measure = Literal["win rate", "mean rank"]
"""A way to order rows that does not average scores."""


@dataclass(frozen=True)
class OtherLeader:
    """A row that comes first by other measures than the mean score."""

    row: Row
    measures: tuple[Measure, ...]
    before: Row
    """The row with the best mean score."""


@dataclass(frozen=True)
class Weaknesses:
    """What weakens an advice, beside what its row says of itself."""

    passed_over: Row | None
    """The best row above it that lost too much on guard tasks."""

    other_leaders: tuple[OtherLeader, ...]
    incomplete: int
    """Candidates that are not ranked."""


@dataclass(frozen=True)
class Advice:
    """What to do, and why. Each kind has the facts that its sentences need."""

    kind: AdviceKind
    candidates: int
    """All rows of the table, complete or not."""

    advised: Row | None = None
    """The row to use; None where nothing can be advised."""

    weaknesses: Weaknesses | None = None
    """None exactly where `advised` is."""

    rival: Row | None = None
    """The best row of the other sort, tuned or untuned; None where there is none."""

    difference: Estimate | None = None
    """Best fine-tune minus best untuned row; None where they share no samples, or one is missing."""

    p: float | None = None
    """That the two differ, corrected for all fine-tunes; None where one is missing."""

    fine_tunes: int = 0
    """Ranked fine-tunes, for which `p` is corrected."""

    gains: tuple[Gain, ...] = ()
    """Gains of an advised fine-tune over the arms of its own model."""

    cost: TuningCost | None = None
    tier: LeadersTier | None = None
    margin: float | None = None
    """How much may be lost on guard tasks, where every fine-tune lost more."""


def decide(table: Table, ledger: CostLedger) -> Advice:
    """The advice that a table gives.

    Fine-tuning is advised only when the best tuned row beats the best row that was not tuned, whatever its
    model, by a paired difference whose interval is clear of zero, and that stays significant after correction
    for all fine-tunes (Holm): of many that gain nothing, the best one looks as if it did. A row that failed
    the guard against forgetting is no choice.
    """
    tuned, untuned = table.best(tuned=True), table.best(tuned=False)
    count = len(table.rows)
    if tuned is None:
        return _without_fine_tune(table, untuned)
    cost, tier = _tuning_cost(ledger.of(tuned), table), _leaders_tier(table, ledger)
    if untuned is None:
        return Advice("tuned_only", count, tuned, _weaknesses(tuned, table), cost=cost, tier=tier)
    difference, p = table.difference(tuned, untuned), table.claim(tuned, untuned)
    tunes = bool(difference and difference.low > 0 and p < SIGNIFICANT)
    advised, rival = (tuned, untuned) if tunes else (untuned, tuned)
    return Advice(
        "tune" if tunes else "keep",
        count,
        advised,
        _weaknesses(advised, table),
        rival,
        difference,
        p,
        fine_tunes=sum(row.tuned for row in table.ranked),
        gains=_gains(tuned, table) if tunes else (),
        cost=cost,
        tier=tier,
    )


def _without_fine_tune(table: Table, untuned: Row | None) -> Advice:
    """No fine-tune can be advised: none is complete, or all that are forget too much."""
    weaknesses = _weaknesses(untuned, table) if untuned else None
    margins = [row.forgetting.margin for row in table.ranked if row.forgetting and row.forgets]
    if margins:
        return Advice("all_forget", len(table.rows), untuned, weaknesses, margin=margins[0])
    return Advice("untuned_only" if untuned else "none_complete", len(table.rows), untuned, weaknesses)


def _gains(row: Row, table: Table) -> tuple[Gain, ...]:
    over: list[tuple[Method, Estimate | None]] = [("zero_shot", row.over_zero), ("few_shot", row.over_few)]
    return tuple(
        Gain(method, difference, table.baseline(row, method)) for method, difference in over if difference
    )


def _tuning_cost(entry: Entry, table: Table) -> TuningCost:
    several = len(table.tasks) > 1
    if entry.over_few:
        return TuningCost(entry, several, entry.over_few, "few_shot")
    return TuningCost(entry, several, entry.over_zero, "zero_shot")


def _leaders_tier(table: Table, ledger: CostLedger) -> LeadersTier:
    leader, *behind = table.eligible
    level = [row for row in behind if row.tier == leader.tier]
    return LeadersTier(leader, tuple(LevelRow(row, _cheaper_usd(row, leader, ledger)) for row in level))


def _cheaper_usd(row: Row, leader: Row, ledger: CostLedger) -> float | None:
    outlay, leader_outlay = ledger.outlay(ledger.of(row)), ledger.outlay(ledger.of(leader))
    return outlay if ledger.priced and 0 < outlay < leader_outlay else None


def _weaknesses(row: Row, table: Table) -> Weaknesses:
    return Weaknesses(
        passed_over=_passed_over(row, table.ranked),
        other_leaders=tuple(_other_leaders(table.ranked)) if len(table.tasks) > 1 else (),
        incomplete=len(table.rows) - len(table.ranked),
    )


def _passed_over(row: Row, ranked: Sequence[Row]) -> Row | None:
    """The best row above this one that lost too much on guard tasks."""
    for better in ranked:
        if better is row:
            return None
        if better.forgets:
            return better
    return None


def _other_leaders(ranked: Sequence[Row]) -> list[OtherLeader]:
    """Where measures that do not average scores name another leader."""
    measured = [(row, row.robustness) for row in ranked if row.robustness]
    if len(measured) < 2:
        return []
    leader, of_leader = measured[0]
    # The first of equal rows, which has the better mean score, is named.
    by_wins, wins = max(measured, key=lambda pair: pair[1].win_rate)
    by_rank, ranks = min(measured, key=lambda pair: pair[1].mean_rank)
    named: list[tuple[Row, Measure]] = []
    if wins.win_rate > of_leader.win_rate + SLACK:
        named.append((by_wins, "win rate"))
    if ranks.mean_rank < of_leader.mean_rank - SLACK:
        named.append((by_rank, "mean rank"))
    if len(named) == 2 and by_wins.key == by_rank.key:
        return [OtherLeader(by_wins, ("win rate", "mean rank"), leader)]
    return [OtherLeader(row, (measure,), leader) for row, measure in named]
