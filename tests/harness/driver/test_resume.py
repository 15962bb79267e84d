"""A sweep that is killed at any moment ends, started again, as one that nobody disturbed."""

import json
import operator
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas
import pytest
from installed import need
from moments import MOMENTS, WRITES, driver_of, stopped_at, stopping_at
from toy_models import small_model

from harness.records.result import Result
from harness.records.store import read_record
from harness.workers.worker import PYTHON

need("trl", reason="needs the train extra")

KILLS = (
    "import",
    "training samples 1",
    "prompts 2",
    "spent 1",
    "checkpoint 1",
    "mid-checkpoint 2",
    "probes 1",
    "record of weights 1",
    "seal of weights 1",
    "weights 1",
    "training record 1",
    "canaries 1",
    "engine start 1",
    "mid-answers 5",
    "answers kept 1",
    "completions 1",
    "generation record 1",
    "end of checkpoints 1",
    "predictions 1",
    "inputs 1",
    "result 1",
    "lock of a run 1",
    "card 1",
)
"""The moment of each kill, between every two writes that finish something: where `moments` stops the start, and the
first while a worker imports its libraries. The number is that of the occurrence in this start."""

DAMAGED_AFTER = "predictions 1"
"""Everything is trained and answered by then, and nothing has a result."""

SWEEP = """
name = "often-killed"
tasks = ["ticket_routing"]
seeds = [0, 1]
n_train = 16

[defaults.training]
num_train_epochs = 2
per_device_train_batch_size = 4
eval_steps = 0.25
eval_samples = 4

[defaults.lora]
learning_rate = [1e-3, 5e-3]

[defaults.full]
learning_rate = 1e-3

[search]
rungs = 2

[[candidates]]
name = "toy"
model = "{model}"
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


def write_sweep(place: Path) -> None:
    (place / "sweep.toml").write_text(SWEEP.replace("{model}", str(small_model("toy-qwen3"))))


def start(place: Path, moment: str = "") -> subprocess.Popen[bytes]:
    """The sweep, which stops at a moment."""
    environment = stopping_at(moment, place)
    python = environment[PYTHON] if PYTHON in os.environ else sys.executable
    if moment == "import":
        del environment[PYTHON]
    # One model at a time, so that what is done by a moment does not depend on the others.
    options = ["run", "sweep.toml", "--limit", "12", "--engine", "transformers", "--workers", "1"]
    with (place / "log").open("ab") as log:
        return subprocess.Popen(
            [python, "-P", "-m", "moments", *options],
            cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def children_of(process: int) -> list[int]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(pid): int(parent) for pid, parent in map(str.split, listed.splitlines())}
    return [pid for pid, parent in parents.items() if parent == process]


def kill_at(place: Path, moment: str, *, all_at_once: bool) -> None:
    """Start the sweep, and kill it at a moment: the driver and its workers, as when the power goes, or the
    driver alone."""
    process = start(place, moment)
    deadline = time.monotonic() + 300
    while not (stopped := importing(place) if moment == "import" else stopped_at(place)):
        assert process.poll() is None, f"it ended before {moment!r}: {(place / 'log').read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"{moment!r} was not reached"
        time.sleep(0.02)
    (driver,) = driver_of(place)
    left = {*children_of(driver), *stopped} - {driver}
    os.kill(driver, signal.SIGKILL)
    for pid in left if all_at_once else ():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    while any(map(alive, left)):  # they see that the driver is gone
        assert time.monotonic() < deadline, "workers go on without their driver"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def importing(place: Path) -> list[int]:
    """Workers that have loaded torch, the first of what they import."""
    workers = [pid for driver in driver_of(place) for pid in children_of(driver)]
    return [pid for pid in workers if "libtorch" in Path(f"/proc/{pid}/maps").read_text()]


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
    write_sweep(place)
    assert start(place).wait(timeout=600) == 0, (place / "log").read_text()[-3000:]
    return place


@pytest.fixture(scope="module")
def undisturbed(quiet_place: Path) -> dict[str, Any]:
    return outcome(quiet_place)


def test_the_same_sweep_gives_the_same_predictions_and_metrics(
    quiet_place: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    write_sweep(tmp_path)
    assert start(tmp_path).wait(timeout=600) == 0, (tmp_path / "log").read_text()[-3000:]
    assert outcome(tmp_path) == undisturbed
    assert spent_on_trials(tmp_path) == spent_on_trials(quiet_place)


def test_every_moment_has_its_kill() -> None:
    assert {moment.rpartition(" ")[0] for moment in KILLS[1:]} == MOMENTS.keys() | WRITES.keys()


def damage(place: Path) -> list[Path]:
    """Spoil a file of each kind in the work folder; what it was that has to be made again."""
    work = place / "work"
    answered = sorted(work.glob("*/completions.jsonl"))
    answered[0].write_text(answered[0].read_text()[:-50])
    answered[1].with_name("generation.json").write_text("{")
    (work / "answers.sqlite").write_bytes(bytes(5000))
    for part in ("wal", "shm"):  # from which the file could be had back
        (work / f"answers.sqlite-{part}").unlink(missing_ok=True)
    recorded = min(work.glob("trained/*/training.json"))
    weights = max(work.glob("trained/*/weights/model.safetensors"))
    recorded.write_text("")
    contents = weights.read_bytes()
    weights.write_bytes(contents[:-8] + bytes(8))
    return [
        answered[0],
        answered[1].with_name("generation.json"),
        work / "answers.sqlite",
        recorded,
        weights.parent,
    ]


def test_a_sweep_killed_between_every_two_writes_and_damaged_ends_as_one_that_was_not(
    quiet_place: Path, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    write_sweep(tmp_path)
    before: dict[Path, int] = {}
    damaged: list[Path] = []
    for number, moment in enumerate(KILLS):
        kill_at(tmp_path, moment, all_at_once=number % 2 == 0)
        print("killed at", moment)
        now = finished(tmp_path)
        assert {path: now.get(path) for path in before} == before, "what was finished was done again"
        before = now
        if moment == DAMAGED_AFTER:
            damaged = damage(tmp_path)
            for path in damaged:
                before.pop(path, None)
                before.pop(path.with_name("training.json"), None)
    assert start(tmp_path).wait(timeout=600) == 0, (tmp_path / "log").read_text()[-3000:]
    assert outcome(tmp_path) == undisturbed
    spent, least = spent_on_trials(tmp_path), spent_on_trials(quiet_place)
    assert len(spent) == len(least) > 0 and all(map(operator.ge, spent, least))
    left = [path for path in (tmp_path / "results").rglob("*") if path.name.endswith(".tmp")]
    assert not left, "half-written files were left among the results"
    said = (tmp_path / "log").read_text()
    for path in damaged:
        assert path.with_name(f"{path.name}.damaged-1").exists()
        assert f"{path.relative_to(tmp_path)} is damaged (" in said
