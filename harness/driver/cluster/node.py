"""The work on one base model on a node of a cluster: what runs there.

It lays out the files that the driver sends, and says what happens, with every record and every
run's answers as soon as they are whole.
"""

import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue, SimpleQueue
from typing import Any

from harness.driver.cluster.messages import (
    PIECE_BYTES,
    ArrivingFiles,
    FilePiece,
    JudgeAnswer,
    JudgeQuestion,
    MessageStream,
    ModelMissing,
    WaveBegins,
    WaveEnds,
    WaveRefused,
    pieces_of_file,
    pieces_of_messages,
)
from harness.driver.cluster.storage import WeightsStorage
from harness.driver.node import Node
from harness.errors import UserError, one_line
from harness.records.disk import DiskFault
from harness.records.store import read_record, write_record
from harness.records.training import NODE, TrainingRecord
from harness.sweep.models import (
    check_unchanged,
    gguf_file,
    hub_is_offline,
    is_on_this_machine,
    model_kind,
)
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import BaseJob, FitJob, WaveJob
from harness.workers.listener import Event, FilesWritten, JobAdvanced, Note
from harness.workers.worker import JobFailed

SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_OF_SILENCE = 0.5
"""How long a node waits for something to say before it says nothing."""

MOST_WAITING = 1_000
"""Pieces that the driver has not taken yet; then the work waits for it."""


@dataclass(frozen=True)
class NodeSetup:
    """What a node is told before it works."""

    base: dict[str, Any]
    """A `BaseJob`."""

    work: Path
    settings: dict[str, Any]
    """`EngineSettings`."""

    threads: str | None
    """OMP_NUM_THREADS of the driver."""

    token: str
    """The name of a file that the driver has put into its work folder, and another into the storage."""

    storage: str | None


@dataclass(frozen=True)
class NodeFacts:
    """What a node is like."""

    node_id: str
    shares_disk: bool
    """Whether the driver's work folder is its own, too."""

    storage_fault: str | None
    """Why it cannot use the storage, in a sentence."""


class ClusterNode:
    """A base model's workers, and their conversation with the driver. Ray calls its methods one at a time."""

    def __init__(self, setup: NodeSetup, *, node_id: str, name: str, devices: str | None) -> None:
        """`name`: how people know the node. `devices`: as CUDA_VISIBLE_DEVICES has them."""
        # Ray sets one thread for one CPU; how many threads add up a sum must not depend on the executor.
        if setup.threads is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = setup.threads
        self._base = BaseJob.model_validate(setup.base)
        self._setup, self._id, self._name = setup, node_id, name
        self._shares_disk = (setup.work / setup.token).exists()
        self._storage: WeightsStorage | None = None
        self._node = Node(
            self._base,
            work=setup.work,
            settings=EngineSettings.model_validate(setup.settings),
            devices=devices,
            listener=self._hear_node,
            judge=self._ask_judge,
        )
        self._inbox, self._arriving = MessageStream(), ArrivingFiles()
        self._outbox: Queue[bytes] = Queue(MOST_WAITING)
        self._sending = threading.Lock()  # engines side by side speak from threads of their own
        self._verdicts: SimpleQueue[JudgeAnswer] = SimpleQueue()
        self._fits: dict[Path, FitJob] = {}
        """Of the present wave, by their records."""

        self._last_report = 0.0

    # What the driver calls

    def look(self) -> NodeFacts:
        """Say what this node is like."""
        return NodeFacts(self._id, self._shares_disk, self._storage_fault())

    def take(self, piece: bytes) -> None:
        """A piece of what the driver says."""
        for message in self._inbox.messages([piece]):
            match message:
                case FilePiece():
                    self._arriving.take(message)
                case WaveBegins():
                    wave = WaveJob.model_validate(message.wave)
                    threading.Thread(target=self._work, args=[wave], daemon=True).start()
                case JudgeAnswer():
                    self._verdicts.put(message)

    def say(self) -> list[bytes]:
        """The next pieces of what this node says, two pieces long at most; none after a moment's silence."""
        pieces: list[bytes] = []
        with suppress(Empty):
            pieces.append(self._outbox.get(timeout=SECONDS_OF_SILENCE))
            while sum(map(len, pieces)) < PIECE_BYTES:
                pieces.append(self._outbox.get_nowait())
        return pieces

    def close(self) -> None:
        """End the workers."""
        self._node.close()

    # The work, in a thread of its own

    def _work(self, wave: WaveJob) -> None:
        try:
            missing = self._missing_model()
            if missing is not None:
                self._tell(ModelMissing(missing))
                return
            self._fits = {fit.record: fit for fit in wave.fits}
            self._fetch_weights(wave.fits)
            report = self._node.execute(wave)
            self._send_files(report.records)
            self._tell(WaveEnds(report.failures))
        except DiskFault as error:  # of this node: elsewhere there may be room
            self._tell(WaveRefused(JobFailed(f"node {self._name}: {error}")))
        except (JobFailed, UserError) as error:
            self._tell(WaveRefused(error))
        except Exception as error:  # a fault of ours, or of the machine: the driver must not wait for ever
            self._tell(WaveRefused(JobFailed(f"node {self._name}: {one_line(error)}")))

    def _missing_model(self) -> str | None:
        """Why this node cannot load the base model, in a sentence; None where it can, or can download it."""
        model, revision = self._base.model, self._base.revision
        kind = model_kind(model)
        try:
            if kind == "hub":
                if hub_is_offline() and not is_on_this_machine(model, revision):
                    return f"it has no {model} in its cache and may not download it (HF_HUB_OFFLINE)"
                return None
            if not (gguf_file(model) if kind == "gguf" else Path(model)).exists():
                return f"it has no {model}"
            check_unchanged(model, revision, self._base.fingerprint)
        except UserError as fault:
            return str(fault)
        return None

    def _hear_node(self, event: Event) -> None:
        """A `Listener`."""
        if isinstance(event, JobAdvanced):
            if self._storage is not None:
                self._storage.keep_checkpoints(self._unfinished(), self._hear_node)
            if time.monotonic() - self._last_report < SECONDS_BETWEEN_REPORTS:
                return
            self._last_report = time.monotonic()
        if isinstance(event, FilesWritten):
            for fit in [self._fits[path] for path in event.paths if path in self._fits]:
                self._keep_weights(fit)
            self._send_files(event.paths)
        self._tell(event)

    def _ask_judge(self, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A `MetricJudge`: a task's metric is known to the driver alone."""
        self._tell(JudgeQuestion(key, rows))
        verdict = self._verdicts.get().verdict
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def _tell(self, message: object) -> None:
        self._send([message])

    def _send_files(self, paths: Iterable[Path]) -> None:
        if not self._shares_disk:
            for path in paths:
                self._send(pieces_of_file(path))

    def _send(self, messages: Iterable[object]) -> None:
        with self._sending:  # the pieces of a file follow each other
            for piece in pieces_of_messages(messages):
                self._outbox.put(piece)

    # Weights

    def _storage_fault(self) -> str | None:
        """Why this node cannot use the storage, in a sentence."""
        if self._setup.storage is None:
            return None
        try:
            storage = WeightsStorage(self._setup.storage)
            if not storage.sees(self._setup.token):
                return (
                    f"--storage-path {self._setup.storage} is another place there: what the driver has left "
                    "in it is not to be seen"
                )
        except UserError as fault:
            return str(fault)
        self._storage = storage
        return None

    def _fetch_weights(self, fits: Iterable[FitJob]) -> None:
        """Lay out what is kept of trainings that this node has not done."""
        for fit in fits:
            if self._storage is None or fit.weights.is_dir():
                continue
            try:
                self._storage.fetch(fit, self._hear_node)
            except UserError as fault:
                self._tell(Note(f"{fit.label}: it is trained again: {fault}"))

    def _keep_weights(self, fit: FitJob) -> None:
        """Put weights where all see them, and note in their record where they lie."""
        place = "" if self._shares_disk else f"{NODE}{self._name}"
        if self._storage is not None:
            if fit.until < 1:  # a rung's weights are made again from its checkpoint
                self._storage.keep_checkpoints([fit], self._hear_node, now=True)
                return
            try:
                self._storage.keep(fit)
                place = self._storage.weights_at(fit)
            except UserError as fault:
                self._tell(Note(f"{fit.label}: its weights stay on node {self._name}: {fault}"))
        if place:
            record = read_record(fit.record, TrainingRecord)
            write_record(fit.record, record.model_copy(update={"weights_at": place}))

    def _unfinished(self) -> list[FitJob]:
        return [fit for path, fit in self._fits.items() if not path.exists()]
