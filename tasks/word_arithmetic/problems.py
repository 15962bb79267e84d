"""Compose word problems: a beginning, events and a question, worth up to two steps each."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from . import words

LARGEST = 2000
"""The largest result of a problem."""

TIMES = {2: "twice", 3: "three times", 4: "four times"}
PARTS = {2: "half", 3: "a third", 4: "a quarter", 5: "a fifth"}


@dataclass
class Problem:
    """A problem in the making."""

    generator: random.Random
    names: dict[str, str]
    """What the patterns may name: people, things, two colours."""

    sentences: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    """The worked solution, one equation per step."""

    number: int = 0
    """The result so far."""

    def say(self, patterns: tuple[str, ...], **values: str | int) -> None:
        """Add a sentence; now and then with a number as a word."""
        written = {
            name: self._written(value) if isinstance(value, int) else value for name, value in values.items()
        }
        day = self.generator.choice(words.DAYS)
        text = self.generator.choice(patterns).format(**self.names, **written, day=day)
        self.sentences.append(text[0].upper() + text[1:])

    def work(self, left: int, sign: str, right: int, patterns: tuple[str, ...]) -> int:
        """Add a step to the solution, and return its result."""
        result = {"+": left + right, "-": left - right, "*": left * right, "/": left // right}[sign]
        equation = f"{left} {sign} {right} = {result}"
        self.steps.append(self.generator.choice(patterns).format(**self.names, sum=equation))
        return result

    def _written(self, number: int) -> str:
        if number in words.NUMBER_WORDS and self.generator.random() < 0.35:
            return words.NUMBER_WORDS[number]
        return str(number)


Move = Callable[[Problem], bool]
"""Takes a problem up to two steps further; or returns False and leaves it as it was, if its number does not
allow the move."""


def have(problem: Problem) -> bool:
    problem.number = problem.generator.randint(12, 180)
    problem.say(words.HAVE, a=problem.number)
    return True


def packs(problem: Problem) -> bool:
    return _begin_product(problem, words.PACKS, words.TELL_PACKS)


def daily(problem: Problem) -> bool:
    return _begin_product(problem, words.DAILY, words.TELL_START)


def two_kinds(problem: Problem) -> bool:
    a, b = problem.generator.randint(8, 95), problem.generator.randint(8, 95)
    problem.say(words.TWO_KINDS, a=a, b=b)
    problem.number = problem.work(a, "+", b, words.TELL_START)
    return True


def gain(problem: Problem) -> bool:
    a = problem.generator.randint(4, 90)
    problem.say(words.GAIN, a=a)
    problem.number = problem.work(problem.number, "+", a, words.TELL_NOW)
    return True


def lose(problem: Problem) -> bool:
    if problem.number < 10:
        return False
    a = problem.generator.randint(3, problem.number - 4)
    problem.say(words.LOSE, a=a)
    problem.number = problem.work(problem.number, "-", a, words.TELL_LEFT)
    return True


def grow(problem: Problem) -> bool:
    factor = problem.generator.choice(tuple(TIMES))
    if problem.number * factor > LARGEST:
        return False
    problem.say(words.GROW, times=TIMES[factor])
    problem.number = problem.work(problem.number, "*", factor, words.TELL_NOW)
    return True


def part_goes(problem: Problem) -> bool:
    """A part goes away: its size, then the rest."""
    fitting = [part for part in PARTS if problem.number % part == 0 and problem.number > part]
    if not fitting:
        return False
    part = problem.generator.choice(fitting)
    problem.say(words.PART_GOES, part=PARTS[part])
    gone = problem.work(problem.number, "/", part, words.TELL_GOES)
    problem.number = problem.work(problem.number, "-", gone, words.TELL_LEFT)
    return True


def gain_packs(problem: Problem) -> bool:
    a, b = problem.generator.randint(2, 12), problem.generator.randint(3, 20)
    problem.say(words.GAIN_PACKS, a=a, b=b)
    gained = problem.work(a, "*", b, words.TELL_PACKS)
    problem.number = problem.work(problem.number, "+", gained, words.TELL_NOW)
    return True


def lose_packs(problem: Problem) -> bool:
    a, b = problem.generator.randint(2, 9), problem.generator.randint(2, 12)
    if a * b >= problem.number:
        return False
    problem.say(words.LOSE_PACKS, a=a, b=b)
    gone = problem.work(a, "*", b, words.TELL_GOES)
    problem.number = problem.work(problem.number, "-", gone, words.TELL_LEFT)
    return True


def how_many(problem: Problem) -> bool:
    problem.say(words.HOW_MANY)
    return True


def share(problem: Problem) -> bool:
    return _ask_quotient(problem, words.SHARE, ("Each gets {sum} {items}.", "Divided evenly: {sum} {items}."))


def group(problem: Problem) -> bool:
    return _ask_quotient(problem, words.GROUP, ("That takes {sum}.", "Divided up: {sum}."))


def price(problem: Problem) -> bool:
    a = problem.generator.randint(2, 12)
    if problem.number * a > LARGEST:
        return False
    problem.say(words.PRICE, a=a)
    problem.number = problem.work(
        problem.number, "*", a, ("Together that is {sum} euros.", "In money: {sum} euros.")
    )
    return True


def more_than(problem: Problem) -> bool:
    a = problem.generator.randint(3, 60)
    problem.say(words.MORE_THAN, a=a)
    problem.number = problem.work(problem.number, "+", a, ("{friend} has {sum} {items}.",))
    return True


def fewer_than(problem: Problem) -> bool:
    if problem.number < 6:
        return False
    a = problem.generator.randint(2, problem.number - 2)
    problem.say(words.FEWER_THAN, a=a)
    problem.number = problem.work(problem.number, "-", a, ("{friend} has {sum} {items}.",))
    return True


def missing(problem: Problem) -> bool:
    a = problem.number + problem.generator.randint(3, 120)
    problem.say(words.MISSING, a=a)
    problem.number = problem.work(
        a, "-", problem.number, ("Still missing: {sum} {items}.", "{person} lacks {sum} {items}.")
    )
    return True


def together(problem: Problem) -> bool:
    a = problem.generator.randint(3, 60)
    problem.say(words.TOGETHER, a=a)
    of_friend = problem.work(problem.number, "+", a, ("{friend} has {sum} {items}.",))
    problem.number = problem.work(problem.number, "+", of_friend, ("Together they have {sum} {items}.",))
    return True


def _begin_product(problem: Problem, patterns: tuple[str, ...], solution: tuple[str, ...]) -> bool:
    a, b = problem.generator.randint(2, 15), problem.generator.randint(4, 24)
    problem.say(patterns, a=a, b=b)
    problem.number = problem.work(a, "*", b, solution)
    return True


def _ask_quotient(problem: Problem, patterns: tuple[str, ...], solution: tuple[str, ...]) -> bool:
    fitting = [a for a in range(2, 13) if problem.number % a == 0 and problem.number > a]
    if not fitting:
        return False
    a = problem.generator.choice(fitting)
    problem.say(patterns, a=a)
    problem.number = problem.work(problem.number, "/", a, solution)
    return True


BEGINNINGS: dict[Move, int] = {have: 0, packs: 1, daily: 1, two_kinds: 1}
EVENTS: dict[Move, int] = {gain: 1, lose: 1, grow: 1, part_goes: 2, gain_packs: 2, lose_packs: 2}
ENDINGS: dict[Move, int] = {
    how_many: 0, share: 1, group: 1, price: 1, more_than: 1, fewer_than: 1, missing: 1, together: 2,
}  # fmt: skip
"""Moves, and how many steps each is worth."""


def compose_problem(generator: random.Random, difficulty: int) -> Problem:
    """A problem whose solution takes `difficulty` steps, with up to two sentences that do not matter."""
    while True:
        problem = _attempt(generator, difficulty)
        if problem is not None:
            _distract(problem)
            return problem


def _attempt(generator: random.Random, difficulty: int) -> Problem | None:
    person, friend, bystander = generator.sample(words.PEOPLE, 3)
    items, other_items = generator.sample(words.ITEMS, 2)
    colour, colour_2 = generator.sample(words.COLOURS, 2)
    names = {
        "person": person, "friend": friend, "other": bystander, "items": items, "other_items": other_items,
        "containers": generator.choice(words.CONTAINERS), "colour": colour, "colour_2": colour_2,
    }  # fmt: skip
    problem = Problem(generator, names)
    for move in _plan(generator, difficulty):
        if not move(problem):
            return None
    return problem if problem.number <= LARGEST else None


def _plan(generator: random.Random, difficulty: int) -> list[Move]:
    """A beginning, up to two events and a question, together worth exactly `difficulty` steps."""
    while True:
        begin, end = generator.choice(list(BEGINNINGS)), generator.choice(list(ENDINGS))
        events = generator.sample(list(EVENTS), generator.randint(0, 2))
        steps = BEGINNINGS[begin] + sum(EVENTS[event] for event in events) + ENDINGS[end]
        if steps == difficulty:
            return [begin, *events, end]


def _distract(problem: Problem) -> None:
    """Insert sentences with numbers that do not matter, anywhere before the question."""
    generator = problem.generator
    for pattern in generator.sample(words.DISTRACTORS, generator.choice((0, 1, 1, 2))):
        text = pattern.format(**problem.names, n=generator.randint(2, 99))
        problem.sentences.insert(generator.randrange(len(problem.sentences)), text)
