"""The geometry of a training's curves, as plain numbers; `templates/charts.html` draws them as inline SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.records.training import CurvePoint, TrainingRecord
from leaderboards.chart.axes import LinearAxis, even_steps
from leaderboards.chart.frame import Frame, Tick

MOST_POINTS = 240
"""Points that a line is drawn with; of longer ones the lowest and the highest of as many neighbours as it
takes."""

FEW_POINTS = 24
"""Measurements that a small chart marks one by one."""

Point = tuple[int, float]
"""A step, and a value there."""


@dataclass(frozen=True)
class LossCurve:
    """Loss of one training over its steps."""

    frame: Frame
    train: str
    """SVG points of the training loss."""

    dev: str
    dev_marks: tuple[tuple[float, float], ...]
    best: float | None
    """Where the kept step is."""

    resumed: tuple[float, ...]
    """Where it went on after a stop."""

    summary: str


@dataclass(frozen=True)
class SmallCurve:
    """Another quantity of a training over the same steps, drawn small."""

    title: str
    last: str
    """Its last value, in words."""

    frame: Frame
    line: str
    marks: tuple[tuple[float, float], ...]
    """Single measurements; empty where there are too many to be told apart."""

    best: float | None
    summary: str


@dataclass(frozen=True)
class _Plane:
    """Where steps and values stand in a box."""

    x: LinearAxis
    """From step 0 to the last."""

    y: LinearAxis

    def marks(self, points: Sequence[Point]) -> tuple[tuple[float, float], ...]:
        return tuple((self.x.at(step), self.y.at(value)) for step, value in points)

    def line(self, points: Sequence[Point]) -> str:
        return " ".join(f"{x},{y}" for x, y in self.marks(_thinned(points)))

    def frame(
        self, width: int, height: int, step: float, write: Callable[[float], str], *, parts: int
    ) -> Frame:
        stride = max(1, round(_nice_step(self.x.high, parts)))
        return Frame(
            width,
            height,
            self.x.start,
            self.x.end,
            self.y.end,
            self.y.start,
            tuple(Tick(self.x.at(value), f"{value:,}") for value in range(0, int(self.x.high) + 1, stride)),
            tuple(
                Tick(self.y.at(value), write(value)) for value in even_steps(self.y.low, self.y.high, step)
            ),
        )


def loss_curve(training: TrainingRecord) -> LossCurve | None:
    """Draw training and dev loss; None when neither was recorded."""
    trained, judged = (
        _points(curve, lambda point: point.loss) for curve in (training.train_curve, training.dev_curve)
    )
    if not trained and not judged:
        return None
    last, best_step = _last_step(training), training.best_step
    largest = max(value for _, value in (*trained, *judged)) or 1.0
    step = _nice_step(largest, 6)
    plane = _Plane(
        LinearAxis(0, last, 46.0, 628.0), LinearAxis(0.0, step * math.ceil(largest / step), 222.0, 12.0)
    )
    seen = f", dev loss at {len(judged)} of them; step {best_step:,} was kept" if judged else ""
    return LossCurve(
        plane.frame(640, 260, step, lambda value: f"{value:.3g}", parts=6),
        plane.line(trained),
        plane.line(judged),
        plane.marks(judged) if len(judged) <= MOST_POINTS else (),
        plane.x.at(best_step) if best_step and judged else None,
        tuple(plane.x.at(resumed) for resumed in training.resumed_at if 0 <= resumed <= last),
        f"Training loss over {last:,} steps{seen}.",
    )


def small_curve(
    title: str,
    training: TrainingRecord,
    value: Callable[[CurvePoint], float | None],
    write: Callable[[float], str],
    *,
    on_dev: bool = False,
) -> SmallCurve | None:
    """Draw one quantity, its values written by `write`; None where it was recorded less than twice.

    What was measured on dev is drawn between its ends, with the step that was kept; all else from zero.
    """
    points = _points(training.dev_curve if on_dev else training.train_curve, value)
    if len(points) < 2:
        return None
    values = [number for _, number in points]
    lowest = min(values) if on_dev else min(0.0, *values)
    step = _nice_step(max(values) - lowest or abs(lowest) or 1.0, 3)
    low, last = step * math.floor(lowest / step), _last_step(training)
    high = max(step * math.ceil(max(values) / step), low + step)
    plane = _Plane(LinearAxis(0, last, 48.0, 312.0), LinearAxis(low, high, 104.0, 8.0))
    start_text, end_text = write(values[0]), write(values[-1])
    lowest_text, highest_text = write(min(values)), write(max(values))
    return SmallCurve(
        title,
        end_text,
        plane.frame(320, 126, step, write, parts=5),
        plane.line(points),
        plane.marks(points) if len(points) <= FEW_POINTS else (),
        plane.x.at(training.best_step) if on_dev else None,
        f"{title} over {last:,} steps: from {start_text} to {end_text}, "
        f"between {lowest_text} and {highest_text}.",
    )


def _last_step(training: TrainingRecord) -> int:
    """Where the axis of a training's charts ends."""
    points = (*training.train_curve, *training.dev_curve)
    return max([point.step for point in points] + [training.steps, training.best_step, 1])


def _points(curve: Sequence[CurvePoint], value: Callable[[CurvePoint], float | None]) -> list[Point]:
    measured = [(point.step, value(point)) for point in curve]
    return [(step, number) for step, number in measured if number is not None]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Few enough points to draw, with every spike of the others."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / MOST_POINTS)
    thinned = []
    for start in range(0, len(points), size):
        neighbours = points[start : start + size]
        # A set: in a flat stretch the lowest point is the highest, too.
        ends = {min(neighbours, key=lambda point: point[1]), max(neighbours, key=lambda point: point[1])}
        thinned += sorted(ends)
    return thinned


def _nice_step(largest: float, parts: int) -> float:
    """A round step that divides zero to `most` into at most so many parts."""
    size = 10.0 ** math.floor(math.log10(largest))
    return next(
        step for step in (size / 5, size / 2, size, size * 2, size * 5, size * 10) if largest / step <= parts
    )
