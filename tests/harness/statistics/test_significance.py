"""Tests of differences, corrections for their number, clusters, and sample sizes, against scipy and
statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from harness.statistics import (
    ArmMeans,
    Estimate,
    differences,
    exact_p,
    false_discovery,
    gain,
    holm,
    holm_by_column,
    mcnemar,
    means_of,
    sample_size,
    score,
    sign_flip,
    t_test,
)
from harness.statistics.ranks import sample_errors
from harness.statistics.spread import by_cluster


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (1, 0), (5, 5), (12, 3), (0, 9), (40, 61)])
def test_mcnemar_is_the_exact_binomial_test_of_the_flips(fixed: int, broken: int) -> None:
    expected = stats.binomtest(fixed, fixed + broken, 0.5).pvalue if fixed + broken else 1.0
    assert mcnemar(fixed, broken) == pytest.approx(expected)
    assert mcnemar(fixed, broken) == pytest.approx(
        statsmodels_mcnemar([[7, broken], [fixed, 2]], exact=True).pvalue
    )


def test_sign_flips_agree_with_scipys_exact_permutation_test() -> None:
    generator = np.random.default_rng(0)
    table = generator.normal(0.4, 1, (3, 11))
    for row, p in zip(table, sign_flip(table, flips=50_000), strict=True):
        exact = stats.permutation_test((row,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert p == pytest.approx(exact.pvalue, abs=0.01)


def test_sign_flips_of_equal_differences_count_the_pattern_itself() -> None:
    assert sign_flip(np.full((1, 5), 0.1), flips=100_000)[0] == pytest.approx(2 / 2**5, abs=0.005)


def test_corrections_for_many_tests_are_those_of_statsmodels() -> None:
    generator = np.random.default_rng(1)
    for size in (1, 2, 30):
        p = generator.uniform(0, 0.2, size)
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
        assert false_discovery(p) == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert holm([]).size == false_discovery([]).size == 0


@given(
    st.lists(
        st.lists(st.floats(min_value=0, max_value=1) | st.just(math.nan), min_size=3, max_size=3), min_size=1
    )
)
def test_holm_of_many_families_at_once_is_holm_of_each(p: list[list[float]]) -> None:
    table = np.array(p)
    corrected = holm_by_column(table)
    assert (np.isnan(corrected) == np.isnan(table)).all()
    for column, estimate in zip(table.T, corrected.T, strict=True):
        assert estimate[~np.isnan(column)] == pytest.approx(holm(column[~np.isnan(column)]))


def test_one_seed_of_right_or_wrong_scores_is_tested_by_its_flips() -> None:
    tuned, base = np.array([1, 1, 1, 1, 1, 1, 0, 1.0]), np.array([0, 0, 0, 0, 0, 0, 1, 1.0])
    p = exact_p(tuned[None], base[None], binary=True)
    assert p[0] == pytest.approx(stats.binomtest(6, 7, 0.5).pvalue)


def test_a_test_over_several_seeds_takes_the_seeds_for_draws() -> None:
    """Two fine-tunes that disagree prove nothing, however many samples flip."""
    base = np.zeros((2, 400))
    agree, disagree = base.copy(), base.copy()
    agree[:, :40] = 1
    disagree[0, :80] = 1
    assert p_of(gain(agree, base, binary=True)) < 1e-6
    assert p_of(gain(disagree, base, binary=True)) > 0.2


def p_of(estimate: Estimate) -> float:
    assert estimate.stderr is not None
    arrays = (np.array(number) for number in (estimate.value, estimate.stderr, estimate.degrees))
    return float(t_test(*arrays, n=estimate.n))


def test_a_clustered_standard_error_is_the_one_of_the_formula_and_of_a_regression_on_a_constant() -> None:
    generator = np.random.default_rng(2)
    clusters = np.sort(generator.integers(0, 30, 200))
    clusters = np.unique(clusters, return_inverse=True)[1]
    scores = generator.normal(0, 1, 30)[clusters] + generator.normal(0, 1, 200)
    count, n = clusters.max() + 1, len(scores)
    sums = np.bincount(clusters, weights=scores - scores.mean())
    by_hand = np.sqrt(count / (count - 1) * (sums**2).sum()) / n
    estimate = score(scores, binary=False, low=-9, high=9, clusters=clusters)
    assert (estimate.value, estimate.stderr) == pytest.approx((scores.mean(), by_hand))
    fit = OLS(scores, np.ones(n)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    assert estimate.stderr == pytest.approx(fit.bse[0] * np.sqrt(count / (count - 1)))


def test_clusters_of_one_change_nothing_and_means_stay() -> None:
    generator = np.random.default_rng(3)
    tables = generator.random((2, 3, 2, 20))
    alone = by_cluster(tables, np.arange(20))
    assert alone == pytest.approx(tables)
    grouped = by_cluster(tables, np.arange(20) // 3)
    assert grouped.mean(axis=(1, 2, 3)) == pytest.approx(tables.mean(axis=(1, 2, 3)))
    assert grouped.mean(axis=(2, 3)) == pytest.approx(tables.mean(axis=(2, 3)))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("shape", [(1, 1, 40), (3, 1, 40), (1, 3, 40), (3, 2, 40), (2, 2, 1)])
def test_all_pairs_at_once_are_each_pair_alone(shape: tuple[int, int, int], binary: bool) -> None:
    generator = np.random.default_rng(4)
    tables = (generator.random((5, *shape)) < 0.6).astype(float)
    tables[1] = tables[0]
    clusters = np.arange(shape[2]) // 2
    means = means_of(tables, clusters)
    together = differences(means, binary=binary)
    for first in range(5):
        for second in range(5):
            places = [first, second]
            noise = means.noise.of(places)
            pair = ArmMeans(means.values[places], noise, means.seeds[places], clusters)
            alone = differences(pair, binary=binary).at(0, 1)
            estimate = together.at(first, second)
            assert (estimate.value, estimate.low, estimate.high) == pytest.approx(
                (alone.value, alone.low, alone.high), abs=1e-9
            )
            assert estimate.stderr == (
                None if alone.stderr is None else pytest.approx(alone.stderr, abs=1e-9)
            )


def test_the_published_example_takes_969_samples() -> None:
    assert sample_size(1 / 9, 0.03) == 969


@pytest.mark.parametrize(("gap", "n"), [(0.03, 1745), (0.05, 628), (0.10, 157)])
def test_a_fifth_of_flips_takes_about_as_many_as_the_rule_of_thumb_says(gap: float, n: int) -> None:
    """2.8 · √(q/n): 1,736, 620 and 149 with q less the square of the gap."""
    assert sample_size(0.2, gap) == pytest.approx(n, rel=0.01)


def test_no_difference_is_no_number_of_samples() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        sample_size(0.2, 0.0)


def test_errors_of_arms_go_together_as_far_as_their_samples_do() -> None:
    """They are drawn with one weight per arm, and covary as if there were one per sample."""
    generator = np.random.default_rng(3)
    difficulty = generator.random(40)
    tables = (generator.random((4, 1, 1, 40)) < difficulty).astype(float)
    tables[3] = tables[0]
    means = means_of(tables)
    drawn = sample_errors(means, draws=20_000, seed=1)
    assert np.corrcoef(drawn.T) == pytest.approx(np.corrcoef(tables[:, 0, 0]), abs=0.03)
    assert drawn[:, 3] == pytest.approx(drawn[:, 0])
    assert drawn.std(axis=0) == pytest.approx([1.0] * 4, abs=0.02)
