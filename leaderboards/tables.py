"""Results made into a ranking: one row a candidate, scored on the same samples, paired with its own base model.

A candidate is a model and a method. Its runs on a task form a table of seeds × samples of the primary metric; scores and
gains come from that table (`harness.statistics`). Runs that were made differently are never compared in silence: the
larger group stays, the others are left out and named.
"""

import dataclasses
import functools
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import pandas

from harness.config import METHODS, TUNED, Method, Run
from harness.errors import suggest
from harness.results import Result, TaskCard, read_predictions
from harness.statistics import Estimate, gain, mean_over_tasks, rescale, score
from leaderboards.board import Board
from leaderboards.text import count_of, listed, method_name

PROTOCOL = ("task_version", "task_fingerprint", "test_seed", "templates", "generation", "limit")
"""What must agree between any two runs of a task before their scores may be compared."""

GroupT = TypeVar("GroupT")
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
    def key(self) -> tuple[str, Method]:
        """What tells rows apart."""
        return self.name, self.method

    @property
    def tuned(self) -> bool:
        """Whether the method changes weights."""
        return self.method in TUNED

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """Every run, by task and seed."""
        return tuple(result for cell in self.cells.values() for result in cell.results)

    @property
    def method_name(self) -> str:
        """How people read the method."""
        return method_name(self.results[0].run.candidate)

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

    curves: "dict[tuple[str, Method, str], dict[int, Cell]]"
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
        return next((row for row in self.rows if row.key == (name, method)), None)

    def best(self, *, tuned: bool) -> Row | None:
        """The best complete row among those that change weights, or among those that do not."""
        return next((row for row in self.ranked if row.tuned == tuned), None)

    def gain_on(self, task: str, row: Row, method: Method) -> Estimate | None:
        """Paired gain of a row on one task over a lesser method on the same model; None where that was not run."""
        other = self.row(row.name, method)
        if other is None or METHODS.index(method) >= METHODS.index(row.method) or task not in row.cells:
            return None
        return _gain(row.cells, other.cells, {task: self.tasks[task]}, self.weights, same_model=True)

    def difference(self, first: Row, second: Row) -> Estimate | None:
        """Paired difference of two rows' scores; None unless both share seeds and samples on every task."""
        return _gain(first.cells, second.cells, self.tasks, self.weights)


def tabulate(results: Sequence[Result], folder: Path, board: Board) -> Table:
    """Rank the results below `folder`. Reads each run's predictions; a run without readable ones is left out and named.

    Untrusted runs are kept out, too, and shown elsewhere.
    """
    notes: list[str] = []
    chosen = [result for result in _of_board(results, board, notes) if result.untrusted is None]
    chosen = [result for group in _groups(chosen, lambda r: r.run.task) for result in _same_protocol(group, notes)]
    chosen = [result for group in _groups(chosen, lambda r: r.run.task) for result in _same_metric(group, notes)]
    chosen = [result for group in _groups(chosen, _cell_key) for result in _same_recipe(group, notes)]
    _note_engines(chosen, notes)
    cells = defaultdict[tuple[str, Method], dict[str, Cell]](dict)
    curves: dict[tuple[str, Method, str], dict[int, Cell]] = {}
    for group in _groups(chosen, _cell_key):
        budgets = [cell for budget in _groups(group, _budget_key) if (cell := _cell(budget, folder, notes))]
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
    rows = [_row(key, cells, tasks, wanted, seeds, weights) for key in cells]
    rows.sort(key=lambda row: (row.score is None, -row.score.value if row.score else 0, row.name, METHODS.index(row.method)))
    table = Table(tasks, weights, seeds, tuple(rows), curves, tuple(notes))
    return dataclasses.replace(table, rows=tuple(_with_ranks(table)))


def _groups(results: Iterable[Result], key: Callable[[Result], GroupT]) -> list[list[Result]]:
    """Results that share a key, in the order the keys first appear."""
    grouped = defaultdict[GroupT, list[Result]](list)
    for result in results:
        grouped[key(result)].append(result)
    return list(grouped.values())


def _cell_key(result: Result) -> tuple[str, str, str]:
    return result.run.candidate.name, result.run.candidate.method, result.run.task


def _budget_key(result: Result) -> tuple[str, str, str, int | None]:
    return *_cell_key(result), result.run.n_train


def _of_board(results: Sequence[Result], board: Board, notes: list[str]) -> list[Result]:
    if board.tasks is None:
        return list(results)
    found = {result.run.task for result in results}
    absent = [task for task in board.tasks if task not in found]
    notes += [f"Task '{task}' of the board has no finished run.{suggest(task, sorted(found))}" for task in absent]
    left_out = sorted(found - set(board.tasks))
    if left_out:
        notes.append(f"Not on this board: the runs of {listed(left_out)}.")
    return [result for result in results if result.run.task in board.tasks]


def _same_protocol(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one task that may be compared: of its newest version, those made as most were."""

    def protocol(result: Result) -> str:
        return json.dumps(result.run.model_dump(mode="json", include=set(PROTOCOL)), sort_keys=True)

    kinds = _groups(group, protocol)
    kinds.sort(key=lambda kind: (-kind[0].run.task_version, -len(kind), protocol(kind[0])))
    notes += [_left_out(other, kinds[0], PROTOCOL, f"Task '{group[0].run.task}'") for other in kinds[1:]]
    return kinds[0]


def _same_metric(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one task that were judged by the same primary metric on the same scale: as most were."""

    def judged(result: Result) -> tuple[str, float]:
        return result.task.primary_metric, result.task.chance

    kinds = _groups(group, judged)
    kinds.sort(key=lambda kind: (-len(kind), judged(kind[0])))
    for other in kinds[1:]:
        metric, chance = judged(other[0])
        were = "was" if len(other) == 1 else "were"
        notes.append(
            f"Task '{group[0].run.task}': {count_of(len(other), 'run')} {were} judged by {metric}, chance at {chance:.3g}, "
            "and left out of the comparison; `gainboard score` judges all by the task as it is now."
        )
    return kinds[0]


def _same_recipe(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one candidate on one task that differ in nothing but the seed and the training budget."""
    fields = ("candidate", "train_templates", "num_fewshot", "demonstrations")

    def recipe(result: Result) -> str:
        return json.dumps(result.run.model_dump(mode="json", include=set(fields)), sort_keys=True)

    kinds = _groups(group, recipe)
    kinds.sort(key=lambda kind: (-len(kind), recipe(kind[0])))
    where = f"{group[0].run.candidate.label} on '{group[0].run.task}'"
    notes += [_left_out(other, kinds[0], fields, where) for other in kinds[1:]]
    return kinds[0]


def _left_out(other: list[Result], kept: list[Result], fields: Sequence[str], where: str) -> str:
    ours, theirs = (_flat(kind[0].run, fields) for kind in (kept, other))
    told = [
        f"{name} = {theirs.get(name)} instead of {ours.get(name)}"
        for name in sorted(ours | theirs)
        if ours.get(name) != theirs.get(name)
    ]
    were = "was" if len(other) == 1 else "were"
    return (
        f"{where}: {count_of(len(other), 'run')} {were} made differently ({'; '.join(told)}) and left out of the comparison."
    )


def _flat(run: Run, fields: Sequence[str]) -> dict[str, str]:
    """Settings as `generation.temperature` → `0.0`."""
    flat: dict[str, str] = {}
    todo = [(name, value) for name, value in run.model_dump(mode="json").items() if name in fields]
    while todo:
        name, value = todo.pop()
        if isinstance(value, dict):
            todo += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            flat[name] = "none" if value is None else str(value)
    return flat


def _note_engines(results: list[Result], notes: list[str]) -> None:
    engines = sorted({f"{result.provenance.engine} ({result.provenance.dtype})" for result in results})
    if len(engines) > 1:
        notes.append(f"Scores come from different engines, which may differ by a few samples: {listed(engines)}.")


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


def _row(
    key: tuple[str, Method],
    cells: dict[tuple[str, Method], dict[str, Cell]],
    tasks: dict[str, TaskCard],
    wanted: tuple[str, ...],
    seeds: tuple[int, ...],
    weights: dict[str, float],
) -> Row:
    name, method = key
    own = {task: cells[key][task] for task in tasks if task in cells[key]}
    missing = _missing(own, wanted, seeds)
    estimates = {task: cell.estimate for task, cell in own.items() if cell.estimate}
    over: dict[str, Estimate | None] = {"zero_shot": None, "few_shot": None}
    for other in ("zero_shot", "few_shot"):
        if not missing and METHODS.index(method) > METHODS.index(other):
            over[other] = _gain(own, cells.get((name, other), {}), tasks, weights, same_model=True)
    return Row(
        name,
        method,
        own,
        missing,
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
    first: dict[str, Cell],
    second: dict[str, Cell],
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
