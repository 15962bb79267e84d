"""One candidate on one task: its scores by seed, template and sample, and how they compare with another's."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.results import Result, TaskCard
from harness.statistics import (
    Estimate,
    Intervals,
    Scores,
    cluster_numbers,
    deviations,
    differences,
    gain,
    of_pairs,
    score,
    scores_of,
    t_test,
)
from leaderboards.flags import Flag, flag_of
from leaderboards.scores import Outcome, RunScores, Unreadable, read_scores


@dataclass(frozen=True)
class ScoreTable:
    """The primary metric of every sample that was scored in every seed and template."""

    ids: tuple[str, ...]
    """Samples, in the order of the data set."""

    seeds: tuple[int, ...]
    values: Scores
    """Seeds × templates × samples."""

    clusters: tuple[str, ...] | None
    """What each sample belongs to; None where samples stand alone."""

    def __len__(self) -> int:
        return len(self.ids)

    def cluster_numbers(self, places: Sequence[int] | None = None) -> NDArray[np.int64] | None:
        """Clusters numbered from 0 on, of all samples or of those at some places."""
        if self.clusters is None:
            return None
        names = self.clusters if places is None else [self.clusters[place] for place in places]
        return cluster_numbers(names)

    def restricted(self, seeds: Sequence[int], ids: Sequence[str]) -> Scores:
        """The values of some of the seeds and samples, in the order given."""
        if tuple(seeds) == self.seeds and tuple(ids) == self.ids:
            return self.values
        rows = [self.seeds.index(seed) for seed in seeds]
        places = {name: place for place, name in enumerate(self.ids)}
        return self.values[rows][:, :, [places[name] for name in ids]]

    def shared(self, other: "ScoreTable") -> tuple[list[int], list[str]]:
        """Seeds and samples that both have."""
        theirs = set(other.ids)
        return [seed for seed in self.seeds if seed in other.seeds], [name for name in self.ids if name in theirs]


@dataclass(frozen=True)
class Cell:
    """One candidate on one task."""

    results: tuple[Result, ...]
    """By seed."""

    scores: ScoreTable

    total: int
    """Samples each run was asked to score."""

    estimate: Estimate | None
    """Mean of the primary metric; None when no sample was scored in every seed and template."""

    @property
    def card(self) -> TaskCard:
        """The task, as its first run knew it."""
        return self.results[0].task

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return self.scores.seeds

    @cached_property
    def flag(self) -> Flag | None:
        """What a reader must know of its trainings before believing the score."""
        return flag_of(self.results)

    @cached_property
    def by_template(self) -> dict[str, Estimate]:
        """The same for each template alone."""
        values = self.scores.values
        if not values.size:
            return {}
        card, clusters = self.card, self.scores.cluster_numbers()
        return {
            template: score(values[:, [place]], binary=card.binary, low=_low(card), clusters=clusters)
            for place, template in enumerate(self.results[0].run.templates)
        }


def read_cell(
    results: Sequence[Result], folder: Path, notes: list[str], *, ahead: Mapping[str, Outcome] = MappingProxyType({})
) -> Cell | None:
    """The runs of one candidate on one task and budget, with their predictions; None when none of these can be read.

    `ahead`: by the key of their run, scores that were read before.
    """
    return read_cells([results], folder, notes, ahead=ahead)[0]


def read_cells(
    cells: Sequence[Sequence[Result]], folder: Path, notes: list[str], *, ahead: Mapping[str, Outcome] = MappingProxyType({})
) -> list[Cell | None]:
    """The same of many of them."""
    known = [_read_cell(results, folder, notes, ahead) for results in cells]
    estimates = iter(_estimates([cell for cell in known if cell is not None]))
    return [None if cell is None else Cell(cell.results, cell.scores, cell.total, next(estimates)) for cell in known]


@dataclass(frozen=True)
class _Scored:
    """What is known of a cell before its mean is estimated."""

    results: tuple[Result, ...]
    scores: ScoreTable
    total: int


def _estimates(cells: Sequence[_Scored]) -> list[Estimate | None]:
    """The means of all cells, those of one kind at once: a board has ten thousand of them."""
    kinds: dict[Any, list[int]] = {}
    for place, cell in enumerate(cells):
        card, scores = cell.results[0].task, cell.scores
        kinds.setdefault((card.binary, _low(card), scores.values.shape, scores.clusters), []).append(place)
    found: list[Estimate | None] = [None] * len(cells)
    for (binary, low, _, _), places in kinds.items():
        first = cells[places[0]].scores
        if first.values.size:
            tables = np.stack([cells[place].scores.values for place in places])
            means = scores_of(tables, binary=binary, low=low, clusters=first.cluster_numbers())
            for number, place in enumerate(places):
                found[place] = means.at(number)
    return found


def _read_cell(results: Sequence[Result], folder: Path, notes: list[str], ahead: Mapping[str, Outcome]) -> _Scored | None:
    tables: list[RunScores] = []
    kept: list[Result] = []
    for result in sorted(results, key=lambda one: one.run.seed):
        outcome = ahead[result.key] if result.key in ahead else read_scores([result], folder)[0]
        if isinstance(outcome, Unreadable):
            notes.append(f"{result.run.label}: its predictions cannot be read and the run is left out: {outcome.reason}")
        else:
            tables.append(outcome)
            kept.append(result)
    if not kept:
        return None
    total = max(result.samples.total // len(result.run.templates) for result in kept)
    return _Scored(tuple(kept), _join(tables, tuple(result.run.seed for result in kept)), total)


def _join(tables: Sequence[RunScores], seeds: tuple[int, ...]) -> ScoreTable:
    """Runs that differ in the seed: only samples that were scored in every one and in every template."""
    first = tables[0]
    stacked = [first.values]
    for table in tables[1:]:
        if table.ids == first.ids:
            stacked.append(table.values)
            continue
        known = {name: place for place, name in enumerate(table.ids)}
        places = np.array([known.get(name, -1) for name in first.ids])
        moved = np.where(places >= 0, table.values[:, places], np.nan)
        stacked.append(moved)
    values = np.stack(stacked)
    whole = ~np.isnan(values).any(axis=(0, 1))
    if whole.all():
        return ScoreTable(first.ids, seeds, values, first.clusters)
    kept = np.flatnonzero(whole).tolist()
    clusters = None if first.clusters is None else tuple(first.clusters[place] for place in kept)
    return ScoreTable(tuple(first.ids[place] for place in kept), seeds, values[:, :, whole], clusters)


@dataclass(frozen=True)
class SharedTables:
    """What two candidates scored on the same seeds, templates and samples."""

    seeds: list[int]
    ids: list[str]
    first: Scores
    second: Scores
    clusters: NDArray[np.int64] | None


def shared_tables(first: Cell, second: Cell) -> SharedTables | None:
    """None when two cells share no seed or no sample."""
    seeds, ids = first.scores.shared(second.scores)
    if not seeds or not ids:
        return None
    ours, theirs = (cell.scores.restricted(seeds, ids) for cell in (first, second))
    return SharedTables(seeds, ids, ours, theirs, _cluster_numbers(first, ids))


def paired(first: Cell, second: Cell) -> Estimate | None:
    """Difference of two candidates on one task over the seeds and samples they share; None when they share none."""
    tables = shared_tables(first, second)
    if tables is None:
        return None
    card = first.card
    return gain(tables.first, tables.second, binary=card.binary, span=_span(card), clusters=tables.clusters)


def _cluster_numbers(cell: Cell, ids: Sequence[str]) -> NDArray[np.int64] | None:
    if cell.scores.clusters is None or tuple(ids) == cell.scores.ids:
        return cell.scores.cluster_numbers()
    places = {name: place for place, name in enumerate(cell.scores.ids)}
    return cell.scores.cluster_numbers([places[name] for name in ids])


def _span(card: TaskCard) -> float:
    return 1 - _low(card)


def _low(card: TaskCard) -> float:
    """The least that a sample can score."""
    return card.metrics[card.primary_metric].low or 0.0


@dataclass(frozen=True)
class Comparison:
    """Every two of K candidates: K × K, the row's less the column's; NaN where two share no sample."""

    value: Scores
    stderr: Scores
    degrees: Scores
    low: Scores
    high: Scores
    p: Scores
    """Two-sided, of the t test; 1 where two cannot be compared."""

    n: NDArray[np.int64]
    """Samples both have."""

    seeds: NDArray[np.int64]
    errors: Scores
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
    """Compare all cells of a task with each other, those with equal seeds and samples at once. `seed`: of the draws."""
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
        found = differences(tables, binary=first.card.binary, span=_span(first.card), clusters=_cluster_numbers(first, ids))
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


def _p_values(found: Intervals) -> Scores:
    """Of all differences of K scores; 1 where there is no standard error."""
    if found.stderr is None:
        return np.ones_like(found.value)
    return of_pairs(partial(t_test, n=found.n), found.value, found.stderr, found.degrees)


def _errors(cells: Sequence[Cell], seed: int) -> Scores:
    """Joint draws of the errors of all scores. A sample or seed that a cell lacks has no part in its error."""
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
