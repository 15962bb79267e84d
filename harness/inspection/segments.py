"""Where the parts of a prompt lie among its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Segment:
    """A part of a prompt: tokens from `begin` up to, and without, `end`."""

    name: str
    begin: int
    end: int


def segments_of(
    tokenizer: Any, text: str, token_ids: Sequence[int], named: Sequence[tuple[str, str]]
) -> tuple[Segment, ...]:
    """The tokens that hold any character of each named text, which is looked for from the end of the prompt:
    what is asked comes after its demonstrations.

    Empty for a tokenizer that does not say where its tokens stand, or one that encodes the text otherwise
    than the prompt was.
    """
    if not tokenizer.is_fast:
        return ()
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    before = len(token_ids) - len(ids)
    # What the tokenizer puts before every text has no characters in it.
    if before < 0 or list(token_ids[before:]) != list(ids):
        return ()
    segments = []
    for name, part in named:
        start = text.rfind(part) if part else -1
        if start < 0:
            continue
        places = [
            place for place, (first, last) in enumerate(offsets) if first < start + len(part) and last > start
        ]
        if places:
            segments.append(Segment(name, before + places[0], before + places[-1] + 1))
    return tuple(segments)
