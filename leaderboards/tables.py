"""Results made into a ranking: one row a candidate, scored on the same samples, paired with its own base model.

A candidate is a model and a method. Its runs on a task form a table of seeds × samples of the primary metric; scores and
gains come from that table (`harness.statistics`). An ensemble is a candidate by a name of its own.
"""

import dataclasses
import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pandas

from harness.config import Run
from harness.recipe import METHODS, Method
from harness.results import Result, TaskCard, read_predictions
from harness.statistics import Estimate, gain, mean_over_tasks, rescale, score
from leaderboards.board import Board
from leaderboards.comparable import budget_key, cell_key, comparable, groups
from leaderboards.flags import Flag, flag_of
from leaderboards.text import listed, method_name

Key = tuple[str, Method]
"""What tells rows apart: the model, as the sweep calls it, and the method."""

UNTUNED: tuple[Method, ...] = ("zero_shot", "few_shot")
"""What gains are measured against."""

RankedT = TypeVar("RankedT")


@dataclass(frozen=True)
class Cell:
    """One candidate on one task."""

    results: tuple[Result, ...]
    """By seed."""

    scores: pandas.DataFrame
    """A row a sample, a column a seed: the mean over templates. Only samples that were scored in every one of them."""

    by_template: dict[str, Estimate]
    """The same for each template alone."""

    estimate: Estimate | None
    """Mean of the primary metric; None when no sample was scored in every seed."""

    total: int
    """Samples each run was asked to score."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that finished."""
        return tuple(result.run.seed for result in self.results)


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
    """Those of the table; of an ensemble over seeds, which is one draw, its own."""

    runs_wanted: int
    score: Estimate | None
    """None for a row that is not complete."""

    over_zero: Estimate | None
    """Gain over the zero-shot arm of the same model; None for a row that is not complete, or where that arm is missing."""

    over_few: Estimate | None
    """The same over the few-shot arm."""

    ranks: tuple[int, int] | None = None
    """Best and worst rank that the paired differences from the other rows allow."""

    level: bool = False
    """Whether its difference from the leader is unresolved."""

    @property
    def key(self) -> Key:
        """What tells rows apart."""
        return self.name, self.method

    @property
    def tuned(self) -> bool:
        """Whether weights were trained for it, or for what it is made of."""
        return any(result.trainings for result in self.results)

    @property
    def members(self) -> int:
        """The arms that an ensemble is made of; 0 for all else."""
        return max(len(result.run.members) for result in self.results)

    @property
    def flag(self) -> Flag | None:
        """What a reader must know of its trainings before believing the score."""
        return flag_of(self.results)

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Every run, by task and seed."""
        return tuple(result for cell in self.cells.values() for result in cell.results)

    @property
    def method_name(self) -> str:
        """How people read the method."""
        return method_name(*(result.run for result in self.results))

    @property
    def n_train(self) -> int | None:
        """Labelled samples of its task that each run was trained on; None where there are none, or not as many on all."""
        budgets = {result.run.n_train for result in self.results}
        return budgets.pop() if len(budgets) == 1 else None

    @property
    def label(self) -> str:
        """How people read the candidate."""
        return f"{self.name} · {self.method_name}"

    @property
    def seeds(self) -> int:
        """The fewest seeds of any task."""
        return min(len(cell.results) for cell in self.cells.values())

    @property
    def scored(self) -> int:
        """Samples scored in every seed, all tasks."""
        return sum(len(cell.scores) for cell in self.cells.values())

    @property
    def total(self) -> int:
        """Samples asked for, all tasks."""
        return sum(cell.total for cell in self.cells.values())


@dataclass(frozen=True)
class Table:
    """The ranking and everything that had to be said about it."""

    tasks: dict[str, TaskCard]
    """The tasks of the board that have results, in its order."""

    weights: dict[str, float]
    seeds: tuple[int, ...]
    rows: tuple[Row, ...]
    """Complete rows by score, best first; then the others by name."""

    curves: dict[tuple[str, Method, str], dict[int, Cell]]
    """Of a candidate that was trained on several budgets, by task: training samples → cell. The largest is ranked."""

    notes: tuple[str, ...]
    """What was left out of the comparison, and why."""

    @property
    def ranked(self) -> list[Row]:
        """The complete rows, best first."""
        return [row for row in self.rows if row.score]

    @property
    def normalised(self) -> bool:
        """Whether scores are shares of the way from chance to perfect, so that several tasks can be averaged."""
        return len(self.tasks) > 1

    def row(self, name: str, method: Method) -> Row | None:
        """The row of a candidate, if it has one."""
        return self._by_key.get((name, method))

    @cached_property
    def _by_key(self) -> dict[Key, Row]:
        return {row.key: row for row in self.rows}

    @cached_property
    def _cells_by_key(self) -> dict[Key, dict[str, Cell]]:
        return {row.key: row.cells for row in self.rows}

    def best(self, *, tuned: bool) -> Row | None:
        """The best complete row among those that change weights, or among those that do not."""
        return next((row for row in self.ranked if row.tuned == tuned), None)

    def baseline(self, row: Row, method: Method) -> Row | None:
        """The untrained arm of a row's model; of an ensemble that of the one model it is made of. None without one."""
        key = _baseline(row.key, method, self._cells_by_key)
        return None if key is None else self.row(*key)

    def gain_on(self, task: str, row: Row, method: Method) -> Estimate | None:
        """Paired gain of a row on one task over a lesser method on the same model; None where that was not run."""
        other = self.baseline(row, method)
        if other is None or task not in row.cells:
            return None
        return _gain(row.cells, other.cells, {task: self.tasks[task]}, self.weights, same_model=True)

    def over_plain_on(self, task: str, row: Row) -> Estimate | None:
        """Paired gain of a row whose training began elsewhere over the same samples tuned from the plain base."""
        plain = self._plain(task, row)
        return None if plain is None else paired(row.cells[task], plain)

    def over_plain(self, row: Row) -> Estimate | None:
        """The same on all tasks; None for a row that is not complete, or where the other arm is missing on one."""
        plain = {task: cell for task in self.tasks if (cell := self._plain(task, row))}
        return _gain(row.cells, plain, self.tasks, self.weights, same_model=True) if row.score else None

    def _plain(self, task: str, row: Row) -> Cell | None:
        """What was tuned on as many samples of the task, in the same way, from the base as it is."""
        if task not in row.cells:
            return None
        run = row.cells[task].results[0].run
        if len(run.stages) < 2 or [portion.task for portion in run.stages[-1].portions] != [task]:
            return None
        alike = [cell for cell in self._cells(task, row.name) if _is_plain(cell.results[0].run, run)]
        # With the same settings, if there is such a one.
        return min(alike, key=lambda cell: cell.results[0].run.training != run.training, default=None)

    def _cells(self, task: str, name: str) -> Iterator[Cell]:
        """A model's cells on a task: every method, every training budget."""
        for method in reversed(METHODS):
            row = self.row(name, method)
            if row and task in row.cells:
                yield row.cells[task]
            yield from self.curves.get((name, method, task), {}).values()

    def difference(self, first: Row, second: Row) -> Estimate | None:
        """Paired difference of two rows' scores; None unless both share seeds and samples on every task."""
        return _gain(first.cells, second.cells, self.tasks, self.weights)


def tabulate(results: Sequence[Result], folder: Path, board: Board) -> Table:
    """Rank the results below `folder`. Reads each run's predictions; a run without readable ones is left out and named.

    Untrusted runs are kept out, too, and shown elsewhere.
    """
    notes: list[str] = []
    chosen = comparable([result for result in results if result.untrusted is None], board, notes)
    cells = defaultdict[Key, dict[str, Cell]](dict)
    curves: dict[tuple[str, Method, str], dict[int, Cell]] = {}
    for group in groups(chosen, cell_key):
        budgets = [cell for budget in groups(group, budget_key) if (cell := _cell(budget, folder, notes))]
        if not budgets:
            continue
        by_samples = {cell.results[0].run.n_train or 0: cell for cell in budgets}
        largest = by_samples[max(by_samples)]
        run = largest.results[0].run
        cells[run.candidate.name, run.candidate.method][run.task] = largest
        if len(by_samples) > 1:
            curves[run.candidate.name, run.candidate.method, run.task] = dict(sorted(by_samples.items()))
    scored = [cell for by_task in cells.values() for cell in by_task.values()]
    found = {cell.results[0].run.task: cell.results[0].task for cell in scored}
    tasks = {name: found[name] for name in board.tasks or sorted(found) if name in found}
    wanted = tuple(board.tasks or tasks)
    seeds = tuple(sorted({seed for cell in scored for seed in cell.seeds}))
    weights = {name: board.weights.get(name, 1.0) for name in tasks}
    runs = {result.key: result.run for result in results}
    rows = [_row(key, cells, tasks, wanted, _seeds_wanted(cells[key].values(), runs, seeds), weights) for key in cells]
    rows.sort(key=lambda row: (row.score is None, -row.score.value if row.score else 0, row.name, METHODS.index(row.method)))
    table = Table(tasks, weights, seeds, tuple(rows), curves, tuple(notes))
    return dataclasses.replace(table, rows=tuple(_with_ranks(table)))


def _cell(group: list[Result], folder: Path, notes: list[str]) -> Cell | None:
    columns: dict[int, pandas.DataFrame] = {}
    kept: list[Result] = []
    for result in sorted(group, key=lambda r: r.run.seed):
        try:
            columns[result.run.seed] = _scores(result, folder)
        # A damaged file makes pyarrow raise any of these; the run is named, the others are published.
        except (OSError, ValueError, KeyError, TypeError) as error:
            notes.append(
                f"{result.run.label}: its predictions cannot be read and the run is left out: {_reason(error, folder)}"
            )
        else:
            kept.append(result)
    if not kept:
        return None
    card, templates = kept[0].task, kept[0].run.templates
    scored = pandas.concat(columns, axis=1).dropna().index  # in every seed and template
    tables = {
        template: pandas.DataFrame({seed: by_template.loc[scored, template] for seed, by_template in columns.items()})
        for template in templates
    }
    scores = functools.reduce(pandas.DataFrame.add, tables.values()) / len(templates)
    total = max(result.samples.total // len(templates) for result in kept)
    cell = Cell(tuple(kept), scores, {}, None, total)
    if scores.empty:
        return cell
    return dataclasses.replace(
        cell,
        by_template={template: _estimate(table, card) for template, table in tables.items()},
        estimate=_estimate(scores, card),
    )


def _estimate(scores: pandas.DataFrame, card: TaskCard) -> Estimate:
    return score(scores.to_numpy().T, binary=card.binary, low=card.metrics[card.primary_metric].low or 0.0)


def _scores(result: Result, folder: Path) -> pandas.DataFrame:
    """Primary metric by sample id (rows) and template; NaN where unscored. Raises `ValueError` for impossible scores.

    Of several draws it is the mean, if all of them were scored.
    """
    card = result.task
    column = f"score_{card.primary_metric}"
    frame = read_predictions(folder, result.run, ["sample_id", "template", "draw", column])
    frame[column] = frame[column].astype("float64")
    if frame.duplicated(["sample_id", "template", "draw"]).any():
        raise ValueError("a sample id appears twice")
    metric = card.metrics[card.primary_metric]
    if not metric.corpus and not frame[column].dropna().between(metric.low or 0.0, 1).all():
        raise ValueError(f"{column} holds a score outside {metric.low or 0:g} to 1")
    if result.run.generation.n > 1:
        draws = frame.groupby(["template", "sample_id"], sort=False)[column]
        frame = draws.mean().where(draws.count() == draws.size()).reset_index()
    by_template = {str(template): rows.set_index("sample_id")[column] for template, rows in frame.groupby("template")}
    if set(by_template) != set(result.run.templates):
        raise ValueError(f"the templates {', '.join(sorted(by_template))} are not those of the run")
    return pandas.concat({template: by_template[template] for template in result.run.templates}, axis=1)


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    # The folder's own path is left out, so that the same results give the same pages on every machine.
    return str(error).replace(f"{folder}/", "").split("\n", 1)[0] or type(error).__name__


def _seeds_wanted(cells: Iterable[Cell], runs: Mapping[str, Run], seeds: tuple[int, ...]) -> tuple[int, ...]:
    """All seeds; of an ensemble whose members span several of them the ones it has."""
    found = [result.run for cell in cells for result in cell.results]
    for run in found:
        members = [runs[key].seed for key in run.members if key in runs]
        if run.members and set(members) != {run.seed}:
            return tuple(sorted({run.seed for run in found}))
    return seeds


def _baseline(key: Key, method: Method, cells: Mapping[Key, Mapping[str, Cell]]) -> Key | None:
    """The untrained arm that a candidate is held against; None for itself, for lesser ones, and where there is none."""
    name, own = key
    if METHODS.index(method) >= METHODS.index(own):
        return None
    if (name, method) in cells:
        return name, method
    first = next(iter(cells[key].values()), None)
    if first is None or not first.results[0].run.members:
        return None
    alike = [
        other
        for other, by_task in cells.items()
        if other[1] == method and any(_same_model(first, cell) for cell in by_task.values())
    ]
    return min(alike, default=None)


def _is_plain(other: Run, run: Run) -> bool:
    """Whether the other run does to the base what the last stage of this one does to what came before."""
    if len(other.stages) != 1:
        return False
    ours, theirs = run.stages[-1], other.stages[0]
    return ours.tuner == theirs.tuner and ours.portions == theirs.portions and theirs.meta is None


def _row(
    key: Key,
    cells: Mapping[Key, Mapping[str, Cell]],
    tasks: dict[str, TaskCard],
    wanted: tuple[str, ...],
    seeds: tuple[int, ...],
    weights: dict[str, float],
) -> Row:
    name, method = key
    own = {task: cells[key][task] for task in tasks if task in cells[key]}
    missing = _missing(own, wanted, seeds)
    estimates = {task: cell.estimate for task, cell in own.items() if cell.estimate}
    over: dict[Method, Estimate | None] = dict.fromkeys(UNTUNED)
    for other in UNTUNED:
        baseline = None if missing else _baseline(key, other, cells)
        if baseline is not None:
            over[other] = _gain(own, cells[baseline], tasks, weights, same_model=True)
    return Row(
        name,
        method,
        own,
        missing,
        seeds_wanted=seeds,
        runs_wanted=len(wanted) * len(seeds),
        score=None if missing else _mean({task: estimates[task] for task in tasks}, tasks, weights, chance=True),
        over_zero=over["zero_shot"],
        over_few=over["few_shot"],
    )


def _missing(own: dict[str, Cell], wanted: Sequence[str], seeds: Sequence[int]) -> tuple[str, ...]:
    missing = []
    for task in wanted:
        if task not in own:
            missing.append(f"{task}: no finished run")
            continue
        absent = [str(seed) for seed in seeds if seed not in own[task].seeds]
        if absent:
            missing.append(f"{task}: no finished run with seed {listed(absent)}")
        elif own[task].estimate is None:
            missing.append(f"{task}: no sample was scored in every seed")
    return tuple(missing)


def _mean(
    estimates: dict[str, Estimate], tasks: dict[str, TaskCard], weights: dict[str, float], *, chance: bool
) -> Estimate:
    """Weighted mean over tasks. `chance`: whether to move chance to zero (scores), or only to stretch (differences)."""
    if len(tasks) == 1:
        return next(iter(estimates.values()))
    total = sum(weights.values())
    parts = []
    for task, estimate in estimates.items():
        level = tasks[task].chance
        normal = rescale(estimate, level) if chance else scaled(estimate, 1 / (1 - level))
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


def _gain(
    first: Mapping[str, Cell],
    second: Mapping[str, Cell],
    tasks: dict[str, TaskCard],
    weights: dict[str, float],
    *,
    same_model: bool = False,
) -> Estimate | None:
    parts = {}
    for task in tasks:
        if task not in first or task not in second or (same_model and not _same_model(first[task], second[task])):
            return None
        part = paired(first[task], second[task])
        if part is None:
            return None
        parts[task] = part
    return _mean(parts, tasks, weights, chance=False)


def _same_model(first: Cell, second: Cell) -> bool:
    ours, theirs = (cell.results[0].run.candidate for cell in (first, second))
    return (ours.model, ours.revision, ours.fingerprint) == (theirs.model, theirs.revision, theirs.fingerprint)


def paired(first: Cell, second: Cell) -> Estimate | None:
    """Difference of two candidates on one task over the seeds and samples they share; None when they share none."""
    seeds = [seed for seed in first.seeds if seed in second.seeds]
    ids = first.scores.index.intersection(second.scores.index, sort=False)
    if not seeds or ids.empty:
        return None
    ours, theirs = (cell.scores.loc[ids, seeds].to_numpy().T for cell in (first, second))
    card = first.results[0].task
    return gain(ours, theirs, binary=card.binary, span=1 - (card.metrics[card.primary_metric].low or 0.0))


def _with_ranks(table: Table) -> list[Row]:
    ranked = table.ranked
    ranks = rank_ranges(ranked, table.difference)
    leader = ranked[0] if ranked else None
    rows = []
    for row, span in zip(ranked, ranks, strict=True):
        difference = table.difference(leader, row) if leader and row is not leader else None
        rows.append(dataclasses.replace(row, ranks=span, level=difference is None or not difference.clear))
    return [*rows, *table.rows[len(rows) :]]


def rank_ranges(
    ordered: Sequence[RankedT], difference: Callable[[RankedT, RankedT], Estimate | None]
) -> list[tuple[int, int]]:
    """Best and worst rank of each: 1 + how many are surely better, and as many from below.

    Surely means a paired difference whose 95 % interval is clear of zero; pairs are not corrected for their number.
    """
    better, worse = [0] * len(ordered), [0] * len(ordered)
    for first, second in itertools.combinations(range(len(ordered)), 2):
        estimate = difference(ordered[first], ordered[second])
        if estimate and estimate.clear:
            above, below = (first, second) if estimate.low > 0 else (second, first)
            better[below] += 1
            worse[above] += 1
    return [(1 + above, len(ordered) - below) for above, below in zip(better, worse, strict=True)]


def resolvable_gap(ordered: Sequence[Cell]) -> float | None:
    """Smallest true difference between the first two that these samples and seeds would resolve four times in five.

    From the standard error of their paired difference; for right-or-wrong scores and one seed that is about
    `2.8 · √(q/n)`, with q the share of samples on which the two disagree. None when it cannot be told.
    """
    difference = paired(ordered[0], ordered[1]) if len(ordered) > 1 else None
    return difference.resolvable if difference else None
