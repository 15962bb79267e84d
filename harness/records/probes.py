"""What freshly trained weights make of a few dev samples: what scoring must find again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, field_serializer, field_validator, model_validator

from harness.records.fields import Finite
from harness.toml import Frozen

PROBES = 4
"""Dev samples of a training that are kept: the shortest."""


class Probe(Frozen):
    """A dev sample as tokens, and how likely its target is."""

    prompt: Mapping[str, Any]
    """As `Rendered` has it."""

    target: str
    prompt_tokens: tuple[int, ...]
    answer_tokens: tuple[int, ...]
    """With the token that ends the answer."""

    logprobs: tuple[Finite, ...]
    """Natural log of the probability of each of the answer's tokens."""

    @field_validator("prompt", mode="before")
    @classmethod
    def _from_text(cls, prompt: Any) -> Any:
        return json.loads(prompt) if isinstance(prompt, str) else prompt

    @field_serializer("prompt")
    def _in_its_order(self, prompt: Mapping[str, Any]) -> Any:
        """A conversation as JSON text: a template writes functions and calls with their keys in the order
        that they have, and records are written with theirs sorted."""
        if prompt.get("tools") or any(turn.get("tool_calls") for turn in prompt.get("messages", ())):
            return json.dumps(prompt, ensure_ascii=False)
        return dict(prompt)

    @model_validator(mode="after")
    def _one_for_each_token(self) -> "Probe":
        if len(self.logprobs) != len(self.answer_tokens):
            raise ValueError(f"{len(self.answer_tokens)} tokens have {len(self.logprobs)} log-probabilities")
        return self


class TrainingProbes(Frozen):
    """The probes of one training, read with its kept weights by the process that trained them."""

    dtype: str
    """In which the model computed."""

    four_bits: bool
    """Whether the base's weights were rounded to four bits, as those that are scored are not."""

    probes: tuple[Probe, ...] = Field(min_length=1)


def probes_beside(weights: Path) -> Path:
    """The file with the `TrainingProbes` of the weights in a folder. It is beside them, not among them: who
    passes weights on need not pass samples on."""
    return weights.with_name(f"{weights.name}.probes.json")
