"""The answer in words: what to fine-tune, or that nothing should be, with the numbers that decide it."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.money.ledger import Entry, Ledger
from leaderboards.money.payback import Payback
from leaderboards.rank.standings import SIGNIFICANT
from leaderboards.rank.tables import Row, Table
from leaderboards.text import (
    count_of,
    duration,
    listed,
    p_value,
    points,
    round_usd,
    usd,
    volume,
    with_interval,
)

ENOUGH_SEEDS = 3
SLACK = 1e-9
"""A difference of two means of counts below it is one of rounding."""

ONE_POINT = 0.01
"""Of a score."""

ONE_CENT = 0.01
"""In dollars: below it, a budget decides nothing."""

MOST_LEVEL = 4
"""Candidates that the verdict names as level with the leader."""


@dataclass(frozen=True)
class Words:
    """A piece of a sentence."""

    text: str
    strong: bool = False


Sentence = tuple[Words, ...]


@dataclass(frozen=True)
class Verdict:
    """A headline and the sentences under it."""

    headline: str
    sentences: tuple[Sentence, ...]
    caveats: tuple[str, ...]
    """What weakens the claim."""

    doubt: str = ""
    """Where no tuning is advised: how the best fine-tune differs from the best arm without, and why that does
    not count."""

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return " ".join([self.headline, *map(_plain, self.sentences), *self.caveats])


def _plain(sentence: Sentence) -> str:
    return "".join(words.text for words in sentence)


def decide(table: Table, ledger: Ledger) -> Verdict:
    """The verdict on a table.

    Fine-tuning is advised only when the best tuned row beats the best row that was not tuned, whatever its
    model, by a paired difference whose interval is clear of zero, and that stays significant after correction
    for all fine-tunes (Holm): of many that gain nothing, the best one looks as if it did. A row that failed
    the guard against forgetting is no choice.
    """
    tuned, untuned = table.best(tuned=True), table.best(tuned=False)
    if tuned is None and any(row.forgets for row in table.ranked):
        return _all_forget(table, untuned)
    if tuned is None and untuned is None:
        return _nothing_complete(table)
    if tuned is None:
        assert untuned is not None, "one of the two is a row"
        return Verdict(
            f"Nothing to compare yet: no fine-tune is complete. Best so far: {untuned.label}.",
            (_score(untuned),),
            _caveats(untuned, table),
        )
    entry = ledger.of(tuned)
    if untuned is None:
        return Verdict(
            f"{_advice(tuned)} Its gain is unknown: no untuned arm is complete.",
            (_score(tuned), _cost(entry, table), *_level(table, ledger, tuned)),
            _caveats(tuned, table),
        )
    difference, p = table.difference(tuned, untuned), table.claim(tuned, untuned)
    if difference and difference.low > 0 and p < SIGNIFICANT:
        sentences = [
            _score_and_gain(tuned, table),
            _cost(entry, table),
            *_worth(entry),
            *_level(table, ledger, tuned),
        ]
        return Verdict(_advice(tuned), tuple(sentences), _caveats(tuned, table))
    versus = _versus(tuned, untuned, difference, p, table)
    return Verdict(
        f"Don’t tune: {_enough(untuned)}",
        (_score(untuned), versus, _cost(entry, table), *_level(table, ledger, untuned, said=tuned)),
        _caveats(untuned, table),
        _plain(versus),
    )


def _nothing_complete(table: Table) -> Verdict:
    needs = Words(
        f"{count_of(len(table.rows), 'candidate')} started; a ranked row needs every task with every seed, and samples "
        "scored in all of them. The methodology lists what is missing."
    )
    return Verdict("No verdict yet: no candidate is complete.", ((needs,),), ())


def _all_forget(table: Table, untuned: Row | None) -> Verdict:
    margin = points_lost(
        next(row.forgetting.margin for row in table.ranked if row.forgetting and row.forgets)
    )
    why = (Words(f"Every fine-tune lost more than {margin} on tasks that it was not trained on."),)
    if untuned is None:
        return Verdict("No advice: no fine-tune kept what its base could do.", (why,), ())
    return Verdict(f"Don’t tune: {_enough(untuned)}", (_score(untuned), why), _caveats(untuned, table))


def points_lost(share: float) -> str:
    """`1 point`, `2.5 points`."""
    lost = f"{100 * share:g}"
    return f"{lost} point" if lost == "1" else f"{lost} points"


def _advice(row: Row) -> str:
    if row.members:
        return f"Use {row.name}: {_joined(row)}."
    if row.method == "full":
        return f"Fine-tune all weights of {row.name}."
    return f"Fine-tune {row.name} with {row.method_name}."


def _joined(row: Row) -> str:
    """What an ensemble is, in words."""
    of = {
        "soup": "the averaged weights of",
        "vote": "the majority vote of",
        "mean_probability": "the mean probability of",
    }
    return f"{of[row.method]} {row.members} {'fine-tunes' if row.tuned else 'arms'}"


def _enough(row: Row) -> str:
    if row.members:
        return f"prompting is enough. Use {row.name}, {_joined(row)}."
    if row.method == "few_shot":
        return f"few-shot is enough. Prompt {row.name} with examples."
    if row.method == "zero_shot_constrained":
        return f"prompting is enough. Use {row.name} as it is, its answers held to the choices."
    return f"prompting is enough. Use {row.name} as it is."


def _score(row: Row) -> Sentence:
    assert row.score, "only complete rows are put in a verdict"
    return (Words("Score "), Words(points(row.score.value), strong=True), Words(f"{_tail(row.score)}."))


def _tail(estimate: Estimate, *, sign: bool = False) -> str:
    """The interval in brackets, after a value that was said already."""
    return with_interval(estimate, sign=sign).removeprefix(points(estimate.value, sign=sign))


def _score_and_gain(row: Row, table: Table) -> Sentence:
    words = list(_score(row))[:-1]
    assert row.score, "only complete rows are put in a verdict"
    words.append(Words(_tail(row.score)))
    gains: list[tuple[str, Estimate | None, Method]] = [
        ("over the base model", row.over_zero, "zero_shot"),
        ("over its few-shot prompts", row.over_few, "few_shot"),
    ]
    known = [(what, estimate, method) for what, estimate, method in gains if estimate]
    for index, (what, estimate, method) in enumerate(known):
        words.append(Words(": " if index == 0 else ", "))
        words.append(Words(points(estimate.value, sign=True), strong=True))
        shared = _shared(estimate, row, table.baseline(row, method))
        words.append(Words(f"{_tail(estimate, sign=True)} {what}{shared}"))
    words.append(Words("."))
    if row.over_few is None and row.members and row.over_zero is None:
        words.append(
            Words(" No untrained arm of one model stands beside it: it is made of several, or none was run.")
        )
    elif row.over_few is None:
        words.append(Words(" Few-shot was not run for this model."))
    return tuple(words)


def _shared(difference: Estimate, first: Row, second: Row | None) -> str:
    """Why a paired difference need not be that of the two scores; empty where both have the same seeds."""
    if second is None or difference.seeds == max(first.seeds, second.seeds):
        return ""
    return (
        " on the seed that both have"
        if difference.seeds == 1
        else f" on the {difference.seeds} seeds that both have"
    )


def _versus(tuned: Row, untuned: Row, difference: Estimate | None, p: float, table: Table) -> Sentence:
    assert tuned.score, "only complete rows are put in a verdict"
    words = [
        Words(f"The best fine-tune, {tuned.label}, scores "),
        Words(points(tuned.score.value), strong=True),
    ]
    if difference is None:
        words.append(Words(f"; it shares no samples with {untuned.label}, and cannot be compared."))
    else:
        state = "clearly worse" if difference.high < 0 else "within noise"
        if difference.low > 0:
            many = count_of(sum(row.tuned for row in table.ranked), "fine-tune")
            state = f"clear of zero alone, and not after correction for {many} (p = {p_value(p)})"
        shared = _shared(difference, tuned, untuned)
        words.append(
            Words(f": {with_interval(difference, sign=True)} over {untuned.label}{shared}, {state}.")
        )
    return tuple(words)


def _cost(entry: Entry, table: Table) -> Sentence:
    each = " a task" if len(table.tasks) > 1 else ""
    if entry.spend.training is None:
        took = duration(entry.spend.device_seconds)
        return (
            Words(
                f"It took {took} of device time to train{each}; no price is known for {entry.spend.device}."
            ),
        )
    words = [Words(usd(entry.spend.training.mid), strong=True), Words(f" to train{each}")]
    if entry.spend.request:
        words.append(Words(f", {usd(1000 * entry.spend.request.mid)} per 1k requests"))
    return (*words, Words("."))


def _worth(entry: Entry) -> list[Sentence]:
    payback, other = (
        (entry.over_few, "few-shot prompting") if entry.over_few else (entry.over_zero, "the base model")
    )
    return [_payback(payback, other)] if payback else []


def _payback(payback: Payback, other: str) -> Sentence:
    if payback.requests is None:
        said = {
            "never": (
                "Never worth it on cost alone",
                f": serving it costs no less than {other}. What you pay for is the gain.",
            ),
            "unresolved": (
                "On cost alone, unresolved",
                f": the gain, or the difference in serving cost, cannot be told from noise against {other}.",
            ),
            "dominated": ("Not worth it", f": it scores less than {other}."),
        }
        assert payback.why, "there is a number or a reason"
        strong, rest = said[payback.why]
        return Words(strong, strong=True), Words(rest)
    words = [
        Words(f"Worth it above ~{volume(payback.requests)} requests", strong=True),
        Words(f" on cost alone, against {other}"),
    ]
    if payback.with_data is not None and payback.with_data > payback.requests:
        words.append(Words(f" (~{volume(payback.with_data)} if the labels are bought)"))
    return (*words, Words("."))


def _level(table: Table, ledger: Ledger, advised: Row, *, said: Row | None = None) -> list[Sentence]:
    """Rows of the leader's tier, with their training cost where it is the lower one.

    Nothing when the only two rows on a level are the advised one and one of which the verdict has `said` so.
    """
    leader, *behind = table.eligible
    others = [row for row in behind if row.tier == leader.tier]
    if said and {row.key for row in (leader, *others)} == {advised.key, said.key}:
        return []
    if not others:
        return []
    shown = [_with_lower_cost(row, leader, ledger) for row in others[:MOST_LEVEL]]
    if len(others) > MOST_LEVEL:
        shown.append(count_of(len(others) - MOST_LEVEL, "other"))
    return [(Words(f"Level with{'' if leader is advised else f' {leader.label}'}: {listed(shown)}."),)]


def _with_lower_cost(row: Row, leader: Row, ledger: Ledger) -> str:
    own, best = (ledger.outlay(ledger.of(one)) for one in (row, leader))
    if not ledger.priced or not 0 < own < best:
        return row.label
    return f"{row.label} ({usd(own)} to train)"


def _caveats(row: Row, table: Table) -> tuple[str, ...]:
    caveats = list(_forgotten(row, table))
    if row.flag:
        caveats.append(
            f"{row.flag.text[:1].upper()}{row.flag.text[1:]}: the score says little of the method."
        )
    if row.seeds == 1 and row.members:
        caveats.append("One ensemble: how much another one would differ is unknown.")
    elif row.seeds == 1:
        caveats.append("One seed: seed noise unknown.")
    elif row.seeds < ENOUGH_SEEDS:
        caveats.append(f"{count_of(row.seeds, 'seed')}: fewer than {ENOUGH_SEEDS} is a weak claim.")
    if row.scored < row.total:
        caveats.append(f"{row.scored:,} of {row.total:,} samples were scored in every seed and wording.")
    caveats += _other_leaders(table)
    incomplete = len(table.rows) - len(table.ranked)
    if incomplete:
        caveats.append(f"{count_of(incomplete, 'candidate')} not complete, and not ranked.")
    return tuple(caveats)


def _other_leaders(table: Table) -> list[str]:
    """Where measures that do not average scores name another leader."""
    measured = [(row, row.robustness) for row in table.ranked if row.robustness]
    if len(table.tasks) < 2 or len(measured) < 2:
        return []
    leader, measures = measured[0]
    by_wins, wins = max(measured, key=lambda one: one[1].win_rate)
    by_rank, ranks = min(measured, key=lambda one: one[1].mean_rank)
    others: dict[str, list[str]] = {}
    if wins.win_rate > measures.win_rate + SLACK:
        others.setdefault(by_wins.label, []).append("win rate")
    if ranks.mean_rank < measures.mean_rank - SLACK:
        others.setdefault(by_rank.label, []).append("mean rank")
    return [f"By {listed(by)}, {label} comes before {leader.label}." for label, by in others.items()]


def _forgotten(row: Row, table: Table) -> Iterator[str]:
    """What was passed over for the row, and whether the row itself may have lost too much."""
    above = itertools.takewhile(lambda other: other is not row, table.ranked)
    passed_over = next((other for other in above if other.forgets), None)
    if passed_over and passed_over.forgetting:
        lost, margin = (
            with_interval(passed_over.forgetting.mean, sign=True),
            points_lost(passed_over.forgetting.margin),
        )
        yield f"{passed_over.label} scores more and is passed over: {lost} on guard tasks, where {margin} may be lost."
    if row.forgetting and row.forgetting.verdict == "unresolved":
        change, margin = with_interval(row.forgetting.mean, sign=True), points_lost(row.forgetting.margin)
        yield f"Forgetting is unresolved: {change} on guard tasks, where {margin} may be lost."


@dataclass(frozen=True)
class Card:
    """A short answer to one way of asking."""

    title: str
    row: Row
    note: str


def cards(table: Table, ledger: Ledger) -> list[Card]:
    """Best score; best for an order of magnitude less money, or without training; cheapest within a point of
    the best. None of them lost too much on guard tasks.

    One card when the best score takes no training: nothing is cheaper.
    """
    ranked = table.eligible
    if not ranked:
        return []
    leader = ledger.of(ranked[0])
    made = [Card("Best score", ranked[0], _card_note(leader, ledger))]
    if ledger.outlay(leader) == 0:
        return made
    budget = _budget(leader) if ledger.priced else None
    under = [row for row in ranked if budget and ledger.outlay(ledger.of(row)) <= budget]
    if budget and under:
        made.append(
            Card(
                f"Best under {round_usd(budget)} of training",
                under[0],
                _card_note(ledger.of(under[0]), ledger),
            )
        )
    elif untuned := table.best(tuned=False):
        made.append(Card("Best without training", untuned, _card_note(ledger.of(untuned), ledger)))
    top = ranked[0].score
    assert top, "ranked rows have scores"
    near = [row for row in ranked if row.score and row.score.value >= top.value - ONE_POINT]
    cheapest = min(near, key=lambda row: ledger.outlay(ledger.of(row)))
    made.append(
        Card("Cheapest within 1 point of the best", cheapest, _card_note(ledger.of(cheapest), ledger))
    )
    return made


def _budget(leader: Entry) -> float | None:
    """The power of ten just below the leader's training cost, down to a cent; None below that."""
    cost = leader.spend.training.mid if leader.spend.training else 0.0
    if cost <= ONE_CENT:
        return None
    return float(10.0 ** (math.ceil(math.log10(cost)) - 1))


def _card_note(entry: Entry, ledger: Ledger) -> str:
    assert entry.row.score, "cards show complete rows"
    score = with_interval(entry.row.score)
    if not entry.spend.tuned:
        return f"{score} · no training"
    outlay = ledger.outlay(entry)
    return f"{score} · {usd(outlay) if ledger.priced else duration(outlay)} to train"
