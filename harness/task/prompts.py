"""Put a sample to a model: one rendering, as chat messages and as plain text, for training and scoring
alike."""

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import UserError, suggest
from harness.task.samples import Sample

Demonstrations = Literal["random", "balanced", "fixed", "nearest"]
"""How few-shot demonstrations are drawn from the training samples. `random`: by the run's seed. `balanced`:
as even over the labels as their number allows, and by the seed. `fixed`: the samples that `PromptSet.fixed`
names. `nearest`: for every sample those whose questions are most like its own (BM25), the most similar
last."""

FEW_SHOT = 4
"""Demonstrations a task gives in its few-shot prompts unless it says otherwise."""


@dataclass(frozen=True)
class Rendered:
    """A prompt and what surrounds its answer."""

    messages: list[dict[str, str]]
    """For tokenizers with a chat template: `{"role": …, "content": …}` each, the question last. Empty where
    nothing is said before a text whose likelihood is measured."""

    text: str
    """The same as plain text, up to where the answer begins."""

    before: str = " "
    """Between `text` and the answer."""

    after: str = ""
    """What follows the answer and belongs to it."""

    @property
    def question(self) -> str:
        """The last turn, without system line and demonstrations; empty where nothing is asked."""
        return self.messages[-1]["content"] if self.messages else ""


@dataclass(frozen=True)
class PromptSet:
    """How a sample is put to a model, in several wordings."""

    templates: Mapping[str, str]
    """Name to wording, with the sample's fields in braces; the first is the default.

    A template may say where the answer stands, with `[output]` (an answer that is written) or `<mask>` (a
    choice, or a text whose likelihood is measured): the model reads what comes before, and what comes after
    belongs to the answer. A choice is then judged by the likelihood of the whole filled text; from a written
    answer it is taken off the end, and `Task.stop` may name it, too, so that models end there. Without a slot
    the answer follows `marker`."""

    marker: str = "Answer:"
    """Ends every prompt that has no slot: what follows it is the answer."""

    system: str | None = None
    """A system message, put before the question."""

    num_fewshot: int = FEW_SHOT
    """Demonstrations in a few-shot prompt; always from `train`."""

    demonstrations: Demonstrations = "balanced"
    fixed: tuple[str, ...] = ()
    """The ids of the training samples that `demonstrations = "fixed"` shows, in this order."""

    target_delimiter: str = " "
    """Between a question and its answer in plain text; chat templates have their own way."""

    fewshot_delimiter: str = "\n\n"
    """Between the system line, the demonstrations and the question in plain text."""

    render_version: str = ""
    """With `render`: changes whenever what it gives may, so that a result tells which rendering it is of."""

    render: "Callable[[Sample, Sequence[Sample]], Rendered] | None" = None
    """Replaces our own rendering of a sample after its demonstrations, for tasks of other harnesses that
    bring theirs."""


SLOTS = ("[output]", "<mask>")
"""Where the answer stands in a template: one that is written, or one that is filled in."""


@dataclass(frozen=True)
class _Question:
    """One turn: what stands before its answer, between the two, and after it."""

    text: str
    before: str
    after: str


def render(
    prompts: PromptSet, sample: Sample, *, template: str, demonstrations: Sequence[Sample] = ()
) -> Rendered:
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


def prompt_row(
    prompts: PromptSet, sample: Sample, template: str, demonstrations: Sequence[Sample] = ()
) -> dict[str, Any]:
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
    # The slot is looked for in the wording, not in the finished text: a field that holds `<mask>` is only
    # text.
    slot = slot_of(wording)
    if slot is None:
        text = wording.format_map(sample.fields)
        return _Question(
            f"{text}\n{prompts.marker}" if prompts.marker else text, prompts.target_delimiter, ""
        )
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
    """The named templates: one name, several, "all", or (None) the first. Raises `UserError` for an unknown
    name."""
    if names is None:
        return (next(iter(prompts.templates)),)
    if names == "all":
        return tuple(prompts.templates)
    chosen = (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in prompts.templates:
            known = ", ".join(prompts.templates)
            raise UserError(
                f"{where}: template '{name}' not found; there are {known}.{suggest(name, prompts.templates)}"
            )
    return chosen


def fields_of(template: str) -> set[str]:
    """The field names a template asks for, within a format too (`{text:{width}}`); an empty one for a bare
    `{}`.

    Raises `ValueError` for stray braces.
    """
    named = [(name, form) for _, name, form, _ in string.Formatter().parse(template) if name is not None]
    return {name for name, _ in named}.union(*(fields_of(form) for _, form in named if form))
