"""Turn a sweep into runs, and say which are already done."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config import TUNED, Candidate, Method, Run, Sweep, resolve_training
from harness.data import Dataset
from harness.data.sources import Generated
from harness.errors import UserError
from harness.prompts import choose_templates
from harness.results import RESULT, Result, read_record
from harness.task import Demonstrations, Task


@dataclass(frozen=True)
class LoadedTask:
    """A task with its samples."""

    task: Task
    dataset: Dataset
    reviewed: float | None = None
    """Share of the prompt set that people have judged as it is now; None when nobody was asked."""


Fingerprint = Callable[[str, str | None], str]
"""(model, revision) → what changes when its weights do."""


def make_runs(sweep: Sweep, tasks: Mapping[str, LoadedTask], *, fingerprint: Fingerprint, limit: int | None) -> list[Run]:
    """Every run of a sweep: candidates × methods × tasks × training budgets × seeds, grouped by base model."""
    runs = []
    for spec in sweep.candidates:
        weights = fingerprint(spec.model, spec.revision)
        for method in spec.methods:
            candidate = Candidate(
                name=spec.name,
                model=spec.model,
                revision=spec.revision,
                fingerprint=weights,
                method=method,
                training=resolve_training(method, sweep.defaults, spec),
                chat=spec.chat,
            )
            runs += [
                _run(sweep, tasks[name], candidate, n_train=n_train, seed=seed, limit=limit)
                for name in sweep.tasks
                for n_train in _budgets(sweep, method, len(tasks[name].dataset.originals))
                for seed in sweep.seeds
            ]
    return runs


def _budgets(sweep: Sweep, method: Method, available: int) -> list[int | None]:
    """Training samples of each run; budgets beyond what is there are one and the same."""
    if method not in TUNED:
        return [None]
    wanted = (available if budget == "all" else min(budget, available) for budget in sweep.budgets)
    return list(dict.fromkeys(wanted))


def _run(
    sweep: Sweep, loaded: LoadedTask, candidate: Candidate, *, n_train: int | None, seed: int, limit: int | None
) -> Run:
    task, dataset = loaded.task, loaded.dataset
    where = f"sweep '{sweep.name}', task '{task.name}'"
    max_tokens = sweep.generation.max_tokens or task.max_tokens
    templates = choose_templates(task.prompts, sweep.templates, where=where)
    trained_on: tuple[str, ...] = ()
    if n_train is not None:
        named = sweep.train_templates
        trained_on = templates if named is None else choose_templates(task.prompts, named, where=where)
    num_fewshot, how = _shown(sweep, loaded, where) if candidate.method == "few_shot" else (0, None)
    return Run(
        task=task.name,
        task_version=task.version,
        task_fingerprint=dataset.fingerprint,
        candidate=candidate,
        seed=seed,
        n_train=n_train,
        train_templates=trained_on,
        num_fewshot=num_fewshot,
        demonstrations=how,
        templates=templates,
        generation=sweep.generation.model_copy(update={"max_tokens": max_tokens}),
        test_seed=sweep.test_seed if isinstance(task.data, Generated) else None,
        limit=limit,
    )


def _shown(sweep: Sweep, loaded: LoadedTask, where: str) -> tuple[int, Demonstrations]:
    """Demonstrations of a few-shot prompt, and how they are chosen."""
    prompts = loaded.task.prompts
    how = sweep.demonstrations or prompts.demonstrations
    there = len(prompts.fixed) if how == "fixed" else len(loaded.dataset.originals)
    if there == 0:
        raise UserError(
            f"{where}: demonstrations = 'fixed', but the task fixes none; give prompts.fixed the ids of training samples"
        )
    return min(sweep.num_fewshot or prompts.num_fewshot, there), how


def select(runs: Iterable[Run], only: str | None) -> list[Run]:
    """The runs whose folder matches a glob like `toy-llama/lora/*`. Raises `UserError` when none does."""
    runs = list(runs)
    if only is None:
        return runs
    chosen = [run for run in runs if fnmatch.fnmatch(run.folder.as_posix(), only)]
    if not chosen:
        example = runs[0].folder.as_posix()
        raise UserError(
            f"--only '{only}' matches no run; it is a glob over candidate/method/task/[n-samples/]seed, like '{example}'"
        )
    return chosen


def is_done(results: Path, run: Run) -> bool:
    """Whether this very run has a result. Raises `UserError` when another configuration's result lies in its place."""
    path = results / run.folder / RESULT
    if not path.exists():
        return False
    result = read_record(path, Result)
    if result.key == run.key:
        return True
    there, here = _flat(result.run.model_dump(mode="json")), _flat(run.model_dump(mode="json"))
    differing = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    shown = "; ".join(f"{name} is {there.get(name)!r} there, {here.get(name)!r} here" for name in differing[:5])
    raise UserError(
        f"{path} was made by another configuration: {shown}. Use another --results folder, or remove {path.parent}"
    )


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


@dataclass(frozen=True)
class Group:
    """The runs that share a base model, and so one training worker and one engine."""

    model: str
    revision: str | None
    max_model_len: int | None
    runs: list[Run]


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Runs by base model, in the order the sweep names them."""
    groups: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.candidate.model, run.candidate.revision), []).append(run)
    return [
        Group(model, revision, members[0].generation.max_model_len, members) for (model, revision), members in groups.items()
    ]
