"""Turn a run's prompts into an engine's requests, and the engine's answers into the lines of a file."""

import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

from harness.engines.completion import answer_text
from harness.engines.encode import NO_TOKENS, Encoded, PromptEncoder
from harness.engines.engine import (
    Choose,
    Completion,
    Generate,
    Likelihood,
    Measure,
    Request,
    Sampling,
)
from harness.engines.held import cannot_be_held
from harness.engines.thinking import ThoughtPlace
from harness.errors import UserError
from harness.jsonl import each_jsonl
from harness.records.predictions import EngineAnswer
from harness.sweep.thoughts import MAX_THOUGHT_TOKENS, Parted, cut_at, part_thought
from harness.task import Rendered
from harness.workers.jobs import AskJob
from harness.workers.worker import Message

ROOM_STEP = 64
"""Tokens by which the room for a thought is rounded down where the context is short of it."""

TOKENISED_AT_ONCE = 4096
"""Prompts: enough to keep all cores busy, and few enough for memory to hold little but the tokens of a large
file."""


@dataclass(slots=True)
class Question:
    """One prompt on its way to an answer."""

    place: int
    """Its line in the prompts file."""

    identity: str
    template: str
    text: str
    tokens: list[int]
    after: str
    """What follows the answer in the template."""

    of_lm_eval: bool
    """Whether its answer is read as lm-eval reads it."""

    answers: list[str]
    """The choices, or the one target whose likelihood is measured; empty when the answer is written."""

    answer_tokens: list[list[int]]
    turn_ends: tuple[str, ...] = ()
    """Texts that end its answer besides the task's stop strings."""

    truncated: int = 0
    """Tokens cut off the prompt."""

    error: str | None = None
    windows: int = 1
    """Requests that its answer takes: several for a text longer than the context."""

    begun: bool = False
    """Whether its prompt begins a thought."""

    thought_room: int | None = None
    """Tokens that a thought may take before the answer; None where the model answers at once."""

    likelihoods: list[Likelihood] = field(default_factory=list)
    """Of the windows that were measured so far."""

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


class TokenReader(Protocol):
    """What prompts are encoded for: an engine, or a model in memory."""

    @property
    def tokenizer(self) -> Any:
        """Its base's."""

    @property
    def context(self) -> int:
        """Tokens a prompt and its answer may take together."""


class Questions:
    """How one run's prompts are put to one arm of an engine."""

    def __init__(self, job: AskJob, arm: int, engine: TokenReader) -> None:
        """`arm`: its place among the arms in use. Raises `UserError` where its answers cannot be held as the
        job wants it, and like `PromptEncoder`."""
        self._job, self._arm = job, arm
        refusal = None if job.structured_outputs is None else cannot_be_held(engine.tokenizer)
        if refusal is not None:
            raise UserError(refusal)
        self.encoder = PromptEncoder.of(engine.tokenizer, job)
        self._context = engine.context
        self._sampling = _sampling(job)
        # What is weighed, measured or held to a form is an answer: no thought can be.
        self._answers_at_once = (
            self.encoder.answers_at_once or job.output != "generate" or job.structured_outputs is not None
        )

    def read(self) -> list[Question]:
        """Every prompt of the run; those that the model cannot be asked have an error."""
        questions: list[Question] = []
        rows = each_jsonl(self._job.prompts)
        while chunk := list(islice(rows, TOKENISED_AT_ONCE)):
            prompts = self.encoder.prompts([Rendered(**row["prompt"]) for row in chunk])
            if self._answers_at_once:
                prompts = self.encoder.without_thoughts(prompts)
            answers = [self._given_answers(row, prompt) for row, prompt in zip(chunk, prompts, strict=True)]
            tokens = iter(self._weighed_tokens(prompts, answers))
            for row, prompt, texts in zip(chunk, prompts, answers, strict=True):
                question = Question(
                    place=len(questions),
                    identity=row["id"],
                    template=row["template"],
                    text=prompt.text,
                    tokens=prompt.token_ids,
                    after=prompt.after,
                    of_lm_eval=prompt.lm_eval is not None,
                    answers=texts,
                    answer_tokens=list(islice(tokens, len(texts))),
                    turn_ends=prompt.turn_ends,
                    begun=prompt.thought.begun,
                )
                self._fit(question)
                question.thought_room = self._thought_room(question, prompt.thought)
                questions.append(question)
        return questions

    def requests(self, question: Question) -> list[Request]:
        """What the engine is asked for one question."""
        if self._job.output == "choice":
            return [Choose(question.tokens, question.answer_tokens, self._arm)]
        if self._job.output == "perplexity":
            pieces = windows(question.tokens, question.answer_tokens[0], self._context, self._job.stride)
            return [Measure(before, after, self._arm) for before, after in pieces]
        sampling = replace(
            self._sampling,
            choice=tuple(question.answers),
            stop=self._stop(question),
            stop_token_ids=tuple(self.encoder.stop_token_ids),
            skip_special_tokens=question.of_lm_eval,
        )
        if question.thought_room is not None:
            # A stop string may stand in a thought, which it must not end: the answer is cut at it afterwards.
            sampling = replace(
                sampling, stop=question.turn_ends, max_tokens=sampling.max_tokens + question.thought_room
            )
        return [Generate(question.tokens, sampling, self._arm)]

    def _stop(self, question: Question) -> tuple[str, ...]:
        """The texts that end a written answer. One that is held to a form ends with it, and no choice is
        cut."""
        stop = self._sampling.stop
        if question.answers:
            return tuple(string for string in stop if not any(string in text for text in question.answers))
        return stop if self._sampling.json else stop + question.turn_ends

    def answers(self, question: Question, answer: Any) -> list[EngineAnswer]:
        """The lines of a request's answer: one per draw, and none until all windows of a text are there."""
        if self._job.output == "choice":
            return [_chosen(question, answer)]
        if self._job.output == "perplexity":
            question.likelihoods.append(answer)
            return [_measured(question)] if len(question.likelihoods) == question.windows else []
        return [
            replace(self._written(question, written), draw=draw, completion_tokens=len(written.token_ids))
            for draw, written in enumerate(answer)
        ]

    def _written(self, question: Question, written: Completion) -> EngineAnswer:
        """A completion, parted from its thought and ended where an engine ends an answer without one."""
        marks, token_ids = self._job.thought_marks, written.token_ids
        text, finish_reason = written.text, written.finish_reason
        parted = part_thought(text, marks, begun=question.begun, cut=finish_reason == "length")
        text = parted.answer
        thought_tokens = 0
        if parted.thought is not None:
            thought_tokens = self._tokens_up_to(token_ids, parted) if parted.closed else len(token_ids)
        if question.thought_room is not None:
            answer_ids = token_ids[thought_tokens:]
            if len(answer_ids) > self._sampling.max_tokens:
                before = question.tokens + token_ids[:thought_tokens]
                text = answer_text(self.encoder.tokenizer, before, answer_ids[: self._sampling.max_tokens])
                text, finish_reason = (text.lstrip() if thought_tokens else text), "length"
            stopped = cut_at(text, self._stop(question))
            if stopped is not None:
                text, finish_reason = stopped, "stop"
        closing = question.after.strip()
        return replace(
            question.unanswered(),
            # Only at its end: an answer may hold what follows the slot, as 3.5 holds a full stop.
            completion=text.rstrip().removesuffix(closing) if closing else text,
            finish_reason=finish_reason,
            thought=parted.thought,
            thought_tokens=None if parted.thought is None else thought_tokens,
        )

    def _tokens_up_to(self, token_ids: Sequence[int], parted: Parted) -> int:
        """Tokens of a completion up to the end of its last thought."""
        end = self._job.thought_marks[1]

        def thoughts_ended(tokens: int) -> bool:
            return str(self.encoder.tokenizer.decode(token_ids[:tokens])).count(end) >= parted.ends

        return bisect_left(range(len(token_ids)), True, key=thoughts_ended)

    def _thought_room(self, question: Question, place: ThoughtPlace) -> int | None:
        """Tokens for a thought: as many as the candidate allows, or else the context leaves."""
        wanted = self._job.max_thought_tokens
        if self._answers_at_once or not (place.empty or wanted):
            return None
        wanted = MAX_THOUGHT_TOKENS if wanted is None else wanted
        left = self._context - len(question.tokens) - self._sampling.max_tokens
        if left >= wanted:
            return wanted
        # In coarse steps, for engines that write together what may be equally long.
        return max(0, left - left % ROOM_STEP if left > ROOM_STEP else left)

    def _given_answers(self, row: Message, prompt: Encoded) -> list[str]:
        """The texts that are weighed after a prompt, or that its answer is held to."""
        if self._job.output == "perplexity":
            return [row["target"]]
        choices: list[str] = row["choices"]
        if self._job.output == "choice":
            return choices
        if self._job.structured_outputs != "choice":
            return []
        # What a plain prompt is followed by belongs to the answer's tokens, a space for instance.
        return [prompt.before + text for text in choices]

    def _weighed_tokens(self, prompts: Sequence[Encoded], answers: Sequence[list[str]]) -> list[list[int]]:
        """The tokens of every answer that is weighed, one prompt's after the other's."""
        if self._job.output == "generate":
            return []
        pairs: list[tuple[Encoded, str]] = []
        for prompt, texts in zip(prompts, answers, strict=True):
            pairs += [(prompt, text) for text in texts]
        return self.encoder.answers(pairs)

    def _fit(self, question: Question) -> None:
        """Enter the error of a question that the model cannot be asked, or cut its prompt where the task
        allows that."""
        question.error = self._without_tokens(question)
        if question.error is not None:
            return
        # A long target is measured in windows.
        lengths = (len(tokens) for tokens in question.answer_tokens)
        answer_room = (
            2 if self._job.output == "perplexity" else max(lengths, default=self._sampling.max_tokens)
        )
        prompt_room, length = self._context - answer_room, len(question.tokens)
        if length <= prompt_room:
            return
        side = self._job.truncation_side
        if side is None or prompt_room < 2:
            question.error = (
                f"a prompt of {length} tokens and {answer_room} for the answer exceed the model's context of "
                f"{self._context}; shorten the prompt, lower num_fewshot or max_tokens, raise "
                "max_model_len, or let "
                "the task set truncation_side"
            )
            return
        question.tokens = _cut(question.tokens, prompt_room, side, bos=self.encoder.tokenizer.bos_token_id)
        question.truncated = length - prompt_room
        question.text = self.encoder.tokenizer.decode(question.tokens)

    def _without_tokens(self, question: Question) -> str | None:
        """The error of a question whose prompt, or an answer to be weighed, has no tokens; else None."""
        if not question.tokens:
            return NO_TOKENS
        # Answers that are only held to, not weighed, have no tokens here.
        for text, tokens in zip(question.answers, question.answer_tokens, strict=False):
            if not tokens:
                role = "target" if self._job.output == "perplexity" else "choice"
                return f"the {role} {text!r} has no tokens, so the model cannot weigh it; give it some text"
        return None


def _sampling(job: AskJob) -> Sampling:
    """As the job says, with the schema that its answers fulfil."""
    schema = job.structured_outputs
    return Sampling(
        **job.sampling.model_dump(),
        json=json.dumps(schema, sort_keys=True) if isinstance(schema, Mapping) else "",
    )


def _cut(tokens: list[int], length: int, side: str, *, bos: int | None) -> list[int]:
    """The first or last `length` tokens; a token that begins every text stays."""
    if side == "right":
        return tokens[:length]
    if tokens[0] == bos:
        return [tokens[0], *tokens[len(tokens) - length + 1 :]]
    return tokens[len(tokens) - length :]


def _chosen(question: Question, logprobs: list[float]) -> EngineAnswer:
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


def _measured(question: Question) -> EngineAnswer:
    unanswered = question.unanswered()
    if not all(math.isfinite(likelihood.logprob) for likelihood in question.likelihoods):
        return replace(unanswered, error="the model gives the text no finite log-probability")
    return replace(
        unanswered,
        completion=question.answers[0],
        completion_tokens=0,
        finish_reason="measured",
        logprob=math.fsum(likelihood.logprob for likelihood in question.likelihoods),
        target_tokens=len(question.answer_tokens[0]),
        greedy=all(likelihood.greedy for likelihood in question.likelihoods),
    )


def windows(
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
    start = min(room, len(tokens))
    pairs = [(prompt, tokens[len(prompt) : start])]
    for done in range(start, len(tokens), step):
        end = min(done + step, len(tokens))
        pairs.append((tokens[end - room : done], tokens[done:end]))
    return pairs
