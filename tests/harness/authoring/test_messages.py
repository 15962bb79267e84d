"""A task's samples are written for a fine-tuning service, and read back they are the same."""

import json
from pathlib import Path
from typing import Any

import pytest
from commands import gainboard

from harness.authoring.messages import export_messages
from harness.data.chats import Turns, chat_rows, chat_sample, chat_splits, read_chats
from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.task import PromptSet, Rendered, Sample, Splits, Task
from harness.task.prompts import render

TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def conversation(number: int) -> dict[str, Any]:
    function = {"name": "clock", "arguments": json.dumps({"zone": number})}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    turns = [
        {"role": "system", "content": "You tell the time."},
        {"role": "user", "content": f"What time is it in zone {number}?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": f"call_{number}", "content": f"{number}:00"},
        {"role": "assistant", "content": f"It is {number} o'clock. ", "weight": number % 2},
        {"role": "user", "content": "And then?"},
        {
            "role": "assistant",
            "content": "<think>\nHm.\n</think>\n\n",
            "tool_calls": [call | {"id": "again"}],
        },
    ]
    return {"messages": turns, "tools": [TOOL]}


def task_of(path: Path, turns: Turns) -> Task:
    return Task(
        "clocks",
        "Tell the time.",
        data=lambda: chat_splits(path, turns=turns),
        to_sample=lambda row, index: chat_sample(row),
        prompts=PromptSet({"conversation": "{text}"}, marker=""),
        output="generate",
        metrics=("turn_f1",),
    )


def content(samples: list[Sample]) -> list[Any]:
    return [(sample.messages, sample.tools, sample.fields, sample.target) for sample in samples]


@pytest.mark.parametrize("turns", ["last", "all"])
def test_what_is_written_is_read_back_as_the_same_samples(tmp_path: Path, turns: Turns) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(conversation(number)) + "\n" for number in range(30)))
    task = task_of(path, turns)
    dataset = load_dataset(task)
    count = export_messages(task, dataset, split="train", out=tmp_path / "out.jsonl")
    assert count == 24, "turns of one conversation share a line"
    chats = read_chats(tmp_path / "out.jsonl").chats
    read = [chat_sample(row) for chat in chats for row in chat_rows(chat, turns)]
    assert content(read) == content(dataset.train)
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["messages"]
    weights = [message.get("weight", 1) for message in first if message["role"] == "assistant"]
    assert weights[0] == (0 if turns == "last" else 1) and weights[-1] == 1
    assert isinstance(first[2]["tool_calls"][0]["function"]["arguments"], str)


def test_a_task_of_questions_is_written_in_its_wording(tmp_path: Path) -> None:
    rows = [{"text": f"{number} + 1", "answer": str(number + 1)} for number in range(9)]
    task = Task(
        "add_one",
        "Add one.",
        data=lambda: Splits(rows[:6], rows[6:7], rows[7:]),
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, row["answer"]),
        prompts=PromptSet({"plain": "What is {text}?", "terse": "{text} ="}, system="You add."),
        output="generate",
        metrics=("exact_match",),
    )
    dataset = load_dataset(task)
    out = tmp_path / "add.jsonl"
    assert export_messages(task, dataset, split="train", out=out, template="terse") == 6
    rendered = render(task.prompts, dataset.train[0], template="terse")
    line = json.loads(out.read_text().splitlines()[0])
    assert line == {"messages": [*rendered.messages, {"role": "assistant", "content": "1"}]}
    with pytest.raises(UserError, match="--template: template 'ters' not found"):
        export_messages(task, dataset, split="train", out=out, template="ters")


def test_an_answer_that_is_begun_is_one_turn(tmp_path: Path) -> None:
    begun = [{"role": "user", "content": "Colour?"}, {"role": "assistant", "content": "It is"}]
    task = Task(
        "colours",
        "Name a colour.",
        data=lambda: Splits(*[[{"colour": "red"}]] * 3),
        to_sample=lambda row, index: Sample(str(index), {}, row["colour"]),
        prompts=PromptSet(
            {"plain": ""}, render=lambda sample, shown: Rendered(begun, "Colour?", lm_eval="generate_until")
        ),
        output="generate",
        metrics=("exact_match",),
    )
    export_messages(task, load_dataset(task), split="train", out=tmp_path / "out.jsonl")
    (line,) = (tmp_path / "out.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"] == [begun[0], {"role": "assistant", "content": "It is red"}]


def test_the_command_writes_the_training_samples_and_others_only_on_request(tmp_path: Path) -> None:
    result = gainboard(tmp_path, "export", "--format", "messages", "--task", "unit_conversion")
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("conversations of train in unit_conversion-train.jsonl\n")
    assert [path.name for path in tmp_path.iterdir()] == ["unit_conversion-train.jsonl"]
    for arguments, says in (
        (("messages",), "name it with --task NAME"),
        (("csv", "--task", "unit_conversion"), "are for --format messages"),
        (("messages", "--task", "recipe_text"), "asks nothing"),
        (("messages", "--task", "unit_conversions"), "Did you mean 'unit_conversion'?"),
    ):
        refused = gainboard(tmp_path, "export", "--format", *arguments)
        assert (refused.returncode, says in refused.stderr) == (2, True), refused.stderr
