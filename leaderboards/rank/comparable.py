"""Which runs may be compared: those that were made in the same way.

Of several ways the one that most runs share stays; the other runs are left out and named.
"""

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from harness.counts import count_of
from harness.errors import suggest
from harness.records.result import Result
from harness.sweep.run import Run
from leaderboards.board import Board
from leaderboards.rank.baselines import Key, key_of
from leaderboards.text import listed

PROTOCOL = ("task_version", "task_fingerprint", "test_seed", "templates", "generation", "split", "limit")
"""What must agree between any two runs of a task before their scores may be compared."""

RECIPE = ("candidate", "stages", "search", "num_fewshot", "demonstrations")
"""What must agree between the runs of one candidate on a task; seed and training budget may differ."""

MOST_DIFFERENCES = 6
"""Settings that a remark names."""

ABSENT = "none"
"""What stands for a setting that a run does not have."""

GroupT = TypeVar("GroupT")
ItemT = TypeVar("ItemT")


def comparable(results: Sequence[Result], board: Board, notes: list[str]) -> list[list[Result]]:
    """The runs of the board's tasks that may be compared with each other: one list per candidate, task and
    training budget. `notes` is told what is left out.
    """
    chosen = _of_board([result for result in results if result.run.guard is None], board, notes)
    tasks = [_same_protocol(group, notes) for group in groups(chosen, attrgetter("run.task"))]
    tasks = [_same_metric(group, notes) for group in tasks]
    cells: list[list[Result]] = []
    for task in tasks:
        cells += [_same_recipe(group, notes) for group in groups(task, _row_key)]
    budgets: list[list[Result]] = []
    for cell in cells:
        budgets += [_same_choice(group, notes) for group in groups(cell, attrgetter("run.n_train"))]
    provenances = [result.provenance for result in itertools.chain.from_iterable(budgets)]
    engines = sorted({f"{provenance.engine} ({provenance.dtype})" for provenance in provenances})
    if len(engines) > 1:
        notes.append(
            f"Scores come from different engines, which may differ by a few samples: {listed(engines)}."
        )
    return budgets


def _row_key(result: Result) -> Key:
    return key_of(result.run)


def groups(results: Iterable[ItemT], key: Callable[[ItemT], GroupT]) -> list[list[ItemT]]:
    """Results, or cells of them, that share a key, in the order the keys first appear."""
    grouped = defaultdict[GroupT, list[ItemT]](list)
    for result in results:
        grouped[key(result)].append(result)
    return list(grouped.values())


def _of_board(results: Sequence[Result], board: Board, notes: list[str]) -> list[Result]:
    tasks_run = {result.run.task for result in results}
    absent = [task for task in board.tasks or sorted(board.weights) if task not in tasks_run]
    notes += [
        f"Task '{task}' of the board has no finished run.{suggest(task, sorted(tasks_run))}"
        for task in absent
    ]
    if board.tasks is None:
        return list(results)
    left_out = sorted(tasks_run - set(board.tasks))
    if left_out:
        notes.append(f"Not on this board: the runs of {listed(left_out)}.")
    return [result for result in results if result.run.task in board.tasks]


def _same_protocol(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one task that answered the same samples in the same way: of its newest version, the way
    that most runs share."""
    if _equal(group, PROTOCOL):
        return group
    return _alike(group, lambda run: _flat(run, PROTOCOL), f"Task '{group[0].run.task}'", notes)


def _same_metric(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one task that were judged by the primary metric and scale that most runs share."""

    kinds = groups(group, _scale)
    kinds.sort(key=lambda kind: (-len(kind), repr(_scale(kind[0]))))
    for kind in kinds[1:]:
        were = "was" if len(kind) == 1 else "were"
        notes.append(
            f"Task '{group[0].run.task}': {count_of(len(kind), 'run')} {were} judged by "
            f"{_scale_text(kind[0])}, and left out of the comparison; "
            "`gainboard score` judges all by the task as it is now."
        )
    return kinds[0]


def _scale(result: Result) -> tuple[str, float, float | None, float | None, bool]:
    """What scores of a run mean."""
    task = result.task
    card = task.metrics[task.primary_metric]
    return task.primary_metric, task.chance, card.low, card.high, card.higher_is_better


def _scale_text(result: Result) -> str:
    metric, chance, low, high, higher_is_better = _scale(result)
    ends = ["any" if end is None else f"{end:g}" for end in (low, high)]
    better = "" if higher_is_better else ", lower is better"
    return f"{metric} ({ends[0]} to {ends[1]}{better}), chance at {chance:.3g}"


def _same_recipe(group: list[Result], notes: list[str]) -> list[Result]:
    """The runs of one candidate on one task that differ in nothing but the seed, the budget and what a search
    chose."""
    if _equal(group, RECIPE) and len({len(result.run.members) for result in group}) == 1:
        return group

    def recipe(run: Run) -> dict[str, str]:
        chosen = _chosen(run)
        settings = {
            name: value
            for name, value in _flat(run.as_declared, RECIPE).items()
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
    """Whether all runs have equal fields: a quick look that spares describing thousands of runs."""
    values_of = attrgetter(*fields)
    values = values_of(group[0].run)
    return all(values_of(result.run) == values for result in group)


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
    group: list[Result], described: Callable[[Run], Mapping[str, str]], subject: str, notes: list[str]
) -> list[Result]:
    """The largest group of runs with equal descriptions, of the newest version of the task."""

    def key(result: Result) -> str:
        return json.dumps(described(result.run), sort_keys=True)

    kinds = groups(group, key)
    kinds.sort(key=lambda kind: (-kind[0].run.task_version, -len(kind), key(kind[0])))
    kept_settings = described(kinds[0][0].run)
    notes += [_left_out(len(kind), kept_settings, described(kind[0].run), subject) for kind in kinds[1:]]
    return kinds[0]


def _left_out(runs: int, kept_settings: Mapping[str, str], settings: Mapping[str, str], subject: str) -> str:
    differences = [
        f"{name} = {settings.get(name, ABSENT)} instead of {kept_settings.get(name, ABSENT)}"
        for name in sorted({*kept_settings, *settings})
        if kept_settings.get(name) != settings.get(name)
    ]
    if len(differences) > MOST_DIFFERENCES:
        differences[MOST_DIFFERENCES:] = [f"and {len(differences) - MOST_DIFFERENCES} more"]
    were = "was" if runs == 1 else "were"
    return (
        f"{subject}: {count_of(runs, 'run')} {were} made differently ({'; '.join(differences)}) "
        "and left out of the comparison."
    )


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
