"""What a sample's score is called: right, wrong, or how often of how many times."""

from typing import NamedTuple

from harness.records.scores import TaskCard
from leaderboards.pages.parts.grid import Tone
from leaderboards.rank.cells import Cell
from leaderboards.rank.flips import MAJORITY
from leaderboards.text import in_units, percent


class Stamp(NamedTuple):
    """A score in a few words."""

    text: str
    tone: Tone


def answers_per_sample(cell: Cell) -> int:
    """How many answers to a sample its score is the mean of: over seeds, wordings and draws."""
    seeds, wordings, _ = cell.scores.values.shape
    return int(seeds * wordings * cell.results[0].run.generation.n)


def stamp_of(card: TaskCard, score: float | None, answers: int = 1) -> Stamp:
    """What a mean score over so many answers is called; None: it was not scored."""
    if score is None:
        return Stamp("not scored", "muted")
    if score in (0, 1):
        return Stamp("right", "good") if score == 1 else Stamp("wrong", "bad")
    if not card.binary:
        metric = card.metrics[card.primary_metric]
        mean = f", the mean of {answers}" if answers > 1 else ""
        return Stamp(f"score {in_units(metric, metric.scale.value(score))}{mean}", "")
    right = score * answers
    often = f"{round(right)} of {answers:,}" if abs(right - round(right)) < 1e-6 else percent(score)
    return Stamp(f"right in {often}", "good" if score > MAJORITY else "bad")
