"""Flips of every two candidates are those counted by hand."""

import math

from hypothesis import given
from hypothesis import strategies as st

from harness.statistics import mcnemar
from leaderboards.rank.flips import flips

scores = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, math.nan]), min_size=7, max_size=7)


@given(st.lists(scores, min_size=1, max_size=5), st.booleans())
def test_flips_are_those_counted_by_hand(table: list[list[float]], binary: bool) -> None:
    counted = flips(table, binary=binary)
    for first, mine in enumerate(table):
        for second, theirs in enumerate(table):
            both = [
                (a, b) for a, b in zip(mine, theirs, strict=True) if not math.isnan(a) and not math.isnan(b)
            ]
            if binary:
                both = [(float(a > 0.5), float(b > 0.5)) for a, b in both]
            fixed, broken = sum(a > b for a, b in both), sum(a < b for a, b in both)
            assert (counted.fixed[first, second], counted.broken[first, second]) == (fixed, broken)
            assert counted.p[first, second] == mcnemar(fixed, broken)


def test_half_of_the_seeds_are_no_majority() -> None:
    counted = flips([[0.5, 2 / 3], [0.0, 1 / 3]], binary=True)
    assert (counted.fixed.tolist(), counted.broken.tolist()) == ([[0, 1], [0, 0]], [[0, 0], [1, 0]])
