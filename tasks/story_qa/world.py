"""A small world: people move about, take, leave and hand over things, and every step is told in a
sentence."""

import random
from dataclasses import dataclass, field

from .words import (
    BEGIN_HELD,
    BEGIN_PERSON,
    BEGIN_THING,
    DROP,
    GIVE,
    IDLE,
    JOINTS,
    MOVE,
    OPENERS,
    PEOPLE,
    PLACES,
    TAKE,
    THINGS,
)


@dataclass(frozen=True)
class Size:
    """How many people, places, things and events a story has."""

    people: int
    things: int
    places: int
    events: int


@dataclass(frozen=True)
class Gift:
    """One hand-over."""

    giver: str
    receiver: str
    thing: str


@dataclass
class World:
    """Who and what was where, and who held what, from the beginning of a story to its end."""

    people: list[str]
    things: list[str]
    places: list[str]
    stays: dict[str, list[str]] = field(default_factory=dict)
    """For every person and thing, the places it has been in, in order; it is in the last."""

    owners: dict[str, list[str]] = field(default_factory=dict)
    """For every thing, all who have held it, in order."""

    holder: dict[str, str] = field(default_factory=dict)
    """Who holds it, for every thing that is held now."""

    gifts: list[Gift] = field(default_factory=list)

    def place(self, name: str) -> str:
        return self.stays[name][-1]

    def held(self, person: str) -> list[str]:
        return [thing for thing in self.things if self.holder.get(thing) == person]

    def present(self, place: str) -> list[str]:
        return [person for person in self.people if self.place(person) == place]

    def move(self, person: str, place: str) -> None:
        for name in (person, *self.held(person)):
            self.stays[name].append(place)

    def take(self, person: str, thing: str) -> None:
        self.holder[thing] = person
        self.owners[thing].append(person)

    def drop(self, thing: str) -> None:
        del self.holder[thing]

    def give(self, gift: Gift) -> None:
        self.take(gift.receiver, gift.thing)
        self.gifts.append(gift)


@dataclass(frozen=True)
class Clause:
    """Somebody does something: `Ada` `went to the barn`."""

    person: str
    action: str


def tell(generator: random.Random, size: Size) -> tuple[World, str]:
    """A new world after all events, and the story of what happened in it."""
    world = World(
        people=generator.sample(PEOPLE, size.people),
        things=generator.sample(THINGS, size.things),
        places=generator.sample(PLACES, size.places),
    )
    sentences = _begin(generator, world)
    clauses = [_happen(generator, world) for _ in range(size.events)]
    return world, " ".join([*sentences, *_joined(generator, clauses)])


def _begin(generator: random.Random, world: World) -> list[str]:
    """Put everyone and everything somewhere."""
    sentences = []
    for person in world.people:
        place = generator.choice(world.places)
        world.stays[person] = [place]
        sentences.append(generator.choice(BEGIN_PERSON).format(person=person, place=place))
    for thing in world.things:
        world.owners[thing] = []
        if generator.random() < 0.35:
            person = generator.choice(world.people)
            world.stays[thing] = [world.place(person)]
            world.take(person, thing)
            sentences.append(generator.choice(BEGIN_HELD).format(person=person, thing=thing))
        else:
            place = generator.choice(world.places)
            world.stays[thing] = [place]
            sentences.append(generator.choice(BEGIN_THING).format(thing=thing, place=place))
    return sentences


def _happen(generator: random.Random, world: World) -> Clause:
    """Let one possible event happen, and tell it. Hand-overs are likelier than walks because they are
    possible less often."""
    person = generator.choice(world.people)
    place = world.place(person)
    lying = [thing for thing in world.things if thing not in world.holder and world.place(thing) == place]
    held = world.held(person)
    receivers = [present for present in world.present(place) if present != person]
    weights = {
        "move": 4,
        "take": 8 if lying else 0,
        "give": 8 if held and receivers else 0,
        "drop": 2 if held else 0,
        "idle": 2,
    }
    kind = generator.choices(list(weights), list(weights.values()))[0]
    if kind == "move":
        goal = generator.choice([elsewhere for elsewhere in world.places if elsewhere != place])
        world.move(person, goal)
        return Clause(person, generator.choice(MOVE).format(place=goal))
    if kind == "take":
        thing = generator.choice(lying)
        world.take(person, thing)
        return Clause(person, generator.choice(TAKE).format(thing=thing))
    if kind == "give":
        gift = Gift(person, generator.choice(receivers), generator.choice(held))
        world.give(gift)
        return Clause(person, generator.choice(GIVE).format(thing=gift.thing, other=gift.receiver))
    if kind == "drop":
        thing = generator.choice(held)
        world.drop(thing)
        return Clause(person, generator.choice(DROP).format(thing=thing))
    acquaintance = generator.choice([anyone for anyone in world.people if anyone != person])
    idle = generator.choice(IDLE).format(
        place=generator.choice(world.places), thing=generator.choice(world.things), other=acquaintance
    )
    return Clause(person, idle)


def _joined(generator: random.Random, clauses: list[Clause]) -> list[str]:
    """Clauses as sentences; two in a row about the same person are often joined in one."""
    sentences = []
    rest = list(clauses)
    while rest:
        clause = rest.pop(0)
        text = f"{generator.choice(OPENERS)}{clause.person} {clause.action}"
        if rest and rest[0].person == clause.person and generator.random() < 0.7:
            text += f"{generator.choice(JOINTS)}{rest.pop(0).action}"
        sentences.append(f"{text}.")
    return sentences
