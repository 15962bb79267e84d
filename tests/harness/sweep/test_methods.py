"""Every method and ensemble in one small sweep of a small model, as a user runs it."""

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pandas
import pytest
from commands import gainboard
from installed import need
from toy_models import small_model

from harness.records.result import Result
from harness.records.store import read_record
from leaderboards.pages.parts.use import run_box

need("trl", reason="needs the train extra")

SWEEP = """
name = "all-methods"
tasks = ["ticket_routing", "date_normalise", "identifier_case"]
seeds = [0, 1]
n_train = 24

[defaults.training]
max_steps = 3
per_device_train_batch_size = 4
eval_steps = 3
eval_samples = 4
learning_rate = 1e-3

[few_shot_tuning]
n_train = 8

[multitask]
held_out = ["identifier_case"]

[meta]
meta_steps = 2
inner_steps = 2

[[candidates]]
name = "toy"
model = "{model}"
methods = ["zero_shot", "lora", "few_shot_tuning", "multitask", "stages", "meta"]

[[ensembles]]
name = "votes"
method = "vote"
members = ["toy/lora"]

[[ensembles]]
name = "means"
method = "mean_probability"
members = ["toy/lora"]
tasks = ["ticket_routing"]

[[ensembles]]
name = "soups"
method = "soup"
members = ["toy/lora"]
"""

TASKS, SEEDS = 3, 2

RUN = ("run", "sweep.toml", "--limit", "8", "--engine", "transformers", "--json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    (folder / "sweep.toml").write_text(SWEEP.replace("{model}", str(small_model("toy-qwen3"))))
    finished = gainboard(folder, *RUN, timeout=900)
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    (folder / "events.jsonl").write_text(finished.stdout)
    return folder


def of(place: Path, method: str) -> list[Result]:
    return [
        read_record(path, Result) for path in sorted((place / "results").glob(f"*/{method}/**/result.json"))
    ]


def test_every_method_has_a_result_for_every_task(place: Path) -> None:
    for method in ("zero_shot", "lora", "few_shot_tuning", "multitask", "stages", "meta"):
        assert len(of(place, method)) == TASKS * SEEDS, method
    assert (len(of(place, "vote")), len(of(place, "mean_probability")), len(of(place, "soup"))) == (
        TASKS,
        1,
        TASKS,
    )


def test_a_mixture_is_trained_once_for_all_tasks_and_for_the_stages_after_it(place: Path) -> None:
    mixtures = {result.trainings[0].key for result in of(place, "multitask")}
    assert len(mixtures) == SEEDS
    for result in of(place, "stages"):
        first, last = result.trainings
        assert first.key in mixtures
        assert (first.tasks, last.tasks) == (("date_normalise", "ticket_routing"), (result.run.task,))


def test_what_was_held_out_is_scored_and_was_not_trained_on(place: Path) -> None:
    held_out = [result for result in of(place, "multitask") if result.run.task == "identifier_case"]
    assert {result.run.n_train for result in held_out} == {0}
    assert all(
        "identifier_case" not in training.tasks for result in held_out for training in result.trainings
    )


def test_meta_learning_ends_in_the_samples_that_few_shot_tuning_has(place: Path) -> None:
    adapted = {(result.run.task, result.run.seed): result for result in of(place, "meta")}
    for plain in of(place, "few_shot_tuning"):
        result = adapted[plain.run.task, plain.run.seed]
        assert result.run.stages[-1] == plain.run.stages[-1]
        assert result.trainings[0].steps == 2 * 2
        assert plain.run.task not in result.trainings[0].tasks


def test_an_ensemble_costs_what_its_members_cost(place: Path) -> None:
    members = [result for result in of(place, "lora") if result.run.task == "ticket_routing"]
    for method in ("vote", "soup"):
        (result,) = [result for result in of(place, method) if result.run.task == "ticket_routing"]
        assert result.run.members == tuple(member.key for member in members)
        assert result.cost.train_tokens == sum(member.cost.train_tokens for member in members)
    (vote,) = [result for result in of(place, "vote") if result.run.task == "ticket_routing"]
    assert vote.cost.seconds["generate"] == pytest.approx(
        sum(member.cost.seconds["generate"] for member in members)
    )


def test_the_card_beside_weights_tells_their_scores_and_gains(place: Path) -> None:
    for result in of(place, "lora"):
        assert result.run.recipe is not None
        card = (place / "work" / "trained" / result.run.recipe.key / "weights" / "README.md").read_text()
        metric = result.task.primary_metric
        assert f"| {result.run.task} | {metric} | {result.metrics[metric].value:.4g} |" in card
        assert f"| {result.run.task} | {metric} | zero_shot |" in card


@pytest.mark.parametrize("method", ["lora", "stages", "soup"])
def test_what_the_pages_say_of_tuned_weights_loads_what_was_scored(
    place: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    result = next(result for result in of(place, method) if result.run.task == "date_normalise")
    said = {snippet.title: snippet.text for snippet in run_box(result).snippets}
    loaded: dict[str, Any] = {}
    exec(said["transformers"], loaded)
    _, *export = shlex.split(said["Weights as a folder, checked and merged"])
    finished = gainboard(place, *export, "--out", f"exported/{method}", "--json")
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert (told["form"], told["merged"], told["base"]) == ("model", True, str(small_model("toy-qwen3")))
    exported = loaded["AutoModelForCausalLM"].from_pretrained(told["folder"], dtype="auto")
    predictions = pandas.read_parquet(place / "results" / result.run.folder / "predictions.parquet").head(3)
    for model in (loaded["model"], exported):
        for row in predictions.itertuples():
            assert greedy(model, loaded["tokenizer"], row.prompt).startswith(row.completion)


def greedy(model: Any, tokenizer: Any, prompt: str) -> str:
    """What a model writes after a prompt."""
    tokens = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
    answer = model.generate(**tokens, do_sample=False, max_new_tokens=24)
    return str(tokenizer.decode(answer[0, tokens["input_ids"].shape[1] :], skip_special_tokens=True))


def test_weights_that_were_changed_are_not_exported(place: Path) -> None:
    result = next(result for result in of(place, "lora") if result.run.task == "ticket_routing")
    assert result.run.recipe is not None
    work = place / "spoilt"
    shutil.copytree(place / "work/trained" / result.run.recipe.key, work / "trained" / result.run.recipe.key)
    name = result.run.folder.as_posix()
    adapter = ("export", "--weights", name, "--work", "spoilt", "--adapter", "--out", "adapter")
    finished = gainboard(place, *adapter)
    assert finished.returncode == 0 and f"an adapter of {small_model('toy-qwen3')}" in finished.stdout
    assert (place / "adapter/adapter_model.safetensors").is_file()
    again = gainboard(place, *adapter)
    assert again.returncode == 2 and "adapter is there already" in again.stderr
    with (work / "trained" / result.run.recipe.key / "weights" / "adapter_model.safetensors").open(
        "r+b"
    ) as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\x01\x02\x03\x04")
    spoilt = gainboard(place, *adapter[:-1], "spoilt-copy")
    assert spoilt.returncode == 2 and "its files are not those that the training wrote" in spoilt.stderr
    assert not (place / "spoilt-copy").exists()


def test_events_tell_a_program_what_happened(place: Path) -> None:
    events = [json.loads(line) for line in (place / "events.jsonl").read_text().splitlines()]
    assert {event["event"] for event in events} >= {"phase", "job", "progress", "finished", "outcome"}
    finished = [event for event in events if event["event"] == "finished"]
    assert len(finished) == events[-1]["finished"] == 6 * TASKS * SEEDS + TASKS + 1 + TASKS
    assert all(0 <= event["value"] <= 1 for event in finished)


def test_a_second_start_finds_everything_done(place: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (place / "results").glob("**/result.json")}
    again = gainboard(place, *RUN, timeout=300)
    assert again.returncode == 0, again.stderr[-2000:]
    outcome = json.loads(again.stdout.splitlines()[-1])
    assert (outcome["finished"], outcome["already_done"]) == (0, len(before))
    assert before == {path: path.stat().st_mtime_ns for path in (place / "results").glob("**/result.json")}
