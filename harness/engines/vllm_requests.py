"""What vLLM is asked, one or several requests of its own for each of ours, and what its outputs say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind

from harness.engines.choices import (
    Beginning,
    ChoiceWay,
    NextTokens,
    is_weighed,
    logprob_of,
    trie_of,
)
from harness.engines.completion import written_text
from harness.engines.engine import Choose, Completion, Generate, Likelihood, Request

TOKENS_AT_ONCE = 128
"""The most tokens whose log-probability vLLM tells in one request."""

OURS: dict[str, Any] = {"output_kind": RequestOutputKind.FINAL_ONLY, "skip_clone": True}
"""For all requests: an output comes once, when it is complete, and nobody changes parameters that requests
share."""

_MEASURED: dict[str, Any] = {"prompt_logprobs": 0, "flat_logprobs": True, "detokenize": False}
_MEASURE = SamplingParams(temperature=0.0, max_tokens=1, **_MEASURED, **OURS)
"""The log-probability and rank of a text's own tokens; vLLM wants to write one, too."""

_READ = SamplingParams(temperature=0.0, max_tokens=1, skip_reading_prefix_cache=False, **_MEASURED, **OURS)
"""Like `_MEASURE`, but past the prefix cache: what vLLM says of tokens that the cache had is not to be relied
on."""


@dataclass(frozen=True)
class RequestPart:
    """One of vLLM's requests."""

    after: Beginning
    """What follows the prompt."""

    parameters: SamplingParams


@dataclass
class Pending:
    """A request on its way, as one or several of vLLM's requests. Only choices take several."""

    request: Request
    outstanding: int = 0
    """Outputs of vLLM that are still to come."""

    output: Any = None
    """The last that came."""

    following: NextTokens = field(default_factory=dict)
    """For choices: the log-probabilities that were read so far."""

    cached_tokens: int = 0
    """Tokens of the prompt that the prefix cache had for each of vLLM's requests."""

    def take(self, part: RequestPart, output: Any) -> None:
        """Take one of vLLM's outputs."""
        self.outstanding -= 1
        cached = output.num_cached_tokens or 0
        self.cached_tokens = cached if self.output is None else min(self.cached_tokens, cached)
        self.output = output
        if not isinstance(self.request, Choose):
            return
        if part.parameters.prompt_logprobs is None:
            next_tokens = self.following.setdefault(part.after, {})
            for token, logprob in output.outputs[0].logprobs[0].items():
                next_tokens[token] = logprob.logprob
            return
        start = len(self.request.prompt)
        # A token's log-probability comes with the one before it, which the cache must not have had.
        first_read = max(0, cached + 1 - start)
        for index, token in enumerate(part.after[first_read:], start=first_read):
            logprob = output.prompt_logprobs[start + index][token].logprob
            self.following.setdefault(part.after[:index], {})[token] = logprob

    def unread(self) -> list[RequestPart]:
        """Choices to be read again, past the prefix cache: it had tokens of their own, and other choices do
        not tell."""
        if self.outstanding or not isinstance(self.request, Choose):
            return []
        return [
            RequestPart(tuple(choice), _MEASURE)
            for choice in self.request.choices
            if not is_weighed(choice, self.following)
        ]

    def answer(self, tokenizer: Any) -> Any:
        """What vLLM's outputs say, as the request wants it."""
        request = self.request
        if isinstance(request, Generate):
            return [_completion(tokenizer, request, output) for output in self.output.outputs]
        if isinstance(request, Choose):
            return [logprob_of(choice, self.following) for choice in request.choices]
        start = len(request.prompt)
        tokens = [
            self.output.prompt_logprobs[start + index][token]
            for index, token in enumerate(request.continuation)
        ]
        return Likelihood(sum(token.logprob for token in tokens), all(token.rank == 1 for token in tokens))


def measuring(continuation: Sequence[int]) -> list[RequestPart]:
    """What vLLM is asked for the likelihood of a continuation."""
    return [RequestPart(tuple(continuation), _MEASURE)]


def choosing(choices: Sequence[Sequence[int]], way: ChoiceWay) -> list[RequestPart]:
    """What vLLM is asked to weigh choices.

    `beginnings`: each distinct beginning of a choice is one request for one token, with the log-probabilities
    of just the tokens that follow it in some choice; all share the prompt's cached prefix. Labels that differ
    in their first token and have no other need a single request. `whole`: each choice is read as text, and
    `prompt, then whole`: after the prompt was.
    """
    following = trie_of(choices).following
    if way == "beginnings":
        parts: list[RequestPart] = []
        for beginning, tokens in following.items():
            parts += _after(beginning, tokens)
        return parts
    readings = [RequestPart(tuple(choice), _READ) for choice in choices]
    return [*_after((), following[()]), *readings] if way == "prompt, then whole" else readings


def _after(beginning: Beginning, tokens: Iterable[int]) -> list[RequestPart]:
    """What may come after a prompt and the beginning of some choices."""
    ordered = sorted(tokens)
    return [
        RequestPart(beginning, _next_token(tuple(ordered[start : start + TOKENS_AT_ONCE])))
        for start in range(0, len(ordered), TOKENS_AT_ONCE)
    ]


@lru_cache(maxsize=4096)
def _next_token(tokens: tuple[int, ...]) -> SamplingParams:
    """The log-probabilities of these tokens, as the next one."""
    return SamplingParams(
        temperature=0.0, max_tokens=1, logprob_token_ids=list(tokens), detokenize=False, **OURS
    )


def _completion(tokenizer: Any, request: Generate, output: Any) -> Completion:
    token_ids = list(output.token_ids)
    at_token = output.finish_reason == "stop" and not isinstance(output.stop_reason, str)
    written = token_ids[:-1] if at_token else token_ids
    logprobs = None
    if output.logprobs is not None:
        logprobs = [step[token].logprob for step, token in zip(output.logprobs, token_ids, strict=True)]
    text = written_text(tokenizer, request.prompt, written, request.sampling)
    return Completion(text, token_ids, output.finish_reason, logprobs)
