"""The trainings of one base model, all in one worker."""

import time
from collections.abc import Sequence
from pathlib import Path

from harness.driver.devices import worker_environment
from harness.driver.startups import StartShares
from harness.jsonl import read_jsonl
from harness.records.disk import DiskFault, check_disk
from harness.records.store import write_record
from harness.records.training import TrainingRecord
from harness.workers.jobs import BaseJob, FitJob
from harness.workers.listener import (
    Event,
    FilesWritten,
    JobAdvanced,
    JobBegan,
    JobFailure,
    JobsEnded,
    Listener,
    MetricJudge,
    Note,
    PhaseBegan,
    reason_of,
)
from harness.workers.worker import JobFailed, Message, Worker, WorkerDied


class TrainingPhase:
    """Keeps the training worker of a base model from one wave to the next."""

    def __init__(
        self, base: BaseJob, *, work: Path, devices: str | None, listener: Listener, judge: MetricJudge
    ) -> None:
        """`devices`: as CUDA_VISIBLE_DEVICES has them; a training takes the first."""
        self._base, self._devices, self._tell, self._judge = base, devices, listener, judge
        self._work, self._log = work, work / "logs" / f"{base.name}-train.log"
        self._worker: Worker | None = None
        self._cannot_start: JobFailed | None = None
        self._died_starting = False
        """Whether the last one died while it started: once, that may be for what is over by now."""

        self._starts = StartShares(TrainingRecord)
        self._missing: dict[Path, str] = {}
        """Weights that did not come to be, and why."""

    def run(self, fits: Sequence[FitJob]) -> tuple[list[JobFailure], list[Path]]:
        """Train in this order. What failed, and all records that were written.

        Raises `DiskFault` where nothing can be written any more: the next training would fail as well.
        """
        self._missing.clear()
        self._tell(PhaseBegan("train", len(fits)))
        failures = []
        for fit in fits:
            self._tell(JobBegan(fit.label))
            failure = self._train(fit, provisional_share=1 / len(fits))
            if failure is None:
                self._tell(FilesWritten((fit.record,)))
            else:
                self._missing[fit.weights] = failure.reason
                failures.append(failure)
            self._tell(JobsEnded(1))
        return failures, self._starts.settle()

    def pay_starts(self) -> None:
        """Charge no later job for the starts so far."""
        self._starts.pay()

    def close(self) -> None:
        """End the worker; another is started when it is needed."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None

    def _train(self, fit: FitJob, *, provisional_share: float) -> JobFailure | None:
        """Make one job's weights and write its record, or say why not."""
        for needed in (*((fit.start,) if fit.start else ()), *fit.members):
            if needed in self._missing:
                reason = f"a training that it needs failed: {self._missing[needed]}"
                return JobFailure(fit.key, "train", reason, 0.0)
        seconds = self._starts.stopwatch()
        try:
            worker, record = self._train_or_go_on(fit)
            startup_seconds = worker.startup_seconds * provisional_share
            write_record(fit.record, record.model_copy(update={"startup_seconds": startup_seconds}))
        except DiskFault:
            raise
        except Exception as error:  # a fault of ours must not cost the jobs beside it
            check_disk(self._work, error)
            reason = reason_of(error, subject=fit.key, log=self._log)
            failure = JobFailure(fit.key, "train", reason, seconds())
            self._starts.failed(failure)
            return failure
        self._starts.served(fit.record)
        return None

    def _train_or_go_on(self, fit: FitJob) -> tuple[Worker, TrainingRecord]:
        """The record of a training, and the worker that ended it: another one where the first died."""
        deaths = 0
        while True:
            try:
                worker = self._started()
                return worker, self._request(worker, fit)
            except WorkerDied as death:
                check_disk(self._work, death)  # a worker ends that cannot write its log
                deaths += 1
                if deaths > 1 or self._cannot_start is not None:
                    raise
                self._tell(
                    Note(f"{fit.label}: {death}; it is started again and goes on from its last checkpoint")
                )

    def _request(self, worker: Worker, fit: FitJob) -> TrainingRecord:
        def judge(question: Message) -> Message:
            return self._judge(fit.key, list(read_jsonl(Path(question["completions"]))))

        try:
            answer = worker.request(fit.model_dump(mode="json"), self._report, answer_question=judge)
        except JobFailed as error:
            if isinstance(error, WorkerDied):
                self.close()
            raise
        except Exception:  # of a task's own metric, perhaps
            # The worker waits for an answer in the middle of its job, and would take the next job for it.
            self.close()
            raise
        return TrainingRecord.model_validate(answer["record"])

    def _report(self, message: Message) -> None:
        event: Event = (
            Note(message["note"])
            if "note" in message
            else JobAdvanced(message["done"], message["total"], message.get("loss"))
        )
        self._tell(event)

    def _started(self) -> Worker:
        if self._cannot_start is not None:
            raise self._cannot_start  # a start takes long, and would fail for every job alike
        if self._worker is None:
            options = ["--model", self._base.model]
            if self._base.revision:
                options += ["--revision", self._base.revision]
            if self._base.fingerprint:
                options += ["--fingerprint", self._base.fingerprint]
            # A training takes one device, however many its engine may take.
            device = None if self._devices is None else self._devices.split(",")[0]
            began = time.monotonic()
            try:
                self._worker = Worker(
                    "harness.training",
                    options,
                    log=self._log,
                    environment=worker_environment(device, self._base.threads),
                    report=self._report,
                )
            except JobFailed as error:
                self._starts.started(time.monotonic() - began)
                died_again, self._died_starting = self._died_starting, isinstance(error, WorkerDied)
                if died_again or not self._died_starting:
                    self._cannot_start = error
                raise
            self._died_starting = False
            self._starts.started(self._worker.startup_seconds)
        return self._worker
