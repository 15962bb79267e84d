"""How much of dev a training reads: less than half of what it is trained on, unless a sweep says so."""

from typing import Any

import pytest
from toy_task import adding, rows

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.evaluation import FEWEST, bounded, evaluations_of, samples_read
from harness.plan.runs import make_runs
from harness.sweep.recipe import Portion, Training
from harness.sweep.run import Run
from harness.sweep.sweep import Sweep
from harness.task import Splits


def portion(n_train: int) -> Portion:
    return Portion(task="t", version=1, fingerprint="f", n_train=n_train, templates=("plain",))


def share(n_train: int, *, available: int = 1000, **settings: Any) -> float:
    """Dev samples read, by training samples read."""
    training = bounded(Training(**settings), [portion(n_train)], available=available)
    epochs = training.num_train_epochs
    return samples_read(training, n_train, available=available) / (epochs * n_train)


def test_dev_is_read_before_the_first_step_and_up_to_the_last() -> None:
    assert evaluations_of(Training(), 128) == 1 + 5
    assert evaluations_of(Training(max_steps=7, eval_steps=3), 128) == 1 + 3
    assert evaluations_of(Training(eval_steps=0.5, num_train_epochs=1), 16) == 1 + 1


@pytest.mark.parametrize("n_train", [32, 64, 100, 128, 256, 511, 512, 600, 5000])
@pytest.mark.parametrize(
    "settings", [{}, {"eval_steps": 0.5}, {"num_train_epochs": 10.0}, {"eval_steps": 0.1}]
)
def test_less_than_half_of_what_is_trained_on_is_read(n_train: int, settings: dict[str, Any]) -> None:
    training = bounded(Training(**settings), [portion(n_train)], available=1000)
    assert share(n_train, **settings) <= 0.45 or training.interim_eval_samples == FEWEST


def test_128_training_samples_and_1000_dev_samples() -> None:
    """Six evaluations of all of dev would read 15.6 times what is trained on."""
    training = bounded(Training(), [portion(128)], available=1000)
    assert (training.interim_eval_samples, training.eval_samples) == (14, 86)
    assert share(128) == (6 * 14 + 86) / 384 < 0.45


def test_few_samples_are_judged_by_eight_at_least() -> None:
    training = bounded(Training(), [portion(16)], available=1000)
    assert (training.interim_eval_samples, training.eval_samples) == (8, 10)


def test_where_all_may_be_read_nothing_changes() -> None:
    for training, samples, available in ((Training(), 600, 1000), (Training(), 128, 28)):
        assert bounded(training, [portion(samples)], available=available) == training


def test_a_mixture_shares_what_may_be_read() -> None:
    alone = bounded(Training(), [portion(128)], available=1000)
    together = bounded(Training(), [portion(128)] * 3, available=1000)
    assert together.interim_eval_samples == alone.interim_eval_samples


def test_samples_that_are_answered_too_count_twice() -> None:
    by_metric = bounded(Training(metric_for_best_model="task_metric"), [portion(256)], available=1000)
    by_loss = bounded(Training(), [portion(256)], available=1000)
    assert by_loss.interim_eval_samples is not None and by_metric.interim_eval_samples is not None
    assert by_metric.interim_eval_samples == by_loss.interim_eval_samples // 2
    assert samples_read(by_metric, 256, available=1000) <= 0.45 * 3 * 256


# In plans


def run(settings: dict[str, Any], **changes: Any) -> Run:
    task = adding(data=lambda: Splits(rows(0, 128), rows(200, 400), rows(500, 504)))
    declared: dict[str, Any] = {
        "name": "s",
        "tasks": ["adding"],
        "seeds": [0],
        "defaults": {"training": settings},
        "candidates": [{"name": "a", "model": "x/a", "methods": ["lora"]}],
    }
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    return make_runs(
        Sweep.model_validate(declared | changes), tasks, fingerprint=lambda model, revision: "f", limit=None
    )[0]


def test_a_plan_bounds_what_a_sweep_leaves_open() -> None:
    training = run({}).training
    assert training is not None
    assert (training.interim_eval_samples, training.eval_samples) == (14, 86)


def test_a_sweep_that_says_how_much_is_read_has_its_way_and_its_key() -> None:
    training = run({"eval_samples": 128}).training
    assert training == Training(learning_rate=2e-4)
    assert "interim_eval_samples" not in training.model_dump(mode="json"), (
        "its key is that of earlier versions"
    )


def test_a_plan_that_reads_less_than_half_anyway_has_the_key_of_earlier_versions() -> None:
    assert run({"num_train_epochs": 20}).key == run({"num_train_epochs": 20, "eval_samples": 128}).key
    assert run({}).key != run({"eval_samples": 128}).key


def test_budgets_that_are_evaluated_on_other_samples_are_alike() -> None:
    assert run({}, n_train=64).alike == run({}, n_train=128).alike
