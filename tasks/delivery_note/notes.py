"""Compose notes of deliveries, with the changes of mind that such notes hold."""

import random
from typing import Any

from harness import Row

CUSTOMERS = (
    "Ada", "Bram", "Chiara", "Deniz", "Elif", "Femi", "Greta", "Hassan", "Ingrid", "Joao", "Kaja", "Luca",
    "Mei", "Nadia", "Owen", "Priya", "Rosa", "Sven", "Tomas", "Uma",
)  # fmt: skip
TOWNS = (
    "Oslo", "Lima", "Paris", "Lagos", "Kyoto", "Quito", "Turin", "Perth", "Delhi", "Porto", "Cairo", "Boston",
    "Ghent", "Leeds", "Accra", "Hanoi",
)  # fmt: skip
PRODUCTS = {
    "lamp": "lamps", "desk": "desks", "chair": "chairs", "mug": "mugs", "shelf": "shelves", "rug": "rugs",
    "clock": "clocks", "vase": "vases", "kettle": "kettles", "plate": "plates", "towel": "towels", "box": "boxes",
    "brush": "brushes", "candle": "candles", "bench": "benches", "basket": "baskets",
}  # fmt: skip
"""Singular to plural."""

COLOURS = ("red", "blue", "green", "white", "black", "yellow")
FRAMES = (
    "For {customer} in {town}: {items}.",
    "{customer} gets {items}, to be brought to {town}.",
    "To {town}, name of {customer}: {items}.",
    "Please deliver {items} to {customer}, {town}.",
    "{items} go to {town}, where {customer} signs for them.",
)

Item = dict[str, Any]


def compose(generator: random.Random, index: int, split: str) -> Row:
    """One note and the delivery that it comes to."""
    difficulty = 1 + index % 3
    items = _items(generator, generator.randint(difficulty, difficulty + 1))
    phrases = [_phrase(item) for item in items]
    if difficulty > 1:
        changed = generator.randrange(len(items))
        before = generator.choice([number for number in range(2, 40) if number != items[changed]["quantity"]])
        phrases[changed] = f"{_phrase({**items[changed], 'quantity': before})}, no, {_phrase(items[changed])}"
    text = generator.choice(FRAMES)
    customer, town = generator.choice(CUSTOMERS), generator.choice(TOWNS)
    text = text.format(customer=customer, town=town, items=_listed(phrases))
    if difficulty > 2:
        dropped = generator.randrange(len(items))
        text += f" Leave out the {PRODUCTS[items[dropped]['product']]} after all."
        del items[dropped]
    note = {"customer": customer, "items": items, "town": town}
    return {"text": text, "note": note, "difficulty": difficulty}


def _items(generator: random.Random, count: int) -> list[Item]:
    """Different products, each with its quantity and perhaps a colour."""
    items: list[Item] = []
    for product in generator.sample(sorted(PRODUCTS), count):
        item: Item = {"product": product, "quantity": generator.randint(2, 40)}
        if generator.random() < 0.5:
            item["colour"] = generator.choice(COLOURS)
        items.append(item)
    return items


def _phrase(item: Item) -> str:
    """`3 red lamps`."""
    colour = f"{item['colour']} " if "colour" in item else ""
    return f"{item['quantity']} {colour}{PRODUCTS[item['product']]}"


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
