"""A model that does not fit the machine is told before it is loaded."""

from pathlib import Path
from typing import Any

import pytest
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.runs import make_runs
from harness.preflight import room
from harness.preflight.room import room_findings
from harness.records.preflight import PreflightFinding
from harness.sweep.sweep import Sweep

TASKS = {"adding": LoadedTask(adding(), load_dataset(adding()))}


def findings(model: str, *methods: str) -> list[PreflightFinding]:
    declared: dict[str, Any] = {
        "name": "s",
        "tasks": ["adding"],
        "seeds": [0],
        "candidates": [{"name": "a", "model": model, "methods": methods}],
    }
    runs = make_runs(
        Sweep.model_validate(declared), TASKS, fingerprint=lambda model, revision: "f", limit=None
    )
    return room_findings(runs, TASKS, work=Path("work"), devices=1)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20 MB of memory and 20 MB of disk."""
    monkeypatch.setattr(room, "memory_bytes", lambda: 20_000_000)
    monkeypatch.setattr(room, "free_disk_bytes", lambda folder: 20_000_000)


def test_a_training_that_cannot_fit_is_refused_and_what_is_too_large_for_the_disk_is_told() -> None:
    memory, disk = findings("gainboard/toy-llama", "zero_shot", "lora", "full")
    assert (memory.severity, memory.fact, memory.candidate) == ("refuse", "memory", "a")
    assert memory.sentence.startswith(
        "training it (full) takes at least 21 MB of memory for its 1.3 million parameters, before "
        "activations, and this machine has 20 MB; tune adapters beside fewer bits (lora, qlora), "
        "or take a smaller model"
    )
    assert (disk.severity, disk.fact) == ("warn", "disk")


def test_a_model_that_fits_is_no_finding() -> None:
    assert findings("gainboard/toy-llama", "zero_shot", "lora") == []


def test_a_model_that_only_its_name_says_to_be_too_large_is_not_refused() -> None:
    (finding,) = findings("x/a-1b", "zero_shot")
    assert finding.severity == "warn"
    assert "billion parameters, judged by its name, before activations, and this machine has 20 MB" in (
        finding.sentence
    )


def test_nothing_is_said_where_the_machine_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "memory_bytes", lambda: None)
    assert findings("x/a-1b", "zero_shot") == []
