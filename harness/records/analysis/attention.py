"""What an analysis saw of where answers look, and of what they depend on."""

from harness.records.fields import Count, Finite, Share, record_part


@record_part
class SegmentLook:
    """A part of the prompts, and what it is worth to the right answer."""

    name: str
    tokens: Share
    """Of the prompts' tokens, on average."""

    attention: Share | None
    """Of what the answer's position looks at, through all layers;
    None of a model that tells no attentions."""

    n: Count
    """Samples that have it."""

    lost: Finite
    """Natural logarithms by which the right answer is less likely without it, on average, with a 95 %
    interval."""

    lost_low: Finite
    lost_high: Finite

    by_layer: tuple[Share, ...] = ()
    """What the answer's position looks at in each layer, the mean over heads."""


@record_part
class HeadLook:
    """An attention head that looks at one part more than most others do."""

    layer: Count
    head: Count
    """Both from 0."""

    segment: str
    share: Share


@record_part
class Agreement:
    """Spearman's rank correlation of two measures over the tokens of a prompt, on average over samples."""

    first: str
    second: str
    correlation: Finite
    n: Count


@record_part
class ArmLook:
    """One arm, with the weights of its first seed."""

    arm: str
    n: Count
    layers: Count
    heads: Count
    segments: tuple[SegmentLook, ...]
    """In the order of the prompts; what belongs to none is the chat template's, or between parts."""

    most_of: tuple[HeadLook, ...] = ()
    """For each segment the head that looks at it most."""

    agreements: tuple[Agreement, ...] = ()
    copied: Share | None = None
    """Of an arm with demonstrations: share of its answers that are the last demonstration's."""

    copied_by_chance: Share | None = None
    """What that share would be, if answers and demonstrations had nothing to do with each other."""


@record_part
class TokenLook:
    """The tokens of a prompt as one arm reads it; numbers by token."""

    arm: str
    logprob: Finite
    """Of the right answer."""

    attention: tuple[Finite, ...]
    occlusion: tuple[Finite, ...]
    gradient: tuple[Finite, ...]


@record_part
class TintedSample:
    """A sample whose tokens are shown."""

    sample: str
    target: str
    tokens: tuple[str, ...]
    arms: tuple[TokenLook, ...]


@record_part
class AttentionRecord:
    """Where answers look: attention beside its causes."""

    arms: tuple[ArmLook, ...]
    samples: tuple[TintedSample, ...] = ()
