"""The runs of one base model, brought to their results: the choice of settings, trainings, answers,
scores."""

from collections.abc import Mapping, Sequence

from harness.driver.choice import SettingsChoice
from harness.driver.outcome import SweepWork
from harness.driver.render import in_order
from harness.driver.waves import WaveOutcome, open_waves
from harness.plan.groups import Group
from harness.records.generation import GenerationRecord
from harness.records.predictions import read_answers
from harness.records.result import Result
from harness.records.store import read_record
from harness.records.training import Selection, TrainingRecord
from harness.sweep.run import Run
from harness.workers.listener import Note
from harness.workers.worker import check_not_stopping

RUNS_AT_ONCE = 250
"""Runs of a base model that are rendered, trained, answered and scored before the next are begun: enough that
on a GPU, where engine and training worker take turns, their starts weigh little."""


class GroupRunner:
    """The runs of one base model: the choice of their settings, then trainings, answers and results."""

    def __init__(
        self, group: Group, sweep: SweepWork, members: Mapping[str, Sequence[Result]] | None = None
    ) -> None:
        """`members`: what averaged arms are made of, by the key of their run."""
        self._group, self._sweep, self._shop = group, sweep, sweep.shop
        self._members = members or {}

    def run(self) -> None:
        """Choose, train, generate, score. Whatever fails is recorded and left out of the later phases."""
        runs = self._sweep.still_to_do(self._group.runs)
        if not runs:
            return
        with self._sweep.progress.line(self._group.name) as line:
            with open_waves(self._group, self._sweep, line) as waves:
                choice = SettingsChoice(self._sweep, waves)
                choices = choice.make(runs)
                first_portion, *later_portions = _portions([chosen.run for chosen in choices])
                outcome = waves.execute(first_portion, scored=True)
                selections = choice.selections(choices)
                for begun, portion in enumerate(later_portions, start=1):
                    self._record(outcome, selections)
                    done = begun * RUNS_AT_ONCE
                    following = f"{len(portion)} runs" if len(portion) > 1 else "run"
                    line.hear(Note(f"the next {following}; {done:,} of {len(choices):,} are done"))
                    outcome = waves.execute(portion, scored=True)
            # The workers have ended: what they held is free while the last runs are scored.
            self._record(outcome, selections)

    def _record(self, outcome: WaveOutcome, selections: Mapping[str, Selection]) -> None:
        """Bring the runs of a wave to their results, or to their recorded failures."""
        for failure in outcome.failures.values():
            self._sweep.fail(failure.run, failure.phase, failure.reason, failure.spent)
        for run in outcome.ready:
            check_not_stopping()  # where other threads work beside this one, Ctrl-C is not raised here
            with self._sweep.recording(run, "score"):
                self._score(run, selections.get(run.key))

    def _score(self, run: Run, selection: Selection | None) -> None:
        ask = self._shop.ask(run)
        self._sweep.finish(
            run,
            read_answers(ask.completions),
            trainings=self._trainings(run),
            generation=read_record(ask.record, GenerationRecord),
            selection=selection,
        )

    def _trainings(self, run: Run) -> list[TrainingRecord]:
        """Every training that the run's weights come from, in order."""
        if run.averaged:
            by_key: dict[str, TrainingRecord] = {}
            for member in self._members[run.key]:
                by_key |= {training.key: training for training in member.trainings}
            return list(by_key.values())
        recipes = in_order([run.recipe] if run.recipe else [])
        return [read_record(self._shop.fit(recipe).record, TrainingRecord) for recipe in recipes]


def _portions(runs: Sequence[Run]) -> list[list[Run]]:
    """At least one, each of at most `RUNS_AT_ONCE` runs; untuned arms first, as these need no training."""
    ordered = sorted(runs, key=lambda run: run.recipe is not None)
    starts = range(0, max(1, len(ordered)), RUNS_AT_ONCE)
    return [ordered[start : start + RUNS_AT_ONCE] for start in starts]
