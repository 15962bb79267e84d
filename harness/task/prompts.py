"""Render a sample as a prompt, in chat messages and in plain text; training and scoring share the result."""

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import UserError, short_repr, suggest
from harness.plugin_code import plugin_code
from harness.task.conversation import assistant_turn, plain_text, system_of, without_system
from harness.task.samples import Sample, Turn
from harness.visible import is_whole

Demonstrations = Literal["random", "balanced", "fixed", "nearest"]
"""How few-shot demonstrations are taken from the training samples.

`random`: drawn with the run's seed. `balanced`: drawn with the seed, as evenly over the labels as their
number allows. `fixed`: the samples that `PromptSet.fixed` names. `nearest`: for each sample those whose
questions are most like its own (BM25), the most similar last."""

LmEvalRequest = Literal["generate_until", "loglikelihood", "loglikelihood_rolling"]
"""What lm-evaluation-harness asks a model for, under its own names."""

FEW_SHOT = 4
"""Demonstrations a task gives in its few-shot prompts unless it says otherwise."""


@dataclass(frozen=True)
class Rendered:
    """A prompt and what surrounds its answer."""

    messages: list[dict[str, Any]]
    """For tokenizers with a chat template: turns of `{"role": …, "content": …}`, the question last, unless
    its answer is begun. Empty for a text whose likelihood is measured with nothing before it."""

    text: str
    """All turns as plain text, up to where the answer begins."""

    before: str = " "
    """Between `text` and the answer."""

    after: str = ""
    """What follows the answer and counts as part of it."""

    lm_eval: LmEvalRequest | None = None
    """For a task of lm-evaluation-harness: its request, whose tokens and answer are then exactly as there."""

    tools: list[dict[str, Any]] = field(default_factory=list)
    """The functions that a conversation may call."""

    answer: dict[str, Any] | None = None
    """The assistant's turn that the target is, where it has tool calls: a chat template writes it in a form
    of its own."""

    @property
    def is_begun(self) -> bool:
        """Whether the last turn begins the answer, as `gen_prefix` of lm-evaluation-harness does. Anywhere
        else an assistant's turn is over, and another one may follow it."""
        return self.lm_eval is not None and bool(self.messages) and self.messages[-1]["role"] == "assistant"

    @property
    def question(self) -> str:
        """What is asked last, without the system message and demonstrations; empty if nothing is."""
        turns = self.messages[:-1] if self.is_begun else self.messages
        return str(turns[-1]["content"]) if turns else ""

    def record(self) -> dict[str, Any]:
        """As a JSON object. What only conversations have is left out of others, which are written as ever."""
        later = {"tools", "answer"}
        return {name: part for name, part in vars(self).items() if part or name not in later}


@dataclass(frozen=True)
class PromptSet:
    """The wordings in which a sample may be put to a model."""

    templates: Mapping[str, str]
    """Name to wording, with the sample's fields in braces; the first is the default.

    A template may mark the place of the answer with a slot: `[output]` for an answer that is written,
    `<mask>` for a choice or a text whose likelihood is measured. The model reads what comes before the slot;
    what comes after it belongs to the answer. For a choice, the likelihood is then that of the whole filled
    text. From a written answer the part after the slot is cut off the end; name it in `Task.stop` as well,
    and models end there. Without a slot the answer follows `marker`."""

    marker: str = "Answer:"
    """The last line of every prompt without a slot; the answer follows it."""

    system: str | None = None
    """A system message, put before the question."""

    num_fewshot: int = FEW_SHOT
    """Demonstrations in a few-shot prompt, always taken from `train`."""

    demonstrations: Demonstrations = "balanced"
    fixed: tuple[str, ...] = ()
    """Ids of the training samples that `demonstrations = "fixed"` shows, in this order."""

    target_delimiter: str = " "
    """Between a question and its answer in plain text, unless the question ends in white space, which then
    stands there instead; a chat template has a separator of its own."""

    fewshot_delimiter: str = "\n\n"
    """Between the system message, the demonstrations and the question in plain text."""

    render_version: str = ""
    """With `render`: must change whenever its prompts may, so that a result tells which prompts it had."""

    render: Callable[[Sample, Sequence[Sample]], Rendered] | None = None
    """Renders a sample after its demonstrations instead of `render` below, for tasks of other harnesses,
    which bring their own prompts."""


SLOTS = ("[output]", "<mask>")
"""Mark the place of the answer in a template: one that is written, or one that is filled in."""


def render(
    prompts: PromptSet, sample: Sample, *, template: str, demonstrations: Sequence[Sample] = ()
) -> Rendered:
    """The prompt of a sample: the system message, demonstrations as answered turns, then its question.

    Raises `UserError` for whatever `prompts.render` raises.
    """
    if prompts.render is not None:
        return _rendered_elsewhere(prompts.render, sample, demonstrations)
    if sample.messages:
        return _render_conversation(prompts, sample, template=template, demonstrations=demonstrations)
    messages: list[dict[str, Any]] = []
    turns: list[str] = []
    if prompts.system:
        messages.append({"role": "system", "content": prompts.system})
        turns.append(prompts.system)
    for demonstration in demonstrations:
        question, answer = _question(prompts, demonstration, template), demonstration.targets[0]
        messages.append({"role": "user", "content": question.text})
        messages.append({"role": "assistant", "content": answer + question.after})
        turns.append(question.text + question.before + answer + question.after)
    question = _question(prompts, sample, template)
    if question.text or turns:
        messages.append({"role": "user", "content": question.text})
        turns.append(question.text)
    return Rendered(messages, prompts.fewshot_delimiter.join(turns), question.before, question.after)


def _rendered_elsewhere(
    render_sample: Callable[[Sample, Sequence[Sample]], Rendered],
    sample: Sample,
    demonstrations: Sequence[Sample],
) -> Rendered:
    names = ", ".join(f"'{demonstration.id}'" for demonstration in demonstrations)
    after = f" after the demonstrations {names}" if names else ""
    place = f"sample '{sample.id}' cannot be rendered{after}"
    with plugin_code(place, "the task's render"):
        rendered = render_sample(sample, demonstrations)
    fault = _rendered_fault(rendered)
    if fault:
        raise UserError(f"{place}: the task's render {fault}")
    return rendered


def _rendered_fault(rendered: object) -> str:
    """What is wrong with what a task's own `render` returned, in words; empty when nothing is."""
    if not isinstance(rendered, Rendered):
        return f"returned {short_repr(rendered)}, expected a Rendered"
    texts = {"text": rendered.text, "before": rendered.before, "after": rendered.after}
    for turn in rendered.messages:
        content = turn.get("content") if isinstance(turn, dict) else None
        if not (isinstance(content, str) and isinstance(turn.get("role"), str)):
            return f"returned the turn {short_repr(turn)}; a turn has a role and a content, which are texts"
        texts[f"turn '{short_repr(content)}'"] = content
    for name, text in texts.items():
        if not isinstance(text, str):
            return f"returned {short_repr(text)} as its {name}, expected a text"
        if not is_whole(text):
            return f"returned half of a surrogate pair in its {name}, which no file can hold"
    return ""


def prompt_row(
    prompts: PromptSet, sample: Sample, template: str, demonstrations: Sequence[Sample] = ()
) -> dict[str, Any]:
    """What a worker sees of a sample, as a JSON object; `Rendered(**row["prompt"])` restores the prompt."""
    return {
        "id": sample.id,
        "template": template,
        "prompt": render(prompts, sample, template=template, demonstrations=demonstrations).record(),
        "target": sample.targets[0],
        "choices": list(sample.choices),
    }


def _render_conversation(
    prompts: PromptSet, sample: Sample, *, template: str, demonstrations: Sequence[Sample]
) -> Rendered:
    """The turns of a conversation, after those of its demonstrations without their system lines."""
    messages: list[dict[str, Any]] = []
    system = system_of(sample.messages) or prompts.system
    if system:
        messages.append({"role": "system", "content": system})
    for demonstration in demonstrations:
        turns, question = _asked(prompts, demonstration, template)
        messages += turns
        messages.append(assistant_turn(demonstration.targets[0] + question.after))
    turns, question = _asked(prompts, sample, template)
    messages += turns
    answer = assistant_turn(sample.targets[0])
    return Rendered(
        messages,
        plain_text(messages, sample.tools, delimiter=prompts.fewshot_delimiter),
        before=prompts.target_delimiter,
        after=question.after,
        tools=[dict(tool) for tool in sample.tools],
        answer=answer if "tool_calls" in answer else None,
    )


def _asked(prompts: PromptSet, sample: Sample, template: str) -> tuple[list[dict[str, Any]], "_Question"]:
    """A conversation's turns without its system line, the last in its wording where that is the user's; of a
    sample that is none, the question alone."""
    turns = [dict(turn) for turn in without_system(sample.messages)]
    if turns and turns[-1]["role"] != "user":
        return turns, _Question("", "", "")
    question = _question(prompts, sample, template)
    last: Turn = turns.pop() if turns else {"role": "user"}
    return [*turns, {**last, "content": question.text}], question


@dataclass(frozen=True)
class _Question:
    """The text of one turn, and what comes directly before and after its answer."""

    text: str
    before: str
    after: str


def _question(prompts: PromptSet, sample: Sample, template: str) -> _Question:
    wording = prompts.templates[template]
    # The slot is looked for in the wording, not in the filled text: `<mask>` in a field is ordinary text.
    slot = slot_of(wording)
    head, _, tail = wording.partition(slot) if slot else (wording, "", "")
    filled = head.format_map(sample.fields)
    if slot is None and prompts.marker:
        filled += f"\n{prompts.marker}"
    # White space before an answer goes with it, because tokenizers join a space to the next word.
    text = filled.rstrip()
    before = filled[len(text) :]
    if slot is None and not ends_in_white_space(prompts, wording):
        before += prompts.target_delimiter
    return _Question(text, before if text else "", tail.format_map(sample.fields))


def ends_in_white_space(prompts: PromptSet, wording: str) -> bool:
    """Whether a wording without a slot, its marker included,
    brings the white space before the answer itself."""
    return (prompts.marker or wording)[-1:].isspace()


def slot_of(template: str) -> str | None:
    """The slot of a template, or None. Raises `ValueError` when it has several."""
    slots: list[str] = []
    for slot in SLOTS:
        slots += [slot] * template.count(slot)
    if len(slots) > 1:
        raise ValueError(f"it has {len(slots)} slots for the answer ({', '.join(slots)}); one is the most")
    return slots[0] if slots else None


def choose_templates(prompts: PromptSet, names: str | Sequence[str] | None, *, where: str) -> tuple[str, ...]:
    """The names of the templates to use. `names` is one name, several, "all", or None for the first template.

    Raises `UserError`, which begins with `where`, for an unknown name.
    """
    if names is None:
        return (next(iter(prompts.templates)),)
    if names == "all":
        return tuple(prompts.templates)
    chosen = (names,) if isinstance(names, str) else tuple(names)
    for name in chosen:
        if name not in prompts.templates:
            templates = ", ".join(prompts.templates)
            hint = suggest(name, prompts.templates)
            raise UserError(f"{where}: template '{name}' not found; there are {templates}.{hint}")
    return chosen


def fields_of(template: str) -> set[str]:
    """The field names in a template, including those inside a format (`{text:{width}}`); `""` for a bare
    `{}`.

    Raises `ValueError` for stray braces.
    """
    fields: set[str] = set()
    for _, name, format_spec, _ in string.Formatter().parse(template):
        if name is not None:
            fields.add(name)
        if format_spec:
            fields |= fields_of(format_spec)
    return fields
