"""The generate phase of one base model: its arms' prompts go to one engine, or to several side by side.

What goes wrong with an engine is mended here where it can be: one that dies is started once more and goes on
where it was (answers are kept as they come), one without memory is started with fewer sequences at a time.
"""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.errors import UserError
from harness.jsonl import read_jsonl
from harness.records.generation import GenerationRecord, GuardRecord
from harness.records.store import atomic_write, read_record, write_record
from harness.sweep.engines import ENGINE_TABLE, EngineName, Way
from harness.sweep.methods import TUNERS
from harness.sweep.models import count_parameters
from harness.sweep.settings import EngineSettings
from harness.task import Output
from harness.workers.jobs import AskJob, GroupJob
from harness.workers.listener import Listener, reason_of
from harness.workers.worker import JobFailed, Message, Report, Worker, WorkerDied

CANARIES, LOOKED_AT = 6, 50
"""Prompts that every arm is checked with, and of how many of a run's first they are the longest."""

_NO_MEMORY = ("OutOfMemory", "OutOfMemoryError")
"""What the exceptions of ours and of torch are called."""

LEAST_NUM_SEQS = 4
"""With fewer sequences at a time there is no hope that memory is enough."""

ADAPTERS_FROM = 1_000_000_000
"""Parameters from which merging and loading an adapter's base takes longer than serving the adapter beside
it."""

MAX_LORAS = 8
"""Adapters in one batch."""


@dataclass
class _Lane:
    """One engine process, and the runs it has answered since its start."""

    devices: str | None
    """CUDA devices it may use, as CUDA_VISIBLE_DEVICES has them; None for all there are."""

    worker: Worker | None = None
    max_num_seqs: int = 0
    answered: list[AskJob] = field(default_factory=list)
    cannot_start: JobFailed | None = None


class Generation:
    """The arms of one base model that are still to be answered."""

    def __init__(
        self, group: GroupJob, asks: Sequence[AskJob], *, work: Path, settings: EngineSettings, devices: str | None,
        listener: Listener,
    ) -> None:  # fmt: skip
        """`work`: where logs and kept answers lie. `devices`: the CUDA devices to use; None for all there
        are."""
        # The engine starts with the base's weights: its arms first, so that each arm's weights are swapped in
        # once.
        self._asks = sorted(asks, key=lambda ask: ask.weights is not None)
        self._group, self._work, self._settings, self._devices = group, work, settings, devices
        self._listener, self._log = listener, work / "logs" / f"{group.name}-generate.log"
        self._way = choose_way(self._asks, group.model, group.engine, settings)

    def run(self) -> None:
        """Answer every run's prompts; tell the listener of those that failed."""
        if not self._asks:
            return
        batches: SimpleQueue[list[AskJob]] = SimpleQueue()
        for batch in self._batches():
            batches.put(batch)
        self._write_canaries()
        lanes = self._lanes()
        self._listener.phase("generate", len(self._asks))
        if len(lanes) == 1:
            self._drain(lanes[0], batches, alone=True)
            return
        with ThreadPoolExecutor(len(lanes)) as pool:
            for done in [pool.submit(self._drain, lane, batches, alone=False) for lane in lanes]:
                done.result()

    def _batches(self) -> Iterator[list[AskJob]]:
        """Runs that one job answers: one, or several whose adapters are served together."""
        if self._way == "swap":
            yield from ([ask] for ask in self._asks)
            return
        yield from ([ask] for ask in self._asks if ask.weights is None)
        adapted = iter([ask for ask in self._asks if ask.weights is not None])
        while batch := list(islice(adapted, MAX_LORAS)):
            yield batch

    def _lanes(self) -> list[_Lane]:
        """One engine, or as many as `data_parallel_size` says, each with its own devices."""
        settings = self._settings
        count = min(settings.data_parallel_size, len(self._asks))
        seqs = settings.max_num_seqs
        if count == 1 or not shutil.which("nvidia-smi"):
            return [_Lane(self._devices, max_num_seqs=seqs) for _ in range(count)]
        size = settings.tensor_parallel_size
        devices = self._devices.split(",") if self._devices else [str(index) for index in range(count * size)]
        if len(devices) < count * size:
            raise UserError(
                f"data_parallel_size = {count} engines of {size} devices need {count * size} devices, and this model's "
                f"worker has {len(devices)}: lower it, or --workers"
            )
        return [
            _Lane(",".join(devices[lane * size : (lane + 1) * size]), max_num_seqs=seqs)
            for lane in range(count)
        ]

    # One engine

    def _drain(self, lane: _Lane, batches: "SimpleQueue[list[AskJob]]", *, alone: bool) -> None:
        """Answer batches until none is left, then see whether the base still answers as at the start."""
        try:
            while True:
                try:
                    batch = batches.get_nowait()
                except Empty:
                    break
                self._listener.job(batch[0].label if len(batch) == 1 else f"{len(batch)} adapters")
                self._answer(lane, batch, self._report if alone else _say_nothing)
                self._listener.advance(len(batch))
            self._finish(lane)
        finally:
            if lane.worker is not None:
                lane.worker.close()

    def _report(self, message: Message) -> None:
        self._listener.within(message["done"], message["total"])

    def _answer(self, lane: _Lane, batch: Sequence[AskJob], report: Report) -> None:
        started = time.monotonic()
        try:
            self._request(lane, batch, report)
        except JobFailed as error:
            if len(batch) > 1:
                # One adapter that does not fit must not cost those beside it.
                for ask in batch:
                    self._answer(lane, [ask], report)
                return
            seconds = time.monotonic() - started
            self._listener.failed(
                batch[0].key, "generate", reason_of(error, what=batch[0].label, log=self._log), seconds
            )
        else:
            lane.answered += batch

    def _request(self, lane: _Lane, batch: Sequence[AskJob], report: Report) -> None:
        """Put a batch to the lane's engine, started again where that may help, and write the runs'
        records."""
        deaths = 0
        while True:
            try:
                worker = self._started(lane)
                answer = worker.request({"asks": [ask.model_dump(mode="json") for ask in batch]}, report)
                break
            except WorkerDied as death:
                self._close(lane)
                deaths += 1
                if deaths > 1:
                    raise
                self._listener.note(
                    f"{batch[0].label}: {death}; it is started again and goes on where it was"
                )
            except JobFailed as error:
                fewer = lane.max_num_seqs // 2
                if error.kind not in _NO_MEMORY or fewer < LEAST_NUM_SEQS:
                    raise
                self._close(lane)
                lane.max_num_seqs = fewer
                self._listener.note(f"{batch[0].label}: {error}; trying {fewer} sequences at a time")
        startup = worker.startup_seconds / len(self._asks)
        for ask, record in zip(batch, answer["records"], strict=True):
            write_record(ask.record, GenerationRecord.model_validate(record | {"startup_seconds": startup}))

    def _started(self, lane: _Lane) -> Worker:
        if lane.worker is None:
            options = ["--engine", self._group.engine, "--model", self._group.model]
            if self._group.revision:
                options += ["--revision", self._group.revision]
            options += ["--settings", json.dumps(self._engine_settings(lane.max_num_seqs))]
            options += ["--canaries", str(self._canaries), "--cache", str(self._work / "answers.sqlite")]
            environment = {} if lane.devices is None else {"CUDA_VISIBLE_DEVICES": lane.devices}
            if lane.cannot_start is not None:
                raise lane.cannot_start  # a start takes long, and would fail for every run alike
            try:
                lane.worker = Worker("harness.engines", options, log=self._log, environment=environment)
            except JobFailed as error:
                if error.kind not in _NO_MEMORY:
                    lane.cannot_start = error
                raise
        return lane.worker

    def _engine_settings(self, max_num_seqs: int) -> Message:
        settings: Message = {"max_model_len": self._group.max_model_len, "max_num_seqs": max_num_seqs}
        row = ENGINE_TABLE[self._group.engine]
        settings |= {key: getattr(self._settings, key) for key in row.settings}
        if self._way == "adapters":
            ranks = [_rank(ask) for ask in self._asks]
            settings |= {"way": self._way, "max_loras": MAX_LORAS, "max_lora_rank": max(ranks)}
        return settings

    def _close(self, lane: _Lane) -> None:
        if lane.worker is not None:
            lane.worker.close()
        lane.worker, lane.answered = None, []

    def _finish(self, lane: _Lane) -> None:
        """Have the base answer its canaries once more; what it says goes into the records of the engine's
        runs."""
        if lane.worker is None or not lane.answered:
            return
        try:
            guard = lane.worker.request({"finish": True}, _say_nothing)["guard"]
        except JobFailed as error:
            # The answers are there, and each arm passed when it came in; only this last word is missing.
            self._listener.note(
                f"{self._group.name}: whether the base still answers the same could not be told: {error}"
            )
            return
        if guard is None:
            return
        for ask in lane.answered:
            record = read_record(ask.record, GenerationRecord)
            guards = (*record.guards, GuardRecord(**guard))
            write_record(ask.record, record.model_copy(update={"guards": guards}))

    # Canaries

    @property
    def _canaries(self) -> Path:
        return self._work / "logs" / f"{self._group.name}-canaries.jsonl"

    def _write_canaries(self) -> None:
        """Long prompts of the sweep's own, of as many tasks and arms as there is room for."""
        firsts = {(ask.task, ask.num_fewshot): ask for ask in reversed(self._asks)}.values()
        found = zip_longest(*(_long_prompts(ask) for ask in firsts))
        rows = [row for row in chain.from_iterable(found) if row is not None]
        with atomic_write(self._canaries) as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[:CANARIES])


def _say_nothing(_: Message) -> None:
    """Of engines that work side by side no single one says how far the whole is."""


def _long_prompts(ask: AskJob) -> list[Message]:
    rows = islice(read_jsonl(ask.prompts), LOOKED_AT)
    prompts = [_canary(row, ask.output) for row in rows]
    prompts.sort(key=lambda prompt: len(prompt["text"]), reverse=True)
    return [{"prompt": prompt, "chat": ask.chat} for prompt in prompts[:CANARIES]]


def _rank(ask: AskJob) -> int:
    """The largest rank in a run's adapter; 1 for an arm without."""
    path = ask.weights / "adapter_config.json" if ask.weights else None
    if path is None or not path.exists():
        return 1
    config = json.loads(path.read_text(encoding="utf-8"))
    return max(int(rank) for rank in (config["r"], *config.get("rank_pattern", {}).values()))


def is_answered(ask: AskJob) -> bool:
    """Whether a run's answers are there, by an engine that no guard has failed."""
    if not (ask.record.exists() and ask.completions.exists()):
        return False
    return all(guard.passed for guard in read_record(ask.record, GenerationRecord).guards)


def choose_way(asks: Sequence[AskJob], model: str, engine: EngineName, settings: EngineSettings) -> Way:
    """How the arms' weights get into the engine: as asked, or by device and size.

    Adapters are served where merging moves gigabytes: on CUDA, from a billion parameters on, where every
    tuned arm is a plain adapter and no text is only weighed. Raises `UserError` when adapters are asked for
    and cannot be had.
    """
    weighed = next((ask for ask in asks if ask.output == "perplexity"), None)
    whole = next((ask for ask in asks if ask.tuner and TUNERS[ask.tuner].not_servable), None)
    serves_adapters = "adapters" in ENGINE_TABLE[engine].ways
    if settings.way == "adapters":
        if not serves_adapters:
            able = " or ".join(row.title for row in ENGINE_TABLE.values() if "adapters" in row.ways)
            raise UserError(
                f'[engine] way = "adapters" takes {able}; the {engine} engine merges: set way = "swap"'
            )
        if whole is not None and whole.tuner is not None:
            why = TUNERS[whole.tuner].not_servable
            raise UserError(
                f'[engine] way = "adapters" serves adapters only, and {whole.label} {why}: set way = "swap", '
                "or give that method a sweep of its own"
            )
        if weighed is not None:
            raise UserError(
                f'[engine] way = "adapters" weighs no texts, as {weighed.label} wants: set way = "swap", or give that task '
                "a sweep of its own"
            )
        return "adapters"
    adapted = any(ask.tuner is not None for ask in asks)
    if settings.way == "swap" or not serves_adapters or not adapted:
        return "swap"
    if whole is not None or weighed is not None:
        return "swap"
    if not shutil.which("nvidia-smi"):
        return "swap"
    size = count_parameters(model)
    return "adapters" if size is not None and size >= ADAPTERS_FROM else "swap"


def _canary(row: Message, output: Output) -> dict[str, Any]:
    """A prompt, and of a text that is measured its beginning, too: there may be nothing before it."""
    prompt: dict[str, Any] = row["prompt"]
    if output != "perplexity":
        return prompt
    return {"messages": [], "text": prompt["text"] + prompt["before"] + row["target"][:2000]}
