"""Rows are read from tables, data frames, hub data sets and generators, and a faulty source says what to
mend."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest
from installed import need

from harness.data.sources import Generated, UnreachableData, generated, hub_splits, table_splits
from harness.data.tables import read_table
from harness.errors import UserError
from harness.jsonl import read_jsonl
from harness.task import Row, Splits

Write = Callable[[str, str], Path]


def test_jsonl_names_the_file_and_the_line_of_a_fault(write: Write) -> None:
    path = write("rows.jsonl", '{"a": 1}\n{"a": \n')
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: not valid JSON"):
        read_jsonl(path)


def test_a_fault_in_jsonl_counts_the_lines_of_the_file_alone(write: Write) -> None:
    with pytest.raises(UserError) as raised:
        read_jsonl(write("rows.jsonl", '{"a": 1}\n{"a": \n'))
    assert str(raised.value).endswith("line 2: not valid JSON: Expecting value at character 8")


def test_a_number_that_python_refuses_to_read_is_named_by_its_line(write: Write) -> None:
    with pytest.raises(UserError, match="line 1: not readable as JSON: Exceeds the limit"):
        read_jsonl(write("rows.jsonl", '{"a": ' + "9" * 5000 + "}\n"))


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
        ("t.csv", ' q , a\n"one, two",3\n'),
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
        ("t.xlsx", "q,a\n", "not a readable workbook"),
        ("t.ods", "q,a\n", "'.ods' is not a known kind of table; save it as .xlsx"),
        ("t.txt.gz", "q,a\n", "'.txt' is not a known kind of table"),
        ("t.csv.gz", "q,a\n", "not readable as gzip"),
        ("t.json", "[1]", "row 1: expected a JSON object, got 1"),
        ("t.json", '{"q": 1}', "expected a list of objects, one per row, got dict"),
        ("t.json", '{"q": 1}\n{"q": 2}\n', "a file with an object per line is called .jsonl"),
        ("t.json", "[" * 100_000, "not readable as JSON"),
        ("t.arrow", "q,a\n1,2\n", "not a valid Arrow file"),
        ("t.tsv", 'q\ta\n1\t"2\t3\n', "row 1: more cells than the header"),
        ("t.csv", "q,a,q\n1,2,3\n", "2 columns are called 'q'"),
        ("t.csv", "q,a, q\n1,2,3\n", "2 columns are called 'q'"),
        ("t.csv", "q;a\n1;2;3\n", "row 1: more cells than the header"),
        ("t.csv", "q;a;q\n1;2;3\n", "2 columns are called 'q'"),
        ("t.tsv", "q,a\n1,2\n", "the header is one column, 'q,a': separated by ','?"),
        (
            "t.jsonl",
            '{"q": "x", "a": "y"}\n{"q": "x", "a": "\\ud800"}\n',
            "row 2: column 'a' holds half a surrogate pair",
        ),
        ("t.jsonl", '{"q": "x", "a": ["\\ud800"]}\n', "row 1: column 'a' holds half a surrogate pair"),
        ("t.parquet", "q,a\n1,2\n", "not a valid Parquet file"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(write: Write, name: str, text: str, says: str) -> None:
    path = write(name, text)
    with pytest.raises(UserError) as raised:
        read_table(path)
    assert str(path) in str(raised.value)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("q;a\n1,5;2\n", {"q": "1,5", "a": "2"}),
        ('"q";"a"\r\n"one; two";"1.234,50 €"\r\n', {"q": "one; two", "a": "1.234,50 €"}),
        ("\ufeffq;a\n1;2\n", {"q": "1", "a": "2"}),
        ("q\ta\n1,5\t2;3\n", {"q": "1,5", "a": "2;3"}),
        ("q,a;b\n1,2;3\n", {"q": "1", "a;b": "2;3"}),
        ('"What do\r\nyou want?";"Which\nteam?"\n1;2\n', {"What do you want?": "1", "Which team?": "2"}),
        ('5" or more,a\n1,2\n', {'5" or more': "1", "a": "2"}),
    ],
)
def test_a_csv_file_of_semicolons_or_tabs_is_read(write: Write, text: str, cells: dict[str, str]) -> None:
    assert read_table(write("t.csv", text)) == [cells]


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder; give a file"):
        read_table(tmp_path)


def test_a_nested_cell_becomes_json_with_sorted_keys(write: Write) -> None:
    path = write("t.jsonl", '{"q": {"to": ["Köln", 2], "by": null}, "a": [true]}\n')
    assert read_table(path) == [{"q": '{"by": null, "to": ["Köln", 2]}', "a": "[true]"}]


def test_an_array_in_a_data_frame_becomes_json(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pandas.DataFrame({"q": ["x", "y", "z"], "a": [[1, 2], [3], [4]]}).to_parquet(path)
    from_frame = table_splits(pandas.read_parquet(path), input_column="q", target_column="a")
    assert from_frame == cut(path)
    assert {row["a"] for row in (*from_frame.train, *from_frame.dev, *from_frame.test)} == {
        "[1, 2]",
        "[3]",
        "[4]",
    }


@pytest.mark.parametrize("cell", [b"caf", [b"caf"]])
def test_bytes_are_refused_with_their_row_and_column(tmp_path: Path, cell: object) -> None:
    path = tmp_path / "t.parquet"
    pandas.DataFrame({"q": ["x"], "a": [cell]}).to_parquet(path)
    with pytest.raises(UserError, match=r"t\.parquet, row 1: column 'a' holds bytes; store texts"):
        read_table(path)


def test_a_nested_cell_that_json_cannot_hold_is_refused() -> None:
    frame = pandas.DataFrame({"q": ["x", "y", "z"], "a": [{1: 2, "b": 3}] * 3})
    with pytest.raises(
        UserError, match="data frame, row 1: column 'a' holds a nested value that JSON cannot hold"
    ):
        table_splits(frame, input_column="q", target_column="a")


def test_a_table_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("q,a\ncafé,1\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_spreadsheet_s_unicode_text_is_read(tmp_path: Path, encoding: str) -> None:
    mark = "" if encoding == "utf-16" else "\ufeff"
    (tmp_path / "t.csv").write_bytes(f"{mark}q,a\ncafé,1\n".encode(encoding))
    assert read_table(tmp_path / "t.csv") == [{"q": "café", "a": "1"}]


def table(write: Write, count: int, *, name: str = "t.csv") -> Path:
    return write(name, "q,a\n" + "".join(f"question {index},answer {index}\n" for index in range(count)))


def cut(path: Path) -> Splits:
    return table_splits(path, input_column="q", target_column="a")


@pytest.mark.parametrize(("count", "sizes"), [(3, (1, 1, 1)), (8, (6, 1, 1)), (100, (80, 10, 10))])
def test_a_table_is_cut_80_10_10_with_at_least_one_row_each(
    write: Write, count: int, sizes: tuple[int, ...]
) -> None:
    splits = cut(table(write, count))
    assert (len(splits.train), len(splits.dev), len(splits.test)) == sizes


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


def test_a_parquet_file_is_read_as_text_with_missing_cells_empty(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pandas.DataFrame({"q": [" one ", None], "a": pandas.array([3, None], dtype="Int64")}).to_parquet(path)
    assert read_table(path) == [{"q": "one", "a": "3"}, {"q": "", "a": ""}]


def test_a_data_frame_is_cut_like_the_file_with_the_same_cells(write: Write) -> None:
    path = table(write, 40)
    assert table_splits(pandas.read_csv(path), input_column="q", target_column="a") == cut(path)


def test_numbers_in_a_data_frame_become_text() -> None:
    frame = pandas.DataFrame({"q": range(10), 5: [True, False] * 5})
    splits = table_splits(frame, input_column="q", target_column="5")
    assert {row["5"] for row in splits.train} == {"True", "False"}
    assert all(isinstance(row["q"], str) for row in splits.train)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (
            pandas.DataFrame({"q": ["x", "y", "z"], "a": [1.0, None, 2.0]}),
            "data frame, row 2: column 'a' is empty",
        ),
        (pandas.DataFrame({"q": ["x", "y", "z"], "b": [1, 2, 3]}), "data frame, row 1: column 'a' not found"),
        (pandas.DataFrame([[1, 2, 3]], columns=["q", "a", "a"]), "data frame: 2 columns are called 'a'"),
        (pandas.DataFrame({"q": [], "a": []}), "data frame: no rows"),
        ("data.csv", 'got str; for a file beside task.py write Path(__file__).parent / "data.csv"'),
    ],
)
def test_a_data_frame_that_cannot_be_cut_says_why(frame: Any, says: str) -> None:
    with pytest.raises(UserError) as raised:
        table_splits(frame, input_column="q", target_column="a")
    assert says in str(raised.value)


def test_a_table_is_cut_in_the_asked_shares_by_group(write: Write) -> None:
    path = write(
        "t.csv", "q,a,who\n" + "".join(f"q {index},a {index},user {index // 4}\n" for index in range(80))
    )
    splits = table_splits(path, input_column="q", target_column="a", group="who", dev=0.2, test=0.3)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (40, 16, 24)
    users = [{row["who"] for row in split} for split in (splits.train, splits.dev, splits.test)]
    assert sum(map(len, users)) == 20


@pytest.mark.parametrize(
    ("revision", "says"),
    [
        (None, "needs a pinned revision"),
        ("main", "revision 'main' is not pinned"),
        ("cc7b047", "revision 'cc7b047' is not pinned"),
        ("z" * 40, "is not pinned"),
    ],
)
def test_a_hub_data_set_without_a_whole_commit_is_refused(revision: str | None, says: str) -> None:
    with pytest.raises(UserError) as raised:
        hub_splits("owner/name", None, revision=revision, dev_size=1)
    assert says in str(raised.value)
    assert not isinstance(raised.value, UnreachableData)


def test_a_pinned_data_set_without_a_network_is_unreachable() -> None:
    need("datasets")
    with pytest.raises(UnreachableData, match="the hub cannot be reached"):
        hub_splits("owner/name", None, revision="a" * 40, dev_size=1)


@pytest.fixture
def folder(write: Write) -> str:
    """A local data set with three splits, of 6, 3 and 2 rows."""
    need("datasets")
    for split, size in (("train", 6), ("validation", 3), ("test", 2)):
        path = write(
            f"set/{split}.jsonl",
            "".join(json.dumps({"q": f"{split} {index}"}) + "\n" for index in range(size)),
        )
    return str(path.parent)


def test_dev_is_cut_from_train_by_a_fixed_shuffle(folder: str) -> None:
    first, again = (hub_splits(folder, None, revision=None, dev_size=2) for _ in range(2))
    assert first == again
    assert (len(first.train), len(first.dev), len(first.test)) == (4, 2, 2)
    assert {row["q"] for row in [*first.train, *first.dev]} == {f"train {index}" for index in range(6)}


def test_dev_may_be_a_split_of_its_own(folder: str) -> None:
    splits = hub_splits(folder, None, revision=None, dev="validation")
    assert [len(split) for split in (splits.train, splits.dev, splits.test)] == [6, 3, 2]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give either dev, the name of a split, or dev_size"),
        ({"dev": "validation", "dev_size": 1}, "give either dev, the name of a split, or dev_size"),
        ({"dev_size": 6}, "dev_size is 6; split 'train' has 6 rows and must keep some"),
        ({"dev_size": -1}, "dev_size is -1"),
        ({"dev": "dev"}, "has no split 'dev'; it has train, validation, test"),
        ({"dev": "test"}, "split 'test' is named twice"),
        ({"test": "train", "dev_size": 1}, "split 'train' is named twice"),
    ],
)
def test_splits_that_a_data_set_cannot_give_are_refused(
    folder: str, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError) as raised:
        hub_splits(folder, None, revision=None, **options)
    assert says in str(raised.value)


def test_a_data_set_with_a_faulty_file_names_the_fault(write: Write) -> None:
    need("datasets")
    folder = write("set/train.jsonl", '{"a": 1}\n{"a": \n').parent
    with pytest.raises(UserError, match="could not be loaded: JSON parse error"):
        hub_splits(str(folder), None, revision=None, dev_size=1)


def number(draws: random.Random, index: int, split: str) -> Row:
    return {"text": str(draws.randrange(100))}


def numbers(**changes: Any) -> Generated:
    return generated(number, **{"train": 20, "dev": 5, "test": 10, "seed": 3, **changes})


def texts(splits: Splits) -> list[str]:
    return [row["text"] for split in (splits.train, splits.dev, splits.test) for row in split]


def test_generated_rows_are_the_same_each_time_and_never_twice() -> None:
    assert texts(numbers()()) == texts(numbers()())
    assert len(set(texts(numbers()()))) == 35


def test_a_test_seed_draws_another_test_set_and_leaves_the_rest() -> None:
    first, other = numbers()(), numbers()(1)
    assert (first.train, first.dev) == (other.train, other.dev)
    assert first.test != other.test
    assert len(set(texts(other))) == 35


def test_rows_of_the_same_key_are_drawn_again() -> None:
    by_last_digit = numbers(train=4, dev=3, test=3, key=lambda row: row["text"][-1])
    assert {text[-1] for text in texts(by_last_digit())} == set("0123456789")


def test_a_generator_that_runs_dry_says_so() -> None:
    with pytest.raises(UserError, match="split 'test': no new row in 1000 draws after 75 rows"):
        numbers(test=90)()
