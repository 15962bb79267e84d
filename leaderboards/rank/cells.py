"""One candidate on one task: its scores by seed, template and sample, and how they compare with another's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.statistics import (
    ArmMeans,
    Estimate,
    FloatArray,
    SeedNoise,
    cluster_numbers,
    score,
    scores_of,
    seed_noise,
)
from leaderboards.rank.fit import fitting
from leaderboards.rank.flags import Flag, flag_of
from leaderboards.rank.scores import Outcome, RunScores, read_scores


@dataclass(frozen=True)
class ScoreTable:
    """The primary metric of every sample that was scored in every seed and template."""

    ids: tuple[str, ...]
    """Samples, in the order of the data set."""

    seeds: tuple[int, ...]
    values: FloatArray
    """Seeds × templates × samples."""

    clusters: tuple[str, ...] | None
    """Each sample's cluster, empty for one that stands alone; None where all do."""

    def __len__(self) -> int:
        return len(self.ids)

    def cluster_numbers(self, ids: Sequence[str] | None = None) -> NDArray[np.int64] | None:
        """For each sample, all of them or those named, the number of its cluster; None where all stand
        alone."""
        if self.clusters is None or ids is None or tuple(ids) == self.ids:
            return cluster_numbers(self.clusters or ())
        cluster_of = dict(zip(self.ids, self.clusters, strict=True))
        return cluster_numbers([cluster_of[name] for name in ids])

    @property
    def num_clusters(self) -> int | None:
        """Clusters, samples that stand alone among them; None where all do."""
        numbers = self.cluster_numbers()
        return None if numbers is None else int(numbers.max()) + 1

    def restricted(self, seeds: Sequence[int], ids: Sequence[str]) -> FloatArray:
        """The values of some of the seeds and samples, in the order given."""
        rows = [self.seeds.index(seed) for seed in seeds]
        places = {name: place for place, name in enumerate(self.ids)}
        return self.values[rows][:, :, [places[name] for name in ids]]

    def means(self, ids: Sequence[str] | None = None) -> FloatArray:
        """The mean of each sample over the seeds, of all samples or of those named, in their order: templates
        × samples."""
        means = self._means
        if ids is None or tuple(ids) == self.ids:
            return means
        places = {name: place for place, name in enumerate(self.ids)}
        return means[:, [places[name] for name in ids]]

    @cached_property
    def _means(self) -> FloatArray:
        return np.asarray(self.values.mean(axis=0))

    def shared(self, table: "ScoreTable") -> list[str]:
        """Samples that both have."""
        if table.ids == self.ids:
            return [*self.ids]
        table_ids = set(table.ids)
        return [name for name in self.ids if name in table_ids]


@dataclass(frozen=True)
class Cell:
    """One candidate on one task."""

    results: tuple[Result, ...]
    """By seed."""

    scores: ScoreTable

    total: int
    """Samples that each run was to answer."""

    estimate: Estimate | None
    """Mean of the primary metric; None when no sample was scored in every seed and template."""

    noise: SeedNoise
    """What its seeds add to the variance of the mean, moderated over the arms of the task."""

    @property
    def span(self) -> float:
        """The length of the primary metric's range."""
        return 1 - _low(self.card)

    @cached_property
    def same_for_every_seed(self) -> bool:
        """Whether one run stands for every seed."""
        return all(result.run.same_for_every_seed for result in self.results)

    @property
    def seed_noise_known(self) -> bool:
        """Whether its seeds, or those of other arms, tell how far another seed might differ."""
        return self.same_for_every_seed or len(self.seeds) > 1 or bool(self.noise.estimated[0] > 0)

    def lacks(self, seeds: Sequence[int]) -> list[int]:
        """Those of the seeds that it should have, and has not."""
        if self.same_for_every_seed and self.seeds:
            return []
        return [seed for seed in seeds if seed not in self.seeds]

    @property
    def card(self) -> TaskCard:
        """The task, as its first run knew it."""
        return self.results[0].task

    @property
    def sample_means(self) -> tuple[list[str], FloatArray]:
        """Its samples, and the mean score of each over seeds and templates."""
        return list(self.scores.ids), self.scores.values.mean(axis=(0, 1))

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return self.scores.seeds

    @cached_property
    def flag(self) -> Flag | None:
        """What a reader must know of its trainings and answers before believing the score."""
        return flag_of(self.results)

    @cached_property
    def by_template(self) -> dict[str, Estimate]:
        """Mean of the primary metric of each template alone."""
        values = self.scores.values
        if not values.size:
            return {}
        card, clusters = self.card, self.scores.cluster_numbers()
        return {
            template: score(values[:, [place]], binary=card.binary, low=_low(card), clusters=clusters)
            for place, template in enumerate(self.results[0].run.templates)
        }


def read_cell(
    results: Sequence[Result],
    folder: Path,
    notes: list[str],
    *,
    ahead: Mapping[str, Outcome] = MappingProxyType({}),
) -> Cell | None:
    """The runs of one candidate on one task and budget, with their predictions; None when none of these can
    be read.

    `ahead`: by the key of their run, scores that were read before.
    """
    return read_cells([results], folder, notes, ahead=ahead)[0]


def read_cells(
    cells: Sequence[Sequence[Result]],
    folder: Path,
    notes: list[str],
    *,
    ahead: Mapping[str, Outcome] = MappingProxyType({}),
    random_wordings: bool = False,
) -> list[Cell | None]:
    """The cells of many candidates and tasks; see `read_cell`. `random_wordings`: whether they are a draw."""
    scored_cells = [_read_cell(results, folder, notes, ahead) for results in cells]
    scored = [cell for cell in scored_cells if cell is not None]
    noises = _noises(scored)
    estimates = iter(zip(_estimates(scored, noises, random_wordings), noises, strict=True))
    return [
        None if cell is None else Cell(cell.results, cell.scores, cell.total, *next(estimates))
        for cell in scored_cells
    ]


@dataclass(frozen=True)
class _Scored:
    """A cell before its mean is estimated."""

    results: tuple[Result, ...]
    scores: ScoreTable
    total: int


def _noises(cells: Sequence[_Scored]) -> list[SeedNoise]:
    """What seeds add to the mean of each cell. The fine-tunes of a task lend each other what their seeds
    tell, and so do the arms that draw demonstrations or answers."""
    scored = [place for place, cell in enumerate(cells) if cell.scores.values.size]
    tables = [cells[place].scores for place in scored]
    noise = seed_noise(
        [table.values for table in tables],
        [table.cluster_numbers() for table in tables],
        alike=[_why_seeds_differ(cells[place], place) for place in scored],
    )
    numbers = {place: number for number, place in enumerate(scored)}
    nothing = seed_noise([np.zeros((1, 1, 1))])
    return [noise.of([numbers[place]]) if place in numbers else nothing for place in range(len(cells))]


def _why_seeds_differ(cell: _Scored, place: int) -> object:
    """Equal for cells whose seeds differ for the same reason; unlike any other where they do not differ."""
    run = cell.results[0].run
    if run.same_for_every_seed:
        return place
    return run.task, run.guard is not None, any(result.trainings for result in cell.results)


def _estimates(
    cells: Sequence[_Scored], noises: Sequence[SeedNoise], random_wordings: bool
) -> list[Estimate | None]:
    """The means of all cells. Cells of one shape are estimated together: a board has ten thousand."""
    kinds: dict[Any, list[int]] = {}
    for place, cell in enumerate(cells):
        card, scores = cell.results[0].task, cell.scores
        shape = scores.values.shape
        kinds.setdefault((card.binary, _low(card), shape, scores.clusters), []).append(place)
    estimates: list[Estimate | None] = [None] * len(cells)
    for (binary, low, shape, _), places in kinds.items():
        scores_of_first = cells[places[0]].scores
        if scores_of_first.values.size:
            means = ArmMeans(
                np.stack([cells[place].scores.means() for place in places]),
                SeedNoise.joined([noises[place] for place in places]),
                np.full(len(places), shape[0]),
                scores_of_first.cluster_numbers(),
                random_wordings,
            )
            intervals = scores_of(means, binary=binary, low=low)
            for number, place in enumerate(places):
                estimates[place] = intervals.at(number)
    return estimates


def _read_cell(
    results: Sequence[Result], folder: Path, notes: list[str], ahead: Mapping[str, Outcome]
) -> _Scored | None:
    tables: list[RunScores] = []
    readable: list[Result] = []
    for result in sorted(results, key=attrgetter("run.seed")):
        outcome = ahead.get(result.key) or _read_now(result, folder)
        if isinstance(outcome, RunScores):
            tables.append(outcome)
            readable.append(result)
        else:
            notes.append(f"{result.run.label}: {outcome.fault} and the run is left out: {outcome.reason}")
    if not readable:
        return None
    total = max(result.samples.total // len(result.run.templates) for result in readable)
    return _Scored(tuple(readable), _join(tables, tuple(result.run.seed for result in readable)), total)


def _read_now(result: Result, folder: Path) -> Outcome:
    return fitting([result], read_scores([result], folder), folder)[0]


def _join(tables: Sequence[RunScores], seeds: tuple[int, ...]) -> ScoreTable:
    """Runs that differ in the seed as one table: the samples that were scored in every run and template."""
    first_table = tables[0]
    stacked = [first_table.values]
    for table in tables[1:]:
        if table.ids == first_table.ids:
            stacked.append(table.values)
            continue
        place_of = {name: place for place, name in enumerate(table.ids)}
        places = np.array([place_of.get(name, -1) for name in first_table.ids])
        moved = np.where(places >= 0, table.values[:, places], np.nan)
        stacked.append(moved)
    values = np.stack(stacked)
    complete = ~np.isnan(values).any(axis=(0, 1))
    if complete.all():
        return ScoreTable(first_table.ids, seeds, values, first_table.clusters)
    complete_places = np.flatnonzero(complete).tolist()
    clusters = (
        None
        if first_table.clusters is None
        else tuple(first_table.clusters[place] for place in complete_places)
    )
    return ScoreTable(
        tuple(first_table.ids[place] for place in complete_places), seeds, values[:, :, complete], clusters
    )


def _low(card: TaskCard) -> float:
    """The least that a sample can score on the scale of its metric."""
    metric = card.metrics[card.primary_metric]
    return (metric.low or 0.0) if metric.scale.is_share else 0.0
