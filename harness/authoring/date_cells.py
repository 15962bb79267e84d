"""Tell whether the cells of a column are dates: `2024-03-15`, `15.03.2024`, `Fri 15 Mar 24`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.metrics.dates import DATE_ORDERS, DateFormat, DateOrder, whole_date

_PARTS: dict[DateOrder, str] = {"YMD": "YYYY MM DD", "DMY": "DD MM YYYY", "MDY": "MM DD YYYY"}

_TIME = re.compile(
    r"""
    (?: [Tt] | ,?\s+ (?: (?: at | um | à | alle ) \s+ )? )
    \d{1,2} [:.h] \d{2} (?: : \d{2} (?: [.,]\d+ )? )?
    (?: \s* [AaPp] \.? [Mm] \.? )?
    (?: \s* (?: Z | UTC | GMT | [+-]\d{2} :? \d{2} | [+-]\d{2} ) )?
    \s* $
    """,
    re.VERBOSE,
)
"""A time of day at the end of a cell, with its zone."""


@dataclass(frozen=True)
class DateCells:
    """A column of dates."""

    written: DateFormat
    pattern: str
    """`DD.MM.YYYY`; empty where the cells are not all written in one way, or with names of months."""

    is_ambiguous: bool
    """Whether no cell tells the day from the month."""


def is_date(cell: str) -> bool:
    """Whether a cell is a day and nothing else, in any order."""
    return any(orders_of(cell))


def is_time(cell: str) -> bool:
    """Whether a cell is a day and a time of day."""
    date, found = _TIME.subn("", cell)
    return found > 0 and is_date(date)


def orders_of(cell: str) -> frozenset[DateOrder]:
    """The orders in which a cell is the date of a day; none where it is no date."""
    dates = {order: whole_date(cell, order, short_years=True) for order in DATE_ORDERS}
    return frozenset(
        order
        for order, written in dates.items()
        if written is not None and written.day is not None and order in written.orders
    )


def find_date_cells(cells: Sequence[str]) -> DateCells | None:
    """The dates of a column, if each of its cells is one and all can be read in one order.

    Where none tells day from month, the day is first in 03.04.2024 and
    03-04-2024, and the month in 03/04/2024.
    """
    if not cells:
        return None
    orders = frozenset(DATE_ORDERS).intersection(*map(orders_of, cells))
    if not orders:
        return None
    is_ambiguous = len(orders) == 2
    order: DateOrder = next(each for each in DATE_ORDERS if each in orders)
    if is_ambiguous and any("/" in cell for cell in cells):
        order = "MDY"
    short_count = sum(whole_date(cell, order) is None for cell in cells)
    pattern = _pattern(cells, order)
    if short_count:
        pattern = pattern.replace("YYYY", "YY") if short_count == len(cells) else ""
    return DateCells(DateFormat(order, short_years=short_count > 0), pattern, is_ambiguous)


def _pattern(cells: Sequence[str], order: DateOrder) -> str:
    marks = {re.sub(r"\d", "", cell) for cell in cells}
    mark = next(iter(marks))[:1]
    is_one = len(marks) == 1 and marks == {mark * 2} and mark in "-/."
    return _PARTS[order].replace(" ", mark) if is_one else ""
