"""Cells of a task against each other: paired differences over the seeds, wordings and samples that they
share."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.statistics import (
    Estimate,
    FloatArray,
    Intervals,
    deviations,
    differences,
    gain,
    of_pairs,
    t_test,
)
from leaderboards.rank.cells import Cell, _span


@dataclass(frozen=True)
class SharedTables:
    """What two candidates scored on the same seeds, templates and samples."""

    seeds: list[int]
    ids: list[str]
    first: FloatArray
    second: FloatArray
    clusters: NDArray[np.int64] | None


def shared_tables(first: Cell, second: Cell) -> SharedTables | None:
    """None when two cells share no seed or no sample."""
    seeds, ids = first.scores.shared(second.scores)
    if not seeds or not ids:
        return None
    ours, theirs = (cell.scores.restricted(seeds, ids) for cell in (first, second))
    return SharedTables(seeds, ids, ours, theirs, first.scores.cluster_numbers(ids))


def paired(first: Cell, second: Cell) -> Estimate | None:
    """Difference of two candidates on one task over the seeds and samples they share; None when they share
    none."""
    tables = shared_tables(first, second)
    if tables is None:
        return None
    card = first.card
    return gain(tables.first, tables.second, binary=card.binary, span=_span(card), clusters=tables.clusters)


@dataclass(frozen=True)
class Comparison:
    """Every two of K candidates: K × K, the row's less the column's; NaN where two share no sample."""

    value: FloatArray
    stderr: FloatArray
    degrees: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    """Two-sided, of the t test; 1 where two cannot be compared."""

    n: NDArray[np.int64]
    """Samples both have."""

    seeds: NDArray[np.int64]
    errors: FloatArray
    """Joint draws of the errors of the K scores: draws × K."""

    def at(self, row: int, column: int) -> Estimate | None:
        """One difference; None where the two share no sample."""
        value = float(self.value[row, column])
        if math.isnan(value):
            return None
        stderr = float(self.stderr[row, column])
        return Estimate(
            value,
            None if math.isnan(stderr) else stderr,
            min(float(self.low[row, column]), value),
            max(float(self.high[row, column]), value),
            int(self.n[row, column]),
            int(self.seeds[row, column]),
            float(self.degrees[row, column]),
        )

    def of(self, places: Sequence[int]) -> "Comparison":
        """Some of the candidates, in an order."""
        block = np.ix_(places, places)
        return Comparison(
            self.value[block],
            self.stderr[block],
            self.degrees[block],
            self.low[block],
            self.high[block],
            self.p[block],
            self.n[block],
            self.seeds[block],
            self.errors[:, list(places)],
        )


def compare(cells: Sequence[Cell], *, seed: int = 0) -> Comparison:
    """Compare all cells of a task with each other, those with equal seeds and samples at once. `seed`: of the
    draws."""
    count = len(cells)
    value, stderr, degrees, low, high = (np.full((count, count), np.nan) for _ in range(5))
    p, n, shared_seeds = (
        np.ones((count, count)),
        np.zeros((count, count), dtype=np.int64),
        np.zeros((count, count), np.int64),
    )
    for ours, theirs in itertools.combinations_with_replacement(_kinds(cells).values(), 2):
        first, second = cells[ours[0]], cells[theirs[0]]
        seeds, ids = first.scores.shared(second.scores)
        if not seeds or not ids:
            continue
        both = ours if ours is theirs else [*ours, *theirs]
        tables = np.stack([cells[place].scores.restricted(seeds, ids) for place in both])
        found = differences(
            tables,
            binary=first.card.binary,
            span=_span(first.card),
            clusters=first.scores.cluster_numbers(ids),
        )
        p_values = _p_values(found)
        within = slice(None) if ours is theirs else slice(len(ours))
        across = slice(None) if ours is theirs else slice(len(ours), None)
        # Of two kinds only what lies between them: what each has within itself is known from more samples.
        blocks = [(ours, theirs, (within, across)), (theirs, ours, (across, within))]
        for rows, columns, here in blocks[: 1 if ours is theirs else 2]:
            block = np.ix_(rows, columns)
            value[block], low[block], high[block] = found.value[here], found.low[here], found.high[here]
            degrees[block], n[block], shared_seeds[block] = found.degrees[here], found.n, found.seeds
            if found.stderr is not None:
                stderr[block] = found.stderr[here]
                p[block] = p_values[here]
    return Comparison(value, stderr, degrees, low, high, p, n, shared_seeds, _errors(cells, seed))


def _kinds(cells: Sequence[Cell]) -> dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]]:
    """Where cells with equal seeds and samples are."""
    kinds: dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]] = {}
    for place, cell in enumerate(cells):
        kinds.setdefault((cell.scores.seeds, cell.scores.ids), []).append(place)
    return kinds


def _p_values(found: Intervals) -> FloatArray:
    """Of all differences of K scores; 1 where there is no standard error."""
    if found.stderr is None:
        return np.ones_like(found.value)
    return of_pairs(partial(t_test, n=found.n), found.value, found.stderr, found.degrees)


def _errors(cells: Sequence[Cell], seed: int) -> FloatArray:
    """Joint draws of the errors of all scores. A sample or seed that a cell lacks has no part in its
    error."""
    kinds = _kinds(cells)
    ids = list(dict.fromkeys(name for _, own in kinds for name in own))
    seeds = sorted({one for own, _ in kinds for one in own})
    numbers = {name: number for number, name in enumerate(ids)}
    templates = max((cell.scores.values.shape[1] for cell in cells), default=1)
    tables = np.empty((len(cells), len(seeds), templates, len(ids)))
    for (own_seeds, own_ids), places in kinds.items():
        values = np.stack([cells[place].scores.values for place in places])
        tables[places] = values.mean(axis=(1, 2, 3), keepdims=True) if values.size else 0.0
        rows, columns = [seeds.index(one) for one in own_seeds], [numbers[name] for name in own_ids]
        tables[np.ix_(places, rows, range(templates), columns)] = values
    stderr = np.array([cell.estimate.stderr or 0.0 if cell.estimate else 0.0 for cell in cells])
    whole = next((cell for cell in cells if list(cell.scores.ids) == ids), None)
    clusters = whole.scores.cluster_numbers() if whole else None
    return np.asarray(deviations(tables, clusters=clusters, seed=seed) * stderr)
