"""Records of how a run's answers were generated, and of the checks that they are those of its weights."""

import datetime
from typing import Annotated

from pydantic import Field

from harness.records.fields import Amount, Count, Finite, Rate, record_part
from harness.toml import Frozen


@record_part
class GuardRecord:
    """One check that the engine answered with the weights it was given."""

    name: str
    """`matches_transformers`: on a few prompts the engine agrees with transformers reading the same weights.
    `differs_from_base`: a tuned arm answers them differently from its base. `matches_training`: its weights,
    read as scoring reads, find a few dev samples as likely as its training did. `base_repeats`: after the
    engine's last swap the base answers them exactly as at its start."""

    passed: bool
    value: Finite
    """The largest difference between natural-log probabilities of a token."""

    bound: Finite
    """The most that `value` may be; for `differs_from_base` the least."""

    reason: str = ""
    """What went wrong, in a sentence; empty when it passed."""


MUCH = 1.0
"""Nats a token. Any token before the first word helps a little;
what a model cannot do without makes several."""


@record_part
class BosRecord:
    """Whether prompts began with the tokenizer's BOS token, and what the base makes of it."""

    token: str
    began: bool
    """Whether the run's prompts did, all of them."""

    loss_with: Finite
    """Mean negative natural log-probability that the base gives a token of a few plain sentences which begin
    with it."""

    loss_without: Finite

    @property
    def doubt(self) -> str:
        """Why the prompts were not begun as the model needs it, in a sentence; empty where they were."""
        used, alternative = self.loss_with, self.loss_without
        if not self.began:
            used, alternative = alternative, used
        if used - alternative <= MUCH:
            return ""
        without, instead = ("with", "without") if self.began else ("without", "with")
        return (
            f"prompts begin {without} the BOS token {self.token!r}, and so the model's loss on a few plain "
            f"sentences is {used:.2f} a token, {instead} it {alternative:.2f}: it was trained {instead} it; "
            "correct add_bos_token of its tokenizer, or its chat template"
        )


class GenerationRecord(Frozen):
    """What the engine measured while it answered a run."""

    engine: str
    device: str
    num_devices: Annotated[int, Field(ge=1, le=10**6)] = 1
    """So many of them hold a part of the model each; seconds are those of a clock, not of all devices."""

    dtype: str
    chat_template: bool
    template_date: datetime.date | None = None
    """The day that the chat template was told is today, where it asks: the same for every run, so that
    prompts do not change overnight. None where it does not ask."""

    startup_seconds: Amount = 0.0
    """This run's share of the engine's start."""

    swap_seconds: Amount
    """Spent on putting the arm's weights into the running engine."""

    way: str = "swap"
    """How the arm's weights got there: `swap` (merged and loaded in place) or `adapters` (its adapter served
    beside others)."""

    generate_seconds: Amount
    """An answer taken from the cache counts with the seconds it took when it was generated."""

    guard_seconds: Amount = 0.0
    requests: Count
    """Prompts answered."""

    reused_requests: Count = 0
    """Those of them whose answer was kept from an earlier run with equal weights, prompt and sampling."""

    requests_by_transformers: Count = 0
    """Those of them whose choices transformers weighed, with the same weights, for at most a third of
    what the engine would have read."""

    prompt_tokens: Count
    cached_prompt_tokens: Count = 0
    """Those of them whose keys and values were in the engine's prefix cache."""

    completion_tokens: Count
    thought_tokens: Count = 0
    """Those of them that were written before an answer, as a thought."""

    uncached_requests_per_second: Rate | None = None
    """Speed with the prefix cache off, for arms that were timed that way; None for others."""

    flops: Amount
    peak_memory_bytes: Count
    energy_joules: Amount | None
    guards: tuple[GuardRecord, ...] = ()
    bos: BosRecord | None = None
    """None where the tokenizer has no such token, or the engine weighs no texts."""
