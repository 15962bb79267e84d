"""What follows from a table, as facts: what to fine-tune, that nothing should be, or that nothing can be said
yet; what decides it, and what weakens it. `leaderboards.decide.verdict` words them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.board import Board
from leaderboards.decide.contests import TuningContest
from leaderboards.decide.purchases import Outlook, outlook
from leaderboards.decide.scenario import Scenario
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.money.payback import Payback
from leaderboards.rank.baselines import Key
from leaderboards.rank.standings import factors
from leaderboards.rank.tables import Row, Table
from leaderboards.rank.winners import adjusted_low
from leaderboards.text import POINTS, Unit

SLACK = 1e-9
"""A difference of two means of counts below it is one of rounding."""

AdviceKind = Literal[
    "tune",
    "equivalent",
    "undecided",
    "nothing_works",
    "broke_down",
    "all_forget",
    "no_baseline",
    "no_fine_tune",
    "none_complete",
]
"""Fine-tune; no fine-tune adds anything worth having; the data do not decide; no candidate beats guessing or
the most frequent answer; the best fine-tune collapsed or diverged; every fine-tune lost too much on guard
tasks; no arm without tuning is complete; no fine-tune is; no candidate is."""


@dataclass(frozen=True)
class Gain:
    """What a fine-tune scores more than an untuned arm of its own model."""

    over: Method
    difference: Estimate
    arm: Row | None


@dataclass(frozen=True)
class TuningCost:
    """What a fine-tune costs."""

    entry: Entry
    per_task: bool
    """Whether there are several tasks, and so several trainings."""

    request_usd: float | None
    """One request, with the time that a device is idle in the scenario of the board; None without a price."""

    utilisation: float
    """Percent of the time that a device is busy in it."""

    payback: Payback | None
    """Against `payback_over`; None when it is not known."""

    payback_over: Row | None
    """The best arm without tuning."""


@dataclass(frozen=True)
class Payoff:
    """What the advised fine-tune comes to in the scenario of the board."""

    scenario: Scenario
    best: Row | None
    """What is worth most after its costs, of all within the budget; None where nothing is."""

    best_budget: int | None
    """Training samples of `best`, where these are fewer than its row is ranked with."""

    extra_usd: float
    """Dollars that `best` is worth more than the advised fine-tune, after the costs of both."""

    net: float
    """Dollars that the fine-tune is worth more than the best arm without tuning, after the costs of both."""

    worth: float
    """P(worth it)."""

    affordable: bool
    """Whether its total cost is within the budget."""

    @property
    def pays(self) -> bool:
        """Whether the scenario advises a fine-tune, too, and allows the one that is advised."""
        return self.affordable and self.best is not None and self.best.tuned


@dataclass(frozen=True)
class TiedRow:
    """A row whose difference from the leader is within noise."""

    row: Row
    cheaper_usd: float | None
    """What its training costs, where that is less than the leader's; None elsewhere."""


@dataclass(frozen=True)
class LeadersTier:
    """The leader, and the sound rows that cannot be ruled out as equally good."""

    leader: Row
    tied: tuple[TiedRow, ...]


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

    unproven: tuple[Row, ...]
    """Fine-tunes that score more than the advised one, but are not shown to beat the arm without tuning."""

    passed_over: Row | None
    """The best row above it that lost too much on guard tasks."""

    other_leaders: tuple[OtherLeader, ...]
    incomplete: int
    """Candidates that are not ranked."""


@dataclass(frozen=True)
class Floor:
    """What a candidate scores that has learnt nothing, on the scale of the board."""

    score: float
    kind: Literal["guessing", "most frequent answer", "zero"]


@dataclass(frozen=True)
class Advice:
    """What to do, and why. Each kind has the facts that its sentences need."""

    kind: AdviceKind
    candidates: int
    """All rows of the table, complete or not."""

    advised: Row | None = None
    """The row to use, or to use until more is known; None where nothing can be advised."""

    weaknesses: Weaknesses | None = None
    """None exactly where `advised` is."""

    contest: TuningContest | None = None
    """What decides: of an advised fine-tune, or else of the best one; None where one side is missing."""

    fine_tunes: int = 0
    """Ranked fine-tunes, for which p-values are corrected."""

    gains: tuple[Gain, ...] = ()
    """Gains of an advised fine-tune over the arms of its own model."""

    adjusted_low: float | None = None
    """The lower end of the deciding gain, allowing for the choice of the best among several; None where there
    was no choice."""

    cost: TuningCost | None = None
    payoff: Payoff | None = None
    """Of an advised fine-tune; None where its costs are not known."""

    tier: LeadersTier | None = None
    floor: Floor | None = None
    margin: float | None = None
    """The gain below which tuning is not worth it, or how much may be lost on guard tasks: whichever
    decides."""

    outlook: Outlook | None = None
    """What more seeds or samples would tell, and cost; None without a contest."""

    unit: Unit = POINTS
    """How its scores and gains are written."""

    keeping: tuple[tuple[Row, int], ...] = ()
    """Where every ranked fine-tune forgot too much: those that did not with fewer training samples, and with
    how many."""

    looks: int = 1
    """How many times the two rows of the contest were published with other scores, this time among them."""


def decide(
    table: Table, ledger: CostLedger, board: Board, contests_by_key: Mapping[Key, TuningContest]
) -> Advice:
    """The advice that a table gives. `contests_by_key`: of each complete fine-tune against the best arm that
    was not tuned, whatever its model.

    Best score first, the first one whose gain is clear of zero and stays significant after correction for all
    fine-tunes (Holm) is advised: of many that gain nothing, the best one looks as if it did. A row that
    failed the guard against forgetting is no choice, and one seed without another arm to borrow from shows
    nothing.
    """
    count = len(table.rows)
    tuned_rows = [row for row in table.eligible if row.tuned]
    untuned = table.best(tuned=False)
    if not tuned_rows:
        return _without_fine_tune(table, untuned)
    if untuned is None:
        best = tuned_rows[0]
        return Advice("no_baseline", count, best, _weaknesses(best, table, ()), unit=table.unit)
    contests = [contests_by_key[row.key] for row in tuned_rows]
    decisive = next((contest for contest in contests if contest.gain_proven), None)
    contest = decisive or contests[0]
    floor, kind, advised = _floor(table), _kind(contests, decisive, board), contest.untuned
    if _is_at(floor, table.eligible):
        kind, advised = "nothing_works", table.eligible[0]
    elif kind == "tune":
        advised = contest.tuned
    unproven = tuned_rows[: tuned_rows.index(contest.tuned)] if kind == "tune" else []
    return Advice(
        kind,
        count,
        advised,
        _weaknesses(advised, table, unproven),
        contest,
        unit=table.unit,
        fine_tunes=sum(row.tuned for row in table.ranked),
        gains=_gains(contest.tuned, table) if kind == "tune" else (),
        adjusted_low=adjusted_low(table, contest.tuned, untuned) if kind == "tune" else None,
        cost=_tuning_cost(contest, table, ledger, board),
        tier=_leaders_tier(contest, table, ledger) if kind == "tune" else None,
        floor=floor,
        margin=board.smallest_gain / 100,
        outlook=outlook(table, ledger, contest.tuned, untuned, smallest_gain=board.smallest_gain / 100),
    )


def _kind(contests: Sequence[TuningContest], decisive: TuningContest | None, board: Board) -> AdviceKind:
    if decisive is not None:
        return "tune"
    if contests[0].tuned.broken:
        return "broke_down"
    if all(contest.below(board.smallest_gain / 100) for contest in contests):
        return "equivalent"
    return "undecided"


def _without_fine_tune(table: Table, untuned: Row | None) -> Advice:
    """No fine-tune can be advised: none is complete, or all that are forget too much."""
    weaknesses = _weaknesses(untuned, table, ()) if untuned else None
    margins = [row.forgetting.margin for row in table.ranked if row.forgetting and row.forgets]
    if margins:
        return Advice(
            "all_forget",
            len(table.rows),
            untuned,
            weaknesses,
            margin=margins[0],
            unit=table.unit,
            keeping=_keeping(table),
        )
    kind: AdviceKind = "no_fine_tune" if untuned else "none_complete"
    return Advice(kind, len(table.rows), untuned, weaknesses, unit=table.unit)


def _keeping(table: Table) -> tuple[tuple[Row, int], ...]:
    """The ranked fine-tunes that did not forget too much when trained on so many samples, fewer than all."""
    return tuple(
        (row, budget)
        for row in table.ranked
        for (key, budget), guard in table.smaller_guards.items()
        if key == row.key and guard.verdict != "failed"
    )


def _floor(table: Table) -> Floor:
    """What guessing, or always giving the most frequent answer, scores: whichever is more."""
    guessing = most_frequent = 0.0
    for task, factor in factors(table.tasks, table.weights).items():
        card = table.tasks[task]
        # On several tasks chance is 0; on one, scores are as the metric gives them.
        zero = card.chance if table.normalised else 0.0
        level = card.metrics[card.primary_metric].level(card.chance)
        guessing += factor * (card.chance - zero)
        most_frequent += factor * (level - zero)
    if most_frequent > guessing:
        return Floor(most_frequent, "most frequent answer")
    return Floor(guessing, "guessing" if any(card.chance > 0 for card in table.tasks.values()) else "zero")


def _is_at(floor: Floor, rows: Sequence[Row]) -> bool:
    """Whether no row is shown to score more than the floor."""
    scores = [row.score for row in rows if row.score]
    if floor.kind == "zero":  # an interval of few samples may begin at 0 whatever they score
        return all(score.value <= SLACK for score in scores)
    return all(score.low <= floor.score for score in scores)


def _gains(row: Row, table: Table) -> tuple[Gain, ...]:
    over: list[tuple[Method, Estimate | None]] = [("few_shot", row.over_few), ("zero_shot", row.over_zero)]
    return tuple(
        Gain(method, difference, table.baseline(row, method)) for method, difference in over if difference
    )


def _tuning_cost(contest: TuningContest, table: Table, ledger: CostLedger, board: Board) -> TuningCost:
    line = ledger.lines.of(contest.tuned.key)
    return TuningCost(
        ledger.of(contest.tuned),
        len(table.tasks) > 1,
        None if line is None else line.request,
        board.scenario.utilisation,
        ledger.payback(contest.tuned, contest.untuned, contest.difference),
        contest.untuned,
    )


def _leaders_tier(contest: TuningContest, table: Table, ledger: CostLedger) -> LeadersTier:
    """Flagged rows have wide intervals because something broke, and the arm that was beaten is no rival."""
    leader = contest.tuned
    tied = [
        row
        for row in table.eligible
        if row.tier == leader.tier
        and not row.broken
        and row.key not in {leader.key, contest.untuned.key}
        and not _is_clearly_worse(row.key, leader.key, table)
    ]
    return LeadersTier(leader, tuple(TiedRow(row, _cheaper_usd(row, leader, ledger)) for row in tied))


def _is_clearly_worse(key: Key, leader: Key, table: Table) -> bool:
    difference = table.overall.difference(key, leader)
    return difference is not None and difference.high < 0


def _cheaper_usd(row: Row, leader: Row, ledger: CostLedger) -> float | None:
    outlay, leader_outlay = ledger.outlay(ledger.of(row)), ledger.outlay(ledger.of(leader))
    return outlay if ledger.priced and 0 < outlay < leader_outlay else None


def _weaknesses(row: Row, table: Table, unproven: Sequence[Row]) -> Weaknesses:
    return Weaknesses(
        unproven=tuple(unproven),
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
