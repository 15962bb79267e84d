"""Answer dev prompts with a model in the middle of its training, and have the driver judge the answers."""

from collections.abc import Callable
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
from harness.workers.worker import Message, ask_driver


@dataclass(frozen=True)
class DevScore:
    """What a model scores on the task's metric, on dev."""

    value: float
    higher_is_better: bool
    tokens: int
    """Prompt and answer tokens that it took."""


Judge = Callable[[Any, int, Callable[[], None]], DevScore]
"""(model, step, called while answers come) → what the model scores."""


class DevJudge:
    """Judges the model at every evaluation by the same prompts: the first `samples` of dev."""

    def __init__(self, ask: AskJob, tokenizer: Any, *, samples: int, folder: Path) -> None:
        prompts = folder / "judged.jsonl"
        with ask.prompts.open(encoding="utf-8") as rows, atomic_write(prompts) as file:
            file.writelines(islice(rows, samples))
        self._samples = sum(1 for _ in read_jsonl(prompts))
        # The model in training answers, not weights on disk.
        changes = {"prompts": str(prompts), "weights": None, "tuner": None, "time_uncached": False}
        self._job = {"asks": [ask.model_dump(mode="json") | changes]}
        self._completions, self._tokenizer = ask.completions, tokenizer

    def __call__(self, model: Any, step: int, still_answering: Callable[[], None]) -> DevScore:
        """`model`: a causal language model of transformers, which may have an adapter's layers in it."""

        def hear(_: Message) -> None:
            still_answering()

        settings = model.generation_config
        try:
            worker = ScoringWorker(LoadedEngine(model, self._tokenizer))
            (record,) = worker(self._job, hear)["records"]
        finally:
            model.generation_config = settings
        generation = GenerationRecord.model_validate(record)
        answer = ask_driver({"completions": str(self._completions), "samples": self._samples, "step": step})
        return DevScore(
            float(answer["value"]),
            bool(answer["higher_is_better"]),
            generation.prompt_tokens + generation.completion_tokens,
        )
