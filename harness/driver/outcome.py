"""What the base models of a sweep share, and where every run is brought: to its result, or to its recorded
failure."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.driver.executors import Executor
from harness.driver.progress import SweepProgress
from harness.driver.render import Workshop
from harness.driver.ways import Servable
from harness.errors import UserError
from harness.plan.runs import is_done
from harness.preflight.examine import Preflight
from harness.records.disk import check_disk
from harness.records.generation import GenerationRecord
from harness.records.predictions import EngineAnswer
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Failure
from harness.records.store import use_of_failed_starts, write_record
from harness.records.training import ResourceUse, Selection, TrainingRecord
from harness.records.writing import one_writer
from harness.score.finish import TaskFacts, finish
from harness.sweep.engines import EngineName
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.workers.listener import reason_of


@dataclass(frozen=True)
class Folders:
    """Where a sweep writes."""

    results: Path
    work: Path


@dataclass
class SweepOutcome:
    """How a sweep ended."""

    already_done: int
    finished: list[Run] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    """Of finished runs, why they may not be what they seem: untrusted, collapsed or diverged."""

    cut: dict[str, str] = field(default_factory=dict)
    """Of arms on a task, that many of their answers were cut: as the first of their runs has it."""


def _losses(training: TrainingRecord | None) -> list[float]:
    """The curve that a person is shown: the loss on dev, or on the training samples where there is no dev."""
    if training is None:
        return []
    return [point.loss for point in training.dev_curve or training.train_curve]


@dataclass
class SweepWork:
    """What the groups of a sweep share, and where they bring what they have done."""

    outcome: SweepOutcome
    facts: TaskFacts
    folders: Folders
    engine: EngineName
    settings: EngineSettings
    progress: SweepProgress
    executor: Executor
    shop: Workshop
    servable: Servable
    preflight: Preflight = field(default_factory=Preflight)
    """What was noticed of the models that still have something to do."""

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
    ) -> None:
        """Score a run's answers and write its result, unless another sweep has finished the run meanwhile."""
        with self.lock:
            result = finish(
                run,
                answers,
                self.facts,
                results=self.folders.results,
                trainings=trainings,
                generation=generation,
                selection=selection,
                preflight=self.preflight.of(run),
            )
            if result is None:
                self._leave(run)
                return
            self.outcome.finished.append(run)
            primary = result.task.primary_metric
            reasons = {
                "untrusted": result.untrusted or "",
                "collapsed": result.collapsed,
                "begun wrongly": result.begun_wrongly,
                "diverged": next((training.diverged for training in trainings if training.diverged), ""),
            } | {f"without {name}": reason for name, reason in result.lost.items()}
            doubts = {doubt: reason for doubt, reason in reasons.items() if reason}
            self.outcome.doubts += [f"{run.label} {doubt}: {reason}" for doubt, reason in doubts.items()]
            if result.often_cut:
                self.outcome.cut.setdefault(run.label_without_seed, result.often_cut)
                doubts["answers cut"] = result.often_cut
            value = result.metrics[primary].value
            self.progress.finished(
                run.label, primary, value, result.samples, doubts=doubts, losses=_losses(result.training)
            )

    def still_to_do(self, runs: Iterable[Run]) -> list[Run]:
        """The runs that no other sweep has finished since this one looked what is done."""
        left = []
        for run in runs:
            with self.recording(run, "plan"):
                if not is_done(self.folders.results, run):
                    left.append(run)
                    continue
                with self.lock:
                    self._leave(run)
        return left

    def _leave(self, run: Run) -> None:
        self.outcome.already_done += 1
        self.progress.note(f"{run.label}: another sweep has finished it meanwhile; its result is kept")

    @property
    def log(self) -> Path:
        """Where faults that nobody foresaw are written in full."""
        return self.folders.work / "logs" / "driver.log"

    @contextmanager
    def recording(self, run: Run, phase: str) -> Iterator[None]:
        """Turn what goes wrong with one run into its recorded failure.

        Raises `DiskFault` where no result can be written any more.
        """
        started = time.monotonic()
        try:
            yield
        except Exception as error:  # a fault of ours, or of a plugin, must not cost the runs beside it
            if isinstance(error, OSError):
                check_disk(self.folders.results, error)
            reason = reason_of(error, subject=run.label, log=self.log)
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
                self._write_failure(failure)
            except (OSError, UserError) as error:
                self.progress.note(f"the failure of {run.label} could not be written: {error}")

    def _write_failure(self, failure: Failure) -> None:
        folder = self.folders.results / failure.run.folder
        with one_writer(folder):
            if not (folder / RESULT).exists():  # another sweep may have finished it meanwhile
                write_record(folder / FAILURE, failure)
