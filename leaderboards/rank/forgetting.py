"""What tuning cost elsewhere: the change on tasks that nothing was trained on, against the same model before
its tuning.

A guard for non-inferiority: with a margin of m, a row passes when its 95 % interval lies above −m, fails when
it lies below, and is unresolved between. Points are those of each guard task's own metric, and guard tasks
count alike.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np

from harness.records.result import Result
from harness.statistics import (
    ArmMeans,
    Estimate,
    FloatArray,
    SeedNoise,
    differences,
    mean_over_tasks,
    seed_noise,
)
from harness.sweep.run import Run
from leaderboards.rank.baselines import Key, key_of
from leaderboards.rank.cells import Cell, read_cell
from leaderboards.rank.comparable import groups
from leaderboards.rank.scores import Outcome

KeyT = TypeVar("KeyT", bound=tuple[Any, ...])

GuardVerdict = Literal["passed", "failed", "unresolved"]


@dataclass(frozen=True)
class Forgetting:
    """What a row's weights gained or lost on the guard tasks."""

    changes: dict[str, Estimate]
    """By guard task, sorted: the paired difference of the tuned weights, of all tasks they were tuned for,
    from the base."""

    mean: Estimate
    """Over the guard tasks."""

    margin: float
    """What may be lost, as a share of the score's range: 0.01 for a point."""

    @property
    def verdict(self) -> GuardVerdict:
        """Whether less than the margin is lost, as far as can be told."""
        if self.mean.low >= -self.margin:
            return "passed"
        return "failed" if self.mean.high < -self.margin else "unresolved"


def forgetting(
    results: Iterable[Result],
    folder: Path,
    notes: list[str],
    *,
    points: float,
    ahead: Mapping[str, Outcome] = MappingProxyType({}),
) -> dict[Key, Forgetting]:
    """The guard of every row that has guard runs; `points`: the margin. A run that cannot be read is left out
    and named in `notes`.

    Of several training budgets the largest counts, as in the ranking; untrusted runs are left out. `ahead`:
    by the key of their run, scores that were read before.
    """
    guards = [result for result in results if result.run.guard is not None and result.untrusted is None]
    tuned = [result for result in guards if _is_tuned(result.run)]
    untuned = [result for result in guards if not _is_tuned(result.run)]
    bases = {_base_key(group[0]): group for group in groups(untuned, _base_key)}
    scored: list[_Scored] = []
    for key, row_guards in _sorted_groups(tuned, lambda result: key_of(result.run)):
        # Sorted by task and version: the newer of two versions comes later, and stays.
        for base_key, guard_runs in _sorted_groups(_largest(row_guards), _base_key):
            pair = _scored(key, guard_runs, bases.get(base_key, []), folder, notes, ahead)
            scored += [pair] if pair else []
    changes = defaultdict[Key, dict[str, Estimate]](dict)
    for pair, change in zip(scored, _changes(scored), strict=True):
        changes[pair.key][pair.task] = change
    return {
        key: Forgetting(by_task, mean_over_tasks(list(by_task.values())), points / 100)
        for key, by_task in changes.items()
    }


@dataclass(frozen=True)
class _Scored:
    """What a row's weights, and their base, scored on one guard task, on the samples that all of them
    have."""

    key: Key
    task: str
    tuned: FloatArray
    """Seeds × templates × samples."""

    base: Cell
    ids: tuple[str, ...]


def _changes(scored: Sequence[_Scored]) -> list[Estimate]:
    """The differences of all tuned weights from their bases. Rows lend each other what their seeds tell, as
    in the ranking: two or three of one row say little of how far another would have differed."""
    noise = seed_noise(
        [pair.tuned for pair in scored],
        [pair.base.scores.cluster_numbers(pair.ids) for pair in scored],
        alike=[pair.task for pair in scored],
    )
    changes = []
    for place, pair in enumerate(scored):
        means = ArmMeans(
            np.stack([pair.tuned.mean(axis=0), pair.base.scores.means(pair.ids)]),
            SeedNoise.joined([noise.of([place]), pair.base.noise]),
            np.array([len(pair.tuned), len(pair.base.seeds)]),
            pair.base.scores.cluster_numbers(pair.ids),
        )
        changes.append(differences(means, binary=pair.base.card.binary, span=pair.base.span).at(0, 1))
    return changes


def _sorted_groups(
    results: Iterable[Result], key: Callable[[Result], KeyT]
) -> list[tuple[KeyT, list[Result]]]:
    """Results that share a key, by their keys."""
    return sorted(((key(group[0]), group) for group in groups(results, key)), key=itemgetter(0))


def _is_tuned(run: Run) -> bool:
    return run.guard is not None and run.guard.after is not None


def _base_key(result: Result) -> tuple[str, str, int, str]:
    """Equal for tuned weights and their base: the model, and how it answered the guard task."""
    run = result.run
    protocol = run.model_dump(
        mode="json",
        include={"task_fingerprint", "templates", "generation", "split", "test_seed", "limit", "candidate"},
    )
    del protocol["candidate"]["method"]
    metric = result.task.primary_metric
    return run.candidate.name, run.task, run.task_version, json.dumps([protocol, metric], sort_keys=True)


def _after(result: Result) -> tuple[str, int, int]:
    """What a guard run's weights were tuned for: the task, and how much of it."""
    after = result.run.guard.after if result.run.guard else None
    assert after is not None, "only runs of tuned weights come here"
    return after.task, after.version, after.n_train


def _largest(tuned: Sequence[Result]) -> list[Result]:
    """The runs of the newest version and the largest budget of each task that weights were tuned for."""
    newest: dict[str, tuple[str, int, int]] = {}
    for after in map(_after, tuned):
        newest[after[0]] = max(after, newest.get(after[0], after))
    return [result for result in tuned if _after(result) in newest.values()]


def _scored(
    key: Key,
    tuned: Sequence[Result],
    bases: Sequence[Result],
    folder: Path,
    notes: list[str],
    ahead: Mapping[str, Outcome],
) -> _Scored | None:
    """None where the two share no samples.

    Weights that were tuned for several tasks are averaged for each sample first, over the seeds that all of
    them have: they all answer the same samples.
    """
    cells = [read_cell(group, folder, notes, ahead=ahead) for group in groups(tuned, _after)]
    after = [cell for cell in cells if cell]
    before = read_cell(bases, folder, notes, ahead=ahead) if bases else None
    if not after or before is None:
        return None
    seeds = [seed for seed in after[0].seeds if all(seed in cell.seeds for cell in after)]
    ids_of_all = set.intersection(*({*cell.scores.ids} for cell in after))
    ids = [name for name in before.scores.ids if name in ids_of_all]
    if not seeds or not ids:
        return None
    scores = np.mean([cell.scores.restricted(seeds, ids) for cell in after], axis=0)
    return _Scored(key, tuned[0].run.task, scores, before, tuple(ids))
