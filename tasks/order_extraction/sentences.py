"""Compose sentences that order something, with the other things that such sentences mention."""

import random

from harness import Row

CUSTOMERS = (
    "Ada", "Bram", "Chiara", "Deniz", "Elif", "Femi", "Greta", "Hassan", "Ingrid", "Joao", "Kaja", "Luca",
    "Mei", "Nadia", "Owen", "Priya", "Quentin", "Rosa", "Sven", "Tomas", "Uma", "Vera", "Wim", "Yara", "Zoe",
)  # fmt: skip
CITIES = (
    "Oslo", "Lima", "Paris", "Lagos", "Kyoto", "Quito", "Turin", "Perth", "Delhi", "Porto", "Cairo", "Boston",
    "Ghent", "Malmo", "Leeds", "Accra", "Hanoi", "Bergen", "Denver", "Zagreb",
)  # fmt: skip
ITEMS = {
    "lamp": "lamps", "desk": "desks", "chair": "chairs", "mug": "mugs", "book": "books", "shelf": "shelves",
    "rug": "rugs", "clock": "clocks", "vase": "vases", "fan": "fans", "kettle": "kettles", "plate": "plates",
    "towel": "towels", "knife": "knives", "box": "boxes", "brush": "brushes", "candle": "candles", "scarf": "scarves",
    "blanket": "blankets", "mirror": "mirrors", "bench": "benches", "basket": "baskets", "bottle": "bottles",
    "tent": "tents",
}  # fmt: skip
"""Singular to plural."""

NUMBER_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "a dozen": 12, "fifteen": 15, "twenty": 20, "two dozen": 24, "thirty": 30, "forty": 40, "fifty": 50,
}  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

PLAIN = (
    "{customer} orders {quantity} {items} for delivery to {city}.",
    "Please send {quantity} {items} to {customer} in {city}.",
    "Order {reference}: {quantity} {items}, ship to {city}, customer {customer}.",
    "{customer} wants {quantity} {items} in {city} before {weekday}.",
    "Hello, I would like {quantity} {items} delivered to {city} by {weekday}. Regards, {customer}",
    "In {city} we are short of {items}; {quantity} would do, says {customer}.",
    "To {city}, please: {quantity} {items}. My name is {customer}, my last order was {reference}.",
    "Deliver to {city} on {weekday}: {items}, {quantity} of them.",
)
MIXED = (
    "{customer} from {elsewhere} orders {quantity} {items}, to be sent to {city}.",
    "Can you ship {quantity} {items} at {price} euros each to our office in {city}?",
    "We have moved from {elsewhere} to {city} and need {quantity} {items} here.",
    "I saw your {items} for {price} euros. Send {quantity} to {city}, thanks, {customer}.",
    "You still have {number} {items}? Then {quantity} of them should go to {city}, the bill to {elsewhere}.",
    "Last year it was {number} {others} for {elsewhere}, this time it is {quantity} {items} for {city}.",
    "{quantity} {items}, {price} euros a piece, go from your store in {elsewhere} to mine in {city}.",
    "The {others} arrived in {elsewhere}, many thanks. Next I need {quantity} {items} in {city}.",
)
CORRECTED = (
    "{number} {items} to {city}, please. No, wait, make that {quantity}.",
    "Please send {quantity} {others} to {city}. Sorry, I meant {items}, not {others}.",
    "{quantity} {items} to {elsewhere}. Correction from {customer}: they go to {city}.",
    "I asked for {number} {items} for {city}, but {quantity} are enough. {customer}",
    "Cancel the {number} {others} for {elsewhere} and send {quantity} {items} to {city} instead.",
    "We need {others}, no, {items}, {quantity} of them, in {elsewhere}, no, in {city}.",
    "{customer} first wanted {number} {items} in {elsewhere} and now wants {quantity} in {city}.",
    "Not {number} but {quantity}, and not {others} but {items}: that is what {city} needs.",
)

PATTERNS = (PLAIN, MIXED, CORRECTED)
"""By difficulty: the order alone; with other places, things and numbers; with a correction."""


def compose(generator: random.Random, index: int, split: str) -> Row:
    """One sentence and what it orders."""
    singular, unwanted = generator.sample(tuple(ITEMS), 2)
    city, elsewhere = generator.sample(CITIES, 2)
    quantity, number = generator.sample(range(2, 100), 2)
    written = str(quantity)
    if generator.random() < 0.4:
        written = generator.choice([word for word, value in NUMBER_WORDS.items() if value != number])
        quantity = NUMBER_WORDS[written]
    difficulty = 1 + index % len(PATTERNS)
    text = generator.choice(PATTERNS[difficulty - 1]).format(
        customer=generator.choice(CUSTOMERS),
        quantity=written,
        number=number,
        items=ITEMS[singular],
        others=ITEMS[unwanted],
        city=city,
        elsewhere=elsewhere,
        weekday=generator.choice(WEEKDAYS),
        reference=generator.randint(1000, 9999),
        price=generator.randint(2, 90),
    )
    text = text[0].upper() + text[1:]
    return {"text": text, "city": city, "item": singular, "quantity": quantity, "difficulty": difficulty}
