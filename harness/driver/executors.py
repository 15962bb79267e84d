"""Where the work on a base model is done: by this machine's workers, or by a Ray cluster's."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from harness.counts import agreeing, count_of
from harness.driver.devices import visible_devices
from harness.driver.node import Node, WaveReport
from harness.errors import UserError
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import BaseJob, WaveJob
from harness.workers.listener import Listener, MetricJudge


class Workplace(Protocol):
    """Where the waves of one base model are worked on, by the same workers."""

    def execute(self, wave: WaveJob) -> WaveReport:
        """Train what needs it, then answer what needs it. Raises `JobFailed` when the place is lost."""


class Executor(Protocol):
    """Does the work on several base models side by side."""

    workers: int
    """Base models at a time."""

    on_this_machine: bool
    """Whether models are loaded here, and so must be here or be downloaded."""

    def open(
        self, base: BaseJob, *, work: Path, settings: EngineSettings, listener: Listener, judge: MetricJudge
    ) -> AbstractContextManager[Workplace]:
        """A place for a base model's work, until the context is left. Called from as many threads as there
        are workers."""

    def close(self) -> None:
        """Give back what it holds."""


class LocalExecutor:
    """Workers on this machine: one for each GPU, or as many as are asked for, with an even share of the GPUs
    each."""

    on_this_machine = True

    def __init__(
        self, workers: int | None = None, *, devices_each: int = 1, tiny_models: bool = False
    ) -> None:
        """`workers` None: as many as there are GPUs for; without a GPU one, or one per core where all models
        are tiny. Raises `UserError` when there are too few GPUs."""
        devices = visible_devices()
        without_gpu = (os.cpu_count() or 1) if tiny_models else 1
        self.workers = workers or (max(1, len(devices) // devices_each) if devices else without_gpu)
        if devices and len(devices) < self.workers * devices_each:
            raise UserError(
                f"--workers {self.workers} of {count_of(devices_each, 'GPU')} each: there "
                f"{agreeing('are', len(devices))} {count_of(len(devices), 'GPU')}; ask for fewer "
                "workers, or lower data_parallel_size or tensor_parallel_size"
            )
        # The devices of each idle worker; None where there is no GPU.
        self._free: SimpleQueue[str | None] = SimpleQueue()
        each = len(devices) // self.workers
        for worker in range(self.workers):
            self._free.put(",".join(devices[worker * each : (worker + 1) * each]) or None)

    @contextmanager
    def open(
        self, base: BaseJob, *, work: Path, settings: EngineSettings, listener: Listener, judge: MetricJudge
    ) -> Iterator[Workplace]:
        """See `Executor.open`."""
        devices = self._free.get()
        try:
            with Node(
                base, work=work, settings=settings, devices=devices, listener=listener, judge=judge
            ) as node:
                yield node
        finally:
            self._free.put(devices)

    def close(self) -> None:
        """See `Executor.close`."""
