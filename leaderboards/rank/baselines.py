"""Which arm a candidate is compared with: the untuned ones of its model, or its own tuning from the plain
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


def same_model(cell: Cell, other_cell: Cell) -> bool:
    """Whether two cells are of the same weights before any tuning."""
    return _weights(cell) == _weights(other_cell)


def _weights(cell: Cell) -> tuple[str, str | None, str]:
    """What tells the weights of a model apart, before any tuning."""
    candidate = cell.results[0].run.candidate
    return candidate.model, candidate.revision, candidate.fingerprint


def baselines(cells: Mapping[Key, Mapping[str, Cell]]) -> dict[tuple[Key, Method], Key | None]:
    """The untrained arms that each candidate is compared with; None for itself, for lesser ones, and where
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
    """The arm that `key` is compared with; `arms`: all untuned candidates, by weights and method."""
    name, row_method = key
    row_cells = cells[key]
    any_cell = next(iter(row_cells.values()), None)
    if any_cell is None or METHODS.index(method) >= METHODS.index(row_method):
        return None
    alike = list(arms.get((_weights(any_cell), method), ()))
    complete = [candidate for candidate in alike if row_cells.keys() <= cells[candidate].keys()] or alike
    return min(
        complete,
        key=lambda candidate: (-_mean(cells[candidate], row_cells), candidate[0] != name, candidate),
        default=None,
    )


def _mean(cells: Mapping[str, Cell], tasks: Iterable[str]) -> float:
    """Mean share of the way from chance to perfect over some tasks; −∞ without a score."""
    shares = [
        (cell.estimate.value - cell.card.chance) / (1 - cell.card.chance)
        for task in tasks
        if (cell := cells.get(task)) and cell.estimate
    ]
    return sum(shares) / len(shares) if shares else float("-inf")


def plain(cell: Cell, cells: Iterator[Cell]) -> Cell | None:
    """What was tuned alike on as many samples of the task, from the plain base; None of a cell that began
    there itself."""
    run = cell.results[0].run
    if len(run.stages) < 2 or [portion.task for portion in run.stages[-1].portions] != [run.task]:
        return None
    alike = [candidate for candidate in cells if _is_plain(candidate.results[0].run, run)]
    # Preferably one with the same settings.
    return min(alike, key=lambda candidate: candidate.results[0].run.training != run.training, default=None)


def _is_plain(candidate: Run, run: Run) -> bool:
    """Whether the other run does to the base what the last stage of this one does to what came before."""
    if len(candidate.stages) != 1:
        return False
    last_stage, only_stage = run.stages[-1], candidate.stages[0]
    return (
        last_stage.tuner == only_stage.tuner
        and last_stage.portions == only_stage.portions
        and only_stage.meta is None
    )
