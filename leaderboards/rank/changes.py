"""What became of each sample from one candidate to another, by all that each of them answered.

A sample counts as right by the majority of a candidate's seeds, wordings and draws, as on the compare page.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from harness.statistics import FloatArray
from leaderboards.rank.cells import Cell
from leaderboards.rank.flips import MAJORITY

SampleChange = Literal["fixed", "broken", "both wrong", "both right", "better", "worse", "same", "not scored"]
"""From the baseline to the arm that is judged; of scores between 0 and 1, which of them is higher."""

VERDICTS: tuple[SampleChange, ...] = ("fixed", "broken", "both wrong", "both right", "not scored")
GRADES: tuple[SampleChange, ...] = ("better", "worse", "same", "not scored")

DIGITS = 12
"""Of a mean score, so that pages and their scripts compare the same numbers."""


HALF_A_DIGIT = 0.0005
"""Of the scale: half of what the last digit of a score shows."""


def margins(means: FloatArray) -> FloatArray:
    """How far two parts of a corpus score may be apart and count as the same: R × R, of R candidates' parts
    (R × n, NaN where one was not scored).

    A part is what the jackknife gives a sample of the whole corpus' score, so that it depends on all others,
    too. Of a ratio of sums, A / B, the part of one and the same answer with counts a and b moves between
    candidates by (1 − b / mean b) times what the whole moves: by no more than that, unless the sample is over
    twice as large as most. So a sample has changed where its part moved by more than the whole did. What no
    digit shows is no change either.
    """
    known = ~np.isnan(means)
    shared = known.astype(np.float64) @ known.T
    sums = np.where(known, means, 0.0) @ known.T
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.nan_to_num(np.abs(sums - sums.T) / shared)
    return np.asarray(np.maximum(moved, HALF_A_DIGIT), dtype=np.float64)


def margin_between(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """`margins` of two candidates, whose parts are given by sample."""
    samples = before.keys() & after.keys()
    table = np.array([[scores[sample] for sample in sorted(samples)] for scores in (before, after)])
    return float(margins(table)[0, 1])


def mean_scores(cell: Cell) -> dict[str, float]:
    """By sample, the mean over seeds and wordings, from 0, worst, to 1, best."""
    ids, means = cell.sample_means
    return {sample: round(mean, DIGITS) for sample, mean in zip(ids, means.tolist(), strict=True)}


def change_of(
    before: float | None, after: float | None, *, graded: bool, margin: float = 0.0
) -> SampleChange:
    """What became of a sample. `before`, `after`: mean scores; None where a candidate has none.

    `graded`: whether scores are compared, rather than right and wrong; those that are at most `margin` apart
    are the same.
    """
    if before is None or after is None:
        return "not scored"
    if graded:
        if abs(after - before) <= margin:
            return "same"
        return "better" if after > before else "worse"
    was_right, is_right = before > MAJORITY, after > MAJORITY
    if was_right == is_right:
        return "both right" if is_right else "both wrong"
    return "fixed" if is_right else "broken"
