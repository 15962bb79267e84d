"""What tables and lists on a page are made of: columns with an explanation, rows with a head, items
with a sort key, links with a note.

Columns, heads, items and rows are tuples, for the pages of a large board have hundreds of thousands of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, NamedTuple, TypeVar

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.chart.bar import Bar, bar
from leaderboards.rank.flags import Flag
from leaderboards.rank.standings import SIGNIFICANT
from leaderboards.text import MINUS, MISSING, POINTS, Unit, interval, p_value

Tone = Literal["", "muted", "good", "bad"]
SubjectT = TypeVar("SubjectT")
"""What the rows of a table are about: an entry of the ledger, say."""


Pairs = tuple[tuple[str, str], ...]
"""A list of terms, each with what it is."""


@dataclass(frozen=True)
class Link:
    """A link with a note beside it."""

    text: str
    href: str
    note: str = ""


class Column(NamedTuple):
    """A column head."""

    title: str
    help: str = ""
    """What the column means, in a sentence."""

    narrow: bool = True
    """Whether it is still shown on a phone."""

    low_first: bool = False
    """Whether sorting begins with the lowest number: of a cost, a rank."""

    extra: bool = False
    """Whether it is shown only where a reader asks for more columns."""

    text: bool = False
    """Words are set to the left; everything else is a number and set to the right."""

    about: str = ""
    """The anchor of the methodology page that says how the column is made; empty where nothing needs to be
    said."""

    @property
    def hidden_as(self) -> str:
        """The class of its cells that says where it is left out."""
        if self.extra:
            return "extra"
        return "" if self.narrow else "wide"


class Item(NamedTuple):
    """One cell of a table."""

    text: str = MISSING
    detail: str = ""
    """A second, smaller line."""

    sort: float | str | None = None
    """What the column sorts by; None stays last."""

    bar: Bar | None = None
    href: str = ""
    """A page of the site, from its root."""

    tone: Tone = ""

    links: tuple[tuple[str, str], ...] = ()
    """Several links, as text and page, in place of the text."""

    flag: Flag | None = None
    """What a reader must know before believing it."""

    title: str = ""
    """Said where a pointer rests on it."""

    loose: bool = False
    """Whether the smaller line may be broken where there is little room."""

    @property
    def says_anything(self) -> bool:
        """Whether there is more in it than the dash of what is missing."""
        return self.text not in (MISSING, "") or bool(self.detail or self.links)

    @property
    def sort_key(self) -> str:
        """What the column sorts by, in as many digits as can matter: a large page has thousands of them."""
        return f"{self.sort:.7g}" if isinstance(self.sort, float) else str(self.sort)

    def classes(self, column: Column) -> str:
        """How it is set; a plain number, which most are, needs no word."""
        words = (
            "words" if column.text else "",
            column.hidden_as,
            self.tone,
            "loose" if self.loose else "",
        )
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class FilledColumn(Generic[SubjectT]):
    """A column together with what fills it, so that no head can stand over another column's items."""

    head: Column
    item: Callable[[SubjectT], Item]
    """What stands in the row of a subject."""


class RowDetail(NamedTuple):
    """What a row opens to."""

    facts: tuple[tuple[str, Item], ...]
    """Terms, each with words or links."""

    command: str
    """Made this row's first run."""


class Head(NamedTuple):
    """The head of a row: a candidate, or whatever the row is about."""

    name: str
    detail: str = ""
    rank: str = ""
    method: Method | None = None
    """Draws the method's shape."""

    href: str = ""
    frontier: bool = False
    lead: bool = False
    """Set in bold: a leader that nothing is level with."""

    flag: Flag | None = None
    """What a reader must know before believing the row."""

    row: str = ""
    """What addresses call a candidate, where it can be compared with others of its table."""

    kind: str = ""
    """`tuned`, `few-shot` or `zero-shot`: what the rows of the table are told apart by."""

    divided: bool = False
    """Whether a rule stands above it: a tier begins."""

    more: RowDetail | None = None
    """What the row opens to; None where it opens to nothing."""


class GridRow(NamedTuple):
    """A row of a table."""

    head: Head
    items: tuple[Item, ...]
    aside: bool = False
    """Not ranked: set apart from the others."""


@dataclass(frozen=True)
class Grid:
    """A table."""

    caption: str
    """Says what the table is to those who do not see it."""

    head: Column
    columns: tuple[Column, ...]
    lines: tuple[GridRow, ...]
    total: GridRow | None = None
    """What all rows come to, set below them."""

    lean: bool = False
    """Written without the tags that only a script would use."""

    @property
    def has_extra(self) -> bool:
        """Whether some columns are shown only where a reader asks for them."""
        return any(column.extra for column in self.columns)

    @property
    def has_aside(self) -> bool:
        """Whether some rows are not ranked."""
        return any(line.aside for line in self.lines)


def heads_of(columns: Sequence[FilledColumn[SubjectT]]) -> tuple[Column, ...]:
    """The heads of columns, from left to right."""
    return tuple(column.head for column in columns)


def items_of(columns: Sequence[FilledColumn[SubjectT]], subject: SubjectT) -> tuple[Item, ...]:
    """The row of a subject, from left to right."""
    return tuple(column.item(subject) for column in columns)


def without_empty(grid: Grid) -> Grid:
    """A table without the columns that have nothing in any row."""
    lines = [line.items for line in (*grid.lines, *([grid.total] if grid.total else []))]
    kept = [place for place in range(len(grid.columns)) if any(items[place].says_anything for items in lines)]

    def thinned(line: GridRow) -> GridRow:
        return line._replace(items=tuple(line.items[place] for place in kept))

    return replace(
        grid,
        columns=tuple(grid.columns[place] for place in kept),
        lines=tuple(map(thinned, grid.lines)),
        total=thinned(grid.total) if grid.total else None,
    )


def remainder_line(hidden: int, columns: Sequence[Column], note: str = "") -> GridRow:
    """The last row of a table that was cut: how many rows are not shown."""
    return GridRow(Head(f"{hidden:,} more", note), (Item(""),) * len(columns))


def slim(grid: Grid) -> Grid:
    """A very long table without what adorns it: bars, shapes, and tags that only a script would use."""

    def bare(line: GridRow) -> GridRow:
        items = tuple(item._replace(bar=None) if item.bar else item for item in line.items)
        return line._replace(head=line.head._replace(method=None, more=None), items=items)

    return replace(grid, lines=tuple(map(bare, grid.lines)), lean=True)


def score_item(
    estimate: Estimate | None,
    *,
    floor: float | None = None,
    seeds: Sequence[float] = (),
    unit: Unit = POINTS,
) -> Item:
    """A score with its interval; with a bar when `floor`, the lowest value of the column, is given, and with
    the scores of single seeds in it. It is sorted by how good it is."""
    if estimate is None:
        return Item()
    drawn = None if floor is None else bar(estimate, floor=floor, seeds=seeds)
    return Item(unit.write(estimate.value), interval(estimate, unit=unit), estimate.value, drawn)


def sign_tone(number: float, *, clear: bool) -> Tone:
    """Green for a gain and red for a loss; muted where it is not clear of zero."""
    if not clear:
        return "muted"
    return "good" if number > 0 else "bad"


def gain_item(
    estimate: Estimate | None, *, p: float | None = None, seeds_known: bool = True, unit: Unit = POINTS
) -> Item:
    """A gain with its interval; muted where the interval holds zero, `p`, its corrected p-value, is not below
    5 %, or it is not known how far another seed would differ."""
    if estimate is None:
        return Item()
    clear = estimate.clear and (p is None or p < SIGNIFICANT) and seeds_known
    tone = sign_tone(estimate.low, clear=clear)
    title = "" if p is None else f"p {'' if p < 0.001 else '= '}{p_value(p)}"
    return Item(
        unit.write(estimate.value, sign=True),
        interval(estimate, sign=True, unit=unit),
        estimate.value,
        tone=tone,
        title=title,
    )


def headroom_item(closed: float | None) -> Item:
    """The share of the way to a perfect score that was gone."""
    return Item() if closed is None else Item(f"{round(100 * closed)} %".replace("-", MINUS), sort=closed)


def samples_item(scored: int, total: int) -> Item:
    """How many samples were scored; of how many, where some were not."""
    return Item(f"{scored:,}" if scored == total else f"{scored:,}/{total:,}", sort=scored)
