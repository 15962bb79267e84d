"""Tuning budgets: the same for every model, planned by estimates, and charged by what was measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.plan.budget import Account, affordable
from harness.plan.halving import WHOLE, full_trainings, rungs
from harness.sweep.settings import TuningBudget

LADDER = rungs(4, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r"exactly one of trials, tokens, device_hours \(got none\)"),
        ({"trials": 4, "tokens": 1000}, r"\(got trials = 4 and tokens = 1000\)"),
        ({"trials": 0}, "greater than 0"),
        ({"device_hours": float("inf")}, "finite number"),
        ({"hours": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_budget_is_a_positive_amount_of_one_thing(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TuningBudget.model_validate(fields)


def afford(budget: TuningBudget, *, halving: bool = False) -> int:
    return affordable(
        budget, tokens_per_trial=1000, seconds_per_trial=1200, ladder=LADDER if halving else WHOLE
    )


def test_a_number_of_trials_is_that_many_whatever_they_take() -> None:
    assert afford(TuningBudget(trials=7)) == afford(TuningBudget(trials=7), halving=True) == 7


def test_tokens_and_device_hours_pay_for_as_many_trials_as_fit() -> None:
    assert afford(TuningBudget(tokens=3999)) == 3
    assert afford(TuningBudget(tokens=4000)) == 4
    assert afford(TuningBudget(device_hours=1.0)) == 3


def test_a_budget_below_one_training_pays_for_none() -> None:
    assert afford(TuningBudget(tokens=999)) == afford(TuningBudget(tokens=999), halving=True) == 0


def test_halving_makes_sixteen_trials_of_what_pays_for_two() -> None:
    assert afford(TuningBudget(tokens=2500)) == 2
    assert afford(TuningBudget(tokens=2500), halving=True) == 16
    # One trial more at the first rung: another sixteenth of a training.
    assert afford(TuningBudget(tokens=2562), halving=True) == 16
    assert afford(TuningBudget(tokens=2563), halving=True) == 17


@given(st.integers(1, 10**6), st.floats(0.5, 5000), st.integers(2, 5), st.integers(1, 4))
def test_what_is_affordable_fits_and_one_trial_more_does_not(
    tokens: int, each: float, factor: int, count: int
) -> None:
    ladder = rungs(factor, count)
    trials = affordable(
        TuningBudget(tokens=tokens), tokens_per_trial=each, seconds_per_trial=1, ladder=ladder
    )
    assert full_trainings(ladder, trials) * each <= tokens * (1 + 1e-8)
    assert full_trainings(ladder, trials + 1) * each > tokens


def test_a_model_that_takes_longer_gets_fewer_trials_of_the_same_hours() -> None:
    hours = TuningBudget(device_hours=2)
    small, large = (
        affordable(hours, tokens_per_trial=1000, seconds_per_trial=seconds) for seconds in (600, 2400)
    )
    assert (small, large) == (12, 3)


def open_account(budget: TuningBudget) -> Account:
    return Account(budget, tokens_per_trial=1000, seconds_per_trial=1200)


def test_an_account_of_trials_allows_that_many_and_any_training_of_those() -> None:
    account = open_account(TuningBudget(trials=4))
    account.charge(trials=3, trainings=3.0, tokens=10**9, device_seconds=10**9)
    assert account.allows(trials=1, trainings=1.0)
    assert not account.allows(trials=2, trainings=2.0)
    account.charge(trials=1, trainings=0.25, tokens=0, device_seconds=0.0)
    assert account.spent == 1
    assert account.allows(trials=0, trainings=0.75)
    assert not account.allows(trials=1, trainings=1.0)


def test_an_account_goes_by_the_estimate_before_anything_was_trained() -> None:
    account = open_account(TuningBudget(tokens=2000))
    assert account.allows(trials=2, trainings=2.0)
    assert not account.allows(trials=3, trainings=3.0)


def test_an_account_goes_by_what_trainings_took_once_there_are_any() -> None:
    account = open_account(TuningBudget(tokens=10_000))
    account.charge(trials=4, trainings=1.0, tokens=4000, device_seconds=60.0)
    assert account.spent == 0.4
    assert account.allows(trials=0, trainings=1.5)
    assert not account.allows(trials=0, trainings=1.51)


@pytest.mark.parametrize(("trainings", "seconds"), [(0.5, 0.0), (0.0, 60.0)])
def test_trials_that_failed_at_once_do_not_make_training_free_or_impossible(
    trainings: float, seconds: float
) -> None:
    account = open_account(TuningBudget(device_hours=1.0))
    account.charge(trials=1, trainings=trainings, tokens=0, device_seconds=seconds)
    assert account.allows(trials=2, trainings=2.0)
    assert not account.allows(trials=4, trainings=4.0)


def test_a_training_that_took_more_than_expected_ends_the_search() -> None:
    account = open_account(TuningBudget(device_hours=0.5))
    assert account.allows(trials=1, trainings=1.0)
    account.charge(trials=1, trainings=1.0, tokens=1000, device_seconds=2700.0)
    assert account.spent == 1.5
    assert not account.allows(trials=1, trainings=0.01)


def test_what_fits_exactly_is_allowed_whatever_floating_point_sums_say() -> None:
    account = Account(TuningBudget(device_hours=1 / 3), tokens_per_trial=1000, seconds_per_trial=120.1)
    for _ in range(9):
        account.charge(trials=1, trainings=0.1, tokens=10, device_seconds=1200 / 10)
    assert account.allows(trials=1, trainings=0.1)


@pytest.mark.parametrize("budget", [TuningBudget(tokens=5000), TuningBudget(device_hours=5 / 3)])
def test_a_plan_that_was_affordable_is_allowed_rung_by_rung_when_estimates_hold(budget: TuningBudget) -> None:
    trials, account = afford(budget, halving=True), open_account(budget)
    before, running = 0.0, trials
    for rung in LADDER:
        running = trials // round(rung.share / LADDER[0].share)
        trainings, started = running * (rung.share - before), trials if rung.number == 0 else 0
        assert account.allows(trials=started, trainings=trainings)
        account.charge(
            trials=started,
            trainings=trainings,
            tokens=round(trainings * 1000),
            device_seconds=trainings * 1200,
        )
        before = rung.share
    assert 0.9 < account.spent <= 1
