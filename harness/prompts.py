"""Put a sample to a model: one rendering, as chat messages and as plain text, for training and scoring alike."""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError, suggest
from harness.task import PromptSet, Rendered, Sample

SLOTS = ("[output]", "<mask>")
"""Where the answer stands in a template: one that is written, or one that is filled in."""


@dataclass(frozen=True)
class _Question:
    """One turn: what stands before its answer, between the two, and after it."""

    text: str
    before: str
    after: str


def render(prompts: PromptSet, sample: Sample, *, template: str, demonstrations: Sequence[Sample] = ()) -> Rendered:
    """System line, demonstrations as finished turns, then the sample's question."""
    if prompts.render is not None:
        return prompts.render(sample, demonstrations)
    messages: list[dict[str, str]] = []
    turns: list[str] = []
    if prompts.system:
        messages.append({"role": "system", "content": prompts.system})
        turns.append(prompts.system)
    for shown in demonstrations:
        question, answer = _question(prompts, shown, template), shown.targets[0]
        messages.append({"role": "user", "content": question.text})
        messages.append({"role": "assistant", "content": answer + question.after})
        turns.append(question.text + question.before + answer + question.after)
    question = _question(prompts, sample, template)
    if question.text or turns:
        messages.append({"role": "user", "content": question.text})
        turns.append(question.text)
    return Rendered(messages, prompts.fewshot_delimiter.join(turns), question.before, question.after)


def prompt_row(prompts: PromptSet, sample: Sample, template: str, demonstrations: Sequence[Sample] = ()) -> dict[str, Any]:
    """What a worker sees of a sample, as JSON has it: `Rendered(**row["prompt"])` is the prompt again."""
    return {
        "id": sample.id,
        "template": template,
        "prompt": vars(render(prompts, sample, template=template, demonstrations=demonstrations)),
        "target": sample.targets[0],
        "choices": list(sample.choices),
    }


def _question(prompts: PromptSet, sample: Sample, template: str) -> _Question:
    wording = prompts.templates[template]
    # The slot is looked for in the wording, not in the finished text: a field that holds `<mask>` is only text.
    slot = slot_of(wording)
    if slot is None:
        text = wording.format_map(sample.fields)
        return _Question(f"{text}\n{prompts.marker}" if prompts.marker else text, prompts.target_delimiter, "")
    head, _, tail = wording.partition(slot)
    filled = head.format_map(sample.fields)
    text = filled.rstrip()
    # White space before the slot goes with the answer: tokenizers join a space to the word that follows it.
    return _Question(text, filled[len(text) :] if text else "", tail.format_map(sample.fields))


def slot_of(template: str) -> str | None:
    """The slot of a template, or None. Raises `ValueError` when it has several."""
    found = [slot for slot in SLOTS for _ in range(template.count(slot))]
    if len(found) > 1:
        raise ValueError(f"it has {len(found)} slots for the answer ({', '.join(found)}); one is the most")
    return found[0] if found else None


def choose_templates(prompts: PromptSet, names: str | Sequence[str] | None, *, where: str) -> tuple[str, ...]:
    """The named templates: one name, several, "all", or (None) the first. Raises `UserError` for an unknown name."""
    if names is None:
        return (next(iter(prompts.templates)),)
    if names == "all":
        return tuple(prompts.templates)
    chosen = (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in prompts.templates:
            known = ", ".join(prompts.templates)
            raise UserError(f"{where}: template '{name}' not found; there are {known}.{suggest(name, prompts.templates)}")
    return chosen


def fields_of(template: str) -> set[str]:
    """The field names a template asks for, within a format too (`{text:{width}}`); an empty one for a bare `{}`.

    Raises `ValueError` for stray braces.
    """
    named = [(name, form) for _, name, form, _ in string.Formatter().parse(template) if name is not None]
    return {name for name, _ in named}.union(*(fields_of(form) for _, form in named if form))
