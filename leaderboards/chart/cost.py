"""The geometry of the cost page's three charts, for the scenario it opens with;
`static/plots.js` redraws them alike."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.sweep.methods import Method
from leaderboards.chart.axes import LogAxis, even_steps, nice_range, power_of, tenth
from leaderboards.chart.frame import LETTER, Frame, Label, Tick
from leaderboards.decide.cases import Case, Choices
from leaderboards.decide.decision import Decision, best_place, net_draws, worth_of_all
from leaderboards.text import POINTS, Unit, chart_label, letters_wide, quantity, round_usd, scientific, usd

WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 66.0, 690.0, 22.0, 280.0
VOLUMES, VALUES = 6, 5
"""Powers of ten that the axes of volumes and of a right answer's worth span."""

TCO_STEPS, VALUE_STEPS = 4, 8
"""Places of a line for each of these powers."""

HEAD = 20.0
"""Room above the best score, for its name below the title of the axis."""

LINE = 15.0
"""Between the names of two lines."""

LONGEST_LABEL = 36
"""Letters of a candidate's label in a chart."""


@dataclass(frozen=True)
class Trace:
    """A line through points, as an SVG polyline has them."""

    points: str
    title: str
    kind: str = ""
    """`envelope`, or the method with `chosen` before it where the line is the strong one."""


@dataclass(frozen=True)
class Spot:
    """A candidate as a point."""

    x: float | None
    """None when its cost is not known: it is not drawn then."""

    y: float
    method: Method
    title: str
    frontier: bool


@dataclass(frozen=True)
class Plot:
    """A chart with a logarithmic axis."""

    frame: Frame
    x_title: str
    y_title: str
    traces: tuple[Trace, ...] = ()
    at: float | None = None
    """Where the reader's own value is on the x axis."""

    spots: tuple[Spot, ...] = ()
    labels: tuple[Label, ...] = ()
    crossing: tuple[float, float] | None = None
    """Where the strong line falls to that of the best without tuning: its break-even."""

    stairs: str = ""


def tick_usd(value: float) -> str:
    """The label of a tick in dollars, short enough for an axis, and different for each tick:
    `$0.001`, `$10k`, `$1e-9`."""
    if value and not 1e-4 <= value < 1e15:
        return f"${scientific(value)}"
    if value < 0.095:
        return f"${value:.4f}".rstrip("0").rstrip(".")
    return round_usd(value) if value < 1000 else f"${quantity(value)}"


def total_plot(choices: Choices, decision: Decision) -> Plot:
    """Total cost against volume: one line per case, and their lower envelope."""
    scenario = decision.scenario
    lowest_power = max(0, power_of(scenario.volume) - VOLUMES // 2)
    x = LogAxis(lowest_power, lowest_power + VOLUMES, LEFT, RIGHT)
    volumes = [10 ** (lowest_power + step / TCO_STEPS) for step in range(VOLUMES * TCO_STEPS + 1)]
    lines = {
        place: [figures.costs.line.total(volume) for volume in volumes]
        for place, figures in enumerate(decision.figures)
        if figures.costs
    }
    lowest = [min(column) for column in zip(*lines.values(), strict=True)]
    above = [value for value in itertools.chain.from_iterable(lines.values()) if value > 0]
    largest = max((line[-1] for line in lines.values()), default=1.0)
    low = power_of(min(above, default=1.0))
    y = LogAxis(low, max(power_of(largest), low) + 1, BOTTOM, TOP, zero=0 in lowest)

    def trace(values: Sequence[float], title: str, kind: str = "") -> Trace:
        drawn = zip(volumes, values, strict=True)
        return Trace(" ".join(f"{tenth(x.at(v)):g},{tenth(y.at(cost)):g}" for v, cost in drawn), title, kind)

    chosen = decision.chosen
    traces = [trace(lowest, "The lowest total cost", "envelope")] if lines else []
    for place in _strong_last(lines, chosen):
        case = choices.cases[place]
        traces.append(trace(lines[place], case.label, _line_kind(case, strong=place == chosen)))
    crossing = None
    if chosen in lines and decision.reference in lines and chosen != decision.reference:
        heights = ([y.at(cost) for cost in lines[place]] for place in (chosen, decision.reference))
        crossing = _crossing([x.at(volume) for volume in volumes], *heights)
    frame = _frame(
        _ticks(x, [quantity(value) for value in x.ticks()]),
        _ticks(y, [tick_usd(value) for value in y.ticks()]),
    )
    return Plot(
        frame,
        "requests →",
        "↑ total cost",
        tuple(traces),
        tenth(x.at(scenario.volume)),
        labels=_end_labels(choices, {place: y.at(line[-1]) for place, line in lines.items()}, chosen),
        crossing=crossing,
    )


def worth_plot(choices: Choices, decision: Decision) -> Plot:
    """P(worth it) against what one more right answer is worth: one line per tuned case."""
    scenario = decision.scenario
    lowest_power = power_of(scenario.right_answer_usd) - 2
    x = LogAxis(lowest_power, lowest_power + VALUES, LEFT, RIGHT)
    values = [10 ** (lowest_power + step / VALUE_STEPS) for step in range(VALUES * VALUE_STEPS + 1)]
    lines = worth_lines(choices, decision, values)

    best = decision.best_tuned

    def trace(place: int) -> Trace:
        drawn = zip(values, lines[place], strict=True)
        case = choices.cases[place]
        return Trace(
            " ".join(f"{tenth(x.at(value)):g},{tenth(_share(worth)):g}" for value, worth in drawn),
            case.label,
            _line_kind(case, strong=place == best),
        )

    traces = [trace(place) for place in _strong_last(lines, best)]
    frame = _frame(
        _ticks(x, [tick_usd(value) for value in x.ticks()]),
        tuple(Tick(tenth(_share(share / 4)), f"{25 * share} %") for share in range(5)),
    )
    return Plot(
        frame,
        "worth of one more right answer →",
        "↑ P(worth it)",
        tuple(traces),
        tenth(x.at(scenario.right_answer_usd)),
        labels=_end_labels(choices, {place: _share(line[-1]) for place, line in lines.items()}, best),
    )


def worth_lines(choices: Choices, decision: Decision, values: Sequence[float]) -> dict[int, list[float]]:
    """P(worth it) of every tuned case at each worth of a right answer, over the best untuned one at that; of
    none where it is not known how far another seed would differ."""
    cases, figures = choices.cases, decision.figures
    totals = [case_figures.costs.total if case_figures.costs else 0.0 for case_figures in figures]
    with_costs = [place for place, case_figures in enumerate(figures) if case_figures.costs]
    untuned = decision.untuned
    lines: dict[int, list[float]] = (
        {place: [] for place in with_costs if cases[place].tuned and cases[place].seeds_known}
        if untuned
        else {}
    )
    for value in values:
        worth = worth_of_all(choices, replace(decision.scenario, right_answer_usd=value))
        reference = best_place(cases, totals, untuned, worth)
        for place, line in lines.items():
            assert reference is not None, "there are lines only beside an untuned case"
            extra_cost = totals[place] - totals[reference]
            drawn = net_draws(choices.steps, place, reference, worth=worth, extra_cost=extra_cost)
            line.append(int((drawn > 0).sum()) / len(drawn))
    return lines


def stairs_plot(choices: Choices, decision: Decision) -> Plot:
    """Score against total cost, with the staircase of what nothing dominates."""
    totals = [figures.costs.total if figures.costs else None for figures in decision.figures]
    above_zero = [total for total in totals if total]
    low = power_of(min(above_zero, default=1.0))
    x = LogAxis(
        low, max(power_of(max(above_zero, default=1.0)), low) + 1, LEFT + 12, RIGHT - 12, zero=0 in totals
    )
    scale = ScoreScale.of([case.score for case in choices.cases], choices.unit)
    spots = tuple(
        Spot(
            None if total is None else tenth(x.at(total)),
            scale.at(case.score),
            case.method,
            case.label if total is None else f"{case.label}: {choices.unit.write(case.score)}, {usd(total)}",
            frontier=place in decision.stairs,
        )
        for place, (case, total) in enumerate(zip(choices.cases, totals, strict=True))
    )
    steps = [
        (tenth(x.at(totals[place] or 0.0)), scale.at(choices.cases[place].score)) for place in decision.stairs
    ]
    path = "".join(f"H{right:g}V{y:g}" for right, y in steps[1:])
    return Plot(
        _frame(_ticks(x, [tick_usd(value) for value in x.ticks()]), scale.ticks),
        "total cost →",
        "↑ score",
        spots=spots,
        labels=tuple(_step_labels(steps, [choices.cases[place] for place in decision.stairs])),
        stairs=f"M{steps[0][0]:g} {steps[0][1]:g}{path}H{RIGHT:g}" if steps else "",
    )


@dataclass(frozen=True)
class ScoreScale:
    """The y axis of scores. No scenario moves it."""

    low: float
    high: float
    ticks: tuple[Tick, ...] = field(default=())

    @classmethod
    def of(cls, scores: Sequence[float], unit: Unit = POINTS) -> "ScoreScale":
        """An axis that holds all scores, those a little beyond its first and last tick too."""
        lowest, highest = min(scores, default=0.0), max(scores, default=1.0)
        low, high, step = nice_range(lowest, highest)
        plain = cls(min(low, lowest), max(high, highest))
        ticks = (Tick(plain.at(value), unit.tick(value)) for value in even_steps(low, high, step))
        return cls(plain.low, plain.high, tuple(ticks))

    def at(self, score: float) -> float:
        """The place of a score."""
        return tenth(BOTTOM - (BOTTOM - TOP - HEAD) * (score - self.low) / (self.high - self.low))


def _step_labels(steps: Sequence[tuple[float, float]], cases: Sequence[Case]) -> list[Label]:
    """A name above and left of each step, where the staircase never is, or right of it where there is no
    room.

    From the best down; one that would cover the name above it, or the mark of the next step, is left out.
    """
    labels: list[Label] = []
    for place, ((x, y), case) in reversed(list(enumerate(zip(steps, cases, strict=True)))):
        if labels and y - 9 - labels[-1].y < 16:
            continue
        short, wide = short_label(case)
        room = x - wide > LEFT
        if not room and place + 1 < len(steps):
            next_x, next_y = steps[place + 1]
            if next_x < x + 12 + wide and y - 9 - next_y < 16:
                continue
        labels.append(Label(tenth(x + (-6 if room else 6)), tenth(y - 9), short, "end" if room else "start"))
    return labels


def _strong_last(places: Iterable[int], strong: int | None) -> list[int]:
    """The lines in the order in which they are drawn: the strong one over all others."""
    return sorted(places, key=lambda place: place == strong)


def _line_kind(case: Case, *, strong: bool) -> str:
    return f"chosen {case.method}" if strong else case.method


def _crossing(
    across: Sequence[float], heights: Sequence[float], other_heights: Sequence[float]
) -> tuple[float, float] | None:
    """Where a line that begins above another one, which is at a smaller height, first falls to it."""
    points = list(zip(across, heights, other_heights, strict=True))
    for (x, y, other_y), (next_x, next_y, next_other_y) in itertools.pairwise(points):
        gap, next_gap = other_y - y, next_other_y - next_y
        if gap > 0 >= next_gap:
            share = gap / (gap - next_gap)
            return tenth(x + share * (next_x - x)), tenth(y + share * (next_y - y))
    return None


def _end_labels(choices: Choices, ends: Mapping[int, float], strong: int | None) -> tuple[Label, ...]:
    """The names of lines at their right ends: first of the strong one, then of the others in the order of the
    ranking, as far as there is room between them."""
    labels: list[Label] = []
    for place in sorted(ends, key=lambda place: place != strong):
        label = _end_label(choices.cases[place], ends[place])
        if all(abs(label.y - other.y) >= LINE for other in labels):
            labels.append(label)
    return tuple(labels)


def _end_label(case: Case, y: float) -> Label:
    """The name of a line above its right end, or below it at the top of the chart."""
    return Label(RIGHT, tenth(y + 16 if y < TOP + 16 else y - 8), short_label(case)[0], "end")


def short_label(case: Case) -> tuple[str, float]:
    """A candidate's label as the charts have it, and how wide that is."""
    row = case.entry.row
    short = chart_label(row.name, row.method_name + case.suffix, LONGEST_LABEL)
    return short, LETTER * letters_wide(short)


def _share(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def _ticks(axis: LogAxis, labels: Sequence[str]) -> tuple[Tick, ...]:
    return tuple(
        Tick(tenth(axis.at(value)), label) for value, label in zip(axis.ticks(), labels, strict=True)
    )


def _frame(x_ticks: tuple[Tick, ...], y_ticks: tuple[Tick, ...]) -> Frame:
    return Frame(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, x_ticks, y_ticks)
