"""The geometry of dev loss against training samples,
and of what the scaling law predicts for more of them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics.scaling import PredictedLoss
from harness.sweep.methods import Method
from leaderboards.chart.axes import LinearAxis
from leaderboards.chart.frame import Frame, Tick
from leaderboards.chart.learning import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Budget,
    BudgetAxis,
    LearningCurve,
    LearningLine,
    LineName,
    apart,
    budget_ticks,
)

ROUND = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
"""Digits that a tick of a logarithmic axis of losses may have."""


@dataclass(frozen=True)
class LossByBudget:
    """The dev losses of one candidate, by the samples it was trained on."""

    method: Method
    name: str
    measured: dict[int, float]
    """Dev loss by training samples, in nats per token, above 0."""

    predicted: dict[int, PredictedLoss]
    """Of budgets that were not run."""


def loss_chart(curves: Sequence[LossByBudget]) -> LearningCurve | None:
    """Draw measured losses, and broken lines to the predicted ones; None where nothing is predicted."""
    drawn = [curve for curve in curves if curve.predicted]
    if not drawn:
        return None
    budgets = sorted(
        set(itertools.chain.from_iterable((*curve.measured, *curve.predicted) for curve in drawn))
    )
    losses = [loss for curve in drawn for loss in curve.measured.values()]
    for curve in drawn:
        for prediction in curve.predicted.values():
            losses += [loss for loss in (prediction.loss, prediction.low, prediction.high) if loss]
    # A very wide interval may leave the chart; the measured losses may not.
    span = 4.0
    middle = [loss for curve in drawn for loss in curve.measured.values()]
    low = max(min(losses), min(middle) / span)
    high = min(max(losses), max(middle) * span)
    y = LinearAxis(math.log(low) - 0.05, math.log(high) + 0.05, BOTTOM, TOP)
    x = BudgetAxis(math.log(budgets[0]), math.log(budgets[-1]))
    lines, forecasts, names = [], [], []
    for curve in drawn:
        measured = [
            _mark(x, y, budget, loss, None, f"{curve.name}, {budget:,} samples: {loss:.3g}")
            for budget, loss in curve.measured.items()
        ]
        predicted = [
            _mark(x, y, budget, loss.loss, loss, _said(curve.name, budget, loss))
            for budget, loss in curve.predicted.items()
        ]
        lines.append(LearningLine(curve.method, _points(measured), tuple(measured)))
        forecasts.append(LearningLine(curve.method, _points([measured[-1], *predicted]), tuple(predicted)))
        names.append(LineName(predicted[-1].y, curve.method, curve.name))
    return LearningCurve(
        Frame(
            WIDTH,
            HEIGHT,
            LEFT,
            RIGHT,
            TOP,
            BOTTOM,
            budget_ticks([(x.at(budget), f"{budget:,}") for budget in budgets]),
            _loss_ticks(y, low, high),
        ),
        tuple(lines),
        (),
        apart(names),
        f"Dev loss against training samples. {'; '.join(map(_summary, drawn))}",
        tuple(forecasts),
    )


def _mark(
    x: BudgetAxis, y: LinearAxis, budget: int, loss: float, interval: PredictedLoss | None, title: str
) -> Budget:
    ends = (interval.low, interval.high) if interval else (None, None)
    low, high = (y.within(math.log(end)) if end else y.within(math.log(loss)) for end in ends)
    return Budget(x.at(budget), y.within(math.log(loss)), low, high, title)


def _points(marks: Sequence[Budget]) -> str:
    return " ".join(f"{mark.x},{mark.y}" for mark in marks)


def _said(name: str, budget: int, loss: PredictedLoss) -> str:
    interval = f" ({loss.low:.3g}–{loss.high:.3g})" if loss.low is not None and loss.high is not None else ""
    return f"{name}, {budget:,} samples: {loss.loss:.3g}{interval} predicted"


def _summary(curve: LossByBudget) -> str:
    measured = ", ".join(f"{budget:,}: {loss:.3g}" for budget, loss in curve.measured.items())
    predicted = "; ".join(_said("", budget, loss).lstrip(", ") for budget, loss in curve.predicted.items())
    return f"{curve.name}: {measured}; {predicted}"


def _loss_ticks(y: LinearAxis, low: float, high: float) -> tuple[Tick, ...]:
    """Round losses on a logarithmic axis, as far as their labels do not touch."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = [digit * 10.0**power for power, digit in itertools.product(powers, ROUND)]
    ticks: list[Tick] = []
    for value in values:
        at = y.at(math.log(value))
        if low <= value <= high and (not ticks or ticks[-1].at - at >= 18):
            ticks.append(Tick(at, f"{value:.3g}"))
    return tuple(ticks)
