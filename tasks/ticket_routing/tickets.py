"""Compose support tickets: a problem, alone or beside something that is no problem, or no longer one."""

import random
import re

from harness import Row

TEAMS = ("billing", "technical", "shipping", "account")

FAULTS: dict[str, tuple[str, ...]] = {
    "billing": (
        "I was charged twice for order {order}",
        "the invoice shows {amount} euros instead of {other_amount}",
        "my refund of {amount} euros has not reached my bank",
        "the discount was not taken off my total",
        "you still take {amount} euros a month although I cancelled in {month}",
        "my card was declined but the money is gone",
        "the {product} costs more on the bill than on your page",
        "I paid for one {product} and was billed for three",
        "there is a fee of {amount} euros on my statement",
        "I sent the {product} back in {month} and still wait for my money",
        "the receipt for order {order} has the wrong tax number",
        "the payment for the {product} is shown as open",
    ),
    "technical": (
        "the {product} does not turn on any more",
        "the app closes as soon as I open the settings",
        "the {product} loses its wifi connection every few minutes",
        "the {product} shows error {code} since the last update",
        "the screen of the {product} stays black",
        "the {product} cannot be paired with my phone",
        "the {product} gets hot and makes a loud noise",
        "your website freezes when I upload a photo",
        "the battery of the {product} is empty after an hour",
        "the {product} stops at error {code} while it installs",
        "the export button only gives me an empty file",
        "the voice control of the {product} does not understand me",
    ),
    "shipping": (
        "order {order} has not arrived yet",
        "the tracking of order {order} has not moved since {weekday}",
        "the courier left the {product} in the rain",
        "the box was torn open and the {product} was gone",
        "my parcel went to the wrong house",
        "the driver says nobody was home, but I was in",
        "customs in {city} is holding my package",
        "my package went back before I could collect it in {city}",
        "the {product} was sent to my old street in {city}",
        "two parcels came although I expected three",
        "the delivery of the {product} was moved to {month}",
        "the depot in {city} cannot find my parcel",
    ),
    "account": (
        "I forgot my password and the reset mail never comes",
        "I have not been able to log in since {weekday}",
        "my login is locked after three wrong tries",
        "the security code does not reach my new phone number",
        "someone else seems to use my login from {city}",
        "I have two profiles with the same email address",
        "the link to confirm my email has expired",
        "my profile still has the email address of {name}",
        "I cannot take myself off the newsletter",
        "the user {name} was not added to our profile",
        "my user name is spelt {name}, which is wrong",
        "you deleted the profile of {name} and kept mine",
    ),
}
"""Clauses, so that they fit behind "I wrote that"."""

REQUESTS: dict[str, tuple[str, ...]] = {
    "billing": (
        "can I pay order {order} in two parts?",
        "I need a receipt with our tax number for order {order}.",
        "please send me the invoices of {month} once more.",
    ),
    "technical": (
        "how do I reset the {product} to its factory state?",
        "which cable fits the {product}?",
        "where do I switch off the light of the {product}?",
    ),
    "shipping": (
        "can you send the {product} to my office in {city} instead?",
        "when does the {product} leave your warehouse?",
        "do you deliver the {product} to {city}?",
    ),
    "account": (
        "please change the email address on my profile.",
        "please delete my profile and all my data.",
        "how can I add {name} as a second user?",
    ),
}

NEW_FAULTS: dict[str, tuple[str, ...]] = {
    "billing": (
        "the total of {amount} euros is higher than the offer you sent me",
        "you took the money from the wrong bank account",
        "the company name on the receipt of {month} is wrong",
    ),
    "technical": (
        "the picture of the {product} flickers when it is switched on",
        "the program crashes with code {code} when I print",
        "the buttons of the {product} do not react",
    ),
    "shipping": (
        "the carrier lost my {product} on its way to {city}",
        "the parcel for my neighbour in {city} lies at my door",
        "half of order {order} is missing from the delivery",
    ),
    "account": (
        "I cannot sign in on my new phone",
        "my user profile shows the name {name}, which is not mine",
        "the page says that my new password is too weak",
    ),
}
"""Faults that turn up after the training tickets were collected: only in dev and test."""

PRAISE: dict[str, tuple[str, ...]] = {
    "billing": (
        "the invoice was fine",
        "I have already paid",
        "the price was good",
        "the refund came through",
    ),
    "technical": (
        "the {product} works well",
        "the app is great",
        "the update went fine",
        "the {product} looks nice",
    ),
    "shipping": (
        "the parcel came on time",
        "the delivery was quick",
        "the box came on {weekday}",
        "the courier was kind",
    ),
    "account": (
        "I can log in again",
        "my new password works",
        "my profile is up to date",
        "signing up was easy",
    ),
}
"""What each team would have to deal with, if it were a problem."""

ALONE = ("{fault}.", "{fault}.", "{fault} and I do not know why.", "since {weekday} I see that {fault}.")
PRAISED = (
    "{praise}, but {fault}.",
    "{fault}. Besides, {praise}.",
    "{praise}. It is only that {fault}.",
    "{fault}, even though {praise}.",
)
SETTLED = (
    "last week I wrote that {settled}. You solved that. Now {fault}.",
    "{fault}. My other message, that {settled}, is settled.",
    "it is not that {settled}. It is that {fault}.",
    "{fault}. Please ignore my note that {settled}.",
    "I thought that {settled}, but I was wrong. In truth {fault}.",
    "{fault}. I do not mean my old mail that {settled}.",
    "my sister says that {settled}. I do not have that problem, but {fault}.",
    "your answer to my mail that {settled} was helpful. Still open: {fault}.",
    "{fault}. It is no longer true that {settled}.",
    "in {month} I had to say that {settled}, which was put right at once. Today {fault}.",
    "{fault}. When {settled}, a colleague of yours helped me, and that is done.",
    "no need to look at the ticket that {settled}. Look at this one: {fault}.",
)
"""Both halves are faults: only the words around them tell which one is still there."""

OPENINGS = ("", "", "Hi,", "Hello,", "Hello team,", "Good morning,", "Dear support,", "{name} here,")
CLOSINGS = (
    "",
    "",
    "",
    "Thanks!",
    "Please help.",
    "Can you look into it?",
    "Regards, {name}",
    "It is urgent.",
)
PRODUCTS = (
    "lamp", "router", "speaker", "camera", "printer", "heater", "watch", "tablet", "kettle", "radio", "scanner", "drone",
)  # fmt: skip
NAMES = (
    "Ada", "Bram", "Chiara", "Deniz", "Elif", "Femi", "Greta", "Hassan", "Ingrid", "Kaja", "Luca", "Mei", "Nadia", "Owen",
)  # fmt: skip
CITIES = (
    "Oslo",
    "Lima",
    "Paris",
    "Lagos",
    "Kyoto",
    "Turin",
    "Perth",
    "Delhi",
    "Porto",
    "Cairo",
    "Boston",
    "Ghent",
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = ("January", "March", "April", "June", "August", "October", "December")

SHARE_NEW = 0.25
"""The share of tickets in dev and test with a fault that training never shows."""

SHARE_MISTYPED = 0.2


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A ticket of at most 45 words; rows take the teams in turn.

    Difficulty 1: a problem alone; 2: beside praise for what another team does; 3: beside a problem of another
    team that is settled.
    """
    team = TEAMS[index % len(TEAMS)]
    difficulty = generator.choice((1, 2, 3, 3))
    new = split != "train" and generator.random() < SHARE_NEW
    message = _message(generator, team, difficulty, faults=NEW_FAULTS if new else FAULTS)
    text = _capitalise(_fill(generator, _greet(generator, message)))
    if generator.random() < SHARE_MISTYPED:
        text = _mistype(generator, text)
    return {"text": text, "team": team, "difficulty": difficulty}


def _message(
    generator: random.Random, team: str, difficulty: int, *, faults: dict[str, tuple[str, ...]]
) -> str:
    other_team = generator.choice([name for name in TEAMS if name != team])
    fault = generator.choice(faults[team])
    if difficulty == 1:
        asks = faults is FAULTS and generator.random() < 0.25
        return generator.choice(REQUESTS[team] if asks else ALONE).replace("{fault}", fault)
    if difficulty == 2:
        return (
            generator.choice(PRAISED)
            .replace("{fault}", fault)
            .replace("{praise}", generator.choice(PRAISE[other_team]))
        )
    return (
        generator.choice(SETTLED)
        .replace("{fault}", fault)
        .replace("{settled}", generator.choice(FAULTS[other_team]))
    )


def _greet(generator: random.Random, message: str) -> str:
    opening, closing = generator.choice(OPENINGS), generator.choice(CLOSINGS)
    return " ".join(part for part in (opening, message, closing) if part)


def _fill(generator: random.Random, text: str) -> str:
    return text.format(
        order=generator.randint(10000, 99999),
        amount=generator.randint(20, 90),
        other_amount=generator.randint(5, 19),
        code=generator.randint(100, 599),
        product=generator.choice(PRODUCTS),
        name=generator.choice(NAMES),
        city=generator.choice(CITIES),
        weekday=generator.choice(WEEKDAYS),
        month=generator.choice(MONTHS),
    )


def _capitalise(text: str) -> str:
    """Begin every sentence with a capital."""
    return re.sub(r"(?:^|[.?!] )[a-z]", lambda match: match[0].upper(), text)


def _mistype(generator: random.Random, text: str) -> str:
    """Swap two inner letters of one longer word."""
    words = text.split(" ")
    long_words = [index for index, word in enumerate(words) if word.isalpha() and len(word) > 4]
    if not long_words:
        return text
    index = generator.choice(long_words)
    word = words[index]
    at = generator.randint(1, len(word) - 3)
    words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
