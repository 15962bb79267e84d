"""The geometry of the staircase of score against cost, as plain numbers; `templates/charts.html` draws it as
inline SVG."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.sweep.methods import METHODS, Method
from leaderboards.chart.axes import LinearAxis, even_steps, nice_range
from leaderboards.chart.frame import LETTER, Frame, Label, Tick
from leaderboards.chart.labels import Box, Named, place_labels
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.rank.baselines import UNTUNED, Key
from leaderboards.rank.tables import Row, Table
from leaderboards.text import Unit, chart_label, duration, letters_wide, round_usd, usd, with_interval

_ROUND = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0)
_ROUND_HOURS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
ROUND_TIMES = (*_ROUND, *(60 * size for size in _ROUND), *(3600 * size for size in _ROUND_HOURS))
"""Seconds that make round labels on an axis."""


UNPAID = "no training"
"""What the lanes of untrained arms are called."""

MOST_NAMED = 8
"""Marks with a name beside them; all have one that a pointer or a screen reader finds."""


@dataclass(frozen=True)
class Whisker:
    """The 95 % interval of a mark's score, from its upper to its lower end."""

    top: float
    bottom: float


@dataclass(frozen=True)
class ChartMark:
    """A point of a chart; its method gives its shape."""

    x: float
    y: float
    method: Method
    label: str
    """What its tooltip says."""

    frontier: bool = False
    href: str = ""
    """Where it leads."""

    whisker: Whisker | None = None
    """Of the marks that matter most."""


@dataclass(frozen=True)
class Arrow:
    """A straight line from one mark to another."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Staircase:
    """Score against training cost: the non-dominated set as a staircase, and how far tuning moved its
    models."""

    frame: Frame
    divide: float
    """Where the lane of untrained arms ends and the cost axis begins."""

    x_title: str
    path: str
    arrows: tuple[Arrow, ...]
    marks: tuple[ChartMark, ...]
    labels: tuple[Label, ...]
    methods: tuple[Method, ...]
    """What the key explains."""

    summary: str
    """The chart in words."""


@dataclass(frozen=True)
class Canvas:
    """The size of a staircase, in units of which a letter is 12 high."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    lanes: tuple[float, float]
    """Right of the axis, where marks of arms without and with examples stand that train nothing."""

    lanes_end: float
    longest_label: int
    """Letters of a candidate's name."""

    tick_room: float
    """What a label of the cost axis takes."""


WIDE = Canvas(720, 380, 46.0, 704.0, 18.0, 330.0, (30.0, 82.0), 112.0, 34, 60.0)
NARROW = Canvas(360, 380, 34.0, 350.0, 18.0, 330.0, (18.0, 54.0), 72.0, 22, 54.0)
"""For a phone, on which the wide one would have to be scrolled."""


@dataclass(frozen=True)
class _CostAxis:
    """A logarithmic axis of costs, which fine-tunes stand on, right of two lanes for untuned arms."""

    canvas: Canvas
    low: float
    high: float
    """Powers of ten."""

    least: float
    """The lowest cost of a fine-tune."""

    divide: float
    """Where the lanes end."""

    @property
    def name_of_lanes_ends(self) -> float:
        """Right of this a label of the axis may begin: what the lanes are called, and a gap."""
        if self.divide == self.canvas.left:
            return 0.0
        middle = (self.canvas.left + self.divide) / 2
        return middle + letters_wide(UNPAID) * LETTER / 2 + 4

    def at(self, cost: float) -> float:
        """The place of a cost."""
        share = (math.log10(cost) - self.low) / (self.high - self.low)
        return self.divide + 14 + (self.canvas.right - self.divide - 28) * share

    def of(self, row: Row, cost: float) -> float:
        """The place of a row; one that was tuned for nothing stands with the cheapest."""
        if row.tuned:
            return self.at(max(cost, self.least))
        return self.canvas.left + self.canvas.lanes[row.method != "zero_shot"]


def staircase_chart(
    table: Table, ledger: CostLedger, *, href_of: Callable[[Row], str], canvas: Canvas = WIDE
) -> Staircase | None:
    """Draw the ranked rows; None without at least one tuned and two rows in all. `href_of`: where the mark of
    a row leads."""
    entries = [entry for entry in ledger.entries if entry.row.score]
    tuned = [entry for entry in entries if entry.spend.tuned and ledger.outlay(entry) > 0]
    if not tuned or len(entries) < 2:
        return None
    outlays = [ledger.outlay(entry) for entry in tuned]
    low, high = _log_range(outlays)
    lanes = canvas.lanes_end if len(tuned) < len(entries) else 0.0
    x = _CostAxis(canvas, low, high, min(outlays), canvas.left + lanes)
    y, y_ticks = _score_axis(entries, canvas, table.unit)
    by_row = {entry.row.key: _mark(entry, ledger, x, y, table.unit, href_of) for entry in entries}
    marks = [*by_row.values()]
    steps = sorted((mark for mark in marks if mark.frontier), key=lambda mark: (mark.x, -mark.y))
    return Staircase(
        Frame(
            canvas.width,
            canvas.height,
            canvas.left,
            canvas.right,
            canvas.top,
            canvas.bottom,
            _cost_ticks(x, in_dollars=ledger.priced),
            y_ticks,
        ),
        round(x.divide, 1),
        "Training cost of one fine-tune"
        if ledger.priced
        else "Device time of one fine-tune (no price known)",
        _stairs(steps, canvas.right),
        tuple(_arrows(tuned, by_row, table)),
        tuple(marks),
        tuple(_labels(entries, by_row, steps, canvas)),
        tuple(method for method in METHODS if any(mark.method == method for mark in marks)),
        f"Score against training cost of {len(entries)} candidates. On the staircase, from the cheapest: "
        + "; ".join(mark.label for mark in steps)
        + ".",
    )


def _matters(entry: Entry) -> bool:
    """Whether a reader has to know a row by name, and how sure its score is: it is on the frontier, or tied
    with the leader."""
    return entry.frontier or entry.row.level


def _score_axis(entries: Sequence[Entry], canvas: Canvas, unit: Unit) -> tuple[LinearAxis, tuple[Tick, ...]]:
    """An axis that holds all scores, and the intervals that are drawn."""
    scores = [entry.row.score for entry in entries if entry.row.score]
    drawn = [entry.row.score for entry in entries if entry.row.score and _matters(entry)]
    low, high, step = nice_range(
        min([*(score.value for score in scores), *(score.low for score in drawn)]),
        max([*(score.value for score in scores), *(score.high for score in drawn)]),
    )
    axis = LinearAxis(low, high, canvas.bottom, canvas.top)
    return axis, axis.score_ticks(even_steps(low, high, step), unit=unit)


def _mark(
    entry: Entry, ledger: CostLedger, x: _CostAxis, y: LinearAxis, unit: Unit, href_of: Callable[[Row], str]
) -> ChartMark:
    row, cost = entry.row, ledger.outlay(entry)
    assert row.score, "only complete rows are drawn"
    paid = UNPAID
    if row.tuned:
        paid = usd(cost) if ledger.priced else duration(cost)
    flag = f" ({row.flag.text})" if row.flag else ""
    title = f"{row.label}: {with_interval(row.score, unit=unit)}, {paid}{flag}"
    ends = (y.within(row.score.high), y.within(row.score.low))
    return ChartMark(
        round(x.of(row, cost), 1),
        y.at(row.score.value),
        row.method,
        title,
        entry.frontier,
        href_of(row),
        Whisker(*ends) if _matters(entry) else None,
    )


def _arrows(tuned: Sequence[Entry], marks: Mapping[Key, ChartMark], table: Table) -> Iterator[Arrow]:
    """To each fine-tune that matters from the untuned arm of its model."""
    for entry in tuned:
        if not _matters(entry):
            continue
        arms = (table.baseline(entry.row, method) for method in UNTUNED)
        base = next((marks[row.key] for row in arms if row and row.key in marks), None)
        if base:
            yield _shortened(base, marks[entry.row.key])


def _labels(
    entries: Sequence[Entry], marks: Mapping[Key, ChartMark], steps: Sequence[ChartMark], canvas: Canvas
) -> list[Label]:
    """The names of the marks that matter: those of the staircase get room first, from the best down."""
    named = sorted((entry for entry in entries if _matters(entry)), key=_off_the_frontier)[:MOST_NAMED]
    wanted = []
    for entry in named:
        mark = marks[entry.row.key]
        text = chart_label(entry.row.name, entry.row.method_name, canvas.longest_label)
        wanted.append(Named(mark.x, mark.y, text))
    taken = [Named(mark.x, mark.y, "").box for mark in marks.values()]
    taken += [
        Box(mark.x - 1, mark.whisker.top, mark.x + 1, mark.whisker.bottom)
        for mark in marks.values()
        if mark.whisker
    ]
    # Nor may a name lie on a tread or a riser of the staircase.
    treads = zip(steps, [*(mark.x for mark in steps[1:]), canvas.right], strict=True)
    taken += [Box(mark.x, mark.y - 2, end, mark.y + 2) for mark, end in treads]
    taken += [Box(high.x - 2, high.y, high.x + 2, low.y) for low, high in itertools.pairwise(steps)]
    within = Box(canvas.left + 2, canvas.top - 12, canvas.width - 2, canvas.bottom + 3)
    return place_labels(wanted, taken, within=within)


def _off_the_frontier(entry: Entry) -> bool:
    return not entry.frontier


def _log_range(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds the values with some air."""
    low, high = math.log10(min(values)), math.log10(max(values))
    air = max(0.12 * (high - low), 0.18)
    return low - air, high + air


def _cost_ticks(axis: _CostAxis, *, in_dollars: bool) -> tuple[Tick, ...]:
    """Values of dollars or of seconds, as many as there is room for right of what the lanes are called."""
    room = (axis.canvas.right - axis.divide) / axis.canvas.tick_room
    if in_dollars:
        values: Sequence[float] = _log_ticks(axis.low, axis.high)
        labelled = [(value, round_usd(value)) for value in values[:: math.ceil(len(values) / room)]]
    else:
        values = [value for value in ROUND_TIMES if axis.low <= math.log10(value) <= axis.high]
        every = math.ceil(len(values) / min(room, 6)) or 1
        labelled = [(value, duration(value).replace(".0 ", " ")) for value in values[::every]]
    return tuple(
        Tick(round(axis.at(value), 1), label)
        for value, label in labelled
        if axis.at(value) - letters_wide(label) * LETTER / 2 > axis.name_of_lanes_ends
    )


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers inside a logarithmic range: powers of ten, with 2 and 5 between where it is short."""
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7)):
        powers = range(math.floor(low), math.ceil(high) + 1)
        ticks = [step * 10.0**power for power, step in itertools.product(powers, steps)]
        inside = [tick for tick in ticks if low <= math.log10(tick) <= high]
        if len(inside) >= 3:
            break
    return inside


def _stairs(steps: Sequence[ChartMark], right: float) -> str:
    """The path of the staircase: a score is to be had from its cost on, up to the next better one."""
    if not steps:
        return ""
    parts = [f"M{steps[0].x} {steps[0].y}"]
    parts += [f"H{mark.x}V{mark.y}" for mark in steps[1:]]
    return "".join([*parts, f"H{right}"])


def _shortened(start: ChartMark, end: ChartMark, gap: float = 8.0) -> Arrow:
    """A line between two marks that touches neither."""
    length = math.hypot(end.x - start.x, end.y - start.y) or 1.0
    dx, dy = (end.x - start.x) / length * gap, (end.y - start.y) / length * gap
    return Arrow(round(start.x + dx, 1), round(start.y + dy, 1), round(end.x - dx, 1), round(end.y - dy, 1))
