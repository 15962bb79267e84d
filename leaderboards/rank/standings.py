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
"""Corrected p-values below this count as significant."""

COMPARISON_THREADS = 2
"""More threads contend for numpy's lock, and each holds a table of its own; two measured fastest."""

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

    def ranking(self, keys: Sequence[Key], *, level_of: LevelOf = joint_threshold) -> Ranking:
        """Rank intervals of `keys`, in the order given, that hold together in 95 % of all cases.

        `level_of`: how the level of their errors is found.
        """
        chosen = self.among(keys)
        return rank(chosen.p, np.nan_to_num(chosen.value), level_of(chosen.errors))


def stand(cells: Mapping[Key, Cell], *, seed: int = 0) -> Standing:
    """The candidates of one task. `seed`: for the draws; each task has its own."""
    scored = {key: cell for key, cell in cells.items() if cell.estimate}
    return Standing(tuple(scored), compare(list(scored.values()), seed=seed))


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
        (part_variance**2 / part.degrees for part_variance, (_, part) in zip(variances, parts, strict=True)),
        start=nothing,
    )
    degrees = np.divide(variance**2, spread, out=np.full_like(variance, np.inf), where=spread > 0)
    n = sum((part.n for _, part in parts), start=np.zeros((count, count), dtype=np.int64))
    seeds = np.min([part.seeds for _, part in parts], axis=0) if parts else n
    stderr = np.sqrt(variance)
    has_stderr = np.isfinite(stderr)
    tested = t_test(np.nan_to_num(value), np.where(has_stderr, stderr, 1.0), degrees, n=n)
    errors = sum((factor * part.errors for factor, part in parts), start=np.zeros((DRAWS, count)))
    p = np.where(has_stderr, tested, 1.0)
    return Comparison(value, stderr, degrees, value - np.sqrt(down), value + np.sqrt(up), p, n, seeds, errors)


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


def p_of_gains(pairs: Sequence[tuple[Cell, Cell]]) -> list[float]:
    """P-values of paired differences on one task; pairs over equal seeds and samples are tested together."""
    groups: dict[tuple[tuple[int, ...], tuple[str, ...]], list[int]] = {}
    tables = [shared_tables(cell, other_cell) for cell, other_cell in pairs]
    for place, table in enumerate(tables):
        if table is not None:
            groups.setdefault((tuple(table.seeds), tuple(table.ids)), []).append(place)
    by_place = [1.0] * len(pairs)
    for places in groups.values():
        members = [table for place in places if (table := tables[place])]
        values = np.stack([table.values for table in members])
        other_values = np.stack([table.other_values for table in members])
        card = pairs[places[0]][0].card
        p = p_values(values, other_values, binary=card.binary, clusters=members[0].clusters)
        for place, value in zip(places, p.tolist(), strict=True):
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
