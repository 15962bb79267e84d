"""Of a corpus score, a sample counts as better or worse only where its own answer made it so."""

import numpy as np
import pytest

from harness.task import Metric
from harness.task.metric import contributions
from leaderboards.rank.changes import change_of, margin_between, margins
from leaderboards.rank.flips import flips

F1 = Metric(
    name="f1_of_labels",
    description="F1 over all labels of all samples",
    counts=lambda reply: {},
    value=lambda sums: 2 * sums["tp"] / (2 * sums["tp"] + sums["fp"] + sums["fn"]),
)
LABELS = (1, 2, 3, 2, 1, 3, 2, 2, 1, 3, 1, 2, 3, 2, 2, 1, 2, 3, 2, 2)
"""Of each sample, how many it has."""

HARD = range(0, 20, 4)


def parts(*, better: bool) -> dict[str, float]:
    """Of an arm that finds all labels but one of most samples, and of the hard ones all or none."""
    rows = []
    for place, count in enumerate(LABELS):
        missed = (0 if better else count) if place in HARD else place % 2
        rows.append({"tp": float(count - missed), "fp": float(missed), "fn": float(missed)})
    _, values = contributions(F1, rows)
    return {str(place): float(value) for place, value in enumerate(values)}


def test_the_same_answer_in_two_arms_is_no_change_though_its_part_differs() -> None:
    before, after = parts(better=False), parts(better=True)
    alike = [sample for sample in before if int(sample) not in HARD]
    assert all(before[sample] != after[sample] for sample in alike)
    margin = margin_between(before, after)
    for sample in before:
        change = change_of(before[sample], after[sample], graded=True, margin=margin)
        assert change == ("better" if int(sample) in HARD else "same"), sample


def test_the_margin_is_what_the_whole_moved_and_at_least_half_a_last_digit() -> None:
    table = np.array([[0.5, 0.7, np.nan], [0.6, 0.8, 0.1], [0.6001, 0.8, 0.1]])
    assert margins(table)[0].tolist() == pytest.approx([0.0005, 0.1, 0.10005])
    assert margins(table)[1, 2] == 0.0005


def test_pairs_of_candidates_are_counted_as_single_ones_are() -> None:
    tables = [list(parts(better=better).values()) for better in (False, True)]
    counted = flips(tables, binary=False, margins=margins(np.array(tables)))
    assert (counted.fixed[1, 0], counted.broken[1, 0]) == (len(HARD), 0)


def test_scores_of_samples_alone_are_compared_as_they_are() -> None:
    assert change_of(0.5, 0.5001, graded=True) == "better"
