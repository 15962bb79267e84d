"""All candidates against each other, task by task and over the board: differences, rank intervals, tiers,
robustness."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.records.scores import TaskCard
from harness.statistics import DRAWS, Estimate, FloatArray, Ranking, joint_threshold, p_values, rank, t_test
from leaderboards.rank.baselines import Key
from leaderboards.rank.cells import Cell
from leaderboards.rank.pairs import Comparison, compare, shared_tables

SIGNIFICANT = 0.05
"""A corrected p-value below it makes a claim."""


THREADS = 2
"""More of them wait for each other between two calls of numpy, and hold as many tables more."""

OutcomeT = TypeVar("OutcomeT")

LevelOf = Callable[[FloatArray], float]
"""Finds the level of rank intervals from joint errors, as `harness.statistics.joint_threshold` does."""


@dataclass(frozen=True)
class Standing:
    """Some candidates compared with each other, on one task or over the board."""

    keys: tuple[Key, ...]
    comparison: Comparison

    @cached_property
    def places(self) -> dict[Key, int]:
        """Where each candidate stands in `comparison`."""
        return {key: place for place, key in enumerate(self.keys)}

    def among(self, keys: Sequence[Key]) -> Comparison:
        """Some of them, in an order."""
        if (*keys,) == self.keys:  # as most often: the tables need not be copied
            return self.comparison
        return self.comparison.of([self.places[key] for key in keys])

    def difference(self, first: Key, second: Key) -> Estimate | None:
        """Paired difference of two candidates; None where they cannot be compared."""
        if first not in self.places or second not in self.places:
            return None
        return self.comparison.at(self.places[first], self.places[second])

    def p(self, first: Key, second: Key) -> float:
        """P-value of that difference, two-sided; 1 where they cannot be compared."""
        if first not in self.places or second not in self.places:
            return 1.0
        return float(self.comparison.p[self.places[first], self.places[second]])

    def ranking(self, keys: Sequence[Key], *, level_of: LevelOf = joint_threshold) -> Ranking:
        """Rank intervals of some of them, in an order, that hold together in 95 % of all cases.

        `level_of`: how the level of their errors is found.
        """
        chosen = self.among(keys)
        return rank(chosen.p, np.nan_to_num(chosen.value), level_of(chosen.errors))


def stand(cells: Mapping[Key, Cell], *, seed: int = 0) -> Standing:
    """The candidates of one task. `seed`: of the draws, another for each task."""
    scored = {key: cell for key, cell in cells.items() if cell.estimate}
    return Standing(tuple(scored), compare(list(scored.values()), seed=seed))


def side_by_side(function: Callable[[str], OutcomeT], tasks: Iterable[str]) -> dict[str, OutcomeT]:
    """What a function of arrays comes to for each task: numpy and scipy let threads work at the same time."""
    names = list(tasks)
    # BLAS has threads of its own, which after each product wait for the next one busily, in the way of ours.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(THREADS) as threads:
        return dict(zip(names, threads.map(function, names), strict=True))


def over_board(
    standings: Mapping[str, Standing], keys: Sequence[Key], factors: Mapping[str, float]
) -> Standing:
    """Candidates that stand on all tasks, over all of them: the sum of the tasks' figures times their
    factors.

    Tasks are independent and fixed: errors add in squares, and the sides of intervals likewise, as in
    `harness.statistics.mean_over_tasks`.
    """
    parts = [(factors[task], standing.among(keys)) for task, standing in standings.items()]
    return Standing(tuple(keys), _sum(parts, len(keys)))


def _sum(parts: Sequence[tuple[float, Comparison]], count: int) -> Comparison:
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    nothing = np.zeros((count, count))
    value = sum((factor * part.value for factor, part in parts), start=nothing)
    down = sum(((factor * (part.value - part.low)) ** 2 for factor, part in parts), start=nothing)
    up = sum(((factor * (part.high - part.value)) ** 2 for factor, part in parts), start=nothing)
    variances = [(factor * part.stderr) ** 2 for factor, part in parts]
    variance = sum(variances, start=nothing)
    spread = sum(
        (one**2 / part.degrees for one, (_, part) in zip(variances, parts, strict=True)), start=nothing
    )
    degrees = np.divide(variance**2, spread, out=np.full_like(variance, np.inf), where=spread > 0)
    n = sum((part.n for _, part in parts), start=np.zeros((count, count), dtype=np.int64))
    seeds = np.min([part.seeds for _, part in parts], axis=0) if parts else n
    stderr = np.sqrt(variance)
    known = np.isfinite(stderr)
    tested = t_test(np.nan_to_num(value), np.where(known, stderr, 1.0), degrees, n=n)
    errors = sum((factor * part.errors for factor, part in parts), start=np.zeros((DRAWS, count)))
    p = np.where(known, tested, 1.0)
    return Comparison(value, stderr, degrees, value - np.sqrt(down), value + np.sqrt(up), p, n, seeds, errors)


def tiers(ranking: Ranking) -> list[int]:
    """The tier of each candidate, best first: one begins where a candidate is surely worse than the first of
    the last."""
    found: list[int] = []
    leader = 0
    for place in range(len(ranking.best)):
        if place and ranking.better[leader, place]:
            leader = place
            found.append(found[-1] + 1)
        else:
            found.append(found[-1] if found else 1)
    return found


def p_of_gains(pairs: Sequence[tuple[Cell, Cell]]) -> list[float]:
    """P-values of paired differences on one task, those over the same seeds and samples at once."""
    groups: dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]] = {}
    tables = [shared_tables(first, second) for first, second in pairs]
    for place, table in enumerate(tables):
        if table is not None:
            groups.setdefault((tuple(table.seeds), tuple(table.ids)), []).append(place)
    found = [1.0] * len(pairs)
    for places in groups.values():
        members = [table for place in places if (table := tables[place])]
        first = np.stack([table.first for table in members])
        second = np.stack([table.second for table in members])
        card = pairs[places[0]][0].card
        p = p_values(first, second, binary=card.binary, clusters=members[0].clusters)
        for place, value in zip(places, p.tolist(), strict=True):
            found[place] = value
    return found


@dataclass(frozen=True)
class Robustness:
    """How a candidate stands by measures that do not average scores. Both change when another candidate is
    listed."""

    win_rate: float
    """Share of the comparisons with the other candidates, task by task, that it wins; a tie is half a win."""

    mean_rank: float
    """Over the tasks."""


def robustness(standings: Mapping[str, Standing], keys: Sequence[Key]) -> list[Robustness]:
    """Of candidates that stand on all tasks."""
    if not keys or not standings:
        return []
    wins = np.zeros(len(keys))
    for standing in standings.values():
        value = np.nan_to_num(standing.among(keys).value)
        won: NDArray[np.float64] = (value > 0).sum(axis=1) + 0.5 * ((value == 0).sum(axis=1) - 1)
        wins += won
    others = max(len(keys) - 1, 1) * len(standings)
    # Of K candidates the one that wins w comparisons on a task has the rank K − w there, ties shared.
    return [Robustness(float(won / others), float(len(keys) - won / len(standings))) for won in wins]


def factors(tasks: Mapping[str, TaskCard], weights: Mapping[str, float]) -> dict[str, float]:
    """What a task's score counts in the score of the board: its weight, on the scale from chance to
    perfect."""
    if len(tasks) == 1:
        return dict.fromkeys(tasks, 1.0)
    total = sum(weights[task] for task in tasks)
    return {task: weights[task] / total / (1 - card.chance) for task, card in tasks.items()}
