"""A confusion matrix: labels down, answers across."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from leaderboards.chart.frame import LETTER
from leaderboards.text import letters_wide

CELL, TOP = 38, 8
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

    def corner(self, row: int, column: int) -> tuple[float, float]:
        """Of the cell at these places: its left and its upper edge."""
        return self.left + self.side * column, TOP + self.side * row


@dataclass(frozen=True)
class Count:
    """How often a label was answered for one, by their places among the names."""

    row: int
    column: int
    count: int
    href: str = ""


def matrix(row_names: Sequence[str], column_names: Sequence[str], counts: Sequence[Count]) -> Matrix:
    """Draw counts; the shade of a cell is its share of its row. The first columns are those of the rows."""
    totals = [sum(count.count for count in counts if count.row == row) for row in range(len(row_names))]
    right = sum(count.count for count in counts if count.row == count.column)
    empty = empty_matrix(
        row_names,
        column_names,
        f"{right:,} of {sum(totals):,} samples have the right label; the table below has every mistake",
    )
    cells = [_cell(count, totals[count.row], row_names, column_names, empty) for count in counts]
    return replace(empty, cells=tuple(cells))


def empty_matrix(
    row_names: Sequence[str], column_names: Sequence[str], summary: str, *, longest: int = LONGEST_LABEL
) -> Matrix:
    """The rows and columns of a matrix whose cells are not drawn yet. `longest`: letters of a name."""
    rows, columns = ([_short(name, longest) for name in names] for names in (row_names, column_names))
    left = round(LETTER * max(map(letters_wide, rows))) + 14
    # Names of columns rise at 45 degrees below the matrix.
    foot = 0.72 * LETTER * max(map(letters_wide, columns)) + 26
    bottom = TOP + CELL * len(rows)
    return Matrix(
        round(left + CELL * len(columns) + 10),
        round(bottom + foot),
        left,
        bottom,
        CELL,
        tuple(MatrixLabel(TOP + CELL * (place + 0.5), name) for place, name in enumerate(rows)),
        tuple(MatrixLabel(left + CELL * (place + 0.5), name) for place, name in enumerate(columns)),
        (),
        summary,
    )


def _cell(
    count: Count, total: int, row_names: Sequence[str], column_names: Sequence[str], drawn: Matrix
) -> MatrixCell:
    share = count.count / total if total else 0.0
    right = count.row == count.column
    answered = "" if right else f", answered {column_names[count.column]}"
    return MatrixCell(
        *drawn.corner(count.row, count.column),
        round(FAINTEST + (STRONGEST - FAINTEST) * share, 3),
        f"{count.count:,}",
        right,
        f"{row_names[count.row]}{answered}: {count.count:,} of {total:,}",
        count.href,
    )


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
