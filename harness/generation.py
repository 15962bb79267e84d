"""The generate phase of one base model: its arms' prompts go to one engine, or to several side by side.

What goes wrong with an engine is mended here where it can be: one that dies is started once more and goes on where it was
(answers are kept as they come), one without memory is started with fewer sequences at a time.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.config import TUNED, EngineSettings, Run
from harness.data.sources import read_jsonl
from harness.engines import EngineName, Way
from harness.errors import UserError
from harness.estimate import count_parameters
from harness.plan import Group, LoadedTask
from harness.progress import Phase, Progress
from harness.results import GenerationRecord, GuardRecord, atomic_write, read_record, write_record
from harness.task import Task
from harness.worker import JobFailed, Message, Worker, WorkerDied

CANARIES, LOOKED_AT = 6, 50
"""Prompts that every arm is checked with, and of how many of a run's first they are the longest."""

_NO_MEMORY = ("OutOfMemory", "OutOfMemoryError")
"""What the exceptions of ours and of torch are called."""

LEAST_NUM_SEQS = 4
"""With fewer sequences at a time there is no hope that memory is enough."""

ADAPTERS_FROM = 1_000_000_000
"""Parameters from which merging and loading an adapter's base takes longer than serving the adapter beside it."""

MAX_LORAS = 8
"""Adapters in one batch."""

Recording = Callable[[Run, str], AbstractContextManager[None]]
"""(run, phase) → a block whose fault becomes the run's recorded failure."""


@dataclass
class _Lane:
    """One engine process, and the runs it has answered since its start."""

    devices: str | None
    """CUDA devices it may use, as CUDA_VISIBLE_DEVICES has them; None for all there are."""

    worker: Worker | None = None
    max_num_seqs: int = 0
    answered: list[Run] = field(default_factory=list)
    cannot_start: JobFailed | None = None


class Generation:
    """The arms of one base model that are still to be answered."""

    def __init__(
        self,
        group: Group,
        runs: Sequence[Run],
        tasks: Mapping[str, LoadedTask],
        *,
        model: str,
        work: Path,
        engine: EngineName,
        settings: EngineSettings,
        progress: Progress,
        recording: Recording,
    ) -> None:
        """`model`: the folder or hub id to load. `work`: where each run's files lie, by its key."""
        # The engine starts with the base's weights: its arms first, so that each arm's weights are swapped in once.
        self._runs = sorted(runs, key=lambda run: run.candidate.method in TUNED)
        self._group, self._tasks, self._model, self._root = group, tasks, model, work
        self._engine, self._settings = engine, settings
        self._progress, self._recording = progress, recording
        self._name = group.runs[0].candidate.name
        self._way = choose_way(self._runs, tasks, engine, settings)
        self._failed = {run.key for run in runs}

    def run(self) -> set[str]:
        """Answer every run's prompts. The keys of those that failed."""
        if not self._runs:
            return set()
        batches: SimpleQueue[list[Run]] = SimpleQueue()
        for batch in self._batches():
            batches.put(batch)
        self._write_canaries()
        lanes = self._lanes()
        with self._progress.phase(f"{self._name}: generate", total=len(self._runs)) as bar:
            if len(lanes) == 1:
                self._drain(lanes[0], batches, bar, alone=True)
            else:
                with ThreadPoolExecutor(len(lanes)) as pool:
                    for done in [pool.submit(self._drain, lane, batches, bar, alone=False) for lane in lanes]:
                        done.result()
        return self._failed

    def _batches(self) -> Iterator[list[Run]]:
        """Runs that one job answers: one, or several whose adapters are served together."""
        if self._way == "swap":
            yield from ([run] for run in self._runs)
            return
        yield from ([run] for run in self._runs if run.candidate.method not in TUNED)
        adapted = iter([run for run in self._runs if run.candidate.method in TUNED])
        while batch := list(islice(adapted, MAX_LORAS)):
            yield batch

    def _lanes(self) -> list[_Lane]:
        """One engine, or as many as `data_parallel_size` says, each with its own devices."""
        settings = self._settings
        count = min(settings.data_parallel_size, len(self._runs))
        seqs = settings.max_num_seqs
        if count == 1 or not shutil.which("nvidia-smi"):
            return [_Lane(None, max_num_seqs=seqs) for _ in range(count)]
        size = settings.tensor_parallel_size
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        devices = visible.split(",") if visible else [str(index) for index in range(count * size)]
        if len(devices) < count * size:
            raise UserError(
                f"data_parallel_size = {count} engines of {size} devices need {count * size} devices, and "
                f"CUDA_VISIBLE_DEVICES names {len(devices)}"
            )
        return [_Lane(",".join(devices[lane * size : (lane + 1) * size]), max_num_seqs=seqs) for lane in range(count)]

    # One engine

    def _drain(self, lane: _Lane, batches: "SimpleQueue[list[Run]]", bar: Phase, *, alone: bool) -> None:
        """Answer batches until none is left, then see whether the base still answers as at the start."""
        try:
            while True:
                try:
                    batch = batches.get_nowait()
                except Empty:
                    break
                bar.describe(batch[0].label if len(batch) == 1 else f"{len(batch)} adapters")
                self._answer(lane, batch, bar if alone else None)
                bar.advance(len(batch))
            self._finish(lane)
        finally:
            if lane.worker is not None:
                lane.worker.close()

    def _answer(self, lane: _Lane, batch: Sequence[Run], bar: Phase | None) -> None:
        try:
            self._request(lane, batch, bar)
        except JobFailed as error:
            if len(batch) > 1:
                # One adapter that does not fit must not cost those beside it.
                for run in batch:
                    self._answer(lane, [run], bar)
                return
            with self._recording(batch[0], "generate"):
                raise error
        else:
            self._failed -= {run.key for run in batch}
            lane.answered += batch

    def _request(self, lane: _Lane, batch: Sequence[Run], bar: Phase | None) -> None:
        """Put a batch to the lane's engine, started again where that may help, and write the runs' records."""
        deaths = 0
        while True:
            try:
                worker = self._started(lane)
                answer = worker.request({"asks": [self._job(run) for run in batch]}, _reporter(bar))
                break
            except WorkerDied as death:
                self._close(lane)
                deaths += 1
                if deaths > 1:
                    raise
                self._progress.note(f"{batch[0].label}: {death}; it is started again and goes on where it was")
            except JobFailed as error:
                fewer = lane.max_num_seqs // 2
                if error.kind not in _NO_MEMORY or fewer < LEAST_NUM_SEQS:
                    raise
                self._close(lane)
                lane.max_num_seqs = fewer
                self._progress.note(f"{batch[0].label}: {error}; trying {fewer} sequences at a time")
        startup = worker.startup_seconds / len(self._runs)
        for run, record in zip(batch, answer["records"], strict=True):
            write_record(
                self._folder(run) / "generation.json",
                GenerationRecord.model_validate(record | {"startup_seconds": startup}),
            )

    def _started(self, lane: _Lane) -> Worker:
        if lane.worker is None:
            options = ["--engine", self._engine, "--model", self._model]
            if self._group.revision:
                options += ["--revision", self._group.revision]
            options += ["--settings", json.dumps(self._engine_settings(lane.max_num_seqs))]
            options += ["--canaries", str(self._canaries), "--cache", str(self._root / "answers.sqlite")]
            environment = {} if lane.devices is None else {"CUDA_VISIBLE_DEVICES": lane.devices}
            log = self._root / "logs" / f"{self._name}-generate.log"
            if lane.cannot_start is not None:
                raise lane.cannot_start  # a start takes long, and would fail for every run alike
            try:
                lane.worker = Worker("harness.engines", options, log=log, environment=environment)
            except JobFailed as error:
                if error.kind not in _NO_MEMORY:
                    lane.cannot_start = error
                raise
        return lane.worker

    def _engine_settings(self, max_num_seqs: int) -> Message:
        settings: Message = {"max_model_len": self._group.max_model_len, "max_num_seqs": max_num_seqs}
        if self._engine == "vllm":
            settings |= {
                "way": self._way,
                "tensor_parallel_size": self._settings.tensor_parallel_size,
                "gpu_memory_utilization": self._settings.gpu_memory_utilization,
            }
            if self._way == "adapters":
                settings |= {"max_loras": MAX_LORAS, "max_lora_rank": max(map(self._rank, self._runs))}
        return settings

    def _rank(self, run: Run) -> int:
        """The largest rank in a run's adapter; 1 for an arm without."""
        path = self._folder(run) / "weights" / "adapter_config.json"
        if not path.exists():
            return 1
        config = json.loads(path.read_text(encoding="utf-8"))
        return max(int(rank) for rank in (config["r"], *config.get("rank_pattern", {}).values()))

    def _close(self, lane: _Lane) -> None:
        if lane.worker is not None:
            lane.worker.close()
        lane.worker, lane.answered = None, []

    def _finish(self, lane: _Lane) -> None:
        """Have the base answer its canaries once more; what it says goes into the records of the engine's runs."""
        if lane.worker is None or not lane.answered:
            return
        try:
            guard = lane.worker.request({"finish": True}, lambda _: None)["guard"]
        except JobFailed as error:
            # The answers are there, and each arm passed when it came in; only this last word is missing.
            self._progress.note(f"{self._name}: whether the base still answers the same could not be told: {error}")
            return
        if guard is None:
            return
        for run in lane.answered:
            path = self._folder(run) / "generation.json"
            record = read_record(path, GenerationRecord)
            write_record(path, record.model_copy(update={"guards": (*record.guards, GuardRecord.model_validate(guard))}))

    # What an engine is told

    def _folder(self, run: Run) -> Path:
        return self._root / run.key

    def _job(self, run: Run) -> Message:
        folder, task = self._folder(run), self._tasks[run.task].task
        return {
            "prompts": str(folder / "prompts.jsonl"),
            "completions": str(folder / "completions.jsonl"),
            "weights": str(folder / "weights") if run.candidate.method in TUNED else None,
            "weights_id": run.candidate.fingerprint,
            "output": task.output,
            "structured_outputs": task.structured_outputs,
            "truncation_side": task.truncation_side,
            "stride": run.generation.stride,
            "sampling": {
                "max_tokens": run.generation.max_tokens,
                "temperature": run.generation.temperature,
                "top_p": run.generation.top_p,
                "n": run.generation.n,
                "stop": task.stop,
                # A greedy answer is the same for every seed, and is not generated again for another.
                "seed": run.seed if run.generation.temperature else 0,
            },
            "chat": run.candidate.chat,
            "time_uncached": self._settings.time_uncached and run.candidate.method == "few_shot",
        }

    @property
    def _canaries(self) -> Path:
        return self._root / "logs" / f"{self._name}-canaries.jsonl"

    def _write_canaries(self) -> None:
        """Long prompts of the sweep's own, of as many tasks and arms as there is room for."""
        firsts = {(run.task, run.num_fewshot): run for run in reversed(self._runs)}.values()
        found = zip_longest(*(self._long_prompts(run) for run in firsts))
        rows = [row for row in chain.from_iterable(found) if row is not None]
        with atomic_write(self._canaries) as file:
            file.writelines(json.dumps(row) + "\n" for row in rows[:CANARIES])

    def _long_prompts(self, run: Run) -> list[Message]:
        rows = islice(read_jsonl(self._folder(run) / "prompts.jsonl"), LOOKED_AT)
        prompts = [_canary(row, self._tasks[run.task].task) for row in rows]
        prompts.sort(key=lambda prompt: len(prompt["text"]), reverse=True)
        return [{"prompt": prompt, "chat": run.candidate.chat} for prompt in prompts[:CANARIES]]


def is_answered(folder: Path) -> bool:
    """Whether a run's work folder holds its answers, by an engine that no guard has failed."""
    record = folder / "generation.json"
    if not (record.exists() and (folder / "completions.jsonl").exists()):
        return False
    return all(guard.passed for guard in read_record(record, GenerationRecord).guards)


def choose_way(runs: Sequence[Run], tasks: Mapping[str, LoadedTask], engine: EngineName, settings: EngineSettings) -> Way:
    """How the arms' weights get into the engine: as asked, or by device and size.

    Adapters are served where merging moves gigabytes: on CUDA, from a billion parameters on, where no arm is fully
    fine-tuned and no text is only weighed. Raises `UserError` when adapters are asked for and cannot be had.
    """
    weighed = next((run for run in runs if tasks[run.task].task.output == "perplexity"), None)
    full = next((run for run in runs if run.candidate.method == "full"), None)
    if settings.way == "adapters":
        if engine != "vllm":
            raise UserError('[engine] way = "adapters" takes vLLM; the transformers engine merges: set way = "swap"')
        if full is not None:
            raise UserError(
                f'[engine] way = "adapters" serves adapters only, and {full.label} changes all weights: set way = "swap", '
                "or give that method a sweep of its own"
            )
        if weighed is not None:
            raise UserError(
                f'[engine] way = "adapters" weighs no texts, as {weighed.label} wants: set way = "swap", or give that task '
                "a sweep of its own"
            )
        return "adapters"
    adapted = any(run.candidate.method == "lora" for run in runs)
    if settings.way == "swap" or engine != "vllm" or full is not None or weighed is not None or not adapted:
        return "swap"
    if not shutil.which("nvidia-smi"):
        return "swap"
    size = count_parameters(runs[0].candidate.model)
    return "adapters" if size is not None and size >= ADAPTERS_FROM else "swap"


def _reporter(bar: Phase | None) -> Callable[[Message], None]:
    def report(message: Message) -> None:
        if bar is not None:
            bar.within(message["done"], message["total"])

    return report


def _canary(row: Message, task: Task) -> dict[str, Any]:
    """A prompt, and of a text that is measured its beginning, too: there may be nothing before it."""
    prompt: dict[str, Any] = row["prompt"]
    if task.output != "perplexity":
        return prompt
    return {"messages": [], "text": prompt["text"] + prompt["before"] + row["target"][:2000]}
