"""What a sample's prompt says of its own, and what the prompts of all samples share."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PromptParts:
    """Prompts of one wording, taken apart."""

    before: str
    """The beginning that all of them share, up to a space or a mark."""

    own: tuple[str, ...]
    """What remains of each; empty for prompts that are all the same."""

    after: str
    """The end that all of them share, from a space or a mark on."""


def prompt_parts(prompts: Sequence[str | None]) -> PromptParts:
    """Take prompts apart into what they share and what each has of its own."""
    texts = [prompt or "" for prompt in prompts]
    least, greatest = min(texts, default=""), max(texts, default="")
    if least == greatest:
        return PromptParts(least, ("",) * len(texts), "")
    start = _shared(least, greatest)
    # Not within a word: "pa|ris" and "pa|rma" begin with no word in common. A chat template's marks end one,
    # such as `<|user|>`.
    while start and not least[start - 1].isspace() and least[start - 1] != ">":
        start -= 1
    ends = [text[start:][::-1] for text in texts]
    stop = _shared(min(ends), max(ends))
    while stop and not min(ends)[stop - 1].isspace() and min(ends)[stop - 1] != "<":
        stop -= 1
    own = tuple(text[start : len(text) - stop].strip() for text in texts)
    return PromptParts(least[:start], own, least[len(least) - stop :])


def _shared(least: str, greatest: str) -> int:
    """How many characters two texts begin with alike: of the first and the last in order, so do all."""
    for place, (letter, opposite) in enumerate(zip(least, greatest, strict=False)):
        if letter != opposite:
            return place
    return min(len(least), len(greatest))
