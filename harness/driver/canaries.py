"""Choose the prompts that every arm of an engine is checked with."""

import json
from collections.abc import Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Any

from harness.jsonl import read_jsonl
from harness.records.store import atomic_write
from harness.sweep.prompting import Prompting
from harness.task import Output
from harness.workers.jobs import AskJob
from harness.workers.worker import Message

CANARIES, LOOKED_AT = 6, 50
"""Prompts that every arm is checked with, and of how many of a run's first they are the longest."""


def write_canaries(path: Path, asks: Sequence[AskJob]) -> None:
    """Long prompts of the sweep's own, from as many tasks and arms as there is room for."""
    firsts = {(ask.task, ask.num_fewshot): ask for ask in reversed(asks)}.values()
    # The longest prompt of each, then the second of each, and so on.
    ranked = chain.from_iterable(zip_longest(*(_long_prompts(ask) for ask in firsts)))
    rows = [row for row in ranked if row is not None]
    with atomic_write(path) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows[:CANARIES])


def _long_prompts(ask: AskJob) -> list[Message]:
    rows = islice(read_jsonl(ask.prompts), LOOKED_AT)
    prompts = [_canary(row, ask.output) for row in rows]
    prompts.sort(key=_length, reverse=True)
    prompting = Prompting(**ask.prompting).model_dump(mode="json")
    return [{"prompt": prompt, **prompting} for prompt in prompts[:CANARIES]]


def _canary(row: Message, output: Output) -> dict[str, Any]:
    """A prompt; for a text that is measured with the text's beginning, as there may be nothing before it."""
    prompt: dict[str, Any] = row["prompt"]
    if output != "perplexity":
        return prompt
    return {"messages": [], "text": prompt["text"] + prompt["before"] + row["target"][:2000]}


def _length(prompt: dict[str, Any]) -> int:
    return len(prompt["text"])
