"""An executor that invents weights and answers: whole sweeps, without a model."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synthetic import training_record

from harness.driver.node import WaveReport
from harness.jsonl import read_jsonl
from harness.records.generation import GenerationRecord
from harness.records.store import write_record
from harness.sweep.recipe import Recipe
from harness.workers.jobs import BaseJob, WaveJob

RECORD = GenerationRecord(
    engine="invented", device="cpu", dtype="float32", chat_template=False, swap_seconds=0.0, generate_seconds=1.0,
    requests=2, prompt_tokens=2, completion_tokens=2, flops=1.0, peak_memory_bytes=1, energy_joules=None,
)  # fmt: skip


class InventedExecutor:
    """Trains nothing; answers right, but with adapters of rank 4; and remembers what was asked of it.

    `wrong`: answers everything wrong. `wait`: is called before anything is trained or answered.
    """

    workers, on_this_machine = 1, True

    def __init__(
        self, recipes: dict[str, Recipe], *, wrong: bool = False, wait: Callable[[], None] = lambda: None
    ) -> None:
        self._recipes, self._wrong, self._wait = recipes, wrong, wait
        self.trained: list[str] = []
        self.answered: list[tuple[str, Path | None]] = []

    @contextmanager
    def open(self, base: BaseJob, **_: Any) -> Iterator["InventedExecutor"]:
        yield self

    def execute(self, wave: WaveJob) -> WaveReport:
        self._wait()
        ranks = {fit.weights: fit.training.r for fit in wave.fits}
        for fit in wave.fits:
            if not fit.record.exists():
                self.trained.append(fit.key)
                fit.weights.mkdir(parents=True)
                write_record(fit.record, training_record(self._recipe(fit.key)))
        for ask in wave.asks:
            self.answered.append((ask.label, ask.weights))
            wrong = self._wrong or (ask.weights is not None and ranks.get(ask.weights) == 4)
            answers = [
                {
                    "place": place,
                    "draw": 0,
                    "id": row["id"],
                    "template": row["template"],
                    "prompt": "?",
                    "prompt_tokens": 1,
                }
                | {
                    "truncated": 0,
                    "completion": "?" if wrong else row["target"],
                    "completion_tokens": 1,
                    "finish_reason": "stop",
                }
                for place, row in enumerate(read_jsonl(ask.prompts))
            ]
            ask.completions.write_text(
                "".join(json.dumps(answer) + "\n" for answer in answers), encoding="utf-8"
            )
            write_record(ask.record, RECORD)
        return WaveReport([], [])

    def _recipe(self, key: str) -> Recipe:
        """One that is known, or of a trial whose settings the search chose: then any of its kind."""
        return self._recipes.get(key) or next(iter(self._recipes.values()))

    def close(self) -> None:
        pass
