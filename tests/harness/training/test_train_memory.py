"""Micro-batches: what they may not change, and what happens when one does not fit into memory."""

import os
from pathlib import Path

import pytest
from installed import need
from places import TESTS
from toy_models import QUICK, fit, fit_job, read_jsonl, train, write_jsonl

from harness.workers.worker import JobFailed, Message, Worker

need("trl", reason="needs the train extra")

SHORT = QUICK.model_copy(update={"max_steps": 6, "eval_steps": 3})


def faulty(qwen3: Path, dates: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.setenv("GAINBOARD_TEST_FAULT", fault)
    return Worker("faulty_training", ["--model", str(qwen3)], log=dates / "log")


def losses(record: Message, curve: str = "train_curve") -> list[float]:
    return [point["loss"] for point in record[curve]]


def test_the_loss_of_an_update_does_not_depend_on_its_micro_batches(trainer: Worker, dates: Path) -> None:
    """Targets differ in length, so a mean of the micro-batches' means would differ from the mean over all."""
    rows = read_jsonl(dates / "train.jsonl")
    for place, row in enumerate(rows):
        row["target"] += " and so on" * (place % 7)
    write_jsonl(dates / "train.jsonl", rows)
    records = []
    for size, accumulated in ((8, 1), (4, 2), (2, 4)):
        cut = {"per_device_train_batch_size": size, "gradient_accumulation_steps": accumulated}
        records.append(train(trainer, dates, "full", SHORT.model_copy(update=cut)))
    for record in records[1:]:
        assert losses(record) == pytest.approx(losses(records[0]), rel=1e-4)
        assert losses(record, "dev_curve") == pytest.approx(losses(records[0], "dev_curve"), rel=1e-4)
        assert record["target_tokens"] == records[0]["target_tokens"]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_out_of_memory_halves_the_micro_batch_and_changes_no_loss(
    trainer: Worker, qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch, accumulated: int
) -> None:
    update = SHORT.model_copy(update={"gradient_accumulation_steps": accumulated})
    expected = train(trainer, dates, "full", update)
    notes: list[str] = []
    with faulty(qwen3, dates, "short_of_memory 2 training", monkeypatch) as short:
        record = fit(
            short,
            fit_job(dates, "full", update, weights=dates / "short"),
            lambda message: notes.append(message["note"]) if "note" in message else None,
        )
    assert record["per_device_train_batch_size"] == 2
    assert losses(record) == pytest.approx(losses(expected), rel=1e-4)
    assert losses(record, "dev_curve") == pytest.approx(losses(expected, "dev_curve"), rel=1e-4)
    for count in ("tokens", "target_tokens", "dev_tokens", "steps"):
        assert record[count] == expected[count]
    assert record["discarded"]["tokens"] > 0
    assert record["discarded"]["seconds"] > 0
    effective = 8 * accumulated
    assert notes == [
        f"toy/full: out of memory with 8 samples at a time; goes on with 4, and still {effective} an update",
        f"toy/full: out of memory with 4 samples at a time; goes on with 2, and still {effective} an update",
    ]


def test_out_of_memory_in_the_middle_of_an_update_does_all_of_it_again(
    trainer: Worker, qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the last of four micro-batches, and once more when the second of them is done again."""
    update = SHORT.model_copy(update={"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4})
    expected = train(trainer, dates, "full", update)
    with faulty(qwen3, dates, "short_of_memory_at 4 8", monkeypatch) as short:
        record = train(short, dates, "full", update, weights=dates / "short")
    assert record["per_device_train_batch_size"] == 1
    assert losses(record) == pytest.approx(losses(expected), rel=1e-4)
    assert losses(record, "dev_curve") == pytest.approx(losses(expected, "dev_curve"), rel=1e-4)
    assert (record["tokens"], record["target_tokens"]) == (expected["tokens"], expected["target_tokens"])
    a_micro_batch = expected["tokens"] / 6 / 4
    assert 5 * a_micro_batch < record["discarded"]["tokens"] < 7 * a_micro_batch


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="tells how much memory a process has on Linux only"
)
def test_memory_of_the_machine_that_runs_out_is_gone_around_too(
    qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(dates / "train.jsonl", read_jsonl(dates / "train.jsonl") * 11)
    large = SHORT.model_copy(update={"per_device_train_batch_size": 512, "max_steps": 1, "eval_steps": 1})
    notes: list[str] = []
    with faulty(qwen3, dates, "limited_memory 700", monkeypatch) as short:
        record = fit(
            short,
            fit_job(dates, "full", large),
            lambda message: notes.append(message["note"]) if "note" in message else None,
        )
    assert record["steps"] == 1
    assert record["per_device_train_batch_size"] < 512
    assert (
        notes[0]
        == "toy/full: out of memory with 512 samples at a time; goes on with 256, and still 512 an update"
    )


def test_memory_that_one_sample_exceeds_is_a_failure_that_says_what_to_do(
    qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = "^one sample at a time takes more memory than there is .*; lower max_length"
    with (
        faulty(qwen3, dates, "short_of_memory 0 training", monkeypatch) as short,
        pytest.raises(JobFailed, match=expected),
    ):
        train(short, dates, "full", SHORT)


def test_an_evaluation_out_of_memory_goes_on_in_smaller_batches(
    trainer: Worker, qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = train(trainer, dates, "full", SHORT)
    with faulty(qwen3, dates, "short_of_memory 3 evaluation", monkeypatch) as short:
        record = train(short, dates, "full", SHORT, weights=dates / "short")
    assert losses(record, "dev_curve") == pytest.approx(losses(expected, "dev_curve"), rel=1e-5)
    assert record["per_device_train_batch_size"] == 8
    assert record["dev_tokens"] == expected["dev_tokens"]


def test_a_training_resumes_with_the_micro_batch_that_fitted(
    qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []

    def keep(message: Message) -> None:
        if "note" in message:
            notes.append(message["note"])

    for until in (0.5, 1.0):
        with faulty(qwen3, dates, "short_of_memory 4 training", monkeypatch) as short:
            job = fit_job(dates, "full", SHORT, weights=dates / str(until), until=until)
            record = fit(short, job, keep)
    assert len(notes) == 1
    assert record["per_device_train_batch_size"] == 4


# Packing


def test_packed_samples_do_not_see_each_other(trainer: Worker, dates: Path) -> None:
    """One update over all samples: the loss is their mean loss, packed or not."""
    whole = QUICK.model_copy(update={"max_steps": 1, "eval_steps": 1, "per_device_train_batch_size": 48})
    plain = train(trainer, dates, "full", whole)
    packed = train(trainer, dates, "full", whole.model_copy(update={"packing": True}))
    assert packed["target_tokens"] == plain["target_tokens"]
    assert packed["tokens"] == plain["tokens"]
    assert losses(packed) == pytest.approx(losses(plain), rel=1e-4)
    assert packed["best_dev_loss"] == pytest.approx(plain["best_dev_loss"], rel=1e-3)


def test_packs_that_do_not_fit_into_memory_are_cut_between_samples(
    trainer: Worker, qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing = QUICK.model_copy(
        update={"max_steps": 3, "eval_steps": 3, "per_device_train_batch_size": 4, "packing": True}
    )
    expected = train(trainer, dates, "full", packing)
    with faulty(qwen3, dates, "short_of_tokens 600", monkeypatch) as short:
        record = train(short, dates, "full", packing, weights=dates / "short")
    assert record["per_device_train_batch_size"] == 2
    assert losses(record) == pytest.approx(losses(expected), rel=1e-4)
    assert record["tokens"] == expected["tokens"]
