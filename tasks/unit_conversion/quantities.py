"""Draw a quantity in a sentence, and convert it: exactly, then rounded once."""

import random
from fractions import Fraction

from harness import Row

from .units import DIMENSIONS, Dimension, Unit

ROUNDING = ("a whole number", "one decimal", "two decimals")
"""How questions say to round, by the number of decimals."""

LARGEST = 100_000


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A sentence, the unit that is asked for, and the answer."""
    while True:
        row = _try(generator, DIMENSIONS[index % len(DIMENSIONS)])
        if row is not None:
            return row


def convert(parts: list[tuple[Fraction, Unit]], target: Unit) -> Fraction:
    """The exact value of a quantity of one or two parts in another unit."""
    return target.from_reference(sum((unit.to_reference(amount) for amount, unit in parts), Fraction(0)))


def _try(generator: random.Random, dimension: Dimension) -> Row | None:
    """A row, or None if the answer would be tiny, huge, or exactly between two roundings."""
    setting = generator.choice(dimension.settings)
    units = [dimension.unit(short) for short in generator.choice(setting.units).split("+")]
    target = generator.choice([unit for unit in dimension.units if unit not in units])
    parts = _amounts(generator, units, setting.low, setting.high)
    value = convert(parts, target)
    decimals = generator.randrange(len(ROUNDING))
    scaled = abs(value) * 10**decimals
    if scaled < 10 or abs(value) > LARGEST or scaled.denominator == 2:
        return None
    names = generator.choice(("name", "short"))
    written = " ".join(f"{_decimal(amount)} {getattr(unit, names)}" for amount, unit in parts)
    text = setting.sentence.replace("{n}", str(generator.randint(2, 9))).replace("{}", written)
    difficulty = 2 if units[0].metric != target.metric else 1
    if dimension.hard or len(units) > 1:
        difficulty = 3
    return {
        "text": text,
        "unit": target.name,
        "rounding": ROUNDING[decimals],
        "answer": f"{float(round(value, decimals)):.{decimals}f}",
        "difficulty": difficulty,
    }


def _amounts(generator: random.Random, units: list[Unit], low: int, high: int) -> list[tuple[Fraction, Unit]]:
    """One amount, perhaps with a decimal; or a whole amount and a rest in a smaller unit."""
    amount = Fraction(generator.randint(low, high))
    if len(units) == 1:
        return [(amount + Fraction(generator.choice((0, 0, *range(1, 10))), 10), units[0])]
    large, small = units
    smaller_in_one = Fraction(large.factor) / Fraction(small.factor)
    return [(amount, large), (Fraction(generator.randrange(2, int(smaller_in_one))), small)]


def _decimal(amount: Fraction) -> str:
    return f"{float(amount):g}"
