"""Read tables of every common kind as rows of text.

Cells become text in one Unicode form: two labels that look alike are alike. What a
cell cannot hold is named with its row.
"""

import codecs
import csv
import io
import json
import math
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.cleaning import Cleaning
from harness.errors import UserError, first_line
from harness.jsonl import jsonl_rows

if TYPE_CHECKING:
    import pandas

COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
"""Suffix → the codec's name in Arrow."""

KINDS = (
    ".csv, .tsv, .jsonl, .json, .parquet, .arrow or .xlsx, "
    "and text also compressed as .gz, .bz2, .zst or .lz4"
)

Row = dict[str, str]


def read_table(path: Path, *, sheet: str | None = None, cleaning: Cleaning | None = None) -> list[Row]:
    """The rows of a CSV, TSV, JSONL, JSON, Parquet or Arrow file, of a workbook's sheet, or of a folder that
    `datasets` saved to disk. Every cell becomes stripped text, a nested one JSON.

    `sheet`: of a workbook that has several. `cleaning`: where the cells are noted that are read in another
    form. Raises `UserError` naming the file and the row.
    """
    source = f"{path}, sheet '{sheet}'" if sheet else str(path)
    return _as_texts(table_rows(path, sheet=sheet), source=source, cleaning=cleaning)


def table_rows(path: Path, *, sheet: str | None = None) -> Iterable[Mapping[Any, Any]]:
    """The rows of a table as its file has them, nested ones whole. Raises `UserError` as `read_table`
    does."""
    if path.is_dir():
        return _read_saved(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    kind = kind_of(path)
    if kind == ".xlsx":
        return _read_workbook(path, sheet)
    if sheet is not None:
        raise UserError(f"{path}: only a workbook (.xlsx) has sheets; leave '{sheet}' out")
    if kind in (".parquet", ".arrow", ".feather"):
        return _read_arrow(path, kind)
    readers: dict[str, Callable[[Path, str], Iterable[Mapping[Any, Any]]]] = {
        ".csv": _read_csv,
        ".tsv": _read_tsv,
        ".jsonl": _read_lines,
        ".ndjson": _read_lines,
        ".json": _read_json,
    }
    if kind not in readers:
        hint = "save it as .xlsx" if kind in (".xls", ".ods", ".xlsm", ".xlsb") else f"use {KINDS}"
        raise UserError(f"{path}: '{kind}' is not a known kind of table; {hint}")
    return readers[kind](path, text_of(path))


def kind_of(path: Path) -> str:
    """The suffix that says what a file holds, without that of its compression."""
    suffix = path.suffix.lower()
    return path.with_suffix("").suffix.lower() if suffix in COMPRESSED else suffix


def frame_rows(frame: "pandas.DataFrame") -> list[Row]:
    """The rows of a data frame, as `read_table` has them."""
    import pandas

    if not isinstance(frame, pandas.DataFrame):
        raise UserError(
            f"a table is a Path or a pandas DataFrame, got {type(frame).__name__}; "
            'for a file beside task.py write Path(__file__).parent / "data.csv"'
        )
    table = frame.set_axis([str(name) for name in frame.columns], axis="columns")
    _refuse_repeated(table.columns, source="data frame")
    # As objects, so that the missing values of every column type can become None.
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return _as_texts(map(_with_truths_as_pandas_has_them, rows), source="data frame")


def _with_truths_as_pandas_has_them(row: Mapping[Any, Any]) -> dict[Any, Any]:
    """`True`, as pandas reads it from a CSV file and writes it into one."""
    return {name: str(cell) if isinstance(cell, bool) else cell for name, cell in row.items()}


# Text files


def text_of(path: Path) -> str:
    """A text file whole, without the byte order mark that spreadsheets put first."""
    codec = COMPRESSED.get(path.suffix.lower())
    try:
        if codec is None:
            return _decoded(path.read_bytes())
        import pyarrow

        with pyarrow.input_stream(str(path), compression=codec) as stream:
            return _decoded(bytes(stream.read()))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text: {error}; save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: not readable as {codec}: {first_line(error)}") from None


def _decoded(data: bytes) -> str:
    """UTF-8, or UTF-16 where a byte order mark says so, as spreadsheets write "Unicode text"."""
    is_utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _read_csv(path: Path, text: str) -> list[dict[Any, Any]]:
    """Spreadsheets part cells by semicolons where numbers have decimal commas: what a header without commas
    holds parts them, a semicolon or a tab."""
    header = _first_record(text)
    separator = next((mark for mark in ",;\t" if mark in header), ",")
    return _delimited(path, text, separator=separator, quoted=True)


def _first_record(text: str) -> str:
    """The header, in whose quoted names lines may break; the first line where quotes do not pair up."""
    start = quotes = 0
    while (end := text.find("\n", start)) >= 0:
        quotes += text.count('"', start, end)
        if quotes % 2 == 0:
            return text[:end]
        start = end + 1
    return text.partition("\n")[0]


def _plain_name(name: str) -> str:
    """The name of a column on one line: forms write their questions as names, with line breaks."""
    return " ".join(name.split())


def _read_tsv(path: Path, text: str) -> list[dict[Any, Any]]:
    """Tab-separated text has no quoting by custom: a quotation mark is one. Some spreadsheets
    quote cells that hold a tab or a line break all the same; that is assumed where only then all
    rows have as many cells as columns."""
    plain = _delimited(path, text, separator="\t", quoted=False)
    if _is_whole(plain):
        return plain
    try:
        quoted = _delimited(path, text, separator="\t", quoted=True)
    except UserError:
        return plain
    return quoted if _is_whole(quoted) else plain


def _is_whole(rows: Sequence[Mapping[Any, Any]]) -> bool:
    """Whether every row has as many cells as the header."""
    return not any(None in row or None in row.values() for row in rows)


def _delimited(path: Path, text: str, *, separator: str, quoted: bool) -> list[dict[Any, Any]]:
    options: dict[str, Any] = {"strict": True} if quoted else {"quoting": csv.QUOTE_NONE, "quotechar": None}
    with _cells_of_any_length():
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, **options)
        try:
            header = [_plain_name(name) for name in reader.fieldnames or ()]
            _refuse_other_separator(path, header, separator=separator)
            _refuse_repeated(header, source=str(path))
            reader.fieldnames = header
            return list(reader)
        except csv.Error as error:
            raise UserError(f"{path}: not a valid {kind_of(path)} file: {error}") from None


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """By default the module of the standard library refuses cells of more than 131,072 characters."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _refuse_other_separator(path: Path, header: Sequence[str], *, separator: str) -> None:
    """Refuse a table with a single column whose name holds another separator of cells."""
    if len(header) != 1:
        return
    in_words = {",": "','", ";": "';'", "\t": "a tab"}
    for candidate in in_words.keys() - {separator}:
        if candidate in header[0]:
            raise UserError(
                f"{path}: the header is one column, {header[0]!r}: separated by {in_words[candidate]}? "
                "Between cells a .csv file has ',' and a .tsv file a tab; save or rename it so"
            )


def _read_lines(path: Path, text: str) -> Iterator[dict[str, Any]]:
    # StringIO parts lines at \n alone; a JSON string may hold U+2028.
    return jsonl_rows(io.StringIO(text), where=str(path))


def _read_json(path: Path, text: str) -> list[dict[str, Any]]:
    """A list of objects, or an object that holds nothing but one, as many exports have it."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path}: not valid JSON: {error.msg} at line {error.lineno}, character {error.colno}; a file "
            "with an object per line is called .jsonl"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable as JSON: {error}") from None
    if isinstance(value, dict):
        lists = [part for part in value.values() if isinstance(part, list)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list):
        raise UserError(f"{path}: expected a list of objects, one per row, got {type(value).__name__}")
    for number, row in enumerate(value, 1):
        if not isinstance(row, dict):
            raise UserError(f"{path}, row {number}: expected a JSON object, got {json.dumps(row)[:40]}")
    return value


# Arrow


def _read_arrow(path: Path, kind: str) -> list[dict[str, Any]]:
    import pyarrow
    from pyarrow import feather, ipc, parquet

    try:
        if kind == ".parquet":
            table = parquet.read_table(path)
        else:
            try:
                table = feather.read_table(path)
            except pyarrow.ArrowInvalid:  # a stream, as `datasets` writes it, and not a file with a footer
                with pyarrow.OSFile(str(path)) as file:
                    table = ipc.open_stream(file).read_all()
    except (pyarrow.ArrowException, OSError) as error:
        name = {".parquet": "Parquet"}.get(kind, "Arrow")
        raise UserError(f"{path}: not a valid {name} file: {first_line(error)}") from None
    _refuse_repeated(table.column_names, source=str(path))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _read_saved(path: Path) -> list[dict[str, Any]]:
    """A folder that `datasets`' `save_to_disk` wrote."""
    if (path / "dataset_dict.json").is_file():
        splits = sorted(part.name for part in path.iterdir() if (part / "state.json").is_file())
        raise UserError(f"{path} holds several splits; give one of them: {', '.join(splits)}")
    if not (path / "state.json").is_file():
        raise UserError(f"{path} is a folder; give a file: {KINDS}")
    try:
        import datasets
    except ImportError:
        raise UserError(
            f"{path}: reading it takes the datasets library: pip install 'gainboard[train]'"
        ) from None
    try:
        saved = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path}: not a data set that was saved to disk: {first_line(error)}") from None
    rows: list[dict[str, Any]] = saved.to_list()
    return rows


def _read_workbook(path: Path, sheet: str | None) -> list[dict[str, Any]]:
    from harness.data.workbooks import sheet_lines

    name, lines = sheet_lines(path, sheet)
    if not lines:
        return []
    header = ["" if value is None else _plain_name(str(value)) for value in lines[0]]
    columns = [place for place, title in enumerate(header) if title]
    _refuse_repeated([header[place] for place in columns], source=f"{path}, sheet '{name}'")
    return [{header[place]: line[place] for place in columns} for line in lines[1:]]


# Cells


def _refuse_repeated(columns: Iterable[str], source: str) -> None:
    for name, count in Counter(columns).items():
        if count > 1:
            raise UserError(f"{source}: {count} columns are called '{name}'; give each a name of its own")


def _as_texts(rows: Iterable[Mapping[Any, Any]], source: str, cleaning: Cleaning | None = None) -> list[Row]:
    texts: list[Row] = []
    for number, row in enumerate(rows, 1):
        if None in row:  # csv files cells without a column under None
            raise UserError(
                f"{source}, row {number}: more cells than the header has columns; "
                "quote cells that hold the separator"
            )
        read = _row_as_texts(row, source=source, number=number)
        texts.append(read)
        if cleaning is not None:
            for name, cell in row.items():
                cleaning.note(number, name, cell, read[name])
    if not texts:
        raise UserError(
            f"{source}: no rows; a task needs at least three, one for each of train, dev and test"
        )
    return texts


def _row_as_texts(row: Mapping[Any, Any], *, source: str, number: int) -> Row:
    texts = {}
    for name, cell in row.items():
        try:
            texts[name] = as_text(cell)
        except ValueError as error:
            raise UserError(f"{source}, row {number}: column '{name}' holds {error}") from None
    return texts


def as_text(cell: Any) -> str:
    """A cell as stripped text in one Unicode form, a nested one as JSON, a truth value as in JSON (`true`); a
    missing value, or a number that is none (NaN, Infinity), is empty. Raises
    `ValueError` that says what the cell holds."""
    if cell is None or _is_no_number(cell):
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, (bytes, bytearray)):
        raise ValueError("bytes; store texts, or leave the column out")
    # A data frame may hold numpy arrays; numpy itself is not imported here.
    nested = isinstance(cell, (dict, list, tuple)) or getattr(cell, "ndim", 0) > 0
    text = visible_form(_as_json(cell) if nested else str(cell))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            "half a surrogate pair, which is no character; mend the text or remove the row"
        ) from None
    return text


def _is_no_number(cell: Any) -> bool:
    return isinstance(cell, float) and not math.isfinite(cell)


_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Zero-width and soft characters and directions, which no reader sees."""

_JOINERS = re.compile(r"(?<=[\x00-\u058f])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\u058f]|$)")
"""Zero-width joiners beside Latin, Greek, Cyrillic and Armenian letters, digits and spaces, which they do not
join; elsewhere they are part of how a word or an emoji is written."""


def visible_form(text: str) -> str:
    """The text composed (Unicode NFC), without invisible characters, with plain spaces, stripped."""
    if text.isascii():
        return text.strip()
    seen = _JOINERS.sub("", _INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    return re.sub("[\u00a0\u2000-\u200a\u202f\u205f]", " ", seen).strip()


def _as_json(cell: object) -> str:
    def plain(value: Any) -> object:
        return value.tolist() if hasattr(value, "tolist") else as_text(value)

    try:
        return json.dumps(_finite(cell), ensure_ascii=False, sort_keys=True, default=plain)
    except TypeError as error:  # keys of different types cannot be sorted
        raise ValueError(f"a nested value that JSON cannot hold ({error}); store it as text") from None


def _finite(value: Any) -> Any:
    """A nested value with null where a number is none: JSON has no NaN."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if _is_no_number(value) else value
