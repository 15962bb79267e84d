"""Which arm a candidate is held against: the untuned ones of its model, or the same tuning from the plain
base."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.sweep.methods import METHODS, Method
from harness.sweep.run import Run
from leaderboards.rank.cells import Cell

Key = tuple[str, Method]
"""What tells rows apart: the model, as the sweep calls it, and the method."""

UNTUNED: tuple[Method, ...] = ("zero_shot", "few_shot")
"""What gains are measured against."""


def key_of(run: Run) -> Key:
    """The row that a run belongs to."""
    return run.candidate.name, run.candidate.method


def same_model(first: Cell, second: Cell) -> bool:
    """Whether two cells are of the same weights before any tuning."""
    return _weights(first) == _weights(second)


def _weights(cell: Cell) -> tuple[str, str | None, str]:
    """What tells the weights of a model apart, before any tuning."""
    candidate = cell.results[0].run.candidate
    return candidate.model, candidate.revision, candidate.fingerprint


def baselines(cells: Mapping[Key, Mapping[str, Cell]]) -> dict[tuple[Key, Method], Key | None]:
    """The untrained arms that each candidate is held against; None for itself, for lesser ones, and where
    there is none.

    Of several of one model, as few-shot arms of several candidates, the best over the tasks: the gain is then
    over the best that prompting was seen to do.
    """
    arms = defaultdict[tuple[Any, Method], dict[Key, None]](dict)
    for key, by_task in cells.items():
        if key[1] in UNTUNED:
            for cell in by_task.values():
                arms[_weights(cell), key[1]][key] = None
    return {(key, method): _baseline(key, method, cells, arms) for key in cells for method in UNTUNED}


def _baseline(
    key: Key,
    method: Method,
    cells: Mapping[Key, Mapping[str, Cell]],
    arms: Mapping[tuple[Any, Method], Iterable[Key]],
) -> Key | None:
    """`arms`: by weights and method."""
    name, own = key
    mine = cells[key]
    first = next(iter(mine.values()), None)
    if first is None or METHODS.index(method) >= METHODS.index(own):
        return None
    alike = list(arms.get((_weights(first), method), ()))
    complete = [other for other in alike if mine.keys() <= cells[other].keys()] or alike
    return min(
        complete, key=lambda other: (-_mean(cells[other], mine), other[0] != name, other), default=None
    )


def _mean(cells: Mapping[str, Cell], tasks: Iterable[str]) -> float:
    """Of the share of the way from chance to perfect, over some tasks."""
    found = [
        (cell.estimate.value - cell.card.chance) / (1 - cell.card.chance)
        for task in tasks
        if (cell := cells.get(task)) and cell.estimate
    ]
    return sum(found) / len(found) if found else float("-inf")


def plain(cell: Cell, others: Iterator[Cell]) -> Cell | None:
    """What was tuned alike on as many samples of the task, from the plain base; None of a cell that began
    there itself."""
    run = cell.results[0].run
    if len(run.stages) < 2 or [portion.task for portion in run.stages[-1].portions] != [run.task]:
        return None
    alike = [other for other in others if _is_plain(other.results[0].run, run)]
    # With the same settings, if there is such a one.
    return min(alike, key=lambda other: other.results[0].run.training != run.training, default=None)


def _is_plain(other: Run, run: Run) -> bool:
    """Whether the other run does to the base what the last stage of this one does to what came before."""
    if len(other.stages) != 1:
        return False
    ours, theirs = run.stages[-1], other.stages[0]
    return ours.tuner == theirs.tuner and ours.portions == theirs.portions and theirs.meta is None
