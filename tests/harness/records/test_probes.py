"""What is kept of a training's prompts is rendered as it was, when scoring reads it again."""

import json
from pathlib import Path
from typing import Any

from harness.records.probes import Probe, TrainingProbes
from harness.records.store import read_record, write_record

PLAIN: dict[str, Any] = {"text": "1 + 1", "messages": [{"role": "user", "content": "1 + 1"}]}
TOOL = {"name": "book", "description": "Book a table.", "parameters": {"type": "object", "properties": {}}}
CALLING: dict[str, Any] = PLAIN | {"tools": [{"type": "function", "function": TOOL}]}


def test_the_keys_of_functions_keep_their_order(tmp_path: Path) -> None:
    probes = tuple(
        Probe(prompt=prompt, target="2", prompt_tokens=(1,), answer_tokens=(2,), logprobs=(-1.0,))
        for prompt in (PLAIN, CALLING)
    )
    write_record(tmp_path / "p.json", TrainingProbes(dtype="float32", four_bits=False, probes=probes))
    plain, calling = read_record(tmp_path / "p.json", TrainingProbes).probes
    assert plain.prompt == PLAIN
    assert json.dumps(calling.prompt) == json.dumps(CALLING)
    written = json.loads((tmp_path / "p.json").read_text())["probes"]
    assert isinstance(written[0]["prompt"], dict), "others are written as ever"
