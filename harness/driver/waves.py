"""Have runs of one base model trained and answered, wave after wave, by the same workers."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.driver.executors import Workplace
from harness.driver.outcome import SweepWork
from harness.driver.progress import ProgressLine
from harness.driver.render import in_order
from harness.plan.groups import Group
from harness.records.disk import check_disk
from harness.records.predictions import EngineAnswer
from harness.records.result import SCHEMA_VERSION, Failure
from harness.records.training import ResourceUse
from harness.score.judging import collect, score_predictions
from harness.sweep.models import is_tiny, model_kind
from harness.sweep.recipe import Recipe
from harness.sweep.run import Run
from harness.toys import PREFIX, toy_folder
from harness.workers.jobs import BaseJob, WaveJob
from harness.workers.listener import JobFailure, JobsEnded, Listener, PhaseBegan, reason_of
from harness.workers.worker import JobFailed, Message

MANY_RUNS, TOLD_EVERY = 1_000, 100
"""From how many runs on rendering is a phase that is told of, and after how many of them each time."""


@dataclass(frozen=True)
class WaveOutcome:
    """What became of the runs of a wave."""

    ready: list[Run]
    """Those whose answers are there."""

    failures: dict[str, Failure]
    """Those of the others, by their keys."""


class Waves:
    """The work on one base model. Its workers are kept from one wave to the next."""

    def __init__(
        self, sweep: SweepWork, workplace: Workplace, recipes: dict[str, Recipe], listener: Listener
    ) -> None:
        """`listener`: hears how far long rendering is."""
        self._sweep, self._workplace, self._recipes = sweep, workplace, recipes
        self._tell = listener

    def execute(self, runs: Sequence[Run], *, scored: bool = False) -> WaveOutcome:
        """Have runs trained and answered. `scored`: results are made of them before the next wave."""
        failures: dict[str, Failure] = {}
        rendered = []
        takes_long = len(runs) >= MANY_RUNS
        if takes_long:
            self._tell(PhaseBegan("render", len(runs)))
        for number, run in enumerate(runs, start=1):
            failure = self._render(run)
            if takes_long and number % TOLD_EVERY == 0:
                self._tell(JobsEnded(TOLD_EVERY))
            if failure is None:
                rendered.append(run)
            else:
                failures[run.key] = failure
        try:
            report = self._workplace.execute(self._wave(rendered, scored=scored))
            failures |= _failures_of_runs(report.failures, rendered)
        except JobFailed as error:  # every node that tried was lost
            failures |= {run.key: _failure(run, "run", str(error), 0.0) for run in rendered}
        return WaveOutcome([run for run in rendered if run.key not in failures], failures)

    def _render(self, run: Run) -> Failure | None:
        """Write the files that the workers read, or say why that was not possible."""
        started = time.monotonic()
        try:
            for recipe in in_order([run.recipe] if run.recipe else []):
                self._sweep.shop.write_training(recipe)
            self._sweep.shop.write_prompts(run)
        except Exception as error:  # a plugin's own code renders its prompts
            if isinstance(error, OSError):
                check_disk(self._sweep.shop.work, error)
            reason = reason_of(error, subject=run.label, log=self._sweep.log)
            return _failure(run, "render", reason, time.monotonic() - started)
        return None

    def _wave(self, runs: Sequence[Run], *, scored: bool) -> WaveJob:
        shop = self._sweep.shop
        recipes = in_order(run.recipe for run in runs if run.recipe)
        self._recipes |= {recipe.key: recipe for recipe in recipes}
        labels = {run.recipe.key: run.label for run in reversed(runs) if run.recipe}
        return WaveJob(
            fits=tuple(shop.fit(recipe, labels.get(recipe.key, "a first stage")) for recipe in recipes),
            asks=tuple(shop.ask(run) for run in runs),
            scored=scored,
        )


@contextmanager
def open_waves(group: Group, sweep: SweepWork, line: ProgressLine) -> Iterator[Waves]:
    """The workers of a base model, until the context is left."""
    is_toy = model_kind(group.model) == "toy"
    base = BaseJob(
        name=group.name,
        model=str(toy_folder(group.model.removeprefix(PREFIX))) if is_toy else group.model,
        revision=group.revision,
        fingerprint=group.runs[0].candidate.fingerprint,
        engine=sweep.engine,
        max_model_len=group.max_model_len,
        servable=(group.model, group.revision) in sweep.servable,
        # Two threads that wait for each other on busy cores take several times as long as one.
        threads=1 if is_tiny(group.model) else None,
    )
    recipes: dict[str, Recipe] = {}  # filled by every wave, before a training of it can ask

    def judge(key: str, rows: list[Message]) -> Message:
        return _judge(recipes[key], rows, sweep)

    with sweep.executor.open(
        base, work=sweep.shop.work, settings=sweep.settings, listener=line.hear, judge=judge
    ) as workplace:
        yield Waves(sweep, workplace, recipes, line.hear)


def _judge(recipe: Recipe, rows: list[Message], sweep: SweepWork) -> Message:
    """The primary metric of answers that a training gave on dev; its worst value when none could be
    scored."""
    task = sweep.facts.tasks[recipe.stages[-1].portions[0].task].task
    card = sweep.facts.card(task.name).metrics[task.primary_metric]
    answers = [EngineAnswer(**row) for row in rows]
    predictions = collect(sweep.shop.judged_on(recipe), answers)
    scored = score_predictions(task, predictions, thought_marks=recipe.thought_marks)
    worst = card.low if card.higher_is_better else card.high
    value = scored.metrics[task.primary_metric].value if scored.metrics else worst
    return {"value": value, "higher_is_better": card.higher_is_better}


def _failures_of_runs(job_failures: Iterable[JobFailure], runs: Sequence[Run]) -> dict[str, Failure]:
    """The failures of jobs as those of runs: their own, or that of the training that makes their weights.

    The seconds of a first stage are told of the first run that waited for it.
    """
    failures: dict[str, Failure] = {}
    unclaimed: dict[str, float] = {}
    for job in job_failures:
        waiting = [run for run in runs if job.key in (run.key, run.recipe.key if run.recipe else None)]
        if not waiting:
            unclaimed[job.key] = job.seconds
        for run in waiting:
            stages = in_order([run.recipe] if run.recipe else [])
            before = sum(unclaimed.pop(stage.key, 0.0) for stage in stages)
            failures[run.key] = _failure(run, job.phase, job.reason, job.seconds + before)
    return failures


def _failure(run: Run, phase: str, reason: str, seconds: float) -> Failure:
    spent = ResourceUse(seconds=seconds)
    return Failure(
        schema_version=SCHEMA_VERSION, key=run.key, run=run, phase=phase, reason=reason, spent=spent
    )
