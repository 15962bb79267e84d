"""How much memory and disk a sweep takes at least, and what this machine has."""

from pathlib import Path
from typing import Any

import pytest
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan import needs
from harness.plan.estimate import Estimator
from harness.plan.needs import ModelNeed, free_disk_bytes, memory_bytes, model_needs
from harness.plan.runs import make_runs
from harness.sweep.sweep import Sweep

BILLION = 10**9
TASKS = {"adding": LoadedTask(adding(), load_dataset(adding()))}


@pytest.fixture(autouse=True, params=["cpu (2 cores)", "cuda"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(needs, "assumed_device", lambda: request.param)
    return str(request.param)


def need(method: str, *, trained: Path | None = None, devices: int = 1, **changes: Any) -> ModelNeed:
    declared = {
        "name": "s",
        "tasks": ["adding"],
        "seeds": [0, 1],
        "candidates": [{"name": "a", "model": "x/a-1b", "methods": ["zero_shot", method]}],
    }
    sweep = Sweep.model_validate(declared | changes)
    runs = make_runs(sweep, TASKS, fingerprint=lambda model, revision: "f", limit=None)
    (only,) = model_needs(runs, Estimator(TASKS), devices=devices, trained=trained)
    return only


def test_all_weights_take_sixteen_bytes_each_and_adapters_little_more_than_the_base(device: str) -> None:
    read = 2 if device == "cuda" else 4
    assert need("full").train == 16 * BILLION
    assert need("lora").train == pytest.approx(read * BILLION + 0.16 * BILLION)
    assert need("qlora").train == pytest.approx(0.516 * BILLION + 0.16 * BILLION)
    assert need("few_shot").train == 0 and need("few_shot").tuner is None
    assert need("full").answer == read * BILLION
    assert need("full", devices=2).answer == read * BILLION // 2


def test_an_optimiser_without_moments_takes_less() -> None:
    assert need("full", defaults={"training": {"optim": "adafactor"}}).train == 8 * BILLION


def test_the_weights_of_every_seed_and_trial_lie_on_disk() -> None:
    going_on = 6 * 4 * BILLION
    assert need("full").disk == 2 * 4 * BILLION + going_on
    searched = need("full", defaults={"full": {"learning_rate": [1e-5, 2e-5, 3e-5]}})
    assert searched.disk == (2 + 3) * 4 * BILLION + going_on
    assert need("few_shot").disk == 0
    assert need("lora").disk == pytest.approx(0.01 * need("full").disk)


def test_weights_that_are_there_are_not_made_again(tmp_path: Path) -> None:
    sweep = {"name": "s", "tasks": ["adding"], "seeds": [0], "candidates": [{"name": "a", "model": "x/a-1b"}]}
    runs = make_runs(Sweep.model_validate(sweep), TASKS, fingerprint=lambda *_: "f", limit=None)
    for run in runs:
        if run.recipe is not None:
            (tmp_path / run.recipe.key).mkdir()
    (left,) = model_needs(runs, Estimator(TASKS), trained=tmp_path)
    assert (left.train, left.disk, left.tuner) == (0, 0, None)


def test_a_size_is_counted_in_weights_that_are_here_and_else_read_in_the_name() -> None:
    assert not need("lora").is_counted
    toy = need("lora", candidates=[{"name": "a", "model": "gainboard/toy-llama"}])
    assert toy.is_counted and 10**6 < toy.parameters < 2 * 10**6


def test_memory_is_that_of_the_smallest_gpu_or_else_of_the_machine(
    tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nprintf '81559\\n46068\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    memory = memory_bytes()
    assert memory is not None and (memory == 46068 << 20 if device == "cuda" else memory > 10**8)


def test_the_free_disk_of_a_folder_that_is_not_there_yet_is_told(tmp_path: Path) -> None:
    assert free_disk_bytes(tmp_path / "not" / "yet") == pytest.approx(free_disk_bytes(tmp_path), rel=0.1)
