"""The choice of settings on dev: waves of trials, halving, budgets. Scores are invented: no model is
trained."""

from typing import Any

import pytest
from installed import need
from synthetic import make_run, task_card

from harness.errors import UserError
from harness.plan.selection import SearchTrial, SettingsSearch, planned_trials
from harness.records.scores import MetricValue
from harness.records.training import ResourceUse
from harness.sweep.run import Run
from harness.sweep.settings import Search, SearchSettings

RATES = (1e-4, 3e-4, 1e-3, 3e-3)
RANKS = (2, 4, 8, 16)


def cell(space: dict[str, Any] | None = None, **settings: Any) -> Run:
    methods = settings.pop("methods", 1)
    search = Search(
        space=space or {"learning_rate": RATES, "r": RANKS},
        settings=SearchSettings.model_validate(settings),
        methods=methods,
        seed=5,
    )
    return make_run("toy", "lora", task_card(), 7).model_copy(update={"search": search})


def start(run: Run, *, higher: bool = True) -> SettingsSearch:
    return SettingsSearch(
        run, metric="accuracy", higher_is_better=higher, tokens_per_trial=1000.0, seconds_per_trial=10.0
    )


def test_trials_answer_the_part_of_dev_that_they_are_given() -> None:
    search = SettingsSearch(
        cell(),
        metric="accuracy",
        higher_is_better=True,
        tokens_per_trial=1.0,
        seconds_per_trial=1.0,
        judged=500,
    )
    assert {trial.run.limit for trial in search.wave()} == {500}
    assert start(cell()).wave()[0].run.limit is None


def quality(trial: SearchTrial) -> float:
    """Best at a rate of 1e-3 and a rank of 8, whatever the training is worth."""
    rate, rank = trial.settings["learning_rate"], trial.settings.get("r", 8)
    return 1.0 - abs(RATES.index(rate) - 2) / 10 - abs(RANKS.index(rank) - 2) / 20  # type: ignore[arg-type]


def score(value: float, *, stderr: float = 0.0) -> MetricValue:
    """A score on dev."""
    return MetricValue(value=value, stderr=stderr, low=None, high=None, n=100)


def drive(search: SettingsSearch, *, failing: Any = lambda trial: False) -> list[int]:
    """Run a search to its end; how many trials each wave had. A training to the end takes 1,000 tokens and 10
    seconds."""
    sizes = []
    while wave := search.wave():
        sizes.append(len(wave))
        failed = {place for place, trial in enumerate(wave) if failing(trial)}
        search.tell(
            {place: None if place in failed else score(quality(trial)) for place, trial in enumerate(wave)},
            {
                place: ResourceUse(tokens=int(1000 * trial.run.until), seconds=10 * trial.run.until)
                for place, trial in enumerate(wave)
            },
            dict.fromkeys(failed, "train failed: loss became nan"),
        )
    return sizes


def test_a_grid_tries_everything_once_and_chooses_the_best() -> None:
    run = cell()
    search = start(run)
    assert drive(search) == [16]
    training = search.chosen(run).training
    assert training is not None
    assert (training.learning_rate, training.r) == (1e-3, 8)
    record = search.record()
    assert record.spent == ResourceUse(tokens=16_000, seconds=160.0)
    assert record.trials[record.chosen].settings == {"learning_rate": 1e-3, "r": 8}


def test_a_trial_is_scored_on_dev_with_one_seed_and_all_its_samples() -> None:
    search = start(cell().model_copy(update={"limit": 3}))
    (first, *_) = search.wave()
    assert (first.run.split, first.run.seed, first.run.limit, first.run.search) == ("dev", 5, None, None)


def test_halving_trains_a_quarter_as_many_four_times_as_far() -> None:
    run = cell(rungs=3, reduction_factor=4)
    search = start(run)
    assert drive(search) == [16, 4, 2]
    record = search.record()
    assert record.spent.tokens == 12 * 62 + 2 * 250 + 2 * 1000
    assert record.spent.tokens <= 16_000 / 4
    assert record.trials[record.chosen].shares == (1 / 16, 1 / 4, 1.0)
    assert search.chosen(run).training == start_and_choose(cell()).training


def test_a_setting_that_leads_by_luck_is_found_out_by_another_that_is_trained_to_the_end() -> None:
    """As of a toy on dates: a rate of 0.01, for once ahead after a third of its training, ends behind one of
    0.001."""
    rates = (3e-4, 1e-3, 1e-2)
    search = start(cell(space={"learning_rate": rates}, rungs=2, reduction_factor=3))
    by_share = {
        1 / 3: {3e-4: (0.12, 0.62), 1e-3: (0.37, 0.24), 1e-2: (0.46, 0.23)},
        1.0: {1e-3: (0.75, 0.08), 1e-2: (0.55, 0.17)},
    }
    while wave := search.wave():
        measured = [by_share[trial.run.until][trial.settings["learning_rate"]] for trial in wave]
        search.tell(
            {place: score(value, stderr=0.02) for place, (value, _) in enumerate(measured)},
            {place: ResourceUse() for place in range(len(wave))},
            {},
            {place: loss for place, (_, loss) in enumerate(measured)},
        )
    record = search.record()
    assert record.trials[record.chosen].settings == {"learning_rate": 1e-3}


def test_batches_send_one_trial_each_to_the_end_where_those_of_all_are_compared() -> None:
    search = start(cell(rungs=2, reduction_factor=4, budget={"tokens": 10**9}, batch=8))
    assert drive(search) == [8, 2, 8, 2]
    search = start(cell(rungs=3, reduction_factor=4, budget={"tokens": 10**9}, batch=8))
    assert drive(search) == [8, 2, 1, 8, 2, 1]


def start_and_choose(run: Run) -> Run:
    search = start(run)
    drive(search)
    return search.chosen(run)


def test_a_metric_that_is_better_when_lower_is_chosen_by_its_least() -> None:
    run = cell(space={"learning_rate": RATES})
    search = start(run, higher=False)
    drive(search)
    training = search.chosen(run).training
    assert training is not None
    assert training.learning_rate == 1e-4


def test_a_trial_that_fails_is_never_chosen_and_says_why() -> None:
    run = cell()
    search = start(run)
    drive(search, failing=lambda trial: trial.settings["r"] == 8)
    training = search.chosen(run).training
    assert training is not None
    assert training.r in (4, 16)
    reasons = {trial.reason for trial in search.record().trials if trial.settings["r"] == 8}
    assert reasons == {"train failed: loss became nan"}


def test_a_search_in_which_everything_fails_says_so_with_the_first_reason() -> None:
    run = cell()
    search = start(run)
    drive(search, failing=lambda trial: True)
    with pytest.raises(
        UserError, match="every setting of the search failed; the first: train failed: loss became nan"
    ):
        search.chosen(run)


def test_a_budget_of_trials_is_shared_by_the_methods() -> None:
    search = start(cell(budget={"trials": 10}, methods=2, sampler="random"))
    assert sum(drive(search)) == 5


def test_a_budget_of_tokens_is_not_overspent() -> None:
    search = start(cell(budget={"tokens": 7_500}, batch=4))
    assert sum(drive(search)) == 7
    assert search.record().spent.tokens <= 7_500
    assert "budget was spent" in search.record().stopped


def test_a_budget_below_one_training_still_buys_one() -> None:
    search = start(cell(budget={"device_hours": 1e-6}))
    assert drive(search) == [1]


def test_a_sampler_that_learns_is_asked_in_batches() -> None:
    need("optuna")
    search = start(cell(sampler="TPESampler", trials=10, batch=4))
    assert drive(search) == [4, 4, 2]


def test_a_search_that_is_told_again_what_it_was_told_proposes_the_same() -> None:
    need("optuna")
    first, second = (start(cell(sampler="TPESampler", trials=12, batch=3)) for _ in range(2))
    drive(first)
    drive(second)
    assert first.record() == second.record()


def test_the_number_of_trials_can_be_told_before() -> None:
    for settings in (
        {},
        {"rungs": 3},
        {"budget": {"tokens": 7_500}, "batch": 4},
        {"sampler": "random", "trials": 3},
    ):
        run = cell(**settings)
        assert run.search is not None
        search = start(run)
        drive(search)
        planned = planned_trials(run.search, tokens_per_trial=1000.0, seconds_per_trial=10.0)
        assert planned == len(search.record().trials)


def test_scores_that_the_dev_set_cannot_tell_apart_are_told_apart_by_losses_until_the_last_rung() -> None:
    search = start(cell(rungs=3, reduction_factor=4))
    wave = search.wave()
    spent = {place: ResourceUse() for place in range(16)}
    # The first ones are luckier by less than a standard error, the last ones learn.
    lucky = {place: score(0.3 - place / 1000, stderr=0.04) for place in range(16)}
    search.tell(lucky, spent, {}, {place: 2.0 - place / 10 for place in range(16)})
    assert search.wave() == wave[-4:]
    assert wave[0].record().losses == (2.0,)
