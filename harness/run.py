"""Run a sweep: render, train, generate and score every run that has no result yet, one base model at a time.

Every phase leaves a file that carries the run's key, so a sweep that was stopped goes on where it was: finished
results are kept, trained weights are not trained again, generated answers are not generated again.
"""

import dataclasses
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.card import task_card
from harness.config import TUNED, EngineSettings, Run
from harness.data import training_subset
from harness.data.overlap import Overlap, find_overlap
from harness.data.sources import read_jsonl
from harness.demonstrations import choose_demonstrations
from harness.engines import EngineName
from harness.errors import UserError
from harness.generation import Generation, choose_way, is_answered
from harness.models import model_kind
from harness.plan import Group, LoadedTask, group_runs, is_done
from harness.progress import Progress
from harness.prompts import prompt_row
from harness.provenance import provenance
from harness.results import (
    FAILURE,
    PREDICTIONS,
    RESULT,
    SCHEMA_VERSION,
    Cost,
    Failure,
    GenerationRecord,
    OverlapRecord,
    Result,
    TaskCard,
    TrainingRecord,
    atomic_write,
    read_record,
    write_record,
)
from harness.score import collect, score_rows
from harness.task import PromptSet, Sample
from harness.toys import PREFIX, toy_folder
from harness.worker import JobFailed, Message, Report, Worker, WorkerDied


@dataclass(frozen=True)
class Folders:
    """Where a sweep writes."""

    results: Path
    work: Path


@dataclass
class Outcome:
    """How a sweep ended."""

    already_done: int
    finished: list[Run] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)


def run_sweep(
    runs: Sequence[Run],
    tasks: Mapping[str, LoadedTask],
    folders: Folders,
    *,
    engine: EngineName,
    settings: EngineSettings,
    progress: Progress,
) -> Outcome:
    """Bring every run to a result or a recorded failure; one failed run does not stop the others.

    Raises `UserError` before any work when a needed library is missing, a result of another configuration is in the way
    or the arms cannot be scored in the way that was asked for.
    """
    todo = [run for run in runs if not is_done(folders.results, run)]
    outcome = Outcome(already_done=len(runs) - len(todo))
    if not todo:
        return outcome
    for group in group_runs(todo):
        choose_way(group.runs, tasks, engine, settings)  # what cannot be scored is not trained
    _require_libraries(engine, todo)
    folders.work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folders.work / ".lock", blocking=False):
            build_toys(sorted({run.candidate.model for run in todo}), folders.work, progress)
            facts = _TaskFacts(tasks)
            for group in group_runs(todo):
                _GroupRunner(group, facts, folders, engine, settings, progress, outcome).run()
    except Timeout:
        raise UserError(
            f"another gainboard works in {folders.work}; wait for it, or give this one a --work folder of its own"
        ) from None
    return outcome


def _require_libraries(engine: EngineName, runs: Sequence[Run]) -> None:
    needed = {"torch": "train", "transformers": "train"}
    if engine == "vllm":
        needed["vllm"] = "vllm"
    if any(run.candidate.method in TUNED for run in runs):
        needed |= {"trl": "train", "peft": "train", "datasets": "train"}
    for library, extra in needed.items():
        if importlib.util.find_spec(library) is None:
            raise UserError(
                f"this sweep needs {library}, which is not installed: pip install 'gainboard[{extra}]' "
                "(or 'gainboard[cpu]' on a machine without a GPU)"
            )


def build_toys(models: Sequence[str], work: Path, progress: Progress) -> None:
    """Build the toy models among `models` that this machine has not built yet, side by side."""
    names = [model.removeprefix(PREFIX) for model in models if model_kind(model) == "toy"]
    missing = [name for name in names if not toy_folder(name).is_dir()]
    waiting, running = list(missing), dict[str, subprocess.Popen[bytes]]()
    log_folder = work / "logs"
    log_folder.mkdir(parents=True, exist_ok=True)
    try:
        with progress.phase("pre-training toy models", total=len(missing), hidden=not missing) as phase:
            while waiting or running:
                while waiting and len(running) < (os.cpu_count() or 1):
                    name = waiting.pop(0)
                    with (log_folder / f"{name}.log").open("wb") as log:
                        running[name] = subprocess.Popen(
                            [sys.executable, "-P", "-m", "harness.toys.build", name],
                            stdout=log,
                            stderr=log,
                            start_new_session=True,
                        )
                time.sleep(0.5)
                for name, process in list(running.items()):
                    if process.poll() is None:
                        continue
                    del running[name]
                    if process.returncode != 0:
                        raise UserError(f"building {PREFIX}{name} failed; its log is {log_folder / f'{name}.log'}")
                    phase.advance(1)
    finally:
        for process in running.values():
            process.kill()


class _TaskFacts:
    """What takes a look at every sample of a task, found once a sweep."""

    def __init__(self, tasks: Mapping[str, LoadedTask]) -> None:
        self.tasks = tasks
        self._cards: dict[str, TaskCard] = {}
        self._overlaps: dict[tuple[str, int | None, int | None], Overlap] = {}

    def card(self, task: str) -> TaskCard:
        """What results say of the task."""
        if task not in self._cards:
            self._cards[task] = task_card(self.tasks[task])
        return self._cards[task]

    def overlap(self, run: Run) -> Overlap:
        """Between what a run is trained on, or could be, and what it is tested on; the same for all seeds and models."""
        key = (run.task, run.n_train, run.limit)
        if key not in self._overlaps:
            dataset = self.tasks[run.task].dataset
            trained_on = training_subset(dataset.train, run.n_train)
            self._overlaps[key] = find_overlap(trained_on, dataset.test[: run.limit])
        return self._overlaps[key]


class _GroupRunner:
    """The runs of one base model: all trainings in one worker, then all answers from one engine."""

    def __init__(
        self,
        group: Group,
        facts: "_TaskFacts",
        folders: Folders,
        engine: EngineName,
        settings: EngineSettings,
        progress: Progress,
        outcome: Outcome,
    ) -> None:
        self._group, self._facts, self._folders = group, facts, folders
        self._engine, self._settings = engine, settings
        self._tasks = facts.tasks
        self._progress, self._outcome = progress, outcome
        is_toy = model_kind(group.model) == "toy"
        self._model = str(toy_folder(group.model.removeprefix(PREFIX))) if is_toy else group.model
        self._log = folders.work / "logs"

    def run(self) -> None:
        """Train, generate, score. Whatever fails is recorded and left out of the later phases."""
        trained = self._trained([run for run in self._group.runs if self._render(run)])
        for run in self._generated(trained):
            with self._recording(run, "score"):
                self._score(run)

    def _work(self, run: Run) -> Path:
        return self._folders.work / run.key

    def _has(self, run: Run, *names: str) -> bool:
        """Whether a phase is done: its record is there, and what it records was not cleaned away since."""
        return all((self._work(run) / name).exists() for name in names)

    @contextmanager
    def _recording(self, run: Run, phase: str) -> Iterator[None]:
        """Turn what goes wrong with one run into its recorded failure."""
        try:
            yield
        except Exception as error:  # a fault of ours, or of a plugin, must not cost the runs beside it
            reason = " ".join(str(error).split())
            if not isinstance(error, (JobFailed, UserError, OSError)):
                reason = f"{type(error).__name__}: {reason} (log: {self._log / 'driver.log'})"
                with (self._log / "driver.log").open("a", encoding="utf-8") as log:
                    log.write(f"{run.label}\n{traceback.format_exc()}\n")
            failure = Failure(schema_version=SCHEMA_VERSION, key=run.key, run=run, phase=phase, reason=reason)
            self._outcome.failed.append(failure)
            self._progress.failed(run.label, phase, reason)
            try:
                write_record(self._folders.results / run.folder / FAILURE, failure)
            except OSError as disk:
                self._progress.note(f"the failure of {run.label} could not be written: {disk}")

    # Render

    def _render(self, run: Run) -> bool:
        """Write the files the workers read. Whether that succeeded."""
        loaded, folder = self._tasks[run.task], self._work(run)
        dataset, prompts = loaded.dataset, loaded.task.prompts
        if run.demonstrations is not None:
            prompts = dataclasses.replace(prompts, demonstrations=run.demonstrations)
        with self._recording(run, "render"):
            if run.candidate.method in TUNED:
                _write_jsonl(
                    folder / "train.jsonl", training_rows(run, prompts, training_subset(dataset.train, run.n_train))
                )
                _write_jsonl(folder / "dev.jsonl", training_rows(run, prompts, dataset.dev))
            test = dataset.test[: run.limit]
            shown = choose_demonstrations(prompts, dataset.originals, test, count=run.num_fewshot, seed=run.seed)
            _write_jsonl(
                folder / "prompts.jsonl",
                (
                    prompt_row(prompts, sample, template, demonstrations)
                    for template in run.templates
                    for sample, demonstrations in zip(test, shown, strict=True)
                ),
            )
            return True
        return False

    # Train

    def _trained(self, runs: Sequence[Run]) -> list[Run]:
        """Train what needs it; the runs that are ready to generate."""
        todo = [run for run in runs if run.candidate.method in TUNED and not self._has(run, "training.json", "weights")]
        failed = {run.key for run in todo}
        worker: Worker | None = None
        cannot_start: JobFailed | None = None
        name = self._group.runs[0].candidate.name
        options = ["--model", self._model, *(["--revision", self._group.revision] if self._group.revision else [])]
        try:
            with self._progress.phase(f"{name}: train", total=len(todo), hidden=not todo) as bar:
                for run in todo:
                    with self._recording(run, "train"):
                        bar.describe(run.label)
                        if cannot_start is not None:
                            raise cannot_start  # a start takes long, and would fail for every run alike
                        if worker is None:
                            try:
                                worker = Worker("harness.train", options, log=self._log / f"{name}-train.log")
                            except JobFailed as error:
                                cannot_start = error
                                raise
                        try:
                            share = worker.startup_seconds / len(todo)
                            self._train(worker, run, lambda message: bar.within(message["done"], message["total"]), share)
                        except WorkerDied:
                            worker.close()
                            worker = None
                            raise
                        failed.discard(run.key)
                    bar.advance(1)
        finally:
            if worker is not None:
                worker.close()
        return [run for run in runs if run.key not in failed]

    def _train(self, worker: Worker, run: Run, report: Report, startup_seconds: float) -> None:
        assert run.candidate.training is not None, "only tuned methods are trained"
        folder = self._work(run)
        for leftover in ("weights", "checkpoints"):  # of a start that was killed
            shutil.rmtree(folder / leftover, ignore_errors=True)
        job = {
            "train": str(folder / "train.jsonl"),
            "dev": str(folder / "dev.jsonl"),
            "weights": str(folder / "weights"),
            "checkpoints": str(folder / "checkpoints"),
            "method": run.candidate.method,
            "training": run.candidate.training.model_dump(mode="json"),
            "chat": run.candidate.chat,
            "seed": run.seed,
        }
        record = TrainingRecord.model_validate(worker.request(job, report)["record"] | {"startup_seconds": startup_seconds})
        write_record(folder / "training.json", record)

    # Generate

    def _generated(self, runs: Sequence[Run]) -> list[Run]:
        """Answer what needs it; the runs that are ready to score."""
        todo = [run for run in runs if not is_answered(self._work(run))]
        failed = Generation(
            self._group,
            todo,
            self._tasks,
            model=self._model,
            work=self._folders.work,
            engine=self._engine,
            settings=self._settings,
            progress=self._progress,
            recording=self._recording,
        ).run()
        return [run for run in runs if run.key not in failed]

    # Score

    def _score(self, run: Run) -> None:
        """Judge the answers and write the result; its `result.json` comes last and means the run is finished."""
        loaded, folder = self._tasks[run.task], self._work(run)
        task, dataset = loaded.task, loaded.dataset
        card, overlap = self._facts.card(run.task), self._facts.overlap(run)
        started = time.monotonic()
        test = dataset.test[: run.limit]
        scored = score_rows(task, collect(test, read_jsonl(folder / "completions.jsonl"), overlapping=overlap.ids))
        if not scored.metrics:
            errors = scored.predictions["error"].dropna()
            where = "" if len(run.templates) == 1 else " in every template"
            raise UserError(f"none of {len(test)} samples could be scored{where}; the first error: {errors.iloc[0]}")
        generation = read_record(folder / "generation.json", GenerationRecord)
        training = read_record(folder / "training.json", TrainingRecord) if run.candidate.method in TUNED else None
        target = self._folders.results / run.folder
        with atomic_write(target / PREDICTIONS, "wb") as file:
            scored.predictions.to_parquet(file, index=False)
        with atomic_write(target / "inputs.txt") as file:
            shown = scored.predictions.head(3)
            file.write("\n\n".join(f"=== {row.sample_id}\n{row.prompt}" for row in shown.itertuples()) + "\n")
        result = Result(
            schema_version=SCHEMA_VERSION,
            key=run.key,
            run=run,
            task=card,
            metrics=scored.metrics,
            by_template=scored.by_template,
            overlap=OverlapRecord(
                exact=len(overlap.exact),
                near=len(overlap.near),
                samples=len(test),
                method=overlap.method,
                clean=scored.clean,
            ),
            samples=scored.samples,
            training=training,
            generation=generation,
            cost=_cost(training, generation, score_seconds=time.monotonic() - started),
            provenance=provenance(generation),
        )
        write_record(target / RESULT, result)
        (target / FAILURE).unlink(missing_ok=True)
        self._outcome.finished.append(run)
        primary = scored.metrics[task.primary_metric]
        self._progress.finished(run.label, f"{task.primary_metric} {primary.value:.3f}", scored.samples)
        if result.untrusted:
            self._progress.note(f"{run.label} is untrusted and kept out of the ranking: {result.untrusted}")


def _cost(training: TrainingRecord | None, generation: GenerationRecord, *, score_seconds: float) -> Cost:
    seconds = {
        "engine_startup": generation.startup_seconds,
        "swap": generation.swap_seconds,
        "guard": generation.guard_seconds,
        "generate": generation.generate_seconds,
        "score": score_seconds,
    }
    peak = {"generate": generation.peak_memory_bytes}
    energies = [generation.energy_joules]
    if training is not None:
        seconds["train_startup"] = training.startup_seconds + training.load_seconds
        seconds["train"] = training.train_seconds
        peak["train"] = training.peak_memory_bytes
        energies.append(training.energy_joules)
    return Cost(
        device=generation.device,
        num_devices=1,
        seconds=seconds,
        train_tokens=training.tokens if training else 0,
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.completion_tokens,
        requests=generation.requests,
        requests_per_second=generation.requests / generation.generate_seconds,
        train_flops=training.flops if training else 0.0,
        generate_flops=generation.flops,
        peak_memory_bytes=peak,
        energy_joules=None if None in energies else sum(energy for energy in energies if energy is not None),
    )


def training_rows(run: Run, prompts: PromptSet, samples: Sequence[Sample]) -> Iterator[Message]:
    """Samples with their answers, each in one of the training templates."""
    # Drawn, not in turn: samples are ordered by label, and a wording that goes with a label would give it away. Drawn in
    # order, so that a larger budget shows the samples of a smaller one in the same wordings.
    draws = random.Random(0)
    for sample in samples:
        yield prompt_row(prompts, sample, draws.choice(run.train_templates))


def _write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    with atomic_write(path) as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
