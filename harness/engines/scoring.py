"""The scoring worker's job: bring prompts to an engine, its answers to a file, and prove whose answers they
are.

It sees rendered prompt files, never task code.
"""

import io
import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO, Any

from harness.engines.cache import AnswerCache, Kept, key_of
from harness.engines.encode import NO_TOKENS, encode_answers, encode_prompts, uses_chat_template
from harness.engines.engine import Answered, Choose, Engine, Generate, Likelihood, Measure, Request, Sampling
from harness.engines.guards import Canaries
from harness.jsonl import each_jsonl
from harness.records.costs import Meter, forward_flops
from harness.records.generation import GenerationRecord, GuardRecord
from harness.records.predictions import EngineAnswer
from harness.records.store import atomic_write
from harness.sweep.models import fingerprint
from harness.task import Rendered
from harness.workers.worker import Message, Report

SECONDS_BETWEEN_REPORTS = 0.5

TOKENISED_AT_ONCE = 4096
"""Prompts: enough to keep all cores busy, and few enough for memory to hold little but the tokens of a large
file."""

TIMED_UNCACHED = 64
"""Prompts that are asked once more without the prefix cache, where that is to be timed."""


@dataclass(slots=True)
class _Question:
    """One prompt on its way to an answer."""

    place: int
    """Its line in the prompts file."""

    identity: str
    template: str
    text: str
    tokens: list[int]
    after: str
    """What follows the answer in the template."""

    answers: list[str]
    """The choices, or the one target whose likelihood is measured; empty when the answer is written."""

    answer_tokens: list[list[int]]
    truncated: int = 0
    """Tokens cut off the prompt."""

    error: str | None = None
    windows: int = 1
    """Requests that its answer takes: several for a text longer than the context."""

    parts: list[Likelihood] = field(default_factory=list)

    def unanswered(self) -> EngineAnswer:
        """The prompt without an answer yet, which `dataclasses.replace` adds."""
        return EngineAnswer(
            place=self.place,
            id=self.identity,
            template=self.template,
            prompt=self.text,
            prompt_tokens=len(self.tokens),
            truncated=self.truncated,
        )


@dataclass
class _Ask:
    """One run's prompts, put to one arm."""

    job: Message
    arm: int
    sampling: Sampling
    chat: bool
    questions: list[_Question] = field(default_factory=list)
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
    uncached_requests_per_second: float | None = None


@dataclass
class _Batch:
    """The requests of all runs of a job."""

    requests: list[Request] = field(default_factory=list)
    sources: list[tuple[_Ask, _Question]] = field(default_factory=list)
    """Whose each request is."""


class ScoringWorker:
    """Keeps one engine, and remembers whose weights are in it."""

    def __init__(
        self, engine: Engine, *, canaries: Canaries | None = None, cache: AnswerCache | None = None
    ) -> None:
        """Without canaries nothing is proved; without a cache nothing is reused."""
        self._engine, self._canaries, self._cache = engine, canaries, cache
        self._guards: dict[Path | None, tuple[GuardRecord, ...]] | None
        """How the arms in the engine passed, by their weights; None while nobody knows what is in it."""
        self._guards = {None: canaries.of_base if canaries else ()}
        self._swapped = False

    def __call__(self, job: Message, report: Report) -> Message:
        """Answer the runs in `job["asks"]`, each into its `completions`; `records` has a `GenerationRecord`
        for each.

        Several runs in a job are answered in one batch: all by one arm, or each by an adapter of its own
        where the engine serves adapters. `job["finish"]` instead brings the base back: `guard` says whether
        it still answers the same.
        """
        if job.get("finish"):
            return {"guard": self._finish()}
        arms = list(dict.fromkeys(_weights(ask) for ask in job["asks"]))
        assert len(arms) == 1 or self._engine.way == "adapters", "one arm is in the engine at a time"
        asks = [
            _Ask(
                ask,
                arms.index(_weights(ask)),
                _sampling(ask),
                uses_chat_template(self._engine.tokenizer, ask["chat"]),
            )
            for ask in job["asks"]
        ]
        hashes = (
            {weights: fingerprint(str(weights), None) if weights else "" for weights in arms}
            if self._cache
            else {}
        )
        with Meter() as meter:
            batch = self._batch(asks)
            keys = [
                key_of(self._engine, request, ask.job["weights_id"] + hashes[_weights(ask.job)])
                for request, (ask, _) in zip(batch.requests, batch.sources, strict=True)
            ] if self._cache else []  # fmt: skip
            known = self._cache.known(keys) if self._cache else {}
            started = time.monotonic()
            guard_seconds = self._use(arms) if len(known) < len(set(keys)) or not keys else 0.0
            swap_seconds = time.monotonic() - started - guard_seconds
            for ask in asks:
                ask.guards = (self._guards or {}).get(_weights(ask.job), ())
            self._answer(asks, batch, keys, known, report)
        for ask in asks:
            if ask.job["time_uncached"]:
                ask.uncached_requests_per_second = self._uncached(ask, batch)
        shared = (swap_seconds, guard_seconds, meter)
        return {"records": [self._record(ask, asks, *shared).model_dump(mode="json") for ask in asks]}

    # Weights

    def _use(self, arms: Sequence[Path | None]) -> float:
        """Put the arms' weights into the engine unless they are there, and check what it makes of them.

        The seconds that the check took.
        """
        if self._guards is not None and list(self._guards) == list(arms):
            return 0.0
        self._guards = None  # a swap that fails half-way must not pass for a finished one
        self._swapped = True
        reference = self._engine.use(arms)
        started = time.monotonic()
        guards: dict[Path | None, tuple[GuardRecord, ...]] = dict.fromkeys(arms, ())
        if self._canaries is not None:
            for arm, weights in enumerate(arms):
                guards[weights] = self._canaries.check(reference, arm, tuned=weights is not None)
        self._guards = guards
        return time.monotonic() - started

    def _finish(self) -> Message | None:
        """Whether the base repeats after the last swap; None where nothing was swapped or nothing is
        checked."""
        if self._canaries is None or not self._swapped:
            return None
        self._guards = None
        guard = self._canaries.base_repeats()
        self._guards = {None: (*self._canaries.of_base, guard)}
        if self._cache is not None and not guard.passed:
            self._cache.forget()
        return asdict(guard)

    # Questions

    def _batch(self, asks: Sequence[_Ask]) -> _Batch:
        batch = _Batch()
        for ask in asks:
            ask.questions = self._questions(ask)
            for question in ask.questions:
                if question.error is None:
                    requests = self._requests(ask, question)
                    question.windows = len(requests)
                    batch.requests += requests
                    batch.sources += [(ask, question)] * len(requests)
        return batch

    def _questions(self, ask: _Ask) -> list[_Question]:
        questions: list[_Question] = []
        rows = each_jsonl(Path(ask.job["prompts"]))
        while some := list(islice(rows, TOKENISED_AT_ONCE)):
            prompts = [Rendered(**row["prompt"]) for row in some]
            answers = [_answers_of(ask, row, prompt) for row, prompt in zip(some, prompts, strict=True)]
            encoded = encode_prompts(self._engine.tokenizer, prompts, chat=ask.chat)
            tokens = iter(self._weighed(ask, prompts, answers))
            for row, prompt, texts, one in zip(some, prompts, answers, encoded, strict=True):
                question = _Question(
                    place=len(questions),
                    identity=row["id"],
                    template=row["template"],
                    text=one.text,
                    tokens=one.token_ids,
                    after=prompt.after,
                    answers=texts,
                    answer_tokens=list(islice(tokens, len(texts))),
                )
                self._fit(question, ask)
                questions.append(question)
        return questions

    def _weighed(
        self, ask: _Ask, prompts: Sequence[Rendered], answers: Sequence[list[str]]
    ) -> list[list[int]]:
        """The tokens of every answer that is weighed, one prompt's after the other's."""
        if ask.job["output"] == "generate":
            return []
        pairs = [(prompt, text) for prompt, texts in zip(prompts, answers, strict=True) for text in texts]
        return encode_answers(self._engine.tokenizer, pairs, chat=ask.chat)

    def _fit(self, question: _Question, ask: _Ask) -> None:
        """Enter the error of a question that the model cannot be asked, or cut its prompt where the task
        allows that."""
        if not question.tokens:
            question.error = NO_TOKENS
            return
        for text, tokens in zip(question.answers, question.answer_tokens, strict=False):
            if not tokens:
                what = "target" if ask.job["output"] == "perplexity" else "choice"
                question.error = (
                    f"the {what} {text!r} has no tokens, so the model cannot weigh it; give it some text"
                )
                return
        # A long target is measured in windows.
        lengths = (len(tokens) for tokens in question.answer_tokens)
        room = 2 if ask.job["output"] == "perplexity" else max(lengths, default=ask.sampling.max_tokens)
        most, asked = self._engine.context - room, len(question.tokens)
        if asked <= most:
            return
        side = ask.job["truncation_side"]
        if side is None or most < 2:
            question.error = (
                f"a prompt of {asked} tokens and {room} for the answer exceed the model's context of "
                f"{self._engine.context}; shorten the prompt, lower num_fewshot or max_tokens, raise max_model_len, or let "
                "the task set truncation_side"
            )
            return
        question.tokens = _cut(question.tokens, most, side, first=self._engine.tokenizer.bos_token_id)
        question.truncated = asked - most
        question.text = self._engine.tokenizer.decode(question.tokens)

    def _requests(self, ask: _Ask, question: _Question) -> list[Request]:
        output = ask.job["output"]
        if output == "choice":
            return [Choose(question.tokens, question.answer_tokens, ask.arm)]
        if output == "perplexity":
            stride = ask.job["stride"]
            windows = _windows(question.tokens, question.answer_tokens[0], self._engine.context, stride)
            return [Measure(before, after, ask.arm) for before, after in windows]
        sampling = replace(ask.sampling, choice=tuple(question.answers)) if question.answers else ask.sampling
        return [Generate(question.tokens, sampling, ask.arm)]

    # Answers

    def _answer(
        self,
        asks: Sequence[_Ask],
        batch: _Batch,
        keys: Sequence[bytes],
        known: dict[bytes, Kept],
        report: Report,
    ) -> None:
        """Write every answer as soon as it is there; those that are known already first."""
        reported = time.monotonic()
        with ExitStack() as files:
            for ask in asks:
                ask.file = files.enter_context(atomic_write(Path(ask.job["completions"])))
                for question in ask.questions:
                    if question.error is not None:
                        ask.file.write(replace(question.unanswered(), error=question.error).line())
            for done, (answered, kept) in enumerate(self._answers(batch, keys, known), start=1):
                ask, question = batch.sources[answered.place]
                self._count(ask, batch.requests[answered.place], answered, kept)
                for said in self._said(ask, question, answered.answer):
                    ask.completion_tokens += said.completion_tokens or 0
                    ask.file.write(said.line())
                now = time.monotonic()
                if now - reported > SECONDS_BETWEEN_REPORTS or done == len(batch.requests):
                    report({"done": done, "total": len(batch.requests)})
                    reported = now

    def _answers(
        self, batch: _Batch, keys: Sequence[bytes], known: dict[bytes, Kept]
    ) -> Iterator[tuple[Answered, Kept | None]]:
        """Every request's answer, and what it was in the cache, if it was."""
        places = []
        for place, request in enumerate(batch.requests):
            kept = known.get(keys[place]) if keys else None
            if kept is None:
                places.append(place)
            else:
                yield kept.answered(place, request), kept
        fresh = self._engine.answer([batch.requests[place] for place in places])
        if self._cache is not None and all(guard.passed for ask, _ in batch.sources for guard in ask.guards):
            fresh = self._cache.keeping(fresh, [keys[place] for place in places])
        for answered in fresh:
            yield replace(answered, place=places[answered.place]), None

    def _count(self, ask: _Ask, request: Request, answered: Answered, kept: Kept | None) -> None:
        read = len(request.prompt) + (len(request.continuation) if isinstance(request, Measure) else 0)
        written = sum(len(one.token_ids) for one in answered.answer) if isinstance(request, Generate) else 0
        ask.prompt_tokens += read
        ask.cached_tokens += answered.cached_tokens
        if kept is None:
            ask.fresh_tokens += read + written
        else:
            ask.reused += 1
            ask.reused_seconds += kept.seconds

    def _said(self, ask: _Ask, question: _Question, answer: Any) -> list[EngineAnswer]:
        """What is written of an answer: one line per draw, and nothing until all windows of a text are there."""
        if ask.job["output"] == "choice":
            return [_chosen(question, answer)]
        if ask.job["output"] == "perplexity":
            question.parts.append(answer)
            return [_measured(question)] if len(question.parts) == question.windows else []
        closing = question.after.strip()
        return [
            replace(
                question.unanswered(),
                draw=draw,
                # Only at its end: an answer may hold what follows the slot, as 3.5 holds a full stop.
                completion=written.text.rstrip().removesuffix(closing) if closing else written.text,
                completion_tokens=len(written.token_ids),
                finish_reason=written.finish_reason,
            )
            for draw, written in enumerate(answer)
        ]

    def _uncached(self, ask: _Ask, batch: _Batch) -> float | None:
        """Requests a second of the ask's first prompts with the prefix cache off; None where answers are not
        written."""
        requests = [
            replace(request, reads_cache=False)
            for request, (of, _) in zip(batch.requests, batch.sources, strict=True)
            if of is ask and isinstance(request, Generate)
        ][:TIMED_UNCACHED]
        if not requests:
            return None
        self._use([_weights(ask.job)])
        requests = [replace(request, arm=0) for request in requests]
        started = time.monotonic()
        for _ in self._engine.answer(requests):
            pass
        return len(requests) / (time.monotonic() - started)

    def _record(
        self, ask: _Ask, asks: Sequence[_Ask], swap_seconds: float, guard_seconds: float, meter: Meter
    ) -> GenerationRecord:
        engine = self._engine
        tokens = sum(one.fresh_tokens for one in asks)
        share = ask.fresh_tokens / tokens if tokens else 1 / len(asks)
        return GenerationRecord(
            engine=engine.name,
            device=engine.device,
            dtype=engine.dtype,
            chat_template=ask.chat,
            way=engine.way,
            swap_seconds=swap_seconds / len(asks),
            guard_seconds=guard_seconds / len(asks),
            generate_seconds=share * (meter.seconds - swap_seconds - guard_seconds) + ask.reused_seconds,
            requests=sum(question.error is None for question in ask.questions),
            reused_requests=ask.reused,
            prompt_tokens=ask.prompt_tokens,
            cached_prompt_tokens=ask.cached_tokens,
            completion_tokens=ask.completion_tokens,
            uncached_requests_per_second=ask.uncached_requests_per_second,
            flops=forward_flops(engine.parameters, ask.prompt_tokens + ask.completion_tokens),
            peak_memory_bytes=meter.peak_memory_bytes,
            energy_joules=None if meter.energy_joules is None else share * meter.energy_joules,
            guards=ask.guards,
        )


def _answers_of(ask: _Ask, row: Message, prompt: Rendered) -> list[str]:
    """The texts that are weighed after a prompt, or that its answer is held to."""
    if ask.job["output"] == "perplexity":
        return [row["target"]]
    choices: list[str] = row["choices"]
    if ask.job["output"] == "choice":
        return choices
    if ask.job["structured_outputs"] != "choice":
        return []
    # What a plain prompt is followed by belongs to the answer's tokens, a space for instance.
    return choices if ask.chat else [prompt.before + text for text in choices]


def _weights(job: Message) -> Path | None:
    return Path(job["weights"]) if job["weights"] else None


def _sampling(job: Message) -> Sampling:
    """As the job says, its strings that end an answer as a tuple, and the schema its answers fulfil."""
    settings = job["sampling"]
    schema = job["structured_outputs"]
    return Sampling(
        **{**settings, "stop": tuple(settings.get("stop", ()))},
        json=json.dumps(schema, sort_keys=True) if isinstance(schema, dict) else "",
    )


def _cut(tokens: list[int], most: int, side: str, *, first: int | None) -> list[int]:
    """The first or last `most` tokens; a token that begins every text stays."""
    if side == "right":
        return tokens[:most]
    if tokens[0] == first:
        return [tokens[0], *tokens[len(tokens) - most + 1 :]]
    return tokens[len(tokens) - most :]


def _chosen(question: _Question, logprobs: list[float]) -> EngineAnswer:
    unanswered = question.unanswered()
    if not all(map(math.isfinite, logprobs)):
        return replace(unanswered, error=f"the model gives the choices the log-probabilities {logprobs}")
    best = max(range(len(logprobs)), key=logprobs.__getitem__)
    return replace(
        unanswered,
        completion=question.answers[best],
        completion_tokens=len(question.answer_tokens[best]),
        finish_reason="choice",
        choice_logprobs=logprobs,
    )


def _measured(question: _Question) -> EngineAnswer:
    unanswered = question.unanswered()
    if not all(math.isfinite(part.logprob) for part in question.parts):
        return replace(unanswered, error="the model gives the text no finite log-probability")
    return replace(
        unanswered,
        completion=question.answers[0],
        completion_tokens=0,
        finish_reason="measured",
        logprob=math.fsum(part.logprob for part in question.parts),
        target_tokens=len(question.answer_tokens[0]),
        greedy=all(part.greedy for part in question.parts),
    )


def _windows(
    prompt: list[int], target: list[int], context: int, stride: int | None = None
) -> list[tuple[list[int], list[int]]]:
    """Pairs of what is read and what is measured after it, such that every target token is measured once.

    A text that fits is one pair. Of a longer one the first piece follows the whole prompt and fills the
    context. Each other measures `stride` tokens more, after as much of what precedes them as fits; without a
    stride it measures all that fits after one token, and the last is moved back to follow as much as fits. A
    small stride gives every token more to go by, and takes more time.
    """
    room = context - 1  # vLLM wants to write a token, too
    step = min(stride or room - 1, room - 1)
    tokens = prompt + target
    first = min(room, len(tokens))
    pairs = [(prompt, tokens[len(prompt) : first])]
    for done in range(first, len(tokens), step):
        end = min(done + step, len(tokens))
        pairs.append((tokens[end - room : done], tokens[done:end]))
    return pairs
