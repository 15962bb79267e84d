"""Results made into a ranking: one row per candidate, scored on the same samples, paired with its own base
model.

A candidate's runs on a task form a table of seeds × templates × samples of the primary metric
(`leaderboards.rank.cells`); all candidates are then held against each other (`leaderboards.rank.standings`).
"""

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.statistics import holm
from harness.sweep.methods import METHODS, Method
from harness.sweep.run import Run
from leaderboards.board import Board
from leaderboards.rank.baselines import UNTUNED, Key, key_of
from leaderboards.rank.cells import Cell, read_cells
from leaderboards.rank.comparable import comparable, groups
from leaderboards.rank.fit import fitting, unbound_notes
from leaderboards.rank.forgetting import Forgetting, forgetting, forgetting_at_smaller_budgets
from leaderboards.rank.means import weighted_mean
from leaderboards.rank.scores import Outcome, ReadAll, read_scores
from leaderboards.rank.standings import (
    Standing,
    factors,
    over_board,
    p_of_gains,
    robustness,
    side_by_side,
    stand,
    tiers,
)
from leaderboards.rank.tables import Row, Table
from leaderboards.text import listed


def tabulate(results: Sequence[Result], folder: Path, board: Board, *, read: ReadAll = read_scores) -> Table:
    """Rank the results below `folder`. Reads each run's predictions; a run without readable ones is left out
    and named.

    So is one with predictions that do not fit its result. Untrusted runs are kept out, too, and shown
    elsewhere. `read`: how scores are read.
    """
    notes: list[str] = []
    trusted = [result for result in results if result.untrusted is None]
    chosen = comparable(trusted, board, notes)
    guarding = [result for result in trusted if result.run.guard is not None]
    scored_runs = [*itertools.chain.from_iterable(chosen), *guarding]
    outcomes = fitting(scored_runs, read(scored_runs, folder), folder)
    ahead = {result.key: outcome for result, outcome in zip(scored_runs, outcomes, strict=True)}
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
    guards, smaller_guards = _guards(_guarding(results, tasks), folder, board, notes, ahead)
    rows = [dataclasses.replace(row, forgetting=guards.get(row.key)) for row in rows]
    rows.sort(key=_by_score_and_name)
    # A task's draws are seeded by its place on the board, so that they do not depend on other tasks' rows.
    numbers = {task: number for number, task in enumerate(tasks)}

    def stand_on(task: str) -> Standing:
        cells_by_key = {row.key: row.cells[task] for row in rows if task in row.cells}
        return stand(cells_by_key, seed=numbers[task], random_wordings=random_wordings)

    standings = side_by_side(stand_on, tasks)
    notes += unbound_notes(scored_runs)
    ranked = [row.key for row in rows if row.score]
    overall = over_board(standings, ranked, factors(tasks, weights))
    table = Table(
        tasks,
        weights,
        seeds,
        tuple(rows),
        curves,
        standings,
        overall,
        tuple(notes),
        random_wordings,
        smaller_guards,
    )
    return dataclasses.replace(table, rows=tuple(_placed(table)))


def _guards(
    guarding: Sequence[Result], folder: Path, board: Board, notes: list[str], ahead: Mapping[str, Outcome]
) -> tuple[dict[Key, Forgetting], dict[tuple[Key, int], Forgetting]]:
    """What the weights of each row forgot, and what those of its smaller budgets did."""
    margin, random_wordings = board.forgetting_margin, board.wordings == "random"
    return (
        forgetting(guarding, folder, notes, points=margin, ahead=ahead, random_wordings=random_wordings),
        forgetting_at_smaller_budgets(
            guarding, folder, notes, points=margin, ahead=ahead, random_wordings=random_wordings
        ),
    )


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


def _placed(table: Table) -> list[Row]:
    """The rows with their gains, and the complete ones with their places."""
    rows = [_with_gains(table, row) for row in table.rows]
    ranked = [row for row in rows if row.score]
    seeds_known = [row.seed_noise_known for row in ranked]
    ranking = table.overall.ranking([row.key for row in ranked], seeds_known=seeds_known)
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
