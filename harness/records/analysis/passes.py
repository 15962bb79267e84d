"""What it took to read an arm's weights anew."""

from harness.records.fields import Amount, Count
from harness.toml import Frozen


class PassRecord(Frozen):
    """What a pass of an arm's weights over some samples cost."""

    reading: str
    """What was taken from each sample."""

    arm: str = ""
    seed: int = 0
    samples: Count
    """Prompts that were read, those of training samples and of other wordings among them."""

    prompt_tokens: Count
    failed: Count
    """Those of them that could not be read."""

    error: str = ""
    """Why the first of these could not."""

    device: str
    dtype: str
    startup_seconds: Amount = 0.0
    """Of its process, where it was the first pass of one."""

    load_seconds: Amount
    seconds: Amount
    """Of the pass alone."""

    peak_memory_bytes: Count
