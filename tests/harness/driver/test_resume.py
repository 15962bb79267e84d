"""A sweep that is killed at any moment ends, started again, as one that nobody disturbed."""

import json
import operator
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas
import pytest

import harness
from harness.records.result import Result
from harness.records.store import read_record

pytest.importorskip("trl", reason="needs the train extra")

KILLS = 20
LONGEST_LIFE = 14.0
"""Seconds from a start to its end by a kill, at most: some die before they train, some while they answer."""

SWEEP = """
name = "often-killed"
tasks = ["ticket_routing"]
seeds = [0, 1]
n_train = 64

[defaults.training]
num_train_epochs = 6
per_device_train_batch_size = 8
eval_steps = 0.1

[defaults.lora]
learning_rate = [1e-3, 5e-3]

[defaults.full]
learning_rate = 1e-3

[search]
rungs = 2

[[candidates]]
name = "toy"
model = "gainboard/toy-qwen3"
methods = ["zero_shot", "lora", "full"]

[[ensembles]]
name = "votes"
method = "vote"
members = ["toy/full"]
"""

VOLATILE = {"cost", "provenance", "generation", "key"}
"""What a result says of time and place; of a training, those of its fields below."""

VOLATILE_IN_TRAINING = {
    "startup_seconds", "load_seconds", "train_seconds", "peak_memory_bytes", "energy_joules", "resumed_at", "discarded",
}  # fmt: skip


def start(place: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(Path(harness.__file__).parents[1])}
    command = [
        sys.executable,
        "-m",
        "harness.cli",
        "run",
        "sweep.toml",
        "--limit",
        "12",
        "--engine",
        "transformers",
    ]
    with (place / "log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True
        )


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """The driver and its workers at once, as when the power goes."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}
    for pid in [process.pid, *(pid for pid, parent in parents.items() if parent == process.pid)]:
        os.kill(pid, signal.SIGKILL)


def finished(place: Path) -> dict[Path, int]:
    """What must not be done again, and when it was done."""
    found = [*(place / "results").glob("**/result.json"), *(place / "work").glob("trained/*/training.json")]
    return {path: path.stat().st_mtime_ns for path in found}


def outcome(place: Path) -> dict[str, Any]:
    """Every result without its times, and its predictions."""
    found = {}
    for path in sorted((place / "results").glob("**/result.json")):
        result = read_record(path, Result)
        record = result.model_dump(mode="json", exclude=VOLATILE)
        for training in record["trainings"]:
            for curve in (training["train_curve"], training["dev_curve"]):
                for point in curve:
                    del point["tokens_per_second"]
            for name in VOLATILE_IN_TRAINING:
                del training[name]
        for trial in (record["selection"] or {}).get("trials", ()):
            del trial["spent"]  # with what stops threw away, which depends on when they came
        table = pandas.read_parquet(path.parent / "predictions.parquet")
        found[result.run.label] = (record, json.loads(table.to_json(orient="records")))
    return found


def spent_on_trials(place: Path) -> list[float]:
    """Tokens and operations of every trial of every run, those that were thrown away among them."""
    results = [read_record(path, Result) for path in sorted((place / "results").glob("**/result.json"))]
    trials = [trial for result in results if result.selection for trial in result.selection.trials]
    return [figure for trial in trials for figure in (trial.spent.tokens, trial.spent.flops)]


@pytest.fixture(scope="module")
def quiet_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sweep was run that nobody disturbed."""
    place = tmp_path_factory.mktemp("undisturbed")
    (place / "sweep.toml").write_text(SWEEP)
    assert start(place).wait(timeout=600) == 0, (place / "log").read_text()[-3000:]
    return place


@pytest.fixture(scope="module")
def undisturbed(quiet_place: Path) -> dict[str, Any]:
    return outcome(quiet_place)


def test_the_same_sweep_gives_the_same_predictions_and_metrics(
    quiet_place: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "sweep.toml").write_text(SWEEP)
    assert start(tmp_path).wait(timeout=600) == 0, (tmp_path / "log").read_text()[-3000:]
    assert outcome(tmp_path) == undisturbed
    assert spent_on_trials(tmp_path) == spent_on_trials(quiet_place)


def test_a_sweep_killed_twenty_times_ends_as_one_that_was_not(
    quiet_place: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "sweep.toml").write_text(SWEEP)
    draws = random.Random(0)
    before: dict[Path, int] = {}
    for number in range(KILLS):
        process = start(tmp_path)
        time.sleep(draws.uniform(0.5, LONGEST_LIFE))
        if number % 2:
            process.send_signal(signal.SIGKILL)
            time.sleep(1.5)  # its workers see that it is gone
        else:
            kill_all(process)
        process.wait()
        now = finished(tmp_path)
        assert {path: now.get(path) for path in before} == before, "what was finished was done again"
        before = now
    assert start(tmp_path).wait(timeout=600) == 0, (tmp_path / "log").read_text()[-3000:]
    assert outcome(tmp_path) == undisturbed
    spent, least = spent_on_trials(tmp_path), spent_on_trials(quiet_place)
    assert len(spent) == len(least) > 0 and all(map(operator.ge, spent, least))
    left = [path for path in (tmp_path / "results").rglob("*") if path.name.endswith(".tmp")]
    assert not left, "half-written files were left among the results"
