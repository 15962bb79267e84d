"""How the weights of one candidate's arms are made: the trainings of each method on each task and budget, and
which of their settings are to be chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.data.loaded import LoadedTask
from harness.errors import UserError
from harness.plan.evaluation import bounded
from harness.plan.samplers import make_sampler
from harness.sweep.methods import FIRST_STAGES, METHOD_TABLE, TUNED, TUNERS, Method, Tuner
from harness.sweep.recipe import (
    EVALUATION_FIELDS,
    LORA_FIELDS,
    MetaLearning,
    Portion,
    Stage,
    Training,
    layered,
    listed,
    make_training,
)
from harness.sweep.settings import Budget, Search
from harness.sweep.sweep import CandidateSpec, Sweep
from harness.task.prompts import choose_templates


@dataclass(frozen=True)
class TrainingPlan:
    """How the weights of an arm are made on one task and budget, whatever the seed."""

    n_train: int | None
    """Samples of the task that are trained on; None of an arm that trains nothing."""

    stages: tuple[Stage, ...] = ()
    search: Search | None = None
    """What is to be chosen of the last stage's settings."""


NOTHING_TRAINED = TrainingPlan(None)


@dataclass(frozen=True)
class _Settings:
    """The settings of a stage."""

    training: Training
    """The first value of each."""

    space: dict[str, Any]
    """Those that have several values, or a range."""

    bounds_evaluation: bool
    """Whether the sweep leaves open how much of dev is read."""


class CandidateRecipes:
    """The training plans of one candidate: of each of its methods, on each task and training budget."""

    def __init__(self, sweep: Sweep, spec: CandidateSpec, tasks: Mapping[str, LoadedTask]) -> None:
        self._sweep, self._spec, self._tasks = sweep, spec, tasks
        self._settings_of: dict[tuple[Method, Tuner], _Settings] = {}
        self._portions: dict[tuple[str, Budget], Portion] = {}
        self._searches = {method: self._search(method) for method in spec.methods}

    def plans(self, method: Method, task: str) -> list[TrainingPlan]:
        """A plan for each training budget of a method on a task."""
        if method not in TUNED:
            return [NOTHING_TRAINED]
        return [self._plan(method, task, budget) for budget in self._budgets(method, task)]

    def _plan(self, method: Method, task: str, budget: Budget) -> TrainingPlan:
        stages = self._stages(method, task, budget)
        task_samples = [portion.n_train for portion in stages[-1].portions if portion.task == task]
        # A mixture may be without the task that is scored: then none of its samples are trained on.
        return TrainingPlan(max(task_samples, default=0), stages, self._searches[method])

    # Which budgets, in which stages, with which tuner

    def _budgets(self, method: Method, task: str) -> list[Budget]:
        """What a method may train on; budgets beyond the samples that there are count once."""
        if METHOD_TABLE[self._sequence(method)[-1]].trains_on == "few samples":
            return [self._sweep.few_shot_tuning.n_train]
        if METHOD_TABLE[method].trains_on == "mixture" and task not in self._mixture:
            return [self._sweep.budgets[-1]]
        by_samples: dict[int, Budget] = {}
        for budget in self._sweep.budgets:
            by_samples.setdefault(self._available(task, budget), budget)
        return list(by_samples.values())

    def _available(self, task: str, budget: Budget) -> int:
        """Training samples within a budget."""
        samples = len(self._tasks[task].dataset.originals)
        return samples if budget == "all" else min(budget, samples)

    def _sequence(self, method: Method) -> tuple[Method, ...]:
        """What the stages of a method do, in order."""
        return METHOD_TABLE[method].stages or self._sweep.stages.methods

    def _tuner(self, method: Method) -> Tuner:
        """What of the model a method trains: its last stage says so."""
        last = self._sequence(method)[-1]
        if last in TUNERS:
            return last
        if METHOD_TABLE[last].trains_on == "few samples":
            return self._sweep.few_shot_tuning.tuner
        return self._sweep.multitask.tuner

    @property
    def _mixture(self) -> tuple[str, ...]:
        """The tasks of multitask tuning."""
        multitask = self._sweep.multitask
        return multitask.tasks or tuple(name for name in self._sweep.tasks if name not in multitask.held_out)

    # One stage after the other

    def _stages(self, method: Method, task: str, budget: Budget) -> tuple[Stage, ...]:
        tuner, sequence = self._tuner(method), self._sequence(method)
        for name in sequence[:-1]:
            for setting in self._settings(name, tuner).space:
                raise UserError(
                    f"sweep '{self._sweep.name}': {setting} of '{name}' has several values, and '{name}' "
                    f"comes first in the stages of '{method}': only settings of the last stage are chosen; "
                    f"give it one value under [defaults.{name}]"
                )
        if not TUNERS[tuner].all_weights:
            for name in sequence[1:]:
                self._check_adapter(method, tuner, earlier=sequence[0], later=name)
        return tuple(self._stage(name, tuner, task, budget) for name in sequence)

    def _check_adapter(self, method: Method, tuner: Tuner, *, earlier: Method, later: Method) -> None:
        """Raise `UserError` where a later stage asks for another adapter than the one it goes on with."""
        existing, requested = self._settings(earlier, tuner), self._settings(later, tuner)
        for field in LORA_FIELDS:
            if field in requested.space or getattr(existing.training, field) != getattr(
                requested.training, field
            ):
                raise UserError(
                    f"sweep '{self._sweep.name}': {field} of '{later}' is not that of '{earlier}', and "
                    f"'{method}' goes on with the adapter of '{earlier}', which has one {field}; give all "
                    f"stages of it the same value, for example under [defaults.{tuner}]"
                )

    def _stage(self, method: Method, tuner: Tuner, task: str, budget: Budget) -> Stage:
        """One stage, in which a task is trained on or prepared for."""
        sweep, meta = self._sweep, None
        names: tuple[str, ...] = (task,)
        trains_on = METHOD_TABLE[method].trains_on
        if trains_on == "mixture":
            names = self._mixture
        elif trains_on == "other tasks":
            names = tuple(name for name in sweep.meta.tasks or sweep.tasks if name != task)
            meta = MetaLearning(**sweep.meta.model_dump(include=set(MetaLearning.model_fields)))
            budget = "all"  # a budget is what may be labelled of the task that is scored
        if not names:
            raise UserError(
                f"sweep '{sweep.name}': method '{method}' has no task to learn from before '{task}'; name "
                "more tasks in the sweep, or leave the method out"
            )
        settings = self._settings(method, tuner)
        training = settings.training
        if training.metric_for_best_model == "task_metric" and method in FIRST_STAGES:
            raise UserError(
                f"sweep '{sweep.name}': metric_for_best_model = 'task_metric' takes a training on one task, "
                f"and '{method}' mixes several; set it to 'eval_loss' under [defaults.{method}]"
            )
        portions = tuple(self._portion(name, budget) for name in names)
        if settings.bounds_evaluation and meta is None:
            available = max(len(self._tasks[name].dataset.dev) for name in names)
            training = bounded(training, portions, available=available)
        return Stage(tuner=tuner, portions=portions, training=training, meta=meta)

    def _portion(self, name: str, budget: Budget) -> Portion:
        if (name, budget) not in self._portions:
            loaded, sweep = self._tasks[name], self._sweep
            templates = choose_templates(
                loaded.task.prompts,
                sweep.train_templates or sweep.templates,
                where=f"sweep '{sweep.name}', task '{name}'",
            )
            self._portions[name, budget] = Portion(
                task=name,
                version=loaded.task.version,
                fingerprint=loaded.dataset.fingerprint,
                n_train=self._available(name, budget),
                templates=templates,
            )
        return self._portions[name, budget]

    # Settings, and what is to be chosen of them

    def _search(self, method: Method) -> Search | None:
        """What a method has to choose; None when there is one of each setting."""
        space = self._space(method)
        if not space:
            return None
        sweep = self._sweep
        searching = [name for name in self._spec.methods if self._space(name)]
        search = Search(space=space, settings=sweep.search, methods=len(searching))
        try:  # what no sampler can be made for is said before anything is trained
            make_sampler(search.space, sweep.search.sampler, seed=sweep.search.seed, maximize=True)
        except UserError as error:
            raise UserError(f"sweep '{sweep.name}', method '{method}': {error}") from None
        return search

    def _space(self, method: Method) -> dict[str, Any]:
        """The settings of a method's last stage that have several values."""
        if method not in TUNED:
            return {}
        return self._settings(self._sequence(method)[-1], self._tuner(method)).space

    def _settings(self, method: Method, tuner: Tuner) -> _Settings:
        """A stage's settings: the built-in ones, the sweep's and the candidate's."""
        if (method, tuner) not in self._settings_of:
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
            if TUNERS[tuner].all_weights:  # ranks of adapters are no choice where there is none
                space = {name: values for name, values in space.items() if name not in LORA_FIELDS}
            self._settings_of[method, tuner] = _Settings(
                make_training(settings, tuner), space, settings.keys().isdisjoint(EVALUATION_FIELDS)
            )
        return self._settings_of[method, tuner]
