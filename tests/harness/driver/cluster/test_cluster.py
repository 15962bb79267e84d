"""A sweep on several workers: of this machine, and of a real Ray cluster on it that loses nodes, its driver and its
head.

One cluster serves all these tests. Its nodes have no disk in common, neither with each other nor with the driver.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, environment
from installed import need
from places import ROOT
from ray_nodes import WITHOUT_TOKENS, RayCluster, RayNode, separate_disks

from harness.toys import toy_folder

need("ray", reason="needs the ray extra")
need("trl", reason="needs the train extra")

SWEEP = """
name = "spread"
tasks = ["ticket_routing"]
seeds = [0]
n_train = 32

[defaults.training]
max_steps = 12
per_device_train_batch_size = 4
eval_steps = 6
metric_for_best_model = "task_metric"
eval_samples = 4

[[candidates]]
name = "qwen"
model = "gainboard/toy-qwen3"
methods = ["lora"]

[[candidates]]
name = "llama"
model = "gainboard/toy-llama"
methods = ["full"]
"""


SECONDS = 1_200
"""The most that anything takes on a machine that does much else."""


def start(place: Path, *arguments: str, sweep: str = SWEEP) -> subprocess.Popen[str]:
    (place / "sweep.toml").write_text(sweep)
    command = [*COMMAND, "run", "sweep.toml", "--limit", "12", "--engine", "transformers", "--json"]
    return subprocess.Popen(
        [*command, *arguments],
        cwd=place,
        env=environment() | {"OMP_NUM_THREADS": "1"} | WITHOUT_TOKENS,  # workers side by side share the cores
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


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where sweeps on the cluster are started, each in a folder of its own: nodes have another disk there."""
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="module")
def cluster(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    """A head and two nodes."""
    if not separate_disks():
        pytest.skip("needs the right to have mounts of its own")
    with (
        pytest.MonkeyPatch.context() as patch,
        RayCluster(tmp_path_factory.mktemp("cluster"), shared) as started,
    ):
        for name, setting in WITHOUT_TOKENS.items():
            patch.setenv(name, setting)
        started.add("first", "second")
        yield started


def start_on(cluster: RayCluster, place: Path, *arguments: str, sweep: str = SWEEP) -> subprocess.Popen[str]:
    place.mkdir(exist_ok=True)
    return start(place, "--executor", "ray", "--address", cluster.address, *arguments, sweep=sweep)


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code, and all that it has not said yet."""
    said, errors = process.communicate(timeout=SECONDS)
    return process.returncode, said + errors


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not reached():
        assert process.poll() is None and time.monotonic() < deadline, ended(process)
        time.sleep(0.05)


def test_a_lost_node_costs_no_run_and_changes_no_result(
    local: dict[str, Any], cluster: RayCluster, shared: Path
) -> None:
    place = shared / "spread"
    process = start_on(cluster, place)
    assert process.stdout is not None
    events = []
    for line in process.stdout:
        events.append(json.loads(line))
        # Both base models are being worked on, so whichever node goes takes one of them with it.
        trained = {
            event["line"] for event in events if event["event"] == "progress" and event["phase"] == "train"
        }
        if len(trained) == 2:
            cluster.lose("first")
            break
    code, said = ended(process)
    assert code == 0, said[-4000:]
    notes = [json.loads(line)["text"] for line in said.splitlines() if '"note"' in line]
    lost = [note for note in notes if "a node was lost, and another goes on with what it had not" in note]
    assert len(lost) == 1 and ": first: " in lost[0], notes
    own = "its weights lie on node second alone, below"
    assert any(own in note and "--storage-path" in note for note in notes), notes
    assert outcome(place) == local
    records = [json.loads(path.read_text()) for path in place.glob("results/**/result.json")]
    assert {record["trainings"][0]["weights_at"] for record in records} == {"node second"}


THREE = """
name = "three-trainings"
tasks = ["ticket_routing"]
seeds = [0, 1, 2]
n_train = 32

[defaults.training]
num_train_epochs = 4
per_device_train_batch_size = 4
eval_steps = 0.25
eval_samples = 4

[[candidates]]
name = "qwen"
model = "gainboard/toy-qwen3"
methods = ["lora"]
"""


def weights_on(node: RayNode) -> dict[str, str]:
    """The records beside the weights that lie on a node, by the keys of their trainings."""
    return {
        path.parents[1].name: path.read_text()
        for path in node.disk.glob("three/work/trained/*/weights/training.json")
    }


def tokens_twice(trainings: list[dict[str, Any]], *nodes: RayNode) -> float:
    """Tokens that were trained on in vain: by nodes that did not end a training, but for what another went on
    from; and in trainings that a kill stopped between two checkpoints."""
    left = {
        path.parents[1].name: json.loads(path.read_text())["tokens"]
        for node in nodes
        for path in node.disk.glob("three/work/trained/*/checkpoints/spent.json")
    }
    twice = 0.0
    for training in trainings:
        if training["key"] in left:
            resumed = max(training["resumed_at"], default=0) / training["steps"]
            twice += left[training["key"]] - training["tokens"] * resumed
        else:
            twice += training["discarded"]["tokens"]
    return twice


def other_torch(folder: Path) -> dict[str, str]:
    """The environment of a node with another version of torch."""
    metadata = folder / "torch-9.9.9.dist-info/METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9.9\n")
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def test_a_killed_driver_and_a_preempted_node_cost_only_what_was_unfinished(
    cluster: RayCluster, shared: Path, tmp_path: Path
) -> None:
    """The driver is killed after the first of three trainings; the node is taken away after the second."""
    cluster.add("third")
    (misfit,) = cluster.add("misfit", environment=other_torch(tmp_path / "other"))
    place = shared / "three"
    options = ("--workers", "1", "--storage-path", str(tmp_path / "storage"))

    def came_back() -> dict[Path, dict[str, Any]]:
        """The records of trainings, but for their share of a start, which is known at the end."""
        records = {path: json.loads(path.read_text()) for path in place.glob("work/trained/*/training.json")}
        return {path: record | {"startup_seconds": 0.0} for path, record in records.items()}

    process = start_on(cluster, place, *options, sweep=THREE)
    wait_until(lambda: len(came_back()) >= 1, process)
    process.kill()
    process.communicate()
    finished = came_back()

    process = start_on(cluster, place, *options, sweep=THREE)
    wait_until(lambda: len(came_back()) >= 2, process)
    nodes = [node for node in cluster.nodes if node.process.poll() is None and node is not misfit]
    lost = max(nodes, key=lambda node: len(weights_on(node)))
    cluster.announce_preemption(lost)
    finished |= came_back()
    lost.lose()
    code, said = ended(process)
    assert code == 0, said[-4000:]
    assert f"goes on with what it had not finished: {lost.name}: it was preempted" in said
    assert "node misfit has another version than this machine of torch 9.9.9 (here: " in said
    assert not list(misfit.disk.iterdir()), "it has worked"
    assert {path: came_back()[path] for path in finished} == finished, "what was done was done again"

    results = [json.loads(path.read_text()) for path in place.glob("results/**/result.json")]
    trainings = [result["trainings"][0] for result in results]
    assert len(trainings) == 3
    for training in trainings:
        kept = Path(training["weights_at"])
        assert kept.is_relative_to(tmp_path / "storage") and (kept / "adapter_config.json").exists()
    needed = sum(training["tokens"] for training in trainings)
    twice = tokens_twice(trainings, *nodes)
    print(f"{twice:,.0f} of {needed:,} tokens were trained on twice")
    assert twice < needed * 2 / 3, "each fault may cost a part of one training"


def test_a_model_that_no_node_has_is_one_sentence(cluster: RayCluster, shared: Path) -> None:
    place = shared / "large"
    model = place / "model"
    shutil.copytree(toy_folder("toy-qwen3"), model)
    with (model / "notes.bin").open("wb") as file:
        file.truncate(65 << 20)  # more than travels
    sweep = THREE.replace("gainboard/toy-qwen3", str(model))
    code, said = ended(start_on(cluster, place, sweep=sweep))
    assert code == 1, said[-4000:]
    assert "no node of the cluster can work on it: node " in said
    assert f"it has no {model}; put it there under the same path" in said
    assert not list(place.glob("results/**/result.json"))


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


def test_a_lost_head_is_one_sentence(
    cluster: RayCluster, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Ray ends the sweep's process without a word, which is told to do so after 30 seconds rather than 60."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "30")
    place = shared / "headless"
    process = start_on(cluster, place, "--workers", "1", sweep=THREE)
    wait_until(lambda: bool(list(place.glob("work/*/prompts.jsonl"))), process)
    cluster.lose("head")
    code, said = ended(process)
    assert code == 2, said[-4000:]
    assert "then the same command: what has come back from" in said
    assert "Traceback" not in said
    assert not list(place.glob("results/**/failure.json"))
