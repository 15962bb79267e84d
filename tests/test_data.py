"""Rows become samples once, checked, and are cut into splits the same way everywhere."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toy_task import adding, rows

from harness.data import hub_splits, load_dataset, read_jsonl, read_table, table_splits, training_subset
from harness.errors import UserError
from harness.task import PromptSet, Sample, Splits

Write = Callable[[str, str], Path]


def test_samples_keep_the_order_of_the_rows() -> None:
    assert [sample.fields["text"] for sample in load_dataset(adding()).train] == ["0", "1", "2", "3", "4", "5"]


def raise_fault(*_: object) -> Any:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": raise_fault}, "task 'adding': its data function raised ZeroDivisionError: by zero"),
        ({"to_sample": raise_fault}, "split 'train', row 0: to_sample raised ZeroDivisionError: by zero"),
        ({"data": lambda: rows(0, 3)}, "its data function returned list, expected Splits"),
        ({"to_sample": lambda row, _: row}, "split 'train', row 0: to_sample returned dict, expected a Sample"),
        ({"data": lambda: Splits(rows(0, 3), [], rows(3, 4))}, "split 'dev': no samples"),
        ({"to_sample": lambda row, _: Sample("same", row, "1")}, "split 'train', row 1: the id 'same' is used twice"),
        ({"to_sample": lambda row, index: Sample(str(index), row, "")}, "sample '0' has the target ''"),
        ({"to_sample": lambda row, index: Sample(str(index), row, ())}, "sample '0' has the target ()"),
        ({"to_sample": lambda row, index: Sample(str(index), row, ("1", ""))}, "sample '0' has the target ('1', '')"),
        (
            {"to_sample": lambda row, index: Sample(str(index), row, 3)},
            "sample '0' has the target 3; a target is a non-empty text",
        ),
        ({"prompts": PromptSet({"plain": "{txt}"})}, "asks for field 'txt', the sample has text. Did you mean 'text'?"),
        ({"output": "choice"}, "needs at least two choices"),
        ({"output": "choice", "to_sample": lambda row, _: Sample("0", row, "1", ("1", "1"))}, "needs at least two choices"),
        ({"output": "choice", "to_sample": lambda row, _: Sample("0", row, "3", ("1", "2"))}, "target '3' of sample '0'"),
    ],
)  # fmt: skip
def test_a_fault_names_the_task_the_split_and_the_row(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match="task 'adding'") as raised:
        load_dataset(adding(**changes))
    assert says in str(raised.value)


def test_the_fingerprint_is_the_same_for_the_same_task() -> None:
    assert load_dataset(adding()).fingerprint == load_dataset(adding()).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"data": lambda: Splits(rows(0, 6), rows(6, 8), rows(8, 13))},
        {"data": lambda: Splits(rows(0, 7), rows(7, 8), rows(8, 12))},
        {"prompts": PromptSet({"plain": "{text} plus 1"})},
        {"max_tokens": 5},
    ],
)
def test_the_fingerprint_changes_with_samples_and_prompts(changes: dict[str, Any]) -> None:
    assert load_dataset(adding(**changes)).fingerprint != load_dataset(adding()).fingerprint


def test_a_larger_training_budget_contains_every_smaller_one() -> None:
    train = load_dataset(adding(data=lambda: Splits(rows(0, 50), rows(50, 51), rows(51, 52)))).train
    budgets = [[sample.id for sample in training_subset(train, budget)] for budget in (5, 20, None)]
    assert budgets[1][:5] == budgets[0]
    assert budgets[2][:20] == budgets[1]
    assert len(set(budgets[2])) == 50


def test_a_budget_is_a_shuffle_and_not_the_first_rows() -> None:
    train = load_dataset(adding(data=lambda: Splits(rows(0, 50), rows(50, 51), rows(51, 52)))).train
    assert [sample.id for sample in training_subset(train, 10)] != [str(index) for index in range(10)]


def test_jsonl_names_the_file_and_the_line_of_a_fault(write: Write) -> None:
    path = write("rows.jsonl", '{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: not valid JSON"):
        read_jsonl(path)


def test_jsonl_refuses_a_line_that_is_no_object(write: Write) -> None:
    with pytest.raises(UserError, match=r"line 1: expected a JSON object, got \[1, 2\]"):
        read_jsonl(write("rows.jsonl", "[1, 2]\n"))


def test_jsonl_keeps_line_separators_inside_strings_and_skips_empty_lines(write: Write) -> None:
    path = write("rows.jsonl", json.dumps({"a": "x\u2028y\x85z"}, ensure_ascii=False) + "\n\n")
    assert read_jsonl(path) == [{"a": "x\u2028y\x85z"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'q,a\n"one, two", 3 \n'),
        ("t.CSV", '\ufeffq,a\n"one, two",3\n'),
        ("t.tsv", "q\ta\none, two\t3\n"),
        ("t.jsonl", '{"q": "one, two", "a": 3}\n'),
    ],
)
def test_a_table_is_read_from_csv_tsv_and_jsonl_as_text(write: Write, name: str, text: str) -> None:
    assert read_table(write(name, text)) == [{"q": "one, two", "a": "3"}]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("t.csv", "", "no rows"),
        ("t.csv", "q,a\n", "no rows"),
        ("t.csv", "q,a\n1,2,3\n", "row 1: more cells than the header"),
        ("t.csv", 'q,a\n"1,2\n', "not a valid .csv file"),
        ("t.xlsx", "q,a\n", "'.xlsx' is not a known kind of table"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(write: Write, name: str, text: str, says: str) -> None:
    path = write(name, text)
    with pytest.raises(UserError) as raised:
        read_table(path)
    assert str(path) in str(raised.value)
    assert says in str(raised.value)


def test_a_table_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("q,a\ncafé,1\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_table(tmp_path / "t.csv")


def table(write: Write, count: int, *, name: str = "t.csv") -> Path:
    return write(name, "q,a\n" + "".join(f"question {index},answer {index}\n" for index in range(count)))


def cut(path: Path) -> Splits:
    return table_splits(path, input_column="q", target_column="a")


@pytest.mark.parametrize(("count", "sizes"), [(3, (1, 1, 1)), (8, (6, 1, 1)), (100, (80, 10, 10))])
def test_a_table_is_cut_80_10_10_with_at_least_one_row_each(write: Write, count: int, sizes: tuple[int, ...]) -> None:
    splits = cut(table(write, count))
    assert (len(splits.train), len(splits.dev), len(splits.test)) == sizes


def test_the_cut_is_the_same_whatever_the_order_of_the_rows(write: Write) -> None:
    path = table(write, 40)
    header, *lines = path.read_text().splitlines()
    turned = write("turned.csv", "\n".join([header, *reversed(lines)]))
    assert {row["q"] for row in cut(path).test} == {row["q"] for row in cut(turned).test}


def test_the_same_input_is_never_in_two_splits(write: Write) -> None:
    path = write("t.csv", "q,a\n" + "".join(f"question {index % 20},answer {index}\n" for index in range(60)))
    inputs = [{row["q"] for row in split} for split in (cut(path).train, cut(path).dev, cut(path).test)]
    assert sum(map(len, inputs)) == len(set.union(*inputs)) == 20


def test_added_rows_hardly_move_the_cut(write: Write) -> None:
    before = {row["q"] for row in cut(table(write, 100)).train}
    after = {row["q"] for row in cut(table(write, 105, name="more.csv")).test}
    assert len(before & after) <= 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("question,a\n1,2\n3,4\n5,6\n", "column 'q' not found"),
        ("q,b\n1,2\n3,4\n5,6\n", "column 'a' not found. There are q, b"),
        ("q,a\n1,2\n,4\n5,6\n", "row 2: column 'q' is empty"),
        ("q,a\n1,2\n3\n5,6\n", "row 2: column 'a' is empty"),
        ("q,a\n1,2\n1,4\n5,6\n", "2 different inputs; a task needs at least three"),
    ],
)
def test_a_table_that_cannot_be_cut_says_why(write: Write, text: str, says: str) -> None:
    with pytest.raises(UserError) as raised:
        cut(write("t.csv", text))
    assert says in str(raised.value)


def test_a_hub_data_set_without_a_revision_is_refused() -> None:
    pytest.importorskip("datasets")
    with pytest.raises(UserError, match="needs a pinned revision"):
        hub_splits("owner/name", None, revision=None, train="train", test="test", dev_size=1)


def test_a_data_set_without_the_asked_split_says_which_it_has(write: Write) -> None:
    pytest.importorskip("datasets")
    folder = write("set/train.csv", "q,a\n1,2\n3,4\n").parent
    with pytest.raises(UserError, match="has no split 'test'; it has train"):
        hub_splits(str(folder), None, revision=None, train="train", test="test", dev_size=1)


def test_metrics_may_change_without_making_old_answers_foreign() -> None:
    more = adding(metrics=("exact_match", "numeric_match"), primary_metric="numeric_match")
    assert load_dataset(more).fingerprint == load_dataset(adding()).fingerprint


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompts": PromptSet({"plain": "{text} {"})}, "template 'plain' is not a format string"),
        ({"prompts": PromptSet({"plain": "{text} {}"})}, "template 'plain' asks for field ''"),
        ({"data": lambda: Splits(rows(0, 6), (row for row in rows(6, 8)), rows(8, 12))}, "split 'dev': a generator"),
        ({"data": lambda: Splits(rows(0, 6), None, rows(8, 12))}, "split 'dev': a NoneType, expected a list of rows"),
        ({"to_sample": lambda row, index: Sample(index, row, "1")}, "the id 0 is not a non-empty text"),
        ({"to_sample": lambda row, index: Sample(str(index), {"text": index}, "1")}, "has a field that is not a text"),
        ({"to_sample": lambda row, index: Sample(str(index), row, "1", None)}, "has the choices None"),
    ],
)
def test_more_faults_of_a_task_are_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as raised:
        load_dataset(adding(**changes))
    assert says in str(raised.value)
