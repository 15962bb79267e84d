"""A sweep on several workers: of this machine, and of a real Ray cluster on it that loses a node in the
middle."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, environment
from places import ROOT

ray = pytest.importorskip("ray", reason="needs the ray extra")
pytest.importorskip("trl", reason="needs the train extra")

SWEEP = """
name = "spread"
tasks = ["ticket_routing"]
seeds = [0]
n_train = 32

[defaults.training]
max_steps = 12
per_device_train_batch_size = 8
eval_steps = 6
metric_for_best_model = "task_metric"
eval_samples = 8

[[candidates]]
name = "qwen"
model = "gainboard/toy-qwen3"
methods = ["lora"]

[[candidates]]
name = "llama"
model = "gainboard/toy-llama"
methods = ["full"]
"""


def start(place: Path, *arguments: str) -> subprocess.Popen[str]:
    (place / "sweep.toml").write_text(SWEEP)
    command = [*COMMAND, "run", "sweep.toml", "--limit", "12", "--engine", "transformers", "--json"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=place,
        env=environment() | {"OMP_NUM_THREADS": "1"},  # workers side by side share the cores
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcome(place: Path) -> dict[str, Any]:
    """Metrics and predictions of every run."""
    import pandas

    found = {}
    for path in sorted((place / "results").glob("**/result.json")):
        record = json.loads(path.read_text())
        table = pandas.read_parquet(path.parent / "predictions.parquet")
        found[str(path.parent.relative_to(place))] = (
            record["metrics"],
            json.loads(table.to_json(orient="records")),
        )
    return found


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("local")
    said, errors = (process := start(place)).communicate(timeout=600)
    assert process.returncode == 0, said[-2000:] + errors[-2000:]
    return outcome(place)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Nobody should wait half a minute to learn that a node is gone.
    monkeypatch.setenv("RAY_health_check_period_ms", "500")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "3")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield made
    made.shutdown()


def test_a_lost_node_costs_no_run_and_changes_no_result(
    local: dict[str, Any], cluster: Any, tmp_path: Path
) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    cluster.wait_for_nodes()
    process = start(tmp_path, "--executor", "ray", "--address", cluster.address)
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        # Both base models are being worked on, so whichever node goes takes one of them with it.
        trained = {
            event["line"] for event in events if event["event"] == "progress" and event["phase"] == "train"
        }
        if len(trained) == 2:
            cluster.remove_node(nodes[0], allow_graceful=False)
            break
    said, errors = process.communicate(timeout=600)
    assert process.returncode == 0, said[-2000:] + errors[-2000:]
    notes = [json.loads(line)["text"] for line in said.splitlines() if '"note"' in line]
    assert any("a node was lost, and its work begins again elsewhere" in note for note in notes), notes
    assert outcome(tmp_path) == local


def test_a_cluster_is_started_on_this_machine_when_none_is_named(
    local: dict[str, Any], tmp_path: Path
) -> None:
    said, errors = (process := start(tmp_path, "--executor", "ray")).communicate(timeout=600)
    assert process.returncode == 0, said[-2000:] + errors[-2000:]
    assert outcome(tmp_path) == local


def test_two_local_workers_give_what_one_gives(local: dict[str, Any], tmp_path: Path) -> None:
    said, errors = (process := start(tmp_path, "--workers", "2")).communicate(timeout=600)
    assert process.returncode == 0, said[-2000:] + errors[-2000:]
    lines = [event["line"] for event in map(json.loads, said.splitlines()) if event["event"] == "phase"]
    assert lines.index("llama") < len(lines) - 1 - lines[::-1].index("qwen"), (
        "both base models were worked on side by side"
    )
    assert outcome(tmp_path) == local


def test_a_cluster_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    said, errors = (process := start(tmp_path, "--executor", "ray", "--address", "127.0.0.1:1")).communicate(
        timeout=300
    )
    assert process.returncode == 2, said
    assert "no Ray cluster answers at 127.0.0.1:1" in errors
    assert "Traceback" not in errors.rsplit("gainboard:", 1)[-1]


def test_an_address_without_ray_is_refused(tmp_path: Path) -> None:
    said, errors = (process := start(tmp_path, "--address", "auto")).communicate(timeout=60)
    assert process.returncode == 2, said
    assert "--address is that of a Ray cluster; add --executor ray" in errors
