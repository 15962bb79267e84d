"""A search takes one start of the training worker and one of the engine, however many waves it has."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from installed import need
from rich.console import Console
from toy_models import small_model

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver import lane, trainings
from harness.driver.executors import LocalExecutor
from harness.driver.loop import run_sweep
from harness.driver.outcome import Folders
from harness.driver.progress import SweepProgress
from harness.plan.runs import make_runs
from harness.plugins.registry import find_plugins, load_task
from harness.records.store import read_results
from harness.sweep.models import fingerprint
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep
from harness.workers.worker import Worker

SWEEP: dict[str, Any] = {
    "name": "searched",
    "tasks": ["ticket_routing"],
    "seeds": [0],
    "n_train": 16,
    "defaults": {
        "training": {"max_steps": 4, "per_device_train_batch_size": 8, "eval_steps": 2},
        "lora": {"learning_rate": [1e-3, 5e-3], "r": [4, 8]},
    },
    # A budget that is large enough, but must be looked at: trials come in batches.
    "search": {"rungs": 2, "reduction_factor": 2, "batch": 2, "budget": {"tokens": 10**9}},
}


class CountedWorker(Worker):
    """A real worker that is remembered."""

    started: list["CountedWorker"]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.started.append(self)
        self.environment = named["environment"]
        self.jobs = 0

    def request(self, *arguments: Any, **named: Any) -> Any:
        self.jobs += 1
        return super().request(*arguments, **named)


def test_a_search_of_several_rungs_and_batches_takes_one_start_of_each_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("trl", reason="needs the train extra")
    monkeypatch.setattr(CountedWorker, "started", [], raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for module in (lane, trainings):
        monkeypatch.setattr(module, "Worker", CountedWorker)
    methods = ["zero_shot", "few_shot", "lora"]
    toy = {"name": "toy", "model": str(small_model("toy-qwen3")), "methods": methods}
    task = load_task("ticket_routing", find_plugins(entry_points=False))
    dataset = load_dataset(task)
    tasks = {task.name: LoadedTask(task, dataclasses.replace(dataset, dev=dataset.dev[:8]))}
    runs = make_runs(
        Sweep.model_validate(SWEEP | {"candidates": [toy]}), tasks, fingerprint=fingerprint, limit=8
    )
    outcome = run_sweep(
        runs,
        tasks,
        Folders(tmp_path / "results", tmp_path / "work"),
        engine="transformers",
        settings=EngineSettings(),
        progress=SweepProgress(Console(quiet=True)),
        executor=LocalExecutor(1),
    )
    assert outcome.failed == []
    assert [worker.name for worker in CountedWorker.started] == ["training", "engines"]
    trainer, engine = CountedWorker.started
    assert trainer.environment == engine.environment == {"OMP_NUM_THREADS": "1"}, "a toy takes one thread"
    assert trainer.jobs == 6 + 1, "two batches of two trials, the better of each to the end; the scored run"
    assert engine.jobs == 6 + 3 + 5, "and what the base still says, after each of five waves"

    results = list(read_results(tmp_path / "results"))
    assert all(result.untrusted is None for result in results)
    (searched,) = [result for result in results if result.selection is not None]
    assert searched.selection is not None
    scored = sum(result.cost.seconds["engine_startup"] for result in results)
    scored += searched.trainings[-1].startup_seconds
    in_all = scored + sum(trial.spent.seconds for trial in searched.selection.trials)
    assert in_all >= trainer.startup_seconds + engine.startup_seconds
    # Six rungs and a run were trained by one start, and nine answered by the other.
    assert searched.trainings[-1].startup_seconds == pytest.approx(trainer.startup_seconds / 7)
    assert [result.generation.startup_seconds for result in results] == pytest.approx(
        [engine.startup_seconds / 9] * 3
    )
