"""Engine processes that are invented: a real one runs out of memory on no CPU, and few machines serve
adapters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.driver import lane

RECORD = {
    "engine": "invented", "device": "cpu", "dtype": "float32", "chat_template": False, "swap_seconds": 0.0,
    "generate_seconds": 1.0, "requests": 2, "prompt_tokens": 2, "completion_tokens": 2, "flops": 1.0,
    "peak_memory_bytes": 1, "energy_joules": None,
}  # fmt: skip

Answer = Callable[["InventedWorker", dict[str, Any]], Any]


class InventedWorker:
    """Stands in for an engine process; what it answers is up to the test."""

    started: list["InventedWorker"]
    answer: Answer
    startup_seconds = 3.0

    deaths_at_start: list[Exception]

    def __init__(
        self, module: str, options: list[str], *, log: Path, environment: dict[str, str], report: Any
    ) -> None:
        if self.deaths_at_start:
            raise self.deaths_at_start.pop(0)
        self.settings = json.loads(options[options.index("--settings") + 1])
        self.canaries = Path(options[options.index("--canaries") + 1])
        self.environment, self.jobs, self.closed = environment, list[dict[str, Any]](), False
        self.started.append(self)

    def request(self, job: dict[str, Any], report: Any) -> Any:
        self.jobs.append(job)
        answer = type(self).answer(self, job)
        if isinstance(answer, Exception):
            raise answer
        return answer or ({"guard": None} if "finish" in job else {"records": [RECORD] * len(job["asks"])})

    def close(self) -> None:
        self.closed = True


def in_place_of_engines(monkeypatch: pytest.MonkeyPatch) -> type[InventedWorker]:
    """Until the test ends; none is started yet, and all goes well."""
    monkeypatch.setattr(InventedWorker, "started", [], raising=False)
    monkeypatch.setattr(InventedWorker, "deaths_at_start", [], raising=False)
    monkeypatch.setattr(InventedWorker, "answer", lambda worker, job: None, raising=False)
    monkeypatch.setattr(lane, "Worker", InventedWorker)
    return InventedWorker
