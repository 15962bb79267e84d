"""Put puzzles into words: five families, from who is taller to what holds when the bridge is open."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from . import words
from .logic import Fact, Puzzle, Rules


@dataclass(frozen=True)
class Text:
    """A puzzle as it is put to a reader."""

    premises: str
    statement: str


Wordings = dict[str, tuple[str, ...]]
"""Name of a fact → ways to say it; `{0}`, `{1}` … stand for its things, then its places."""


@dataclass(frozen=True)
class Telling:
    """The words for a single puzzle."""

    intro: str
    """What a reader has to know beforehand; may be empty."""

    wordings: Wordings
    things: tuple[str, ...]
    places: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    rules: Rules
    tell: Callable[[random.Random, int], Telling]
    """Draws the words for a puzzle about that many things."""


def write(generator: random.Random, puzzle: Puzzle, telling: Telling) -> Text | None:
    """The premises in their order, and the statement; None if the statement would repeat a premise word for
    word."""
    sentences = [_sentence(generator, fact, telling) for fact in puzzle.premises]
    statement = _sentence(generator, puzzle.statement, telling)
    if statement in sentences:
        return None
    return Text(" ".join(filter(None, [telling.intro, *sentences])), statement)


def scale(generator: random.Random, size: int) -> Telling:
    things, comparisons = generator.choice(words.SCALES)
    return Telling("", {"above": comparisons}, tuple(generator.sample(things, size)))


def row(generator: random.Random, size: int) -> Telling:
    intro, things, verb = generator.choice(words.ROWS)
    chosen = tuple(generator.sample(things, size))
    wordings = {
        name: tuple(text.replace("VERB", verb) for text in texts) for name, texts in words.ROW_FACTS.items()
    }
    return Telling(_upper(intro.format(_listed(chosen))), wordings, chosen)


def matching(generator: random.Random, size: int) -> Telling:
    intro, has, lacks, options = generator.choice(words.MATCHINGS)
    people, chosen = tuple(generator.sample(words.PEOPLE, size)), tuple(generator.sample(options, size))
    return Telling(
        intro.format(_listed(people), _listed(chosen)), _matching_wordings(has, lacks), people, chosen
    )


def kinds(generator: random.Random, size: int) -> Telling:
    nouns: list[str] = []
    while len(nouns) < size:
        noun = "".join(generator.choice(part) for part in words.NOUN_PARTS)
        if noun not in nouns:
            nouns.append(noun)
    name = generator.choice(words.PEOPLE)
    wordings = {
        fact: tuple(text.replace("NAME", name) for text in texts) for fact, texts in words.KIND_FACTS.items()
    }
    return Telling("", wordings, tuple(nouns))


def conditions(generator: random.Random, size: int) -> Telling:
    return Telling("", words.CONDITION_FACTS, tuple(generator.sample(words.CONDITIONS, size)))


def _matching_wordings(has: tuple[str, ...], lacks: tuple[str, ...]) -> Wordings:
    return {
        "at": has,
        "off": lacks,
        "either": tuple(text.replace("{1}", "either {1} or {2}") for text in has[:1]),
    }


def _sentence(generator: random.Random, fact: Fact, telling: Telling) -> str:
    names = [
        *(telling.things[thing] for thing in fact.things),
        *(telling.places[place] for place in fact.places),
    ]
    text = generator.choice(telling.wordings[fact.name])
    # "not 0" is the denial of the first thing, where a thing is a clause such as "the shop is open".
    denied = {f"not_{number}": name.replace(" is ", " is not ", 1) for number, name in enumerate(names)}
    return _upper(text.format(*names, **denied)) + "."


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


FAMILIES: dict[str, Family] = {
    "scale": Family(Rules("order", (4, 5, 5), (1, 2, 3), ("above",), ("above",)), scale),
    "row": Family(
        Rules(
            "order",
            (4, 4, 5),
            (1, 2, 3),
            ("above", "above", "beside", "apart", "end", "inner"),
            ("above", "above", "beside", "apart", "end", "inner"),
        ),
        row,
    ),
    "matching": Family(
        Rules("order", (3, 4, 4), (1, 2, 3), ("at", "off", "off", "either"), ("at", "off")), matching
    ),
    "kinds": Family(
        Rules("truth", (4, 4, 5), (2, 3, 4), ("if", "if", "nand", "yes", "no"), ("yes", "no")), kinds
    ),
    "conditions": Family(
        Rules("truth", (4, 4, 5), (2, 3, 4), ("if", "if", "nand", "or", "yes", "no"), ("yes", "no")),
        conditions,
    ),
}
