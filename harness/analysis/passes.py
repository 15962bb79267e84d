"""Passes of an arm's weights that an analysis asks for: made by a worker, one base model after the other, and
kept by content, so that none is made twice."""

import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

import harness
from harness.errors import UserError
from harness.records.analysis.passes import PassRecord
from harness.records.store import atomic_write, read_record, write_record
from harness.sweep.converted import location
from harness.sweep.models import (
    check_model,
    count_parameters,
    fingerprint,
    hub_is_offline,
    is_on_this_machine,
    is_tiny,
    model_kind,
)
from harness.sweep.run import Run
from harness.sweep.settings import AnalysisSettings
from harness.task import Task
from harness.workers.jobs import AskJob, PassJob, SamplingJob
from harness.workers.worker import JobFailed, Message, Worker, WorkerDied

MOST_PARAMETERS = 500_000_000
"""Of models whose weights are read without being asked for: on two cores such a pass takes ten minutes."""


@dataclass(frozen=True)
class PassRequest:
    """Samples to be read with the weights of a run."""

    run: Run
    """A finished one: its weights, and how its model is prompted."""

    task: Task
    rows: Sequence[Message]
    """As `prompt_row` has them, each with the choices that are weighed."""

    reading: str
    """What is taken from each sample: see `PassJob`."""


@dataclass(frozen=True)
class PassOutput:
    """What a pass has read."""

    record: PassRecord
    arrays: Mapping[str, NDArray[Any]]

    def array(self, place: int, name: str) -> NDArray[Any] | None:
        """What was read at a row; None where there is nothing."""
        return self.arrays.get(f"{place}.{name}")


class Inspector:
    """Has weights read by a worker, which it keeps until another base model is wanted. Use as a context
    manager: leaving it ends the worker."""

    def __init__(
        self,
        work: Path,
        settings: AnalysisSettings,
        *,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`work`: the folder with the trained weights, where passes are kept, too. `tell` hears what takes a
        while."""
        self.settings = settings
        self._work, self._tell = work, tell
        self._worker: Worker | None = None
        self._started: tuple[str, ...] = ()
        self._is_new = False
        """Whether no pass has paid for the worker's start yet."""

    def __enter__(self) -> "Inspector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None

    def weights_of(self, run: Run) -> Path | None:
        """Where the weights of a run were left; None for those of its base."""
        recipe = run.recipe
        return None if recipe is None else self._work / "trained" / recipe.key / "weights"

    def obstacle(self, run: Run) -> str:
        """Why the weights of a run are not read, in a sentence; empty where they are."""
        candidate, weights = run.candidate, self.weights_of(run)
        if self.settings.weights == "never":
            return "weights are not to be read"
        if run.members and weights is None:
            return "an ensemble that votes has no weights of its own"
        if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
            return "reading weights takes transformers: pip install 'gainboard[train]'"
        try:
            check_model(candidate.model, candidate.revision, "its base model")
        except UserError as error:
            return str(error)
        if not is_on_this_machine(candidate.model, candidate.revision) and hub_is_offline():
            return f"the model {candidate.model} is not on this machine"
        if weights is not None and not weights.is_dir():
            return (
                f"its weights are gone: there is no {weights}; --work names another folder, and the sweep, "
                "started again after its result is removed, trains them anew"
            )
        return self._too_large(candidate.model)

    def _too_large(self, model: str) -> str:
        if self.settings.weights == "always":
            return ""
        parameters = count_parameters(model)
        if parameters is not None and parameters <= MOST_PARAMETERS:
            return ""
        size = "an unknown number of" if parameters is None else f"{parameters:,}"
        return (
            f"the model has {size} parameters, and weights are read by themselves up to {MOST_PARAMETERS:,}: "
            'ask for it with --weights always, or weights = "always" in [analysis]'
        )

    def digest(self, runs: Sequence[Run]) -> str:
        """Changes with whatever the passes of these runs depend on, besides their prompts."""
        states = [(run.candidate.fingerprint, self._weights_digest(run)) for run in runs]
        settings = self.settings.samples, self.settings.seed
        return hashlib.sha256(repr((_code(), settings, states)).encode()).hexdigest()[:16]

    def _weights_digest(self, run: Run) -> str:
        weights = self.weights_of(run)
        return "" if weights is None else fingerprint(str(weights), None)

    def read(self, request: PassRequest) -> PassOutput:
        """Make a pass, unless one of the same weights over the same prompts lies in the work folder.

        Raises `UserError` where that fails.
        """
        ask = self._ask(request)
        path = self._work / "passes" / self._key(request, ask)
        record_path, readings = path.with_suffix(".json"), path.with_suffix(".npz")
        if not (record_path.exists() and readings.exists()):
            prompts = path.with_suffix(".jsonl")
            with atomic_write(prompts) as file:
                file.writelines(json.dumps(row) + "\n" for row in request.rows)
            job = PassJob(
                ask=ask.model_copy(update={"prompts": prompts}),
                reading=request.reading,
                ended=request.task.output != "choice",
                readings=readings,
            )
            record = self._made(request.run, job)
            write_record(record_path, record)  # last, so that its existence means that both are there
            prompts.unlink()
        try:
            with np.load(readings, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, KeyError, BadZipFile) as error:
            raise UserError(
                f"{readings} cannot be read: {error}; remove it, and the pass is made again"
            ) from None
        return PassOutput(read_record(record_path, PassRecord), arrays)

    def _ask(self, request: PassRequest) -> AskJob:
        run, nowhere = request.run, Path()
        return AskJob(
            key=run.key,
            label=run.label,
            prompts=nowhere,
            completions=nowhere,
            record=nowhere,
            weights=self.weights_of(run),
            tuner=None if run.recipe is None else run.recipe.tuner,
            weights_id=run.candidate.fingerprint,
            task=run.task,
            num_fewshot=run.num_fewshot,
            output="choice",
            structured_outputs=None,
            truncation_side=request.task.truncation_side,
            stride=None,
            sampling=SamplingJob(max_tokens=1),
            **run.candidate.prompting,
        )

    def _key(self, request: PassRequest, ask: AskJob) -> str:
        """The digest of everything that a pass depends on."""
        parts = [
            _code(),
            request.reading,
            request.task.output,
            request.run.generation.max_model_len,
            self._weights_digest(request.run),
            ask.model_dump(mode="json", exclude={"weights", "key", "label"}),
            list(request.rows),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]

    def _made(self, run: Run, job: PassJob) -> PassRecord:
        self._tell(f"{run.label}: reading {job.reading} with its weights")
        try:
            worker = self._worker_of(run)
            answer = worker.request(job.model_dump(mode="json"), _stay_silent)
        except JobFailed as error:
            if isinstance(error, WorkerDied):
                self.close()
            raise UserError(f"{run.label}: its weights could not be read: {error}") from None
        startup_seconds = worker.startup_seconds if self._is_new else 0.0
        self._is_new = False
        changes = {"arm": run.candidate.method, "seed": run.seed, "startup_seconds": startup_seconds}
        return PassRecord(**{**answer["record"], **changes})

    def _worker_of(self, run: Run) -> Worker:
        """The worker of a run's base model, started where another or none runs."""
        candidate = run.candidate
        model = candidate.model if model_kind(candidate.model) == "gguf" else location(candidate.model)
        options = ["--model", str(model), "--fingerprint", candidate.fingerprint]
        if candidate.revision:
            options += ["--revision", candidate.revision]
        if run.generation.max_model_len:
            options += ["--max-model-len", str(run.generation.max_model_len)]
        if self._worker is None or self._started != tuple(options):
            self.close()
            # A tiny model's matrices are so small that threads would wait for each other.
            alone = is_tiny(candidate.model) and "OMP_NUM_THREADS" not in os.environ
            self._worker = Worker(
                "harness.inspection",
                options,
                log=self._work / "logs" / "inspection.log",
                environment={"OMP_NUM_THREADS": "1"} if alone else {},
            )
            self._started, self._is_new = tuple(options), True
        return self._worker


def _stay_silent(_: Message) -> None:
    """A pass is short: that it begins is told."""


@cache
def _code() -> str:
    """Changes with the code of the worker."""
    digest = hashlib.sha256()
    for path in sorted((Path(harness.__file__).parent / "inspection").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
