"""Tell whether the cells of a column are numbers as people write them:
`7.3 kg`, `45 %`, `$1,200`, `1.234,5`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from harness.metrics.answers import DECIMAL_MARKS, DecimalMark, is_code, plain_number, whole_number
from harness.metrics.number_format import NumberFormat

MOST_UNITS = 8
"""Different units of a column in which they differ; more are words that follow a number, as in an address."""

CELLS_PER_UNIT = 3
"""Cells with each of these units, on average: units recur, such words hardly do."""

_CODES = "USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|TRY|KRW|SGD|HKD|RUB"
_CURRENCY = rf"(?:US|A|C|NZ|HK|S|R)?\p{{Sc}}|(?:{_CODES})(?![a-z])|Rs\.?|kr\.?"
_AMOUNT = regex.compile(
    rf"""
    (?P<sign> [-−–+] )? (?: (?P<before> {_CURRENCY} ) \s? )?
    (?P<number> [-−–+]? [\d.,] (?: [\d.,'’] | [ \u00a0\u2009\u202f](?=\d{{3}}) )* (?: [eE][-+]?\d+ )? )
    (?: \s? (?P<after> (?: [%‰°′″] | \p{{Sc}} | \p{{L}} )
        (?: [\p{{L}}\p{{M}}\p{{Sc}}%°²³⁻¹./·*-] | (?<=\p{{L}})\d | \s(?!\d) ){{0,23}} ) )?
    """,
    regex.VERBOSE,
)


@dataclass(frozen=True)
class NumberCell:
    """A cell that is one number, with a unit or without."""

    unit: str
    numbers: dict[DecimalMark, str]
    """The number, written plainly, by the mark that is read as the decimal one: those with which it can be
    read."""


@dataclass(frozen=True)
class NumberCells:
    """A column of numbers that are written in one way."""

    written: NumberFormat
    numbers: tuple[str, ...]
    """Written plainly."""

    unsure: str = ""
    """A cell that can be read with the other mark as another number, where no cell tells the mark."""


def number_cell(text: str) -> NumberCell | None:
    """The number that a cell is; None for any other text, and for a code with leading zeros."""
    match = _AMOUNT.fullmatch(text)
    if match is None:  # 6 × 10², say
        number, unit = text, ""
    elif match["before"] and match["after"]:
        return None
    else:
        number = f"{match['sign'] or ''}{match['number']}".lstrip("+")
        unit = (match["before"] or match["after"] or "").rstrip(". ")
    if is_code(number):
        return None
    numbers = {
        decimal: plain_number(whole, decimal=decimal)
        for decimal in DECIMAL_MARKS
        if (whole := whole_number(number, decimal=decimal)) is not None
    }
    return NumberCell(unit, numbers) if numbers else None


def find_number_cells(cells: Sequence[str]) -> NumberCells | None:
    """The numbers of a column, if each of its cells is one and all have one unit and one decimal mark.

    Where cells can be read with either mark, it is a point. A unit may have a plural: `1 day`, `3 days`.
    """
    found = _all_numbers(cells)
    if found is None:
        return None
    units, marks = set(_by_singular(found)), common_marks(found)
    if len(units) > 1 or not marks:
        return None
    decimal = marks[0]
    longest = max((cell.unit for cell in found), key=len)
    is_told = len(marks) == 1
    two_readings = (
        cell for cell, read in zip(cells, found, strict=True) if len(set(read.numbers.values())) > 1
    )
    return NumberCells(
        NumberFormat(decimal, longest),
        tuple(cell.numbers[decimal] for cell in found),
        unsure="" if is_told else next(two_readings, ""),
    )


def _all_numbers(cells: Sequence[str]) -> list[NumberCell] | None:
    """The numbers that all cells are; None where one is none, or there is no cell."""
    found = []
    for cell in cells:
        number = number_cell(cell)
        if number is None:
            return None  # texts are told by the first of them
        found.append(number)
    return found or None


def common_marks(cells: Sequence[NumberCell]) -> list[DecimalMark]:
    """The decimal marks with which all of these cells can be read, the point first."""
    return [mark for mark in DECIMAL_MARKS if all(mark in cell.numbers for cell in cells)]


def number_fault(cells: Sequence[str]) -> str:
    """Why cells that all are numbers are no column of them, in a sentence without its end; empty where they
    are, or where too many texts follow numbers to be units."""
    found = _all_numbers(cells)
    if found is None:
        return ""
    units = Counter(_by_singular(found))
    if len(units) > 1 and _recur(units):
        listing = ", ".join(f"{unit or 'no unit'} ({count:,})" for unit, count in units.most_common())
        return f"they are numbers in {len(units)} units: {listing}; convert them to one"
    if len(units) == 1 and not common_marks(found):
        comma = next(cell for cell, read in zip(cells, found, strict=True) if "." not in read.numbers)
        point = next(cell for cell, read in zip(cells, found, strict=True) if "," not in read.numbers)
        return (
            f"they are numbers, some with a decimal comma ({comma!r}) and some with a point ({point!r}); "
            "write all in one way"
        )
    return ""


def are_amounts(cells: Sequence[str]) -> bool:
    """Whether cells that all are numbers have units, if any: what follows a number is none where it hardly
    recurs, as in `3 lamps to Berlin`."""
    numbers = _all_numbers(cells)
    return numbers is not None and _recur(Counter(_by_singular(numbers)))


def _recur(units: Counter[str]) -> bool:
    return len(units) == 1 or (len(units) <= MOST_UNITS and units.total() >= CELLS_PER_UNIT * len(units))


def _by_singular(cells: Sequence[NumberCell]) -> list[str]:
    """The unit of each cell, a plural as its singular where both occur."""
    units = {cell.unit for cell in cells}
    return [
        cell.unit[:-1] if cell.unit.endswith("s") and cell.unit[:-1] in units else cell.unit for cell in cells
    ]
