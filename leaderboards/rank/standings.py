"""All candidates against each other, task by task and over the board: differences, rank intervals, tiers,
robustness."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.records.scores import TaskCard
from harness.statistics import (
    DRAWS,
    Estimate,
    FloatArray,
    Ranking,
    exact_p,
    joint_threshold,
    rank,
    sides_of_sum,
    t_test,
)
from leaderboards.rank.baselines import Key, key_of
from leaderboards.rank.cells import Cell
from leaderboards.rank.pairs import Comparison, compare, means_of_cells

SIGNIFICANT = 0.05
"""Corrected p-values below this count as significant."""

COMPARISON_THREADS = 2
"""More threads contend for numpy's lock, and each holds a table of its own; two measured fastest."""

OutcomeT = TypeVar("OutcomeT")

LevelOf = Callable[[NDArray[np.floating[Any]]], float]
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
        """The comparison of `keys` only, in the order given."""
        if (*keys,) == self.keys:  # the usual case, in which no table is copied
            return self.comparison
        return self.comparison.of([self.places[key] for key in keys])

    def difference(self, key: Key, other_key: Key) -> Estimate | None:
        """Paired difference of two candidates; None where they cannot be compared."""
        if key not in self.places or other_key not in self.places:
            return None
        return self.comparison.at(self.places[key], self.places[other_key])

    def p(self, key: Key, other_key: Key) -> float:
        """Two-sided p-value of the difference; 1 where the two cannot be compared."""
        if key not in self.places or other_key not in self.places:
            return 1.0
        return float(self.comparison.p[self.places[key], self.places[other_key]])

    def ranking(
        self,
        keys: Sequence[Key],
        *,
        level_of: LevelOf = joint_threshold,
        seeds_known: Sequence[bool] | None = None,
    ) -> Ranking:
        """Rank intervals of `keys`, in the order given, that hold together in 95 % of all cases.

        `level_of`: how the level of their errors is found. `seeds_known`: of each, whether it is known how
        far another seed would differ, by default of all; what is not known to hold with another seed orders
        nothing.
        """
        chosen = self.among(keys)
        p = chosen.p
        if seeds_known is not None and not all(seeds_known):
            is_known = np.array(seeds_known)
            p = np.where(is_known[:, None] & is_known, p, 1.0)
        return rank(p, np.nan_to_num(chosen.value), level_of(chosen.errors))


def stand(cells: Mapping[Key, Cell], *, seed: int = 0, random_wordings: bool = False) -> Standing:
    """The candidates of one task. `seed`: for the draws; each task has its own."""
    scored = {key: cell for key, cell in cells.items() if cell.estimate}
    comparison = compare(list(scored.values()), seed=seed, random_wordings=random_wordings)
    return Standing(tuple(scored), comparison)


def side_by_side(function: Callable[[str], OutcomeT], tasks: Iterable[str]) -> dict[str, OutcomeT]:
    """Call a function of arrays for each task, in threads: numpy and scipy release the interpreter's lock."""
    names = list(tasks)
    # BLAS has threads of its own that spin after each product and take the cores from these.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(COMPARISON_THREADS) as threads:
        return dict(zip(names, threads.map(function, names), strict=True))


def over_board(
    standings: Mapping[str, Standing], keys: Sequence[Key], factors: Mapping[str, float]
) -> Standing:
    """Candidates that stand on all tasks, over all of them: the sum of the tasks' figures times their
    factors.

    Tasks are independent and fixed: errors add in squares, and the sides of intervals as in
    `harness.statistics.sides_of_sum`.
    """
    parts = [(factors[task], standing.among(keys)) for task, standing in standings.items()]
    return Standing(tuple(keys), _sum(parts, len(keys)))


def _sum(parts: Sequence[tuple[float, Comparison]], count: int) -> Comparison:
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    above = np.triu_indices(count)

    def pairs(tables: Iterable[FloatArray]) -> FloatArray:
        """Tables of the tasks as tasks × pairs, the first of a pair before the second."""
        return np.array([table[above] for table in tables]).reshape(len(parts), len(above[0]))

    def squared(of_pairs: FloatArray, *, sign: int = 1) -> FloatArray:
        table = np.empty((count, count))
        table.T[above] = sign * of_pairs
        table[above] = of_pairs
        return table

    sides = sides_of_sum(
        pairs(factor * (part.value - part.low) for factor, part in parts),
        pairs(factor * (part.high - part.value) for factor, part in parts),
        pairs(factor * part.stderr for factor, part in parts),
        pairs(part.degrees for _, part in parts),
    )
    value = pairs(factor * part.value for factor, part in parts).sum(axis=0)
    n = pairs(part.n.astype(np.float64) for _, part in parts).sum(axis=0)
    seeds = np.min([part.seeds for _, part in parts], axis=0) if parts else np.zeros((count, count), np.int64)
    is_known = np.isfinite(sides.stderr)
    tested = t_test(
        np.nan_to_num(value), np.where(is_known, sides.stderr, 1.0), sides.degrees, n=n.astype(np.int64)
    )
    differences = squared(value, sign=-1)
    down, up = squared(sides.down), squared(sides.up)
    below = np.tril_indices(count, -1)
    # The difference the other way round reaches down as far as this one reaches up.
    down[below], up[below] = up.T[below], down.T[below]
    nothing = np.zeros((DRAWS, count), dtype=np.float32)
    return Comparison(
        differences,
        squared(sides.stderr),
        squared(sides.degrees),
        differences - down,
        differences + up,
        squared(np.where(is_known, tested, 1.0)),
        squared(n).astype(np.int64),
        seeds,
        sum((np.float32(factor) * part.errors for factor, part in parts), start=nothing),
        sum((np.float32(factor) * part.tailed_errors for factor, part in parts), start=nothing),
    )


def tiers(ranking: Ranking) -> list[int]:
    """The tier of each candidate, best first: a tier begins where a candidate is clearly worse than the first
    one of the tier before."""
    tier_numbers: list[int] = []
    leader = 0
    for place in range(len(ranking.best)):
        if place and ranking.better[leader, place]:
            leader = place
            tier_numbers.append(tier_numbers[-1] + 1)
        else:
            tier_numbers.append(tier_numbers[-1] if tier_numbers else 1)
    return tier_numbers


def p_of_gains(standing: Standing, pairs: Sequence[tuple[Cell, Cell]]) -> list[float]:
    """P-values of differences on one task.

    Of one seed, which borrows nothing of other arms, and one wording the exact tests', over pairs with equal
    samples together; of all else those of the standing, in which seeds count.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    by_place: list[float] = []
    for place, (cell, other_cell) in enumerate(pairs):
        by_place.append(standing.p(key_of(cell.results[0].run), key_of(other_cell.results[0].run)))
        ids = cell.scores.shared(other_cell.scores)
        if ids and means_of_cells([cell, other_cell], ids).exact.all():
            groups.setdefault(tuple(ids), []).append(place)
    for shared_ids, places in groups.items():
        values = np.stack([pairs[place][0].scores.means(shared_ids)[0] for place in places])
        other_values = np.stack([pairs[place][1].scores.means(shared_ids)[0] for place in places])
        exact = exact_p(values, other_values, binary=pairs[places[0]][0].card.binary)
        for place, value in zip(places, exact.tolist(), strict=True):
            by_place[place] = value
    return by_place


@dataclass(frozen=True)
class Robustness:
    """How a candidate stands by measures that do not average scores. Both change when another candidate is
    listed."""

    win_rate: float
    """Share of the comparisons with the other candidates, task by task, that it wins; a tie is half a win."""

    mean_rank: float
    """Over the tasks."""


def robustness(standings: Mapping[str, Standing], keys: Sequence[Key]) -> list[Robustness]:
    """The win rate and mean rank of each candidate; all stand on all tasks."""
    if not keys or not standings:
        return []
    wins = np.zeros(len(keys))
    for standing in standings.values():
        value = np.nan_to_num(standing.among(keys).value)
        won: NDArray[np.float64] = (value > 0).sum(axis=1) + 0.5 * ((value == 0).sum(axis=1) - 1)
        wins += won
    contests = max(len(keys) - 1, 1) * len(standings)
    # Of K candidates the one that wins w comparisons on a task has the rank K − w there, ties shared.
    return [Robustness(float(won / contests), float(len(keys) - won / len(standings))) for won in wins]


def factors(tasks: Mapping[str, TaskCard], weights: Mapping[str, float]) -> dict[str, float]:
    """What a task's score counts in the score of the board: its weight, on the scale from chance to
    perfect."""
    if len(tasks) == 1:
        return dict.fromkeys(tasks, 1.0)
    total = sum(weights[task] for task in tasks)
    return {task: weights[task] / total / (1 - card.chance) for task, card in tasks.items()}
