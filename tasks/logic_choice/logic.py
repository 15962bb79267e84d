"""Puzzles without words: facts about numbered things, and what follows from them in every world where they
hold.

A world of the *order* kind puts things on the places 0 … size − 1, one on each; a world of the *truth* kind
says for every thing whether it is so (1) or not (0). A fact is a name with the numbers of its things and
places:

    above a b     thing a has a higher place than thing b
    beside a b    the places of a and b are neighbours
    apart a b     they are not
    end a         thing a is on the lowest or the highest place
    inner a       it is not
    at a p        thing a is on place p
    off a p       it is not
    either a p q  thing a is on place p or on place q
    yes a         thing a is so
    no a          thing a is not so
    if a b        when a is so, b is so
    nand a b      a and b are not both so
    or a b        at least one of a and b is so
"""

import functools
import itertools
import operator
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

LABELS = ("true", "false", "unknown")

Kind = Literal["order", "truth"]
World = tuple[int, ...]
"""For every thing, its place or whether it is so."""


class Fact(NamedTuple):
    """Something that holds in some of the worlds; the table above lists all kinds."""

    name: str
    things: tuple[int, ...]
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rules:
    """One family of puzzles: what may be stated and what may be asked in it."""

    kind: Kind
    sizes: tuple[int, int, int]
    """Number of things, by difficulty."""

    depths: tuple[int, int, int]
    """Number of premises needed to tell true from false, by difficulty."""

    stated: tuple[str, ...]
    """Facts that premises may state; one that is listed twice is twice as likely."""

    asked: tuple[str, ...]
    """Facts that the statement may assert."""


@dataclass(frozen=True)
class Puzzle:
    """Premises, and a statement that follows from them, contradicts them, or neither."""

    size: int
    premises: tuple[Fact, ...]
    statement: Fact


@dataclass(frozen=True)
class Verdict:
    """What the premises say about the statement."""

    label: str
    depth: int
    """The fewest premises needed to see it; 0 when all of them leave it open."""


PREMISES = (3, 4, 5)
"""How many premises, by difficulty; the same for every label, or their number would give the label away."""

NUMBERS = {
    "above": (2, 0), "beside": (2, 0), "apart": (2, 0), "end": (1, 0), "inner": (1, 0), "at": (1, 1), "off": (1, 1),
    "either": (1, 2), "yes": (1, 0), "no": (1, 0), "if": (2, 0), "nand": (2, 0), "or": (2, 0),
}  # fmt: skip
"""How many things and how many places a fact is about."""


def holds(fact: Fact, world: World) -> bool:
    """Whether a fact holds in a world."""
    value, *rest = (world[thing] for thing in fact.things)  # rest: the value of the second thing, if any
    match fact.name:
        case "above":
            return value > rest[0]
        case "beside":
            return abs(value - rest[0]) == 1
        case "apart":
            return abs(value - rest[0]) > 1
        case "end":
            return value in (0, len(world) - 1)
        case "inner":
            return 0 < value < len(world) - 1
        case "at" | "either":
            return value in fact.places
        case "off":
            return value not in fact.places
        case "yes":
            return value == 1
        case "no":
            return value == 0
        case "if":
            return value <= rest[0]
        case "nand":
            return value + rest[0] < 2
        case "or":
            return value + rest[0] > 0
    raise AssertionError(f"'{fact.name}' is no fact")


@functools.cache
def worlds(kind: Kind, size: int) -> tuple[World, ...]:
    """All worlds of a kind."""
    return tuple(
        itertools.permutations(range(size)) if kind == "order" else itertools.product((0, 1), repeat=size)
    )


@functools.cache
def facts(name: str, size: int) -> tuple[Fact, ...]:
    """Every fact of that name in a world of `size` things."""
    things, places = NUMBERS[name]
    arguments = itertools.product(
        itertools.permutations(range(size), things), itertools.combinations(range(size), places)
    )
    return tuple(Fact(name, fact_things, fact_places) for fact_things, fact_places in arguments)


@functools.cache
def mask(fact: Fact, kind: Kind, size: int) -> int:
    """The worlds in which a fact holds, one bit each: with these, deciding what follows takes a few bit
    operations."""
    return sum(1 << number for number, world in enumerate(worlds(kind, size)) if holds(fact, world))


def draw(generator: random.Random, rules: Rules, *, difficulty: int, label: str) -> Puzzle:
    """A puzzle with this label. Telling that it is true or false takes the number of premises that the
    difficulty sets."""
    size = rules.sizes[difficulty - 1]
    wanted = Verdict(label, 0 if label == "unknown" else rules.depths[difficulty - 1])
    # The kind of statement is drawn once: drawn anew with every attempt, it would hint at the label.
    statements = facts(generator.choice(rules.asked), size)
    while True:
        premises = _draw_premises(generator, rules, size, PREMISES[difficulty - 1])
        # A statement about something that no premise mentions would be seen to be unknown at a glance.
        mentioned = set(itertools.chain.from_iterable(premise.things for premise in premises))
        premise_masks = [mask(premise, rules.kind, size) for premise in premises]
        fitting = [
            statement
            for statement in statements
            if mentioned.issuperset(statement.things)
            and judge(mask(statement, rules.kind, size), premise_masks) == wanted
        ]
        if fitting:
            return Puzzle(size, premises, generator.choice(fitting))


def judge(statement: int, premises: Sequence[int]) -> Verdict:
    """Try the premises one at a time, then in pairs and so on, until a combination settles the statement.
    All of them are masks."""
    worlds_left = functools.reduce(operator.and_, premises)
    if worlds_left & statement and worlds_left & ~statement:
        return Verdict("unknown", 0)
    for depth in range(1, len(premises) + 1):
        for chosen in itertools.combinations(premises, depth):
            left = functools.reduce(operator.and_, chosen)
            if not left & ~statement:
                return Verdict("true", depth)
            if not left & statement:
                return Verdict("false", depth)
    raise AssertionError("all premises together settle what is not unknown")


def _draw_premises(generator: random.Random, rules: Rules, size: int, count: int) -> tuple[Fact, ...]:
    """Facts that say different things and hold together in at least one world."""
    world = generator.choice(worlds(rules.kind, size))
    # Keyed by mask, because "a beside b" and "b beside a" are two facts that say the same.
    premises: dict[int, Fact] = {}
    while len(premises) < count:
        premise = generator.choice(facts(generator.choice(rules.stated), size))
        if holds(premise, world):
            premises.setdefault(mask(premise, rules.kind, size), premise)
    return tuple(premises.values())
