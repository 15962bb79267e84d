"""Tables as people have them: exports with quirks, workbooks, compressed and nested files."""

import bz2
import csv
import gzip
import json
import unicodedata
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pyarrow.parquet
import pytest
from places import ROOT
from pyarrow import feather

from harness.data.sources import table_splits
from harness.data.tables import read_table, visible_form
from harness.errors import UserError

ROWS = [{"q": "one, two", "a": "3"}, {"q": "vier", "a": "Köln"}]


@pytest.fixture(
    params=[
        "csv",
        "json",
        "nested.json",
        "ndjson",
        "csv.gz",
        "jsonl.gz",
        "tsv.bz2",
        "jsonl.zst",
        "arrow",
        "stream.arrow",
        "saved",
    ]
)
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One table in every form."""
    path = tmp_path / f"t.{request.param}"
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    texts = {
        "csv": 'q,a\n"one, two",3\nvier,Köln\n',
        "json": json.dumps(ROWS, indent=1),
        "nested.json": json.dumps({"version": 1, "data": ROWS}),
        "ndjson": "\ufeff" + lines,
    }
    packed = {
        "csv.gz": gzip.compress(texts["csv"].encode()),
        "jsonl.gz": gzip.compress(lines.encode()),
        "tsv.bz2": bz2.compress("q\ta\none, two\t3\nvier\tKöln\n".encode()),
    }
    arrow = pyarrow.Table.from_pylist(ROWS)
    if request.param in texts:
        path.write_text(texts[request.param], encoding="utf-8")
    elif request.param in packed:
        path.write_bytes(packed[request.param])
    elif request.param == "jsonl.zst":
        with pyarrow.output_stream(str(path), compression="zstd") as stream:
            stream.write(lines.encode())
    elif request.param == "arrow":
        feather.write_feather(arrow, path)
    elif request.param == "stream.arrow":
        with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, arrow.schema) as writer:
            writer.write_table(arrow)
    else:
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_list(ROWS).save_to_disk(path)
    return path


def test_every_kind_of_table_has_the_same_rows(table: Path) -> None:
    assert read_table(table) == ROWS


def test_a_folder_of_several_saved_splits_asks_which(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"train": rows, "test": rows}).save_to_disk(tmp_path / "d")
    with pytest.raises(UserError, match="holds several splits; give one of them: test, train"):
        read_table(tmp_path / "d")
    assert read_table(tmp_path / "d" / "test") == ROWS


# Quirks


def test_quotation_marks_in_a_tsv_file_are_characters(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('q\ta\n"well\tno\n12" disc\tyes\n""\tno\n')
    assert [row["q"] for row in read_table(path)] == ['"well', '12" disc', '""']


def test_a_tsv_file_whose_cells_hold_tabs_and_lines_is_read_with_its_quotes(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('q\ta\n"one\ttwo"\t1\n"a\nb ""c"""\t2\n')
    assert [row["q"] for row in read_table(path)] == ["one\ttwo", 'a\nb "c"']


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_cell_may_be_very_long(tmp_path: Path, name: str) -> None:
    separator = "," if name == "t.csv" else "\t"
    (tmp_path / name).write_text(f"q{separator}a\n{'x' * 200_000}{separator}1\n")
    assert len(read_table(tmp_path / name)[0]["q"]) == 200_000
    assert csv.field_size_limit() == 131_072  # as it was: the limit is everybody's


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("column", ["q", "a", "g"])
def test_what_is_no_number_is_refused_like_an_empty_cell(tmp_path: Path, value: str, column: str) -> None:
    rows = [{"q": f'"{place}"', "a": '"x"', "g": f'"{place}"'} for place in range(5)]
    rows[3][column] = value
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"q": {row["q"]}, "a": {row["a"]}, "g": {row["g"]}}}\n' for row in rows))
    with pytest.raises(UserError, match=rf"row 4: column '{column}' is empty \(as NaN is\)"):
        table_splits(path, input_column="q", target_column="a", group="g")


def test_no_number_in_a_column_that_nobody_reads_is_no_fault(tmp_path: Path) -> None:
    frame = pandas.DataFrame({"q": list("abc"), "a": list("xyz"), "score": [1.5, float("nan"), float("inf")]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert [row["score"] for row in read_table(tmp_path / "t.parquet")] == ["1.5", "", ""]


def test_a_nested_number_that_is_none_becomes_null(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a": {"x": [1, NaN]}}\n')
    assert read_table(tmp_path / "t.jsonl") == [{"a": '{"x": [1, null]}'}]


@pytest.mark.parametrize(
    "written",
    [
        unicodedata.normalize("NFD", "Kündigung"),
        "Kündi\u200bgung",
        "\ufeffKündigung\u200e",
        "Kün\u00addigung\u00a0",
        "Kündi\u200dgung\u200c",
    ],
)
def test_labels_that_look_alike_are_one(written: str) -> None:
    assert visible_form(written) == "Kündigung"


@pytest.mark.parametrize("text", ["می\u200cخواهم", "क्\u200dष", "👩\u200d👧", "全角\u3000空白", "a\tb\nc"])
def test_characters_that_a_script_needs_are_kept(text: str) -> None:
    assert visible_form(text) == text


def test_spaces_that_look_alike_are_one() -> None:
    assert visible_form("credit\u00a0card\u2009bill") == "credit card bill"


# Workbooks


Sheets = dict[str, list[list[Any]]]


def workbook(path: Path, sheets: Sheets, **changes: Any) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, lines in sheets.items():
        page = book.create_sheet(title)
        for line in lines:
            page.append(line)
        for cells in changes.get("merge", ()):
            page.merge_cells(cells)
    for cell, number_format in changes.get("formats", {}).items():
        book.worksheets[0][cell].number_format = number_format
    book.save(path)
    return path


LINES: list[list[Any]] = [["q", "a", None], ["one", 3, "aside"], [None, None, None], ["two", 4.5, None]]


def test_a_sheet_is_read_as_it_looks(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"Data": LINES, "Notes": [["made by me"]]}, formats={"B2": "00000"})
    assert read_table(path) == [{"q": "one", "a": "00003"}, {"q": "two", "a": "4.5"}]


def test_days_and_percentages_are_read_as_a_sheet_shows_them(tmp_path: Path) -> None:
    lines = [["q", "a"], [datetime(2024, 3, 5), 0.125], [datetime(2024, 3, 5, 14, 30), 1]]
    path = workbook(tmp_path / "t.xlsx", {"Data": lines}, formats={"B2": "0.0%", "B3": "0%"})
    assert read_table(path) == [{"q": "2024-03-05", "a": "12.5%"}, {"q": "2024-03-05 14:30:00", "a": "100%"}]


def test_a_workbook_of_several_sheets_asks_which(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"May": LINES, "June": LINES[:2]})
    with pytest.raises(UserError, match="holds several sheets; say which: May, June"):
        read_table(path)
    assert len(read_table(path, sheet="June")) == 1
    with pytest.raises(UserError, match=r"sheet 'Jun' not found\. Did you mean 'June'\?"):
        read_table(path, sheet="Jun")


def test_a_merged_cell_holds_for_all_its_rows(tmp_path: Path) -> None:
    lines = [["q", "a"], ["one", "x"], ["two", None], ["three", "y"]]
    path = workbook(tmp_path / "t.xlsx", {"Data": lines}, merge=["B2:B3"])
    assert [row["a"] for row in read_table(path)] == ["x", "x", "y"]


def test_a_formula_that_was_never_computed_is_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"Data": [["q", "a"], ["one", "=1+1"]]})
    with pytest.raises(UserError, match="cell B2: a formula without a stored value"):
        read_table(path)


def test_an_encrypted_workbook_is_refused_for_its_password() -> None:
    with pytest.raises(
        UserError, match=r"password.xlsx: a workbook with a password; open it in a spreadsheet"
    ):
        read_table(ROOT / "tests/data/password.xlsx")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504),
            r"a workbook of the older kind \(.xls\), whatever its name",
        ),
        (
            b"<html><table></table></html>",
            r"not a readable workbook \(File is not a zip file\); save it as .xlsx",
        ),
        (b"", "not a readable workbook"),
    ],
)
def test_what_is_no_workbook_is_refused_with_what_it_is(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_table(tmp_path / "t.xlsx")


def test_titles_above_a_table_are_left_out(tmp_path: Path) -> None:
    lines = [
        ["Tickets of May", None],
        [None, None],
        ["all teams", None],
        ["q", "a"],
        ["one", "x"],
        ["two", None],
    ]
    path = workbook(tmp_path / "t.xlsx", {"Data": lines}, merge=["A1:B1", "A3:B3", "B5:B6"])
    assert read_table(path) == [{"q": "one", "a": "x"}, {"q": "two", "a": "x"}]


def test_an_error_in_a_cell_is_an_empty_cell(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx", {"Data": [["q", "a"], ["one", "#N/A"], ["two", "#DIV/0!"], ["#N/A?", "x"]]}
    )
    assert [row["a"] for row in read_table(path)] == ["", "", "x"]


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet", "arrow", "xlsx", "csv"])
def test_truth_values_are_read_as_their_file_writes_them(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    rows = [{"q": "one", "a": True}, {"q": "two", "a": False}, {"q": "three", "a": None}]
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif kind == "arrow":
        feather.write_feather(pyarrow.Table.from_pylist(rows), path)
    elif kind == "xlsx":
        workbook(path, {"Data": [["q", "a"], *([row["q"], row["a"]] for row in rows)]})
    else:
        path.write_text("q,a\none,True\ntwo,False\nthree,\n")
    spelt = {"xlsx": ["TRUE", "FALSE", ""], "csv": ["True", "False", ""]}.get(kind, ["true", "false", ""])
    assert [row["a"] for row in read_table(path)] == spelt


def test_a_sheet_of_a_file_that_has_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("q,a\n1,2\n")
    with pytest.raises(UserError, match=r"only a workbook \(.xlsx\) has sheets"):
        read_table(tmp_path / "t.csv", sheet="May")
