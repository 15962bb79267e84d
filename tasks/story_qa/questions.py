"""What can be asked about a world, by how many facts of the story an answer has to combine."""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

from .words import NUMBERS
from .world import World


@dataclass(frozen=True)
class Question:
    text: str
    answer: str


Ask = Callable[[World, random.Random], Question | None]
"""Asks a question about the world; None if there is nothing to ask about."""


def where_person(world: World, generator: random.Random) -> Question | None:
    moved = [person for person in world.people if len(world.stays[person]) > 1]
    if not moved:
        return None
    person = generator.choice(moved)
    wordings = ("Where is {0} now?", "Where did {0} end up?", "In which place is {0} at the end?")
    return Question(generator.choice(wordings).format(person), world.place(person))


def who_holds(world: World, generator: random.Random) -> Question | None:
    if not world.holder:
        return None
    thing = generator.choice(sorted(world.holder))
    wordings = ("Who has the {0} now?", "Who holds the {0} at the end?", "With whom is the {0}?")
    return Question(generator.choice(wordings).format(thing), world.holder[thing])


def what_is_held(world: World, generator: random.Random) -> Question | None:
    holders = [person for person in world.people if len(world.held(person)) == 1]
    if not holders:
        return None
    person = generator.choice(holders)
    wordings = ("What does {0} carry at the end?", "What does {0} have now?", "Which thing is with {0}?")
    return Question(generator.choice(wordings).format(person), world.held(person)[0])


def where_thing(world: World, generator: random.Random) -> Question | None:
    """A thing that one person has carried along."""
    return _where_thing(world, generator, [thing for thing in world.things if len(world.owners[thing]) == 1])


def person_before(world: World, generator: random.Random) -> Question | None:
    return _place_before(
        world,
        generator,
        world.people,
        (
            "Where was {0} before coming to the {1}?",
            "From which place did {0} come to the {1}?",
            "Where had {0} been just before the {1}?",
        ),
    )


def who_gave(world: World, generator: random.Random) -> Question | None:
    once = [gift for gift in world.gifts if _gift_count(world, gift.thing, gift.receiver) == 1]
    if not once:
        return None
    gift = generator.choice(once)
    wordings = (
        "Who gave the {0} to {1}?",
        "From whom did {1} get the {0}?",
        "Who was it that handed {1} the {0}?",
    )
    return Question(generator.choice(wordings).format(gift.thing, gift.receiver), gift.giver)


def count_people(world: World, generator: random.Random) -> Question | None:
    # A place that the story never mentions would be seen to be empty at a glance.
    visited = sorted(set(itertools.chain.from_iterable(world.stays.values())))
    place, number = _counted(generator, {place: len(world.present(place)) for place in visited})
    wordings = (
        "How many people are in the {0} at the end?",
        "How many people does the {0} hold now?",
        "What is the number of people in the {0} after all this?",
    )
    return Question(generator.choice(wordings).format(place), NUMBERS[number])


def count_held(world: World, generator: random.Random) -> Question | None:
    person, number = _counted(generator, {person: len(world.held(person)) for person in world.people})
    wordings = (
        "How many things does {0} carry at the end?",
        "How many things does {0} have now?",
        "What is the number of things with {0} after all this?",
    )
    return Question(generator.choice(wordings).format(person), NUMBERS[number])


def where_handed_thing(world: World, generator: random.Random) -> Question | None:
    """A thing that went through several hands."""
    return _where_thing(world, generator, [thing for thing in world.things if len(world.owners[thing]) > 1])


def thing_before(world: World, generator: random.Random) -> Question | None:
    return _place_before(
        world,
        generator,
        world.things,
        (
            "Where was the {0} before it came to the {1}?",
            "From which place was the {0} brought to the {1}?",
            "Where had the {0} been just before the {1}?",
        ),
    )


def who_before(world: World, generator: random.Random) -> Question | None:
    changes = []
    for thing, owners in sorted(world.owners.items()):
        for earlier, later in itertools.pairwise(owners):
            if owners.count(later) == 1 and earlier != later:
                changes.append((thing, earlier, later))
    if not changes:
        return None
    thing, earlier, later = generator.choice(changes)
    wordings = (
        "Who had the {0} before {1}?",
        "Who was the last to hold the {0} before {1} did?",
        "After whom did {1} have the {0}?",
    )
    return Question(generator.choice(wordings).format(thing, later), earlier)


def companion(world: World, generator: random.Random) -> Question | None:
    pairs = []
    for thing in sorted(world.holder):
        companions = [person for person in world.present(world.place(thing)) if person != world.holder[thing]]
        if len(companions) == 1:
            pairs.append((thing, companions[0]))
    if not pairs:
        return None
    thing, person = generator.choice(pairs)
    wordings = (
        "Who is in the same place as the {0} but does not carry it?",
        "Who is together with the one who has the {0} now?",
        "Besides its holder, who is where the {0} is?",
    )
    return Question(generator.choice(wordings).format(thing), person)


def where_giver(world: World, generator: random.Random) -> Question | None:
    once = [gift for gift in world.gifts if _gift_count(world, gift.thing, gift.receiver) == 1]
    if not once:
        return None
    gift = generator.choice(once)
    wordings = (
        "Where is the person now who gave the {0} to {1}?",
        "In which place is the one who handed {1} the {0}?",
        "{1} got the {0} from somebody. Where is that person at the end?",
    )
    return Question(generator.choice(wordings).format(gift.thing, gift.receiver), world.place(gift.giver))


def count_places(world: World, generator: random.Random) -> Question | None:
    thing, number = _counted(generator, {thing: len(set(world.stays[thing])) for thing in world.things})
    wordings = (
        "In how many different places has the {0} been?",
        "How many different places has the {0} seen?",
        "What is the number of different places where the {0} was?",
    )
    return Question(generator.choice(wordings).format(thing), NUMBERS[number])


def _where_thing(world: World, generator: random.Random, things: list[str]) -> Question | None:
    travelled = [thing for thing in things if len(world.stays[thing]) > 1]
    if not travelled:
        return None
    thing = generator.choice(travelled)
    wordings = ("Where is the {0} now?", "Where did the {0} end up?", "In which place is the {0} at the end?")
    return Question(generator.choice(wordings).format(thing), world.place(thing))


def _place_before(
    world: World, generator: random.Random, names: list[str], wordings: tuple[str, ...]
) -> Question | None:
    """Where one of `names` was just before a place that it came to only once."""
    arrivals = []
    for name in names:
        stays = world.stays[name]
        for earlier, later in itertools.pairwise(stays):
            if stays.count(later) == 1:
                arrivals.append((name, earlier, later))
    if not arrivals:
        return None
    name, earlier, later = generator.choice(arrivals)
    return Question(generator.choice(wordings).format(name, later), earlier)


def _counted(generator: random.Random, counts: dict[str, int]) -> tuple[str, int]:
    """A name and its count. Every count that occurs is equally likely, so that rare ones are asked for
    too."""
    number = generator.choice(sorted(set(counts.values())))
    return generator.choice([name for name, count in counts.items() if count == number]), number


def _gift_count(world: World, thing: str, receiver: str) -> int:
    return sum((gift.thing, gift.receiver) == (thing, receiver) for gift in world.gifts)


QUESTIONS: dict[int, tuple[Ask, ...]] = {
    1: (where_person, who_holds, what_is_held),
    2: (where_thing, person_before, who_gave, count_people, count_held),
    3: (where_handed_thing, thing_before, who_before, companion, where_giver, count_places),
}
"""By difficulty. Each function draws one of three wordings."""
