"""Records of how answers came to be, and of the proof whose answers they are."""

from typing import Annotated

from pydantic import Field

from harness.records.fields import Amount, Count, Finite, Rate, record_part
from harness.toml import Frozen


@record_part
class GuardRecord:
    """One check that the engine answered with the weights it was given."""

    name: str
    """`matches_transformers`: what the engine says of a few prompts, against transformers reading the same
    weights. `differs_from_base`: a tuned arm answers them otherwise than its base. `base_repeats`: after the
    last swap of the engine the base answers them exactly as at its start."""

    passed: bool
    value: Finite
    """The largest difference of a token's natural-log probability."""

    bound: Finite
    """`value` may not be above it (for `differs_from_base`: not below)."""

    reason: str = ""
    """What went wrong, in a sentence; empty when it passed."""


class GenerationRecord(Frozen):
    """What the engine measured."""

    engine: str
    device: str
    num_devices: Annotated[int, Field(ge=1, le=10**6)] = 1
    """So many of them hold a part of the model each; seconds are those of a clock, not of all devices."""

    dtype: str
    chat_template: bool
    startup_seconds: Amount = 0.0
    """This run's share of the engine's start."""

    swap_seconds: Amount
    """Putting the arm's weights into the running engine."""

    way: str = "swap"
    """How the arm's weights got there: `swap` (merged and loaded in place) or `adapters` (its adapter served
    beside others)."""

    generate_seconds: Amount
    """Answers taken from the cache count with the seconds they took when they were generated."""

    guard_seconds: Amount = 0.0
    requests: Count
    """Prompts answered."""

    reused_requests: Count = 0
    """Of these, those whose answer an earlier run with equal weights, prompt and sampling had given
    already."""

    prompt_tokens: Count
    cached_prompt_tokens: Count = 0
    """Of these, the tokens whose keys and values were in the engine's prefix cache."""

    completion_tokens: Count
    uncached_requests_per_second: Rate | None = None
    """Speed with the prefix cache off, of arms that were timed so; None elsewhere."""

    flops: Amount
    peak_memory_bytes: Count
    energy_joules: Amount | None
    guards: tuple[GuardRecord, ...] = ()
