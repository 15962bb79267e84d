"""Compose reviews whose remarks add up to one to five stars."""

import random

from harness import Row

GOOD = (
    "the {dish} was excellent", "the waiter was a delight", "we got the best table by the {place}",
    "the bill was lower than we feared", "the {dish} was worth the trip", "nobody hurried us",
    "they made the {dish} without nuts for us", "the {place} was lovely",
)  # fmt: skip
BAD = (
    "the {dish} was cold", "the waiter was rude", "we waited {number} minutes for the {dish}",
    "the bill had {number} euros too much on it", "the {dish} was burnt", "the {place} smelt of paint",
    "they forgot the {dish}", "our coats were gone",
)  # fmt: skip
OTHERS = (
    "My cousin had loved the place", "My cousin had hated the place", "The guide of {number} gives it three stars",
    "At the next table they complained of everything", "At the next table they praised everything",
)  # fmt: skip
PLAIN = (
    "We came on a {day}", "There were {number} of us", "It was our {number}th wedding day", "It rained all {day}",
    "I had booked for {day}", "We had walked {number} km before",
)  # fmt: skip
DISHES = (
    "soup",
    "trout",
    "risotto",
    "salad",
    "lamb",
    "pie",
    "ravioli",
    "curry",
    "cheese",
    "tart",
    "stew",
    "bread",
)
PLACES = ("window", "terrace", "garden", "fireplace", "courtyard", "bar")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def compose(generator: random.Random, index: int, split: str) -> Row:
    """One review: what is good less what is bad is its stars above or below three."""
    difficulty, stars = 1 + index // 5 % 3, 1 + index % 5
    both = generator.randint(0, difficulty - 1)
    good, bad = max(stars - 3, 0) + both, max(3 - stars, 0) + both
    remarks = generator.sample(GOOD, good) + generator.sample(BAD, bad)
    generator.shuffle(remarks)
    sentences = generator.sample(PLAIN, generator.randint(1, 2))
    sentences += [remark[0].upper() + remark[1:] for remark in remarks]
    if difficulty > 1:
        sentences.insert(generator.randint(1, len(sentences)), generator.choice(OTHERS))
    words = " ".join(f"{sentence}." for sentence in sentences).split(" ")
    text = " ".join(_filled(word, generator) for word in words)
    return {"text": text, "stars": str(stars), "difficulty": difficulty}


def _filled(word: str, generator: random.Random) -> str:
    """A word with its place filled, each time anew."""
    return word.format(
        dish=generator.choice(DISHES),
        place=generator.choice(PLACES),
        day=generator.choice(DAYS),
        number=generator.randint(4, 60),
    )
