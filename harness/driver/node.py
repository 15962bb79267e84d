"""Work on one base model where its devices are: its trainings in one worker, then all answers from one
engine.

Both see rendered files only. A job whose files are there is not done again.
"""

import time
from pathlib import Path

from harness.driver.answers import Generation, is_answered
from harness.jsonl import read_jsonl
from harness.records.store import write_record
from harness.records.training import TrainingRecord
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import FitJob, GroupJob
from harness.workers.listener import Listener, reporting_failure
from harness.workers.worker import JobFailed, Message, Worker, WorkerDied


def execute(
    group: GroupJob, *, work: Path, settings: EngineSettings, devices: str | None, listener: Listener
) -> None:
    """Train what needs it, then answer what needs it. What fails is told to the listener, and what needs it
    left out.

    `work`: for logs and kept answers. `devices`: as CUDA_VISIBLE_DEVICES has them; None for all there are.
    """
    listener.started()
    _Trainings(group, work=work, devices=devices, listener=listener).run()
    asks = [
        ask for ask in group.asks if not is_answered(ask) and (ask.weights is None or ask.weights.is_dir())
    ]
    Generation(group, asks, work=work, settings=settings, devices=devices, listener=listener).run()


def is_trained(fit: FitJob) -> bool:
    """Whether its record is there, and what it records was not cleaned away since."""
    return fit.record.exists() and fit.weights.is_dir()


class _Trainings:
    """The trainings of one base model, in one worker."""

    def __init__(self, group: GroupJob, *, work: Path, devices: str | None, listener: Listener) -> None:
        self._group, self._devices, self._listener = group, devices, listener
        self._log = work / "logs" / f"{group.name}-train.log"
        self._worker: Worker | None = None
        self._cannot_start: JobFailed | None = None
        self._failed: dict[Path, str] = {}
        """Weights that did not come to be, and why."""

    def run(self) -> None:
        todo = [fit for fit in self._group.fits if not is_trained(fit)]
        if not todo:
            return
        self._listener.phase("train", len(todo))
        try:
            for fit in todo:
                self._listener.job(fit.label)
                started = time.monotonic()
                with reporting_failure(self._listener, fit.key, "train", started, log=self._log):
                    try:
                        self._train(fit, share=1 / len(todo))
                    except Exception as error:
                        self._failed[fit.weights] = str(error)
                        raise
                self._listener.advance(1)
        finally:
            self._close()

    def _train(self, fit: FitJob, *, share: float) -> None:
        for needed in (*((fit.start,) if fit.start else ()), *fit.members):
            if needed in self._failed:
                raise JobFailed(f"a training that it needs failed: {self._failed[needed]}")
        worker = self._started()

        def asked(question: Message) -> Message:
            return self._listener.judge(fit.key, list(read_jsonl(Path(question["completions"]))))

        try:
            answer = worker.request(fit.model_dump(mode="json"), self._report, asked=asked)
        except WorkerDied:
            self._close()
            raise
        record = TrainingRecord.model_validate(
            answer["record"] | {"startup_seconds": worker.startup_seconds * share}
        )
        write_record(fit.record, record)

    def _report(self, message: Message) -> None:
        if "note" in message:
            self._listener.note(message["note"])
        else:
            self._listener.within(message["done"], message["total"])

    def _started(self) -> Worker:
        if self._cannot_start is not None:
            raise self._cannot_start  # a start takes long, and would fail for every run alike
        if self._worker is None:
            revision = ["--revision", self._group.revision] if self._group.revision else []
            # A training takes one device, however many its engine may take.
            environment = (
                {} if self._devices is None else {"CUDA_VISIBLE_DEVICES": self._devices.split(",")[0]}
            )
            try:
                self._worker = Worker(
                    "harness.training",
                    ["--model", self._group.model, *revision],
                    log=self._log,
                    environment=environment,
                )
            except JobFailed as error:
                self._cannot_start = error
                raise
        return self._worker

    def _close(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker = None
