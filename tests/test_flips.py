"""Flips and p values are those of scipy and statsmodels, and of counting by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics import holm, holm_by_column, mcnemar
from leaderboards.flips import flips

counts = st.integers(min_value=0, max_value=400)


@settings(max_examples=60, deadline=None)
@given(counts, counts)
def test_mcnemar_is_scipy_s_binomial_test_of_the_flips(fixed: int, broken: int) -> None:
    expected = stats.binomtest(fixed, fixed + broken).pvalue if fixed + broken else 1.0
    assert float(mcnemar(fixed, broken)) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_is_statsmodels_own() -> None:
    contingency = pytest.importorskip("statsmodels.stats.contingency_tables")
    for fixed, broken in ((12, 3), (3, 12), (1, 0), (40, 41)):
        expected = contingency.mcnemar([[50, fixed], [broken, 20]], exact=True).pvalue
        assert float(mcnemar(fixed, broken)) == pytest.approx(expected, rel=1e-9)


def test_no_flip_at_all_says_nothing() -> None:
    assert mcnemar([0, 0], [0, 5]).tolist() == [1.0, 2 * 0.5**5]


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=40))
def test_holm_is_statsmodels_own(p_values: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(p_values) == pytest.approx(multitest.multipletests(p_values, method="holm")[1])


def test_holm_of_nothing_is_nothing() -> None:
    assert holm([]).tolist() == []


scores = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, math.nan]), min_size=7, max_size=7)


@given(scores, st.lists(scores, min_size=1, max_size=4), st.booleans())
def test_flips_are_those_counted_by_hand(mine: list[float], others: list[list[float]], binary: bool) -> None:
    counted = flips(mine, others, binary=binary)
    for index, theirs in enumerate(others):
        both = [(a, b) for a, b in zip(mine, theirs, strict=True) if not math.isnan(a) and not math.isnan(b)]
        if binary:
            both = [(float(a > 0.5), float(b > 0.5)) for a, b in both]
        assert counted.fixed[index] == sum(a > b for a, b in both)
        assert counted.broken[index] == sum(a < b for a, b in both)


def test_half_of_the_seeds_are_no_majority() -> None:
    counted = flips([0.5, 2 / 3], [[0.0, 1 / 3]], binary=True)
    assert (counted.fixed.tolist(), counted.broken.tolist()) == ([1], [0])


@given(st.lists(st.lists(st.floats(min_value=0, max_value=1) | st.just(math.nan), min_size=3, max_size=3), min_size=1))
def test_holm_of_many_families_at_once_is_holm_of_each(p_values: list[list[float]]) -> None:
    table = np.array(p_values)
    corrected = holm_by_column(table)
    assert (np.isnan(corrected) == np.isnan(table)).all()
    for own, found in zip(table.T, corrected.T, strict=True):
        assert found[~np.isnan(own)] == pytest.approx(holm(own[~np.isnan(own)]))
