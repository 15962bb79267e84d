"""Answer dev prompts with a model in the middle of its training, and have the driver judge the answers."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.engines.scoring import ScoringWorker
from harness.engines.transformers import LoadedEngine
from harness.jsonl import read_jsonl
from harness.records.generation import GenerationRecord
from harness.records.store import atomic_write
from harness.workers.jobs import AskJob
from harness.workers.worker import ask_driver


@dataclass(frozen=True)
class Judged:
    """What the task's metric says of a model."""

    value: float
    higher_is_better: bool
    tokens: int
    """Read and written for the answers."""


class Judge:
    """Judges a model as often as it is asked to, by the same prompts: the first so many of dev."""

    def __init__(self, ask: AskJob, tokenizer: Any, *, samples: int, folder: Path) -> None:
        prompts = folder / "judged.jsonl"
        with ask.prompts.open(encoding="utf-8") as rows, atomic_write(prompts) as file:
            file.writelines(islice(rows, samples))
        self._samples = sum(1 for _ in read_jsonl(prompts))
        own = {"prompts": str(prompts), "weights": None, "tuner": None, "time_uncached": False}
        self._job = {"asks": [ask.model_dump(mode="json") | own]}
        self._completions, self._tokenizer = ask.completions, tokenizer

    def __call__(self, model: Any, step: int) -> Judged:
        """`model`: a causal language model of transformers, with or without layers of an adapter in it."""
        own_settings = model.generation_config
        try:
            worker = ScoringWorker(LoadedEngine(model, self._tokenizer))
            (record,) = worker(self._job, lambda _: None)["records"]
        finally:
            model.generation_config = own_settings
        written = GenerationRecord.model_validate(record)
        answer = ask_driver({"completions": str(self._completions), "samples": self._samples, "step": step})
        return Judged(
            float(answer["value"]),
            bool(answer["higher_is_better"]),
            written.prompt_tokens + written.completion_tokens,
        )
