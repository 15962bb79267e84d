"""A confusion matrix: labels down, answers across."""

from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.chart.frame import LETTER
from leaderboards.text import letters_wide

CELL = 38
LONGEST_LABEL = 16
"""Letters of a label beside the matrix."""

FAINTEST, STRONGEST = 0.06, 0.75
"""How much of its colour a cell has, by its share of the row."""


@dataclass(frozen=True)
class MatrixCell:
    """One label answered for one."""

    x: float
    y: float
    opacity: float
    text: str
    right: bool
    title: str
    href: str
    """Of the list of its samples, on the same page; empty where it has none."""


@dataclass(frozen=True)
class MatrixLabel:
    """A label beside a row, or below a column."""

    at: float
    text: str


@dataclass(frozen=True)
class Matrix:
    """A matrix of counts."""

    width: int
    height: int
    left: float
    bottom: float
    side: int
    """Of a cell."""

    rows: tuple[MatrixLabel, ...]
    columns: tuple[MatrixLabel, ...]
    cells: tuple[MatrixCell, ...]
    summary: str


@dataclass(frozen=True)
class Count:
    """How often a label was answered for one, by their places among the names."""

    row: int
    column: int
    count: int
    href: str = ""


def matrix(row_names: Sequence[str], column_names: Sequence[str], counts: Sequence[Count]) -> Matrix:
    """Draw counts; the shade of a cell is its share of its row. The first columns are those of the rows."""
    rows, columns = list(map(_short, row_names)), list(map(_short, column_names))
    left = LETTER * max(map(letters_wide, rows)) + 14
    # Names of columns rise at 45 degrees below the matrix.
    foot = 0.72 * LETTER * max(map(letters_wide, columns)) + 26
    totals = [sum(count.count for count in counts if count.row == row) for row in range(len(rows))]
    right = sum(count.count for count in counts if count.row == count.column)
    cells = [_cell(count, totals[count.row], row_names, column_names, left) for count in counts]
    bottom = 8 + CELL * len(rows)
    return Matrix(
        round(left + CELL * len(columns) + 10),
        round(bottom + foot),
        left,
        bottom,
        CELL,
        tuple(MatrixLabel(8 + CELL * (place + 0.5), name) for place, name in enumerate(rows)),
        tuple(MatrixLabel(left + CELL * (place + 0.5), name) for place, name in enumerate(columns)),
        tuple(cells),
        f"{right:,} of {sum(totals):,} samples have the right label; the table below has every mistake",
    )


def _cell(
    count: Count, total: int, row_names: Sequence[str], column_names: Sequence[str], left: float
) -> MatrixCell:
    share = count.count / total if total else 0.0
    right = count.row == count.column
    answered = "" if right else f", answered {column_names[count.column]}"
    return MatrixCell(
        left + CELL * count.column,
        8 + CELL * count.row,
        round(FAINTEST + (STRONGEST - FAINTEST) * share, 3),
        f"{count.count:,}",
        right,
        f"{row_names[count.row]}{answered}: {count.count:,} of {total:,}",
        count.href,
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
