"""The pieces that sentences of a verdict are made of."""

from dataclasses import dataclass

from harness.statistics import Estimate
from leaderboards.rank.tables import Row
from leaderboards.text import Unit, with_interval

MOST_NAMED = 4
"""Candidates that a sentence names; of more it says how many there are."""


@dataclass(frozen=True)
class Words:
    """A piece of a sentence."""

    text: str
    strong: bool = False


Sentence = tuple[Words, ...]


def plain(sentence: Sentence) -> str:
    """Its text."""
    return "".join(words.text for words in sentence)


def arm_text(row: Row) -> str:
    """An arm without tuning, in a sentence."""
    if row.members:
        return f"{row.name}, {ensemble_text(row)}"
    if row.method == "few_shot":
        return f"few-shot prompts of {row.name}"
    if row.method == "zero_shot_constrained":
        return f"{row.name} as it is, its answers held to the choices"
    return f"{row.name} as it is"


def ensemble_text(row: Row) -> str:
    """What an ensemble is, in words."""
    of = {
        "soup": "the averaged weights of",
        "vote": "the majority vote of",
        "mean_probability": "the mean probability of",
    }
    return f"{of[row.method]} {row.members} {'fine-tunes' if row.tuned else 'arms'}"


def interval_after(estimate: Estimate, unit: Unit, *, sign: bool = False) -> str:
    """The interval in brackets, after a value that was said already."""
    return with_interval(estimate, sign=sign, unit=unit).removeprefix(unit.write(estimate.value, sign=sign))
