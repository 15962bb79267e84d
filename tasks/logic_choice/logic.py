"""Puzzles without words: facts about numbered things, and what follows from them in all worlds where they
hold.

A world of the *order* kind puts things on the places 0 … size − 1, one on each; a world of the *truth* kind
says of every thing whether it is so (1) or not (0). A fact is its name and the numbers that it is about:

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
from dataclasses import dataclass
from typing import Literal

LABELS = ("true", "false", "unknown")

Kind = Literal["order", "truth"]
World = tuple[int, ...]
"""For every thing its place, or whether it is so."""


@dataclass(frozen=True)
class Fact:
    """Something that holds in some worlds, as the table above has it."""

    name: str
    things: tuple[int, ...]
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Rules:
    """One family of puzzles: what may be stated and what may be asked in it."""

    kind: Kind
    sizes: tuple[int, int, int]
    """Things in a puzzle, by difficulty."""

    depths: tuple[int, int, int]
    """Premises that it takes to tell true from false, by difficulty."""

    stated: tuple[str, ...]
    """Names of the facts that premises may be; one that is listed twice is twice as likely."""

    asked: tuple[str, ...]
    """Names of the facts that the statement may be."""


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
    """The fewest premises that it takes to see it; 0 when all of them leave it open."""


PREMISES = (3, 4, 5)
"""How many there are, by difficulty; the same for every label, or their number would give it away."""

NUMBERS = {
    "above": (2, 0), "beside": (2, 0), "apart": (2, 0), "end": (1, 0), "inner": (1, 0), "at": (1, 1), "off": (1, 1),
    "either": (1, 2), "yes": (1, 0), "no": (1, 0), "if": (2, 0), "nand": (2, 0), "or": (2, 0),
}  # fmt: skip
"""Of how many things and how many places a fact speaks."""


def holds(fact: Fact, world: World) -> bool:
    """Whether a fact is so in a world."""
    here, *there = (world[thing] for thing in fact.things)
    match fact.name:
        case "above":
            return here > there[0]
        case "beside":
            return abs(here - there[0]) == 1
        case "apart":
            return abs(here - there[0]) > 1
        case "end":
            return here in (0, len(world) - 1)
        case "inner":
            return 0 < here < len(world) - 1
        case "at" | "either":
            return here in fact.places
        case "off":
            return here not in fact.places
        case "yes":
            return here == 1
        case "no":
            return here == 0
        case "if":
            return here <= there[0]
        case "nand":
            return here + there[0] < 2
        case "or":
            return here + there[0] > 0
    raise AssertionError(f"'{fact.name}' is no fact")


@functools.cache
def worlds(kind: Kind, size: int) -> tuple[World, ...]:
    """All worlds of a kind."""
    return tuple(
        itertools.permutations(range(size)) if kind == "order" else itertools.product((0, 1), repeat=size)
    )


@functools.cache
def facts(name: str, size: int) -> tuple[Fact, ...]:
    """Every fact of a name about so many things."""
    things, places = NUMBERS[name]
    return tuple(
        Fact(name, chosen, where)
        for chosen in itertools.permutations(range(size), things)
        for where in itertools.combinations(range(size), places)
    )


@functools.cache
def mask(fact: Fact, kind: Kind, size: int) -> int:
    """The worlds in which a fact holds, one bit each, so that what follows from what is a few bit
    operations."""
    return sum(1 << number for number, world in enumerate(worlds(kind, size)) if holds(fact, world))


def draw(generator: random.Random, rules: Rules, *, difficulty: int, label: str) -> Puzzle:
    """A puzzle with this label. To see that it is true, or false, takes as many premises as the difficulty
    says."""
    size = rules.sizes[difficulty - 1]
    wanted = Verdict(label, 0 if label == "unknown" else rules.depths[difficulty - 1])
    # What is asked is drawn once: drawn anew with every attempt, it would tell something about the label.
    statements = facts(generator.choice(rules.asked), size)
    while True:
        premises = _draw_premises(generator, rules, size, PREMISES[difficulty - 1])
        # A statement about something that no premise mentions would be known for unknown at a glance.
        mentioned = {thing for premise in premises for thing in premise.things}
        puzzles = [
            Puzzle(size, premises, statement)
            for statement in statements
            if mentioned.issuperset(statement.things)
        ]
        fitting = [puzzle for puzzle in puzzles if judge(puzzle, rules.kind) == wanted]
        if fitting:
            return generator.choice(fitting)


def judge(puzzle: Puzzle, kind: Kind) -> Verdict:
    """Try the premises one at a time, then in pairs and so on, until some of them settle the statement."""
    statement = mask(puzzle.statement, kind, puzzle.size)
    premises = [mask(premise, kind, puzzle.size) for premise in puzzle.premises]
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
    """Facts that say different things and hold together in one world at least."""
    world = generator.choice(worlds(rules.kind, size))
    # By mask, because "a beside b" and "b beside a" are two facts that say the same.
    premises: dict[int, Fact] = {}
    while len(premises) < count:
        premise = generator.choice(facts(generator.choice(rules.stated), size))
        if holds(premise, world):
            premises.setdefault(mask(premise, rules.kind, size), premise)
    return tuple(premises.values())
