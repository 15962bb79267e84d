"""Read a sheet of a workbook (.xlsx) as it looks:
its cells as they were last saved, without titles above them."""

import re
import zipfile
from collections.abc import Sequence
from datetime import datetime, time
from pathlib import Path
from typing import Any

from harness.errors import UserError, suggest

_COMPOUND_FILE = bytes.fromhex("d0cf11e0a1b11ae1")
"""Begins a file of Office's older container, in which encrypted workbooks lie, too."""

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
"""The name of the part of such a container that holds an encrypted workbook (MS-OFFCRYPTO, 2.3.4)."""

Line = list[Any]


def sheet_lines(path: Path, sheet: str | None) -> tuple[str, list[Line]]:
    """The name of a sheet, and its lines that are not empty: of formulas the value, a merged cell in each of
    its places, of errors nothing. `sheet`: one of several.

    A title, one cell merged over several columns above the table, is left out. Raises `UserError` for a file
    that is no workbook or has a password, and for formulas whose values were never stored.
    """
    book, formulas = _opened(path)
    name = _sheet_name(path, [page.title for page in book.worksheets if page.max_row > 1], sheet)
    page, written = book[name], formulas[name]
    lines = [
        [_shown(path, cell, written[cell.coordinate].value) for cell in line] for line in page.iter_rows()
    ]
    titles = _titles(lines, page.merged_cells.ranges)
    for merged in page.merged_cells.ranges:
        value = lines[merged.min_row - 1][merged.min_col - 1]
        for row in range(merged.min_row - 1, merged.max_row):
            lines[row][merged.min_col - 1 : merged.max_col] = [value] * (merged.max_col - merged.min_col + 1)
    return name, [line for line in lines[titles:] if any(value is not None for value in line)]


def _opened(path: Path) -> tuple[Any, Any]:
    """The workbook with the values of its formulas, and with the formulas."""
    try:
        import openpyxl
    except ImportError:
        raise UserError(f"{path}: workbooks are read by openpyxl: pip install 'gainboard[xlsx]'") from None
    try:
        return openpyxl.load_workbook(path, data_only=True), openpyxl.load_workbook(path)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise UserError(f"{path}: {_why_not(path, error)}") from None


def _why_not(path: Path, error: Exception) -> str:
    """Why a file cannot be read as a workbook, and what to do."""
    content = path.read_bytes()
    if not content.startswith(_COMPOUND_FILE):
        return f"not a readable workbook ({error}); save it as .xlsx in a spreadsheet program"
    if _ENCRYPTED in content:
        return "a workbook with a password; open it in a spreadsheet program and save it without one"
    return "a workbook of the older kind (.xls), whatever its name; save it as .xlsx in a spreadsheet program"


def _sheet_name(path: Path, titles: Sequence[str], sheet: str | None) -> str:
    """The one that is asked for, or the only one that holds rows."""
    if sheet is not None:
        if sheet not in titles:
            raise UserError(
                f"{path}: sheet '{sheet}' not found.{suggest(sheet, titles)} There are {', '.join(titles)}"
            )
        return sheet
    if len(titles) != 1:
        which = f"several sheets; say which: {', '.join(titles)}" if titles else "no sheet with rows"
        raise UserError(f"{path} holds {which}")
    return titles[0]


def _titles(lines: Sequence[Line], merged_ranges: Any) -> int:
    """The number of lines above the table that hold nothing but one cell, merged over several columns."""
    titles = {merged.min_row - 1 for merged in merged_ranges if merged.max_col > merged.min_col}
    above = 0
    while above < len(lines):
        filled = sum(value is not None for value in lines[above])
        if filled > 1 or (filled == 1 and above not in titles):
            break
        above += 1
    return above


def _shown(path: Path, cell: Any, written: Any) -> Any:
    """A cell's value as the sheet shows it."""
    value = cell.value
    if value is None and isinstance(written, str) and written.startswith("="):
        raise UserError(
            f"{path}, cell {cell.coordinate}: a formula without a stored value; open and save the workbook "
            "in a spreadsheet program, or write the values"
        )
    if cell.data_type == "e":  # such as #N/A
        return None
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int) and re.fullmatch("0+", cell.number_format):
        return str(value).zfill(len(cell.number_format))  # a postal code
    if isinstance(value, datetime) and value.time() == time():
        return value.date()  # workbooks keep days as their midnight
    if isinstance(value, (int, float)) and re.fullmatch(r"0(\.0+)?%", cell.number_format):
        decimals = len(cell.number_format.partition(".")[2].rstrip("%"))
        return f"{100 * value:.{decimals}f}%"
    return value
