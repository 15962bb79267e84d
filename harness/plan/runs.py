"""Turn a sweep into runs, and say which are already done.

Runs are candidates × methods × tasks × training budgets × seeds. A run has two halves: what it is asked,
which follows from the task and the method (here), and how its weights are made, which follows from the
candidate, the method and the budget (`harness.plan.recipes`).
"""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.data.loaded import LoadedTask
from harness.data.sources import Generated
from harness.errors import UserError
from harness.plan.recipes import CandidateRecipes
from harness.records.result import RESULT, Result
from harness.records.store import read_record
from harness.sweep.methods import METHOD_TABLE, TUNED, Method
from harness.sweep.run import Candidate, Guard, Run, TunedFor
from harness.sweep.sweep import CandidateSpec, Sweep
from harness.task import Demonstrations
from harness.task.prompts import choose_templates

Fingerprint = Callable[[str, str | None], str]
"""(model, revision) → what changes when its weights do."""

Question = dict[str, Any]
"""The fields of a `Run` that say what it is asked, whoever answers."""


def make_runs(
    sweep: Sweep, tasks: Mapping[str, LoadedTask], *, fingerprint: Fingerprint, limit: int | None
) -> list[Run]:
    """Every run of a sweep, grouped by base model.

    A run whose settings are to be chosen has the first of each, and says in `search` what to choose among.
    Each tuned run is followed by those that score its weights on the guard tasks. Raises `UserError` for what
    cannot be planned.
    """
    tasks_with_choices = _tasks_with_choices(sweep, tasks)
    guard_questions = [
        _question(sweep, tasks[name], "zero_shot", limit=limit, templates=None) for name in sweep.guard_tasks
    ]
    runs: list[Run] = []
    for spec in sweep.candidates:
        weights = fingerprint(spec.model, spec.revision)
        recipes = CandidateRecipes(sweep, spec, tasks)
        if any(method in TUNED for method in spec.methods):
            base = _candidate(spec, "zero_shot", weights)
            runs += _guard_runs_of_base(base, guard_questions, sweep.seeds)
        for method in spec.methods:
            candidate = _candidate(spec, method, weights)
            for name in tasks_with_choices if METHOD_TABLE[method].held_to_choices else sweep.tasks:
                question = _question(sweep, tasks[name], method, limit=limit, templates=sweep.templates)
                for plan in recipes.plans(method, name):
                    for seed in sweep.seeds:
                        run = Run(
                            candidate=candidate,
                            seed=seed,
                            n_train=plan.n_train,
                            stages=plan.stages,
                            search=plan.search,
                            **question,
                        )
                        runs += [run, *_guard_runs(run, guard_questions)]
    return runs


def _candidate(spec: CandidateSpec, method: Method, fingerprint: str) -> Candidate:
    return Candidate(
        name=spec.name,
        model=spec.model,
        revision=spec.revision,
        fingerprint=fingerprint,
        method=method,
        **spec.prompting,
    )


def _guard_runs_of_base(
    base: Candidate, guard_questions: Iterable[Question], seeds: Iterable[int]
) -> list[Run]:
    """The runs that score a base before any tuning, which its tuned arms are compared with."""
    guard = Guard(after=None)
    runs = []
    for question in guard_questions:
        runs += [Run(candidate=base, seed=seed, n_train=None, guard=guard, **question) for seed in seeds]
    return runs


def _guard_runs(run: Run, guard_questions: Iterable[Question]) -> list[Run]:
    """The runs that score a tuned run's weights on the guard tasks; none of an untuned run, whose weights are
    the base's."""
    if run.n_train is None:
        return []
    guard = Guard(after=TunedFor(task=run.task, version=run.task_version, n_train=run.n_train))
    return [run.model_copy(update={**question, "n_train": 0, "guard": guard}) for question in guard_questions]


def _tasks_with_choices(sweep: Sweep, tasks: Mapping[str, LoadedTask]) -> tuple[str, ...]:
    """The tasks whose written answers can be held to choices. Raises `UserError` where a method needs one,
    and there is none.

    Answers that the task itself holds to a form (`structured_outputs`), or that are chosen instead of
    written, are as constrained without.
    """
    fitting = tuple(name for name in sweep.tasks if _has_free_choices(tasks[name]))
    if fitting:
        return fitting
    for spec in sweep.candidates:
        for method in spec.methods:
            if METHOD_TABLE[method].held_to_choices:
                raise UserError(
                    f"sweep '{sweep.name}': method '{method}' holds written answers to their choices, and no "
                    "task of the sweep has written answers, choices in every sample and structured_outputs "
                    "left out; leave the method out"
                )
    return ()


def _has_free_choices(loaded: LoadedTask) -> bool:
    task = loaded.task
    if task.output != "generate" or task.structured_outputs is not None:
        return False
    return all(len(set(sample.choices)) > 1 for sample in loaded.dataset.test)


def _question(
    sweep: Sweep,
    loaded: LoadedTask,
    method: Method,
    *,
    limit: int | None,
    templates: str | tuple[str, ...] | None,
) -> Question:
    """What a run of any model and budget is asked of a task, and how."""
    task = loaded.task
    place = f"sweep '{sweep.name}', task '{task.name}'"
    num_fewshot, demonstrations = 0, None
    if METHOD_TABLE[method].demonstrations:
        num_fewshot, demonstrations = _demonstrations(sweep, loaded, place)
    max_tokens = sweep.generation.max_tokens or task.max_tokens
    return {
        "task": task.name,
        "task_version": task.version,
        "task_fingerprint": loaded.dataset.fingerprint,
        "num_fewshot": num_fewshot,
        "demonstrations": demonstrations,
        "templates": choose_templates(task.prompts, templates, where=place),
        "generation": sweep.generation.model_copy(update={"max_tokens": max_tokens}),
        "test_seed": sweep.test_seed if isinstance(task.data, Generated) else None,
        "limit": limit,
    }


def _demonstrations(sweep: Sweep, loaded: LoadedTask, place: str) -> tuple[int, Demonstrations]:
    """How many demonstrations a few-shot prompt has, and how they are chosen."""
    prompts = loaded.task.prompts
    rule = sweep.demonstrations or prompts.demonstrations
    available = len(prompts.fixed) if rule == "fixed" else len(loaded.dataset.originals)
    if available == 0:
        raise UserError(
            f"{place}: demonstrations = 'fixed', but the task fixes none; give prompts.fixed the ids of "
            "training samples"
        )
    return min(sweep.num_fewshot or prompts.num_fewshot, available), rule


def select(runs: Iterable[Run], only: str | None) -> list[Run]:
    """The runs whose folder matches a glob like `toy-llama/lora/*`. Raises `UserError` when none does."""
    runs = list(runs)
    if only is None:
        return runs
    chosen = [run for run in runs if fnmatch.fnmatch(run.folder.as_posix(), only)]
    if not chosen:
        example = runs[0].folder.as_posix()
        raise UserError(
            f"--only '{only}' matches no run; it is a glob over candidate/method/task/[n-samples/]seed, "
            f"like '{example}'"
        )
    return chosen


def check_folders(runs: Iterable[Run]) -> None:
    """Raise `UserError` where two runs would share a folder, be it on a disk that does not tell upper from
    lower case."""
    run_by_folder: dict[str, Run] = {}
    for run in runs:
        other = run_by_folder.setdefault(run.folder.as_posix().casefold(), run)
        if other is run:
            continue
        where = f"in the folder {run.folder.as_posix()}"
        if other.folder != run.folder:
            where += ", on disks that do not tell upper from lower case"
        raise UserError(f"{other.label} and {run.label} would both lie {where}; rename a candidate or a task")


def is_done(results: Path, run: Run) -> bool:
    """Whether this very run has a result. Raises `UserError` when another configuration's result lies in its
    place."""
    return finished(results, run) is not None


def finished(results: Path, run: Run) -> Result | None:
    """The result of this very run; None where it has none yet. Raises `UserError` when another
    configuration's result lies in its place."""
    path = results / run.folder / RESULT
    if not path.exists():
        return None
    result = read_record(path, Result)
    if result.run.cell == run.cell:
        return result
    on_disk, wanted = _flat(result.run.model_dump(mode="json")), _flat(run.model_dump(mode="json"))
    names = sorted(on_disk.keys() | wanted.keys())
    differing = [name for name in names if on_disk.get(name) != wanted.get(name)]
    differences = "; ".join(
        f"{name} is {on_disk.get(name)!r} there, {wanted.get(name)!r} here" for name in differing[:5]
    )
    raise UserError(
        f"{path} was made by another configuration: {differences}. Use another --results folder, or remove "
        f"{path.parent}"
    )


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
