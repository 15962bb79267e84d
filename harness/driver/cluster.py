"""Work on base models on a Ray cluster: each is a task with its resources, and a lost node's tasks run again
elsewhere.

Nodes need GainBoard installed, and no disk in common with the driver: rendered files travel with the task,
answers and records come back, and the driver alone writes results. Weights stay on the node that trained
them, in a folder of the same name as the driver's `--work`. What happens on a node is told through two
queues, as is what it asks: a task's metric is known to the driver only.
"""

import os
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.driver.node import execute
from harness.errors import UserError
from harness.records.store import atomic_write
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import GroupJob
from harness.workers.listener import Listener
from harness.workers.worker import JobFailed

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
"""Bytes of a model's folder that travel with the task; a larger one must lie on every node under the same
path."""

SECONDS_BETWEEN_REPORTS = 1.0
SECONDS_OF_WAITING = 0.5
SECONDS_TO_ANSWER = 10.0
"""A cluster that is there takes a connection in this time."""

Files = dict[str, bytes]
"""Absolute path → contents."""


class RayExecutor:
    """A running cluster, or one that is started on this machine and ends with the sweep."""

    def __init__(self, address: str | None, *, workers: int | None = None, devices_each: int = 1) -> None:
        """`address`: the cluster's; None: one is started here. `workers`: base models at a time; None: as
        many as fit."""
        try:
            if address is not None:
                _reach(address)
            dashboard = None if address else False
            ray.init(address=address, include_dashboard=dashboard, log_to_driver=False, logging_level="error")
        except (OSError, RayError, RuntimeError, ValueError) as error:
            raise UserError(
                f"no Ray cluster answers at {address} ({_one_line(error)}); `ray status` shows whether one runs, and "
                "without --address one is started on this machine"
            ) from None
        there = ray.cluster_resources()
        gpus = int(there.get("GPU", 0))
        if gpus and gpus < devices_each:
            raise UserError(f"a worker needs {devices_each} GPUs, and the cluster has {gpus}")
        self._resources: dict[str, Any] = {"num_cpus": 1, "num_gpus": devices_each if gpus else 0}
        self.workers = workers or max(1, gpus // devices_each if gpus else int(there.get("CPU", 1)))

    def execute(self, group: GroupJob, *, work: Path, settings: EngineSettings, listener: Listener) -> None:
        """See `Executor.execute`. Raises `JobFailed` when every node that tried was lost."""
        group, work = _absolute(group), work.absolute()
        # What carries word must not be lost with a node: it stays where the driver is.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        events, answers = (
            Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here}) for _ in range(2)
        )
        task = ray.remote(max_retries=RETRIES, **self._resources)(_on_node)
        sent = {str(path): path.read_bytes() for path in _inputs(group) if path.is_file()}
        reference = task.remote(
            group.model_dump(mode="json"), str(work), settings.model_dump(mode="json"), sent, events, answers,
            os.environ.get("OMP_NUM_THREADS"),
        )  # fmt: skip
        try:
            self._hear(reference, events, answers, listener)
            for path, contents in ray.get(reference).items():
                with atomic_write(Path(path), "wb") as file:
                    file.write(contents)
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else JobFailed(_one_line(error)) from None
        except RayError as error:
            raise JobFailed(f"its node was lost {RETRIES + 1} times ({_one_line(error)})") from None
        finally:
            with suppress(RayError):
                ray.cancel(reference, force=True)
            for queue in (events, answers):
                queue.shutdown(force=True)

    def _hear(self, reference: Any, events: Any, answers: Any, listener: Listener) -> None:
        """Pass on what the node says until it is done."""
        over = False
        while True:
            try:
                name, arguments = events.get(timeout=SECONDS_OF_WAITING)
            except Empty:
                if over:
                    return
                over = bool(ray.wait([reference], timeout=0)[0])  # what it said last may still be on its way
                continue
            answer = getattr(listener, name)(*arguments)
            if name == "judge":
                answers.put(answer)

    def close(self) -> None:
        """See `Executor.close`."""
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise `OSError` when nobody listens there, which Ray itself says only after minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()


def _absolute(group: GroupJob) -> GroupJob:
    """With paths that mean the same in another folder, on another machine."""
    data = group.model_dump()

    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return value.absolute()
        if isinstance(value, dict):
            return {name: absolute(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return tuple(absolute(one) for one in value)
        return value

    model = Path(group.model)
    return GroupJob.model_validate(
        absolute(data) | {"model": str(model.absolute()) if model.is_dir() else group.model}
    )


def _inputs(group: GroupJob) -> Iterable[Path]:
    """The files that a node needs."""
    for fit in group.fits:
        yield from (fit.train, fit.dev)
        if fit.judged is not None:
            yield fit.judged.prompts
    for ask in group.asks:
        yield ask.prompts
    folder = Path(group.model)
    if folder.is_dir():
        found = [path for path in sorted(folder.iterdir()) if path.is_file()]
        if sum(path.stat().st_size for path in found) <= MOST_SENT:
            yield from found


def _outputs(group: GroupJob) -> Iterable[Path]:
    """The files that the driver needs."""
    for fit in group.fits:
        yield fit.record
    for ask in group.asks:
        yield from (ask.completions, ask.record)


def _on_node(
    group_data: dict[str, Any], work: str, settings: dict[str, Any], sent: Files, events: Any, answers: Any,
    threads: str | None,
) -> Files:  # fmt: skip
    """What a task does: lay out the files, do the work, give back what the driver needs."""
    # Ray sets one thread for one CPU; how many threads add up a sum must not depend on the executor.
    if threads is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    else:
        os.environ["OMP_NUM_THREADS"] = threads
    for name, contents in sent.items():
        path = Path(name)
        if not path.exists():
            with atomic_write(path, "wb") as file:
                file.write(contents)
    group = GroupJob.model_validate(group_data)
    devices = ",".join(map(str, ray.get_gpu_ids())) or None
    execute(
        group, work=Path(work), settings=EngineSettings.model_validate(settings), devices=devices,
        listener=_Remote(events, answers),
    )  # fmt: skip
    return {str(path): path.read_bytes() for path in _outputs(group) if path.is_file()}


class _Remote:
    """Carries word to the driver."""

    def __init__(self, events: Any, answers: Any) -> None:
        self._events, self._answers = events, answers
        self._said = 0.0

    def started(self) -> None:
        self._tell("started")

    def phase(self, what: str, jobs: int) -> None:
        self._tell("phase", what, jobs)

    def job(self, label: str) -> None:
        self._tell("job", label)

    def within(self, done: float, total: float) -> None:
        if time.monotonic() - self._said > SECONDS_BETWEEN_REPORTS:
            self._said = time.monotonic()
            self._tell("within", done, total)

    def advance(self, jobs: int) -> None:
        self._tell("advance", jobs)

    def note(self, text: str) -> None:
        self._tell("note", text)

    def failed(self, key: str, phase: str, reason: str, seconds: float) -> None:
        self._tell("failed", key, phase, reason, seconds)

    def judge(self, key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        self._tell("judge", key, rows)
        return dict(self._answers.get())

    def _tell(self, name: str, *arguments: Any) -> None:
        self._events.put((name, arguments))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
