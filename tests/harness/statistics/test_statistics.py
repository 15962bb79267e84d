"""Intervals agree with scipy and with hand calculations, and cover the truth as often as they say."""

import numpy as np
import pytest
from scipy import stats

from harness.statistics import (
    ArmMeans,
    Estimate,
    differences,
    gain,
    mean_over_tasks,
    means_of,
    moderate,
    rescale,
    score,
    scores_of,
    seed_noise,
)
from harness.statistics.spread import Part, total


def right_of(right: int, n: int) -> list[float]:
    return [1.0] * right + [0.0] * (n - right)


@pytest.mark.parametrize(
    ("right", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (45, 50), (300, 1000), (1, 1), (0, 1)]
)
def test_a_proportion_of_one_seed_has_wilsons_interval(right: int, n: int) -> None:
    estimate = score(right_of(right, n), binary=True)
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert estimate.value == right / n


def test_45_of_50_lie_between_786_and_957_permille() -> None:
    estimate = score(right_of(45, 50), binary=True)
    assert (round(estimate.low, 3), round(estimate.high, 3)) == (0.786, 0.957)


def test_the_standard_error_of_one_seed_is_that_of_a_mean() -> None:
    scores = [0.2, 0.9, 0.4, 0.4, 1.0]
    mean = sum(scores) / 5
    by_hand = (sum((value - mean) ** 2 for value in scores) / (5 * 4)) ** 0.5
    assert score(scores, binary=False).stderr == pytest.approx(by_hand)


def test_a_mean_of_one_seed_has_the_t_interval() -> None:
    scores = np.random.default_rng(0).uniform(0.3, 0.7, 40)
    estimate = score(scores, binary=False)
    expected = stats.t.interval(0.95, 39, loc=scores.mean(), scale=stats.sem(scores))
    assert (estimate.low, estimate.high) == pytest.approx(expected)


def test_two_seeds_by_hand() -> None:
    # Grand mean 1/2, seed means 3/4 and 1/4, sample means 1, 1/2, 1/2, 0:
    # MS_seeds = 4 (1/16 + 1/16) / 1 = 1/2; MS_samples = 2 (1/4 + 0 + 0 + 1/4) / 3 = 1/3;
    # residuals are -1/4 where both seeds agree and +1/4 where not, up to sign: MS_residual = 8/16 / 3 = 1/6.
    table = [[1, 1, 1, 0], [1, 0, 0, 0]]
    variance = (1 / 2 + 1 / 3 - 1 / 6) / 8
    estimate = score(table, binary=False)
    assert estimate.stderr == pytest.approx(variance**0.5)
    # Of what adds up, MS_seeds has one degree of freedom and MS_samples three.
    assert estimate.degrees == pytest.approx((1 / 2 + 1 / 3 - 1 / 6) / ((1 / 2) / 1 + (1 / 3) / 3))
    half = stats.t.ppf(0.975, estimate.degrees) * variance**0.5
    expected = max(0.0, 0.5 - half), min(1.0, 0.5 + half)
    assert (estimate.low, estimate.high) == pytest.approx(expected)


def test_a_sum_of_a_guess_and_a_known_variance_takes_the_quantile_that_cochran_gives_it() -> None:
    """The mean of the quantiles of t, weighted by what each part adds: Cochran, Biometrics 20, 1964."""
    for guess, of_guess in ((0.2, 8.0), (0.5, 8.0), (0.8, 15.0)):
        parts = [
            Part(np.array(share), np.array(share), np.array(degrees))
            for share, degrees in ((guess, of_guess), (1 - guess, 299.0))
        ]
        quantile = stats.t.ppf(0.975, total(parts).degrees)
        cochran = guess * stats.t.ppf(0.975, of_guess) + (1 - guess) * stats.t.ppf(0.975, 299)
        assert quantile == pytest.approx(cochran, rel=0.01)


def test_a_guess_that_came_out_small_by_chance_does_not_pass_for_certainty() -> None:
    """Of 20,000 gains of nothing, two seeds of five arms each: those that a test at 1 % finds. Satterthwaite's
    degrees find 1.4 in 100."""
    generator = np.random.default_rng(12)
    of_seeds = generator.chisquare(5, 20_000) / 5
    parts = [
        Part(of_seeds, of_seeds, np.full(20_000, 5.0)),
        Part(np.full(20_000, 0.15), np.full(20_000, 0.15), np.full(20_000, 999.0)),
    ]
    spread = total(parts)
    gains = generator.normal(0, (1 + 0.15) ** 0.5, 20_000)
    found = stats.t.sf(np.abs(gains) / np.sqrt(spread.variance), spread.degrees) < 0.005
    assert 0.008 <= found.mean() <= 0.0115


def test_seeds_that_agree_completely_count_as_one() -> None:
    scores = right_of(30, 40)
    once, thrice = score(scores, binary=False), score([scores] * 3, binary=False)
    assert thrice.stderr == pytest.approx(once.stderr, rel=0.02)


def test_seeds_that_differ_widen_the_interval() -> None:
    agree = score([right_of(20, 40)] * 2, binary=True)
    differ = score([right_of(32, 40), right_of(8, 40)], binary=True)
    assert differ.high - differ.low > 1.5 * (agree.high - agree.low)


def test_one_sample_bounds_nothing_and_has_no_standard_error() -> None:
    estimate = score([0.5], binary=False)
    assert (estimate.low, estimate.high, estimate.stderr) == (0.0, 1.0, None)
    difference = gain([1.0], [0.0], binary=True)
    assert (difference.low, difference.high, difference.stderr) == (-1.0, 1.0, None)


def test_a_score_that_was_not_computed_is_refused() -> None:
    with pytest.raises(AssertionError, match="never NaN"):
        score([1.0, float("nan")], binary=True)


def test_a_gain_is_paired_and_so_narrower_than_an_unpaired_one() -> None:
    generator = np.random.default_rng(1)
    difficulty = generator.normal(0, 3, 300)
    base = (generator.random(300) < 1 / (1 + np.exp(-difficulty))).astype(float)
    tuned = np.where(generator.random(300) < 0.05, 1.0, base)
    paired = gain(tuned, base, binary=True)
    unpaired = 2 * 1.96 * (tuned.var() / 300 + base.var() / 300) ** 0.5
    assert paired.high - paired.low < 0.5 * unpaired


def test_a_gain_of_scores_that_are_not_binary_has_the_paired_t_interval() -> None:
    generator = np.random.default_rng(2)
    base = generator.uniform(0.2, 0.6, 50)
    tuned = base + generator.normal(0.2, 0.1, 50)
    expected = stats.ttest_rel(tuned, base).confidence_interval(0.95)
    estimate = gain(tuned, base, binary=False)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("tuned", "base"), [(1, 1), (0, 0), (1, 0), (0, 1)])
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("binary", [True, False])
def test_a_gain_keeps_its_width_when_all_differences_are_equal(
    tuned: int, base: int, seeds: int, binary: bool
) -> None:
    estimate = gain(np.full((seeds, 20), tuned), np.full((seeds, 20), base), binary=binary)
    assert estimate.value == tuned - base
    assert 0.05 < estimate.high - estimate.low < 0.5
    assert -1 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_parts_of_the_variance_that_cancel_out_leave_no_fewer_degrees_of_freedom_than_the_shortest_axis_has() -> (
    None
):
    """With less than one the quantile of t goes to millions, and a gain of 3 points with an error of 1 spans
    a hundred."""
    generator = np.random.default_rng(4)
    wordings = generator.normal(0.0, 0.1, (300, 2, 1, 3, 1))
    tables = (generator.random((300, 2, 1, 3, 60)) < 0.5 + wordings).astype(float)
    gains = [differences(means_of(pair, random_wordings=True), binary=True).at(0, 1) for pair in tables]
    assert min(one.degrees for one in gains) == 2
    assert max(one.degrees for one in gains) > 4


def test_wordings_that_will_be_used_are_no_draw() -> None:
    """Two wordings that differ by 40 points say nothing of samples; as a draw of wordings they widen the
    interval, with one degree of freedom."""
    table = np.array([[right_of(90, 100), right_of(50, 100)]])[None].reshape(1, 1, 2, 100)
    fixed = scores_of(means_of(table), binary=True).at(0)
    drawn = scores_of(means_of(table, random_wordings=True), binary=True).at(0)
    assert (fixed.value, drawn.value) == (0.7, 0.7)
    assert fixed.high - fixed.low < 0.15
    assert drawn.high - drawn.low > 0.6


def test_a_baseline_of_one_greedy_run_is_compared_with_all_seeds_of_a_fine_tune() -> None:
    """Held against the fine-tune's first seed alone, the gain would be +15 points."""
    base = right_of(120, 300)
    tuned = [right_of(165, 300), right_of(120, 300), right_of(117, 300)]
    estimate = gain(tuned, [base], binary=True)
    assert estimate.value == pytest.approx((45 + 0 - 3) / 300 / 3)
    assert not estimate.clear


def test_seeds_of_two_arms_are_not_paired() -> None:
    """Seeds of different fine-tunes share nothing: their order must not matter."""
    generator = np.random.default_rng(6)
    tuned, base = (generator.random((2, 3, 200)) < 0.6).astype(float)
    there, shuffled = gain(tuned, base, binary=True), gain(tuned[[2, 0, 1]], base, binary=True)
    assert (there.low, there.high) == pytest.approx((shuffled.low, shuffled.high))


def test_clusters_of_unequal_size_count_as_fewer_and_one_seed_takes_t() -> None:
    """18 of 20 samples in one cluster and two alone: 20² / (18² + 1 + 1) = 1.23 equal ones."""
    scores = np.random.default_rng(7).uniform(0.3, 0.7, 20)
    clusters = np.array([0] * 18 + [1, 2])
    assert score(scores, binary=False, clusters=clusters).degrees == 1.0  # 0.23 would have no interval
    equal = score(scores, binary=False, clusters=np.arange(20) // 2)
    assert equal.degrees == pytest.approx(9)
    right = score(right_of(6, 12), binary=True, clusters=np.arange(12) // 2)
    assert right.low < score(right_of(6, 12), binary=True).low - 0.1


def test_variances_that_differ_by_no_more_than_chance_are_pooled() -> None:
    moderated, degrees = moderate([0.8, 1.4, 1.1, 0.7], [2, 2, 2, 2])
    assert moderated == pytest.approx([1.0] * 4)
    assert degrees == pytest.approx([8.0] * 4)


def test_two_seeds_that_agree_by_luck_are_no_arm_without_seed_noise() -> None:
    """The logarithm of so small a variance would make all five look as if they differed; that of the fourth
    arm would then be taken for a fourth of what it is."""
    moderated, degrees = moderate([1.1, 0.3, 2.4, 0.00002, 1.2], [1] * 5)
    assert moderated == pytest.approx([1.000004] * 5)
    assert degrees == pytest.approx([5.0] * 5)


def test_an_arm_whose_seeds_differ_far_more_than_those_of_the_others_keeps_its_noise() -> None:
    moderated, degrees = moderate([1.0, 1.3, 0.8, 1.1, 400.0], [4] * 5)
    assert moderated[4] > 100 > 30 > moderated[:4].max()
    assert (degrees < 20).all()


def test_variances_that_truly_differ_are_drawn_together_only_a_little() -> None:
    """By hand of Smyth's formulas: each is `(d₀·s₀² + d·s²) / (d₀ + d)`, and so between itself and s₀²."""
    generator = np.random.default_rng(8)
    variances = np.exp(generator.normal(0, 2.5, 400)) * generator.chisquare(4, 400) / 4
    moderated, degrees = moderate(variances, np.full(400, 4.0))
    prior = degrees[0] - 4
    assert 0.1 < prior < 2
    scale = (moderated[0] * (prior + 4) - 4 * variances[0]) / prior
    assert moderated == pytest.approx((prior * scale + 4 * variances) / (prior + 4))


def test_an_arm_of_one_seed_borrows_what_one_seed_of_the_others_varies_by() -> None:
    generator = np.random.default_rng(9)
    tuned = (generator.random((3, 1, 100)) < np.array([0.5, 0.7, 0.9])[:, None, None]).astype(float)
    lender, borrower = seed_noise([tuned]), seed_noise([tuned, tuned[:1]])
    assert borrower.variance[1] == pytest.approx(3 * lender.variance[0])
    assert borrower.degrees[1] == 2
    assert seed_noise([tuned[:1]]).variance[0] == 0


def test_an_arm_without_seed_noise_lends_none_and_borrows_none() -> None:
    greedy = np.tile(right_of(60, 100), (3, 1, 1)).reshape(3, 1, 100)
    generator = np.random.default_rng(9)
    tuned = (generator.random((3, 1, 100)) < np.array([0.5, 0.7, 0.9])[:, None, None]).astype(float)
    together, alone = seed_noise([greedy, tuned]), seed_noise([tuned])
    assert together.variance[0] == 0 and together.variance[1] == alone.variance[0] > 0
    assert together.degrees.tolist() == [np.inf, 2]


def test_a_gain_over_itself_is_zero_and_not_clear() -> None:
    estimate = gain(right_of(30, 50), right_of(30, 50), binary=True)
    assert estimate.value == 0
    assert not estimate.clear


def test_turning_a_gain_around_mirrors_its_interval() -> None:
    first, second = right_of(40, 50), right_of(25, 50)
    there, back = gain(first, second, binary=True), gain(second, first, binary=True)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))


def test_a_gain_compares_the_same_samples() -> None:
    with pytest.raises(AssertionError, match="same samples"):
        gain([1.0, 0.0], [1.0], binary=True)


def test_the_mean_over_two_tasks_adds_their_errors_in_squares() -> None:
    first = Estimate(0.5, 0.03, 0.44, 0.56, 100, 3)
    second = Estimate(0.9, 0.04, 0.82, 0.98, 50, 2)
    mean = mean_over_tasks([first, second])
    assert (mean.value, mean.stderr) == pytest.approx((0.7, 0.025))
    assert (mean.low, mean.high) == pytest.approx((0.65, 0.75))
    assert (mean.n, mean.seeds) == (150, 2)


def test_a_mean_over_tasks_has_the_degrees_of_freedom_of_all_of_them() -> None:
    """Each of four tasks with two seeds has the t quantile of one degree, 12.7; together they have 2.78."""
    half = stats.t.ppf(0.975, 1) * 0.02
    estimates = [Estimate(0.5, 0.02, 0.5 - half, 0.5 + half, 100, 2, 1.0)] * 4
    mean = mean_over_tasks(estimates)
    assert mean.degrees == pytest.approx(4)
    assert mean.stderr == pytest.approx(0.01)
    assert (mean.low, mean.high) == pytest.approx(stats.t.interval(0.95, 4, loc=0.5, scale=0.01))


def test_rescaling_puts_chance_at_zero_and_below_chance_below_zero() -> None:
    estimate = rescale(Estimate(0.25, 0.03, 0.19, 0.31, 100, 1), 0.25)
    assert estimate.value == 0
    assert (estimate.low, estimate.high, estimate.stderr) == pytest.approx((-0.08, 0.08, 0.04))


@pytest.mark.parametrize("seed_spread", [0.0, 0.3])
@pytest.mark.parametrize("seeds", [3, 5])
def test_a_95_percent_interval_covers_the_truth_in_about_95_percent_of_sweeps(
    seeds: int, seed_spread: float
) -> None:
    covered = coverage(seeds, seed_spread, n=200, sweeps=400)
    # That three seeds agree a lone arm cannot know: its interval is a little more careful than it need be.
    most = 0.985 if seed_spread else 0.99
    assert 0.925 <= covered["score"] <= most
    assert 0.925 <= covered["gain"] <= most


def test_with_one_seed_the_interval_covers_the_truth_of_that_fine_tune() -> None:
    covered = coverage(1, 0.0, n=200, sweeps=400)
    assert 0.925 <= covered["score"] <= 0.985
    assert 0.925 <= covered["gain"] <= 0.985


def coverage(seeds: int, seed_spread: float, *, n: int, sweeps: int) -> dict[str, float]:
    """Share of simulated sweeps whose intervals hold the truth. A base and its tuned arm answer the same
    samples; samples differ in difficulty, and every fine-tune in its skill (spread in logits)."""
    generator = np.random.default_rng(3)

    def chance_right(
        skill: float, difficulty: np.ndarray, seed_effect: np.ndarray | float = 0.0
    ) -> np.ndarray:
        return 1 / (1 + np.exp(-(skill + difficulty + seed_effect)))

    many = generator.normal(0, 1.5, 400_000)
    base_truth = chance_right(0, many).mean()
    tuned_truth = chance_right(1, many, generator.normal(0, seed_spread, 400_000)).mean()
    hits = {"score": 0, "gain": 0}
    for _ in range(sweeps):
        difficulty = generator.normal(0, 1.5, n)
        effects = generator.normal(0, seed_spread, (seeds, 1))
        # The untrained base answers the same way whatever the seed.
        base = np.tile(generator.random(n) < chance_right(0, difficulty), (seeds, 1)).astype(float)
        tuned = (generator.random((seeds, n)) < chance_right(1, difficulty, effects)).astype(float)
        first, second = score(tuned, binary=True), gain(tuned, base, binary=True)
        hits["score"] += first.low <= tuned_truth <= first.high
        hits["gain"] += second.low <= tuned_truth - base_truth <= second.high
    return {name: count / sweeps for name, count in hits.items()}


@pytest.mark.parametrize("degrees", [1, 2, 4, 299])
def test_a_resolvable_difference_is_found_about_four_times_in_five(degrees: int) -> None:
    """By scipy's noncentral t distribution, however few degrees of freedom the standard error has."""
    gap = Estimate(0.0, 0.02, -1.0, 1.0, 300, 2, degrees).resolvable
    assert gap is not None
    power = stats.nct.sf(stats.t.ppf(0.975, degrees), degrees, gap / 0.02)
    assert power == pytest.approx(0.8, abs=0.1)


def test_with_many_degrees_of_freedom_a_resolvable_difference_is_2_8_standard_errors() -> None:
    assert Estimate(0.0, 0.02, -1.0, 1.0, 300, 1).resolvable == pytest.approx(2.8 * 0.02, rel=1e-3)
    assert Estimate(0.0, None, -1.0, 1.0, 1, 1).resolvable is None


@pytest.mark.parametrize("seed", range(20))
def test_arms_with_as_many_right_answers_are_level_to_the_last_digit(seed: int) -> None:
    """Thirds that are added in another order leave a rounding error, which is no win."""
    generator = np.random.default_rng(seed)
    right = (generator.random((3, 1, 9)) < 0.6).astype(float)
    equal = generator.permutation(right.ravel()).reshape(right.shape)
    assert differences(means_of(np.stack([right, equal])), binary=True).value.tolist() == [[0, 0], [0, 0]]


def test_only_a_pair_of_single_runs_has_the_textbook_interval() -> None:
    """Two greedy arms of one run each, beside one of three seeds: what is listed besides does not widen theirs."""
    generator = np.random.default_rng(0)
    single, other = (generator.random((2, 1, 1, 60)) < 0.5).astype(float)
    seeds = (generator.random((3, 1, 60)) < 0.6).astype(float)
    noise = seed_noise([single, other, seeds], alike=["first", "second", "third"])
    means = ArmMeans(
        np.stack([table.mean(axis=0) for table in (single, other, seeds)]), noise, np.array([1, 1, 3])
    )
    assert differences(means, binary=True).at(0, 1) == gain(single, other, binary=True)
    borrowing = seed_noise([single, seeds])
    lent = ArmMeans(np.stack([single.mean(axis=0), seeds.mean(axis=0)]), borrowing, np.array([1, 3]))
    alone = scores_of(means_of(single[None]), binary=True).at(0)
    single_of_lent = scores_of(lent, binary=True).at(0)
    assert means.exact.tolist() == [True, True, False]
    assert lent.exact.tolist() == [False, False]
    assert single_of_lent.high - single_of_lent.low > alone.high - alone.low


@pytest.mark.parametrize("random_wordings", [False, True])
def test_pairs_that_are_compared_a_few_rows_at_a_time_have_the_same_figures_to_the_last_bit(
    random_wordings: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    tables = (generator.random((7, 3, 2, 20)) < generator.random((7, 1, 1, 1))).astype(float)
    tables[1], tables[2:4] = tables[0], 1.0  # two that are equal, and two that never fail

    def figures(rows_at_once: int) -> list[bytes]:
        monkeypatch.setattr("harness.statistics.spread.ROWS_AT_ONCE", rows_at_once)
        means = means_of(tables, random_wordings=random_wordings)
        intervals = differences(means, binary=True)
        assert intervals.stderr is not None
        parts = (intervals.value, intervals.stderr, intervals.low, intervals.high, intervals.degrees)
        return [part.tobytes() for part in parts]

    assert figures(1) == figures(3) == figures(1000)
