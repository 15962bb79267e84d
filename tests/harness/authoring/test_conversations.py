"""A task from a chat file: it passes `check` at once, whatever its answers are."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from commands import gainboard

from harness.authoring.check import check_task
from harness.authoring.conversations import ChatOptions, new_chat_task
from harness.data.dataset import Dataset, load_dataset
from harness.plugins.registry import find_plugins, load_task
from harness.task import Task

FUNCTION = {
    "name": "book_table",
    "parameters": {"type": "object", "properties": {"people": {"type": "integer"}}},
}
TOOLS = [{"type": "function", "function": FUNCTION}]


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def calling(people: int) -> dict[str, Any]:
    function = {"name": "book_table", "arguments": json.dumps({"people": people})}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }


NAMES = ("Ada", "Bo", "Cy", "Di", "Ed", "Flo", "Gus")


def booking(number: int) -> dict[str, Any]:
    """A conversation with a call, its result and an answer."""
    turns = [
        user(f"{NAMES[number % 7]} needs {number} chairs at table {number * 7 % 31}."),
        calling(number),
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
        {"role": "assistant", "content": f"A table for {number} people is yours."},
    ]
    return {"messages": turns, "tools": TOOLS}


def written(folder: Path, rows: list[dict[str, Any]], name: str = "chats.jsonl") -> Path:
    path = folder / name
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def made(folder: Path, path: Path, **options: Any) -> tuple[Task, Dataset, str]:
    """The task of a chat file with its samples and what was said of it; nothing but the size is warned of."""
    new = new_chat_task("chat", folder / "tasks", source=path, options=ChatOptions(**options))
    plugins = find_plugins([folder / "tasks"], entry_points=False)
    faults = [
        finding.message
        for finding in check_task("chat", plugins)
        if finding.level in ("warning", "error") and "only gaps above" not in finding.message
    ]
    assert faults == []
    task = load_task("chat", plugins)
    return task, load_dataset(task), new.decision


def test_calls_are_judged_by_name_and_arguments(tmp_path: Path) -> None:
    rows = [{"messages": booking(number)["messages"][:2], "tools": TOOLS} for number in range(1, 41)]
    task, dataset, decision = made(tmp_path, written(tmp_path, rows))
    assert task.metrics == ("tool_call_match", "tool_call_f1")
    assert "40 of 40 targets call functions" in decision
    assert (len(dataset.train), len(dataset.dev), len(dataset.test)) == (20, 4, 16)
    source = (tmp_path / "tasks" / "chat" / "task.py").read_text()
    assert '"""Cut 10 % for dev and 40 % for test from the conversations of DATA, the same' in source
    assert "return chat_splits(DATA, test=0.4)" in source


def test_every_turn_may_be_a_sample_and_a_conversation_stays_in_one_split(tmp_path: Path) -> None:
    path = written(tmp_path, [booking(number) for number in range(1, 41)])
    task, dataset, decision = made(tmp_path, path, turns="all")
    assert task.metrics == ("turn_f1", "tool_call_match")
    assert decision.startswith("40 conversations, 80 samples (each turn of the assistant)")
    assert "40 of 80 targets call functions" in decision
    clusters = [
        {sample.cluster for sample in samples} for samples in (dataset.train, dataset.dev, dataset.test)
    ]
    assert sum(map(len, clusters)) == len(set().union(*clusters)) == 40
    first, second = dataset.test[:2]
    assert (first.cluster, [turn["role"] for turn in second.messages]) == (
        second.cluster,
        ["user", "assistant", "tool"],
    )


def test_labels_are_chosen_and_texts_written(tmp_path: Path) -> None:
    def row(number: int, answer: str) -> dict[str, Any]:
        return {"messages": [user(f"Ticket {number} of many"), {"role": "assistant", "content": answer}]}

    labelled = [row(number, ("login", "billing")[number % 2]) for number in range(60)]
    (tmp_path / "a").mkdir()
    task, dataset, _ = made(tmp_path / "a", written(tmp_path / "a", labelled))
    assert (task.output, dataset.test[0].choices) == ("choice", ("billing", "login"))
    (tmp_path / "b").mkdir()
    verbs = ("look", "ask", "call", "wait", "write", "read", "send", "open")
    texts = [row(number, " ".join(f"{verb}{number}" for verb in verbs)) for number in range(60)]
    task, _, _ = made(tmp_path / "b", written(tmp_path / "b", texts))
    assert (task.output, task.primary_metric) == ("generate", "rougeL")
    (tmp_path / "c").mkdir()
    beginning = [row(number, ("no", "not yet")[number % 2]) for number in range(60)]
    assert made(tmp_path / "c", written(tmp_path / "c", beginning))[0].output == "generate"


def test_a_compressed_file_is_kept_as_lines_with_weights_and_groups(tmp_path: Path) -> None:
    rows = [booking(number) | {"person": f"p{number // 2}"} for number in range(1, 41)]
    for row in rows:
        row["messages"][1]["weight"] = 0
    path = written(tmp_path, rows, "chats.jsonl.gz")
    _, dataset, _ = made(tmp_path, path, turns="all", group="person")
    assert len(dataset.train) + len(dataset.dev) + len(dataset.test) == 40
    assert {sample.cluster[0] for sample in dataset.test} == {"p"}
    first = json.loads((tmp_path / "tasks" / "chat" / "data.jsonl").read_text().split("\n")[0])
    assert first["messages"][1] == {**calling(1), "weight": 0} | {
        "tool_calls": [{**calling(1)["tool_calls"][0], "id": "call00001"}]
    }


def test_new_tells_a_chat_file_by_looking(tmp_path: Path) -> None:
    path = written(tmp_path, [booking(number) for number in range(1, 31)])
    result = gainboard(tmp_path, "new", "bookings", "--from", str(path))
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("30 conversations, 30 samples (the last turn of the assistant)")


def test_a_chat_file_for_each_split_is_taken_as_it_is_and_what_they_share_is_told(tmp_path: Path) -> None:
    chats = [booking(number) for number in range(1, 41)]
    train = written(tmp_path, chats[:28], "one.jsonl")
    dev = written(tmp_path, chats[28:32], "two.jsonl")
    test = written(tmp_path, [chats[3], *chats[32:]], "three.jsonl")
    arguments = ("--train", str(train), "--dev", str(dev), "--test", str(test))
    result = gainboard(tmp_path, "new", "bookings", *arguments)
    assert result.returncode == 0, result.stderr
    assert "41 conversations, 41 samples (the last turn of the assistant)" in result.stdout
    assert "28 train, 4 dev, 9 test samples" in result.stdout
    assert "1 of 9 test conversations (the first is 1) asks what one that is trained on asks" in result.stdout
    dataset = load_dataset(load_task("bookings", find_plugins([tmp_path / "tasks"], entry_points=False)))
    assert [sample.id for sample in dataset.dev] == [f"dev {line}" for line in (1, 2, 3, 4)]
    assert {path.name for path in (tmp_path / "tasks" / "bookings").glob("*.jsonl")} >= {
        "train.jsonl", "dev.jsonl", "test.jsonl"
    }  # fmt: skip
    # Dev is cut from the other file where it has none, and a compressed file is written out.
    zipped = written(tmp_path, chats[:32], "four.jsonl.gz")
    options = ChatOptions(turns="all")
    new = new_chat_task("partly", tmp_path / "tasks", source=zipped, test=test, options=options)
    splits = load_task("partly", find_plugins([tmp_path / "tasks"], entry_points=False)).data()
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (58, 6, 18)
    assert "58 train, 6 dev, 18 test samples" in new.remarks
    assert "chat_splits(DATA, test=TEST, turns=" in (tmp_path / "tasks" / "partly" / "task.py").read_text()


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ([{"text": "a", "label": "b"}], ["--from-chat"], "it has text, label and no conversation"),
        (
            [booking(1), {"messages": [user("a")]}],
            ["--from"],
            "1 of 2 rows cannot be read: line 2: no turn is",
        ),
        ([booking(1)] * 9, ["--from"], "1 input for all rows; a task needs at least three"),
        ([booking(1)], ["--input", "messages", "--from-chat"], "leave --input out"),
        ([booking(1)], ["--template", "{x}", "--from-chat"], "leave --template out"),
        ([booking(1)] * 9, ["--test", "chats.jsonl", "--from"], "are both"),
        (
            [{"text": "a", "label": "b"}],
            ["--turns", "all", "--from"],
            "--turns, --chosen and --skip-faulty are",
        ),
    ],
)
def test_a_file_that_makes_no_task_is_refused_and_nothing_written(
    tmp_path: Path, rows: list[dict[str, Any]], options: list[str], says: str
) -> None:
    path = written(tmp_path, rows)
    result = gainboard(tmp_path, "new", "chat", *options, str(path))
    assert (result.returncode, result.stdout) == (2, "")
    assert says in result.stderr
    assert not (tmp_path / "tasks").exists()
