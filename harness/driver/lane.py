"""One engine of a base model: started when it is needed, and again where that may help.

An engine that dies is started once more and goes on where it was (answers are kept as they come); one without
memory is started with fewer sequences at a time.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.driver.devices import worker_environment
from harness.driver.startups import StartShares
from harness.records.disk import check_disk
from harness.records.generation import GenerationRecord, GuardRecord
from harness.records.store import read_record, write_record
from harness.workers.jobs import AskJob, BaseJob
from harness.workers.listener import Listener, Note
from harness.workers.worker import JobFailed, Message, Report, Worker, WorkerDied

_NO_MEMORY = ("OutOfMemory", "OutOfMemoryError")
"""What the exceptions of ours and of torch are called."""

LEAST_NUM_SEQS = 4
"""With fewer sequences at a time there is no hope that memory is enough."""


@dataclass(frozen=True)
class EngineFiles:
    """The files that all engines of a base model share."""

    canaries: Path
    cache: Path
    log: Path


class EngineLane:
    """One engine process after another on the same devices, and the runs that it answered."""

    def __init__(
        self, base: BaseJob, files: EngineFiles, *, devices: str | None, max_num_seqs: int, listener: Listener
    ) -> None:
        """`devices`: CUDA devices it may use, as CUDA_VISIBLE_DEVICES has them; None for all there are."""
        self._base, self._files, self._devices, self._tell = base, files, devices, listener
        self._max_num_seqs = max_num_seqs
        self._worker: Worker | None = None
        self._settings: Message = {}
        """What the running engine was started with."""

        self._cannot_start: JobFailed | None = None
        self._died_starting = False
        """Whether the last one died while it started: once, that may be for what is over by now."""

        self._answered: list[AskJob] = []
        """By the running engine, since its base was last looked at."""

        self.starts = StartShares(GenerationRecord)

    def answer(
        self, batch: Sequence[AskJob], settings: Message, report: Report, *, provisional_share: float
    ) -> None:
        """Have runs answered by an engine with these settings, and write their records."""
        worker, answer = self._request(batch, settings, report)
        startup = {"startup_seconds": worker.startup_seconds * provisional_share}
        for ask, record in zip(batch, answer["records"], strict=True):
            write_record(ask.record, GenerationRecord.model_validate(record | startup))
            self.starts.served(ask.record)
        self._answered += batch

    def check_base(self) -> None:
        """Have the base answer its canaries once more; what it says goes into the records of the engine's
        runs."""
        if self._worker is None or not self._answered:
            return
        try:
            guard = self._worker.request({"finish": True}, _ignore)["guard"]
        except JobFailed as error:
            # The answers are there, and each arm passed when it came in; only this last word is missing.
            self._tell(
                Note(f"{self._base.name}: whether the base still answers the same could not be told: {error}")
            )
            self.close()
            return
        if guard is not None:
            self._add_guard(GuardRecord(**guard))
            if not guard["passed"]:
                self.close()  # the next wave is answered by an engine that nothing is known against
        self._answered = []

    def _add_guard(self, guard: GuardRecord) -> None:
        for ask in self._answered:
            record = read_record(ask.record, GenerationRecord)
            write_record(ask.record, record.model_copy(update={"guards": (*record.guards, guard)}))

    def close(self) -> None:
        """End the engine; another is started when it is needed."""
        if self._worker is not None:
            self._worker.close()
        self._worker, self._answered = None, []

    def _request(self, batch: Sequence[AskJob], settings: Message, report: Report) -> tuple[Worker, Message]:
        """Put a batch to the engine, started again where that may help. Raises `DiskFault` where it fails
        because nothing can be written any more."""
        deaths = 0
        while True:
            try:
                worker = self._started(settings)
                job = {"asks": [ask.model_dump(mode="json") for ask in batch]}
                return worker, worker.request(job, self._hearing_notes(report))
            except WorkerDied as death:
                self.close()
                check_disk(self._files.cache.parent, death)  # an engine ends that cannot write its log
                deaths += 1
                if deaths > 1 or self._cannot_start is not None:
                    raise
                self._tell(Note(f"{batch[0].label}: {death}; it is started again and goes on where it was"))
            except JobFailed as error:
                fewer = self._max_num_seqs // 2
                if error.kind not in _NO_MEMORY or fewer < LEAST_NUM_SEQS:
                    check_disk(self._files.cache.parent, error)
                    raise
                self.close()
                self._max_num_seqs = fewer
                self._tell(Note(f"{batch[0].label}: {error}; trying {fewer} sequences at a time"))

    def _started(self, settings: Message) -> Worker:
        """The running engine, or a new one where there is none with such settings."""
        settings = settings | {"max_num_seqs": self._max_num_seqs}
        if self._worker is not None and self._settings != settings:
            self.check_base()
            self.close()
        if self._worker is None:
            self._worker = self._start(settings)
            self._settings = settings
        return self._worker

    def _start(self, settings: Message) -> Worker:
        if self._cannot_start is not None:
            raise self._cannot_start  # a start takes long, and would fail for every run alike
        options = ["--engine", self._base.engine, "--model", self._base.model]
        if self._base.revision:
            options += ["--revision", self._base.revision]
        if self._base.fingerprint:
            options += ["--fingerprint", self._base.fingerprint]
        options += ["--settings", json.dumps(settings)]
        options += ["--canaries", str(self._files.canaries), "--cache", str(self._files.cache)]
        environment = worker_environment(self._devices, self._base.threads)
        began = time.monotonic()
        try:
            worker = Worker(
                "harness.engines", options, log=self._files.log, environment=environment, report=self._hear
            )
        except JobFailed as error:
            self.starts.started(time.monotonic() - began)
            died_again, self._died_starting = self._died_starting, isinstance(error, WorkerDied)
            if error.kind not in _NO_MEMORY and (died_again or not self._died_starting):
                self._cannot_start = error
            raise
        self._died_starting = False
        self.starts.started(worker.startup_seconds)
        return worker

    def _hear(self, message: Message) -> None:
        """What an engine says while it starts."""
        self._tell(Note(message["note"]))

    def _hearing_notes(self, report: Report) -> Report:
        def hear(message: Message) -> None:
            if "note" in message:
                self._hear(message)
            else:
                report(message)

        return hear


def _ignore(_: Message) -> None:
    """A look at the base is too short to report on."""
