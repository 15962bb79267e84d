"""Tell what a model thinks before its answer from the answer.

A model may write its thought between two marks, or only the mark that ends it, where the chat template has
begun the thought at the end of the prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

THOUGHT_MARKS = ("<think>", "</think>")
"""What begins and ends a thought, unless a candidate says otherwise."""

SWITCHES = ("enable_thinking", "thinking")
"""Arguments by which chat templates are told, as `false`, that nothing shall be thought."""

MAX_THOUGHT_TOKENS = 1024
"""Tokens that a thought may take, besides those of the answer, where a candidate does not say."""


@dataclass(frozen=True)
class Parted:
    """A completion, its thoughts parted from its answer."""

    thought: str | None
    """Without marks; several thoughts in a row are joined. None where nothing was thought."""

    answer: str
    """As written where nothing was thought; else without the white space after the thought. Empty where the
    thought has no end."""

    ends: int = 0
    """Marks that ended a thought."""

    closed: bool = True
    """Whether the last thought was ended."""


def part_thought(text: str, marks: Sequence[str], *, begun: bool, cut: bool) -> Parted:
    """Take the thoughts off the beginning of a completion.

    `begun`: whether the prompt ends within a thought. `cut`: whether the completion was cut
    at `max_tokens`. A text without marks that the model ended by itself is its answer, even
    after a prompt that begins a thought.
    """
    if not marks:
        return Parted(None, text)
    begin, end = marks
    thoughts: list[str] = []
    rest = text
    while True:
        stripped = rest.lstrip()
        opened = stripped.startswith(begin)
        inside, mark, after = stripped.removeprefix(begin).partition(end)
        # A lone mark that ends a thought counts once: an answer may speak of it.
        if not mark or not (opened or not thoughts):
            break
        thoughts.append(inside.strip())
        rest = after.lstrip()
    # A mark may be several tokens, and be cut itself.
    cut_mark = cut and bool(stripped) and begin.startswith(stripped)
    if opened or cut_mark or (begun and cut and not thoughts):
        last = "" if cut_mark else stripped.removeprefix(begin).strip()
        return Parted("\n\n".join([*thoughts, last]), "", len(thoughts), closed=False)
    return Parted("\n\n".join(thoughts), rest, len(thoughts)) if thoughts else Parted(None, text)


def cut_at(text: str, stops: Sequence[str]) -> str | None:
    """The text up to the first of the stop strings in it; None where it holds none."""
    places = [text.index(stop) for stop in stops if stop in text]
    return text[: min(places)] if places else None


def begins_thought(ending: str, marks: Sequence[str]) -> bool:
    """Whether a prompt with this ending leaves the model within a thought."""
    return bool(marks) and ending.rfind(marks[0]) > ending.rfind(marks[1])


def ends_thought(ending: str, marks: Sequence[str]) -> bool:
    """Whether a thought, usually an empty one, stands at the end of a prompt: the answer comes next."""
    return bool(marks) and ending.rfind(marks[1]) > ending.rfind(marks[0])
