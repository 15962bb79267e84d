"""Engines answer prompts with one base model, and swap the weights of its arms without restarting."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

EngineName = Literal["vllm", "transformers"]
Progress = Callable[[int, int], None]
"""(requests done, requests in all)"""


@dataclass(frozen=True)
class Completion:
    """What the model wrote after a prompt."""

    text: str
    tokens: int
    """Tokens generated, the end-of-sequence token included."""

    finish_reason: str
    """`stop`: it ended by itself or at a stop string; `length`: it was cut at `max_tokens`."""


@dataclass(frozen=True)
class Likelihood:
    """How likely a model finds a given continuation."""

    logprob: float
    """Natural log, summed over the continuation's tokens."""

    greedy: bool
    """Whether each of its tokens was the most likely one."""


@dataclass(frozen=True)
class Sampling:
    """How to write an answer, under the names of vLLM's `SamplingParams`."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    """Strings that end an answer and are left out of it."""

    seed: int = 0
    """Counts only where the temperature is above 0."""


class Engine(Protocol):
    """One base model, ready to answer. Prompts are token ids; a prompt and its answer fit the context."""

    name: str
    """The backend with its version."""

    device: str
    dtype: str
    tokenizer: Any
    context: int
    """Tokens a prompt and its answer may take together."""

    parameters: int

    def load_weights(self, weights: Path | None) -> None:
        """Answer from now on with a full model or an adapter from a folder, or (None) with the base."""

    def generate(self, prompts: Sequence[list[int]], sampling: Sampling, *, progress: Progress) -> list[Completion]:
        """A completion for each prompt, in order."""

    def choice_logprobs(
        self, prompts: Sequence[list[int]], choices: Sequence[Sequence[list[int]]], *, progress: Progress
    ) -> list[list[float]]:
        """For each prompt the natural-log probability of each of its choices, summed over the choice's tokens."""

    def likelihoods(
        self, prompts: Sequence[list[int]], continuations: Sequence[list[int]], *, progress: Progress
    ) -> list[Likelihood]:
        """How likely each continuation is after its prompt. A prompt has a token at least; both fit the context."""


MAX_MODEL_LEN = 4096
"""Context unless the sweep asks for more: vLLM's key-value cache must hold at least one sequence of this length."""


def context_length(config: Any, max_model_len: int | None) -> int:
    """Tokens a prompt and its answer may take: as asked, but no more than the model's own."""
    asked = max_model_len or MAX_MODEL_LEN
    return min(int(getattr(config, "max_position_embeddings", asked)), asked)


def default_engine() -> EngineName:
    """vLLM where it is installed, else transformers."""
    return "vllm" if importlib.util.find_spec("vllm") else "transformers"


def stop_token_ids(tokenizer: Any, model_eos: int | list[int] | None) -> list[int]:
    """Every token that ends an answer: the tokenizer's (which tuning teaches) and the model's own."""
    own = [] if model_eos is None else [model_eos] if isinstance(model_eos, int) else model_eos
    return sorted({tokenizer.eos_token_id, *own} - {None})
