"""Numbers of things in sentences: one run has, two runs have."""

_OF_ONE = {"are": "is", "do": "does", "have": "has", "were": "was"}


def count_of(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def agreeing(verb: str, count: int) -> str:
    """The verb of a sentence about so many things: `have` of several, `has` of one."""
    return verb if count != 1 else _OF_ONE.get(verb, f"{verb}s")
