"""Turn a sweep into runs, and say which are already done."""

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.data.loaded import LoadedTask
from harness.data.sources import Generated
from harness.errors import UserError
from harness.plan.samplers import make_sampler
from harness.records.result import RESULT, Result
from harness.records.store import read_record
from harness.sweep.methods import FIRST_STAGES, METHOD_TABLE, TUNED, TUNERS, Method, Tuner
from harness.sweep.recipe import (
    LORA_FIELDS,
    MetaLearning,
    Portion,
    Stage,
    Training,
    layered,
    listed,
    make_training,
)
from harness.sweep.run import Candidate, Guard, Run, TunedFor
from harness.sweep.settings import Budget, Search
from harness.sweep.sweep import CandidateSpec, Sweep
from harness.task import Demonstrations
from harness.task.prompts import choose_templates

Fingerprint = Callable[[str, str | None], str]
"""(model, revision) → what changes when its weights do."""


def make_runs(
    sweep: Sweep, tasks: Mapping[str, LoadedTask], *, fingerprint: Fingerprint, limit: int | None
) -> list[Run]:
    """Every run of a sweep: candidates × methods × tasks × training budgets × seeds, grouped by base model.

    A run whose settings are to be chosen has the first of each, and says in `search` among what. Behind each
    tuned run come those that score its weights on the guard tasks.
    """
    runs = []
    constrained = _constrained(sweep, tasks)
    guards = [
        _asked(sweep, tasks[name], "zero_shot", limit=limit, templates=None) for name in sweep.guard_tasks
    ]
    for spec in sweep.candidates:
        weights = fingerprint(spec.model, spec.revision)
        recipes = _Recipes(sweep, spec, tasks)
        if any(method in TUNED for method in spec.methods):
            base = _candidate(spec, "zero_shot", weights)
            runs += [
                Run(candidate=base, seed=seed, n_train=None, guard=Guard(after=None), **asked)
                for asked in guards
                for seed in sweep.seeds
            ]
        for method in spec.methods:
            candidate = _candidate(spec, method, weights)
            for name in constrained if METHOD_TABLE[method].held_to_choices else sweep.tasks:
                asked = _asked(sweep, tasks[name], method, limit=limit, templates=sweep.templates)
                for wanted in recipes.budgets(method, name):
                    n_train, stages, search = recipes.of(method, name, wanted)
                    for seed in sweep.seeds:
                        run = Run(
                            candidate=candidate,
                            seed=seed,
                            n_train=n_train,
                            stages=stages,
                            search=search,
                            **asked,
                        )
                        runs += [run, *_guarding(run, guards)]
    return runs


def _candidate(spec: CandidateSpec, method: Method, fingerprint: str) -> Candidate:
    return Candidate(
        name=spec.name,
        model=spec.model,
        revision=spec.revision,
        fingerprint=fingerprint,
        method=method,
        chat=spec.chat,
    )


def _guarding(run: Run, guards: Iterable[dict[str, Any]]) -> list[Run]:
    """The runs that score its weights on the guard tasks, if it has any of its own."""
    if run.n_train is None:
        return []
    guard = Guard(after=TunedFor(task=run.task, version=run.task_version, n_train=run.n_train))
    return [run.model_copy(update={**asked, "n_train": 0, "guard": guard}) for asked in guards]


def _constrained(sweep: Sweep, tasks: Mapping[str, LoadedTask]) -> tuple[str, ...]:
    """The tasks that `zero_shot_constrained` is for. Raises `UserError` where it is asked for, and there are
    none.

    They have choices, and their answers are written, held to nothing: elsewhere `zero_shot` is as constrained
    as that.
    """
    fitting = tuple(
        name
        for name in sweep.tasks
        if tasks[name].task.output == "generate"
        and tasks[name].task.structured_outputs is None
        and all(len(set(sample.choices)) > 1 for sample in tasks[name].dataset.test)
    )
    if not fitting and any("zero_shot_constrained" in spec.methods for spec in sweep.candidates):
        raise UserError(
            f"sweep '{sweep.name}': method 'zero_shot_constrained' holds written answers to their choices, and no task of "
            "the sweep has written answers, choices in every sample and structured_outputs left out; leave the method out"
        )
    return fitting


def _asked(
    sweep: Sweep,
    loaded: LoadedTask,
    method: Method,
    *,
    limit: int | None,
    templates: str | tuple[str, ...] | None,
) -> dict[str, Any]:
    """What a run of any model and budget is asked of a task, and how."""
    task = loaded.task
    where = f"sweep '{sweep.name}', task '{task.name}'"
    num_fewshot, how = _shown(sweep, loaded, where) if METHOD_TABLE[method].demonstrations else (0, None)
    max_tokens = sweep.generation.max_tokens or task.max_tokens
    return {
        "task": task.name,
        "task_version": task.version,
        "task_fingerprint": loaded.dataset.fingerprint,
        "num_fewshot": num_fewshot,
        "demonstrations": how,
        "templates": choose_templates(task.prompts, templates, where=where),
        "generation": sweep.generation.model_copy(update={"max_tokens": max_tokens}),
        "test_seed": sweep.test_seed if isinstance(task.data, Generated) else None,
        "limit": limit,
    }


class _Recipes:
    """The stages of one candidate's methods, on each task and training budget."""

    def __init__(self, sweep: Sweep, spec: CandidateSpec, tasks: Mapping[str, LoadedTask]) -> None:
        self._sweep, self._spec, self._tasks = sweep, spec, tasks
        self._known: dict[tuple[Method, Tuner], tuple[Training, dict[str, Any]]] = {}
        self._portions: dict[tuple[str, Budget], Portion] = {}
        self._searches: dict[Method, Search | None] = {
            method: self._search(method) for method in spec.methods
        }

    def budgets(self, method: Method, task: str) -> list[Budget]:
        """What a method may train on; budgets beyond what is there are one and the same."""
        if method not in TUNED:
            return ["all"]
        if METHOD_TABLE[self._sequence(method)[-1]].trains_on == "few samples":
            return [self._sweep.few_shot_tuning.n_train]
        if METHOD_TABLE[method].trains_on == "mixture" and task not in self._mixture:
            return [self._sweep.budgets[-1]]
        distinct: dict[int, Budget] = {}
        for budget in self._sweep.budgets:
            distinct.setdefault(self._available(task, budget), budget)
        return list(distinct.values())

    def of(
        self, method: Method, task: str, wanted: Budget
    ) -> tuple[int | None, tuple[Stage, ...], Search | None]:
        """Samples of the task that are trained on, the stages, and what is to be chosen."""
        if method not in TUNED:
            return None, (), None
        stages = self._stages(method, task, wanted)
        own = {portion.n_train for stage in stages[-1:] for portion in stage.portions if portion.task == task}
        return max(own, default=0), stages, self._searches[method]

    def _sequence(self, method: Method) -> tuple[Method, ...]:
        """What the stages of a method do, in order."""
        return METHOD_TABLE[method].stages or self._sweep.stages.methods

    def _tuner(self, method: Method) -> Tuner:
        """What of the model a method trains: its last stage says so."""
        last = self._sequence(method)[-1]
        if last in TUNERS:
            return last
        few = METHOD_TABLE[last].trains_on == "few samples"
        return self._sweep.few_shot_tuning.tuner if few else self._sweep.multitask.tuner

    @property
    def _mixture(self) -> tuple[str, ...]:
        """The tasks of multitask tuning."""
        declared = self._sweep.multitask
        return declared.tasks or tuple(name for name in self._sweep.tasks if name not in declared.held_out)

    def _stages(self, method: Method, task: str, wanted: Budget) -> tuple[Stage, ...]:
        tuner = self._tuner(method)
        *first, last = self._sequence(method)
        for name in first:
            for setting in self._settings(name, tuner)[1]:
                raise UserError(
                    f"sweep '{self._sweep.name}': {setting} of '{name}' has several values, and '{name}' comes first in the "
                    f"stages of '{method}': only settings of the last stage are chosen; give it one value under "
                    f"[defaults.{name}]"
                )
        return tuple(self._stage(name, tuner, task, wanted) for name in (*first, last))

    def _stage(self, method: Method, tuner: Tuner, task: str, wanted: Budget) -> Stage:
        """One stage, in which a task is trained on or prepared for."""
        sweep, meta = self._sweep, None
        names: tuple[str, ...] = (task,)
        trains_on = METHOD_TABLE[method].trains_on
        if trains_on == "mixture":
            names = self._mixture
        elif trains_on == "other tasks":
            names = tuple(name for name in sweep.meta.tasks or sweep.tasks if name != task)
            meta = MetaLearning(**sweep.meta.model_dump(include=set(MetaLearning.model_fields)))
            wanted = "all"  # a budget is what may be labelled of the task that is scored
        if not names:
            raise UserError(
                f"sweep '{sweep.name}': method '{method}' has no task to learn from before '{task}'; name more tasks in the "
                "sweep, or leave the method out"
            )
        training = self._settings(method, tuner)[0]
        if training.metric_for_best_model == "task_metric" and method in FIRST_STAGES:
            raise UserError(
                f"sweep '{sweep.name}': metric_for_best_model = 'task_metric' takes a training on one task, and '{method}' "
                f"mixes several; set it to 'eval_loss' under [defaults.{method}]"
            )
        portions = tuple(self._portion(name, wanted) for name in names)
        return Stage(tuner=tuner, portions=portions, training=training, meta=meta)

    def _portion(self, name: str, wanted: Budget) -> Portion:
        if (name, wanted) not in self._portions:
            loaded, sweep = self._tasks[name], self._sweep
            where = f"sweep '{sweep.name}', task '{name}'"
            templates = choose_templates(
                loaded.task.prompts, sweep.train_templates or sweep.templates, where=where
            )
            self._portions[name, wanted] = Portion(
                task=name,
                version=loaded.task.version,
                fingerprint=loaded.dataset.fingerprint,
                n_train=self._available(name, wanted),
                templates=templates,
            )
        return self._portions[name, wanted]

    def _available(self, name: str, wanted: Budget) -> int:
        there = len(self._tasks[name].dataset.originals)
        return there if wanted == "all" else min(wanted, there)

    def _search(self, method: Method) -> Search | None:
        """What a method has to choose; None when there is one of each setting."""
        space = self._space(method)
        if not space:
            return None
        sweep = self._sweep
        methods = sum(bool(self._space(other)) for other in self._spec.methods)
        search = Search(space=space, settings=sweep.search, methods=methods, seed=sweep.seeds[0])
        try:  # what no sampler can be made for is said before anything is trained
            make_sampler(search.space, sweep.search.sampler, seed=sweep.search.seed, maximize=True)
        except UserError as error:
            raise UserError(f"sweep '{sweep.name}', method '{method}': {error}") from None
        return search

    def _space(self, method: Method) -> dict[str, Any]:
        """The settings of a method's last stage that have several values."""
        return self._settings(self._sequence(method)[-1], self._tuner(method))[1] if method in TUNED else {}

    def _settings(self, method: Method, tuner: Tuner) -> tuple[Training, dict[str, Any]]:
        """A stage's settings, the first value of each, and those that have several."""
        if (method, tuner) not in self._known:
            settings = layered(tuner, method, self._sweep.defaults, self._spec)
            space: dict[str, Any] = {}
            for name, value in settings.items():
                values = listed(name, value)
                if isinstance(value, dict):
                    space[name], settings[name] = value, value.get("low")
                elif values is not None:
                    settings[name] = values[0]
                    if len(values) > 1:
                        space[name] = values
            if TUNERS[tuner].all_weights:
                space = {name: values for name, values in space.items() if name not in LORA_FIELDS}
            self._known[method, tuner] = make_training(settings, tuner), space
        return self._known[method, tuner]


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
    """Whether this very run has a result. Raises `UserError` when another configuration's result lies in its
    place."""
    path = results / run.folder / RESULT
    if not path.exists():
        return False
    result = read_record(path, Result)
    if result.run.cell == run.cell:
        return True
    there, here = _flat(result.run.model_dump(mode="json")), _flat(run.model_dump(mode="json"))
    differing = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    shown = "; ".join(
        f"{name} is {there.get(name)!r} there, {here.get(name)!r} here" for name in differing[:5]
    )
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
