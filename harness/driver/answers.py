"""The generate phase of one base model: its arms' prompts go to one engine, or to several side by side."""

import itertools
import json
import shutil
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue

from harness.counts import count_of
from harness.driver.canaries import write_canaries
from harness.driver.lane import EngineFiles, EngineLane
from harness.driver.ways import choose_way
from harness.errors import UserError
from harness.sweep.engines import ENGINE_TABLE, Way
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import AskJob, BaseJob
from harness.workers.listener import (
    FilesWritten,
    JobAdvanced,
    JobBegan,
    JobFailure,
    JobsEnded,
    Listener,
    PhaseBegan,
    reason_of,
)
from harness.workers.side_by_side import side_by_side
from harness.workers.worker import JobFailed, Message, Report

MAX_LORAS = 8
"""Adapters in one batch."""

_PHASES = itertools.count(1)
"""Counts the phases of this process."""


class AnswerPhase:
    """Keeps the engines of a base model from one wave to the next."""

    def __init__(
        self, base: BaseJob, *, work: Path, settings: EngineSettings, devices: str | None, listener: Listener
    ) -> None:
        """`work`: where logs and kept answers lie. `devices`: the CUDA devices to use; None for all there
        are."""
        self._base, self._settings, self._devices, self._tell = base, settings, devices, listener
        self._files = EngineFiles(
            # Halves of a base's runs have engines, and so canaries, of their own.
            canaries=work / "logs" / f"{base.name}-canaries-{next(_PHASES)}.jsonl",
            cache=work / "answers.sqlite",
            log=work / "logs" / f"{base.name}-generate.log",
        )
        self._engine = ENGINE_TABLE[base.engine]
        self._lanes: list[EngineLane] = []
        self._max_lora_rank = 1
        self._has_canaries = False

    def run(self, asks: Sequence[AskJob]) -> tuple[list[JobFailure], list[Path]]:
        """Answer every run's prompts. What failed, and all records that were written."""
        # The engine starts with the base's weights: its arms first, so that each arm's weights are swapped in
        # once.
        asks = sorted(asks, key=_has_weights)
        lanes = self._lanes_for(len(asks))
        if not self._has_canaries:
            # Of the first wave, and kept: the base must answer at the end as it did at the start.
            write_canaries(self._files.canaries, asks)
            self._has_canaries = True
        wave = _Wave(asks, self._way, self._engine_settings(asks), self._files.log, self._tell)
        self._tell(PhaseBegan("generate", len(asks)))
        if len(lanes) == 1:
            wave.drain(lanes[0], reports=True)
        else:
            side_by_side([partial(wave.drain, lane, reports=False) for lane in lanes], at_a_time=len(lanes))
        records: list[Path] = []
        for lane in self._lanes:
            records += lane.starts.settle()
        if "tensor_parallel_size" in self._engine.settings:
            for failure in wave.failures:
                failure.seconds *= self._settings.tensor_parallel_size
        return wave.failures, records

    def pay_starts(self) -> None:
        """Charge no later job for the starts so far."""
        for lane in self._lanes:
            lane.starts.pay()

    def close(self) -> None:
        """End the engines; others are started when they are needed."""
        for lane in self._lanes:
            lane.close()

    def _lanes_for(self, jobs: int) -> list[EngineLane]:
        """One engine, or as many as `data_parallel_size` says and there are jobs for."""
        count = min(self._settings.data_parallel_size, jobs)
        devices = self._devices_by_lane(count)
        for place in range(len(self._lanes), count):
            lane = EngineLane(
                self._base,
                self._files,
                devices=devices[place],
                max_num_seqs=self._settings.max_num_seqs,
                listener=self._tell,
            )
            self._lanes.append(lane)
        return self._lanes[:count]

    def _devices_by_lane(self, count: int) -> list[str | None]:
        """Each engine's own devices; those of this worker where there is but one engine, or no GPU."""
        if self._settings.data_parallel_size == 1 or not shutil.which("nvidia-smi"):
            return [self._devices] * count
        size = self._settings.tensor_parallel_size
        devices = self._devices.split(",") if self._devices else [str(index) for index in range(count * size)]
        if len(devices) < count * size:
            raise UserError(
                f"data_parallel_size = {count} engines of {count_of(size, 'device')} need "
                f"{count * size} devices, and this model's worker has {len(devices)}: lower it, or --workers"
            )
        return [",".join(devices[lane * size : (lane + 1) * size]) for lane in range(count)]

    @cached_property
    def _way(self) -> Way:
        """The same for all waves. Not chosen before the first: a node may yet be sent the model."""
        return choose_way(self._base, self._settings)

    def _engine_settings(self, asks: Sequence[AskJob]) -> Message:
        """What an engine is started with, but for what each lane decides."""
        settings: Message = {"max_model_len": self._base.max_model_len}
        settings |= {key: getattr(self._settings, key) for key in self._engine.settings}
        if self._way == "adapters":
            # An engine that serves large adapters serves small ones, too, and need not be started again.
            self._max_lora_rank = max(self._max_lora_rank, *map(_rank, asks))
            settings |= {"way": self._way, "max_loras": MAX_LORAS, "max_lora_rank": self._max_lora_rank}
        return settings


class _Wave:
    """Runs to be answered, and those that failed: what several engines share."""

    def __init__(
        self, asks: Sequence[AskJob], way: Way, settings: Message, log: Path, listener: Listener
    ) -> None:
        self._settings, self._log, self._tell = settings, log, listener
        self._provisional_share = 1 / len(asks)
        self._batches: SimpleQueue[list[AskJob]] = SimpleQueue()
        for batch in _batches(asks, way):
            self._batches.put(batch)
        self.failures: list[JobFailure] = []

    def drain(self, lane: EngineLane, *, reports: bool) -> None:
        """Answer batches until none is left, then see whether the base still answers as at the start."""
        while True:
            try:
                batch = self._batches.get_nowait()
            except Empty:
                break
            self._tell(JobBegan(batch[0].label if len(batch) == 1 else f"{len(batch)} adapters"))
            self._answer(lane, batch, self._report if reports else _stay_silent)
            self._tell(JobsEnded(len(batch)))
        lane.check_base()

    def _report(self, message: Message) -> None:
        self._tell(JobAdvanced(message["done"], message["total"]))

    def _answer(self, lane: EngineLane, batch: Sequence[AskJob], report: Report) -> None:
        seconds = lane.starts.stopwatch()
        try:
            lane.answer(batch, self._settings, report, provisional_share=self._provisional_share)
            # The record last: it says that the answers are there.
            self._tell(FilesWritten(tuple(path for ask in batch for path in (ask.completions, ask.record))))
        except JobFailed as error:
            if len(batch) > 1:
                # One adapter that does not fit must not cost those beside it.
                for ask in batch:
                    self._answer(lane, [ask], report)
                return
            (ask,) = batch
            reason = reason_of(error, subject=ask.label, log=self._log)
            failure = JobFailure(ask.key, "generate", reason, seconds())
            lane.starts.failed(failure)
            self.failures.append(failure)


def _batches(asks: Sequence[AskJob], way: Way) -> Iterator[list[AskJob]]:
    """Runs that one job answers: one, or several whose adapters are served together."""
    if way == "swap":
        yield from ([ask] for ask in asks)
        return
    yield from ([ask] for ask in asks if ask.weights is None)
    adapted = iter([ask for ask in asks if ask.weights is not None])
    while batch := list(islice(adapted, MAX_LORAS)):
        yield batch


def _stay_silent(_: Message) -> None:
    """No single engine of several knows the overall progress."""


def _has_weights(ask: AskJob) -> bool:
    return ask.weights is not None


def _rank(ask: AskJob) -> int:
    """The largest rank in a run's adapter; 1 for an arm without."""
    path = ask.weights / "adapter_config.json" if ask.weights else None
    if path is None or not path.exists():
        return 1
    config = json.loads(path.read_text(encoding="utf-8"))
    return max(int(rank) for rank in (config["r"], *config.get("rank_pattern", {}).values()))
