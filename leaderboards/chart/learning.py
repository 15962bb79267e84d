"""The geometry of a learning curve: score against training samples, beside what prompting alone scores."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.chart.axes import LinearAxis, even_steps, nice_range
from leaderboards.chart.frame import Frame, Tick
from leaderboards.text import POINTS, Unit, with_interval

WIDTH, HEIGHT = 544, 300
LEFT, RIGHT, TOP, BOTTOM = 40.0, 404.0, 16.0, 250.0
LABELS_APART = 15.0
ASIDE = 5.0


@dataclass(frozen=True)
class Budget:
    """A score at one number of training samples."""

    x: float
    y: float
    low: float
    high: float
    """Where the ends of the 95 % interval stand."""

    label: str


@dataclass(frozen=True)
class LearningLine:
    """One method over its budgets."""

    method: Method
    points: str
    """The `points` of an SVG polyline."""

    budgets: tuple[Budget, ...]


@dataclass(frozen=True)
class Level:
    """What an untrained arm scores, whatever the budget."""

    method: Method
    y: float


@dataclass(frozen=True)
class LineName:
    """What a line is called, beside its end and after its method's shape."""

    y: float
    """Where its shape stands: the line's end, or near it."""

    method: Method
    text: str


@dataclass(frozen=True)
class LearningCurve:
    """Score against training samples on a logarithmic axis."""

    frame: Frame
    lines: tuple[LearningLine, ...]
    levels: tuple[Level, ...]
    names: tuple[LineName, ...]
    summary: str
    forecasts: tuple[LearningLine, ...] = ()
    """Broken lines from the last of a line's budgets to those that were not run."""


def learning_curve(
    curves: Sequence[tuple[Method, str, Mapping[int, Estimate]]],
    levels: Sequence[tuple[Method, str, Estimate]],
    *,
    unit: Unit = POINTS,
) -> LearningCurve | None:
    """Draw methods by budget, and untrained arms as level lines; None unless some method has two budgets."""
    drawn = [(method, name, dict(sorted(by.items()))) for method, name, by in curves if len(by) > 1]
    if not drawn:
        return None
    budgets = sorted(set(itertools.chain.from_iterable(by for _, _, by in drawn)))
    estimates = [estimate for _, _, estimate in levels]
    for _, _, by in drawn:
        estimates += by.values()
    bottom, top, step = nice_range(
        min(estimate.low for estimate in estimates), max(estimate.high for estimate in estimates)
    )
    y = LinearAxis(bottom, top, BOTTOM, TOP)
    x = BudgetAxis(math.log(budgets[0]), math.log(budgets[-1]))
    lines = []
    for place, (method, name, by) in enumerate(drawn):
        # Lines stand a little beside each other, so that no interval hides another.
        aside = ASIDE * (place - (len(drawn) - 1) / 2)
        titles = [
            f"{name}, {budget:,} samples: {with_interval(estimate, unit=unit)}"
            for budget, estimate in by.items()
        ]
        marks = [
            _budget(x.at(budget, aside), y, title, by[budget])
            for budget, title in zip(by, titles, strict=True)
        ]
        lines.append(LearningLine(method, " ".join(f"{mark.x},{mark.y}" for mark in marks), tuple(marks)))
    named = [
        LineName(line.budgets[-1].y, line.method, name)
        for line, (_, name, _) in zip(lines, drawn, strict=True)
    ]
    named += [LineName(y.within(estimate.value), method, name) for method, name, estimate in levels]
    x_ticks = budget_ticks([(x.at(budget), f"{budget:,}") for budget in budgets])
    y_ticks = y.score_ticks(even_steps(bottom, top, step), unit=unit)
    return LearningCurve(
        Frame(WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM, x_ticks, y_ticks),
        tuple(lines),
        tuple(Level(method, y.within(estimate.value)) for method, _, estimate in levels),
        apart(named),
        _summary(drawn, levels, unit),
    )


@dataclass(frozen=True)
class BudgetAxis:
    """A logarithmic axis of training samples."""

    low: float
    high: float
    """Natural logarithms of the smallest and the largest budget."""

    def at(self, budget: int, aside: float = 0.0) -> float:
        """The place of a budget, moved `aside`."""
        share = (RIGHT - LEFT - 40) * (math.log(budget) - self.low) / (self.high - self.low)
        return round(LEFT + 20 + share + aside, 1)


def _budget(x: float, y: LinearAxis, title: str, estimate: Estimate) -> Budget:
    return Budget(x, y.within(estimate.value), y.within(estimate.low), y.within(estimate.high), title)


def _summary(
    drawn: Sequence[tuple[Method, str, Mapping[int, Estimate]]],
    levels: Sequence[tuple[Method, str, Estimate]],
    unit: Unit,
) -> str:
    """The chart in words."""
    parts = []
    for _, name, by in drawn:
        scores = ", ".join(f"{budget:,}: {unit.write(estimate.value)}" for budget, estimate in by.items())
        parts.append(f"{name}: {scores}")
    parts += [f"{name} {with_interval(estimate, unit=unit)}" for _, name, estimate in levels]
    return f"Score against training samples. {'; '.join(parts)}"


def budget_ticks(places: Sequence[tuple[float, str]]) -> tuple[Tick, ...]:
    """The budgets themselves, as far as their labels do not touch; the largest, which is ranked, always."""
    ticks = [Tick(*places[-1])]
    for x, label in reversed(places[:-1]):
        if ticks[0].at - x >= 3.5 * (len(ticks[0].label) + len(label)):
            ticks.insert(0, Tick(x, label))
    return tuple(ticks)


def apart(named: Sequence[LineName]) -> tuple[LineName, ...]:
    """Names beside the ends of their lines, moved down where they would cover each other, and up at the
    bottom."""
    ordered = sorted(named, key=lambda name: name.y)
    apart = min(LABELS_APART, (BOTTOM - TOP) / len(ordered))
    places: list[float] = []
    for name in ordered:
        places.append(max(name.y, places[-1] + apart) if places else name.y)
    lowest = BOTTOM
    for place in reversed(range(len(places))):
        places[place] = min(places[place], lowest)
        lowest = places[place] - apart
    return tuple(replace(name, y=round(y, 1)) for name, y in zip(ordered, places, strict=True))
