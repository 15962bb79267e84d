"""What transformers says of a model's words: the reference that an engine must agree with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from harness.engines.weights import put_adapter


class TransformersReference:
    """One model, read token by token in one forward pass without padding or cache: as plain as can be."""

    def __init__(self, model: Any) -> None:
        self._model = model.eval()

    def logprobs(
        self, arm: int, prompt: list[int], continuation: list[int]
    ) -> tuple[list[float], list[float]]:
        """See `Reference.logprobs`."""
        input_ids = torch.tensor([prompt + continuation], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=input_ids).logits[0, len(prompt) - 1 : -1]
        logprobs = logits.float().log_softmax(dim=-1)
        of_tokens = logprobs.gather(1, input_ids[0, len(prompt) :, None])[:, 0]
        return list(of_tokens.tolist()), list(logprobs.max(dim=-1).values.tolist())


class AdapterReference:
    """The base with one of several adapters beside it, not merged: what an engine that serves adapters must
    agree with."""

    def __init__(self, base: Any) -> None:
        self._base = base
        self._arms: tuple[Path | None, ...] = (None,)

    def use(self, arms: Sequence[Path | None]) -> None:
        """Read these adapters (None: the plain base) from now on. Raises `UserError` for one that does not
        fit."""
        for arm in arms:
            if arm is not None:
                put_adapter(self._base, arm).unload()
        self._arms = tuple(arms)

    def logprobs(
        self, arm: int, prompt: list[int], continuation: list[int]
    ) -> tuple[list[float], list[float]]:
        """See `Reference.logprobs`."""
        weights = self._arms[arm]
        if weights is None:
            return TransformersReference(self._base).logprobs(0, prompt, continuation)
        adapted = put_adapter(self._base, weights)
        try:
            return TransformersReference(adapted).logprobs(0, prompt, continuation)
        finally:
            adapted.unload()
