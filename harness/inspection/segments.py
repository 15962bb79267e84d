"""Where the parts of a prompt lie among its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Segment:
    """A part of a prompt: tokens from `begin` up to, and without, `end`. Several may share a name."""

    name: str
    begin: int
    end: int


def token_texts(tokenizer: Any, token_ids: Sequence[int]) -> list[str]:
    """What each token adds to the text; a character that several tokens make stands at the last of them. It
    takes time with the square of their number."""
    texts, known = [], ""
    for end in range(1, len(token_ids) + 1):
        # Bytes of a character that is not whole yet are no text.
        text = tokenizer.decode(list(token_ids[:end])).rstrip("\ufffd")
        texts.append(text[len(known) :])
        known = text if len(text) > len(known) else known
    return texts


def segments_of(
    tokenizer: Any, text: str, token_ids: Sequence[int], named: Sequence[tuple[str, str]]
) -> tuple[Segment, ...]:
    """The tokens of each named text, which stand in the prompt in this order. A token over the end of two
    belongs to the one with its last character that is no space.

    Texts that are not found after the one before are left out. Empty for a tokenizer that does not say where
    its tokens stand, or one that encodes the text otherwise than the prompt was.
    """
    if not tokenizer.is_fast:
        return ()
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    before = len(token_ids) - len(ids)
    # What the tokenizer puts before every text has no characters in it.
    if before < 0 or list(token_ids[before:]) != list(ids):
        return ()
    lasts = [first + max(len(text[first:last].rstrip()), 1) - 1 for first, last in offsets]
    segments, searched = [], 0
    for name, part in named:
        start = text.find(part, searched) if part.strip() else -1
        if start < 0:
            continue
        searched = start + len(part)
        places = [
            place
            for place, ((first, last), spoken) in enumerate(zip(offsets, lasts, strict=True))
            if first < last and start <= spoken < searched
        ]
        if places:
            segments.append(Segment(name, before + places[0], before + places[-1] + 1))
    return tuple(segments)
