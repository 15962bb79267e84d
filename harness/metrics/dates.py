"""Dates as answers: read in the ways in which people and models write them, and compared as days."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, get_args

from harness.errors import UserError
from harness.metrics.matching import best
from harness.metrics.month_names import month_number
from harness.metrics.weekday_names import without_weekday
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

DateOrder = Literal["YMD", "DMY", "MDY"]
"""In which order year, month and day stand."""

DATE_ORDERS: tuple[DateOrder, ...] = get_args(DateOrder)

_WORD = r"[^\W\d_]{3,12}"
"""What may be the name of a month; whether it is one, `month_number` says."""


_MIDNIGHT = r"""
    (?: [T ]00:00 (?: :00 (?: \.0+ )? )? (?: Z | [+]00:00 )?
      | [ ]12:00 (?: :00 )? [ ]? AM )?
"""
"""What programs write behind a day that is meant as a whole, if anything."""


def _date_pattern(year: str, year_of_numbers: str) -> re.Pattern[str]:
    """The forms of a date. `year`: a pattern of the year that stands behind a month's name;
    `year_of_numbers`: of the one behind a month's number."""
    return re.compile(
        rf"""
        (?<! [\d./-] )
        (?: (?P<year_1> \d{{4}} ) (?P<mark_1> [-/] | \.[ ]? ) (?P<month_1> \d{{1,2}} ) (?P=mark_1)
            (?P<day_1> \d{{1,2}} ) {_MIDNIGHT}
          | (?P<first> \d{{1,2}} ) (?P<mark> [-/] | \.[ ]? ) (?P<second> \d{{1,2}} ) (?P=mark)
            (?P<year> {year_of_numbers} ) {_MIDNIGHT}
          | (?P<year_2> \d{{4}} ) [年년] [ ]? (?P<month_2> \d{{1,2}} ) [月월] [ ]?
            (?P<day_2> \d{{1,2}} ) [日일]
          | (?P<day_3> \d{{1,2}} ) (?: st | nd | rd | th | er | [.ºª] )? [ -]
                (?: (?: of | de | den ) [ ] | d['’] )?
                (?P<month_3> {_WORD} ) (?: \.?,?[ ] (?: del? [ ] )? | - ) (?P<year_3> {year} )
                (?: [ ] [гр]\b\.? )?    # what follows a year in Russian and Ukrainian
          | \b (?P<month_4> {_WORD} ) \.?[ ] (?P<day_4> \d{{1,2}} ) (?: st | nd | rd | th )? ,?[ ]
                (?P<year_4> {year} )
          | (?P<year_5> \d{{4}} ) \.?[ ] (?P<month_5> {_WORD} ) \.?[ ] (?P<day_5> \d{{1,2}} ) \b
        )
        (?! [\d/-] | \.\d )
        """,
        re.VERBOSE | re.IGNORECASE,
    )


_DATE = _date_pattern(r"\d{4}", r"\d{4}")
_SHORT = r"['’]?\d\d(?![\w:])"
"""A year of two digits; digits before a colon are an hour."""

# Behind a hyphen two digits may as well be a day, as in 24-03-15.
_DATE_OF_ANY_YEAR = _date_pattern(rf"(?:\d{{4}}|{_SHORT})", rf"(?:\d{{4}}|(?<!-){_SHORT})")
_PLACES = (1, 2, 3, 4, 5)
"""Of the forms above in which the order of day, month and year is clear."""


@dataclass(frozen=True)
class WrittenDate:
    """A date in a text."""

    day: date | None
    """None where there is no such day, as on the 30th of February."""

    orders: frozenset[DateOrder]
    """Those in which it can be read: of 13/04/2024 only "DMY", of 2024-04-13 and 13 April 2024 any."""


@dataclass(frozen=True)
class DateFormat:
    """How the targets of a task write dates. Answers may write them in any way.

    Raises `UserError` for an order that is none.
    """

    order: DateOrder = "YMD"
    """How to read what has two readings: with "DMY" 03/04/2024 is the third of April, and else the fourth of
    March."""

    short_years: bool = False
    """Whether a year may have two digits: 3 Mar 24 is in 2024, and 3 Mar 69 in 1969, as POSIX has it."""

    def __post_init__(self) -> None:
        if self.order not in DATE_ORDERS:
            allowed = ", ".join(DATE_ORDERS)
            raise UserError(f"the order of a DateFormat is one of {allowed}, not {self.order!r}")

    def read(self, text: str) -> date | None:
        """The last date in a text; None where there is none."""
        dates = written_dates(text, self.order, short_years=self.short_years)
        days = [written.day for written in dates if written.day is not None]
        return days[-1] if days else None

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Whether the day is right, and how many of year, month and day are."""
        return (
            Metric(
                "date_match",
                "the last date of the answer is that of a target, however it is written",
                best(self._match),
                parses=self._has_date,
                binary=True,
                outputs=ANSWERS,
            ),
            Metric(
                "date_parts",
                "how many of year, month and day are right, as a share",
                best(self._parts),
                parses=self._has_date,
                outputs=ANSWERS,
            ),
        )

    def _has_date(self, reply: Reply) -> bool:
        return self.read(reply.answer) is not None

    def _match(self, answer: str, target: str) -> float:
        return float(self._parts(answer, target) == 1)

    def _parts(self, answer: str, target: str) -> float:
        expected, day = self.read(target), self.read(answer)
        if expected is None:
            raise UserError(f"the target {target!r} holds no date")
        if day is None:
            return 0.0
        pairs = ((day.year, expected.year), (day.month, expected.month), (day.day, expected.day))
        return sum(part == right for part, right in pairs) / 3


def written_dates(text: str, order: DateOrder = "YMD", *, short_years: bool = False) -> Iterator[WrittenDate]:
    """The dates of a text, in order; with `short_years` those with years of two digits, too."""
    pattern = _DATE_OF_ANY_YEAR if short_years else _DATE
    composed = _composed(text)
    begin = 0
    while (match := pattern.search(composed, begin)) is not None:
        written = _written(match, order)
        if written is not None:
            yield written
        # A word that is no month may stand before a date: "in 2024 on 3 May 2025".
        begin = match.start() + 1 if written is None else match.end()


def whole_date(text: str, order: DateOrder = "YMD", *, short_years: bool = False) -> WrittenDate | None:
    """The date that a text is, with nothing beside it but its day of the week; None for any other text."""
    pattern = _DATE_OF_ANY_YEAR if short_years else _DATE
    composed = _composed(text)
    # As it stands first: in Spanish "Mar" is a Tuesday, and in English a month.
    for candidate in (composed, without_weekday(composed)):
        match = pattern.fullmatch(candidate.removesuffix("."))
        if match is not None and (written := _written(match, order)) is not None:
            return written
    return None


def _composed(text: str) -> str:
    """In Unicode's composed form, with plain spaces."""
    return text if text.isascii() else re.sub(r"[^\S\n]", " ", unicodedata.normalize("NFC", text))


def _written(match: re.Match[str], order: DateOrder) -> WrittenDate | None:
    """None where the word in the place of a month is none."""
    if match["first"]:
        return _of_numbers(match, order)
    place = next(place for place in _PLACES if match[f"year_{place}"])
    month = match[f"month_{place}"]
    number = int(month) if month.isdecimal() else month_number(month)
    if number is None:
        return None
    day = _date(_year(match[f"year_{place}"]), number, int(match[f"day_{place}"]))
    return WrittenDate(day, frozenset(DATE_ORDERS))


def _of_numbers(match: re.Match[str], order: DateOrder) -> WrittenDate:
    """03/04/2024, which has two readings, or 13/04/2024, which has one."""
    first, second, year = int(match["first"]), int(match["second"]), _year(match["year"])
    orders: set[DateOrder] = set()
    if second <= 12:
        orders.add("DMY")
    if first <= 12:
        orders.add("MDY")
    day_first = "MDY" not in orders or (order == "DMY" and "DMY" in orders)
    day = _date(year, second, first) if day_first else _date(year, first, second)
    return WrittenDate(day, frozenset(orders))


def _year(digits: str) -> int:
    """Of two digits in the century that POSIX's strptime takes: from 1969 to 2068."""
    year = int(digits.lstrip("'’"))
    if len(digits.lstrip("'’")) == 4:
        return year
    return year + (1900 if year >= 69 else 2000)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
