"""Write the text that toy models are pre-trained on: everyday sentences and small instructions, made from a seed.

The mixture teaches what a small base model could plausibly know before it meets a task: what months are called and
how they are numbered, how numbers are padded, that a question is followed by a short answer. The bundled tasks
themselves (a whole date to ISO, a ticket to its team, an order to JSON) are left out, so that fine-tuning has
something to teach.
"""

import random
from collections.abc import Callable, Iterator

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
NAMES = ("Ada", "Ben", "Chloe", "Dev", "Emma", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kira", "Liam", "Mara", "Nils")
CITIES = ("Paris", "Lagos", "Lima", "Oslo", "Kyoto", "Quito", "Turin", "Perth", "Delhi", "Porto", "Cairo", "Boston")
ITEMS = ("lamp", "desk", "chair", "mug", "book", "pen", "shelf", "rug", "clock", "vase", "fan", "kettle", "plate", "towel")
COLOURS = ("red", "blue", "green", "black", "white", "grey", "pink", "brown")
PLACES = ("shop", "office", "garden", "kitchen", "station", "library", "market", "school")
ACTIONS = ("bought", "sold", "lost", "found", "returned", "ordered", "packed", "repaired")
COMPLAINTS = (
    "the card was charged twice", "the invoice shows a wrong amount", "the app stops when it opens",
    "the screen stays black", "the parcel has not arrived", "the courier left the box outside",
    "the password is not accepted", "the account is locked", "the refund is late", "the page shows an error",
)  # fmt: skip

Turn = tuple[str, str]
"""A question and its answer."""


def documents(rng: random.Random) -> Iterator[list[Turn] | str]:
    """Endless documents: plain text, or a conversation of one to five turns on one kind of question."""
    while True:
        if rng.random() < 0.25:
            yield " ".join(_sentence(rng) for _ in range(rng.randint(3, 8)))
        else:
            ask = rng.choice(_QUESTIONS)
            yield [ask(rng) for _ in range(rng.choice((1, 1, 2, 3, 5)))]


def _sentence(rng: random.Random) -> str:
    name, item, colour = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(COLOURS)
    return rng.choice(
        (
            f"{name} {rng.choice(ACTIONS)} {rng.randint(2, 99)} {colour} {item}s in {rng.choice(CITIES)}.",
            f"On {_date(rng)} {name} went to the {rng.choice(PLACES)}.",
            f"{name} wrote that {rng.choice(COMPLAINTS)}.",
            f"The {colour} {item} costs {rng.randint(1, 99)} euros in {rng.choice(CITIES)}.",
            f"The {rng.choice(PLACES)} opens in {rng.choice(MONTHS)} {rng.randint(1970, 2049)}.",
        )
    )


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(1970, 2049)
    return rng.choice((f"{day} {month} {year}", f"{month} {day}, {year}", f"{month[:3]} {day} {year}", f"{day} {month[:3]} {year}"))


def _month_number(rng: random.Random) -> Turn:
    number = rng.randint(1, 12)
    name = MONTHS[number - 1]
    return f"Give the number of the month {rng.choice((name, name[:3]))}.", f"{number:02d}"


def _pad(rng: random.Random) -> Turn:
    number = rng.randint(1, 31)
    return f"Write {number} with two digits.", f"{number:02d}"


def _part_of_date(rng: random.Random) -> Turn:
    day, number, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1970, 2049)
    month = MONTHS[number - 1]
    text = rng.choice((f"{day} {month} {year}", f"{month} {day}, {year}", f"{day} {month[:3]} {year}", f"{number}/{day}/{year}"))
    part, answer = rng.choice((("year", str(year)), ("month", f"{number:02d}"), ("day", f"{day:02d}")))
    return f"Give the {part} of this date.\n{text}", answer


def _join(rng: random.Random) -> Turn:
    parts = [f"{rng.randint(1970, 2049)}", f"{rng.randint(1, 12):02d}", f"{rng.randint(1, 28):02d}"]
    return f"Join with dashes: {' '.join(parts)}", "-".join(parts)


def _repeat(rng: random.Random) -> Turn:
    text = rng.choice((_date(rng), f"{rng.randint(2, 99)} {rng.choice(ITEMS)}s", rng.choice(COMPLAINTS)))
    return f"Repeat: {text}", text


def _find(rng: random.Random) -> Turn:
    name, item, city, count = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(CITIES), rng.randint(2, 99)
    text = f"{name} {rng.choice(ACTIONS)} {count} {item}s in {city}."
    what, answer = rng.choice((("name", name), ("item", item), ("city", city), ("number", str(count))))
    return f"Find the {what}.\n{text}", answer


def _pairs(rng: random.Random) -> Turn:
    colour, item, count = rng.choice(COLOURS), rng.choice(ITEMS), rng.randint(2, 99)
    return f"Write as JSON: colour {colour}, thing {item}, number {count}", f'{{"colour": "{colour}", "thing": "{item}", "number": {count}}}'


def _choose(rng: random.Random) -> Turn:
    kind, words = rng.choice((("a colour", COLOURS), ("a city", CITIES), ("a month", MONTHS), ("a thing", ITEMS)))
    other = rng.choice([group for group in (COLOURS, CITIES, MONTHS, ITEMS) if group is not words])
    options = [rng.choice(words), rng.choice(other)]
    answer = options[0]
    rng.shuffle(options)
    return f"Which one is {kind}: {options[0]} or {options[1]}?", answer


_QUESTIONS: tuple[Callable[[random.Random], Turn], ...] = (
    _month_number, _pad, _part_of_date, _part_of_date, _join, _repeat, _find, _pairs, _choose,
)  # fmt: skip
