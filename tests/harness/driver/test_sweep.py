"""The main job as a user runs it: real training, real vLLM, results on disk, pages; and again after things
went wrong."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from commands import COMMAND
from installed import need
from moments import stopped_at, stopping_at
from places import TESTS
from toy_models import small_model

import harness
from harness.analysis.boundary.reread import CHECKED
from harness.records.result import Result
from harness.records.store import read_record
from harness.workers.worker import PYTHON

need("trl", reason="needs the train extra")

SWEEP = """
name = "small"
tasks = ["ticket_routing", "riddles"]
seeds = [0, 1]
n_train = [16, 32]
templates = "all"
num_fewshot = 2

[defaults.training]
max_steps = 6
per_device_train_batch_size = 4
eval_steps = 3
eval_samples = 4

[defaults.full]
learning_rate = 2e-3

[[candidates]]
name = "toy"
model = "{model}"

[[candidates]]
name = "hot"
model = "{model}"
methods = ["full"]
[candidates.full]
learning_rate = {rate}
max_grad_norm = 0.0
"""

RIDDLES = TESTS / "data" / "gainboard_riddles"


def sweep(*, rate: str) -> str:
    """The sweep's file. `rate`: what the second candidate learns at."""
    return SWEEP.format(model=small_model("toy-qwen3"), rate=rate)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with a sweep whose second candidate diverges, and a third party's task installed by
    pip."""
    folder = tmp_path_factory.mktemp("sweep")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run(
        [*pip, "--target", str(folder / "installed"), str(RIDDLES)], check=True, capture_output=True
    )
    (folder / "sweep.toml").write_text(sweep(rate="1e15"))
    return folder


def environment(place: Path, *, forked: bool = True) -> dict[str, str]:
    """`forked`: workers may be; otherwise each imports its libraries, as a user's do."""
    paths = [str(place / "installed"), str(Path(harness.__file__).parents[1])]
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    if not forked:
        variables.pop(PYTHON, None)
    return variables


def gainboard(place: Path, *arguments: str, forked: bool = True) -> subprocess.CompletedProcess[str]:
    command = COMMAND if forked else (sys.executable, "-m", "harness.cli")
    return subprocess.run(
        [*command, *arguments], cwd=place, env=environment(place, forked=forked), capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip


@pytest.fixture(scope="module")
def first(place: Path) -> subprocess.CompletedProcess[str]:
    """The first start of the sweep, with workers that start as a user's do."""
    return gainboard(place, "run", "sweep.toml", "--limit", "24", "--json", forked=False)


def told(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The outcome, which is the last event."""
    *_, last = (json.loads(line) for line in finished.stdout.splitlines())
    assert last["event"] == "outcome"
    return dict(last)


def results(place: Path) -> list[Result]:
    return [read_record(path, Result) for path in sorted((place / "results").glob("**/result.json"))]


def test_the_installed_task_is_listed_beside_the_bundled_ones(place: Path) -> None:
    listed = gainboard(place, "list", "tasks", "--json")
    assert {"riddles", "date_normalise", "ticket_routing"} <= {
        row["task"] for row in json.loads(listed.stdout)
    }


def test_a_failed_run_is_recorded_and_stops_no_other(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    assert first.returncode == 1, first.stderr
    outcome = told(first)
    # Two seeds of zero-shot, few-shot, and LoRA and full on two budgets; of the riddles there is but one to
    # train on.
    assert outcome["finished"] == 2 * ((2 + 2 * 2) + (2 + 2))
    assert [failure["phase"] for failure in outcome["failed"]] == ["train"] * 6
    assert all("lower learning_rate" in failure["reason"] for failure in outcome["failed"])
    failures = sorted((place / "results").glob("hot/**/failure.json"))
    assert len(failures) == 6
    assert "lower learning_rate" in failures[0].read_text()


def test_every_arm_has_predictions_in_data_set_order_with_prompts_and_scores(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    for result in results(place):
        table = pandas.read_parquet(place / "results" / result.run.folder / "predictions.parquet")
        expected = 24 if result.run.task == "ticket_routing" else 1
        templates = result.run.templates
        assert templates == (
            ("plain", "instruction", "short") if result.run.task == "ticket_routing" else ("plain",)
        )
        assert list(table["sample_id"]) == [str(index) for index in range(expected)] * len(templates)
        assert list(table["template"]) == [template for template in templates for _ in range(expected)]
        metric = result.metrics[result.task.primary_metric]
        assert metric.n == expected
        assert metric.value == pytest.approx(table[f"score_{result.task.primary_metric}"].mean())
        assert metric.low <= metric.value <= metric.high
        assert table["prompt"].str.endswith("Answer:<|end|><|assistant|>").all()
        shots = table["prompt"][0].count("<|assistant|>") - 1
        assert (
            shots
            == result.run.num_fewshot
            == (0 if result.run.candidate.method != "few_shot" else min(2, result.task.n_train))
        )


def test_every_run_was_checked_to_be_answered_by_its_own_weights(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    for result in results(place):
        assert result.untrusted is None
        if result.generation.reused_requests < result.generation.requests:
            tuned = result.run.candidate.method in ("lora", "full")
            of_tuned = ["differs_from_base", "matches_training"] if tuned else []
            names = ["matches_transformers", *of_tuned, "base_repeats"]
            assert [guard.name for guard in result.generation.guards] == names


def test_a_greedy_arm_without_training_is_generated_once_for_all_seeds(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    arms = [result for result in results(place) if result.run.candidate.method == "zero_shot"]
    reused = sorted((result.run.seed, result.generation.reused_requests) for result in arms)
    assert [count > 0 for _, count in reused] == [seed > 0 for seed, _ in reused]
    assert all(result.cost.requests_per_second > 0 for result in arms)


def test_costs_are_measured_for_every_run(place: Path, first: subprocess.CompletedProcess[str]) -> None:
    for result in results(place):
        cost = result.cost
        phases = {"engine_startup", "swap", "guard", "generate", "score"}
        tuned = result.run.candidate.method in ("lora", "full")
        assert set(cost.seconds) == (phases | {"train_startup", "train", "discarded"} if tuned else phases)
        assert cost.seconds["generate"] > 0
        assert cost.seconds["engine_startup"] > 0
        assert cost.requests_per_second == pytest.approx(cost.requests / cost.seconds["generate"])
        table = pandas.read_parquet(place / "results" / result.run.folder / "predictions.parquet")
        assert cost.prompt_tokens == table["prompt_tokens"].sum()
        assert cost.completion_tokens == table["completion_tokens"].sum()
        assert 0 <= result.generation.cached_prompt_tokens <= cost.prompt_tokens
        assert cost.peak_memory_bytes["generate"] > 2**20
        assert (cost.train_tokens > 0) == (cost.train_flops > 0) == tuned
        assert result.provenance.engine.startswith("vllm") == (harness_engine() == "vllm")


def harness_engine() -> str:
    from harness.sweep.engines import default_engine

    return default_engine()


def test_a_dry_run_tells_the_tokens_of_every_method_within_a_factor_of_two(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    """Of prompts to which the chat template adds its marks."""
    command = ("run", "sweep.toml", "--limit", "24", "--dry-run", "--json", "--results", "none")
    forecasts = {run["run"]: run for run in json.loads(gainboard(place, *command).stdout)["runs"]}
    told, measured = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for result in results(place):
        forecast, cost, method = forecasts[result.run.label], result.cost, result.run.candidate.method
        assert forecast["is_counted"]
        told[method, "train"] += forecast["train_tokens"]
        measured[method, "train"] += cost.train_tokens
        told[method, "score"] += forecast["score_tokens"]
        if forecast["score_tokens"]:  # what another seed was asked is told once
            measured[method, "score"] += cost.prompt_tokens + cost.completion_tokens
    assert {method for method, _ in measured} == {"zero_shot", "few_shot", "lora", "full"}
    for phase, tokens in measured.items():
        assert tokens / 2 <= told[phase] <= 2 * tokens, phase


def test_the_same_command_tries_the_failed_run_again_and_repeats_no_other(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in (place / "results").glob("toy/**/*")}
    (place / "sweep.toml").write_text(sweep(rate="1e-3"))
    again = gainboard(place, "run", "sweep.toml", "--limit", "24", "--json")
    assert again.returncode == 0, again.stderr
    outcome = told(again)
    assert (outcome["already_done"], outcome["finished"], outcome["failed"]) == (20, 6, [])
    assert before == {path: path.stat().st_mtime_ns for path in (place / "results").glob("toy/**/*")}
    assert not list((place / "results").glob("**/failure.json"))


def test_results_are_one_table(place: Path, first: subprocess.CompletedProcess[str]) -> None:
    table = harness.load_results(place / "results")
    primary = table[table["primary"]]
    assert set(primary["method"]) == {"zero_shot", "few_shot", "lora", "full"}
    assert primary["value"].between(0, 1).all()
    assert (primary.groupby("method")["train_tokens"].max()[["lora", "full"]] > 0).all()


def test_scoring_again_changes_nothing_when_no_metric_changed(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    before = {result.key: (result.metrics, result.samples) for result in results(place)}
    scored = gainboard(place, "score")
    assert scored.returncode == 0, scored.stderr
    assert {result.key: (result.metrics, result.samples) for result in results(place)} == before


def test_another_configuration_at_the_same_path_is_refused_with_the_difference(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    refused = gainboard(place, "run", "sweep.toml", "--limit", "12")
    assert refused.returncode == 2
    assert "limit is 24 there, 12 here" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_weights_read_anew_weigh_the_choices_as_they_were_scored(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    arm = "toy/lora/ticket_routing-v2/n-32"
    finished = gainboard(place, "analyse", arm, "--json", "--samples", "30")
    assert finished.returncode == 0, finished.stderr
    (record,) = json.loads(finished.stdout)
    boundary = record["boundary"]
    assert boundary["agreement"] == 1.0 and [one["arm"] for one in boundary["maps"]] == ["zero_shot", "lora"]
    assert [one["n"] for one in boundary["margins"]] == [24, 24]
    assert [one["arm"] for one in boundary["passes"]] == ["zero_shot", "lora", "lora"]
    passes = [
        path
        for path in (place / "work" / "passes").glob("*.json")
        if json.loads(path.read_text())["samples"] == 39
    ]
    for path in passes:
        method = json.loads(path.read_text())["arm"]
        folder = arm if method == "lora" else "toy/zero_shot/ticket_routing-v2"
        table = pandas.read_parquet(place / "results" / folder / "seed-0" / "predictions.parquet")
        readings = numpy.load(path.with_suffix(".npz"))
        scored = table[table["template"] == "plain"]["choice_logprobs"].tolist()
        for place_of_sample, logprobs in enumerate(scored[:CHECKED]):
            assert readings[f"{place_of_sample}.logprobs"] == pytest.approx(logprobs, abs=1e-3)
    assert len(passes) == 2
    again = gainboard(place, "analyse", arm, "--json", "--samples", "30")
    assert json.loads(again.stdout) == [record] and "reading" not in again.stderr


def test_publishing_gives_a_site_that_names_the_verdict(
    place: Path, first: subprocess.CompletedProcess[str]
) -> None:
    published = gainboard(place, "publish")
    assert published.returncode == 0, published.stderr
    index = (place / "site" / "index.html").read_text()
    assert "site/index.html" in published.stdout
    assert "toy" in index
    exported: Any = json.loads((place / "site" / "data" / "leaderboard.json").read_text())
    assert exported


INTERRUPTED = """
name = "interrupted"
tasks = ["ticket_routing"]
seeds = {seeds}
n_train = 16
[defaults.training]
max_steps = 4
per_device_train_batch_size = 4
eval_steps = 2
eval_samples = 4
[[candidates]]
name = "toy"
model = "{model}"
methods = ["lora"]
"""


def interrupted(seeds: str) -> str:
    return INTERRUPTED.format(model=small_model("toy-qwen3"), seeds=seeds)


def hear_all_signals() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so does all that this starts."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


INTERRUPTED_RUN = [*COMMAND, "run", "sweep.toml", "--limit", "8", "--engine", "transformers"]


def stopped(folder: Path, moment: str) -> subprocess.Popen[str]:
    """The interrupted sweep's driver, one of whose workers has come to a moment and waits there."""
    process = subprocess.Popen(
        INTERRUPTED_RUN, cwd=folder, env=stopping_at(moment, folder), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, preexec_fn=hear_all_signals,
    )  # fmt: skip
    deadline = time.monotonic() + 300
    while not stopped_at(folder):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_what_stops_a_sweep_keeps_what_was_finished_and_the_same_command_goes_on(
    place: Path, tmp_path: Path
) -> None:
    """Whenever the engine begins to start. The last time the sweep's reader is gone by then."""
    (tmp_path / "sweep.toml").write_text(interrupted("[0, 1, 2]"))
    kept: dict[Path, int] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = stopped(tmp_path, "engine start 1")
        kept = kept or {
            path: path.stat().st_mtime_ns for path in (tmp_path / "work").glob("trained/*/training.json")
        }
        assert kept
        if number == signal.SIGHUP:
            assert process.stdout is not None
            process.stdout.close()
            process.stdout = None
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        if said is not None:
            assert "the same command goes on from here: " in said
            assert "Traceback" not in said
        assert not list((tmp_path / "results").glob("**/result.json"))
    again = subprocess.run(
        INTERRUPTED_RUN, cwd=tmp_path, env=environment(place), capture_output=True, text=True, timeout=600
    )
    assert again.returncode == 0, again.stderr
    assert len(list((tmp_path / "results").glob("**/result.json"))) == 3
    assert kept == {path: path.stat().st_mtime_ns for path in kept}, "what was trained is not trained again"


def test_an_engine_that_dies_costs_its_runs_and_not_the_trained_weights(place: Path, tmp_path: Path) -> None:
    """The engine's process is killed from outside while it starts, and so is the one that is started instead;
    the next start only generates."""
    (tmp_path / "sweep.toml").write_text(interrupted("[0]"))
    process = stopped(tmp_path, "engine start 1")
    (first,) = stopped_at(tmp_path)
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 300
    while (engine := stopped_at(tmp_path)[0]) == first:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(engine, signal.SIGKILL)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "it is started again" in said
    assert "generate failed: the engines worker was killed by signal SIGKILL" in said
    (trained,) = (tmp_path / "work").glob("trained/*/training.json")
    before = trained.stat().st_mtime_ns
    again = subprocess.run(
        INTERRUPTED_RUN, cwd=tmp_path, env=environment(place), capture_output=True, text=True, timeout=600
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert trained.stat().st_mtime_ns == before
