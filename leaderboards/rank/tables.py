"""The ranking: a row per candidate, and what can be asked of all rows together.

A candidate is a model and a method; an ensemble is one by a name of its own. `leaderboards.rank.tabulate`
makes the ranking of results.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.statistics import Estimate, holm
from harness.sweep.methods import METHODS, Method
from leaderboards.rank.baselines import Key, baselines, plain, same_model
from leaderboards.rank.cells import Cell
from leaderboards.rank.flags import Flag, flag_of
from leaderboards.rank.forgetting import Forgetting
from leaderboards.rank.means import weighted_mean
from leaderboards.rank.pairs import paired
from leaderboards.rank.standings import Robustness, Standing
from leaderboards.text import POINTS, Unit, candidate_label, method_name


@dataclass(frozen=True)
class Row:
    """One candidate on all tasks of the board."""

    name: str
    """The model, as the sweep calls it."""

    method: Method
    cells: dict[str, Cell]
    """By task; a task without a finished run is not in it."""

    missing: tuple[str, ...]
    """What keeps the row from being ranked, in words; empty for a complete row."""

    seeds_wanted: tuple[int, ...]
    """The table's seeds; for an ensemble over seeds, which is one draw, its own seeds."""

    runs_wanted: int
    score: Estimate | None
    """None for a row that is not complete."""

    over_zero: Estimate | None
    """Gain over the zero-shot arm of the same model; None for a row that is not complete, or where that arm
    is missing."""

    over_few: Estimate | None
    """Gain over the few-shot arm of the same model; None like `over_zero`."""

    ranks: tuple[int, int] | None = None
    """Best and worst rank that the paired differences allow, all rows together at 95 %; None unless the row
    is complete."""

    tier: int | None = None
    """1 for the leader and all rows that are not clearly worse than it, 2 for the best of the rest and all
    not clearly worse than that one …"""

    robustness: Robustness | None = None
    """How it stands by measures that do not average scores."""

    significance: Mapping[Method, float] = field(default_factory=dict)
    """P-values of the gains over untrained arms, corrected for the number of all such gains on the board
    (Holm)."""

    forgetting: Forgetting | None = None
    """What its weights lost on guard tasks; None without any."""

    @property
    def forgets(self) -> bool:
        """Whether it clearly lost more than the board allows: it is ranked, but never called best."""
        return self.forgetting is not None and self.forgetting.verdict == "failed"

    @property
    def level(self) -> bool:
        """Whether its difference from the leader is within noise."""
        return self.tier == 1

    @property
    def headroom_closed(self) -> float | None:
        """Share of the way from the untrained model to a perfect score; None without a zero-shot arm below
        perfect."""
        return headroom_closed(self.score, self.over_zero)

    @property
    def key(self) -> Key:
        """What tells rows apart."""
        return self.name, self.method

    # A row may have thousands of runs, and every page reads these: each is worked out once.

    @cached_property
    def tuned(self) -> bool:
        """Whether weights were trained for it, or for what it is made of."""
        return any(result.trainings for result in self.results)

    @cached_property
    def members(self) -> int:
        """The arms that an ensemble is made of; 0 for all else."""
        return max(len(result.run.members) for result in self.results)

    @cached_property
    def flag(self) -> Flag | None:
        """What a reader must know of its trainings and answers before believing the score."""
        return flag_of(self.results) if any(cell.flag for cell in self.cells.values()) else None

    @property
    def broken(self) -> bool:
        """Whether a training behind it went wrong, so that its score says little of the method."""
        return self.flag is not None and self.flag.broken

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Every run, by task and seed."""
        return tuple(itertools.chain.from_iterable(cell.results for cell in self.cells.values()))

    @cached_property
    def method_name(self) -> str:
        """How people read the method."""
        return method_name(*(result.run for result in self.results))

    @property
    def n_train(self) -> int | None:
        """Labelled samples of its task that each run was trained on; None where there are none, or not as
        many on all."""
        budgets = {result.run.n_train for result in self.results}
        return budgets.pop() if len(budgets) == 1 else None

    @property
    def label(self) -> str:
        """How people read the candidate."""
        return candidate_label(self.name, self.method_name)

    @property
    def seeds(self) -> int:
        """The fewest seeds of any task. What answers the same for every seed has all of them."""
        return min(
            len(self.seeds_wanted) if cell.same_for_every_seed else len(cell.results)
            for cell in self.cells.values()
        )

    @property
    def same_for_every_seed(self) -> bool:
        """Whether its seeds change nothing, on any task."""
        return all(cell.same_for_every_seed for cell in self.cells.values())

    @property
    def seed_noise_known(self) -> bool:
        """Whether it can be told, on every task, how far another seed might differ."""
        return all(cell.seed_noise_known for cell in self.cells.values())

    @property
    def scored(self) -> int:
        """Samples scored in every seed and template, all tasks."""
        return sum(len(cell.scores) for cell in self.cells.values())

    @property
    def total(self) -> int:
        """Samples that were to be scored, all tasks."""
        return sum(cell.total for cell in self.cells.values())


def headroom_closed(score: Estimate | None, gain: Estimate | None) -> float | None:
    """Share of the way from where a gain began to a perfect score; None where either is not known, or nothing
    was left."""
    if score is None or gain is None:
        return None
    left = 1 - (score.value - gain.value)
    return gain.value / left if left > 0 else None


@dataclass(frozen=True)
class Table:
    """The ranking, and what the pages must say about it."""

    tasks: dict[str, TaskCard]
    """The tasks of the board that have results, in its order."""

    weights: dict[str, float]
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    """Complete rows by score, best first; then the others by name."""

    curves: dict[tuple[str, Method, str], dict[int, Cell]]
    """For candidates that were trained on several budgets, by task: training samples → cell. The largest is
    ranked."""

    standings: dict[str, Standing]
    """By task: all candidates that were scored on it against each other."""

    overall: Standing
    """The complete rows against each other, over all tasks."""

    notes: tuple[str, ...]
    """What was left out of the comparison, and why."""

    random_wordings: bool = False
    """Whether wordings are taken for a draw."""

    smaller_guards: Mapping[tuple[Key, int], Forgetting] = field(default_factory=dict)
    """What rows' weights lost on guard tasks that were tuned on fewer samples, by row and training
    samples."""

    @property
    def ranked(self) -> list[Row]:
        """The complete rows, best first."""
        return [row for row in self.rows if row.score]

    @property
    def eligible(self) -> list[Row]:
        """The ranked rows that may be called best: they did not lose too much on guard tasks."""
        return [row for row in self.ranked if not row.forgets]

    @property
    def normalised(self) -> bool:
        """Whether scores are shares of the way from chance to perfect, so that several tasks can be
        averaged."""
        return len(self.tasks) > 1

    @cached_property
    def unit(self) -> Unit:
        """How its scores and gains are written: of one task in the unit of its metric, of several in
        points."""
        return POINTS if self.normalised else Unit.of(next(iter(self.tasks.values())))

    def row(self, name: str, method: Method) -> Row | None:
        """The row of a candidate, if it has one."""
        return self._by_key.get((name, method))

    @cached_property
    def _by_key(self) -> dict[Key, Row]:
        return {row.key: row for row in self.rows}

    @cached_property
    def _baselines(self) -> dict[tuple[Key, Method], Key | None]:
        return baselines({row.key: row.cells for row in self.rows})

    def best(self, *, tuned: bool) -> Row | None:
        """The best eligible row among those that change weights, or among those that do not."""
        return next((row for row in self.eligible if row.tuned == tuned), None)

    def baseline(self, row: Row, method: Method) -> Row | None:
        """The untrained arm of a row's model; of an ensemble that of the one model it is made of. None
        without one."""
        key = self._baselines[row.key, method]
        return None if key is None else self.row(*key)

    def seed_scores(self, row: Row) -> tuple[float, ...]:
        """The score of each seed that finished on every task, made as that of the row; empty for fewer than
        two."""
        if not row.score or len(row.cells) < len(self.tasks):
            return ()
        seeds = set[int].intersection(*(set(cell.seeds) for cell in row.cells.values()))
        if len(seeds) < 2:
            return ()
        return tuple(self._seed_score(row, seed) for seed in sorted(seeds))

    def _seed_score(self, row: Row, seed: int) -> float:
        weighted = 0.0
        for task, card in self.tasks.items():
            scores = row.cells[task].scores
            mean = float(scores.values[scores.seeds.index(seed)].mean())
            share = (mean - card.chance) / (1 - card.chance) if self.normalised else mean
            weighted += self.weights[task] * share
        return weighted / sum(self.weights.values())

    def gain_on(self, task: str, row: Row, method: Method) -> Estimate | None:
        """Paired gain of a row on one task over a lesser method on the same model; None where that was not
        run."""
        key = task, row.key, method
        if key not in self._gains:  # several pages read each gain
            self._gains[key] = self._gain_on(task, row, method)
        return self._gains[key]

    @cached_property
    def _gains(self) -> dict[tuple[str, Key, Method], Estimate | None]:
        return {}

    def _gain_on(self, task: str, row: Row, method: Method) -> Estimate | None:
        arm = self.baseline(row, method)
        if arm is None or task not in row.cells or task not in arm.cells:
            return None
        if not same_model(row.cells[task], arm.cells[task]):
            return None
        return self.standings[task].difference(row.key, arm.key)

    def over_plain_on(self, task: str, row: Row) -> Estimate | None:
        """Paired gain of a row whose training began elsewhere over the same samples tuned from the plain
        base."""
        plain_cell = plain(row.cells[task], self._cells(task, row.name)) if task in row.cells else None
        return None if plain_cell is None else self.paired(row.cells[task], plain_cell)

    def paired(self, cell: Cell, other_cell: Cell) -> Estimate | None:
        """Difference of two cells of one task, that of a smaller training budget among them."""
        return paired(cell, other_cell, random_wordings=self.random_wordings)

    def over_plain(self, row: Row) -> Estimate | None:
        """That gain over all tasks; None for a row that is not complete, or where the other arm is missing on
        one."""
        if row.score is None:
            return None
        parts = {task: self.over_plain_on(task, row) for task in self.tasks}
        return weighted_mean(parts, self.tasks, self.weights, chance=False)

    def _cells(self, task: str, name: str) -> Iterator[Cell]:
        """A model's cells on a task: every method, every training budget."""
        for method in reversed(METHODS):
            row = self.row(name, method)
            if row and task in row.cells:
                yield row.cells[task]
            yield from self.curves.get((name, method, task), {}).values()

    def claims(self, untuned: Row) -> dict[Key, float]:
        """P-value that each complete fine-tune differs from an untuned row, corrected for all of them
        (Holm)."""
        keys = [row.key for row in self.ranked if row.tuned]
        corrected = holm([self.overall.p(key, untuned.key) for key in keys])
        return dict(zip(keys, corrected.tolist(), strict=True))

    def difference(self, row: Row, other_row: Row) -> Estimate | None:
        """Paired difference of two complete rows' scores; None unless both share seeds and samples on every
        task."""
        return self.overall.difference(row.key, other_row.key)
