"""Draw days and write them in twelve ways."""

import random
from collections.abc import Callable
from datetime import date, timedelta

from harness import Row

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FIRST, LAST = date(1970, 1, 2), date(2049, 12, 30)

ONE_DAY = timedelta(days=1)

FORMS: tuple[tuple[int, Callable[[date], str]], ...] = (
    (1, lambda day: f"{day.day} {month(day)} {day.year}"),
    (1, lambda day: f"{month(day)} {day.day}, {day.year}"),
    (1, lambda day: f"{day.day} {month(day)[:3]} {day.year}"),
    (1, lambda day: f"{month(day)[:3]} {day.day} {day.year}"),
    (1, lambda day: f"{day.month}/{day.day}/{day.year}"),
    (1, lambda day: f"{day.day}.{day.month}.{day.year}"),
    (2, lambda day: f"{month(day)} {ordinal(day)}, {day.year}"),
    (2, lambda day: f"the {ordinal(day)} of {month(day)} {day.year}"),
    (2, lambda day: f"{weekday(day)}, {day.day} {month(day)} {day.year}"),
    (2, lambda day: f"{weekday(day)[:3]} {month(day)[:3]} {day.day} {day.year}"),
    (3, lambda day: f"the day after {FORMS[0][1](day - ONE_DAY)}"),
    (3, lambda day: f"the day before {FORMS[1][1](day + ONE_DAY)}"),
)
"""Difficulty, and how a day is written."""


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A day; rows take the twelve forms in turn."""
    day = date.fromordinal(generator.randint(FIRST.toordinal(), LAST.toordinal()))
    difficulty, form = FORMS[index % len(FORMS)]
    return {"text": form(day), "iso": day.isoformat(), "difficulty": difficulty}


def month(day: date) -> str:
    return MONTHS[day.month - 1]


def ordinal(day: date) -> str:
    """`5th`, but `22nd` and `11th`."""
    ending = "th" if day.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return f"{day.day}{ending}"


def weekday(day: date) -> str:
    return WEEKDAYS[day.weekday()]
