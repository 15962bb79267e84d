"""The short answers above the ranking: the best score, the best for little money, the cheapest near it."""

import math
from dataclasses import dataclass

from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.rank.tables import Row, Table
from leaderboards.text import duration, round_usd, usd, with_interval

ONE_POINT = 0.01
"""As a share of a score's range."""

ONE_CENT = 0.01
"""In dollars: below it, a budget decides nothing."""


@dataclass(frozen=True)
class Card:
    """A short answer to one question."""

    title: str
    row: Row
    note: str


def cards(table: Table, ledger: CostLedger) -> list[Card]:
    """Best score; best for an order of magnitude less money, or without training; cheapest within a point of
    the best. None of them lost too much on guard tasks.

    One card when the best score takes no training: nothing is cheaper.
    """
    ranked = table.eligible
    if not ranked:
        return []
    leader = ledger.of(ranked[0])
    answers = [Card("Best score", ranked[0], _card_note(leader, ledger))]
    if ledger.outlay(leader) == 0:
        return answers
    budget = _budget(leader) if ledger.priced else None
    under = [row for row in ranked if budget and ledger.outlay(ledger.of(row)) <= budget]
    if budget and under:
        answers.append(
            Card(
                f"Best under {round_usd(budget)} of training",
                under[0],
                _card_note(ledger.of(under[0]), ledger),
            )
        )
    elif untuned := table.best(tuned=False):
        answers.append(Card("Best without training", untuned, _card_note(ledger.of(untuned), ledger)))
    top = ranked[0].score
    assert top, "ranked rows have scores"
    near = [row for row in ranked if row.score and row.score.value >= top.value - ONE_POINT]
    cheapest = min(near, key=lambda row: ledger.outlay(ledger.of(row)))
    answers.append(
        Card("Cheapest within 1 point of the best", cheapest, _card_note(ledger.of(cheapest), ledger))
    )
    return answers


def _budget(leader: Entry) -> float | None:
    """The power of ten just below the leader's training cost, down to a cent; None below that."""
    cost = leader.spend.training.mid if leader.spend.training else 0.0
    if cost <= ONE_CENT:
        return None
    return float(10.0 ** (math.ceil(math.log10(cost)) - 1))


def _card_note(entry: Entry, ledger: CostLedger) -> str:
    assert entry.row.score, "cards show complete rows"
    score = with_interval(entry.row.score)
    if not entry.spend.tuned:
        return f"{score} · no training"
    outlay = ledger.outlay(entry)
    return f"{score} · {usd(outlay) if ledger.priced else duration(outlay)} to train"
