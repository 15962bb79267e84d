"""Have every model of a sweep looked at in a process of its own,
which may neither take long nor grow large."""

import importlib.util
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from harness.data.loaded import LoadedTask
from harness.plan.token_counts import ModelCounts
from harness.preflight.job import GgufJob, LayersJob, ModelJob, ModelReport, Remark
from harness.preflight.probes import Probes
from harness.records.preflight import PreflightFinding
from harness.sweep.models import is_on_this_machine
from harness.sweep.run import Run
from harness.workers.listener import Event, JobBegan, JobsEnded, Listener, PhaseBegan
from harness.workers.worker import JobFailed, Message, Worker, WorkerDied

PROCESSOR_SECONDS = 20.0
"""That the look at one model may compute for.
Only a damaged model, or a template without end, takes longer."""

SECONDS_EACH, SECONDS_TOGETHER = 60.0, 180.0
"""That the look at one model, and at all of them, may take by the clock, which also counts a slow disk and
whatever else the machine does. Starting the processes that look is not counted."""

TOKENIZERS, LAYERS = "harness.preflight", "harness.preflight.architecture"
"""The processes. The second has to import torch, so it is started only where layers are asked for, or a GGUF
file was not converted yet."""


@dataclass(frozen=True)
class Preflight:
    """What was noticed of the models of a sweep."""

    findings: tuple[PreflightFinding, ...] = ()

    def of(self, run: Run) -> tuple[PreflightFinding, ...]:
        """What concerns a run."""
        return tuple(
            finding
            for finding in self.findings
            if finding.candidate == run.candidate.name and finding.task in ("", run.task)
        )

    @property
    def refusals(self) -> tuple[PreflightFinding, ...]:
        """Why the sweep must not start; empty where it may."""
        return tuple(finding for finding in self.findings if finding.severity == "refuse")


def _ignore(_: Event) -> None:
    """Nobody waits for a few seconds."""


def examine(
    runs: Iterable[Run],
    tasks: Mapping[str, LoadedTask],
    *,
    log: Path,
    downloads: bool,
    offline: bool,
    listener: Listener = _ignore,
) -> Preflight:
    """Look at the model of every run.

    `log`: where the process prints. `downloads`: whether configurations and tokenizers that are not on this
    machine are fetched; otherwise it is only asked whether they can be, and `offline` not even that.
    """
    runs = list(runs)
    jobs = Probes(tasks, downloads=downloads).jobs(runs)
    listener(PhaseBegan("tokenizers and templates", len(jobs)))
    findings: list[PreflightFinding] = []
    allowance = _Allowance()
    with (
        closing(_Examiner(TOKENIZERS, log, allowance, offline=offline)) as of_tokenizers,
        closing(_Examiner(LAYERS, log, allowance, offline=offline)) as of_layers,
    ):
        for job in jobs:
            listener(JobBegan(", ".join(job.candidates)))
            findings += _findings(job, _remarks(job, of_tokenizers, of_layers))
            listener(JobsEnded(1))
    return Preflight(tuple(findings))


def count_tokens(
    runs: Iterable[Run], tasks: Mapping[str, LoadedTask], *, log: Path
) -> dict[str, ModelCounts]:
    """What the tokenizers that are on this machine make of the runs, by candidate. Nothing is downloaded.

    A candidate is missing where its tokenizer is, or where counting failed. `log`: as in `examine`.
    """
    runs = [run for run in runs if is_on_this_machine(run.candidate.model, run.candidate.revision)]
    counts: dict[str, ModelCounts] = {}
    with closing(_Examiner(TOKENIZERS, log, _Allowance(), offline=True)) as examiner:
        for job in Probes(tasks, downloads=False).jobs(runs):
            counted = examiner.report(job.model_copy(update={"only_counts": True})).counts
            if counted.prompts:
                counts |= dict.fromkeys(job.candidates, counted)
    return counts


def _remarks(job: ModelJob, of_tokenizers: "_Examiner", of_layers: "_Examiner") -> Iterator[Remark]:
    """What both processes tell of a model, up to the first reason to refuse it."""
    with tempfile.TemporaryDirectory(prefix="gainboard-") as folder:
        if not job.is_converted:
            remarks = of_layers.remarks(GgufJob(model=job.model, folder=folder))
            yield from remarks
            if remarks:
                return
            job = job.model_copy(update={"model": folder})
        remarks = of_tokenizers.remarks(job)
        yield from remarks
        # What is refused for a task's sake says nothing of the model.
        is_refused = any(remark.severity == "refuse" and not remark.task for remark in remarks)
        has_foreign_weights = job.is_foreign and job.is_here
        if (job.targets or has_foreign_weights) and not is_refused:
            yield from of_layers.remarks(job.layers)


def _findings(job: ModelJob, remarks: Iterable[Remark]) -> Iterator[PreflightFinding]:
    """Remarks on a model, of each candidate that uses it and is concerned."""
    distinct = dict.fromkeys(remarks)
    for candidate in job.candidates:
        for remark in distinct:
            if candidate in (remark.candidates or job.candidates):
                yield PreflightFinding(candidate=candidate, **remark.model_dump(exclude={"candidates"}))


class _Allowance:
    """What is left of the seconds that all looks together may take."""

    def __init__(self) -> None:
        self._left = SECONDS_TOGETHER

    @property
    def next(self) -> float:
        """Seconds that the next look may take."""
        return min(SECONDS_EACH, self._left)

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Take off what the block takes."""
        began = monotonic()
        try:
            yield
        finally:
            self._left -= monotonic() - began


class _Examiner:
    """A process that looks at models; started when it is needed, and anew after one that it died of."""

    def __init__(self, module: str, log: Path, allowance: _Allowance, *, offline: bool) -> None:
        self._module, self._log, self._allowance = module, log, allowance
        # Whoever checks offline has switched the hub off for everything else, too.
        self._environment = {"HF_HUB_OFFLINE": "1" if offline else "0"}
        self._worker: Worker | None = None

    def remarks(self, job: ModelJob | LayersJob | GgufJob) -> Sequence[Remark]:
        """What is worth telling of a model, as `report` has it."""
        return self.report(job).remarks

    def report(self, job: ModelJob | LayersJob | GgufJob, *, once_more: bool = True) -> ModelReport:
        """What a look at a model tells, or why it told nothing in the seconds that it may take.

        A process that dies is no proof against the model: `once_more`, another one looks at it.
        """
        seconds = self._allowance.next
        if seconds <= 0:
            return _warning("time", f"it was not looked at: others took {SECONDS_TOGETHER:.0f} seconds")
        try:
            worker = self._started()
        except JobFailed as error:  # none of a model's doing
            return _warning("look", f"it could not be looked at: {error}")
        began_with = "starting to look at it"

        def hear(message: Message) -> None:
            nonlocal began_with
            began_with = message["at"]

        late = threading.Event()
        try:
            with _ending(worker, late, seconds), self._allowance.spending():
                answer = worker.request(job.model_dump(mode="json"), hear)
        except WorkerDied as death:
            self.close()
            if late.is_set():
                over = f"{began_with} was not over after {seconds:.0f} seconds"
                return _warning("time", f"{over}, so it was looked at in part; is this machine very busy?")
            if death.by_signal == signal.SIGXCPU:
                outcome = f"was not over after {PROCESSOR_SECONDS:.0f} s of computing"
                return _after_death(job, f"{began_with} {outcome}")
            if once_more:
                return self.report(job, once_more=False)
            return _after_death(job, f"{began_with} ended the process that did it")
        except JobFailed as error:  # a fault of ours, which must not keep anybody from a sweep
            return _warning("look", f"it could not be looked at: {error}")
        return ModelReport(**{name: answer[name] for name in ModelReport.model_fields})

    def _started(self) -> Worker:
        if self._worker is None:
            arguments = [str(PROCESSOR_SECONDS)]
            self._worker = Worker(self._module, arguments, log=self._log, environment=self._environment)
        return self._worker

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None


@contextmanager
def _ending(worker: Worker, late: threading.Event, seconds: float) -> Iterator[None]:
    """End the worker, and set `late`, unless the block is left within so many seconds."""

    def end() -> None:
        late.set()
        worker.terminate()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _after_death(job: ModelJob | LayersJob | GgufJob, sentence: str) -> ModelReport:
    """Of a model that the process died of; a slow download is no fault of the model's, nor are many layers,
    nor a large file."""
    if not isinstance(job, ModelJob) or not job.is_here:
        return _warning("time", sentence)
    question = "is a file of the model damaged?"
    return ModelReport(remarks=(Remark(severity="refuse", fact="time", sentence=f"{sentence}; {question}"),))


def _warning(fact: str, sentence: str) -> ModelReport:
    return ModelReport(remarks=(Remark(severity="warn", fact=fact, sentence=sentence),))


def can_examine() -> bool:
    """Whether the library that reads tokenizers is installed."""
    return importlib.util.find_spec("transformers") is not None
