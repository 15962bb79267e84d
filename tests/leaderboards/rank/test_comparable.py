"""Runs that were made differently are never compared in silence: the larger group stays, the others are
named."""

from pathlib import Path
from typing import Any

import pytest
from synthetic import make_run, searched, task_card, write_result

from harness.plan.selection import with_settings
from harness.records.store import read_results
from harness.sweep.run import Run
from leaderboards.board import load_board
from leaderboards.rank.tables import Table
from leaderboards.rank.tabulate import tabulate

CARD = task_card()
RATES = {1e-4: 0.5, 3e-4: 0.7}


def table(results: Path) -> Table:
    return tabulate(read_results(results), results, load_board(None))


def write(results: Path, run: Run, **options: Any) -> None:
    write_result(results, run, CARD, [1.0, 0.0, 1.0, 1.0], **options)


def test_a_search_may_choose_otherwise_for_another_training_budget(tmp_path: Path) -> None:
    for n_train, scores in ((16, {1e-4: 0.7, 3e-4: 0.5}), (64, {1e-4: 0.5, 3e-4: 0.7})):
        for seed in (0, 1):
            run, selection = searched(make_run("small", "lora", CARD, seed, n_train=n_train), scores=scores)
            write(tmp_path, run, selection=selection)
    made = table(tmp_path)
    assert sorted(made.curves["small", "lora", "capitals"]) == [16, 64]
    assert made.notes == ()


def test_seeds_whose_search_came_to_other_settings_are_left_out_and_named(tmp_path: Path) -> None:
    for seed, scores in ((0, RATES), (1, RATES), (2, {1e-4: 0.7, 3e-4: 0.5})):
        run, selection = searched(make_run("small", "lora", CARD, seed), scores=scores)
        write(tmp_path, run, selection=selection)
    made = table(tmp_path)
    assert made.rows[0].seeds == 2
    assert made.notes == (
        "small · lora on 'capitals': 1 run was made differently (training.learning_rate = 0.0001 instead of "
        "0.0003) and left out of the comparison.",
    )


def test_runs_that_were_searched_among_other_settings_are_left_out_and_named(tmp_path: Path) -> None:
    for seed, rates in ((0, RATES), (1, RATES), (2, {3e-4: 0.7, 1e-3: 0.2})):
        run, selection = searched(make_run("small", "lora", CARD, seed), scores=rates)
        write(tmp_path, run, selection=selection)
    (note,) = table(tmp_path).notes
    assert "search.space.learning_rate = [0.0003, 0.001] instead of [0.0001, 0.0003]" in note


def test_the_setting_of_a_second_stage_is_named_with_its_stage(tmp_path: Path) -> None:
    for seed, rank in ((0, 16), (1, 16), (2, 4)):
        write(tmp_path, with_settings(make_run("small", "stages", CARD, seed), {"r": rank}))
    (note,) = table(tmp_path).notes
    assert "(stages.2.training.r = 4 instead of 16)" in note


def test_a_mixture_of_other_tasks_is_made_differently(tmp_path: Path) -> None:
    for seed, other in ((0, "one"), (1, "one"), (2, "two")):
        write(tmp_path, make_run("small", "multitask", CARD, seed, others=(CARD, task_card(other))))
    (note,) = table(tmp_path).notes
    assert "(portions.2.task = two instead of one)" in note


def test_how_many_samples_other_tasks_gave_may_differ_with_the_budget(tmp_path: Path) -> None:
    for n_train in (100, 500):
        others = (CARD, task_card("other", n_train=n_train))
        write(tmp_path, make_run("small", "multitask", CARD, 0, n_train=n_train, others=others))
    assert sorted(table(tmp_path).curves["small", "multitask", "capitals"]) == [100, 500]


def test_how_much_of_dev_is_read_may_follow_from_the_budget(tmp_path: Path) -> None:
    for n_train, read in ((100, {"eval_samples": 75, "interim_eval_samples": 12}), (500, {})):
        write(tmp_path, with_settings(make_run("small", "lora", CARD, 0, n_train=n_train), read))
    assert sorted(table(tmp_path).curves["small", "lora", "capitals"]) == [100, 500]


def test_what_was_scored_on_dev_is_not_compared_with_test(tmp_path: Path) -> None:
    for seed, split in ((0, "test"), (1, "test"), (2, "dev")):
        write(tmp_path, make_run("small", "lora", CARD, seed, split=split))
    (note,) = table(tmp_path).notes
    assert "(split = dev instead of test)" in note


@pytest.mark.parametrize("changes", [{"r": 4}, {"weight_decay": 0.1}, {"num_train_epochs": 9.0}])
def test_any_setting_makes_a_difference(tmp_path: Path, changes: dict[str, Any]) -> None:
    for seed in (0, 1):
        write(tmp_path, make_run("small", "lora", CARD, seed))
    write(tmp_path, with_settings(make_run("small", "lora", CARD, 2), changes))
    (note,) = table(tmp_path).notes
    (name,) = changes
    assert f"(training.{name} = {changes[name]} instead of " in note


def test_a_remark_names_a_few_differences_and_counts_the_others(tmp_path: Path) -> None:
    for seed in (0, 1):
        write(tmp_path, make_run("small", "lora", CARD, seed))
    many = {"r": 4, "lora_alpha": 8, "weight_decay": 0.1, "max_steps": 7, "max_length": 64, "eval_samples": 9}
    write(
        tmp_path,
        with_settings(make_run("small", "lora", CARD, 2), {**many, "warmup_steps": 0.1, "eval_steps": 0.5}),
    )
    (note,) = table(tmp_path).notes
    assert note.count(" instead of ") == 6
    assert note.endswith("; and 2 more) and left out of the comparison.")
