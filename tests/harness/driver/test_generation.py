"""How the generate phase deals with its engine processes. They are invented here: a real one runs out of
memory on no CPU.

What real engines do when they are killed is tested in test_engines.py.
"""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from invented_worker import Answer, InventedWorker, in_place_of_engines
from synthetic import make_run, task_card
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.answers import AnswerPhase
from harness.driver.render import Workshop
from harness.records.disk import DiskFault
from harness.records.generation import GenerationRecord
from harness.records.store import read_record
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.workers.jobs import AskJob, BaseJob
from harness.workers.listener import JobFailure
from harness.workers.worker import JobFailed, WorkerDied


@pytest.fixture(autouse=True)
def workers(monkeypatch: pytest.MonkeyPatch) -> type[InventedWorker]:
    return in_place_of_engines(monkeypatch)


class Sweep:
    """Runs with their prompts in a folder, and what became of them."""

    def __init__(self, folder: Path, *methods: str, seeds: int = 1) -> None:
        self.folder, self.failed = folder, list[JobFailure]()
        task = adding()
        self.tasks = {task.name: LoadedTask(task, load_dataset(task))}
        shop = Workshop(folder, self.tasks)
        card = task_card(task.name)
        self.runs = [make_run("a", method, card, seed) for method in methods for seed in range(seeds)]  # type: ignore[arg-type]
        self.asks = [shop.ask(run) for run in self.runs]
        for run, ask in zip(self.runs, self.asks, strict=True):
            shop.write_prompts(run.model_copy(update={"limit": 1}))
            (folder / run.key).mkdir(parents=True, exist_ok=True)
            written = shop.ask(run.model_copy(update={"limit": 1})).prompts
            written.rename(ask.prompts)
            if ask.weights is not None:
                ask.weights.mkdir(parents=True)
                if run.candidate.method == "lora":
                    config = {"r": 4 + 12 * run.seed, "rank_pattern": {"q_proj": 20}}
                    (ask.weights / "adapter_config.json").write_text(json.dumps(config))

    @property
    def failures(self) -> list[str]:
        return [f"{failure.phase}: {failure.reason}" for failure in self.failed]

    def generate(self, *waves: Sequence[AskJob], **settings: Any) -> set[str]:
        """The keys of the runs that failed. `waves`: some runs after others; all at once without."""
        base = BaseJob(name="m", model="m", revision=None, engine="vllm", max_model_len=None)
        phase = AnswerPhase(
            base, work=self.folder, settings=EngineSettings(**settings), devices=None, listener=lambda event: None
        )  # fmt: skip
        for wave in waves or [self.asks]:
            failures, _ = phase.run(wave)
            self.failed += failures
        phase.close()
        return {failure.key for failure in self.failed}

    def record(self, run: Run) -> GenerationRecord:
        return read_record(self.folder / run.key / "generation.json", GenerationRecord)


def raising(*faults: Exception | None) -> Answer:
    """One after the other; then all goes well."""
    left = list(faults)
    return lambda worker, job: left.pop(0) if left else None


def test_engines_of_one_base_that_work_side_by_side_have_canaries_of_their_own(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    for ask in sweep.asks:
        sweep.generate([ask])
    first, second = (worker.canaries for worker in workers.started)
    assert first != second
    assert first.exists() and second.exists()


def test_one_engine_answers_every_run_the_base_first(tmp_path: Path, workers: type[InventedWorker]) -> None:
    sweep = Sweep(tmp_path, "full", "zero_shot")
    assert sweep.generate() == set()
    (worker,) = workers.started
    assert [bool(ask["weights"]) for job in worker.jobs[:-1] for ask in job["asks"]] == [False, True]
    assert worker.jobs[-1] == {"finish": True}
    assert worker.closed
    assert sweep.record(sweep.runs[0]).startup_seconds == 1.5


def test_an_engine_that_dies_is_started_once_more(tmp_path: Path, workers: type[InventedWorker]) -> None:
    workers.answer = raising(WorkerDied("gone"))  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot")
    assert sweep.generate() == set()
    assert len(workers.started) == 2


def test_a_full_disk_ends_the_phase_and_the_engine_is_asked_nothing_more(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    workers.answer = raising(JobFailed("OperationalError: database or disk is full"))  # type: ignore[method-assign]
    with pytest.raises(
        DiskFault, match=f"nothing more can be written into {tmp_path}: database or disk is full"
    ):
        Sweep(tmp_path, "zero_shot", seeds=2).generate()
    assert [len(worker.jobs) for worker in workers.started] == [1]


def test_an_engine_that_dies_while_it_starts_is_started_once_more(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    workers.deaths_at_start = [WorkerDied("out of memory?")]
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    assert sweep.generate() == set()
    assert len(workers.started) == 1


def test_an_engine_that_dies_at_two_starts_after_each_other_is_not_started_for_every_run(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    workers.deaths_at_start = [WorkerDied("gone"), WorkerDied("gone again"), WorkerDied("once too often")]
    sweep = Sweep(tmp_path, "zero_shot", seeds=3)
    assert sweep.generate() == {run.key for run in sweep.runs}
    assert sweep.failures == ["generate: gone again"] * 3
    assert len(workers.deaths_at_start) == 1


def test_an_engine_that_dies_again_fails_its_run_and_no_other(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    workers.answer = raising(WorkerDied("gone"), WorkerDied("gone again"))  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    assert sweep.generate() == {sweep.runs[0].key}
    assert sweep.failures == ["generate: gone again"]
    assert len(workers.started) == 3


def test_without_memory_fewer_sequences_are_tried(tmp_path: Path, workers: type[InventedWorker]) -> None:
    def answer(worker: InventedWorker, job: dict[str, Any]) -> Any:
        return JobFailed("no memory", kind="OutOfMemory") if worker.settings["max_num_seqs"] > 64 else None

    workers.answer = answer  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    assert sweep.generate() == set()
    # The second run does not try again what failed for the first.
    assert [worker.settings["max_num_seqs"] for worker in workers.started] == [256, 128, 64]


def test_without_memory_for_a_few_sequences_the_run_fails_with_the_reason(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    workers.answer = lambda worker, job: JobFailed("no memory", kind="OutOfMemoryError")  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot")
    assert sweep.generate(max_num_seqs=16) == {sweep.runs[0].key}
    assert sweep.failures == ["generate: no memory"]
    assert [worker.settings["max_num_seqs"] for worker in workers.started] == [16, 8, 4]


def test_an_engine_without_memory_to_start_in_is_started_with_fewer_sequences(
    tmp_path: Path, workers: type[InventedWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = workers.__init__

    def start_in_little_memory(worker: InventedWorker, *arguments: Any, **named: Any) -> None:
        start(worker, *arguments, **named)
        if worker.settings["max_num_seqs"] > 64:
            raise JobFailed("no memory", kind="OutOfMemory")

    monkeypatch.setattr(workers, "__init__", start_in_little_memory)
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    assert sweep.generate() == set()
    assert [worker.settings["max_num_seqs"] for worker in workers.started] == [256, 128, 64]


def test_what_the_base_says_at_the_end_goes_into_every_record_of_the_engine(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    guard = {"name": "base_repeats", "passed": False, "value": 0.5, "bound": 0.0, "reason": "stale"}
    workers.answer = lambda worker, job: {"guard": guard} if "finish" in job else None  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", "lora")
    sweep.generate()
    assert [sweep.record(run).guards[-1].reason for run in sweep.runs] == ["stale", "stale"]


def test_adapters_are_served_together_with_the_largest_rank_there_is(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    sweep = Sweep(tmp_path, "zero_shot", "lora", seeds=3)
    assert sweep.generate(way="adapters") == set()
    (worker,) = workers.started
    assert [len(job["asks"]) for job in worker.jobs[:-1]] == [1, 1, 1, 3]
    assert (worker.settings["way"], worker.settings["max_lora_rank"]) == ("adapters", 28)


def test_one_adapter_that_does_not_fit_costs_none_beside_it(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    sweep = Sweep(tmp_path, "lora", seeds=3)
    bad = sweep.runs[1].key
    weights = str(sweep.asks[1].weights)

    def answer(worker: InventedWorker, job: dict[str, Any]) -> Any:
        return (
            JobFailed("odd keys") if any(weights == ask["weights"] for ask in job.get("asks", ())) else None
        )

    workers.answer = answer  # type: ignore[method-assign]
    assert sweep.generate(way="adapters") == {bad}
    assert sweep.failures == ["generate: odd keys"]


def test_several_engines_share_the_runs(tmp_path: Path, workers: type[InventedWorker]) -> None:
    both = threading.Barrier(2, timeout=60)

    def answer(worker: InventedWorker, job: dict[str, Any]) -> Any:
        if len(worker.jobs) == 1:
            both.wait()  # the first must not have done all before the second has begun
        return None

    workers.answer = answer  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", "full", seeds=4)
    assert sweep.generate(data_parallel_size=2) == set()
    assert len(workers.started) == 2
    asked = [
        ask["prompts"] for worker in workers.started for job in worker.jobs for ask in job.get("asks", ())
    ]
    assert sorted(asked) == sorted(str(tmp_path / run.key / "prompts.jsonl") for run in sweep.runs)
    assert all(worker.closed for worker in workers.started)


def test_every_engine_has_prompts_to_check_itself_with(tmp_path: Path, workers: type[InventedWorker]) -> None:
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    sweep.generate()
    rows = [json.loads(line) for line in workers.started[0].canaries.read_text().splitlines()]
    assert [set(row) for row in rows] == [{"prompt", "chat"}]


# Waves


def test_one_engine_answers_wave_after_wave(tmp_path: Path, workers: type[InventedWorker]) -> None:
    sweep = Sweep(tmp_path, "zero_shot", "full", seeds=2)
    assert sweep.generate(sweep.asks[:1], sweep.asks[1:2], sweep.asks[2:]) == set()
    (worker,) = workers.started
    assert ["finish" in job for job in worker.jobs] == [False, True, False, True, False, False, True]
    assert worker.closed
    assert [sweep.record(run).startup_seconds for run in sweep.runs] == [0.75] * 4


def test_an_engine_whose_base_did_not_come_back_answers_no_further_wave(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    guard = {"name": "base_repeats", "passed": False, "value": 0.5, "bound": 0.0, "reason": "stale"}
    workers.answer = lambda worker, job: {"guard": guard} if "finish" in job else None  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "full", seeds=2)
    sweep.generate(sweep.asks[:1], sweep.asks[1:])
    assert len(workers.started) == 2


def test_an_engine_is_started_again_for_adapters_of_a_higher_rank_than_it_serves(
    tmp_path: Path, workers: type[InventedWorker]
) -> None:
    sweep = Sweep(tmp_path, "lora", seeds=3)
    low, middle, high = sweep.asks
    sweep.generate([middle], [low], [high], way="adapters")
    assert [worker.settings["max_lora_rank"] for worker in workers.started] == [20, 28]
    assert [len(worker.jobs) for worker in workers.started] == [4, 2]
    assert workers.started[0].closed


# Who pays for a start


class Starts:
    """Start-ups of so many seconds, one after the other."""

    def __init__(
        self, workers: type[InventedWorker], monkeypatch: pytest.MonkeyPatch, *seconds: float
    ) -> None:
        begin, left = workers.__init__, list(seconds)
        lock = threading.Lock()

        def start(worker: InventedWorker, *arguments: Any, **named: Any) -> None:
            with lock:
                worker.startup_seconds = left.pop(0)
            begin(worker, *arguments, **named)

        monkeypatch.setattr(workers, "__init__", start)


def shares(sweep: Sweep) -> list[float]:
    return [sweep.record(run).startup_seconds for run in sweep.runs]


def test_each_of_several_engines_is_paid_for_by_the_runs_that_it_answered(
    tmp_path: Path, workers: type[InventedWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    Starts(workers, monkeypatch, 2.0, 10.0)
    both = threading.Barrier(2, timeout=60)

    def answer(worker: InventedWorker, job: dict[str, Any]) -> Any:
        if len(worker.jobs) == 1:
            both.wait()  # the first must not have done all before the second has begun
        return None

    workers.answer = answer  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", seeds=5)
    sweep.generate(data_parallel_size=2)
    assert sum(shares(sweep)) == pytest.approx(12.0)
    for worker in workers.started:
        keys = {ask["key"] for job in worker.jobs for ask in job.get("asks", ())}
        paid = [sweep.record(run).startup_seconds for run in sweep.runs if run.key in keys]
        assert paid == pytest.approx([worker.startup_seconds / len(keys)] * len(keys))


def test_a_start_after_a_death_is_paid_for_by_the_runs_that_it_answered(
    tmp_path: Path, workers: type[InventedWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    Starts(workers, monkeypatch, 4.0, 6.0)
    workers.answer = raising(None, WorkerDied("gone"))  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", seeds=4)
    sweep.generate()
    assert shares(sweep) == pytest.approx([4.0, 2.0, 2.0, 2.0])


def test_a_start_that_answered_nothing_is_paid_for_by_the_next(
    tmp_path: Path, workers: type[InventedWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    Starts(workers, monkeypatch, 4.0, 6.0)
    workers.answer = raising(WorkerDied("gone"))  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", seeds=2)
    sweep.generate()
    assert shares(sweep) == pytest.approx([5.0, 5.0])


def test_a_run_that_fails_pays_its_share_and_no_more(tmp_path: Path, workers: type[InventedWorker]) -> None:
    workers.answer = raising(JobFailed("no"))  # type: ignore[method-assign]
    sweep = Sweep(tmp_path, "zero_shot", seeds=3)
    sweep.generate(sweep.asks[:2], sweep.asks[2:])
    (failure,) = sweep.failed
    assert failure.seconds == pytest.approx(1.5, abs=0.5)
    assert [sweep.record(run).startup_seconds for run in sweep.runs[1:]] == pytest.approx([0.75, 0.75])
