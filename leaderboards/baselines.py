"""Which arm a candidate is held against: the untuned ones of its model, or the same tuning from the plain base."""

from collections.abc import Iterable, Iterator, Mapping

from harness.config import Run
from harness.recipe import METHODS, Method
from leaderboards.cells import Cell

Key = tuple[str, Method]
"""What tells rows apart: the model, as the sweep calls it, and the method."""

UNTUNED: tuple[Method, ...] = ("zero_shot", "few_shot")
"""What gains are measured against."""


def same_model(first: Cell, second: Cell) -> bool:
    """Whether two cells are of the same weights before any tuning."""
    ours, theirs = (cell.results[0].run.candidate for cell in (first, second))
    return (ours.model, ours.revision, ours.fingerprint) == (theirs.model, theirs.revision, theirs.fingerprint)


def baseline(key: Key, method: Method, cells: Mapping[Key, Mapping[str, Cell]]) -> Key | None:
    """The untrained arm that a candidate is held against; None for itself, for lesser ones, and where there is none.

    Of several of one model, as few-shot arms of several candidates, the best over the tasks: the gain is then over the best
    that prompting was seen to do.
    """
    name, own = key
    if METHODS.index(method) >= METHODS.index(own):
        return None
    mine = cells.get(key, {})
    first = next(iter(mine.values()), None)
    if first is None:
        return None
    alike = [
        other
        for other, by_task in cells.items()
        if other[1] == method and any(same_model(first, cell) for cell in by_task.values())
    ]
    complete = [other for other in alike if mine.keys() <= cells[other].keys()] or alike
    return min(complete, key=lambda other: (-_mean(cells[other], mine), other[0] != name, other), default=None)


def _mean(cells: Mapping[str, Cell], tasks: Iterable[str]) -> float:
    """Of the share of the way from chance to perfect, over some tasks."""
    found = [
        (cell.estimate.value - cell.card.chance) / (1 - cell.card.chance)
        for task in tasks
        if (cell := cells.get(task)) and cell.estimate
    ]
    return sum(found) / len(found) if found else float("-inf")


def plain(cell: Cell, others: Iterator[Cell]) -> Cell | None:
    """What was tuned alike on as many samples of the task, from the plain base; None of a cell that began there itself."""
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
