"""Compose a dialogue between a customer and an agent, and the state of the bookings at its end."""

import random
import string
from dataclasses import dataclass, field

from harness import Row

from .phrases import (
    ACKNOWLEDGEMENTS,
    ANSWERS,
    CHOICES,
    CITIES,
    CLOSINGS,
    CORRECTIONS,
    DAYS,
    DISTRACTED,
    NEXT_OPENINGS,
    NUMBERS,
    OFFERS,
    OPENINGS,
    QUESTIONS,
    REFERENCES,
    SERVICES,
)

Value = str | int


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A dialogue. Difficulty 1: one booking; 2: with offers, distractors and corrections; 3: with a second
    booking that refers to the first."""
    difficulty = 1 + index % 3
    talk = Talk(generator, difficulty)
    service, next_service = generator.sample(tuple(SERVICES), 2)
    talk.book(service, known_slots=generator.randint(2, 4))
    if difficulty == 3:
        talk.book(next_service, known_slots=generator.randint(2, 4), earlier_service=service)
    return {
        "dialogue": "\n".join(talk.turns),
        "state": dict(sorted(talk.state.items())),
        "difficulty": difficulty,
    }


@dataclass
class Talk:
    """A dialogue so far, and what has been booked in it."""

    generator: random.Random
    difficulty: int
    turns: list[str] = field(default_factory=list)
    state: dict[str, Value] = field(default_factory=dict)

    def book(self, service: str, *, known_slots: int, earlier_service: str | None = None) -> None:
        """Open a booking, and ask for slots until `known_slots` of them are known."""
        self._open(service, earlier_service)
        slots = SERVICES[service]
        missing = [slot for slot in slots if f"{service}_{slot}" not in self.state]
        self.generator.shuffle(missing)
        for slot in missing[: max(0, known_slots - len(slots) + len(missing))]:
            self._fill(service, slot, earlier_service)
        if self.difficulty > 1 and earlier_service is None and self.generator.random() < 0.6:
            self._correct(service)
        self.turns.append(f"Agent: {self.generator.choice(CLOSINGS)}")

    def _open(self, service: str, earlier_service: str | None) -> None:
        if earlier_service is not None:
            opening = self.generator.choice(NEXT_OPENINGS)
            text = opening.format(service=service, first=earlier_service)
        else:
            opening = self.generator.choice(OPENINGS[service])
            slots = [name for _, name, _, _ in string.Formatter().parse(opening) if name]
            for slot in slots:
                self.state[f"{service}_{slot}"] = self._draw(service, slot)
            values = {slot: self._say(service, slot, self.state[f"{service}_{slot}"]) for slot in slots}
            text = opening.format(**values)
        self.turns.append(f"Customer: {_capital(text)}")

    def _fill(self, service: str, slot: str, earlier_service: str | None) -> None:
        """A question about a slot and its answer, in one of the ways that the difficulty allows."""
        kind = SERVICES[service][slot]
        value, distractor = self._draw(service, slot), self._draw(service, slot)
        question = self.generator.choice(QUESTIONS.get(slot, QUESTIONS[kind]))
        right, wrong = self._say(service, slot, value), self._say(service, slot, distractor)
        earlier_slot = f"{earlier_service}_{slot}"
        if earlier_slot in self.state and kind in REFERENCES:
            reference, step = self.generator.choice(REFERENCES[kind])
            value = _moved(self.state[earlier_slot], step)
            answer = reference.format(first=earlier_service)
        elif self.difficulty == 1 or value == distractor or self.generator.random() < 0.3:
            answer = self.generator.choice(ANSWERS).format(value=right)
        elif self.generator.random() < 0.5:
            answer = self.generator.choice(DISTRACTED).format(value=right, other=wrong)
        else:
            place = self.generator.randrange(2)
            offered = (right, wrong) if place == 0 else (wrong, right)
            question += " " + self.generator.choice(OFFERS).format(first=offered[0], second=offered[1])
            answer = self.generator.choice(CHOICES)[place]
        self.state[f"{service}_{slot}"] = value
        self.turns.append(" ".join(("Agent:", *self.generator.choice(ACKNOWLEDGEMENTS).split(), question)))
        self.turns.append(f"Customer: {_capital(answer)}")

    def _correct(self, service: str) -> None:
        """The customer changes the value of one slot."""
        name = self.generator.choice(sorted(name for name in self.state if name.startswith(service)))
        slot = name.removeprefix(f"{service}_")
        value = self._draw(service, slot)
        while value == self.state[name]:
            value = self._draw(service, slot)
        right, wrong = self._say(service, slot, value), self._say(service, slot, self.state[name])
        self.state[name] = value
        self.turns.append(f"Agent: {self.generator.choice(CLOSINGS)}")
        self.turns.append(f"Customer: {self.generator.choice(CORRECTIONS).format(value=right, other=wrong)}")

    def _draw(self, service: str, slot: str) -> Value:
        kind = SERVICES[service][slot]
        if kind == "day":
            return self.generator.choice(DAYS)
        if kind == "city":
            return self.generator.choice([city for city in CITIES if city not in self.state.values()])
        if kind == "time":
            return f"{self.generator.randint(9, 20):02d}:{self.generator.choice((0, 15, 30, 45)):02d}"
        return self.generator.randint(2, 9)

    def _say(self, service: str, slot: str, value: Value) -> str:
        """A value in words, in one of several ways."""
        kind = SERVICES[service][slot]
        if kind == "time":
            return self.generator.choice(_times(str(value))[: 1 + self.difficulty])
        if isinstance(value, int):
            number = self.generator.choice((str(value), NUMBERS[value]))
            return f"{number} nights" if kind == "nights" else number
        return value


def _times(time: str) -> tuple[str, ...]:
    """A time of day in four ways, the plainest first."""
    hour, minute = (int(part) for part in time.split(":"))
    half = "pm" if hour >= 12 else "am"
    part = "in the morning"
    if hour >= 12:
        part = "in the evening" if hour >= 18 else "in the afternoon"
    hour_name = NUMBERS[(hour + (minute == 45) - 1) % 12 + 1]
    spoken = {
        0: f"{hour_name} o'clock",
        15: f"quarter past {hour_name}",
        30: f"half past {hour_name}",
        45: f"quarter to {hour_name}",
    }
    clock = f"{(hour - 1) % 12 + 1}:{minute:02d} {half}"
    return time, clock, f"{spoken[minute]} {part}", f"{hour}.{minute:02d}"


def _moved(value: Value, step: int) -> Value:
    """A value `step` days, minutes or people later; a city stays as it is."""
    if isinstance(value, int):
        return value + step
    if value in DAYS:
        return DAYS[(DAYS.index(value) + step) % len(DAYS)]
    if ":" in value:
        minutes = int(value[:2]) * 60 + int(value[3:]) + step
        return f"{minutes // 60:02d}:{minutes % 60:02d}"
    return value


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
