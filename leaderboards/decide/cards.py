"""The short answers above the ranking: the best score, the best for little money, the
cheapest and the smallest near it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.rank.baselines import Key
from leaderboards.rank.tables import Row, Table
from leaderboards.text import Unit, duration, round_usd, usd, with_interval

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


def cards(table: Table, ledger: CostLedger, sizes: Mapping[str, int | None]) -> list[Card]:
    """Best score; best for an order of magnitude less money; best without training; cheapest and smallest
    within a point of the best. One card for each row, with all that it is the answer to. None
    of them lost too much on guard tasks.

    `sizes`: by model, its parameters, as far as they are known. One card when the best score takes no
    training: nothing is cheaper.
    """
    ranked = table.eligible
    if not ranked:
        return []
    answers: dict[Key, list[str]] = {ranked[0].key: ["Best score"]}
    leader = ledger.of(ranked[0])
    if ledger.outlay(leader) > 0:
        for title, row in _cheaper_answers(table, ledger, leader, sizes):
            answers.setdefault(row.key, []).append(title)
    return [_card(titles, table, key, ledger) for key, titles in answers.items()]


def _cheaper_answers(
    table: Table, ledger: CostLedger, leader: Entry, sizes: Mapping[str, int | None]
) -> Iterator[tuple[str, Row]]:
    ranked, top = table.eligible, leader.row.score
    assert top, "ranked rows have scores"
    budget = _budget(leader) if ledger.priced else None
    under = [row for row in ranked if budget and ledger.outlay(ledger.of(row)) <= budget]
    if budget and under:
        yield f"Best under {round_usd(budget)} of training", under[0]
    if untuned := table.best(tuned=False):
        yield "Best without training", untuned
    near = [row for row in ranked if row.score and row.score.value >= top.value - ONE_POINT]
    within = "1 point" if table.unit.is_points else table.unit.amount(ONE_POINT)
    cheapest = min(near, key=partial(_outlay, ledger=ledger))
    smallest = _smallest(near, sizes)
    if smallest is cheapest:
        yield f"Cheapest and smallest within {within} of the best", cheapest
        return
    yield f"Cheapest within {within} of the best", cheapest
    if smallest:
        yield f"Smallest within {within} of the best", smallest


def _smallest(near: Sequence[Row], sizes: Mapping[str, int | None]) -> Row | None:
    """The best row of the smallest model; None where all are of one size, or the size of one is not known."""
    known = {row.name: size for row in near if (size := sizes.get(row.name)) is not None}
    if len(set(known.values())) < 2 or any(row.name not in known for row in near):
        return None
    return min(near, key=lambda row: known[row.name])


def _outlay(row: Row, ledger: CostLedger) -> float:
    return ledger.outlay(ledger.of(row))


def _card(titles: list[str], table: Table, key: Key, ledger: CostLedger) -> Card:
    row = table.row(*key)
    assert row, "cards are made of the table's rows"
    first_title, *other_titles = titles
    other_titles = [title[:1].lower() + title[1:] for title in other_titles]
    return Card(", ".join([first_title, *other_titles]), row, _card_note(ledger.of(row), ledger, table.unit))


def _budget(leader: Entry) -> float | None:
    """The power of ten just below the leader's training cost, down to a cent; None below that."""
    cost = leader.spend.training.mid if leader.spend.training else 0.0
    if cost <= ONE_CENT:
        return None
    return float(10.0 ** (math.ceil(math.log10(cost)) - 1))


def _card_note(entry: Entry, ledger: CostLedger, unit: Unit) -> str:
    assert entry.row.score, "cards show complete rows"
    score = with_interval(entry.row.score, unit=unit)
    if not entry.spend.tuned:
        return f"{score} · no training"
    outlay = ledger.outlay(entry)
    return f"{score} · {usd(outlay) if ledger.priced else duration(outlay)} to train"
