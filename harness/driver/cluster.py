"""Work on base models on a Ray cluster: each has an actor with its resources.

The wave that a lost node was working on begins again elsewhere.

Nodes need GainBoard installed, and no disk in common with the driver: rendered files travel with each wave,
answers and records come back, and the driver alone writes results. Weights stay on the node that trained
them, in a folder of the same name as the driver's `--work`. What happens on a node is told through two
queues, as is what it asks: a task's metric is known to the driver only.
"""

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.driver.node import Node, WaveReport
from harness.errors import UserError
from harness.records.store import atomic_write
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import BaseJob, WaveJob
from harness.workers.listener import Event, JobAdvanced, Listener, MetricJudge, Note
from harness.workers.worker import JobFailed, check_not_stopping

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.queue import Empty, Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError:
    raise UserError(
        "--executor ray needs ray, which is not installed: pip install 'gainboard[ray]'"
    ) from None

RETRIES = 3
"""Nodes that a base model's work may lose before it fails."""

MOST_SENT = 64 << 20
"""Bytes of a model's folder that travel to a node; a larger one must lie on every node under the same
path."""

SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_OF_WAITING = 0.5
SECONDS_TO_ANSWER = 10.0
"""A cluster that is there takes a connection in this time."""

Files = dict[str, bytes]
"""Absolute path → contents."""


class RayExecutor:
    """A running cluster, or one that is started on this machine and ends with the sweep."""

    on_this_machine = False

    def __init__(self, address: str | None, *, workers: int | None = None, devices_each: int = 1) -> None:
        """`address`: the cluster's; None: one is started here. `workers`: base models at a time; None: as
        many as fit."""
        try:
            if address is not None:
                _reach(address)
            dashboard = None if address else False
            with _handler_of_sigterm_kept():
                ray.init(
                    address=address, include_dashboard=dashboard, log_to_driver=False, logging_level="error"
                )
        except (OSError, RayError, RuntimeError, ValueError) as error:
            raise UserError(
                f"no Ray cluster answers at {address} ({_one_line(error)}); `ray status` shows whether "
                "one runs, and "
                "without --address one is started on this machine"
            ) from None
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        if gpus and gpus < devices_each:
            raise UserError(f"a worker needs {devices_each} GPUs, and the cluster has {gpus}")
        self._resources: dict[str, Any] = {"num_cpus": 1, "num_gpus": devices_each if gpus else 0}
        self.workers = workers or max(1, gpus // devices_each if gpus else int(resources.get("CPU", 1)))

    @contextmanager
    def open(
        self, base: BaseJob, *, work: Path, settings: EngineSettings, listener: Listener, judge: MetricJudge
    ) -> Iterator["_Workplace"]:
        """See `Executor.open`."""
        place = _Workplace(base, work.absolute(), settings, listener, judge, self._resources)
        try:
            yield place
            place.end_workers()
        finally:
            place.close()

    def close(self) -> None:
        """See `Executor.close`."""
        ray.shutdown()


class _Workplace:
    """A base model's work on some node of the cluster, as the driver sees it."""

    def __init__(
        self,
        base: BaseJob,
        work: Path,
        settings: EngineSettings,
        listener: Listener,
        judge: MetricJudge,
        resources: dict[str, Any],
    ) -> None:
        folder = Path(base.model)
        model = str(folder.absolute()) if folder.is_dir() else base.model
        self._base, self._work = base.model_copy(update={"model": model}), work
        self._settings, self._resources = settings, resources
        self._listener, self._judge = listener, judge
        # What carries word must not be lost with a node: it stays where the driver is.
        on_this_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._events, self._answers = (
            Queue(actor_options={"num_cpus": 0, "scheduling_strategy": on_this_node}) for _ in range(2)
        )
        # Ray drops an actor's large arguments once it is made (ray#53727), and another node needs them again:
        # they are held here.
        self._model_files = ray.put(_contents(_model_files(self._base)))
        self._node: Any = None

    def execute(self, wave: WaveJob) -> WaveReport:
        """See `Workplace.execute`. Raises `JobFailed` when every node that tried was lost."""
        wave = _absolute(wave)
        sent = _contents(path for path in _inputs(wave) if path.is_file())
        if self._node is None:
            self._node = self._place()
        reference = self._node.execute.remote(wave.model_dump(mode="json"), sent)
        report: WaveReport
        files: Files
        try:
            self._hear(reference)
            report, files = ray.get(reference)
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else JobFailed(_one_line(error)) from None
        except RayError as error:
            self._kill()
            raise JobFailed(f"its node was lost {RETRIES + 1} times ({_one_line(error)})") from None
        for path, contents in files.items():
            with atomic_write(Path(path), "wb") as file:
                file.write(contents)
        return report

    def end_workers(self) -> None:
        """End the workers in order; where that fails they end with their node's process."""
        if self._node is not None:
            with suppress(RayError):
                ray.get(self._node.close.remote(), timeout=SECONDS_TO_ANSWER)

    def close(self) -> None:
        """Give the node and the queues back."""
        self._kill()
        for queue in (self._events, self._answers):
            queue.shutdown(force=True)

    def _place(self) -> Any:
        """An actor on whichever node has room; on another, with the wave it was at, when that is lost."""
        actor = ray.remote(max_restarts=RETRIES, max_task_retries=RETRIES, **self._resources)(_Node)
        return actor.remote(
            self._base.model_dump(mode="json"),
            str(self._work),
            self._settings.model_dump(mode="json"),
            self._model_files,
            self._events,
            self._answers,
            os.environ.get("OMP_NUM_THREADS"),
        )

    def _kill(self) -> None:
        if self._node is not None:
            with suppress(RayError):
                ray.kill(self._node, no_restart=True)
        self._node = None

    def _hear(self, reference: Any) -> None:
        """Pass on what the node says until it is done with the wave."""
        starts, over = 0, False
        while True:
            check_not_stopping()
            try:
                word = self._events.get(timeout=SECONDS_OF_WAITING)
            except Empty:
                if over:
                    return
                over = bool(ray.wait([reference], timeout=0)[0])  # what it said last may still be on its way
                continue
            if isinstance(word, _WaveBegan):
                starts += 1
                if starts > 1:
                    self._listener(Note("a node was lost, and its work begins again elsewhere"))
            elif isinstance(word, _JudgeQuestion):
                self._answers.put((word.identity, self._judge(word.key, word.rows)))
            else:
                self._listener(word)


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


def _absolute(wave: WaveJob) -> WaveJob:
    """With paths that mean the same in another folder, on another machine."""

    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return value.absolute()
        if isinstance(value, dict):
            return {name: absolute(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return tuple(absolute(item) for item in value)
        return value

    return WaveJob.model_validate(absolute(wave.model_dump()))


def _inputs(wave: WaveJob) -> Iterable[Path]:
    """The files that a node needs for a wave."""
    for fit in wave.fits:
        yield from (fit.train, fit.dev)
        if fit.judged is not None:
            yield fit.judged.prompts
    for ask in wave.asks:
        yield ask.prompts


def _model_files(base: BaseJob) -> list[Path]:
    """Those of the base model's folder, where they are small enough to travel."""
    folder = Path(base.model)
    if not folder.is_dir():
        return []
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    return files if sum(path.stat().st_size for path in files) <= MOST_SENT else []


def _outputs(wave: WaveJob, report: WaveReport) -> Iterable[Path]:
    """The files that the driver needs."""
    for fit in wave.fits:
        yield fit.record
    for ask in wave.asks:
        yield from (ask.completions, ask.record)
    yield from report.records


def _contents(paths: Iterable[Path]) -> Files:
    return {str(path): path.read_bytes() for path in paths}


def _lay_out(files: Files) -> None:
    """Write the files that this machine does not have."""
    for name, contents in files.items():
        path = Path(name)
        if not path.exists():
            with atomic_write(path, "wb") as file:
                file.write(contents)


class _Node:
    """A base model's workers where they are: what runs on the node."""

    def __init__(
        self, base: dict[str, Any], work: str, settings: dict[str, Any], model_files: Files, events: Any,
        answers: Any, threads: str | None,
    ) -> None:  # fmt: skip
        # Ray sets one thread for one CPU; how many threads add up a sum must not depend on the executor.
        if threads is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = threads
        _lay_out(model_files)
        self._events = events
        driver = _Driver(events, answers)
        self._node = Node(
            BaseJob.model_validate(base),
            work=Path(work),
            settings=EngineSettings.model_validate(settings),
            devices=",".join(map(str, ray.get_gpu_ids())) or None,
            listener=driver.tell,
            judge=driver.judge,
        )

    def execute(self, wave_data: dict[str, Any], sent: Files) -> tuple[WaveReport, Files]:
        """Lay out the files, do the work, give back what the driver needs."""
        self._events.put(_WaveBegan())
        _lay_out(sent)
        wave = WaveJob.model_validate(wave_data)
        report = self._node.execute(wave)
        return report, _contents(path for path in _outputs(wave, report) if path.is_file())

    def close(self) -> None:
        """End the workers."""
        self._node.close()


@dataclass(frozen=True)
class _WaveBegan:
    """A node begins with a wave, perhaps after another one was lost with it."""


@dataclass(frozen=True)
class _JudgeQuestion:
    """A training wants its answers on dev judged."""

    identity: str
    """What the answer is put under: a node that was lost may have left one that nobody took."""

    key: str
    rows: list[dict[str, Any]]


class _Driver:
    """The driver, as a node sees it."""

    def __init__(self, events: Any, answers: Any) -> None:
        self._events, self._answers = events, answers
        self._said = 0.0

    def tell(self, event: Event) -> None:
        """A `Listener`."""
        if isinstance(event, JobAdvanced):
            if time.monotonic() - self._said < SECONDS_BETWEEN_REPORTS:
                return
            self._said = time.monotonic()
        self._events.put(event)

    def judge(self, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """A `MetricJudge`."""
        question = _JudgeQuestion(uuid.uuid4().hex, key, rows)
        self._events.put(question)
        while True:
            identity, answer = self._answers.get()
            if identity == question.identity:
                return dict(answer)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
