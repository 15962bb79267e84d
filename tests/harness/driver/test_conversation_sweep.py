"""A chat file with tool calls goes from `new` to a page, by a template with tools and as text."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import gainboard
from installed import need

from harness.records.predictions import load_predictions
from harness.records.store import read_results
from harness.toys import toy_folder

need("torch", reason="needs an engine")

WITH_TOOLS = (
    "{% if tools %}<|system|>{% for tool in tools %}{{ tool.function | tojson }}{% endfor %}<|end|>{% endif %}"
    "{% for message in messages %}<|{{ 'user' if message.role == 'tool' else message.role }}|>"
    "{{ message.content or '' }}{% for call in message.tool_calls or [] %}"
    "{{ '{\"name\": \"' + call.function.name + '\", \"arguments\": ' + call.function.arguments + '}' }}{% endfor %}"
    "<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)

SWEEP = """
name = "bookings"
tasks = ["bookings"]
seeds = [0]

[defaults.training]
max_steps = 2
per_device_train_batch_size = 2
eval_samples = 2

[[candidates]]
name = "by-template"
model = "tools"
methods = ["zero_shot", "lora"]

[[candidates]]
name = "as-text"
model = "gainboard/toy-llama"
methods = ["zero_shot"]
"""


def booking(number: int) -> dict[str, Any]:
    function = {"name": "book", "arguments": json.dumps({"people": number})}
    call = {"id": "c1", "type": "function", "function": function}
    properties = {"people": {"type": "integer"}}
    tool = {"name": "book", "parameters": {"type": "object", "properties": properties}}
    turns = [
        {"role": "user", "content": f"<b>We</b> are {number}."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    return {"messages": turns, "tools": [{"type": "function", "function": tool}]}


@pytest.mark.slow
def test_a_chat_file_goes_from_new_to_a_page(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(booking(number)) + "\n" for number in range(40)))
    model = shutil.copytree(toy_folder("toy-llama"), tmp_path / "tools")
    (model / "chat_template.jinja").write_text(WITH_TOOLS)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    for arguments in (
        ("new", "bookings", "--from", "chats.jsonl"),
        ("run", "sweep.toml", "--tasks-dir", "tasks", "--engine", "transformers"),
        ("publish",),
    ):
        result = gainboard(tmp_path, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
    results = {
        (result.run.candidate.name, result.run.candidate.method): result
        for result in read_results(tmp_path / "results")
    }
    assert set(results) == {("by-template", "zero_shot"), ("by-template", "lora"), ("as-text", "zero_shot")}
    assert "arguments as JSON text" in str(results["by-template", "lora"].preflight)
    assert "listed in the system line instead" in str(results["as-text", "zero_shot"].preflight)
    assert results["by-template", "lora"].samples.failed == 0
    guards = [guard for result in results.values() for guard in result.generation.guards]
    assert {guard.name for guard in guards if not guard.passed} == set()
    tuned = load_predictions(tmp_path / "results", results["by-template", "lora"].run)
    prompts = [prediction.prompt or "" for prediction in tuned]
    assert prompts and all(prompt.startswith('<|system|>{"name": "book"') for prompt in prompts)
    pages = [page.read_text() for page in (tmp_path / "site").rglob("*.html")]
    assert not any("<b>We</b>" in page for page in pages)
    assert any("&lt;b&gt;We&lt;/b&gt; are" in page for page in pages)
