"""An engine that answers as it is told to, for what no real one does at will."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.engines.engine import (
    Answered,
    Choose,
    Completion,
    Generate,
    Likelihood,
    Measure,
    Reference,
    Request,
)
from harness.sweep.engines import Way


class Letters:
    """One token a letter."""

    bos_token_id, eos_token_id, chat_template = 1, 2, None
    all_special_ids = (1, 2)

    def get_added_vocab(self) -> dict[str, int]:
        return {}

    def get_vocab(self) -> dict[str, int]:
        return {}

    def __call__(self, text: str | list[str], add_special_tokens: bool = True) -> dict[str, Any]:
        if isinstance(text, list):
            return {"input_ids": [self(one, add_special_tokens)["input_ids"] for one in text]}
        return {
            "input_ids": [
                *([self.bos_token_id] if add_special_tokens and self.bos_token_id else []),
                *map(ord, text),
            ]
        }

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(map(chr, token_ids))


class Invented:
    """Knows nothing, and counts what it is asked."""

    name, device, dtype, context, parameters = "invented", "cpu", "float32", 32, 1000
    num_devices = 1
    way: Way = "swap"

    def __init__(self, *, text: str = "", logprobs: Sequence[float] = ()) -> None:
        self.tokenizer = Letters()
        self.text, self.logprobs = text, logprobs
        self.arms: list[tuple[Path | None, ...]] = []
        """Those that were used, one call after the other."""

        self.asked: list[Request] = []

    def use(self, arms: Sequence[Path | None]) -> Reference:
        self.arms.append(tuple(arms))
        return self

    def logprobs_of(self, request: Generate) -> list[float]:
        """What it says of the tokens it writes."""
        return [-1.0, -1.0, -1.0]

    def answer(self, requests: Sequence[Request]) -> Iterator[Answered]:
        # The last first: nobody may rely on the order.
        for place in reversed(range(len(requests))):
            request = requests[place]
            self.asked.append(request)
            yield Answered(place, self._answer(request), cached_tokens=len(request.prompt) // 2)

    def _answer(self, request: Request) -> Any:
        if isinstance(request, Measure):
            return Likelihood(self.logprobs[0], True)
        if isinstance(request, Choose):
            return list(self.logprobs)
        logprobs = self.logprobs_of(request) if request.sampling.logprobs else None
        texts = [f"{self.text}{draw or ''}" for draw in range(request.sampling.n)]
        return [Completion(text, [5, 6, 7], "stop", logprobs) for text in texts]
