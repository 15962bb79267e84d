"""Engines answer prompts with one base model and all its arms, without restarting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.sweep.engines import MAX_MODEL_LEN, Way
from harness.sweep.model_files import check_token


@dataclass(frozen=True)
class Sampling:
    """How to write an answer, under the names of vLLM's `SamplingParams`."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    """Answers to write for the prompt."""

    stop: tuple[str, ...] = ()
    """Strings that end an answer and are left out of it."""

    stop_token_ids: tuple[int, ...] = ()
    """Tokens that end it and are left out, besides the tokenizer's and the model's own."""

    skip_special_tokens: bool = False
    """Whether special tokens are left out of the answer's text wherever they stand, and it is read without
    its prompt, as lm-eval does both."""

    seed: int = 0
    """Counts only where the temperature is above 0."""

    choice: tuple[str, ...] = ()
    """When given, the answer is one of these texts: nothing else can be written."""

    json: str = ""
    """When given, a JSON schema, as text, that the answer fulfils unless it is cut at `max_tokens`."""

    logprobs: bool = False
    """Whether to tell the log-probability of each token that was written."""


@dataclass(frozen=True)
class Generate:
    """Write an answer. Answered by a list of `sampling.n` `Completion`."""

    prompt: list[int]
    sampling: Sampling
    arm: int = 0
    """Which of the arms in use answers."""

    reads_cache: bool = True
    """Whether keys and values of the prompt may come from the prefix cache; off to time an engine without
    one."""


@dataclass(frozen=True)
class Choose:
    """Weigh choices. Answered by a list of one `float` per choice: its natural-log probability, summed over
    its tokens."""

    prompt: list[int]
    choices: list[list[int]]
    """Each of at least one token."""

    arm: int = 0


@dataclass(frozen=True)
class Measure:
    """Weigh a given continuation. Answered by a `Likelihood`."""

    prompt: list[int]
    """At least one token."""

    continuation: list[int]
    arm: int = 0


Request = Generate | Choose | Measure


@dataclass(frozen=True)
class Completion:
    """What the model wrote after a prompt."""

    text: str
    token_ids: list[int]
    """The tokens it wrote, the end-of-sequence token included."""

    finish_reason: str
    """`stop`: it ended by itself or at a stop string; `length`: it was cut at `max_tokens`."""

    logprobs: list[float] | None = None
    """Natural log of each token's probability, where `Sampling.logprobs` asked for it."""


@dataclass(frozen=True)
class Likelihood:
    """How likely a model finds a given continuation."""

    logprob: float
    """Natural log, summed over the continuation's tokens."""

    greedy: bool
    """Whether each of its tokens was the most likely one."""


@dataclass(frozen=True)
class Answered:
    """The answer to one request."""

    place: int
    """Of the request, among those that were asked."""

    answer: Any
    """Of the type that the request says."""

    cached_tokens: int = 0
    """Tokens of the prompt whose keys and values the prefix cache had."""

    by_transformers: bool = False
    """Whether transformers weighed the choices, with the same weights, and not the engine itself."""


class Reference(Protocol):
    """The arms in use, as transformers reads them: what the engine must agree with."""

    def logprobs(
        self, arm: int, prompt: list[int], continuation: list[int]
    ) -> tuple[list[float], list[float]]:
        """For each token of the continuation the natural-log probabilities of itself and of the most likely
        token."""


class Engine(Protocol):
    """One base model, ready to answer. Prompts are token ids; a prompt and its answer fit the context."""

    name: str
    """The backend with its version."""

    device: str
    num_devices: int
    """That the model is spread over."""

    dtype: str
    tokenizer: Any
    context: int
    """Tokens a prompt and its answer may take together."""

    parameters: int
    """Of the whole model, however many devices hold a part of it."""

    way: Way

    def use(self, arms: Sequence[Path | None]) -> Reference:
        """Answer from now on with these arms: full models or adapters in folders, or (None) the base.

        One at a time; several when `way` is `adapters`, and then all of them adapters. Raises `UserError` for
        weights that are not of the base's architecture. The reference is good until the next call.
        """

    def answer(self, requests: Sequence[Request]) -> Iterator[Answered]:
        """Answer every request once, in the order they are finished."""


class OutOfMemory(Exception):
    """The accelerator has no room for `max_num_seqs` sequences at once; it may have for fewer."""


MAX_NUM_SEQS = 256
"""Sequences an engine works on at a time, unless that takes more memory than there is."""


def context_length(config: Any, max_model_len: int | None) -> int:
    """Tokens a prompt and its answer may take: as asked, but no more than the model's own."""
    wanted = max_model_len or MAX_MODEL_LEN
    return min(int(getattr(config, "max_position_embeddings", wanted)), wanted)


def stop_token_ids(tokenizer: Any, model_eos: int | list[int] | None) -> list[int]:
    """Every token that ends an answer: the tokenizer's (which tuning teaches) and the model's own."""
    model_ids = model_eos if isinstance(model_eos, list) else [model_eos]
    return sorted({tokenizer.eos_token_id, *model_ids} - {None})


def check_vocabulary(tokenizer: Any, rows: int) -> None:
    """Raise `UserError` when the tokenizer has tokens that a model with so many `rows` of embeddings cannot
    read."""
    check_token(max(tokenizer.get_vocab().values()), rows)


BOUNDS = {"float32": 1e-3}
"""By dtype, how far natural-log probabilities may be from transformers', whose kernels add in another
order."""

BOUND_OF_HALF = 0.25
"""The bound where numbers have 8 or 11 significant bits (bfloat16, float16)."""


def bound_of(dtype: str) -> float:
    """How far natural-log probabilities of one model may be apart that was read in two ways in this dtype."""
    return BOUNDS.get(dtype, BOUND_OF_HALF)
