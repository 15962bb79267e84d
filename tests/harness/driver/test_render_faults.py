"""A plugin whose own `render` fails on one sample costs the runs that need the sample, and no other."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invented_executor import InventedExecutor
from rich.console import Console
from shared_results import NOTHING_LOADED
from toy_task import adding

import harness.driver.loop
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.outcome import Folders, SweepOutcome
from harness.driver.progress import SweepProgress
from harness.driver.render import in_order
from harness.plan.runs import make_runs
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep
from harness.task import PromptSet, Rendered, Sample

TEST_SAMPLE, TRAIN_SAMPLE = "10", "3"
"""What the fields of the samples say that cannot be rendered: one of test, one of train."""


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded, so nothing need be installed, and no model be there."""
    for name, answer in NOTHING_LOADED.items():
        monkeypatch.setattr(harness.driver.loop, name, answer)


def failing_on(text: str, error: BaseException) -> PromptSet:
    def rendered(sample: Sample, demonstrations: object) -> Rendered:
        if sample.fields["text"] == text:
            raise error
        return Rendered([], sample.fields["text"])

    return PromptSet({"plain": "{text}"}, render=rendered)


def start(folder: Path, prompts: PromptSet, **declared: Any) -> SweepOutcome:
    """A sweep on a task with these prompts, and on a sound one."""
    tasks = {
        task.name: LoadedTask(task, load_dataset(task))
        for task in (adding(prompts=prompts), dataclasses.replace(adding(), name="spelling"))
    }
    candidates = [{"name": "a", "model": "x/a-1b", "methods": ["zero_shot", "lora"]}]
    sweep = Sweep.model_validate({"name": "s", "seeds": [0], "candidates": candidates} | declared)
    runs = make_runs(sweep, tasks, fingerprint=lambda model, revision: "f", limit=None)
    recipes = {recipe.key: recipe for recipe in in_order(run.recipe for run in runs if run.recipe)}
    return harness.driver.loop.run_sweep(
        runs,
        tasks,
        Folders(folder / "results", folder / "work"),
        engine="transformers",
        settings=EngineSettings(way="swap"),
        progress=SweepProgress(Console(quiet=True)),
        executor=InventedExecutor(recipes),
    )


@pytest.mark.parametrize(
    ("error", "said"), [(ValueError("no such field"), "no such field"), (SystemExit(0), "called exit(0)")]
)
def test_a_sample_that_cannot_be_rendered_fails_its_runs_by_name_and_no_other(
    error: BaseException, said: str, tmp_path: Path
) -> None:
    outcome = start(tmp_path, failing_on(TEST_SAMPLE, error), tasks=["adding", "spelling"])
    assert [run.task for run in outcome.finished] == ["spelling", "spelling"]
    assert {failure.run.candidate.method for failure in outcome.failed} == {"zero_shot", "lora"}
    for failure in outcome.failed:
        assert failure.phase == "render"
        assert "sample '2' cannot be rendered" in failure.reason
        assert said in failure.reason
        assert f"{Path(__file__).name}, line {LINE}" in failure.reason


def test_runs_that_share_a_training_fail_together_where_a_sample_of_it_cannot_be_rendered(
    tmp_path: Path,
) -> None:
    prompts = failing_on(TRAIN_SAMPLE, ValueError("no such field"))
    outcome = start(tmp_path, prompts, tasks=["adding"], guard_tasks=["spelling"])
    assert {failure.run.task for failure in outcome.failed} == {"adding", "spelling"}
    assert all("sample '3' cannot be rendered" in failure.reason for failure in outcome.failed)
    assert {run.candidate.method for run in outcome.finished} == {"zero_shot"}


def line_of(function: Callable[..., object], text: str) -> int:
    first = function.__code__.co_firstlineno
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()[first - 1 :]
    return first + next(number for number, line in enumerate(lines) if text in line)


LINE = line_of(failing_on, "raise error")
