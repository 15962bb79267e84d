"""Which runs may be compared: those that were made alike. The larger group stays, the others are left out and
named."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from harness.errors import suggest
from harness.records.result import Result
from harness.sweep.run import Run
from leaderboards.board import Board
from leaderboards.rank.baselines import key_of
from leaderboards.text import count_of, listed

PROTOCOL = ("task_version", "task_fingerprint", "test_seed", "templates", "generation", "split", "limit")
"""What must agree between any two runs of a task before their scores may be compared."""

RECIPE = ("candidate", "stages", "search", "num_fewshot", "demonstrations")
"""What must agree between the runs of one candidate on a task, but for the seed and the training budget."""

MOST_DIFFERENCES = 6
"""Settings that a remark names."""

ABSENT = "none"
"""What stands for a setting that a run does not have."""

GroupT = TypeVar("GroupT")
ItemT = TypeVar("ItemT")


def comparable(results: Sequence[Result], board: Board, notes: list[str]) -> list[list[Result]]:
    """The runs of the board's tasks that may be compared with each other: a list for each candidate, task and
    training budget. What is left out is said in `notes`.
    """
    chosen = _of_board([result for result in results if result.run.guard is None], board, notes)
    tasks = [_same_protocol(group, notes) for group in groups(chosen, lambda result: result.run.task)]
    tasks = [_same_metric(group, notes) for group in tasks]
    cells = [
        _same_recipe(group, notes)
        for task in tasks
        for group in groups(task, lambda result: key_of(result.run))
    ]
    budgets = [
        _same_choice(group, notes)
        for cell in cells
        for group in groups(cell, lambda result: result.run.n_train)
    ]
    used = {(result.provenance.engine, result.provenance.dtype) for group in budgets for result in group}
    engines = sorted(f"{engine} ({dtype})" for engine, dtype in used)
    if len(engines) > 1:
        notes.append(
            f"Scores come from different engines, which may differ by a few samples: {listed(engines)}."
        )
    return budgets


def groups(results: Iterable[ItemT], key: Callable[[ItemT], GroupT]) -> list[list[ItemT]]:
    """Results, or cells of them, that share a key, in the order the keys first appear."""
    grouped = defaultdict[GroupT, list[ItemT]](list)
    for result in results:
        grouped[key(result)].append(result)
    return list(grouped.values())


def _of_board(results: Sequence[Result], board: Board, notes: list[str]) -> list[Result]:
    found = {result.run.task for result in results}
    absent = [task for task in board.tasks or sorted(board.weights) if task not in found]
    notes += [
        f"Task '{task}' of the board has no finished run.{suggest(task, sorted(found))}" for task in absent
    ]
    if board.tasks is None:
        return list(results)
    left_out = sorted(found - set(board.tasks))
    if left_out:
        notes.append(f"Not on this board: the runs of {listed(left_out)}.")
    return [result for result in results if result.run.task in board.tasks]


def _same_protocol(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one task that were asked the same in the same way: of its newest version, those asked as
    most were."""
    if _equal(group, PROTOCOL):
        return group
    return _alike(group, lambda run: _flat(run, PROTOCOL), f"Task '{group[0].run.task}'", notes)


def _same_metric(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one task that were judged by the same primary metric on the same scale: as most were."""

    def judged(result: Result) -> tuple[str, float]:
        return result.task.primary_metric, result.task.chance

    kinds = groups(group, judged)
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
    """The runs of one candidate on one task that differ in nothing but the seed, the budget and what a search
    chose."""
    if _equal(group, RECIPE) and len({len(result.run.members) for result in group}) == 1:
        return group

    def recipe(run: Run) -> dict[str, str]:
        chosen = _chosen(run)
        settings = {
            name: value
            for name, value in _flat(run, RECIPE).items()
            if name not in chosen and not name.endswith(".n_train")
        }
        return settings | ({"members": str(len(run.members))} if run.members else {})

    return _alike(group, recipe, _where(group), notes)


def _same_choice(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one candidate on one task and budget whose search came to the same settings: its seeds are
    one recipe.

    A search is made for each budget; what it chooses may differ from one to the next.
    """
    if all(result.run.search is None for result in group):
        return group
    return _alike(group, _chosen, _where(group), notes)


def _equal(group: list[Result], fields: Sequence[str]) -> bool:
    """Whether all runs agree in these fields to the letter: then nothing need be described, of thousands of
    runs."""
    taken = attrgetter(*fields)
    first = taken(group[0].run)
    return all(taken(result.run) == first for result in group)


def _where(group: list[Result]) -> str:
    return f"{group[0].run.candidate.label} on '{group[0].run.task}'"


def _chosen(run: Run) -> dict[str, str]:
    """What a search chose."""
    if run.search is None or run.training is None:
        return {}
    last = "" if len(run.stages) == 1 else f"stages.{len(run.stages)}."
    names = {f"{last}training.{name}" for name in run.search.space}
    return {name: value for name, value in _flat(run, ("stages",)).items() if name in names}


def _alike(
    group: list[Result], described: Callable[[Run], Mapping[str, str]], where: str, notes: list[str]
) -> list[Result]:
    """Of runs that are described in several ways the largest group, of the newest version of the task."""

    def key(result: Result) -> str:
        return json.dumps(described(result.run), sort_keys=True)

    kinds = groups(group, key)
    kinds.sort(key=lambda kind: (-kind[0].run.task_version, -len(kind), key(kind[0])))
    ours = described(kinds[0][0].run)
    notes += [_left_out(len(other), ours, described(other[0].run), where) for other in kinds[1:]]
    return kinds[0]


def _left_out(runs: int, ours: Mapping[str, str], theirs: Mapping[str, str], where: str) -> str:
    told = [
        f"{name} = {theirs.get(name, ABSENT)} instead of {ours.get(name, ABSENT)}"
        for name in sorted({*ours, *theirs})
        if ours.get(name) != theirs.get(name)
    ]
    if len(told) > MOST_DIFFERENCES:
        told[MOST_DIFFERENCES:] = [f"and {len(told) - MOST_DIFFERENCES} more"]
    were = "was" if runs == 1 else "were"
    return f"{where}: {count_of(runs, 'run')} {were} made differently ({'; '.join(told)}) and left out of the comparison."


def _flat(run: Run, fields: Sequence[str]) -> dict[str, str]:
    """Settings as `generation.temperature` → `0.0`; of a second stage `stages.2.training.r`, of a lone one
    `training.r`."""
    flat: dict[str, str] = {}
    todo: list[tuple[str, Any]] = list(run.model_dump(mode="json", include=set(fields)).items())
    while todo:
        name, value = todo.pop()
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            value = {str(place): item for place, item in enumerate(value, start=1)}
        if isinstance(value, dict):
            todo += [(f"{name}.{key}", inner) for key, inner in value.items()]
        else:
            flat[name] = "none" if value is None else str(value)
    if len(run.stages) > 1:
        return flat
    return {name.removeprefix("stages.1."): value for name, value in flat.items()}
