"""Compose support tickets: a problem, sometimes beside something another team would care about."""

import random

TEAMS = ("billing", "technical", "shipping", "account")

PROBLEMS = {
    "billing": (
        "I was charged twice for order {order}",
        "the invoice shows {amount} euros instead of {other_amount}",
        "my refund of {amount} euros has not reached my bank",
        "the discount was not taken off my total",
        "I need a receipt with our tax number for order {order}",
        "you still take {amount} euros a month although I cancelled in {month}",
        "my card was declined but the money is gone",
        "the {product} costs more on the bill than on your page",
        "I paid for one {product} and was billed for three",
        "there is a fee of {amount} euros on my statement that nobody can explain",
        "I sent the {product} back in {month} and still wait for my money",
        "can I pay order {order} in two parts",
    ),
    "technical": (
        "the {product} does not turn on any more",
        "the app closes as soon as I open the settings",
        "the {product} loses its wifi connection every few minutes",
        "since the last update the {product} shows error {code}",
        "the screen of the {product} stays black",
        "I cannot pair the {product} with my phone",
        "the {product} gets hot and makes a loud noise",
        "your website freezes when I upload a photo",
        "the battery of the {product} is empty after an hour",
        "how do I reset the {product} to its factory state",
        "the {product} stops at error {code} while it installs",
        "the export button only gives me an empty file",
    ),
    "shipping": (
        "order {order} has not arrived yet",
        "the tracking of order {order} has not moved since {weekday}",
        "the courier left the {product} in the rain",
        "the box was torn open and the {product} was gone",
        "can you send the {product} to my office in {city} instead",
        "my parcel went to the wrong house",
        "when does the {product} leave your warehouse",
        "do you deliver the {product} to {city}",
        "the driver says nobody was home, but I was in all day",
        "I need order {order} before {weekday}, is express possible",
        "customs in {city} is holding my package",
        "my package went back before I could collect it in {city}",
    ),
    "account": (
        "I forgot my password and the reset mail never comes",
        "I have not been able to log in since {weekday}",
        "please change the email address on my profile",
        "please delete my profile and all my data",
        "my login is locked after three wrong tries",
        "I want to change my user name to {name}",
        "the security code does not reach my new phone number",
        "someone else seems to use my login from {city}",
        "how can I add {name} as a second user",
        "I have two profiles and want them merged",
        "please take me off the newsletter",
        "the link to confirm my email has expired",
    ),
}

NEW_PROBLEMS = {
    "billing": (
        "why is the total of {amount} euros higher than the offer you sent me",
        "you took the money from the wrong bank account",
        "please correct the company name on the receipt of {month}",
    ),
    "technical": (
        "the picture of the {product} flickers when it is switched on",
        "the program crashes with code {code} when I print",
        "the buttons of the {product} do not react",
    ),
    "shipping": (
        "the carrier lost my {product} on its way to {city}",
        "can my neighbour in {city} accept the parcel",
        "half of order {order} is missing from the delivery",
    ),
    "account": (
        "I cannot sign in on my new phone",
        "my user profile shows the name {name}, which is not mine",
        "how do I choose a stronger password",
    ),
}
"""Problems that turn up after the training tickets were collected: dev and test only."""

ASIDES = {
    "billing": ("the invoice was fine", "I have already paid", "the price was good", "the refund came through"),
    "technical": ("the {product} works well", "the app is great", "the update went fine", "the {product} looks nice"),
    "shipping": (
        "the parcel came on time",
        "the delivery was quick",
        "the box arrived on {weekday}",
        "the courier was kind",
    ),
    "account": ("I can log in again", "my new password works", "my profile is up to date", "signing up was easy"),
}
"""What each team would care about, if it were a problem."""

OPENINGS = ("", "", "Hi,", "Hello,", "Hello team,", "Good morning,", "Dear support,", "{name} here,", "Hi, it is {name},")
CLOSINGS = (
    "",
    "",
    "",
    "Thanks!",
    "Please help.",
    "Can you look into it?",
    "Regards, {name}",
    "It is urgent.",
    "Many thanks, {name}",
)
PRODUCTS = (
    "lamp",
    "router",
    "speaker",
    "camera",
    "printer",
    "heater",
    "watch",
    "tablet",
    "kettle",
    "radio",
    "scanner",
    "drone",
)
NAMES = (
    "Ada",
    "Bram",
    "Chiara",
    "Deniz",
    "Elif",
    "Femi",
    "Greta",
    "Hassan",
    "Ingrid",
    "Kaja",
    "Luca",
    "Mei",
    "Nadia",
    "Owen",
)
CITIES = ("Oslo", "Lima", "Paris", "Lagos", "Kyoto", "Turin", "Perth", "Delhi", "Porto", "Cairo", "Boston", "Ghent")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = ("January", "March", "April", "June", "August", "October", "December")


def compose(generator: random.Random, team: str, *, share_new: float) -> str:
    """One ticket for a team, of at most 35 words; `share_new` of them have a problem that training never shows."""
    problem = generator.choice((NEW_PROBLEMS if generator.random() < share_new else PROBLEMS)[team])
    other = generator.choice([name for name in TEAMS if name != team])
    aside = generator.choice(ASIDES[other])
    place = generator.random()
    if place < 0.2:
        message = f"{aside}, but {problem}."
    elif place < 0.33:
        message = f"{problem}. Besides, {aside}."
    else:
        message = f"{problem}."
    opening, closing = generator.choice(OPENINGS), generator.choice(CLOSINGS)
    if not opening:
        message = message[0].upper() + message[1:]
    text = " ".join(part for part in (opening, message, closing) if part).format(
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
    return _mistype(generator, text) if generator.random() < 0.2 else text


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
