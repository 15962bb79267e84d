"""What became of each sample from one candidate to another, by all that each of them answered.

A sample counts as right by the majority of a candidate's seeds, wordings and draws, as on the compare page.
"""

from typing import Literal

from leaderboards.rank.cells import Cell
from leaderboards.rank.comparisons import sample_means
from leaderboards.rank.flips import MAJORITY

SampleChange = Literal["fixed", "broken", "both wrong", "both right", "better", "worse", "same", "not scored"]
"""From the baseline to the arm that is judged; of scores between 0 and 1, which of them is higher."""

VERDICTS: tuple[SampleChange, ...] = ("fixed", "broken", "both wrong", "both right", "not scored")
GRADES: tuple[SampleChange, ...] = ("better", "worse", "same", "not scored")

DIGITS = 12
"""Of a mean score, so that pages and their scripts compare the same numbers."""


def mean_scores(cell: Cell) -> dict[str, float]:
    """By sample, the mean over seeds and wordings, from 0, worst, to 1, best."""
    ids, means = sample_means(cell)
    return {sample: round(mean, DIGITS) for sample, mean in zip(ids, means.tolist(), strict=True)}


def change_of(before: float | None, after: float | None, *, graded: bool) -> SampleChange:
    """What became of a sample. `before`, `after`: mean scores; None where a candidate has none.

    `graded`: whether scores are compared, rather than right and wrong.
    """
    if before is None or after is None:
        return "not scored"
    if graded:
        if after == before:
            return "same"
        return "better" if after > before else "worse"
    was_right, is_right = before > MAJORITY, after > MAJORITY
    if was_right == is_right:
        return "both right" if is_right else "both wrong"
    return "fixed" if is_right else "broken"
