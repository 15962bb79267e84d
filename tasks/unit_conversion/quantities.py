"""Draw a quantity in a sentence, and convert it: exactly, then rounded once."""

import random
from fractions import Fraction

from harness import Row

from .units import DIMENSIONS, Dimension, Unit

ROUNDING = ("a whole number", "one decimal", "two decimals")
"""By the number of decimals."""

LARGEST = 100_000


def compose(generator: random.Random, index: int, split: str) -> Row:
    """One sentence, the unit that is asked for, and the answer."""
    while True:
        row = _try(generator, DIMENSIONS[index % len(DIMENSIONS)])
        if row is not None:
            return row


def convert(parts: list[tuple[Fraction, Unit]], target: Unit) -> Fraction:
    """A quantity of one or two parts in another unit."""
    return target.from_reference(sum((unit.to_reference(amount) for amount, unit in parts), Fraction(0)))


def _try(generator: random.Random, dimension: Dimension) -> Row | None:
    """A row, or None where the answer would be tiny, huge, or exactly between two roundings."""
    setting = generator.choice(dimension.settings)
    given = [dimension.unit(short) for short in generator.choice(setting.units).split("+")]
    target = generator.choice([unit for unit in dimension.units if unit not in given])
    parts = _amounts(generator, given, setting.low, setting.high)
    value = convert(parts, target)
    decimals = generator.randrange(len(ROUNDING))
    scaled = abs(value) * 10**decimals
    if scaled < 10 or abs(value) > LARGEST or scaled.denominator == 2:
        return None
    names = generator.choice(("name", "short"))
    written = " ".join(f"{_decimal(amount)} {getattr(unit, names)}" for amount, unit in parts)
    text = setting.sentence.replace("{n}", str(generator.randint(2, 9))).replace("{}", written)
    crosses = any(unit.metric != target.metric for unit in given)
    return {
        "text": text,
        "unit": target.name,
        "rounding": ROUNDING[decimals],
        "answer": f"{float(round(value, decimals)):.{decimals}f}",
        "difficulty": 3 if dimension.hard or len(given) > 1 else 2 if crosses else 1,
    }


def _amounts(generator: random.Random, given: list[Unit], low: int, high: int) -> list[tuple[Fraction, Unit]]:
    """One amount, perhaps with a decimal; or a whole one and the rest of it in a smaller unit."""
    whole = Fraction(generator.randint(low, high))
    if len(given) == 1:
        return [(whole + Fraction(generator.choice((0, 0, *range(1, 10))), 10), given[0])]
    many = Fraction(given[0].factor) / Fraction(given[1].factor)
    return [(whole, given[0]), (Fraction(generator.randrange(2, int(many))), given[1])]


def _decimal(amount: Fraction) -> str:
    return f"{float(amount):g}"
