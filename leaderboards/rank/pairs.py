"""Cells of a task against each other: differences over the wordings and samples that they share, each over
all seeds of its own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from harness.statistics import (
    DRAWS,
    ArmMeans,
    Estimate,
    FloatArray,
    Intervals,
    SeedNoise,
    differences,
    of_pairs,
    score_errors,
    t_test,
)
from leaderboards.rank.cells import Cell


def means_of_cells(cells: Sequence[Cell], ids: Sequence[str], *, random_wordings: bool = False) -> ArmMeans:
    """Cells of a task on samples that all of them have."""
    return ArmMeans(
        np.stack([cell.scores.means(ids) for cell in cells]),
        SeedNoise.joined([cell.noise for cell in cells]),
        np.array([len(cell.seeds) for cell in cells]),
        cells[0].scores.cluster_numbers(ids),
        random_wordings,
    )


def paired(cell: Cell, other_cell: Cell, *, random_wordings: bool = False) -> Estimate | None:
    """Difference of two candidates on one task over the samples they share; None when they share none."""
    ids = cell.scores.shared(other_cell.scores)
    if not ids:
        return None
    means = means_of_cells([cell, other_cell], ids, random_wordings=random_wordings)
    return differences(means, binary=cell.card.binary, span=cell.span).at(0, 1)


def resolvable_gap(ordered: Sequence[Cell]) -> float | None:
    """Smallest true difference between the first two that these samples and seeds would resolve four times in
    five.

    From the standard error of their paired difference; for right-or-wrong scores and one seed that is about
    `2.8 · √(q/n)`, with q the share of samples on which the two disagree. None when it cannot be told.
    """
    difference = paired(ordered[0], ordered[1]) if len(ordered) > 1 else None
    return difference.resolvable if difference else None


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
    errors: NDArray[np.float32]
    """Joint draws of the errors of the K scores, as if all variances were known: draws × K."""

    tailed_errors: NDArray[np.float32]
    """`errors` with the tails that the estimated variances of seeds give them."""

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
            self.tailed_errors[:, list(places)],
        )


def compare_means(means: ArmMeans, *, binary: bool, span: float = 1.0, seed: int = 0) -> Comparison:
    """Compare all arms that answered the same samples. `seed`: for the draws."""
    intervals = differences(means, binary=binary, span=span)
    count = len(means.seeds)
    spread = means.spread
    stderr = np.zeros(count) if spread is None else np.sqrt(spread.variance)
    errors, tailed = score_errors(means, stderr, seed=seed)
    return Comparison(
        intervals.value,
        np.full((count, count), np.nan) if intervals.stderr is None else intervals.stderr,
        intervals.degrees,
        intervals.low,
        intervals.high,
        _p_values(intervals),
        np.full((count, count), intervals.n, dtype=np.int64),
        np.minimum(means.seeds[:, None], means.seeds[None, :]),
        errors.astype(np.float32),
        tailed.astype(np.float32),
    )


def compare(cells: Sequence[Cell], *, seed: int = 0, random_wordings: bool = False) -> Comparison:
    """Compare all cells of a task with each other, those with equal samples at once.

    `seed`: for the draws.
    """
    count, kinds = len(cells), _kinds(cells)
    if len(kinds) == 1 and (own_ids := next(iter(kinds))):
        means = means_of_cells(cells, own_ids, random_wordings=random_wordings)
        return compare_means(means, binary=cells[0].card.binary, span=cells[0].span, seed=seed)
    value, stderr, degrees, low, high = (np.full((count, count), np.nan) for _ in range(5))
    p, n = np.ones((count, count)), np.zeros((count, count), dtype=np.int64)
    for kind, other_kind in combinations_with_replacement(kinds.values(), 2):
        cell, other_cell = cells[kind[0]], cells[other_kind[0]]
        ids = cell.scores.shared(other_cell.scores)
        if not ids:
            continue
        places = kind if kind is other_kind else [*kind, *other_kind]
        means = means_of_cells([cells[place] for place in places], ids, random_wordings=random_wordings)
        intervals = differences(means, binary=cell.card.binary, span=cell.span)
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
            degrees[block], n[block] = intervals.degrees[block_within], intervals.n
            if intervals.stderr is not None:
                stderr[block] = intervals.stderr[block_within]
                p[block] = p_values[block_within]
    seeds = np.array([len(cell.seeds) for cell in cells], dtype=np.int64)
    fewest_seeds = np.minimum(seeds[:, None], seeds[None, :])
    return Comparison(
        value, stderr, degrees, low, high, p, n, fewest_seeds, *_errors(cells, seed, random_wordings)
    )


def _kinds(cells: Sequence[Cell]) -> dict[tuple[str, ...], list[int]]:
    """The places of cells with equal samples."""
    kinds: dict[tuple[str, ...], list[int]] = {}
    for place, cell in enumerate(cells):
        kinds.setdefault(cell.scores.ids, []).append(place)
    return kinds


def _p_values(intervals: Intervals) -> FloatArray:
    """P-values of all differences of K scores; 1 where there is no standard error."""
    if intervals.stderr is None:
        return np.ones_like(intervals.value)
    return of_pairs(partial(t_test, n=intervals.n), intervals.value, intervals.stderr, intervals.degrees)


def _errors(
    cells: Sequence[Cell], seed: int, random_wordings: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Joint draws of the errors of all scores. A sample that a cell lacks adds nothing to its error."""
    if not cells:
        return (np.zeros((DRAWS, 0), dtype=np.float32),) * 2
    kinds = _kinds(cells)
    all_ids: dict[str, None] = {}
    for kind_ids in kinds:
        all_ids |= dict.fromkeys(kind_ids)
    ids = [*all_ids]
    numbers = {name: number for number, name in enumerate(ids)}
    templates = max(cell.scores.values.shape[1] for cell in cells)
    means = np.empty((len(cells), templates, len(ids)))
    for own_ids, places in kinds.items():
        values = np.stack([cells[place].scores.means() for place in places])
        means[places] = values.mean(axis=(1, 2), keepdims=True) if values.size else 0.0
        means[np.ix_(places, range(templates), [numbers[name] for name in own_ids])] = values
    noise = SeedNoise.joined([cell.noise for cell in cells])
    complete = next((cell for cell in cells if len(cell.scores.ids) == len(ids)), None)
    clusters = None if complete is None else complete.scores.cluster_numbers(ids)
    seeds = np.array([len(cell.seeds) for cell in cells])
    stderr = np.array([cell.estimate.stderr or 0.0 if cell.estimate else 0.0 for cell in cells])
    errors, tailed = score_errors(ArmMeans(means, noise, seeds, clusters, random_wordings), stderr, seed=seed)
    return errors.astype(np.float32), tailed.astype(np.float32)
