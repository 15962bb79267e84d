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
    values: FloatArray
    """The first candidate's scores: seeds × templates × samples."""

    other_values: FloatArray
    """The second candidate's scores, in the same shape."""

    clusters: NDArray[np.int64] | None


def shared_tables(cell: Cell, other_cell: Cell) -> SharedTables | None:
    """None when two cells share no seed or no sample."""
    seeds, ids = cell.scores.shared(other_cell.scores)
    if not seeds or not ids:
        return None
    return SharedTables(
        seeds,
        ids,
        cell.scores.restricted(seeds, ids),
        other_cell.scores.restricted(seeds, ids),
        cell.scores.cluster_numbers(ids),
    )


def paired(cell: Cell, other_cell: Cell) -> Estimate | None:
    """Difference of two candidates on one task over the seeds and samples they share; None when they share
    none."""
    tables = shared_tables(cell, other_cell)
    if tables is None:
        return None
    card = cell.card
    return gain(
        tables.values, tables.other_values, binary=card.binary, span=_span(card), clusters=tables.clusters
    )


@dataclass(frozen=True)
class Comparison:
    """Every two of K candidates: K × K, the row's score minus the column's; NaN where two share no sample."""

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
        """The comparison of the candidates at `places` only, in that order."""
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
    """Compare all cells of a task with each other, those with equal seeds and samples at once.

    `seed`: for the draws.
    """
    count = len(cells)
    value, stderr, degrees, low, high = (np.full((count, count), np.nan) for _ in range(5))
    p, n, shared_seeds = (
        np.ones((count, count)),
        np.zeros((count, count), dtype=np.int64),
        np.zeros((count, count), np.int64),
    )
    for kind, other_kind in itertools.combinations_with_replacement(_kinds(cells).values(), 2):
        cell, other_cell = cells[kind[0]], cells[other_kind[0]]
        seeds, ids = cell.scores.shared(other_cell.scores)
        if not seeds or not ids:
            continue
        places = kind if kind is other_kind else [*kind, *other_kind]
        tables = np.stack([cells[place].scores.restricted(seeds, ids) for place in places])
        intervals = differences(
            tables,
            binary=cell.card.binary,
            span=_span(cell.card),
            clusters=cell.scores.cluster_numbers(ids),
        )
        p_values = _p_values(intervals)
        within = slice(None) if kind is other_kind else slice(len(kind))
        across = slice(None) if kind is other_kind else slice(len(kind), None)
        # Between two kinds only the cross pairs: pairs within a kind are compared on all of its samples.
        blocks = [(kind, other_kind, (within, across)), (other_kind, kind, (across, within))]
        for rows, columns, block_within in blocks[: 1 if kind is other_kind else 2]:
            block = np.ix_(rows, columns)
            value[block], low[block], high[block] = (
                intervals.value[block_within],
                intervals.low[block_within],
                intervals.high[block_within],
            )
            degrees[block], n[block], shared_seeds[block] = (
                intervals.degrees[block_within],
                intervals.n,
                intervals.seeds,
            )
            if intervals.stderr is not None:
                stderr[block] = intervals.stderr[block_within]
                p[block] = p_values[block_within]
    return Comparison(value, stderr, degrees, low, high, p, n, shared_seeds, _errors(cells, seed))


def _kinds(cells: Sequence[Cell]) -> dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]]:
    """The places of cells with equal seeds and samples."""
    kinds: dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]] = {}
    for place, cell in enumerate(cells):
        kinds.setdefault((cell.scores.seeds, cell.scores.ids), []).append(place)
    return kinds


def _p_values(intervals: Intervals) -> FloatArray:
    """P-values of all differences of K scores; 1 where there is no standard error."""
    if intervals.stderr is None:
        return np.ones_like(intervals.value)
    return of_pairs(partial(t_test, n=intervals.n), intervals.value, intervals.stderr, intervals.degrees)


def _errors(cells: Sequence[Cell], seed: int) -> FloatArray:
    """Joint draws of the errors of all scores. A sample or seed that a cell lacks adds nothing to its
    error."""
    kinds = _kinds(cells)
    all_ids: dict[str, None] = {}
    all_seeds = set[int]()
    for kind_seeds, kind_ids in kinds:
        all_ids |= dict.fromkeys(kind_ids)
        all_seeds |= {*kind_seeds}
    ids, seeds = [*all_ids], sorted(all_seeds)
    numbers = {name: number for number, name in enumerate(ids)}
    templates = max((cell.scores.values.shape[1] for cell in cells), default=1)
    tables = np.empty((len(cells), len(seeds), templates, len(ids)))
    for (own_seeds, own_ids), places in kinds.items():
        values = np.stack([cells[place].scores.values for place in places])
        tables[places] = values.mean(axis=(1, 2, 3), keepdims=True) if values.size else 0.0
        rows, columns = (
            [seeds.index(seed_name) for seed_name in own_seeds],
            [numbers[name] for name in own_ids],
        )
        tables[np.ix_(places, rows, range(templates), columns)] = values
    stderr = np.array([cell.estimate.stderr or 0.0 if cell.estimate else 0.0 for cell in cells])
    complete = next((cell for cell in cells if list(cell.scores.ids) == ids), None)
    clusters = complete.scores.cluster_numbers() if complete else None
    return np.asarray(deviations(tables, clusters=clusters, seed=seed) * stderr)
