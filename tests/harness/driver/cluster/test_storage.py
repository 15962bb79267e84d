"""Weights are kept where every node sees them, whole or not at all."""

import json
from pathlib import Path

import pytest
from installed import need
from synthetic import make_run, task_card, training_record
from toy_models import fit_job

from harness.driver.cluster.storage import WeightsStorage
from harness.errors import UserError
from harness.records.sealed import seal_beside, seal_weights
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.sweep.model_files import TRAINING
from harness.sweep.recipe import Training
from harness.workers.jobs import FitJob
from harness.workers.listener import Event, Note

need("fsspec", reason="needs fsspec, which datasets brings")


def job(folder: Path) -> FitJob:
    """As the work folder of a node has it."""
    return fit_job(folder / ("a" * 16), "lora", Training(), key="a" * 16)


def trained(folder: Path) -> FitJob:
    """A training whose weights are whole."""
    fit = job(folder)
    fit.weights.mkdir(parents=True)
    recipe = make_run("a", "lora", task_card(), 0).recipe
    assert recipe is not None
    write_record(fit.weights / TRAINING, training_record(recipe))
    (fit.weights / "adapter_config.json").write_text(json.dumps({"r": 4}))
    (fit.weights / "adapter_model.safetensors").write_bytes(bytes(1000))
    seal_weights(fit.weights)
    return fit


def ignore(event: Event) -> None:
    pass


@pytest.fixture(params=["a folder", "an address"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "storage") if request.param == "a folder" else f"memory://{tmp_path.name}/kept"


def test_weights_that_are_kept_are_laid_out_elsewhere_as_they_were(address: str, tmp_path: Path) -> None:
    storage = WeightsStorage(address)
    storage.check()
    fit = trained(tmp_path / "one")
    storage.keep(fit)
    other = job(tmp_path / "two")
    assert storage.fetch(other, ignore)
    for path in fit.weights.iterdir():
        assert (other.weights / path.name).read_bytes() == path.read_bytes()
    assert read_record(other.record, TrainingRecord).weights_at == storage.weights_at(fit)
    assert storage.weights_at(fit) == f"{address}/trained/{'a' * 16}/weights"


def test_nothing_is_fetched_before_all_is_kept(address: str, tmp_path: Path) -> None:
    fit = trained(tmp_path / "one")
    seal_beside(fit.weights).unlink()
    storage = WeightsStorage(address)
    storage.keep(fit)
    other = job(tmp_path / "two")
    assert not storage.fetch(other, ignore)
    assert not other.weights.exists()


def test_kept_weights_that_were_changed_are_told_and_not_used(address: str, tmp_path: Path) -> None:
    fit = trained(tmp_path / "one")
    storage = WeightsStorage(address)
    storage.keep(fit)
    (fit.weights / "adapter_model.safetensors").write_bytes(bytes(999) + b"x")
    seal_beside(fit.weights).unlink()
    storage.keep(fit)  # under the seal of the former
    heard: list[Event] = []
    other = job(tmp_path / "two")
    assert not storage.fetch(other, heard.append)
    assert not other.weights.exists()
    assert [event for event in heard if isinstance(event, Note) and "is damaged" in event.text]


def checkpoint(fit: FitJob, step: int) -> Path:
    folder = fit.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "optimizer.pt").write_text(f"{step}")
    (folder / "progress.json").write_text("{}")
    return folder


def test_checkpoints_of_a_training_under_way_are_kept_until_its_weights_are(
    address: str, tmp_path: Path
) -> None:
    fit = job(tmp_path / "one")
    storage = WeightsStorage(address)
    former = checkpoint(fit, 10)
    storage.keep_checkpoints([fit], ignore, now=True)
    (former / "progress.json").unlink()
    checkpoint(fit, 20)
    (checkpoint(fit, 30) / "progress.json").unlink()  # being written
    (fit.checkpoints / "spent.json").write_text("{}")
    storage.keep_checkpoints([fit], ignore, now=True)
    other = job(tmp_path / "two")
    assert not storage.fetch(other, ignore)
    assert [path.name for path in sorted(other.checkpoints.iterdir())] == ["checkpoint-20", "spent.json"]
    assert (other.checkpoints / "checkpoint-20/optimizer.pt").read_text() == "20"
    storage.keep(trained(tmp_path / "three"))
    third = job(tmp_path / "four")
    assert storage.fetch(third, ignore)
    assert not third.checkpoints.exists()


def test_a_mark_is_seen_in_the_same_place_alone(address: str, tmp_path: Path) -> None:
    storage = WeightsStorage(address)
    storage.check()
    storage.leave("mark")
    assert WeightsStorage(address).sees("mark")
    assert not WeightsStorage(str(tmp_path / "another")).sees("mark")
    storage.remove("mark")
    assert not storage.sees("mark")


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("s3://key:secret@bucket/x", "holds a user name, or a password"),
        ("nowhere://bucket/x", "nowhere://bucket/x"),
        ("relative/folder", "is not absolute"),
        ("/proc/storage", "cannot be written"),
    ],
)
def test_a_storage_that_cannot_serve_is_one_sentence(address: str, sentence: str) -> None:
    with pytest.raises(UserError) as fault:
        WeightsStorage(address).check()
    assert sentence in str(fault.value)
    assert "secret" not in str(fault.value)
    assert "\n" not in str(fault.value)
