"""The runs of one base model, brought to their results: the choice of settings, trainings, answers,
scores."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.driver.executors import Executor
from harness.driver.progress import Line, Progress
from harness.driver.render import Workshop, in_order
from harness.driver.scorecard import write_card
from harness.errors import UserError
from harness.plan.estimate import Estimator
from harness.plan.groups import Group
from harness.plan.selection import SettingsSearch, Trial
from harness.records.generation import GenerationRecord
from harness.records.predictions import EngineAnswer, read_answers
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Failure, Result
from harness.records.scores import MetricValue
from harness.records.store import read_record, use_of_failed_starts, write_record
from harness.records.training import ResourceUse, Selection, TrainingRecord
from harness.score.finish import TaskFacts, finish
from harness.score.judging import collect, score_predictions
from harness.sweep.engines import EngineName
from harness.sweep.models import model_kind
from harness.sweep.recipe import Recipe
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.toys import PREFIX, toy_folder
from harness.workers.jobs import GroupJob
from harness.workers.listener import reason_of
from harness.workers.worker import JobFailed, Message


@dataclass(frozen=True)
class Folders:
    """Where a sweep writes."""

    results: Path
    work: Path


@dataclass
class Outcome:
    """How a sweep ended."""

    already_done: int
    finished: list[Run] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """Of finished runs, why they may not be what they seem: untrusted, collapsed or diverged."""


def _losses(training: TrainingRecord | None) -> list[float]:
    """The curve that a person is shown: the loss on dev, or on the training samples where there is no dev."""
    if training is None:
        return []
    return [point.loss for point in training.dev_curve or training.train_curve]


@dataclass
class SweepWork:
    """What the groups of a sweep share, and where they bring what they have done."""

    outcome: Outcome
    facts: TaskFacts
    folders: Folders
    engine: EngineName
    settings: EngineSettings
    progress: Progress
    executor: Executor
    shop: Workshop
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while something is scored or recorded: groups do so from their own threads."""

    def finish(
        self,
        run: Run,
        answers: Sequence[EngineAnswer],
        *,
        trainings: Sequence[TrainingRecord],
        generation: GenerationRecord,
        selection: Selection | None = None,
    ) -> Result:
        """Score a run's answers and write its result."""
        with self.lock:
            result = finish(
                run, answers, self.facts, results=self.folders.results, trainings=trainings, generation=generation,
                selection=selection,
            )  # fmt: skip
            self.outcome.finished.append(run)
            primary = result.task.primary_metric
            reasons = {
                "untrusted": result.untrusted or "",
                "collapsed": result.collapsed,
                "diverged": next((training.diverged for training in trainings if training.diverged), ""),
            }
            doubts = {what: why for what, why in reasons.items() if why}
            self.outcome.doubts += [f"{run.label} {what}: {why}" for what, why in doubts.items()]
            value = result.metrics[primary].value
            self.progress.finished(
                run.label, primary, value, result.samples, doubts=doubts, losses=_losses(result.training)
            )
            return result

    @property
    def log(self) -> Path:
        """Where faults that nobody foresaw are written in full."""
        return self.folders.work / "logs" / "driver.log"

    @contextmanager
    def recording(self, run: Run, phase: str) -> Iterator[None]:
        """Turn what goes wrong with one run into its recorded failure."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:  # a fault of ours, or of a plugin, must not cost the runs beside it
            reason = reason_of(error, what=run.label, log=self.log)
            self.fail(run, phase, reason, ResourceUse(seconds=time.monotonic() - started))

    def fail(self, run: Run, phase: str, reason: str, spent: ResourceUse) -> None:
        """Record that a run came to nothing."""
        spent = spent.plus(use_of_failed_starts(self.folders.results, run))
        failure = Failure(
            schema_version=SCHEMA_VERSION, key=run.key, run=run, phase=phase, reason=reason, spent=spent
        )
        with self.lock:
            self.outcome.failed.append(failure)
            self.progress.failed(run.label, phase, reason)
            try:
                write_record(self.folders.results / run.folder / FAILURE, failure)
            except OSError as disk:
                self.progress.note(f"the failure of {run.label} could not be written: {disk}")


class GroupRunner:
    """The runs of one base model: the choice of their settings, all trainings, then all answers from one
    engine."""

    def __init__(
        self, group: Group, sweep: SweepWork, members: Mapping[str, Sequence[Result]] | None = None
    ) -> None:
        """`members`: what averaged arms are made of, by the key of their run."""
        self._group, self._sweep, self._shop = group, sweep, sweep.shop
        self._members = members or {}
        is_toy = model_kind(group.model) == "toy"
        self._model = str(toy_folder(group.model.removeprefix(PREFIX))) if is_toy else group.model
        self._line = sweep.progress.line(group.name)

    def run(self) -> None:
        """Choose, train, generate, score. Whatever fails is recorded and left out of the later phases."""
        with self._line:
            chosen = self._choose()
            ready, failures = self._execute([run for run, _ in chosen])
            selections = {run.key: selection for run, selection in chosen}
            for failed in failures.values():
                self._sweep.fail(failed.run, failed.phase, failed.reason, failed.spent)
            finished = []
            for run in ready:
                with self._sweep.recording(run, "score"):
                    finished.append(self._score(run, selections[run.key]))
            self._write_cards(finished)

    def _write_cards(self, finished: Sequence[Result]) -> None:
        """What weights scored and gained, beside them."""
        by_recipe: dict[str, list[Result]] = {}
        for result in finished:
            if result.run.recipe is not None and result.run.guard is None:
                by_recipe.setdefault(result.run.recipe.key, []).append(result)
        for results in by_recipe.values():
            recipe = results[0].run.recipe
            assert recipe is not None, "only tuned arms are among them"
            fit = self._shop.fit(recipe, results[0].run.label)
            write_card(fit, results, finished, base=self._group.model, results=self._sweep.folders.results)

    def _score(self, run: Run, selection: Selection | None) -> Result:
        ask = self._shop.ask(run)
        return self._sweep.finish(
            run,
            read_answers(ask.completions),
            trainings=self._trainings(run),
            generation=read_record(ask.record, GenerationRecord),
            selection=selection,
        )

    def _trainings(self, run: Run) -> list[TrainingRecord]:
        """Every training that the run's weights come from, in order."""
        if run.averaged:
            known = {
                training.key: training for member in self._members[run.key] for training in member.trainings
            }
            return list(known.values())
        recipes = in_order([run.recipe] if run.recipe else [])
        return [read_record(self._shop.fit(recipe).record, TrainingRecord) for recipe in recipes]

    # The choice of settings

    def _choose(self) -> list[tuple[Run, Selection | None]]:
        """Every run with the settings that did best on dev, and how they were chosen."""
        plain = [run for run in self._group.runs if run.search is None]
        arms: dict[tuple[object, ...], list[Run]] = {}
        for run in self._group.runs:
            if run.search is not None:
                arms.setdefault(run.arm, []).append(run)
        searches, settled = [], list[Run]()
        for runs in arms.values():
            own = next((run for run in runs if run.guard is None), None)
            if own is None:
                settled += runs
            else:
                searches.append((self._search(own), runs))
        while waves := [(search, wave) for search, _ in searches if (wave := search.wave())]:
            self._try(waves)
        chosen: list[tuple[Run, Selection | None]] = [(run, None) for run in plain]
        for run in settled:
            with self._sweep.recording(run, "search"):
                chosen.append((self._as_chosen_before(run), None))
        for search, runs in searches:
            for run in runs:
                try:
                    # A guard run only has the weights of another, which tells how they were chosen.
                    chosen.append((search.chosen(run), search.record() if run.guard is None else None))
                except UserError as error:
                    # All runs of the arm fail for what its trials took, which is told once.
                    self._sweep.fail(
                        run, "search", str(error), search.spent if run is runs[0] else ResourceUse()
                    )
        return chosen

    def _as_chosen_before(self, run: Run) -> Run:
        """A guard run with the settings of the finished run whose weights it scores. Raises `UserError`
        without one."""
        assert run.guarded is not None, "an ordinary run is searched for"
        path = self._sweep.folders.results / run.guarded / RESULT
        if path.exists():
            chosen = run.model_copy(update={"stages": read_record(path, Result).run.stages})
            if chosen.cell == run.cell:
                return chosen
        raise UserError(
            f"it is scored with the weights of {run.guarded}, whose settings are not chosen yet; run that, too (does --only "
            "leave it out?)"
        )

    def _search(self, run: Run) -> SettingsSearch:
        loaded = self._sweep.facts.tasks[run.task]
        metric = loaded.task.primary_metric
        tokens, seconds = Estimator(self._sweep.facts.tasks).trial(run)
        return SettingsSearch(
            run,
            metric=metric,
            higher_is_better=self._sweep.facts.card(run.task).metrics[metric].higher_is_better,
            tokens_per_trial=tokens,
            seconds_per_trial=seconds,
        )

    def _try(self, waves: Sequence[tuple[SettingsSearch, list[Trial]]]) -> None:
        """Train and answer the waves of all searches together, and tell them what came of it."""
        ready, failures = self._execute([trial.run for _, wave in waves for trial in wave])
        keys = {run.key for run in ready}
        for search, wave in waves:
            scores: dict[int, MetricValue | None] = {}
            losses: dict[int, float] = {}
            spent: dict[int, ResourceUse] = {}
            reasons: dict[int, str] = {}
            for place, trial in enumerate(wave):
                scores[place], spent[place] = None, trial.spent
                if trial.run.key in keys:
                    try:
                        scores[place] = self._value(trial.run)
                        spent[place], loss = self._training_of(trial)
                        losses |= {} if loss is None else {place: loss}
                    except UserError as error:
                        reasons[place] = str(error)
                else:
                    failure = failures[trial.run.key]
                    reasons[place] = f"{failure.phase} failed: {failure.reason}"
                    spent[place] = trial.spent.plus(failure.spent)
            search.tell(scores, spent, reasons, losses)

    def _value(self, run: Run) -> MetricValue:
        """The primary metric of a trial's answers on dev."""
        task = self._sweep.facts.tasks[run.task].task
        answers = read_answers(self._shop.ask(run).completions)
        scored = score_predictions(task, collect(self._shop.samples(run), answers))
        if task.primary_metric not in scored.metrics:
            raise UserError(f"none of its {len(answers)} answers on dev could be scored")
        return scored.metrics[task.primary_metric]

    def _training_of(self, trial: Trial) -> tuple[ResourceUse, float | None]:
        """What a trial has taken so far, training up to its rung and answering at every rung; and its loss on
        dev there."""
        generation = read_record(self._shop.ask(trial.run).record, GenerationRecord)
        answered = generation.swap_seconds + generation.guard_seconds + generation.generate_seconds
        assert trial.run.recipe is not None, "a trial trains"
        record = read_record(self._shop.fit(trial.run.recipe).record, TrainingRecord)
        # The record of a rung counts from the start of the training.
        earlier = trial.answered_seconds
        trial.answered_seconds = earlier + answered
        spent = ResourceUse(
            seconds=record.all_seconds + trial.answered_seconds,
            tokens=record.tokens + record.discarded.tokens,
            flops=record.flops + record.discarded.flops,
        )
        return spent, record.best_dev_loss

    # The work

    def _execute(self, runs: Sequence[Run]) -> tuple[list[Run], dict[str, Failure]]:
        """Have runs trained and answered. Those that are, and what became of the others, by their keys."""
        hears = _Hears(self, runs)
        rendered = [run for run in runs if self._render(run, hears)]
        recipes = in_order(run.recipe for run in rendered if run.recipe)
        labels = {run.recipe.key: run.label for run in reversed(rendered) if run.recipe}
        group = GroupJob(
            name=self._group.name,
            model=self._model,
            revision=self._group.revision,
            engine=self._sweep.engine,
            max_model_len=self._group.max_model_len,
            fits=tuple(self._shop.fit(recipe, labels.get(recipe.key, "a first stage")) for recipe in recipes),
            asks=tuple(self._shop.ask(run) for run in rendered),
        )
        hears.recipes = {recipe.key: recipe for recipe in recipes}
        try:
            self._sweep.executor.execute(
                group, work=self._shop.work, settings=self._sweep.settings, listener=hears
            )
        except JobFailed as error:  # every node that tried was lost
            for run in rendered:
                hears.failed(run.key, "run", str(error), 0.0)
        return [run for run in rendered if run.key not in hears.failures], hears.failures

    def _render(self, run: Run, hears: "_Hears") -> bool:
        """Write the files the workers read. Whether that succeeded."""
        started = time.monotonic()
        try:
            for recipe in in_order([run.recipe] if run.recipe else []):
                self._shop.write_training(recipe)
            self._shop.write_prompts(run)
        except Exception as error:  # a plugin's own code renders its prompts
            reason = reason_of(error, what=run.label, log=self._sweep.log)
            hears.failed(run.key, "render", reason, time.monotonic() - started)
            return False
        return True

    def judge(self, recipe: Recipe, rows: list[Message]) -> Message:
        """The primary metric of answers that a training gave on dev; its worst value when none could be
        scored."""
        task = self._sweep.facts.tasks[recipe.stages[-1].portions[0].task].task
        card = self._sweep.facts.card(task.name).metrics[task.primary_metric]
        answers = [EngineAnswer(**row) for row in rows]
        scored = score_predictions(task, collect(self._shop.judged_on(recipe), answers))
        value = (
            scored.metrics[task.primary_metric].value
            if scored.metrics
            else card.low
            if card.higher_is_better
            else card.high
        )
        return {"value": value, "higher_is_better": card.higher_is_better}

    @property
    def line(self) -> Line:
        """Where the progress of the group is shown."""
        return self._line


class _Hears:
    """Listens to the work on some runs: shows how far it is, answers what it asks, and keeps what failed."""

    def __init__(self, runner: GroupRunner, runs: Sequence[Run]) -> None:
        self._runner, self._runs = runner, {run.key: run for run in runs}
        self.recipes: dict[str, Recipe] = {}
        self.failures: dict[str, Failure] = {}
        self._lost: dict[str, float] = {}
        self._starts, self._not_rendered = 0, dict[str, Failure]()

    def started(self) -> None:
        if self._starts:
            self.note("a node was lost, and its work begins again elsewhere")
            self.failures = dict(self._not_rendered)
        self._not_rendered = dict(self.failures)
        self._starts += 1

    def phase(self, what: str, jobs: int) -> None:
        self._runner.line.phase(what, jobs)

    def job(self, label: str) -> None:
        self._runner.line.job(label)

    def within(self, done: float, total: float) -> None:
        self._runner.line.within(done, total)

    def advance(self, jobs: int) -> None:
        self._runner.line.advance(jobs)

    def note(self, text: str) -> None:
        self._runner.line.note(text)

    def failed(self, key: str, phase: str, reason: str, seconds: float) -> None:
        """A run's own work failed, or a training that it needs."""
        if key not in self._runs and not any(
            run.recipe and run.recipe.key == key for run in self._runs.values()
        ):
            self._lost[key] = seconds  # a first stage: those who wait for it fail next
            return
        for run in self._runs.values():
            if run.key == key or (run.recipe is not None and run.recipe.key == key):
                self.failures[run.key] = Failure(
                    schema_version=SCHEMA_VERSION, key=run.key, run=run, phase=phase, reason=reason,
                    spent=ResourceUse(seconds=seconds + self._lost_before(run)),
                )  # fmt: skip

    def _lost_before(self, run: Run) -> float:
        """Seconds of first stages that failed, told of the first run that waited for them."""
        recipes = in_order([run.recipe] if run.recipe else [])
        return sum(self._lost.pop(recipe.key, 0.0) for recipe in recipes)

    def judge(self, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return self._runner.judge(self.recipes[key], rows)
