"""Trainings that are killed, at any moment, and end as if nothing had happened; and those that are meant to
pause."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from installed import need
from places import TESTS
from toy_models import BRIEF, QUICK, ask_job, fit, fit_job, write_rows

from harness.sweep.recipe import Training
from harness.training.checkpoints import (
    PROGRESS,
    TrainingProgress,
    checkpoint_folder,
    keep_only,
    latest,
    seal,
)
from harness.workers.jobs import FitJob
from harness.workers.worker import Message, Worker, WorkerDied

need("trl", reason="needs the train extra")


# Dropout draws random numbers in every step; an update is two micro-batches; the third epoch ends in a
# smaller one.
EVENTFUL = QUICK.model_copy(
    update={
        "num_train_epochs": 3.0,
        "max_steps": -1,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "eval_steps": 0.25,
        "lora_dropout": 0.2,
    }
)
STEPS = 18

NOT_THE_SAME = {
    "train_seconds",
    "load_seconds",
    "peak_memory_bytes",
    "energy_joules",
    "resumed_at",
    "discarded",
    "key",
}
"""What a record says of time and of kills."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    write_rows(folder / "train.jsonl", "date_normalise", "train", count=44)
    write_rows(folder / "dev.jsonl", "date_normalise", "dev", count=8)
    return folder


def job(
    folder: Path, rows: Path, tuner: str = "lora", training: Training = EVENTFUL, **changed: Any
) -> FitJob:
    return fit_job(folder, tuner, training, train=rows / "train.jsonl", dev=rows / "dev.jsonl", **changed)


def weights(job: FitJob) -> dict[str, Any]:
    from safetensors.torch import load_file

    (file,) = job.weights.glob("*.safetensors")
    return dict(load_file(file))


def assert_same(one: FitJob, other: FitJob, record: Message, other_record: Message) -> None:
    """Equal weights, to the bit, and equal records, but for time."""
    import torch

    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert comparable(record) == comparable(other_record)


def comparable(record: Message) -> Message:
    kept = {name: value for name, value in record.items() if name not in NOT_THE_SAME}
    for curve in ("train_curve", "dev_curve"):
        kept[curve] = [{**point, "tokens_per_second": None} for point in record[curve]]
    return kept


def kill_at(step: int, started: Worker) -> Any:
    """A report callback that kills the worker when it is told of a step."""

    def report(message: Message) -> None:
        if message.get("done") == step:
            os.kill(started._process.pid, signal.SIGKILL)

    return report


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_a_killed_training_goes_on_to_the_same_weights_curves_and_counts(
    qwen3: Path, trainer: Worker, rows: Path, tmp_path: Path, tuner: str
) -> None:
    undisturbed, disturbed = job(tmp_path / "one", rows, tuner), job(tmp_path / "two", rows, tuner)
    expected = fit(trainer, undisturbed)
    assert expected["steps"] == STEPS
    for number, step in enumerate((2, 8, 17)):
        log = tmp_path / f"log{number}"
        with (
            Worker("harness.training", ["--model", str(qwen3)], log=log) as started,
            pytest.raises(WorkerDied),
        ):
            fit(started, disturbed, kill_at(step, started))
        assert not disturbed.weights.exists()
    record = fit(trainer, disturbed)
    assert_same(disturbed, undisturbed, record, expected)
    assert record["resumed_at"] == [5, 15]
    assert record["discarded"]["seconds"] > 0
    assert expected["discarded"] == {"seconds": 0, "tokens": 0, "flops": 0}
    assert not disturbed.checkpoints.exists()


def test_a_checkpoint_that_is_half_written_is_left_for_the_one_before(
    qwen3: Path, trainer: Worker, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, disturbed = job(tmp_path / "one", rows), job(tmp_path / "two", rows)
    expected = fit(trainer, undisturbed)
    with monkeypatch.context() as planted:
        planted.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
        planted.setenv("GAINBOARD_TEST_FAULT", "killed_while_saving 2")
        with (
            Worker("faulty_training", ["--model", str(qwen3)], log=tmp_path / "log") as started,
            pytest.raises(WorkerDied),
        ):
            fit(started, disturbed)
    assert sorted(folder.name for folder in disturbed.checkpoints.glob("checkpoint-*")) == [
        "checkpoint-10",
        "checkpoint-5",
    ]
    assert not [*disturbed.checkpoints.glob("*/README.md")], "a checkpoint needs no card"
    record = fit(trainer, disturbed)
    assert record["resumed_at"] == [5]
    assert_same(disturbed, undisturbed, record, expected)


def test_what_a_killed_start_did_after_its_checkpoint_is_counted_as_discarded(
    qwen3: Path, trainer: Worker, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disturbed = job(tmp_path, rows)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.setenv("GAINBOARD_TEST_FAULT", "writes_at_once")
    with (
        Worker("faulty_training", ["--model", str(qwen3)], log=tmp_path / "log") as started,
        pytest.raises(WorkerDied),
    ):
        fit(started, disturbed, kill_at(8, started))
    record = fit(trainer, disturbed)
    a_step = record["tokens"] / STEPS
    assert 2 * a_step < record["discarded"]["tokens"] < 5 * a_step
    assert record["discarded"]["flops"] > 0


def test_finished_weights_are_not_made_again(trainer: Worker, rows: Path, tmp_path: Path) -> None:
    once = job(tmp_path, rows, training=BRIEF)
    record = fit(trainer, once)
    seen: list[Message] = []
    assert fit(trainer, once, seen.append) == record
    assert seen == []


def test_a_folder_without_a_record_is_no_finished_training(
    trainer: Worker, rows: Path, tmp_path: Path
) -> None:
    once = job(tmp_path, rows, training=BRIEF)
    once.weights.mkdir(parents=True)
    (once.weights / "adapter_config.json").write_text("{}")
    assert fit(trainer, once)["steps"] == BRIEF.max_steps
    assert (once.weights / "adapter_model.safetensors").exists()


# Rungs


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_a_training_in_rungs_ends_as_one_without(
    trainer: Worker, rows: Path, tmp_path: Path, tuner: str
) -> None:
    whole = job(tmp_path / "whole", rows, tuner)
    expected = fit(trainer, whole)
    records = []
    for until in (0.25, 0.5, 1.0):
        rung = job(tmp_path / "rungs", rows, tuner, until=until, weights=tmp_path / "rungs" / str(until))
        records.append(fit(trainer, rung))
        assert rung.checkpoints.exists() == (until < 1)
    assert [record["steps"] for record in records] == [5, 9, 18]
    assert [record["resumed_at"] for record in records] == [[], [], []]
    # The second rung is evaluated between two of the training's own evaluations.
    between = [point["step"] for point in records[-1]["dev_curve"]]
    assert between == [0, 5, 9, 10, 15, 18]
    assert [point for point in records[-1]["dev_curve"] if point["step"] != 9] == expected["dev_curve"]
    assert records[-1]["tokens"] == expected["tokens"]
    assert records[-1]["discarded"]["tokens"] == 0


def test_rungs_at_evaluations_change_nothing_at_all(trainer: Worker, rows: Path, tmp_path: Path) -> None:
    short = QUICK.model_copy(update={"max_steps": 8, "eval_steps": 4})
    whole = job(tmp_path / "whole", rows, training=short)
    expected = fit(trainer, whole)
    for until in (0.5, 1.0):
        rung = job(
            tmp_path / "rungs", rows, training=short, until=until, weights=tmp_path / "rungs" / str(until)
        )
        record = fit(trainer, rung)
    assert_same(rung, whole, record, expected)


def test_a_rung_has_the_best_weights_so_far(trainer: Worker, rows: Path, tmp_path: Path) -> None:
    """A metric, made up here, that is best at the second of three evaluations."""
    import torch

    by_metric = QUICK.model_copy(
        update={"metric_for_best_model": "task_metric", "eval_samples": 1, "eval_steps": 4}
    )
    judged = ask_job(rows / "dev.jsonl", tmp_path / "answers", weights=None, output="generate")
    values = iter([0.1, 0.2, 0.9, 0.3])
    rung = job(tmp_path / "rung", rows, "full", by_metric, until=0.5, judged=judged)
    record = fit(trainer, rung, answer_question=lambda _: {"value": next(values), "higher_is_better": True})
    assert (record["best_step"], record["steps"]) == (8, 12)
    best = job(tmp_path / "best", rows, "full", QUICK.model_copy(update={"eval_steps": 4}), until=8 / 24)
    assert fit(trainer, best)["steps"] == 8
    ours, theirs = weights(rung), weights(best)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_rungs_after_an_early_stop_give_the_same_weights_at_once(
    trainer: Worker, rows: Path, tmp_path: Path
) -> None:
    import torch

    hot = QUICK.model_copy(update={"learning_rate": 0.05, "lr_scheduler_type": "constant", "eval_steps": 2})
    hot = hot.model_copy(update={"early_stopping_patience": 1, "warmup_steps": 0, "max_steps": 40})
    rungs = [
        job(tmp_path, rows, "full", hot, until=until, weights=tmp_path / str(until))
        for until in (0.5, 0.75, 1.0)
    ]
    seen: list[Message] = []
    first, *later = [fit(trainer, rung, seen.append) for rung in rungs]
    assert first["stopped_early"]
    assert first["steps"] < 20
    assert max(message["done"] for message in seen) == first["steps"]
    for record, rung in zip(later, rungs[1:], strict=True):
        assert comparable(record) == comparable(first)
        ours, theirs = weights(rung), weights(rungs[0])
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


# Which checkpoints are whole


def checkpoint(folder: Path, step: int, best_step: int) -> Path:
    made = checkpoint_folder(folder, step)
    made.mkdir(parents=True)
    (made / "model.safetensors").write_text("weights")
    seal(made, TrainingProgress(step=step, best_step=best_step, rows=8))
    return made


def test_the_last_whole_checkpoint_is_found(tmp_path: Path) -> None:
    told: list[str] = []
    for step in (2, 4, 10):
        checkpoint(tmp_path, step, step)
    found = latest(tmp_path, up_to=10, tell=told.append)
    assert found is not None
    assert found.progress.step == 10
    found = latest(tmp_path, up_to=9, tell=told.append)
    assert found is not None
    assert found.progress.step == 4
    assert told == []


def test_a_checkpoint_without_its_seal_is_not_whole_and_no_damage(tmp_path: Path) -> None:
    told: list[str] = []
    checkpoint(tmp_path, 2, 2)
    (checkpoint(tmp_path, 4, 4) / PROGRESS).unlink()
    found = latest(tmp_path, up_to=10, tell=told.append)
    assert found is not None
    assert found.progress.step == 2
    assert told == []


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("model.safetensors", "we", "model.safetensors is not whole"),
        ("model.safetensors", "weightz", "model.safetensors is not as it was written"),
        (PROGRESS, '{"step": 4', "progress.json"),
    ],
)
def test_a_checkpoint_that_was_damaged_is_put_aside_where_it_outlives_the_training(
    tmp_path: Path, file: str, content: str, reason: str
) -> None:
    told: list[str] = []
    checkpoints = tmp_path / "checkpoints"
    checkpoint(checkpoints, 2, 2)
    (checkpoint(checkpoints, 4, 4) / file).write_text(content)
    found = latest(checkpoints, up_to=10, tell=told.append)
    assert found is not None
    assert found.progress.step == 2
    assert (tmp_path / "checkpoint-4.damaged-1" / file).read_text() == content
    (sentence,) = told
    assert reason in sentence


def test_a_checkpoint_whose_best_one_is_gone_is_of_no_use(tmp_path: Path) -> None:
    checkpoint(tmp_path, 4, 2)
    assert latest(tmp_path, up_to=10, tell=print) is None


def test_of_old_checkpoints_only_the_named_ones_stay(tmp_path: Path) -> None:
    for step in (2, 4, 6):
        checkpoint(tmp_path, step, step)
    keep_only(tmp_path, [6, 2, None])
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["checkpoint-2", "checkpoint-6"]
