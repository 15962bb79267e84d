"""A sweep file made ready: the sweep, its tasks with their data, and every run and ensemble that it means."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plan.ensembles import Ensemble, derive, plan_ensembles
from harness.plan.runs import Fingerprint, check_folders, make_runs, select
from harness.plugins.registry import Plugin, load_task
from harness.review.state import reviewed_share
from harness.sweep.models import check_model, fingerprint
from harness.sweep.run import Run
from harness.sweep.sweep import Sweep, load_sweep
from harness.task import Task

FindPlugins = Callable[[Iterable[str]], dict[str, Plugin]]
"""Names of tasks → every plugin there is, and those of other harnesses among the names."""


@dataclass(frozen=True)
class PlannedSweep:
    """Everything that follows from a sweep file before anything is trained or scored."""

    sweep: Sweep
    """With the seeds that were added."""

    tasks: dict[str, LoadedTask]
    runs: list[Run]
    ensembles: list[Ensemble]
    left_out: list[Run] = field(default_factory=list)
    """Those of its runs that are not to be done now."""


def prepare(
    path: Path,
    find: FindPlugins,
    *,
    limit: int | None = None,
    only: str | None = None,
    more_seeds: int = 0,
) -> PlannedSweep:
    """Load a sweep file and its tasks, and plan its runs. Raises `UserError` for whatever cannot be done.

    `limit` is the number of test samples that are scored; `only` is a glob over the folders of runs;
    `more_seeds` is the number of seeds after those that the file names.
    """
    sweep, plugins = declare(path, find)
    sweep.with_more_seeds(more_seeds)  # a number that cannot be is said before data is read
    tasks = _load_tasks(sweep, plugins)
    planned = plan_sweep(sweep, tasks, fingerprint=_fingerprint(path), limit=limit, more_seeds=more_seeds)
    if only is None:
        return planned
    runs = select(planned.runs, only)
    chosen = {run.folder for run in runs}
    left_out = [run for run in planned.runs if run.folder not in chosen]
    # Part of the runs is only part of what an ensemble is made of.
    return dataclasses.replace(planned, runs=runs, ensembles=[], left_out=left_out)


def declare(path: Path, find: FindPlugins) -> tuple[Sweep, dict[str, Plugin]]:
    """What a sweep file says, and the plugins that its tasks are among. Raises `UserError`."""
    sweep = load_sweep(path)
    return sweep, find(sweep.all_tasks)


def plan_sweep(
    sweep: Sweep,
    tasks: dict[str, LoadedTask],
    *,
    fingerprint: Fingerprint,
    limit: int | None = None,
    more_seeds: int = 0,
) -> PlannedSweep:
    """Every run and every ensemble of a sweep whose tasks are loaded, with so many more seeds than it names.

    Raises `UserError`.
    """
    extended = sweep.with_more_seeds(more_seeds)
    runs = make_runs(extended, tasks, fingerprint=fingerprint, limit=limit)
    ensembles = plan_ensembles(sweep.ensembles, runs, tasks, joined_seeds=sweep.seeds)
    check_folders([*runs, *(derive(ensemble, ensemble.members) for ensemble in ensembles)])
    return PlannedSweep(extended, tasks, runs, ensembles)


def _load_tasks(sweep: Sweep, plugins: Mapping[str, Plugin]) -> dict[str, LoadedTask]:
    # All tasks first: a mistake in one is said before the data of another is read.
    tasks = [load_task(name, plugins) for name in sweep.all_tasks]
    return {task.name: _load(task, plugins[task.name].folder, sweep.test_seed) for task in tasks}


def _load(task: Task, folder: Path | None, test_seed: int | None) -> LoadedTask:
    dataset = load_dataset(task, test_seed=test_seed)
    # People review the task's own test samples, whichever a sweep draws.
    reviewed_dataset = dataset if test_seed is None else load_dataset(task)
    return LoadedTask(task, dataset, reviewed_share(task, reviewed_dataset, folder))


def _fingerprint(path: Path) -> Fingerprint:
    """The fingerprint of a model's weights, once it is certain that the model can be had."""

    def checked_fingerprint(model: str, revision: str | None) -> str:
        check_model(model, revision, str(path))
        return fingerprint(model, revision)

    return checked_fingerprint
