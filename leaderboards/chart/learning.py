"""The geometry of a learning curve: score against training samples, beside what prompting alone scores."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards.chart.axes import LinearAxis, even_steps, nice_range
from leaderboards.chart.frame import Frame, Tick
from leaderboards.text import points, with_interval

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
    """Of an SVG polyline."""

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


def learning_curve(
    curves: Sequence[tuple[Method, str, Mapping[int, Estimate]]],
    levels: Sequence[tuple[Method, str, Estimate]],
) -> LearningCurve | None:
    """Draw methods by budget, and untrained arms as level lines; None unless some method has two budgets."""
    drawn = [(method, name, dict(sorted(by.items()))) for method, name, by in curves if len(by) > 1]
    if not drawn:
        return None
    budgets = sorted({budget for _, _, by in drawn for budget in by})
    estimates = [estimate for _, _, by in drawn for estimate in by.values()] + [
        estimate for _, _, estimate in levels
    ]
    bottom, top, step = nice_range(
        min(estimate.low for estimate in estimates), max(estimate.high for estimate in estimates)
    )
    y = LinearAxis(bottom, top, BOTTOM, TOP)
    log_least, log_most = math.log(budgets[0]), math.log(budgets[-1])

    def x_of(budget: int, line: int | None = None) -> float:
        # Lines stand a little beside each other, so that no interval hides another.
        aside = 0.0 if line is None else ASIDE * (line - (len(drawn) - 1) / 2)
        return round(
            LEFT + 20 + (RIGHT - LEFT - 40) * (math.log(budget) - log_least) / (log_most - log_least) + aside,
            1,
        )

    lines = [
        LearningLine(
            method,
            " ".join(f"{x_of(budget, place)},{y.within(estimate.value)}" for budget, estimate in by.items()),
            tuple(
                Budget(
                    x_of(budget, place),
                    y.within(estimate.value),
                    y.within(estimate.low),
                    y.within(estimate.high),
                    f"{name}, {budget:,} samples: {with_interval(estimate)}",
                )
                for budget, estimate in by.items()
            ),
        )
        for place, (method, name, by) in enumerate(drawn)
    ]
    named = [LineName(y.within(list(by.values())[-1].value), method, name) for method, name, by in drawn]
    named += [LineName(y.within(estimate.value), method, name) for method, name, estimate in levels]
    return LearningCurve(
        Frame(
            WIDTH,
            HEIGHT,
            LEFT,
            RIGHT,
            TOP,
            BOTTOM,
            _budget_ticks([(x_of(budget), f"{budget:,}") for budget in budgets]),
            y.score_ticks(even_steps(bottom, top, step)),
        ),
        tuple(lines),
        tuple(Level(method, y.within(estimate.value)) for method, _, estimate in levels),
        _apart(named),
        "Score against training samples. "
        + "; ".join(
            f"{name}: {', '.join(f'{n:,}: {points(estimate.value)}' for n, estimate in by.items())}"
            for _, name, by in drawn
        )
        + "".join(f"; {name} {with_interval(estimate)}" for _, name, estimate in levels),
    )


def _budget_ticks(places: Sequence[tuple[float, str]]) -> tuple[Tick, ...]:
    """The budgets themselves, as far as their labels do not touch; the largest, which is ranked, always."""
    ticks = [Tick(*places[-1])]
    for x, label in reversed(places[:-1]):
        if ticks[0].at - x >= 3.5 * (len(ticks[0].label) + len(label)):
            ticks.insert(0, Tick(x, label))
    return tuple(ticks)


def _apart(named: Sequence[LineName]) -> tuple[LineName, ...]:
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
