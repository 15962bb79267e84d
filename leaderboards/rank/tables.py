"""Results made into a ranking: one row per candidate, scored on the same samples, paired with its own base
model.

A candidate is a model and a method; an ensemble is one by a name of its own. Its runs on a task form a table
of seeds × templates × samples of the primary metric (`leaderboards.rank.cells`); all candidates are then held
against each other (`leaderboards.rank.standings`).
"""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.statistics import Estimate, holm, mean_over_tasks, rescale
from harness.sweep.methods import METHODS, Method
from harness.sweep.run import Run
from leaderboards.board import Board
from leaderboards.rank.baselines import UNTUNED, Key, baselines, key_of, plain, same_model
from leaderboards.rank.cells import Cell, read_cells
from leaderboards.rank.comparable import comparable, groups
from leaderboards.rank.flags import Flag, flag_of
from leaderboards.rank.forgetting import Forgetting, forgetting
from leaderboards.rank.pairs import paired
from leaderboards.rank.scores import ReadAll, read_scores
from leaderboards.rank.standings import (
    Robustness,
    Standing,
    factors,
    over_board,
    p_of_gains,
    robustness,
    side_by_side,
    stand,
    tiers,
)
from leaderboards.text import candidate_label, listed, method_name


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

    def claim(self, tuned: Row, untuned: Row) -> float:
        """P-value that a complete fine-tune differs from an untuned row, corrected for all fine-tunes held
        against it."""
        rivals = [row for row in self.ranked if row.tuned]
        corrected = holm([self.overall.p(row.key, untuned.key) for row in rivals])
        return float(corrected[rivals.index(tuned)])

    def difference(self, row: Row, other_row: Row) -> Estimate | None:
        """Paired difference of two complete rows' scores; None unless both share seeds and samples on every
        task."""
        return self.overall.difference(row.key, other_row.key)


def tabulate(results: Sequence[Result], folder: Path, board: Board, *, read: ReadAll = read_scores) -> Table:
    """Rank the results below `folder`. Reads each run's predictions; a run without readable ones is left out
    and named.

    Untrusted runs are kept out, too, and shown elsewhere. `read`: how scores are read.
    """
    notes: list[str] = []
    trusted = [result for result in results if result.untrusted is None]
    chosen = comparable(trusted, board, notes)
    guarding = [result for result in trusted if result.run.guard is not None]
    scored_runs = [*itertools.chain.from_iterable(chosen), *guarding]
    ahead = {
        result.key: outcome for result, outcome in zip(scored_runs, read(scored_runs, folder), strict=True)
    }
    random_wordings = board.wordings == "random"
    read_all = read_cells(chosen, folder, notes, ahead=ahead, random_wordings=random_wordings)
    readable = [cell for cell in read_all if cell]
    cells, curves = _by_row(readable)
    scored: list[Cell] = []
    for by_task in cells.values():
        scored += by_task.values()
    cards = {cell.results[0].run.task: cell.card for cell in scored}
    tasks = {name: cards[name] for name in board.tasks or sorted(cards) if name in cards}
    wanted = tuple(board.tasks or tasks)
    seeds = tuple(sorted(set(itertools.chain.from_iterable(cell.seeds for cell in scored))))
    weights = {name: board.weights.get(name, 1.0) for name in tasks}
    runs = {result.key: result.run for result in results}
    rows = [
        _row(key, cells[key], tasks, wanted, _seeds_wanted(cells[key].values(), runs, seeds), weights)
        for key in cells
    ]
    guards = forgetting(_guarding(results, tasks), folder, notes, points=board.forgetting_margin, ahead=ahead)
    rows = [dataclasses.replace(row, forgetting=guards.get(row.key)) for row in rows]
    rows.sort(key=_by_score_and_name)
    # A task's draws are seeded by its place on the board, so that they do not depend on other tasks' rows.
    numbers = {task: number for number, task in enumerate(tasks)}

    def stand_on(task: str) -> Standing:
        cells_by_key = {row.key: row.cells[task] for row in rows if task in row.cells}
        return stand(cells_by_key, seed=numbers[task], random_wordings=random_wordings)

    standings = side_by_side(stand_on, tasks)
    ranked = [row.key for row in rows if row.score]
    overall = over_board(standings, ranked, factors(tasks, weights))
    table = Table(
        tasks, weights, seeds, tuple(rows), curves, standings, overall, tuple(notes), random_wordings
    )
    return dataclasses.replace(table, rows=tuple(_placed(table)))


def _by_row(
    cells: Iterable[Cell],
) -> tuple[dict[Key, dict[str, Cell]], dict[tuple[str, Method, str], dict[int, Cell]]]:
    """By row and task the cell of the largest training budget, and all cells where there are several."""
    largest = defaultdict[Key, dict[str, Cell]](dict)
    curves: dict[tuple[str, Method, str], dict[int, Cell]] = {}
    for budgets in groups(cells, lambda cell: (key_of(cell.results[0].run), cell.results[0].run.task)):
        by_samples = {cell.results[0].run.n_train or 0: cell for cell in budgets}
        run = budgets[0].results[0].run
        key = key_of(run)
        largest[key][run.task] = by_samples[max(by_samples)]
        if len(by_samples) > 1:
            curves[*key, run.task] = dict(sorted(by_samples.items()))
    return largest, curves


def _by_score_and_name(row: Row) -> tuple[bool, float, str, int]:
    """Sorts complete rows by score, best first, and the others after them by name and method."""
    score = -row.score.value if row.score else 0.0
    return row.score is None, score, row.name, METHODS.index(row.method)


def _guarding(results: Iterable[Result], tasks: Mapping[str, TaskCard]) -> list[Result]:
    """The guard runs of weights that were tuned for a task of the board, and of models before any tuning."""
    guard_runs = [(result, result.run.guard) for result in results if result.run.guard is not None]
    return [result for result, guard in guard_runs if guard.after is None or guard.after.task in tasks]


def _seeds_wanted(cells: Iterable[Cell], runs: Mapping[str, Run], seeds: tuple[int, ...]) -> tuple[int, ...]:
    """All seeds; of an ensemble whose members span several of them the ones it has."""
    row_runs = [result.run for result in itertools.chain.from_iterable(cell.results for cell in cells)]
    for run in row_runs:
        members = [runs[key].seed for key in run.members if key in runs]
        if run.members and set(members) != {run.seed}:
            return tuple(sorted({run.seed for run in row_runs}))
    return seeds


def _row(
    key: Key,
    cells: Mapping[str, Cell],
    tasks: dict[str, TaskCard],
    wanted: tuple[str, ...],
    seeds: tuple[int, ...],
    weights: dict[str, float],
) -> Row:
    name, method = key
    row_cells = {task: cells[task] for task in tasks if task in cells}
    missing = _missing(row_cells, wanted, seeds)
    estimates = {task: cell.estimate for task, cell in row_cells.items()}
    return Row(
        name,
        method,
        row_cells,
        missing,
        seeds_wanted=seeds,
        runs_wanted=len(wanted) * len(seeds),
        score=None if missing else weighted_mean(estimates, tasks, weights, chance=True),
        over_zero=None,
        over_few=None,
    )


def _missing(row_cells: dict[str, Cell], wanted: Sequence[str], seeds: Sequence[int]) -> tuple[str, ...]:
    missing = []
    for task in wanted:
        if task not in row_cells:
            missing.append(f"{task}: no finished run")
            continue
        absent = [str(seed) for seed in row_cells[task].lacks(seeds)]
        if absent:
            missing.append(f"{task}: no finished run with seed {listed(absent)}")
        elif row_cells[task].estimate is None:
            missing.append(f"{task}: no sample was scored in every seed and wording")
    return tuple(missing)


def weighted_mean(
    estimates: Mapping[str, Estimate | None],
    tasks: Mapping[str, TaskCard],
    weights: Mapping[str, float],
    *,
    chance: bool,
) -> Estimate | None:
    """Mean over tasks; None where one is missing. `chance`: whether chance becomes zero (scores), or is only
    stretched (differences)."""
    parts = []
    total = sum(weights.values())
    for task, card in tasks.items():
        estimate = estimates.get(task)
        if estimate is None:
            return None
        if len(tasks) == 1:
            return estimate
        normal = rescale(estimate, card.chance) if chance else scaled(estimate, 1 / (1 - card.chance))
        parts.append(scaled(normal, weights[task] * len(tasks) / total))
    return mean_over_tasks(parts)


def scaled(estimate: Estimate, factor: float) -> Estimate:
    """An estimate in other units."""
    return dataclasses.replace(
        estimate,
        value=estimate.value * factor,
        stderr=None if estimate.stderr is None else estimate.stderr * factor,
        low=estimate.low * factor,
        high=estimate.high * factor,
    )


def _placed(table: Table) -> list[Row]:
    """The rows with their gains, and the complete ones with their places."""
    rows = [_with_gains(table, row) for row in table.rows]
    ranked = [row for row in rows if row.score]
    ranking = table.overall.ranking([row.key for row in ranked])
    measures = robustness(table.standings, [row.key for row in ranked])
    significance = _significance(table, ranked)
    placed = [
        dataclasses.replace(
            row,
            ranks=(int(ranking.best[place]), int(ranking.worst[place])),
            tier=tier,
            robustness=measures[place],
            significance=significance.get(row.key, {}),
        )
        for place, (row, tier) in enumerate(zip(ranked, tiers(ranking), strict=True))
    ]
    return [*placed, *rows[len(placed) :]]


def _with_gains(table: Table, row: Row) -> Row:
    """Over the untrained arms of its model, on all tasks."""
    if row.score is None:
        return row
    over = {
        method: weighted_mean(
            {task: table.gain_on(task, row, method) for task in table.tasks},
            table.tasks,
            table.weights,
            chance=False,
        )
        for method in UNTUNED
    }
    return dataclasses.replace(row, over_zero=over["zero_shot"], over_few=over["few_shot"])


def _significance(table: Table, ranked: Sequence[Row]) -> dict[Key, dict[Method, float]]:
    """Holm-corrected p-values of every gain over an untrained arm."""
    claims: list[tuple[Row, Method, Row]] = []
    for row in ranked:
        for method in UNTUNED:
            gain, arm = row.over_zero if method == "zero_shot" else row.over_few, table.baseline(row, method)
            if gain and arm:
                claims.append((row, method, arm))
    if len(table.tasks) == 1:
        (task,) = table.tasks
        cells = [(row.cells[task], arm.cells[task]) for row, _, arm in claims]
        values = p_of_gains(table.standings[task], cells)
    else:
        values = [table.overall.p(row.key, arm.key) for row, _, arm in claims]
    corrected = defaultdict[Key, dict[Method, float]](dict)
    for (row, method, _), value in zip(claims, holm(values).tolist(), strict=True):
        corrected[row.key][method] = value
    return corrected


def headroom_closed(score: Estimate | None, gain: Estimate | None) -> float | None:
    """Share of the way from where a gain began to a perfect score; None where either is not known, or nothing
    was left."""
    if score is None or gain is None:
        return None
    left = 1 - (score.value - gain.value)
    return gain.value / left if left > 0 else None


def resolvable_gap(ordered: Sequence[Cell]) -> float | None:
    """Smallest true difference between the first two that these samples and seeds would resolve four times in
    five.

    From the standard error of their paired difference; for right-or-wrong scores and one seed that is about
    `2.8 · √(q/n)`, with q the share of samples on which the two disagree. None when it cannot be told.
    """
    difference = paired(ordered[0], ordered[1]) if len(ordered) > 1 else None
    return difference.resolvable if difference else None
