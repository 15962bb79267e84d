"""How the train phase deals with its worker.
It is invented here: what real ones train is tested elsewhere."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from synthetic import make_run, task_card, training_record
from toy_models import fit_job

from harness.driver import trainings
from harness.driver.trainings import TrainingPhase
from harness.records.disk import DiskFault
from harness.records.store import read_record
from harness.records.training import TrainingRecord
from harness.sweep.recipe import Training
from harness.workers.jobs import BaseJob, FitJob
from harness.workers.worker import JobFailed, WorkerDied


class InventedTrainer:
    """Stands in for a training worker, which asks once per job what its metric says."""

    started: list["InventedTrainer"]
    startup_seconds = 6.0

    def __init__(
        self, module: str, options: list[str], *, log: Path, environment: dict[str, str], report: Any
    ) -> None:
        self.in_a_job, self.closed = False, False
        self.unanswered = log.with_name("completions.jsonl")
        self.started.append(self)

    def request(self, job: dict[str, Any], report: Any, *, answer_question: Any) -> dict[str, Any]:
        assert not (self.in_a_job or self.closed), "it would take the job for the answer that it waits for"
        self.in_a_job = True
        self.unanswered.parent.mkdir(parents=True, exist_ok=True)
        self.unanswered.touch()
        answered = job["judged"]["completions"] if job["judged"] else str(self.unanswered)
        answer_question({"completions": answered})
        self.in_a_job = False
        recipe = make_run("a", "lora", task_card(), 0).recipe
        assert recipe is not None
        return {"record": training_record(recipe).model_dump(mode="json")}

    def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def trainers(monkeypatch: pytest.MonkeyPatch) -> type[InventedTrainer]:
    monkeypatch.setattr(InventedTrainer, "started", [], raising=False)
    monkeypatch.setattr(trainings, "Worker", InventedTrainer)
    return InventedTrainer


def fits(folder: Path, *names: str) -> list[FitJob]:
    return [fit_job(folder / name, "lora", Training(), key=name * 16) for name in names]


def phase(folder: Path, *, faults: dict[str, Exception]) -> TrainingPhase:
    """`faults`: what the judge raises, by the name of the job."""

    def judge(key: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        if key[0] in faults:
            raise faults[key[0]]
        return {"value": 1.0, "higher_is_better": True}

    base = BaseJob(name="m", model="m", revision=None, engine="transformers", max_model_len=None)
    return TrainingPhase(base, work=folder, devices=None, listener=lambda event: None, judge=judge)


def shares(jobs: list[FitJob]) -> list[float]:
    return [read_record(job.record, TrainingRecord).startup_seconds for job in jobs]


def test_one_worker_trains_wave_after_wave_and_its_start_is_shared(
    tmp_path: Path, trainers: type[InventedTrainer]
) -> None:
    work, jobs = phase(tmp_path, faults={}), fits(tmp_path, "a", "b", "c")
    assert work.run(jobs[:2])[0] == []
    assert shares(jobs[:2]) == [3.0, 3.0]
    failures, records = work.run(jobs[2:])
    assert (failures, len(trainers.started)) == ([], 1)
    assert shares(jobs) == [2.0, 2.0, 2.0]
    assert records == [job.record for job in jobs], "those of the first wave have changed, too"


def test_a_metric_that_fails_in_the_middle_of_a_training_costs_that_one_alone(
    tmp_path: Path, trainers: type[InventedTrainer]
) -> None:
    jobs = fits(tmp_path, "a", "b")
    failures, _ = phase(tmp_path, faults={"a": KeyError("value")}).run(jobs)
    assert [(failure.key[0], failure.reason.split(":")[0]) for failure in failures] == [("a", "KeyError")]
    assert [trainer.closed for trainer in trainers.started] == [True, False]
    assert shares(jobs[1:]) == [6.0]


def test_a_training_that_needs_one_that_failed_is_not_started_and_pays_nothing(
    tmp_path: Path, trainers: type[InventedTrainer]
) -> None:
    first, other = fits(tmp_path, "a", "b")
    second = fit_job(tmp_path / "c", "lora", Training(), key="c" * 16, start=first.weights)
    died = WorkerDied("the training worker was killed by signal SIGKILL")
    failures, _ = phase(tmp_path, faults={"a": died}).run([first, second, other])
    assert [failure.reason for failure in failures] == [
        str(died), f"a training that it needs failed: {died}"
    ]  # fmt: skip
    assert failures[0].seconds == pytest.approx(12.0, abs=1.0), "of both starts"
    assert failures[1].seconds == 0.0
    assert len(trainers.started) == 3


def test_a_trainer_that_dies_is_started_once_more_while_it_starts_or_later(
    tmp_path: Path, trainers: type[InventedTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, starts = trainers.__init__, count(1)

    def die_first(trainer: InventedTrainer, *arguments: Any, **named: Any) -> None:
        if next(starts) == 1:
            raise WorkerDied("out of memory?")
        begin(trainer, *arguments, **named)

    monkeypatch.setattr(trainers, "__init__", die_first)
    faults: dict[str, Exception] = {}
    work, jobs = phase(tmp_path, faults=faults), fits(tmp_path, "a", "b")
    assert work.run(jobs[:1])[0] == []
    faults["b"] = WorkerDied("out of memory?")
    monkeypatch.setattr(trainers, "close", lambda trainer: faults.clear())
    assert work.run(jobs[1:])[0] == []
    assert len(trainers.started) == 2


def test_a_full_disk_ends_the_phase_and_no_other_training_is_begun(
    tmp_path: Path, trainers: type[InventedTrainer]
) -> None:
    full = JobFailed("SafetensorError: I/O error: No space left on device (os error 28)")
    work, jobs = phase(tmp_path, faults={"a": full}), fits(tmp_path, "a", "b")
    with pytest.raises(DiskFault, match=f"nothing more can be written into {tmp_path}: No space left"):
        work.run(jobs)
    assert not jobs[1].record.exists()


def test_a_worker_that_cannot_start_is_tried_once(
    tmp_path: Path, trainers: type[InventedTrainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[str] = []

    def refuse(trainer: InventedTrainer, module: str, *_: Any, **__: Any) -> None:
        starts.append(module)
        raise JobFailed("no such model")

    monkeypatch.setattr(trainers, "__init__", refuse)
    work = phase(tmp_path, faults={})
    for jobs in (fits(tmp_path, "a", "b"), fits(tmp_path, "c")):
        failures, records = work.run(jobs)
        assert {failure.reason for failure in failures} == {"no such model"}
        assert (len(failures), records) == (len(jobs), [])
    assert starts == ["harness.training"]
