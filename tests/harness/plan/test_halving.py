"""Successive halving: what is trained how far, who survives, and what it costs."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.plan.halving import WHOLE, Rung, full_trainings, rungs, survivors, token_share, trials_at

factors = st.integers(2, 6)
counts = st.integers(1, 5)


def test_each_rung_trains_by_the_factor_longer_up_to_the_whole() -> None:
    assert rungs(4, 3) == (Rung(0, 1 / 16), Rung(1, 1 / 4), Rung(2, 1.0))


@given(factors, counts)
def test_the_last_rung_is_the_end_of_the_training(factor: int, count: int) -> None:
    ladder = rungs(factor, count)
    assert [rung.number for rung in ladder] == list(range(count))
    assert ladder[-1].share == 1.0
    assert all(later.share == pytest.approx(factor * rung.share) for rung, later in pairwise(ladder))


def test_sixteen_trials_become_four_and_one_or_as_many_as_must_be_compared_at_the_end() -> None:
    assert trials_at(rungs(4, 3), 16) == [16, 4, 1]
    assert trials_at(rungs(4, 3), 16, fewest=2) == [16, 4, 2]
    assert trials_at(rungs(4, 3), 1, fewest=2) == [1, 1, 1]


@given(factors, counts, st.integers(0, 1000))
def test_a_rung_trains_the_whole_part_of_the_share_but_one_at_least(
    factor: int, count: int, trials: int
) -> None:
    assert trials_at(rungs(factor, count), trials) == [
        min(trials, max(1, trials // factor**number)) for number in range(count)
    ]


def test_sixteen_trials_at_factor_four_train_what_two_and_a_half_trainings_do() -> None:
    # 16 · 1/16, then 4 · (1/4 − 1/16), then 1 · (1 − 1/4)
    assert full_trainings(rungs(4, 3), 16) == 1 + 0.75 + 0.75
    assert token_share(rungs(4, 3), 16) == 0.15625 <= 0.25
    # The second that is trained to the end adds 1 − 1/4.
    assert full_trainings(rungs(4, 3), 16, fewest=2) == 1 + 0.75 + 1.5


@given(factors, counts)
def test_a_full_ladder_trains_what_theory_says(factor: int, count: int) -> None:
    """η^(k-1) trials: one full training at the first rung, and 1 − 1/η at each further one."""
    trials = factor ** (count - 1)
    trainings = 1 + (count - 1) * (1 - 1 / factor)
    assert full_trainings(rungs(factor, count), trials) == pytest.approx(trainings)
    assert token_share(rungs(factor, count), trials) == pytest.approx(trainings / trials)


@given(factors, counts, st.integers(1, 1000), st.integers(1, 3))
def test_halving_never_trains_more_than_training_all_to_the_end(
    factor: int, count: int, trials: int, fewest: int
) -> None:
    assert 0 < token_share(rungs(factor, count), trials, fewest=fewest) <= 1 + 1e-12
    assert token_share(WHOLE, trials, fewest=fewest) == 1


@given(factors, counts, st.integers(0, 1000), st.integers(1, 3))
def test_more_trials_never_train_less(factor: int, count: int, trials: int, fewest: int) -> None:
    ladder = rungs(factor, count)
    more = full_trainings(ladder, trials + 1, fewest=fewest)
    assert full_trainings(ladder, trials, fewest=fewest) <= more + 1e-9


@pytest.mark.parametrize(("higher_is_better", "best"), [(True, ["c", "a"]), (False, ["b", "d"])])
def test_the_best_survive_in_the_direction_of_the_score(higher_is_better: bool, best: list[str]) -> None:
    scores = {"a": 0.7, "b": 0.1, "c": 0.9, "d": 0.2}
    assert survivors(scores, keep=2, higher_is_better=higher_is_better) == best


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_of_equal_trials_the_first_survive(higher_is_better: bool) -> None:
    assert survivors({"z": 0.5, "y": 0.5, "x": 0.5}, keep=2, higher_is_better=higher_is_better) == ["z", "y"]


scores = st.dictionaries(
    st.integers(), st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=20
)


@given(scores, st.integers(1, 25), st.booleans())
def test_no_trial_that_failed_survives_and_none_that_is_better_is_dropped(
    scores: dict[int, float | None], keep: int, higher_is_better: bool
) -> None:
    kept = survivors(scores, keep=keep, higher_is_better=higher_is_better)
    scored = {trial: score for trial, score in scores.items() if score is not None}
    assert len(kept) == min(keep, len(scored))
    assert set(kept) <= scored.keys()
    sign = 1 if higher_is_better else -1
    worst = min((sign * scored[trial] for trial in kept), default=math.inf)
    assert all(sign * score <= worst for trial, score in scored.items() if trial not in kept)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_scores_within_the_noise_of_the_best_are_told_apart_by_their_losses(higher_is_better: bool) -> None:
    sign = 1 if higher_is_better else -1
    scores = {"lucky": sign * 0.30, "learning": sign * 0.27, "dull": sign * 0.28, "worse": sign * 0.20}
    losses = {"lucky": 1.4, "learning": 0.9, "dull": 1.3, "worse": 0.1}
    kept = survivors(scores, keep=4, higher_is_better=higher_is_better, noise=0.04, losses=losses)
    assert kept == ["learning", "dull", "lucky", "worse"]
    assert survivors(scores, keep=1, higher_is_better=higher_is_better, losses=losses) == ["lucky"]


def test_equal_scores_are_told_apart_by_their_losses_without_any_noise() -> None:
    assert survivors({"a": 0.5, "b": 0.5}, keep=1, higher_is_better=True, losses={"a": 1.0, "b": 0.5}) == [
        "b"
    ]
