"""Choose the settings of one base model's runs: the searches of all its arms, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from harness.counts import count_of
from harness.driver.outcome import SweepWork
from harness.driver.waves import WaveOutcome, Waves
from harness.errors import UserError
from harness.plan.estimate import Estimator
from harness.plan.evaluation import judged_limit
from harness.plan.selection import SearchTrial, SettingsSearch
from harness.records.generation import GenerationRecord
from harness.records.predictions import read_answers
from harness.records.result import RESULT, Result
from harness.records.scores import MetricValue
from harness.records.store import read_record
from harness.records.training import ResourceUse, Selection, TrainingRecord
from harness.score.judging import collect, score_predictions
from harness.sweep.run import Run


@dataclass(frozen=True)
class ChosenRun:
    """A run with the settings that did best on dev."""

    run: Run
    chosen_by: SettingsSearch | Selection | None
    """The search that chose them, now or for an earlier seed; None where nothing was searched for, or another
    run tells it."""


class SettingsChoice:
    """Tries the settings of all searches of a base model, wave after wave."""

    def __init__(self, sweep: SweepWork, waves: Waves) -> None:
        self._sweep, self._waves = sweep, waves
        self._rungs: list[tuple[SearchTrial, Run]] = []
        """Every trial that was answered, with its run at that rung."""

    def make(self, runs: Sequence[Run]) -> list[ChosenRun]:
        """Every run with its settings, those left out whose search failed."""
        choices = [ChosenRun(run, None) for run in runs if run.search is None]
        arms: dict[tuple[object, ...], list[Run]] = {}
        for run in runs:
            if run.search is not None:
                arms.setdefault(run.arm, []).append(run)
        searches: list[tuple[SettingsSearch, list[Run]]] = []
        for arm in arms.values():
            ordinary = next((run for run in arm if run.guard is None), None)
            earlier = None if ordinary is None else self._finished_with_another_seed(ordinary)
            if ordinary is None:
                choices += self._chosen_before(arm)
            elif earlier is not None:
                choices += self._chosen_as_in(earlier, arm)
            else:
                searches.append((self._search(ordinary), arm))
        while waves := [(search, wave) for search, _ in searches if (wave := search.wave())]:
            self._try(waves)
        for search, arm in searches:
            choices += self._chosen_now(search, arm)
        return choices

    def selections(self, choices: Sequence[ChosenRun]) -> dict[str, Selection]:
        """How the settings of runs were chosen, by their keys.

        Call it once, after the first wave that is scored: then each trial's share of its workers' starts
        is known for good.
        """
        for trial, run in self._rungs:
            trial.spent = trial.spent.plus(ResourceUse(seconds=self._startup_seconds(run)))
        records = {}
        for choice in choices:
            if isinstance(choice.chosen_by, SettingsSearch):
                records[choice.run.key] = choice.chosen_by.record()
            elif choice.chosen_by is not None:
                records[choice.run.key] = choice.chosen_by
        return records

    def _chosen_before(self, arm: Sequence[Run]) -> list[ChosenRun]:
        choices = []
        for run in arm:
            with self._sweep.recording(run, "search"):
                choices.append(ChosenRun(self._as_chosen_before(run), None))
        return choices

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
            f"it is scored with the weights of {run.guarded}, whose settings are not chosen yet; run "
            "that, too (does --only "
            "leave it out?)"
        )

    def _finished_with_another_seed(self, run: Run) -> Result | None:
        """A finished run of the same arm, whose settings all its seeds have; None where there is none."""
        seeds = (self._sweep.folders.results / run.folder).parent
        for path in sorted(seeds.glob(f"seed-*/{RESULT}")):
            try:
                result = read_record(path, Result)
            except UserError:  # whoever runs that seed is told of it
                continue
            if result.selection and result.run.model_copy(update={"seed": run.seed}).cell == run.cell:
                return result
        return None

    def _chosen_as_in(self, earlier: Result, arm: Sequence[Run]) -> list[ChosenRun]:
        choices = []
        for run in arm:
            selection = earlier.selection if run.guard is None else None
            chosen = run.model_copy(update={"stages": earlier.run.stages})
            choices.append(ChosenRun(chosen, selection))
        return choices

    def _chosen_now(self, search: SettingsSearch, arm: Sequence[Run]) -> list[ChosenRun]:
        choices = []
        for run in arm:
            try:
                chosen = search.chosen(run)
            except UserError as error:
                # All runs of the arm fail for what its trials took, which is told once.
                self._sweep.fail(run, "search", str(error), search.spent if run is arm[0] else ResourceUse())
            else:
                # A guard run only has the weights of another, which tells how they were chosen.
                choices.append(ChosenRun(chosen, search if run.guard is None else None))
        return choices

    def _search(self, run: Run) -> SettingsSearch:
        metric = self._sweep.facts.tasks[run.task].task.primary_metric
        tokens, seconds = Estimator(self._sweep.facts.tasks).trial(run)
        return SettingsSearch(
            run,
            metric=metric,
            higher_is_better=self._sweep.facts.card(run.task).metrics[metric].higher_is_better,
            tokens_per_trial=tokens,
            seconds_per_trial=seconds,
            judged=judged_limit(len(self._sweep.facts.tasks[run.task].dataset.dev)),
        )

    # Trials

    def _try(self, waves: Sequence[tuple[SettingsSearch, list[SearchTrial]]]) -> None:
        """Train and answer the waves of all searches together, and tell them what came of it."""
        trials = chain.from_iterable(wave for _, wave in waves)
        outcome = self._waves.execute([trial.run for trial in trials])
        for search, wave in waves:
            self._tell(search, wave, outcome)

    def _tell(self, search: SettingsSearch, wave: Sequence[SearchTrial], outcome: WaveOutcome) -> None:
        scores: dict[int, MetricValue | None] = {}
        losses: dict[int, float] = {}
        spent: dict[int, ResourceUse] = {}
        reasons: dict[int, str] = {}
        for place, trial in enumerate(wave):
            scores[place], spent[place] = None, trial.spent
            failure = outcome.failures.get(trial.run.key)
            if failure is not None:
                reasons[place] = f"{failure.phase} failed: {failure.reason}"
                spent[place] = trial.spent.plus(failure.spent)
                continue
            try:
                spent[place], loss = self._training_of(trial)
                self._rungs.append((trial, trial.run))
                if loss is not None:
                    losses[place] = loss
                scores[place] = self._value(trial.run)
            except UserError as error:
                reasons[place] = str(error)
        search.tell(scores, spent, reasons, losses)

    def _value(self, run: Run) -> MetricValue:
        """The primary metric of a trial's answers on dev."""
        task = self._sweep.facts.tasks[run.task].task
        answers = read_answers(self._sweep.shop.ask(run).completions)
        predictions = collect(self._sweep.shop.samples(run), answers)
        scored = score_predictions(task, predictions, thought_marks=run.candidate.thought_marks)
        if task.primary_metric not in scored.metrics:
            raise UserError(f"none of its {count_of(len(answers), 'answer')} on dev could be scored")
        return scored.metrics[task.primary_metric]

    def _training_of(self, trial: SearchTrial) -> tuple[ResourceUse, float | None]:
        """What a trial has taken so far, and its loss on dev at its rung.

        Counted are its training up to there and its answers at every rung, without the starts of workers.
        """
        training, generation = self._records(trial.run)
        answered = generation.swap_seconds + generation.guard_seconds + generation.generate_seconds
        # The record of a rung counts from the start of the training.
        trial.answered_seconds += answered * generation.num_devices
        spent = ResourceUse(
            seconds=training.all_seconds - training.startup_seconds + trial.answered_seconds,
            tokens=training.tokens + training.discarded.tokens,
            flops=training.flops + training.discarded.flops,
        )
        return spent, training.dev_loss

    def _startup_seconds(self, run: Run) -> float:
        """Device-seconds of the starts of workers that a trial answers for at a rung."""
        training, generation = self._records(run)
        return training.startup_seconds + generation.startup_seconds * generation.num_devices

    def _records(self, run: Run) -> tuple[TrainingRecord, GenerationRecord]:
        assert run.recipe is not None, "a trial trains"
        return (
            read_record(self._sweep.shop.fit(run.recipe).record, TrainingRecord),
            read_record(self._sweep.shop.ask(run).record, GenerationRecord),
        )
