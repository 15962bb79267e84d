"""Work on base models on a Ray cluster: each has an actor with its resources.

Nodes need GainBoard installed, in this version, and no disk in common with the driver. Rendered files
travel with each wave; each record and each run's answers come back as soon as they are whole, and the
driver alone writes results. When a node is lost, another goes on with what has not come back. Weights
go to the storage, where one is named; else they stay on the node that trained them, in a folder of the
same name as the driver's `--work`.
"""

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ObjectStoreFullError, OutOfDiskError, RayError, RayTaskError

from harness.driver.cluster.members import (
    SECONDS_TO_ANSWER,
    ClusterMembers,
    name_of,
    one_line_of,
)
from harness.driver.cluster.messages import (
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
from harness.driver.cluster.node import ClusterNode, NodeFacts, NodeSetup
from harness.driver.cluster.storage import WeightsStorage
from harness.driver.cluster.wave import (
    absolute_wave,
    inputs_of,
    model_files_of,
    unfinished,
    with_absolute_model,
)
from harness.driver.node import WaveReport
from harness.errors import UserError
from harness.records.store import read_record
from harness.records.training import NODE, TrainingRecord
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import BaseJob, WaveJob
from harness.workers.listener import FilesWritten, Listener, MetricJudge, Note
from harness.workers.worker import JobFailed, check_not_stopping

RETRIES = 3
"""Nodes that a base model's work may lose one after the other,
with nothing done in between, before it fails."""

MOST_UNDER_WAY = 8
"""Pieces that are sent before the first of them has arrived."""

SECONDS_OF_WAITING = 0.5
SECONDS_FOR_ROOM = 20.0
"""After so long it is said that no node has room."""

SECONDS_FOR_A_NODE = 600.0
"""How long a cluster without any node that could work is waited for."""


class NodeLost(Exception):
    """The node of a base model's work is gone."""

    def __init__(self, why: str, *, preempted: bool) -> None:
        super().__init__(why)
        self.preempted = preempted


class RayExecutor:
    """A running cluster, or one that is started on this machine and ends with the sweep."""

    on_this_machine = False

    def __init__(
        self,
        address: str | None,
        *,
        workers: int | None = None,
        devices_each: int = 1,
        storage: str | None = None,
    ) -> None:
        """`address`: the cluster's; None: one is started here. `workers`: base models at a time; None: as
        many as fit. `storage`: where weights go; None: they stay where they were trained."""
        self._storage = WeightsStorage(storage) if storage else None
        if self._storage is not None:
            self._storage.check()
        _connect(address)
        gpus = int(ray.cluster_resources().get("GPU", 0))
        if gpus and gpus < devices_each:
            raise UserError(f"a worker needs {devices_each} GPUs, and the cluster has {gpus}")
        num_gpus = devices_each if gpus else 0
        self._resources: dict[str, Any] = {"num_cpus": 1, "num_gpus": num_gpus}
        self._members = ClusterMembers({"CPU": 1, "GPU": num_gpus})
        self._refusals = self._members.look()
        if self._refusals and not self._members.able():
            raise UserError("\n".join(self._refusals))
        self.workers = workers or self._members.places()
        self._token = f".cluster-{uuid.uuid4().hex}"
        if self._storage is not None:
            self._storage.leave(self._token)
        self._marked: set[Path] = set()
        self._lock = threading.Lock()

    @contextmanager
    def open(
        self, base: BaseJob, *, work: Path, settings: EngineSettings, listener: Listener, judge: MetricJudge
    ) -> Iterator["_Workplace"]:
        """See `Executor.open`."""
        work = work.absolute()
        with self._lock:
            self._mark(work)
            for sentence in self._refusals:
                listener(Note(sentence))
            self._refusals = []
        setup = NodeSetup(
            base=with_absolute_model(base).model_dump(mode="json"),
            work=work,
            settings=settings.model_dump(mode="json"),
            threads=os.environ.get("OMP_NUM_THREADS"),
            token=self._token,
            storage=None if self._storage is None else self._storage.address,
        )
        place = _Workplace(setup, self._members, self._resources, listener, judge)
        try:
            yield place
            place.end_workers()
        finally:
            place.close()

    def close(self) -> None:
        """See `Executor.close`."""
        for work in self._marked:
            (work / self._token).unlink(missing_ok=True)
        if self._storage is not None:
            with suppress(UserError):
                self._storage.remove(self._token)
        ray.shutdown()
        self._members.close()

    def _mark(self, work: Path) -> None:
        """Leave a file in the work folder: a node that sees it has the same disk."""
        if work not in self._marked:
            self._marked.add(work)
            for stale in work.glob(".cluster-*"):  # of a driver that was killed
                stale.unlink(missing_ok=True)
            (work / self._token).touch()


class _Workplace:
    """A base model's work on some node of the cluster, as the driver sees it."""

    def __init__(
        self,
        setup: NodeSetup,
        members: ClusterMembers,
        resources: dict[str, Any],
        listener: Listener,
        judge: MetricJudge,
    ) -> None:
        self._setup, self._members, self._resources = setup, members, resources
        self._tell, self._judge = listener, judge
        self._base = BaseJob.model_validate(setup.base)
        self._unfit: dict[str, str] = {}
        """Why nodes cannot work on this base model, in sentences, by their ids."""

        self._node: Any = None
        self._facts: NodeFacts | None = None
        self._name = ""
        self._inbox, self._arriving = MessageStream(), ArrivingFiles()
        self._has_lost_a_node = False
        self._returned = 0
        """How often something that was finished came back."""

        self._elsewhere: set[str] = set()
        """Where weights lie that are on no disk of the driver, nor in the storage."""

    def execute(self, wave: WaveJob) -> WaveReport:
        """See `Workplace.execute`. Raises `JobFailed` when every node that tried was lost,
        `UserError` when the cluster is."""
        wave = absolute_wave(wave)
        losses = 0
        while True:
            remaining = unfinished(wave, self._tell)
            if not (remaining.fits or remaining.asks):
                return WaveReport([], [])
            returned_before = self._returned
            try:
                if self._node is None:
                    self._place()
                report = self._work_on(remaining)
            except NodeLost as loss:
                self._drop()
                self._has_lost_a_node = True
                time.sleep(SECONDS_OF_WAITING)  # the processes of a node end one after the other
                self._members.check_after_loss()
                losses = (0 if self._returned > returned_before else losses) + (not loss.preempted)
                if losses > RETRIES:
                    raise JobFailed(
                        f"its node was lost {losses} times, the last time because {loss}"
                    ) from None
                sentence = "a node was lost, and another goes on with what it had not finished"
                self._tell(Note(": ".join(filter(None, (sentence, self._name, str(loss))))))
                continue
            if report is not None:
                return report

    def end_workers(self) -> None:
        """End the workers in order; where that fails they end with their node's process."""
        if self._node is not None:
            with suppress(RayError):
                ray.get(self._node.close.remote(), timeout=SECONDS_TO_ANSWER)
        for place in sorted(self._elsewhere):
            self._tell(
                Note(
                    f"its weights lie on {place} alone, below {self._setup.work / 'trained'}; --storage-path "
                    "names a place that every node sees"
                )
            )

    def close(self) -> None:
        """Give the node back."""
        self._drop()

    # A node

    def _place(self) -> None:
        """Have an actor on a node that has room, the right versions and what this work needs."""
        self._name = ""
        while self._node is None:
            self._tell_all(self._members.look())
            excluded = {*self._members.refused, *self._unfit}
            if self._unfit and not self._members.able() - excluded:
                raise JobFailed(f"no node of the cluster can work on it: {'; '.join(self._unfit.values())}")
            options = dict(self._resources)
            if self._has_lost_a_node:
                excluded |= self._members.gone()
            if excluded:
                options["label_selector"] = {"ray.io/node-id": f"!in({','.join(sorted(excluded))})"}
            self._node = ray.remote(max_restarts=0, max_task_retries=0, **options)(_Node).remote(self._setup)
            try:
                facts = self._wait_for(self._node.look.remote(), placing=True)
            except NodeLost:
                self._drop()
                refusals = self._members.look()  # of another version, it may not even begin
                if not refusals:
                    raise
                self._tell_all(refusals)
                continue
            self._tell_all(self._members.look())  # it may have joined since
            self._facts, self._name = facts, _name(facts.node_id)
            if facts.storage_fault is not None:
                self._leave_out(facts.storage_fault)
            elif facts.node_id in self._members.refused:
                self._drop()
        if self._facts is not None and not self._facts.shares_disk:
            for path in model_files_of(self._base):
                self._send(pieces_of_file(path, once=True))

    def _leave_out(self, sentence: str) -> None:
        """This node is not for this base model."""
        assert self._facts is not None, "it was looked at"
        fault = f"node {self._name}: {sentence}"
        self._unfit[self._facts.node_id] = fault
        self._tell(Note(f"{fault}; it gets no work on this model"))
        self._drop()

    def _drop(self) -> None:
        if self._node is not None:
            with suppress(RayError):
                ray.kill(self._node, no_restart=True)
        self._node = self._facts = None
        self._arriving.drop()
        self._inbox, self._arriving = MessageStream(), ArrivingFiles()

    def _wait_for(self, call: Any, *, placing: bool = False) -> Any:
        """What a node answers. Raises `NodeLost` where it cannot, `UserError` where the cluster is lost."""
        began, is_told = time.monotonic(), not placing
        while not ray.wait([call], timeout=SECONDS_OF_WAITING)[0]:
            check_not_stopping()
            self._members.check()
            waited = time.monotonic() - began
            if placing and waited > SECONDS_FOR_ROOM:
                if not is_told:
                    self._tell(Note("no node has room for it yet; it waits"))
                    is_told = True
                if waited > SECONDS_FOR_A_NODE and not self._members.able():
                    raise UserError(
                        f"for {SECONDS_FOR_A_NODE / 60:.0f} minutes the cluster has had no node that could "
                        "work (`ray status` shows its nodes). Add one, and then start the same command: what "
                        "has come back is kept"
                    )
        try:
            return ray.get(call)
        except (ObjectStoreFullError, OutOfDiskError) as error:
            raise UserError(
                f"Ray has no room left for objects, in memory or on the disk of its --temp-dir "
                f"({one_line_of(error)}). Make room, and then start the same command: "
                "what has come back is kept"
            ) from None
        except RayTaskError as error:  # its disk is full, say
            raise JobFailed(f"node {self._name}: {one_line_of(error.cause)}") from None
        except RayError as error:
            raise NodeLost(_why(error), preempted=getattr(error, "preempted", False)) from None

    def _tell_all(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._tell(Note(sentence))

    # What is said

    def _send(self, messages: Iterable[object]) -> None:
        under_way: list[Any] = []
        for piece in pieces_of_messages(messages):
            under_way.append(self._node.take.remote(piece))
            if len(under_way) >= MOST_UNDER_WAY:
                self._wait_for(under_way.pop(0))
        for call in under_way:
            self._wait_for(call)

    def _work_on(self, wave: WaveJob) -> WaveReport | None:
        """Have the node do a wave; None where it does not have what that needs."""
        assert self._facts is not None, "it was looked at"
        if not self._facts.shares_disk:
            for path in dict.fromkeys(inputs_of(wave)):
                if path.is_file():
                    self._send(pieces_of_file(path))
        self._send([WaveBegins(wave.model_dump(mode="json"))])
        fits = {fit.record for fit in wave.fits}
        while True:
            check_not_stopping()
            for message in self._inbox.messages(self._wait_for(self._node.say.remote())):
                match message:
                    case FilePiece():
                        self._arriving.take(message)
                    case FilesWritten():
                        self._returned += 1
                        self._note_places(path for path in message.paths if path in fits)
                        self._tell(message)
                    case JudgeQuestion():
                        self._send([JudgeAnswer(self._verdict(message))])
                    case ModelMissing():
                        self._leave_out(
                            f"{message.sentence}; put it there under the same path, or into the model cache"
                        )
                        return None
                    case WaveRefused():
                        raise message.error
                    case WaveEnds():
                        return WaveReport(message.failures, [])
                    case _:
                        self._tell(message)

    def _verdict(self, question: JudgeQuestion) -> dict[str, Any] | Exception:
        """What the task's metric says, or what it raised."""
        try:
            return self._judge(question.key, question.rows)
        except UserError as error:
            return error
        except Exception as error:  # of a task's own metric
            return JobFailed(f"{type(error).__name__}: {one_line_of(error)}")

    def _note_places(self, records: Iterable[Path]) -> None:
        for path in records:
            place = read_record(path, TrainingRecord).weights_at
            if place.startswith(NODE):
                self._elsewhere.add(place)


class _Node(ClusterNode):
    """As Ray starts it."""

    def __init__(self, setup: NodeSetup) -> None:
        node_id = ray.get_runtime_context().get_node_id()
        devices = ",".join(map(str, ray.get_gpu_ids())) or None
        super().__init__(setup, node_id=node_id, name=_name(node_id), devices=devices)


def _name(node_id: str) -> str:
    return next((name_of(node) for node in ray.nodes() if node["NodeID"] == node_id), node_id[:8])


def _why(error: Exception) -> str:
    """Why an actor is gone, in a few words."""
    if getattr(error, "preempted", False):
        return "it was preempted"
    text = one_line_of(error)
    return "its machine, or Ray on it, has ended" if "node has died" in text else text


def _connect(address: str | None) -> None:
    """Join the cluster, or start one. Raises `UserError` where that does not work."""
    try:
        if address is not None:
            _reach(address)
        with _handler_of_sigterm_kept():
            ray.init(
                # Without one Ray would join whatever cluster runs on this machine.
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="error",
            )
    except (OSError, RayError, RuntimeError, ValueError) as error:
        if "ersion mismatch" in str(error):
            raise UserError(
                f"the Ray cluster at {address} has another version of Ray or Python than this machine "
                f"({one_line_of(error)}): install the same on both"
            ) from None
        if address is None:
            raise UserError(
                f"no Ray cluster could be started on this machine: {one_line_of(error)}"
            ) from None
        raise UserError(
            f"no Ray cluster answers at {address} ({one_line_of(error)}); `ray status` shows whether one "
            "runs, and without --address one is started on this machine"
        ) from None


@contextmanager
def _handler_of_sigterm_kept() -> Iterator[None]:
    """Ray's own ends the process at once, with another exit code."""
    formerly = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, formerly)


def _reach(address: str) -> None:
    """Raise `OSError` when nobody listens there, which Ray itself says only after minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
