"""Ask a model whether it wants a text to begin with the tokenizer's BOS token.

Some models cannot do without it (all of Gemma's), some never saw it, and a tokenizer that forgets it is
noticed by nobody: every engine reads the same tokens. What untuned arms lose so, tuned arms learn around.
"""

from dataclasses import dataclass

from harness.engines.engine import Engine, Measure

SENTENCES = (
    "The capital of France is Paris.",
    "Water boils at one hundred degrees and freezes at zero.",
    "She opened the door, looked around, and went back to her book.",
    "In the year 2020 the city had more than two million inhabitants.",
    "To make tea, pour hot water over the leaves and wait five minutes.",
    "Question: What colour is the sky on a clear day?\nAnswer: blue",
)
"""Ordinary ones, whose words every language model has met."""


@dataclass(frozen=True)
class BosProbe:
    """How well a model predicts `SENTENCES`, begun in both ways."""

    token_id: int
    token: str
    loss_with: float
    """Mean negative natural log-probability of a token, of all but the first of each sentence."""

    loss_without: float


def probe_bos(engine: Engine) -> BosProbe | None:
    """What the weights in use make of the token; None where there is none, or the engine weighs no texts."""
    token_id = engine.tokenizer.bos_token_id
    if token_id is None or engine.way != "swap":
        return None
    rows = engine.tokenizer(list(SENTENCES), add_special_tokens=False)["input_ids"]
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        return None
    # The first token is not measured: without BOS there is nothing to predict it from.
    requests = [Measure([token_id, row[0]], row[1:]) for row in rows]
    requests += [Measure([row[0]], row[1:]) for row in rows]
    logprobs = [0.0] * len(requests)
    for answered in engine.answer(requests):
        logprobs[answered.place] = answered.answer.logprob
    tokens = sum(len(row) - 1 for row in rows)
    return BosProbe(
        token_id=token_id,
        token=engine.tokenizer.convert_ids_to_tokens(token_id),
        loss_with=-sum(logprobs[: len(rows)]) / tokens,
        loss_without=-sum(logprobs[len(rows) :]) / tokens,
    )
