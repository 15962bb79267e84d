"""The runs of one base model, brought to their results: the choice of settings, trainings, answers,
scores."""

from collections.abc import Mapping, Sequence

from harness.driver.choice import SettingsChoice
from harness.driver.outcome import SweepWork
from harness.driver.render import in_order
from harness.driver.waves import open_waves
from harness.plan.groups import Group
from harness.records.generation import GenerationRecord
from harness.records.predictions import read_answers
from harness.records.result import Result
from harness.records.store import read_record
from harness.records.training import Selection, TrainingRecord
from harness.sweep.run import Run
from harness.workers.worker import check_not_stopping


class GroupRunner:
    """The runs of one base model: the choice of their settings, all trainings, then all answers."""

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
                outcome = waves.execute([chosen.run for chosen in choices])
            for failure in outcome.failures.values():
                self._sweep.fail(failure.run, failure.phase, failure.reason, failure.spent)
            selections = choice.selections(choices)
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
