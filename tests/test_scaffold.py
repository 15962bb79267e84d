"""A new task passes its check before a line of it is edited."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.check import check_task
from harness.data import load_dataset
from harness.errors import UserError
from harness.plugins import find_plugins, load_task
from harness.scaffold import new_task
from harness.task import Task

Write = Callable[[str, str], Path]


def labels(count: int = 40) -> str:
    return "message,team\n" + "".join(
        f'"message {index}, and more",{("sales", "support")[index % 2]}\n' for index in range(count)
    )


def loaded(folder: Path) -> Task:
    return load_task(folder.name, find_plugins([folder.parent]))


def faults(folder: Path) -> list[str]:
    findings = check_task(folder.name, find_plugins([folder.parent]))
    return [finding.message for finding in findings if finding.level != "ok"]


def test_a_new_task_without_a_file_brings_a_small_table_and_passes(tmp_path: Path) -> None:
    folder = new_task("reviews", tmp_path / "tasks")
    assert folder == tmp_path / "tasks" / "reviews"
    assert {path.name for path in folder.iterdir()} >= {"task.py", "examples.jsonl", "data.csv"}
    assert faults(folder) == []


def test_a_table_with_few_targets_becomes_a_choice(tmp_path: Path, write: Write) -> None:
    source = write("mail.csv", labels())
    folder = new_task("mail", tmp_path / "tasks", source=source, input_column="message", target_column="team")
    task = loaded(folder)
    assert (task.output, task.primary_metric, task.chance) == ("choice", "accuracy", 0.5)
    assert load_dataset(task).test[0].choices == ("sales", "support")
    assert faults(folder) == []


@pytest.mark.parametrize(
    "targets",
    [
        [f"answer {index}" for index in range(40)],
        [f"label {index % 11}" for index in range(40)],
        ["often"] * 39 + ["once"],
        ["always"] * 40,
    ],
    ids=["all different", "eleven labels", "a label that is not repeated", "one label"],
)
def test_a_table_with_other_targets_becomes_generate(tmp_path: Path, write: Write, targets: list[str]) -> None:
    source = write("t.csv", "q,a\n" + "".join(f"question {index},{target}\n" for index, target in enumerate(targets)))
    folder = new_task("asking", tmp_path / "tasks", source=source, input_column="q", target_column="a")
    assert (loaded(folder).output, loaded(folder).primary_metric) == ("generate", "exact_match")
    assert faults(folder) == []


def test_a_tsv_and_a_jsonl_file_are_taken_as_they_are(tmp_path: Path, write: Write) -> None:
    tsv = write("t.tsv", "q\ta\n" + "".join(f"q {index}\ta {index}\n" for index in range(9)))
    jsonl = write("t.jsonl", "".join(json.dumps({"q": f"q {index}", "a": index}) + "\n" for index in range(9)))
    for name, source in (("one", tsv), ("two", jsonl)):
        folder = new_task(name, tmp_path / "tasks", source=source, input_column="q", target_column="a")
        assert (folder / f"data{source.suffix}").read_bytes() == source.read_bytes()
        assert faults(folder) == []


def test_columns_and_labels_may_hold_quotes_braces_and_any_letters(tmp_path: Path, write: Write) -> None:
    row = '{{"the \\"text\\"": "{{x}} {0} \\\\ é", "{{label}}": "{1}"}}\n'
    lines = [row.format(index, ("{yes}", 'n\\"o')[index % 2]) for index in range(20)]
    source = write("t.jsonl", "".join(lines))
    folder = new_task("odd", tmp_path / "tasks", source=source, input_column='the "text"', target_column="{label}")
    assert load_dataset(loaded(folder)).test[0].choices == ('n"o', "{yes}")
    assert faults(folder) == []


def test_a_repeated_input_is_not_split_between_training_and_test(tmp_path: Path, write: Write) -> None:
    source = write("t.csv", "q,a\n" + "".join(f"question {index % 15},answer {index % 15}\n" for index in range(45)))
    assert faults(new_task("asking", tmp_path / "tasks", source=source, input_column="q", target_column="a")) == []


def test_the_generated_task_is_short(tmp_path: Path) -> None:
    assert len((new_task("reviews", tmp_path) / "task.py").read_text().splitlines()) < 45


@pytest.mark.parametrize("name", ["two words", "3d", "a-b", "../up", "", "class", "load", "Task"])
def test_a_name_that_cannot_be_a_function_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a task"):
        new_task(name, tmp_path)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    new_task("reviews", tmp_path)
    with pytest.raises(UserError, match="reviews exists already"):
        new_task("reviews", tmp_path)


def test_the_name_of_a_bundled_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="task 'gsm8k' exists already, in "):
        new_task("gsm8k", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such file"),
        ("", "no rows"),
        ("message,team\n", "no rows"),
        ("mesage,team\nx,y\n", "column 'message' not found. Did you mean 'mesage'? There are mesage, team"),
        ("message,team\nx,\n", "row 1: column 'team' is empty"),
        (labels(2), "2 different inputs; a task needs at least three"),
    ],
)
def test_a_faulty_table_is_refused_and_nothing_is_written(tmp_path: Path, text: str | None, says: str) -> None:
    source = tmp_path / "mail.csv"
    if text is not None:
        source.write_text(text)
    with pytest.raises(UserError) as raised:
        new_task("mail", tmp_path / "tasks", source=source, input_column="message", target_column="team")
    assert says in str(raised.value)
    assert not (tmp_path / "tasks").exists()


def test_a_file_needs_both_columns(tmp_path: Path, write: Write) -> None:
    with pytest.raises(UserError, match="needs --input COLUMN and --target COLUMN"):
        new_task("mail", tmp_path / "tasks", source=write("mail.csv", labels()), input_column="message")


def test_columns_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give it with --from"):
        new_task("mail", tmp_path, input_column="message")
