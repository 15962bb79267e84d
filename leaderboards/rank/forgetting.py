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
    random_wordings: bool = False,
) -> dict[Key, Forgetting]:
    """The guard of every row that has guard runs; `points`: the margin. A run that cannot be read is left out
    and named in `notes`.

    Of several training budgets the largest counts, as in the ranking; untrusted runs are left out. `ahead`:
    by the key of their run, scores that were read before. `random_wordings`: whether wordings are a draw.
    """
    tuned, bases = _tuned_and_bases(results)
    by_row = {key: _largest(runs) for key, runs in _sorted_groups(tuned, lambda run: key_of(run.run))}
    return _judged(by_row, bases, folder, notes, points=points, ahead=ahead, random_wordings=random_wordings)


def forgetting_at_smaller_budgets(
    results: Iterable[Result],
    folder: Path,
    notes: list[str],
    *,
    points: float,
    ahead: Mapping[str, Outcome] = MappingProxyType({}),
    random_wordings: bool = False,
) -> dict[tuple[Key, int], Forgetting]:
    """The guard of each row's weights that were tuned on fewer samples than `forgetting` judges, by row and
    training samples; the arguments are the same."""
    tuned, bases = _tuned_and_bases(results)
    by_budget: dict[tuple[Key, int], list[Result]] = {}
    for key, runs in _sorted_groups(tuned, lambda run: key_of(run.run)):
        largest = {run.key for run in _largest(runs)}
        smaller = [run for run in runs if run.key not in largest]
        for budget in sorted({_after(run)[2] for run in smaller}):
            by_budget[key, budget] = _largest([run for run in runs if _after(run)[2] == budget])
    return _judged(
        by_budget, bases, folder, notes, points=points, ahead=ahead, random_wordings=random_wordings
    )


BasesByKey = Mapping[tuple[str, str, int, str], Sequence[Result]]
"""Guard runs of untuned models, by what `_base_key` says of them."""


def _tuned_and_bases(results: Iterable[Result]) -> tuple[list[Result], BasesByKey]:
    """The trusted guard runs: of tuned weights, and of models before any tuning."""
    guards = [result for result in results if result.run.guard is not None and result.untrusted is None]
    untuned = [result for result in guards if not _is_tuned(result.run)]
    bases = {_base_key(group[0]): group for group in groups(untuned, _base_key)}
    return [result for result in guards if _is_tuned(result.run)], bases


def _judged(
    guard_runs_by_key: Mapping[KeyT, Sequence[Result]],
    bases: BasesByKey,
    folder: Path,
    notes: list[str],
    *,
    points: float,
    ahead: Mapping[str, Outcome],
    random_wordings: bool,
) -> dict[KeyT, Forgetting]:
    """The guard of each of several sets of weights."""
    keys: list[KeyT] = []
    scored: list[_Scored] = []
    for key, guard_runs in guard_runs_by_key.items():
        # Sorted by task and version: the newer of two versions comes later, and stays.
        for base_key, runs in _sorted_groups(guard_runs, _base_key):
            pair = _scored(runs, bases.get(base_key, []), folder, notes, ahead)
            if pair:
                keys.append(key)
                scored.append(pair)
    changes = defaultdict[KeyT, dict[str, Estimate]](dict)
    for key, pair, change in zip(keys, scored, _changes(scored, random_wordings), strict=True):
        changes[key][pair.task] = change
    return {
        key: Forgetting(by_task, mean_over_tasks(list(by_task.values())), points / 100)
        for key, by_task in changes.items()
    }


@dataclass(frozen=True)
class _Scored:
    """What tuned weights, and their base, scored on one guard task, on the samples that all of them have."""

    task: str
    tuned: FloatArray
    """Seeds × templates × samples."""

    base: Cell
    ids: tuple[str, ...]


def _changes(scored: Sequence[_Scored], random_wordings: bool) -> list[Estimate]:
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
            random_wordings,
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
    return _Scored(tuned[0].run.task, scores, before, tuple(ids))
