"""The scoring worker's job: bring prompts to an engine, its answers to a file, and prove whose answers they
are.

It sees rendered prompt files, never task code.
"""

import io
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

from harness.engines.bos import BosProbe
from harness.engines.cache import AnswerCache, CachedAnswer, key_of
from harness.engines.engine import Answered, Engine, Generate, Measure, Request
from harness.engines.guards import Canaries, matches_training
from harness.engines.questions import Question, Questions
from harness.errors import UserError
from harness.records.costs import Meter, forward_flops
from harness.records.generation import BosRecord, GenerationRecord, GuardRecord
from harness.records.store import atomic_write
from harness.sweep.models import fingerprint
from harness.workers.jobs import AskJob
from harness.workers.worker import Message, Report

SECONDS_BETWEEN_REPORTS = 0.5

TIMED_UNCACHED = 64
"""Prompts that are asked once more without the prefix cache, where that is to be timed."""


@dataclass
class _RunAtWork:
    """One run that is being answered, and what was counted of it."""

    job: AskJob
    prompts: Questions
    questions: list[Question] = field(default_factory=list)
    file: IO[str] = field(default_factory=io.StringIO)
    """Where its answers go."""

    guards: tuple[GuardRecord, ...] = ()
    reused: int = 0
    reused_seconds: float = 0.0
    fresh_tokens: int = 0
    """Tokens read and written for answers that were not reused: by them a batch's time is shared among its
    runs."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    thought_tokens: int = 0
    by_transformers: int = 0
    uncached_requests_per_second: float | None = None

    def count(self, request: Request, answered: Answered, cached: CachedAnswer | None) -> None:
        """Add an answer, which may have come from the cache."""
        read, written = len(request.prompt), 0
        if isinstance(request, Measure):
            read += len(request.continuation)
        elif isinstance(request, Generate):
            written = sum(len(completion.token_ids) for completion in answered.answer)
        self.prompt_tokens += read
        self.cached_tokens += answered.cached_tokens
        self.by_transformers += answered.by_transformers
        if cached is None:
            self.fresh_tokens += read + written
        else:
            self.reused += 1
            self.reused_seconds += cached.seconds


@dataclass
class _Batch:
    """The requests of all runs of a job."""

    requests: list[Request] = field(default_factory=list)
    sources: list[tuple[_RunAtWork, Question]] = field(default_factory=list)
    """Whose each request is."""

    keys: list[bytes] = field(default_factory=list)
    """What each answer is kept under; empty where nothing is kept."""

    cached: Mapping[bytes, CachedAnswer] = field(default_factory=dict)
    """Answers that are there already."""

    @property
    def needs_engine(self) -> bool:
        """Whether some answer is not there already."""
        return not self.keys or len(self.cached) < len(set(self.keys))


class ScoringWorker:
    """Keeps one engine, and remembers whose weights are in it."""

    def __init__(
        self,
        engine: Engine,
        *,
        canaries: Canaries | None = None,
        cache: AnswerCache | None = None,
        check_base: Callable[[], None] | None = None,
        bos: BosProbe | None = None,
    ) -> None:
        """Without canaries nothing is proved; without a cache nothing is reused.

        `check_base` raises `UserError` when the base's files have changed: they are read again with every
        arm. `bos`: what the base makes of its BOS token.
        """
        self._engine, self._canaries, self._cache = engine, canaries, cache
        self._check_base, self._bos = check_base, bos
        self._guards: dict[Path | None, tuple[GuardRecord, ...]] | None
        """How the arms in the engine passed, by their weights; None while nobody knows what is in it."""
        self._guards = {None: canaries.of_base if canaries else ()}
        self._swapped = False
        """Whether other weights than the base's were in the engine since the base was last checked."""

    def __call__(self, job: Message, report: Report) -> Message:
        """Answer the runs in `job["asks"]`, each into its `completions`; `records` has a `GenerationRecord`
        for each.

        Several runs in a job are answered in one batch: all by one arm, or each by an adapter of its own
        where the engine serves adapters. `job["finish"]` instead brings the base back: `guard` says whether
        it still answers the same.
        """
        if job.get("finish"):
            return {"guard": self._finish()}
        asks = [AskJob.model_validate(ask) for ask in job["asks"]]
        arms = list(dict.fromkeys(ask.weights for ask in asks))
        assert len(arms) == 1 or self._engine.way == "adapters", "one arm is in the engine at a time"
        runs = [_RunAtWork(ask, Questions(ask, arms.index(ask.weights), self._engine)) for ask in asks]
        digests = {weights: _digest(weights) for weights in arms} if self._cache else {}
        with Meter(num_devices=self._engine.num_devices) as meter:
            batch = self._batch(runs, digests)
            started = time.monotonic()
            guard_seconds = self._use(arms, runs) if batch.needs_engine else 0.0
            self._check_files(digests)
            swap_seconds = time.monotonic() - started - guard_seconds
            for run in runs:
                run.guards = (self._guards or {}).get(run.job.weights, ())
            self._answer(runs, batch, report)
        for run in runs:
            if run.job.time_uncached:
                run.uncached_requests_per_second = self._uncached(run, batch)
        records = [self._record(run, runs, swap_seconds, guard_seconds, meter) for run in runs]
        return {"records": [record.model_dump(mode="json") for record in records]}

    # Weights

    def _use(self, arms: Sequence[Path | None], runs: Sequence[_RunAtWork]) -> float:
        """Put the arms' weights into the engine unless they are there, and check what it makes of them: as
        these runs put their prompts to it.

        The seconds that the check took.
        """
        if self._guards is not None and list(self._guards) == list(arms):
            return 0.0
        self._guards = None  # a swap that fails half-way must not pass for a finished one
        self._swapped = True
        reference = self._engine.use(arms)
        started = time.monotonic()
        guards: dict[Path | None, tuple[GuardRecord, ...]] = dict.fromkeys(arms, ())
        encoders = {run.job.weights: run.prompts.encoder for run in reversed(runs)}
        if self._canaries is not None:
            for arm, weights in enumerate(arms):
                guards[weights] = self._canaries.check(reference, arm, tuned=weights is not None)
                if weights is not None:
                    encoder, dtype = encoders[weights], self._engine.dtype
                    guards[weights] += matches_training(reference, arm, weights, encoder=encoder, dtype=dtype)
        self._guards = guards
        return time.monotonic() - started

    def _check_files(self, digests: Mapping[Path | None, str]) -> None:
        """Raise `UserError` when files were written to while they were loaded: nobody knows what was, and
        answers would be kept under a wrong name."""
        try:
            if self._check_base is not None:
                self._check_base()
            for weights, digest in digests.items():
                if _digest(weights) != digest:
                    raise UserError(f"the weights in {weights} have changed while they were loaded")
        except UserError:
            self._guards = None
            raise

    def _finish(self) -> Message | None:
        """Whether the base repeats after the last swap; None where nothing was swapped or nothing is
        checked."""
        if self._canaries is None or not self._swapped:
            return None
        self._guards = None
        guard = self._canaries.base_repeats()
        if guard.passed:
            self._guards, self._swapped = {None: self._canaries.of_base}, False
        elif self._cache is not None:
            self._cache.forget()
        return asdict(guard)

    # Requests

    def _batch(self, runs: Sequence[_RunAtWork], digests: Mapping[Path | None, str]) -> _Batch:
        batch = _Batch()
        for run in runs:
            run.questions = run.prompts.read()
            for question in run.questions:
                if question.error is None:
                    requests = run.prompts.requests(question)
                    question.windows = len(requests)
                    batch.requests += requests
                    batch.sources += [(run, question)] * len(requests)
        if self._cache is not None:
            batch.keys = [
                key_of(self._engine, request, run.job.weights_id + digests[run.job.weights])
                for request, (run, _) in zip(batch.requests, batch.sources, strict=True)
            ]
            batch.cached = self._cache.cached(batch.keys)
        return batch

    # Answers

    def _answer(self, runs: Sequence[_RunAtWork], batch: _Batch, report: Report) -> None:
        """Write every answer as soon as it is there; those from the cache first."""
        reported = time.monotonic()
        with ExitStack() as files:
            for run in runs:
                run.file = files.enter_context(atomic_write(run.job.completions))
                for question in run.questions:
                    if question.error is not None:
                        run.file.write(replace(question.unanswered(), error=question.error).line())
            for done, (answered, cached) in enumerate(self._answers(batch), start=1):
                run, question = batch.sources[answered.place]
                run.count(batch.requests[answered.place], answered, cached)
                for line in run.prompts.answers(question, answered.answer):
                    run.completion_tokens += line.completion_tokens or 0
                    run.thought_tokens += line.thought_tokens or 0
                    run.file.write(line.line())
                now = time.monotonic()
                if now - reported > SECONDS_BETWEEN_REPORTS or done == len(batch.requests):
                    report({"done": done, "total": len(batch.requests)})
                    reported = now

    def _answers(self, batch: _Batch) -> Iterator[tuple[Answered, CachedAnswer | None]]:
        """Every request's answer, and what it was in the cache, if it was."""
        places = []
        for place, request in enumerate(batch.requests):
            cached = batch.cached.get(batch.keys[place]) if batch.keys else None
            if cached is None:
                places.append(place)
            else:
                yield cached.answered(place, request), cached
        fresh = self._engine.answer([batch.requests[place] for place in places])
        if self._cache is not None and _all_passed(batch):
            fresh = self._cache.keeping(fresh, [batch.keys[place] for place in places])
        for answered in fresh:
            yield replace(answered, place=places[answered.place]), None

    def _uncached(self, run: _RunAtWork, batch: _Batch) -> float | None:
        """Requests per second of the run's first prompts with the prefix cache off; None unless answers are
        written."""
        requests = [
            replace(request, reads_cache=False, arm=0)
            for request, (source, _) in zip(batch.requests, batch.sources, strict=True)
            if source is run and isinstance(request, Generate)
        ][:TIMED_UNCACHED]
        if not requests:
            return None
        self._use([run.job.weights], [run])
        started = time.monotonic()
        for _ in self._engine.answer(requests):
            pass
        return len(requests) / (time.monotonic() - started)

    def _record(
        self,
        run: _RunAtWork,
        runs: Sequence[_RunAtWork],
        swap_seconds: float,
        guard_seconds: float,
        meter: Meter,
    ) -> GenerationRecord:
        """What was measured of one run of a batch, with its share of what was measured of them all."""
        engine = self._engine
        fresh_tokens = sum(member.fresh_tokens for member in runs)
        share = run.fresh_tokens / fresh_tokens if fresh_tokens else 1 / len(runs)
        return GenerationRecord(
            engine=engine.name,
            device=engine.device,
            num_devices=engine.num_devices,
            dtype=engine.dtype,
            chat_template=run.prompts.encoder.chat,
            template_date=run.prompts.encoder.date,
            way=engine.way,
            swap_seconds=swap_seconds / len(runs),
            guard_seconds=guard_seconds / len(runs),
            generate_seconds=share * (meter.seconds - swap_seconds - guard_seconds) + run.reused_seconds,
            requests=sum(question.error is None for question in run.questions),
            reused_requests=run.reused,
            prompt_tokens=run.prompt_tokens,
            cached_prompt_tokens=run.cached_tokens,
            requests_by_transformers=run.by_transformers,
            completion_tokens=run.completion_tokens,
            thought_tokens=run.thought_tokens,
            uncached_requests_per_second=run.uncached_requests_per_second,
            flops=forward_flops(engine.parameters, run.prompt_tokens + run.completion_tokens),
            peak_memory_bytes=meter.peak_memory_bytes,
            energy_joules=None if meter.energy_joules is None else share * meter.energy_joules,
            guards=run.guards,
            bos=None if self._bos is None else _bos_of(run, self._bos),
        )


def _digest(weights: Path | None) -> str:
    """Of an arm's weights; the base's own are told apart by the job's `weights_id` alone."""
    return fingerprint(str(weights), None) if weights else ""


def _bos_of(run: _RunAtWork, probe: BosProbe) -> BosRecord:
    began = all(question.tokens[:1] == [probe.token_id] for question in run.questions if not question.error)
    return BosRecord(
        token=probe.token, began=began, loss_with=probe.loss_with, loss_without=probe.loss_without
    )


def _all_passed(batch: _Batch) -> bool:
    """Whether no guard has failed an arm of the batch: only then its answers may serve other runs."""
    return all(_passed(run.guards) for run, _ in batch.sources)


def _passed(guards: Sequence[GuardRecord]) -> bool:
    return all(guard.passed for guard in guards)
