"""The runs of a base model are brought to their results a portion at a time."""

from pathlib import Path

import pytest
from invented_executor import RECORD, InventedExecutor
from rich.console import Console
from shared_results import NOTHING_LOADED
from toy_task import adding

import harness.driver.group
import harness.driver.loop
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.node import WaveReport
from harness.driver.outcome import Folders
from harness.driver.progress import SweepProgress
from harness.driver.render import in_order
from harness.driver.startups import StartShares
from harness.plan.runs import make_runs
from harness.records.generation import GenerationRecord
from harness.records.result import RESULT
from harness.records.store import read_record, write_record
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep
from harness.workers.jobs import WaveJob


class CountingExecutor(InventedExecutor):
    """Notes with each wave how many runs were rendered and how many had a result when it came."""

    folder: Path
    waves: list[tuple[int, int, bool]]

    def execute(self, wave: WaveJob) -> WaveReport:
        rendered = len(list(self.folder.glob("work/*/prompts.jsonl")))
        finished = len(list(self.folder.glob(f"results/**/{RESULT}")))
        self.waves.append((rendered, finished, wave.scored))
        return super().execute(wave)


def test_the_first_results_come_before_the_last_prompts_are_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, answer in NOTHING_LOADED.items():
        monkeypatch.setattr(harness.driver.loop, name, answer)
    monkeypatch.setattr(harness.driver.group, "RUNS_AT_ONCE", 4)
    task = adding()
    tasks = {task.name: LoadedTask(task, load_dataset(task))}
    candidates = [{"name": "a", "model": "x/a-1b", "methods": ["lora", "zero_shot"]}]
    sweep = Sweep.model_validate(
        {"name": "s", "tasks": ["adding"], "seeds": list(range(5)), "candidates": candidates}
    )
    runs = make_runs(sweep, tasks, fingerprint=lambda model, revision: "f", limit=None)
    executor = CountingExecutor(
        {recipe.key: recipe for recipe in in_order(run.recipe for run in runs if run.recipe)}
    )
    executor.folder, executor.waves = tmp_path, []
    events: list[str] = []
    outcome = harness.driver.loop.run_sweep(
        runs,
        tasks,
        Folders(tmp_path / "results", tmp_path / "work"),
        engine="transformers",
        settings=EngineSettings(way="swap"),
        progress=SweepProgress(Console(quiet=True), emit=lambda event: events.append(event.get("text", ""))),
        executor=executor,
    )
    assert executor.waves == [(4, 0, True), (8, 4, True), (10, 8, True)]
    assert [weights is None for _, weights in executor.answered] == [True] * 5 + [False] * 5
    assert (len(outcome.finished), outcome.failed) == (10, [])
    assert [text.partition(": ")[2] for text in events if "are done" in text] == [
        "the next 4 runs; 4 of 10 are done",
        "the next 2 runs; 8 of 10 are done",
    ]


def test_the_shares_of_a_start_add_up_to_it_whatever_follows_scored_jobs(tmp_path: Path) -> None:
    starts = StartShares(GenerationRecord)
    starts.started(6.0)
    paths = [tmp_path / f"{number}.json" for number in range(5)]
    for number, path in enumerate(paths):
        write_record(path, RECORD)
        starts.served(path)
        starts.settle()
        if number == 2:
            starts.pay()
    shares = [read_record(path, GenerationRecord).startup_seconds for path in paths]
    assert shares == [2.0, 2.0, 2.0, 0.0, 0.0]
