"""What a candidate cost in all: every training once, the trials of its search, what was thrown away, what
failed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from site_reading import Text, figures, row
from synthetic import (
    FEW,
    TRIAL,
    make_run,
    searched,
    task_card,
    write_ensemble,
    write_failure,
    write_result,
)

from harness.records.result import RESULT, Result
from harness.records.store import write_record
from harness.records.training import ResourceUse
from leaderboards import publish
from leaderboards.money.prices import load_prices
from leaderboards.money.spend import price_runs

CARD = task_card()
ONE, TWO = task_card("one"), task_card("two")
HOUR = 3.0
"""Dollars, of an H100 at the middle price."""

FIT = 1230.0
"""Seconds of an invented training, with its start-up and loading."""


def write(results: Path, method: str, *, task: Any = CARD, seed: int = 0, **changes: Any) -> Result:
    options = {name: changes.pop(name) for name in ("trained", "selection", "device") if name in changes}
    run = make_run("small", method, task, seed, others=(ONE, TWO), **changes)  # type: ignore[arg-type]
    return write_result(results, run, task, [1.0, 0.0, 1.0, 1.0], **options)


def usd(seconds: float) -> Any:
    return pytest.approx(seconds / 3600 * HOUR)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def site(results: Path) -> Any:
    return publish(results, results.parent / "site")


def test_the_middle_price_of_these_tests_is_that_of_the_shipped_file() -> None:
    hour = load_prices().hour("NVIDIA H100 80GB HBM3")
    assert hour and hour.mid == HOUR


def test_one_fine_tune_costs_all_of_its_stages(results: Path) -> None:
    write(results, "stages", task=ONE)
    staged = row(site(results), "small", "stages")
    assert staged["train_usd"] == usd(2 * FIT)
    assert staged["train_device_hours"] == pytest.approx(2 * FIT / 3600)


def test_what_a_stop_threw_away_is_paid_for(results: Path) -> None:
    write(results, "lora", trained={"discarded": ResourceUse(seconds=600.0, tokens=1000)})
    tuned = row(site(results), "small", "lora")
    assert tuned["train_usd"] == tuned["all_in_usd"] == usd(FIT + 600)
    assert tuned["all_in_train_tokens"] == 90_000 + 1000


def test_a_mixture_counts_in_full_for_each_task_and_once_in_all(results: Path) -> None:
    for task in (ONE, TWO):
        for seed in (0, 1):
            write(results, "multitask", task=task, seed=seed)
    tuned = row(site(results), "small", "multitask")
    assert tuned["train_usd"] == usd(FIT)
    assert (tuned["trainings"], tuned["all_in_usd"]) == (2, usd(2 * FIT))


def test_the_first_stage_that_methods_share_is_paid_once_by_the_sweep(results: Path) -> None:
    for task in (ONE, TWO):
        write(results, "multitask", task=task)
        write(results, "stages", task=task)
    published = site(results)
    assert row(published, "small", "stages")["all_in_usd"] == usd(3 * FIT)
    assert row(published, "small", "multitask")["all_in_usd"] == usd(FIT)
    assert figures(published)["total"]["all_in_usd"] == usd(3 * FIT)


def test_smaller_training_budgets_are_part_of_all_that_was_spent(results: Path) -> None:
    for n_train in (16, 64):
        write(results, "lora", n_train=n_train)
    tuned = row(site(results), "small", "lora")
    assert (tuned["train_usd"], tuned["all_in_usd"]) == (usd(FIT), usd(2 * FIT))


def test_a_search_is_paid_once_for_all_seeds_and_the_chosen_training_is_not_paid_twice(results: Path) -> None:
    for seed in (0, 1, 2):
        run, selection = searched(
            make_run("small", "lora", CARD, seed), scores={1e-4: 0.5, 3e-4: 0.7, 1e-3: None}, seed=0
        )
        write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0], selection=selection)
    tuned = row(site(results), "small", "lora")
    # Three runs; the chosen trial is seed 0's training and adds what it took to answer dev; of the others one
    # was dropped after a quarter and one failed there.
    answers = TRIAL.seconds - FIT
    assert (tuned["trainings"], tuned["trials"]) == (3, 3)
    assert tuned["all_in_usd"] == usd(3 * FIT + answers + 2 * TRIAL.seconds / 4)
    assert tuned["all_in_train_tokens"] == 3 * 90_000 + 2 * 22_500
    assert tuned["train_usd"] == usd(FIT)


def test_a_chosen_training_that_no_run_kept_is_paid_as_a_trial(results: Path) -> None:
    run, selection = searched(make_run("small", "lora", CARD, 1), scores={1e-4: 0.5, 3e-4: 0.7})
    write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0], selection=selection)
    assert row(site(results), "small", "lora")["all_in_usd"] == usd(FIT + TRIAL.seconds * (1 + 1 / 4))


def test_runs_that_failed_are_paid_for(results: Path) -> None:
    write(results, "lora")
    write_failure(results, make_run("small", "lora", CARD, 1), spent=ResourceUse(seconds=360.0, tokens=500))
    tuned = row(site(results), "small", "lora")
    assert (tuned["failures"], tuned["all_in_usd"]) == (1, usd(FIT + 360))


@pytest.mark.parametrize(("phase", "times"), [("train", 1), ("generate", 2)])
def test_runs_that_fail_with_the_training_they_share_are_paid_for_once(
    results: Path, phase: str, times: int
) -> None:
    write(results, "multitask", task=ONE)
    for task in (ONE, TWO):
        run = make_run("small", "multitask", task, 1, others=(ONE, TWO))
        write_failure(results, run, phase=phase, spent=ResourceUse(seconds=360.0))
    assert row(site(results), "small", "multitask")["all_in_usd"] == usd(FIT + 360 * times)


def test_the_sweep_pays_for_candidates_without_a_finished_run(results: Path) -> None:
    write(results, "lora")
    write_failure(results, make_run("huge", "full", CARD, 0), spent=ResourceUse(seconds=7170.0))
    published = site(results)
    assert figures(published)["total"]["all_in_usd"] == usd(FIT + 7170)
    page = Text(published.index.with_name("cost.html")).text
    assert "The whole sweep shared work counted once 2.3 h" in page
    assert "$7.00 1 training, 1 failure" in page


def test_an_ensemble_costs_what_its_members_do_their_search_included(results: Path) -> None:
    members = []
    for seed in (0, 1, 2):
        run, selection = searched(make_run("small", "lora", CARD, seed), scores={1e-4: 0.5, 3e-4: 0.7})
        members.append(write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0], selection=selection))
    write_ensemble(results, "votes", "vote", members, [1.0, 1.0, 1.0, 1.0])
    published = site(results)
    vote, alone = row(published, "votes", "vote"), row(published, "small", "lora")
    assert vote["train_usd"] == usd(3 * FIT)
    assert vote["all_in_usd"] == alone["all_in_usd"] == figures(published)["total"]["all_in_usd"]


def test_a_request_to_a_vote_is_one_to_each_member_on_its_own_device(results: Path) -> None:
    fast = write_result(
        results, make_run("fast", "lora", CARD, 0), CARD, [1.0, 0.0], requests_per_second=40.0
    )
    slow = write_result(
        results,
        make_run("slow", "lora", CARD, 0),
        CARD,
        [1.0, 0.0],
        requests_per_second=5.0,
        device="cpu (8 cores, any)",
    )
    write_ensemble(results, "votes", "vote", [fast, slow], [1.0, 1.0])
    published = site(results)
    parts = [row(published, name, "lora")["serve_usd_per_1k"] for name in ("fast", "slow")]
    assert row(published, "votes", "vote")["serve_usd_per_1k"] == pytest.approx(sum(parts))


def test_averaged_weights_are_served_as_one_model(results: Path) -> None:
    members = [write(results, "lora", seed=seed) for seed in (0, 1, 2)]
    write_ensemble(results, "soup", "soup", members, [1.0, 1.0, 1.0, 1.0])
    published = site(results)
    soup, alone = row(published, "soup", "soup"), row(published, "small", "lora")
    assert soup["serve_usd_per_1k"] == pytest.approx(alone["serve_usd_per_1k"])
    assert soup["train_usd"] == pytest.approx(3 * alone["train_usd"])


def test_the_labels_of_every_task_that_was_learnt_from_are_bought_once(results: Path) -> None:
    write(results, "lora", task=ONE)
    write(results, "stages", task=ONE)
    write(results, "meta", task=ONE)
    members = [write(results, "few_shot_tuning", task=ONE, seed=seed) for seed in (0, 1)]
    write_ensemble(results, "votes", "vote", members, [1.0, 1.0, 1.0, 1.0])
    published = site(results)
    label = load_prices().label.usd_per_item.mid
    data = {one["method"]: one["data_usd"] for one in figures(published)["rows"]}
    dev = 50  # chose the checkpoint
    assert data["lora"] == pytest.approx((500 + dev) * label)
    assert data["stages"] == pytest.approx((1000 + dev) * label)
    assert data["meta"] == pytest.approx((500 + FEW + dev) * label)
    assert data["vote"] == pytest.approx((FEW + dev) * label)


def test_prompts_need_the_labels_that_they_show_and_the_nearest_ones_the_whole_pool(results: Path) -> None:
    write(results, "few_shot")
    card = task_card()
    nearest = make_run("large", "few_shot", card, 0, demonstrations="nearest")
    write_result(results, nearest, card, [1.0, 0.0, 1.0, 1.0])
    write(results, "zero_shot")
    published = site(results)
    label = load_prices().label.usd_per_item.mid
    assert row(published, "small", "few_shot")["data_usd"] == pytest.approx(4 * label)
    assert row(published, "large", "few_shot")["data_usd"] == pytest.approx(500 * label)
    assert row(published, "small", "zero_shot")["data_usd"] == 0


def test_dev_labels_are_bought_only_where_dev_chose_something(results: Path) -> None:
    write(results, "lora", trained={"dev_curve": ()})
    label = load_prices().label.usd_per_item.mid
    assert row(site(results), "small", "lora")["data_usd"] == pytest.approx(500 * label)


def test_a_device_is_shared_by_the_tasks_that_one_engine_serves_together(results: Path) -> None:
    runs = []
    for card in (ONE, task_card("two")):
        runs += [write(results, method, task=card) for method in ("zero_shot", "lora", "full")]
    beside = [run.generation.model_copy(update={"way": "adapters", "num_devices": 4}) for run in runs]
    served = [
        run.model_copy(update={"generation": generation, "cost": replace(run.cost, num_devices=4)})
        if run.run.candidate.method == "lora"
        else run
        for run, generation in zip(runs, beside, strict=True)
    ]
    priced = price_runs(served, load_prices())
    up = {
        method: priced.spend([run for run in served if run.run.candidate.method == method]).devices
        for method in ("zero_shot", "lora", "full")
    }
    h100 = "NVIDIA H100 80GB HBM3"
    assert up == {"zero_shot": {h100: 0.5}, "lora": {h100: 2.0}, "full": {h100: 1.0}}


@pytest.mark.parametrize(("way", "count"), [("swap", 3.0), ("adapters", 1.0)])
def test_members_that_vote_are_up_side_by_side_unless_one_engine_serves_them(
    results: Path, way: str, count: float
) -> None:
    """Three full copies of the weights take three devices for all hours; three adapters share their base."""
    members = [write(results, "lora", seed=seed) for seed in (0, 1, 2)]
    served = [
        member.model_copy(update={"generation": member.generation.model_copy(update={"way": way})})
        for member in members
    ]
    vote = write_ensemble(results, "votes", "vote", members, [1.0, 1.0])
    soup = write_ensemble(results, "soup", "soup", members, [1.0, 1.0])
    priced = price_runs([*served, vote, soup], load_prices())
    h100 = "NVIDIA H100 80GB HBM3"
    assert priced.spend([vote]).devices == {h100: count}
    assert priced.spend([soup]).devices == {h100: 1.0}


def test_all_that_was_spent_has_no_price_where_one_device_has_none(results: Path) -> None:
    write(results, "lora")
    write(results, "lora", seed=1, device="Abacus 9")
    tuned = row(site(results), "small", "lora")
    assert tuned["all_in_usd"] is None
    assert tuned["all_in_device_hours"] == pytest.approx(2 * FIT / 3600)


def test_arms_that_train_nothing_cost_nothing_in_all(results: Path) -> None:
    write(results, "few_shot")
    shown = row(site(results), "small", "few_shot")
    assert (shown["all_in_usd"], shown["trainings"], shown["all_in_device_hours"]) == (0, 0, 0)


def test_ensembles_that_name_each_other_as_members_harm_no_page(results: Path) -> None:
    first = write_ensemble(results, "one", "vote", [write(results, "lora")] * 2, [1.0, 1.0, 1.0, 1.0])
    second = write_ensemble(results, "two", "vote", [first, first], [1.0, 1.0, 1.0, 1.0])
    circle = first.run.model_copy(update={"members": (second.key,)})
    write_record(results / first.run.folder / RESULT, first.model_copy(update={"run": circle}))
    assert row(site(results), "two", "vote")["trainings"] == 1
