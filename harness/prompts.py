"""Turn a sample into the messages a model sees; training and scoring both start here."""

import random
import string
from collections.abc import Sequence
from typing import TypedDict

from harness.errors import UserError, suggest
from harness.task import PromptSet, Sample


class Message(TypedDict):
    """One turn, in the shape every chat template takes."""

    role: str
    content: str


def render(prompts: PromptSet, sample: Sample, *, template: str, demonstrations: Sequence[Sample] = ()) -> list[Message]:
    """System line, demonstrations as finished turns, then the sample's question."""
    messages: list[Message] = []
    if prompts.system:
        messages.append({"role": "system", "content": prompts.system})
    for shown in demonstrations:
        messages.append({"role": "user", "content": _question(prompts, shown, template)})
        messages.append({"role": "assistant", "content": shown.targets[0]})
    messages.append({"role": "user", "content": _question(prompts, sample, template)})
    return messages


def _question(prompts: PromptSet, sample: Sample, template: str) -> str:
    text = prompts.templates[template].format_map(sample.fields)
    return f"{text}\n{prompts.marker}" if prompts.marker else text


def choose_template(prompts: PromptSet, name: str | None, *, where: str) -> str:
    """The named template, or the first. Raises `UserError` for an unknown name."""
    if name is None:
        return next(iter(prompts.templates))
    if name not in prompts.templates:
        known = ", ".join(prompts.templates)
        raise UserError(f"{where}: template '{name}' not found; there are {known}.{suggest(name, prompts.templates)}")
    return name


def draw_demonstrations(train: Sequence[Sample], *, count: int, seed: int) -> list[Sample]:
    """`count` training samples drawn by `seed`; with choices, as even over the labels as the count allows."""
    order = random.Random(seed).sample(range(len(train)), len(train))
    shuffled = [train[index] for index in order]
    by_label: dict[str, list[Sample]] = {}
    for sample in shuffled:
        by_label.setdefault(sample.targets[0] if sample.choices else "", []).append(sample)
    drawn: list[Sample] = []
    while len(drawn) < count and any(by_label.values()):
        drawn += [samples.pop() for samples in by_label.values() if samples]
    return drawn[:count]


def fields_of(template: str) -> set[str]:
    """The field names a template asks for; an empty one for a bare `{}`. Raises `ValueError` for stray braces."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
