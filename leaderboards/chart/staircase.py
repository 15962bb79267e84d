"""The geometry of the staircase of score against cost, as plain numbers; `templates/charts.html` draws it as
inline SVG."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.sweep.methods import METHODS, Method
from leaderboards.chart.axes import LinearAxis, even_steps, nice_range
from leaderboards.chart.frame import LETTER, Frame, Label, Tick
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.rank.baselines import UNTUNED, Key
from leaderboards.rank.tables import Row, Table
from leaderboards.text import Unit, chart_label, duration, letters_wide, usd, with_interval

_ROUND = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0)
_ROUND_HOURS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
ROUND_TIMES = (*_ROUND, *(60 * size for size in _ROUND), *(3600 * size for size in _ROUND_HOURS))
"""Seconds that make round labels on an axis."""

LONGEST_LABEL = 34
"""Letters of a candidate's name in the staircase."""


@dataclass(frozen=True)
class ChartMark:
    """A point of a chart; its method gives its shape."""

    x: float
    y: float
    method: Method
    label: str
    """What its tooltip says."""

    frontier: bool = False


@dataclass(frozen=True)
class Arrow:
    """A straight line from one mark to another."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class Staircase:
    """Score against training cost: the non-dominated set as a staircase, and how far tuning moved each
    model."""

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


WIDTH, HEIGHT = 720, 380
LEFT, RIGHT, TOP, BOTTOM = 46.0, 704.0, 18.0, 330.0
LANES = 112.0
"""Width of the part for arms that train nothing, where there are any."""


@dataclass(frozen=True)
class _CostAxis:
    """A logarithmic axis of costs, which fine-tunes stand on, right of two lanes for untuned arms."""

    low: float
    high: float
    """Powers of ten."""

    least: float
    """The lowest cost of a fine-tune."""

    divide: float
    """Where the lanes end."""

    def at(self, cost: float) -> float:
        """The place of a cost."""
        share = (math.log10(cost) - self.low) / (self.high - self.low)
        return self.divide + 14 + (RIGHT - self.divide - 28) * share

    def of(self, row: Row, cost: float) -> float:
        """The place of a row; one that was tuned for nothing stands with the cheapest."""
        if row.tuned:
            return self.at(max(cost, self.least))
        return LEFT + (30.0 if row.method == "zero_shot" else 82.0)


def staircase_chart(table: Table, ledger: CostLedger) -> Staircase | None:
    """Draw the ranked rows; None without at least one tuned and two rows in all."""
    entries = [entry for entry in ledger.entries if entry.row.score]
    tuned = [entry for entry in entries if entry.spend.tuned and ledger.outlay(entry) > 0]
    if not tuned or len(entries) < 2:
        return None
    outlays = [ledger.outlay(entry) for entry in tuned]
    low, high = _log_range(outlays)
    x = _CostAxis(low, high, min(outlays), LEFT + (LANES if len(tuned) < len(entries) else 0.0))
    scores = [entry.row.score.value for entry in entries if entry.row.score]
    y_low, y_high, y_step = nice_range(min(scores), max(scores))
    y = LinearAxis(y_low, y_high, BOTTOM, TOP)
    by_row = {entry.row.key: _mark(entry, ledger, x, y, table.unit) for entry in entries}
    marks = [*by_row.values()]
    steps = sorted((mark for mark in marks if mark.frontier), key=lambda mark: (mark.x, -mark.y))
    costs = _cost_ticks(low, high, in_dollars=ledger.priced)
    x_ticks = tuple(Tick(round(x.at(value), 1), label) for value, label in costs)
    y_ticks = y.score_ticks(even_steps(y_low, y_high, y_step), unit=table.unit)
    return Staircase(
        Frame(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, x_ticks, y_ticks),
        round(x.divide, 1),
        "Training cost of one fine-tune"
        if ledger.priced
        else "Device time of one fine-tune (a device has no price)",
        _stairs(steps, RIGHT),
        tuple(_arrows(tuned, by_row, table)),
        tuple(marks),
        tuple(
            _place_labels(
                _wanted(entries, by_row), marks, steps, left=LEFT, right=RIGHT, top=TOP, bottom=BOTTOM
            )
        ),
        tuple(method for method in METHODS if any(mark.method == method for mark in marks)),
        f"Score against training cost of {len(entries)} candidates. On the staircase, from the cheapest: "
        + "; ".join(mark.label for mark in steps)
        + ".",
    )


def _mark(entry: Entry, ledger: CostLedger, x: _CostAxis, y: LinearAxis, unit: Unit) -> ChartMark:
    row, cost = entry.row, ledger.outlay(entry)
    assert row.score, "only complete rows are drawn"
    paid = "no training"
    if row.tuned:
        paid = usd(cost) if ledger.priced else duration(cost)
    flag = f" ({row.flag.text})" if row.flag else ""
    title = f"{row.label}: {with_interval(row.score, unit=unit)}, {paid}{flag}"
    return ChartMark(round(x.of(row, cost), 1), y.at(row.score.value), row.method, title, entry.frontier)


def _arrows(tuned: Sequence[Entry], marks: Mapping[Key, ChartMark], table: Table) -> Iterator[Arrow]:
    """From the untuned arm of each fine-tune's model to the fine-tune."""
    for entry in tuned:
        arms = (table.baseline(entry.row, method) for method in UNTUNED)
        base = next((marks[row.key] for row in arms if row and row.key in marks), None)
        if base:
            yield _shortened(base, marks[entry.row.key])


def _wanted(entries: Sequence[Entry], marks: Mapping[Key, ChartMark]) -> list[tuple[ChartMark, str]]:
    """The marks that should have a label, in the order in which they get room: the staircase first."""
    ordered = sorted(entries, key=lambda entry: (not entry.frontier, not entry.spend.tuned))
    return [
        (marks[entry.row.key], chart_label(entry.row.name, entry.row.method_name, LONGEST_LABEL))
        for entry in ordered
        if entry.frontier or entry.spend.tuned
    ]


def _log_range(values: Sequence[float]) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds the values with some air."""
    low, high = math.log10(min(values)), math.log10(max(values))
    air = max(0.12 * (high - low), 0.18)
    return low - air, high + air


def _cost_ticks(low: float, high: float, *, in_dollars: bool) -> list[tuple[float, str]]:
    """Values and labels inside a logarithmic range of dollars or of seconds."""
    if in_dollars:
        return [(value, usd(value)) for value in _log_ticks(low, high)]
    inside = [value for value in ROUND_TIMES if low <= math.log10(value) <= high]
    every = math.ceil(len(inside) / 6) or 1
    return [(value, duration(value).replace(".0 ", " ")) for value in inside[::every]]


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


def _place_labels(
    wanted: Sequence[tuple[ChartMark, str]],
    marks: Sequence[ChartMark],
    steps: Sequence[ChartMark],
    *,
    left: float,
    right: float,
    top: float,
    bottom: float,
) -> list[Label]:
    """Put each label beside its mark where it covers neither a mark nor an earlier label; leave out what has
    no room."""
    letter, line = LETTER, 13.0
    occupied = [(mark.x - 6, mark.y - 6, mark.x + 6, mark.y + 6) for mark in marks]
    # Nor may a label lie on a tread or a riser of the staircase.
    treads = zip(steps, [*(mark.x for mark in steps[1:]), right], strict=True)
    occupied += [(mark.x, mark.y - 2, end, mark.y + 2) for mark, end in treads]
    occupied += [(high.x - 2, high.y, high.x + 2, low.y) for low, high in itertools.pairwise(steps)]
    placed = []
    for mark, text in wanted:
        length = letter * letters_wide(text)
        for x, y, anchor in (
            (mark.x + 10, mark.y + 4, "start"),
            (mark.x - 6, mark.y - 10, "end"),
            (mark.x - 10, mark.y + 4, "end"),
            (mark.x, mark.y - 11, "middle"),
            (mark.x + 6, mark.y - 10, "start"),
            (mark.x + 6, mark.y + 18, "start"),
            (mark.x - 6, mark.y + 18, "end"),
        ):
            start = x - length * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
            box = (start, y - line + 3, start + length, y + 3)
            if box[0] < left or box[2] > right + 12 or box[1] < top - 14 or box[3] > bottom + 3:
                continue
            if not any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in occupied):
                occupied.append(box)
                placed.append(Label(round(x, 1), round(y, 1), text, anchor))
                break
    return placed
