"""A sweep that guards against forgetting, run to its results by an executor that invents weights and
answers."""

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import gainboard
from installed import need
from invented_executor import InventedExecutor
from rich.console import Console
from toy_models import small_model
from toy_task import adding

import harness.driver.loop
from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.outcome import Folders, SweepOutcome
from harness.driver.progress import SweepProgress
from harness.driver.render import in_order
from harness.errors import UserError
from harness.plan.runs import make_runs, select
from harness.preflight.examine import Preflight
from harness.records.preflight import PreflightFinding
from harness.records.result import FAILURE, RESULT, Result
from harness.records.store import read_failures, read_record, read_results
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.sweep.sweep import Sweep

TASKS = {
    task.name: LoadedTask(task, load_dataset(task))
    for task in (adding(), dataclasses.replace(adding(), name="spelling"))
}


NOTICED = tuple(
    PreflightFinding(severity="warn", fact="max_tokens", candidate=candidate, task=task, sentence="Noticed.")
    for candidate, task in (("a", "adding"), ("a", ""), ("b", ""))
)


@pytest.fixture(autouse=True)
def no_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is loaded, so nothing need be installed, and no model be there."""
    monkeypatch.setattr(harness.driver.loop, "require_libraries", lambda engine, runs: None)
    monkeypatch.setattr(harness.driver.loop, "room_findings", lambda *_, **__: [])
    monkeypatch.setattr(harness.driver.loop, "examine", lambda *_, **__: Preflight(NOTICED))


def planned(**changes: Any) -> list[Run]:
    declared: dict[str, Any] = {
        "name": "s",
        "tasks": ["adding"],
        "guard_tasks": ["spelling"],
        "seeds": [0, 1],
        "candidates": [{"name": "a", "model": "x/a-1b", "methods": ["zero_shot", "lora"]}],
    }
    sweep = Sweep.model_validate(declared | changes)
    return make_runs(sweep, TASKS, fingerprint=lambda model, revision: "f", limit=None)


def start(folder: Path, runs: list[Run]) -> tuple[SweepOutcome, InventedExecutor]:
    recipes = {recipe.key: recipe for recipe in in_order(run.recipe for run in runs if run.recipe)}
    executor = InventedExecutor(recipes)
    outcome = harness.driver.loop.run_sweep(
        runs,
        TASKS,
        Folders(folder / "results", folder / "work"),
        engine="transformers",
        settings=EngineSettings(way="swap"),
        progress=SweepProgress(Console(quiet=True)),
        executor=executor,
    )
    return outcome, executor


def test_tuned_weights_are_trained_once_and_scored_on_their_task_and_the_guard_task(tmp_path: Path) -> None:
    runs = planned()
    outcome, executor = start(tmp_path, runs)
    assert outcome.failed == []
    assert len(executor.trained) == 2, "one training a seed"
    by_weights: dict[Path | None, list[str]] = {}
    for label, weights in executor.answered:
        by_weights.setdefault(weights, []).append(label)
    tuned = [labels for weights, labels in by_weights.items() if weights]
    assert tuned[0] == [
        "a · lora · adding · 6 samples · seed 0",
        "a · lora · spelling after adding · 6 samples · seed 0",
    ]
    assert len(tuned) == 2
    results = {result.run.folder.as_posix(): result for result in read_results(tmp_path / "results")}
    assert set(results) == {run.folder.as_posix() for run in runs}
    guard = results["a/lora/spelling-v1/after-adding-v1/n-6/seed-0"]
    assert guard.run.guard is not None and guard.run.guard.after is not None
    assert (guard.run.task, guard.run.guard.after.task) == ("spelling", "adding")
    assert guard.trainings == results["a/lora/adding-v1/n-6/seed-0"].trainings
    assert (guard.overlap.exact, guard.overlap.near) == (0, 0), "nothing of the guard task was trained on"


def test_results_keep_what_was_noticed_of_their_candidate_and_task(tmp_path: Path) -> None:
    start(tmp_path, planned(seeds=[0]))
    for result in read_results(tmp_path / "results"):
        assert result.preflight == (NOTICED[:2] if result.run.task == "adding" else NOTICED[1:2])


def test_a_model_that_does_not_fit_here_is_refused_unless_the_work_is_done_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_large = PreflightFinding(severity="refuse", fact="memory", candidate="a", sentence="It is too large.")
    monkeypatch.setattr(harness.driver.loop, "room_findings", lambda *_, **__: [too_large])
    with pytest.raises(UserError, match=r"candidate 'a': It is too large\."):
        start(tmp_path, planned())
    assert not (tmp_path / "results").exists()
    monkeypatch.setattr(InventedExecutor, "on_this_machine", False)
    outcome, _ = start(tmp_path, planned())
    assert outcome.failed == []


def test_a_second_start_finds_guard_runs_done(tmp_path: Path) -> None:
    start(tmp_path, planned())
    outcome, executor = start(tmp_path, planned())
    assert (outcome.already_done, outcome.finished, executor.answered) == (8, [], [])


def test_guards_named_later_are_scored_with_the_weights_that_are_there(tmp_path: Path) -> None:
    start(tmp_path, planned(guard_tasks=[]))
    outcome, executor = start(tmp_path, planned())
    assert (outcome.already_done, len(outcome.finished), executor.trained) == (4, 4, [])


SEARCHED = [{"name": "a", "model": "x/a-1b", "methods": ["lora"], "lora": {"r": [4, 8]}}]


def test_a_guard_run_has_the_settings_that_its_arm_s_search_chose(tmp_path: Path) -> None:
    start(tmp_path, planned(candidates=SEARCHED))
    own, guard = (
        read_record(tmp_path / "results" / "a" / "lora" / place / "n-6" / "seed-0" / RESULT, Result)
        for place in ("adding-v1", "spelling-v1/after-adding-v1")
    )
    assert own.selection is not None
    assert guard.selection is None, "its search is told, and paid, once"
    assert guard.run.stages == own.run.stages
    assert own.run.training is not None and own.run.training.r == 8
    results = read_results(tmp_path / "results")
    scored = {result.run.recipe.key for result in results if result.run.recipe}
    assert len(scored) == 2, "two seeds"
    assert scored.isdisjoint(trial.key for trial in own.selection.trials), "no trial's weights are scored"


def test_a_guard_run_of_an_arm_that_is_finished_takes_its_settings_from_there(tmp_path: Path) -> None:
    start(tmp_path, planned(candidates=SEARCHED, guard_tasks=[]))
    outcome, executor = start(tmp_path, planned(candidates=SEARCHED))
    assert outcome.failed == []
    assert executor.trained == []
    assert len(outcome.finished) == 4


def test_a_seed_that_is_added_has_the_settings_that_were_chosen_for_the_others(tmp_path: Path) -> None:
    start(tmp_path, planned(candidates=SEARCHED))
    shutil.rmtree(tmp_path / "work")
    outcome, executor = start(tmp_path, planned(candidates=SEARCHED, seeds=[0, 1, 2]))
    assert outcome.failed == []
    assert len(executor.trained) == 1, "the added seed, and no trial again"
    first, added = (
        read_record(tmp_path / "results/a/lora/adding-v1/n-6" / seed / RESULT, Result)
        for seed in ("seed-0", "seed-2")
    )
    assert (added.run.stages, added.selection) == (first.run.stages, first.selection)
    guard = read_record(tmp_path / "results/a/lora/spelling-v1/after-adding-v1/n-6/seed-2" / RESULT, Result)
    assert (guard.run.stages, guard.selection) == (first.run.stages, None)


def test_a_guard_run_whose_arm_was_left_out_says_what_is_missing(tmp_path: Path) -> None:
    outcome, _ = start(tmp_path, select(planned(candidates=SEARCHED), "*/after-*"))
    assert len(outcome.failed) == 2
    (first, _) = read_failures(tmp_path / "results")
    assert first.phase == "search"
    assert first.reason == (
        "it is scored with the weights of a/lora/adding-v1/n-6/seed-0, whose settings are not chosen yet; "
        "run that, too (does --only leave it out?)"
    )
    assert (tmp_path / "results" / first.run.folder / FAILURE).exists()


def test_what_is_known_without_a_model_is_on_every_result(tmp_path: Path) -> None:
    start(tmp_path, planned())
    for result in read_results(tmp_path / "results"):
        metric = result.task.metrics[result.task.primary_metric]
        assert (metric.chance, metric.majority) == (None, None), "no choices, and no number comes twice"
        assert result.collapsed == ""
        assert result.parsed is not None and result.parsed.share.value == 1.0


def test_a_label_that_a_guard_task_is_answered_with_at_chance_is_no_collapse(tmp_path: Path) -> None:
    start(
        tmp_path,
        planned(candidates=[{"name": "a", "model": "x/a-1b", "methods": ["lora"], "lora": {"r": 4}}]),
    )
    collapsed = {
        bool(result.run.guard): bool(result.collapsed)
        for result in read_results(tmp_path / "results")
        if result.trainings
    }
    assert collapsed == {False: True, True: False}


PICK = """
from harness import PromptSet, Sample, Splits, Task, task

WORDS = ("even", "odd")
ROWS = [{"text": str(number), "answer": WORDS[number % 2]} for number in range(60)]


@task
def pick():
    return Task(
        name="pick",
        description="Say whether a number is even or odd, in a word that is written.",
        data=lambda: Splits(ROWS[:40], ROWS[40:48], ROWS[48:]),
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, row["answer"], choices=WORDS),
        prompts=PromptSet({"plain": "Is {text} even or odd?"}),
        output="generate",
        metrics=("exact_match",),
        chance=0.5,
    )
"""

SWEEP = """
name = "guarded"
tasks = ["pick"]
guard_tasks = ["date_normalise"]
seeds = [0]

[defaults.training]
max_steps = 4
per_device_train_batch_size = 4
eval_samples = 4

[[candidates]]
name = "toy"
model = "{model}"
methods = ["zero_shot", "zero_shot_constrained", "lora"]
"""


def test_a_real_sweep_holds_the_base_to_the_choices_and_scores_tuned_weights_on_the_guard_task(
    tmp_path: Path,
) -> None:
    need("trl", reason="needs the train extra")
    (tmp_path / "tasks" / "pick").mkdir(parents=True)
    (tmp_path / "tasks" / "pick" / "task.py").write_text(PICK)
    (tmp_path / "sweep.toml").write_text(SWEEP.replace("{model}", str(small_model("toy-qwen3"))))
    finished = gainboard(tmp_path, "run", "sweep.toml", "--tasks-dir", "tasks", "--limit", "8")
    assert finished.returncode == 0, finished.stderr
    results = {result.run.folder.as_posix(): result for result in read_results(tmp_path / "results")}
    assert set(results) == {
        "toy/lora/date_normalise-v2/after-pick-v1/n-40/seed-0",
        "toy/lora/pick-v1/n-40/seed-0",
        "toy/zero_shot/date_normalise-v2/before/seed-0",
        "toy/zero_shot/pick-v1/seed-0",
        "toy/zero_shot_constrained/pick-v1/seed-0",
    }
    assert all(result.untrusted is None for result in results.values())
    held = results["toy/zero_shot_constrained/pick-v1/seed-0"]
    assert held.parsed is not None and held.parsed.share.value == 1.0
    tuned, guard = (
        results[f"toy/lora/{name}/n-40/seed-0"] for name in ("pick-v1", "date_normalise-v2/after-pick-v1")
    )
    assert [training.key for training in guard.trainings] == [training.key for training in tuned.trainings]
