"""Compose messages that raise none to three topics, and remark on others."""

import random

from harness import Row

TOPICS = {
    "delivery": (
        "The parcel for order {order} has not arrived, and {day} was the latest date",
        "Tracking of {order} has said 'in transit' for {number} days",
        "The courier left {order} with a neighbour whom nobody here knows",
        "Order {order} was brought to the wrong street, {number} houses off",
    ),
    "invoice": (
        "My {month} bill lists order {order} twice",
        "The bill for {order} has the wrong tax number on it",
        "Why do you charge {number} euros more for {order} than the shop said?",
        "The bill of {month} names a company that is not ours",
    ),
    "login": (
        "The app logs me out every {number} minutes",
        "Since {day} my password is refused",
        "The code for signing in never reaches my phone, {number} tries so far",
        "I cannot get into my account since I changed my address in {month}",
    ),
    "refund": (
        "I sent {order} back in {month} and still wait for my money",
        "Please pay back the {number} euros for {order}, which I returned on {day}",
        "You took my return of {order} and have paid nothing yet",
        "The {number} euros for the cancelled order {order} are not in my account",
    ),
    "repair": (
        "The machine from order {order} stopped after {number} days",
        "The handle broke off on {day}, order {order}",
        "It hums and does nothing more, {number} weeks after {month}",
        "The screen of the thing from {order} stays black",
    ),
    "stock": (
        "When will the blue one be there again? In {month} it was sold out",
        "I need {number} more of the same kind and your page shows none",
        "Will you get the large size back before {month}?",
        "The page has said 'soon' under number {order} since {day}",
    ),
}
"""Topic to what people say of it while it is open."""

SETTLED = (
    "By the way, the parcel with {order} came in time, thanks",
    "The bill of {month} is right now, I have seen the new one",
    "Signing in works again since {day}",
    "The {number} euros for {order} are back in my account, thank you",
    "The mended machine from {order} runs well",
    "The blue one is there again, I saw it on {day}",
)
"""Of a topic that is raised no more."""

REMARKS = (
    "I have been with you for {number} years",
    "It is raining here in {town}",
    "My sister in {town} recommended you",
    "I write this on the train to {town}",
    "You can reach me on {day} after {number} o'clock",
)
GREETINGS = (
    "Hello, {name} here",
    "Good morning, this is {name} from {town}",
    "Hi",
    "To whom it may concern",
    "{name} again",
)
LINKS = ("", "Also, ", "Besides, ", "And another thing: ", "Then: ")
NAMES = ("Mia", "Jonas", "Aylin", "Piotr", "Lea", "Omar", "Sofia", "Nils", "Hana", "Bruno", "Tessa", "Ivo")
TOWNS = ("Ulm", "Bath", "Lyon", "Turku", "Graz", "Delft", "Split", "Cork", "Bruges", "Siena", "Riga", "Basel")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
)


def compose(generator: random.Random, index: int, split: str) -> Row:
    """One message and the topics it raises."""
    difficulty = 1 + index % 3
    topics = generator.sample(sorted(TOPICS), generator.choice((0, 1, 1, 2, 2, 3)))
    sentences = [generator.choice(TOPICS[topic]) for topic in topics]
    sentences += generator.sample(REMARKS, difficulty - 1 if topics else 2)
    if difficulty > 1:
        # Not of a topic that is also raised: what holds would then be a matter of taste.
        settled = [text for topic, text in zip(TOPICS, SETTLED, strict=True) if topic not in topics]
        sentences += generator.sample(settled, difficulty - 1)
    generator.shuffle(sentences)
    written = [generator.choice(GREETINGS)]
    for sentence in sentences:
        link = generator.choice(LINKS)
        keeps_capital = not link or sentence.startswith(("I ", "You "))
        written.append(link + (sentence if keeps_capital else sentence[0].lower() + sentence[1:]))
    text = " ".join(sentence if sentence.endswith("?") else f"{sentence}." for sentence in written)
    text = " ".join(_filled(word, generator) for word in text.split(" "))
    return {"text": text, "topics": sorted(topics), "difficulty": difficulty}


def _filled(word: str, generator: random.Random) -> str:
    """A word with its place filled, each time anew."""
    return word.format(
        name=generator.choice(NAMES),
        town=generator.choice(TOWNS),
        day=generator.choice(DAYS),
        month=generator.choice(MONTHS),
        number=generator.randint(3, 60),
        order=generator.randint(1000, 9999),
    )
