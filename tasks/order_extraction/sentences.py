"""Compose sentences that order something."""

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
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "a dozen": 12,
}
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")

PATTERNS = (
    "{customer} orders {quantity} {items} for delivery to {city}.",
    "{customer} from {elsewhere} orders {quantity} {items}, to be sent to {city}.",
    "Please send {quantity} {items} to {customer} in {city}.",
    "Hello, I would like {quantity} {items} delivered to {city} by {weekday}. Regards, {customer}",
    "Order {reference}: {quantity} {items}, ship to {city}, customer {customer}.",
    "Can you ship {quantity} {items} at {price} euros each to our office in {city}?",
    "{customer} wants {quantity} {items} in {city} before {weekday}.",
    "We have moved from {elsewhere} to {city} and need {quantity} {items} here.",
    "To {city}, please: {quantity} {items}. My name is {customer}, my last order was {reference}.",
    "I saw your {items} for {price} euros. Send {quantity} to {city}, thanks, {customer}.",
)


def compose(generator: random.Random) -> Row:
    """One sentence and what it orders."""
    singular = generator.choice(tuple(ITEMS))
    city, elsewhere = generator.sample(CITIES, 2)
    if generator.random() < 0.6:
        quantity = generator.randint(2, 99)
        written = str(quantity)
    else:
        written = generator.choice(tuple(NUMBER_WORDS))
        quantity = NUMBER_WORDS[written]
    text = generator.choice(PATTERNS).format(
        customer=generator.choice(CUSTOMERS),
        quantity=written,
        items=ITEMS[singular],
        city=city,
        elsewhere=elsewhere,
        weekday=generator.choice(WEEKDAYS),
        reference=generator.randint(1000, 9999),
        price=generator.randint(2, 90),
    )
    return {"text": text, "city": city, "item": singular, "quantity": quantity}
