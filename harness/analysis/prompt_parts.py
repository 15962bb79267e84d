"""What a prompt is made of: its system message, examples, instruction, fields and marker, in order."""

import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.task import PromptSet, Sample
from harness.task.prompts import slot_of

SYSTEM, EARLIER, LAST, TURNS = "system message", "earlier examples", "last example", "earlier turns"
INSTRUCTION, QUESTION, MARKER = "instruction", "question", "marker"


def prompt_parts(prompts: PromptSet, sample: Sample, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and texts of the parts of a prompt, in their order; a field's name stands in braces.

    `row`: of `prompt_row`, for this sample.
    """
    messages = row["prompt"]["messages"]
    before = [turn for turn in messages[:-1] if isinstance(turn.get("content"), str)]
    names = _names_before(before, of_conversation=bool(sample.messages))
    parts = [(name, turn["content"].strip()) for name, turn in zip(names, before, strict=True)]
    if prompts.render is not None or sample.messages or not messages:
        last = messages[-1]["content"] if messages else row["prompt"]["text"]
        return [*parts, (QUESTION, last.strip())] if isinstance(last, str) else parts
    return [*parts, *_question_parts(prompts, sample, row["template"])]


def _names_before(turns: Sequence[Mapping[str, Any]], *, of_conversation: bool) -> list[str]:
    """Of the turns before the question: a system message, and pairs of a question and its answer."""
    rest = sum(turn["role"] != "system" for turn in turns)
    names = [SYSTEM] * (len(turns) - rest)
    if of_conversation:
        return [*names, *[TURNS] * rest]
    return [*names, *[EARLIER] * max(0, rest - 2), *[LAST] * min(rest, 2)]


def _question_parts(prompts: PromptSet, sample: Sample, template: str) -> Iterator[tuple[str, str]]:
    wording = prompts.templates[template]
    slot = slot_of(wording)
    head = wording.partition(slot)[0] if slot else wording
    for literal, name, spec, conversion in string.Formatter().parse(head):
        if literal.strip():
            yield INSTRUCTION, literal.strip()
        if name is not None:
            asked = "{" + name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "") + "}"
            yield f"{{{name}}}", asked.format_map(sample.fields).strip()
    if slot is None and prompts.marker.strip():
        yield MARKER, prompts.marker.strip()
