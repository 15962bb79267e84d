"""Shares of one whole beside each other: a bar per arm, stacked of the kinds of its errors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leaderboards.chart.axes import LinearAxis
from leaderboards.chart.frame import LETTER, Tick
from leaderboards.text import letters_wide

LEFT_MIN, PLOT, RIGHT, STEP, FOOT = 84.0, 430.0, 62.0, 34, 30
LEAST_LABELLED = 34.0
"""Width of a part that has room for its share."""


@dataclass(frozen=True)
class StackPart:
    """A part of a bar."""

    x: float
    width: float
    kind: str
    """As stylesheets name it."""

    label: str
    """Its share; empty where it has no room."""

    title: str


@dataclass(frozen=True)
class StackBar:
    """A bar with its name and its whole."""

    y: float
    name: str
    parts: tuple[StackPart, ...]
    end: float
    total: str


@dataclass(frozen=True)
class StackedBars:
    """Bars below each other on one axis of shares."""

    width: int
    height: int
    ticks: tuple[Tick, ...]
    bars: tuple[StackBar, ...]
    kinds: tuple[tuple[str, str], ...]
    """Those that occur, as stylesheets and as readers name them."""

    summary: str


def stacked_bars(rows: Sequence[tuple[str, Mapping[str, float]]], kinds: Sequence[str]) -> StackedBars:
    """Draw, for each row by name, the share of every kind, in the order of `kinds`."""
    left = max(LEFT_MIN, LETTER * max(letters_wide(name) for name, _ in rows) + 12)
    largest = max((sum(shares.values()) for _, shares in rows), default=0.0)
    step = next(step for step in (0.02, 0.05, 0.1, 0.2) if largest / step <= 6)
    top = step * max(1, math.ceil(largest / step - 1e-9))
    axis = LinearAxis(0.0, top, left, left + PLOT)
    bars = [_bar(18 + STEP * place, name, shares, kinds, axis) for place, (name, shares) in enumerate(rows)]
    ticks = [step * place for place in range(round(top / step) + 1)]
    occurring = [kind for kind in kinds if any(shares.get(kind) for _, shares in rows)]
    return StackedBars(
        round(left + PLOT + RIGHT),
        STEP * len(rows) + FOOT,
        tuple(Tick(axis.at(value), f"{100 * value:.0f} %") for value in ticks),
        tuple(bars),
        tuple((_styled(kind), kind) for kind in occurring),
        "; ".join(_in_words(name, shares, kinds) for name, shares in rows),
    )


def _bar(
    y: float, name: str, shares: Mapping[str, float], kinds: Sequence[str], axis: LinearAxis
) -> StackBar:
    parts, before = [], 0.0
    for kind in kinds:
        share = shares.get(kind, 0.0)
        if not share:
            continue
        start, end = axis.at(before), axis.at(before + share)
        label = f"{100 * share:.0f}" if end - start >= LEAST_LABELLED else ""
        parts.append(
            StackPart(start, round(end - start, 1), _styled(kind), label, f"{kind}: {100 * share:.1f} %")
        )
        before += share
    return StackBar(y, name, tuple(parts), axis.at(before), f"{100 * before:.1f} %")


def _styled(kind: str) -> str:
    """A kind as stylesheets name it."""
    return kind.replace(" ", "-")


def _in_words(name: str, shares: Mapping[str, float], kinds: Sequence[str]) -> str:
    listing = ", ".join(f"{kind} {100 * shares[kind]:.1f} %" for kind in kinds if shares.get(kind))
    return f"{name}: {listing or 'no error'}"
