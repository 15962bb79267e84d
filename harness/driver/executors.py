"""Where the work on a base model is done: by this machine's workers, or by a Ray cluster's."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Literal, Protocol

from harness.driver.node import execute
from harness.errors import UserError
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import GroupJob
from harness.workers.listener import Listener

ExecutorName = Literal["local", "ray"]


class Executor(Protocol):
    """Does the work on several base models side by side."""

    workers: int
    """Base models at a time."""

    def execute(self, group: GroupJob, *, work: Path, settings: EngineSettings, listener: Listener) -> None:
        """See `execution.execute`. Called from as many threads as there are workers."""

    def close(self) -> None:
        """Give back what it holds."""


class LocalExecutor:
    """Workers on this machine: one for each GPU, or as many as are asked for, with an even share of the GPUs
    each."""

    def __init__(self, workers: int | None = None, *, devices_each: int = 1) -> None:
        """`workers` None: as many as there are GPUs for; without a GPU one. Raises `UserError` when there are
        too few."""
        devices = visible_devices()
        self.workers = workers or max(1, len(devices) // devices_each)
        if devices and len(devices) < self.workers * devices_each:
            raise UserError(
                f"--workers {self.workers} of {devices_each} GPUs each: there are {len(devices)} GPUs; ask for fewer "
                "workers, or lower data_parallel_size or tensor_parallel_size"
            )
        self._free: SimpleQueue[str | None] = SimpleQueue()
        each = len(devices) // self.workers
        for worker in range(self.workers):
            self._free.put(",".join(devices[worker * each : (worker + 1) * each]) or None)

    def execute(self, group: GroupJob, *, work: Path, settings: EngineSettings, listener: Listener) -> None:
        """See `Executor.execute`."""
        with self._devices() as devices:
            execute(group, work=work, settings=settings, devices=devices, listener=listener)

    @contextmanager
    def _devices(self) -> Iterator[str | None]:
        devices = self._free.get()
        try:
            yield devices
        finally:
            self._free.put(devices)

    def close(self) -> None:
        """See `Executor.close`."""


def visible_devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device for device in visible.split(",") if device]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout.split()
