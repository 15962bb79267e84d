"""Write the text that toy models are pre-trained on: everyday sentences and small instructions, made from a
seed.

The mixture teaches what a small base model could plausibly know before it meets a task: what months are
called and how they are numbered, how numbers are padded, that a question is followed by a short answer. The
bundled tasks themselves (a whole date to ISO, a ticket to its team, an order to JSON) are left out, so that
fine-tuning has something to teach.
"""

import random
from collections.abc import Callable, Iterator

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
NAMES = (
    "Ada",
    "Ben",
    "Chloe",
    "Dev",
    "Emma",
    "Farid",
    "Grace",
    "Hugo",
    "Ines",
    "Jonas",
    "Kira",
    "Liam",
    "Mara",
    "Nils",
)
CITIES = (
    "Paris",
    "Lagos",
    "Lima",
    "Oslo",
    "Kyoto",
    "Quito",
    "Turin",
    "Perth",
    "Delhi",
    "Porto",
    "Cairo",
    "Boston",
)
ITEMS = (
    "lamp",
    "desk",
    "chair",
    "mug",
    "book",
    "pen",
    "shelf",
    "rug",
    "clock",
    "vase",
    "fan",
    "kettle",
    "plate",
    "towel",
)
COLOURS = ("red", "blue", "green", "black", "white", "grey", "pink", "brown")
PLACES = ("shop", "office", "garden", "kitchen", "station", "library", "market", "school")
WORDS = (
    "account",
    "address",
    "billing",
    "city",
    "order",
    "quantity",
    "shipping",
    "team",
    "technical",
    "ticket",
)
ACTIONS = ("bought", "sold", "lost", "found", "returned", "ordered", "packed", "repaired")
TOPICS = {
    "money": (
        "{name} paid {n} euros too much",
        "the bank took the money twice",
        "the bill for the {item} was wrong",
        "the invoice from {month} has the wrong total",
        "{name} waits for a refund of {n} euros",
        "the card was declined at the {place}",
        "the price of the {item} went up to {n} euros",
        "the receipt shows a fee of {n} euros",
        "{name} was charged for a discount",
        "the payment has not reached the bank",
    ),
    "machines": (
        "the {item} does not turn on",
        "the app closes with an error",
        "the screen stays black since the update",
        "the {item} is loud and gets hot",
        "the wifi connection of the phone is lost",
        "the battery is empty after {n} minutes",
        "the website freezes when {name} opens a photo",
        "the printer shows error code {n}",
        "the program stops when it installs",
        "the button of the {item} does not react",
    ),
    "delivery": (
        "the parcel has not arrived in {city}",
        "the courier left the box in the rain",
        "the driver took the package back",
        "the tracking of the {item} has not moved",
        "{name} was not home when the package came",
        "the {item} is held by customs in {city}",
        "the delivery to {city} is late",
        "order {n}{n}{n} left the warehouse in {month}",
        "the carrier brought the parcel to the wrong house",
        "the shipping address is an office in {city}",
    ),
    "login": (
        "{name} forgot the password",
        "the user name of {name} is locked",
        "{name} cannot log in with the new phone",
        "the mail to reset the password never came",
        "the profile shows the wrong email address",
        "someone else signed in as {name}",
        "the security code has expired",
        "{name} wants to delete the profile",
        "the link to confirm the email does not work",
        "a second user was added to the profile",
    ),
}
"""What people write about. Which team looks after what, as the ticket task asks, is not told here."""

Turn = tuple[str, str]
"""A question and its answer."""


def documents(rng: random.Random) -> Iterator[list[Turn] | str]:
    """Endless documents: plain text, or a conversation of one to five turns on one kind of question."""
    while True:
        if rng.random() < 0.1:
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
            f"{name} wrote: {_complaint(rng, rng.choice(list(TOPICS)))}.",
            rng.choice(_REMARKS).format(name=name, item=item, colour=colour),
            f"The {colour} {item} costs {rng.randint(1, 99)} euros in {rng.choice(CITIES)}.",
            f"The {rng.choice(PLACES)} opens in {rng.choice(MONTHS)} {rng.randint(1970, 2049)}.",
        )
    )


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(1970, 2049)
    return rng.choice(
        (
            f"{day} {month} {year}",
            f"{month} {day}, {year}",
            f"{month[:3]} {day} {year}",
            f"{day} {month[:3]} {year}",
        )
    )


_REMARKS = (
    "The shipping address of {name} is on the box.",
    "{name} opened an account at the bank.",
    "A technical team repaired the {item}.",
    "The billing address is that of {name}.",
    "The {colour} {item} needs technical help.",
    "The account of {name} is new.",
    "Billing takes a day and shipping takes a week.",
    "The team of {name} writes a ticket about the {item}.",
)


def _complaint(rng: random.Random, topic: str) -> str:
    form = rng.choice(TOPICS[topic])
    values = {
        "name": NAMES,
        "item": ITEMS,
        "month": MONTHS,
        "place": PLACES,
        "city": CITIES,
        "n": range(2, 99),
    }
    return form.format(**{field: rng.choice(words) for field, words in values.items()})


def _month_number(rng: random.Random) -> Turn:
    number = rng.randint(1, 12)
    name = MONTHS[number - 1]
    return f"Give the number of the month {rng.choice((name, name[:3]))}.", f"{number:02d}"


def _part_of_date(rng: random.Random) -> Turn:
    day, number, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1970, 2049)
    month = MONTHS[number - 1]
    text = rng.choice(
        (
            f"{day} {month} {year}",
            f"{month} {day}, {year}",
            f"{day} {month[:3]} {year}",
            f"{number}/{day}/{year}",
        )
    )
    part, answer = rng.choice((("year", str(year)), ("month", f"{number:02d}"), ("day", f"{day:02d}")))
    return f"Give the {part} of this date.\n{text}", answer


def _join(rng: random.Random) -> Turn:
    parts = [f"{rng.randint(1970, 2049)}", f"{rng.randint(1, 12):02d}", f"{rng.randint(1, 28):02d}"]
    return f"Join with dashes: {' '.join(parts)}", "-".join(parts)


def _repeat(rng: random.Random) -> Turn:
    text = rng.choice(
        (_date(rng), f"{rng.randint(2, 99)} {rng.choice(ITEMS)}s", rng.choice(WORDS), rng.choice(WORDS))
    )
    return f"Repeat: {text}", text


def _find(rng: random.Random) -> Turn:
    name, item, city, count = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(CITIES), rng.randint(2, 99)
    text = f"{name} {rng.choice(ACTIONS)} {count} {item}s in {city}."
    sought, answer = rng.choice((("name", name), ("item", item), ("city", city), ("number", str(count))))
    return f"Find the {sought}.\n{text}", answer


def _pairs(rng: random.Random) -> Turn:
    colour, item, count = rng.choice(COLOURS), rng.choice(ITEMS), rng.randint(2, 99)
    return (
        f"Write as JSON: colour {colour}, thing {item}, number {count}",
        f'{{"colour": "{colour}", "thing": "{item}", "number": {count}}}',
    )


def _topic(rng: random.Random) -> Turn:
    topics = list(TOPICS)
    topic = rng.choice(topics)
    lines = [_complaint(rng, topic)]
    if rng.random() < 0.3:
        lines.insert(0, f"{rng.choice(('Hello', 'Hi', 'Dear team'))}, {rng.choice(NAMES)} here")
    return f"What is this text about?\n{', '.join(lines)}.", topic


_QUESTIONS: tuple[Callable[[random.Random], Turn], ...] = (
    *(_part_of_date,) * 4,
    *(_topic,) * 2,
    *(_month_number, _join, _repeat, _find, _pairs),
)
"""The kinds of questions, the more telling ones more often."""
