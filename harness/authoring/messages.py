"""Write the samples of a task as a fine-tuning service takes them: `gainboard export --format messages`.

A line holds one conversation as OpenAI's `messages`, with the very turns that models are trained on here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.chat_records import chat_record
from harness.data.dataset import Dataset
from harness.errors import UserError
from harness.records.store import atomic_write
from harness.task import Sample, Task
from harness.task.conversation import assistant_turn, call_identity, turn_text
from harness.task.prompts import choose_templates, render

Turn = Mapping[str, Any]


@dataclass
class _Line:
    """A conversation, and which of its turns are targets."""

    cluster: str
    turns: list[Turn]
    tools: list[Turn]
    targets: set[int] = field(default_factory=set)

    def record(self) -> dict[str, Any]:
        """As a JSON object; the assistant's turns that are no targets have the weight 0."""
        context = {
            place
            for place, turn in enumerate(self.turns)
            if turn["role"] == "assistant" and place not in self.targets
        }
        return chat_record(self.turns, self.tools, context_only=context)


def export_messages(
    task: Task, dataset: Dataset, *, split: str, out: Path, template: str | None = None
) -> int:
    """Write a split's samples to `out`, in one wording (the first unless named), and return the number of
    lines.

    Samples that continue one conversation share a line. Read back with the same `turns`, the file gives the
    same samples. Raises `UserError` for an unknown wording, and for samples that ask nothing.
    """
    (name,) = choose_templates(task.prompts, template, where="--template")
    samples: Sequence[Sample] = getattr(dataset, split)
    count = 0
    with atomic_write(out) as file:
        for line in _lines(task, samples, name):
            file.write(json.dumps(line.record(), ensure_ascii=False) + "\n")
            count += 1
    return count


def _lines(task: Task, samples: Iterable[Sample], template: str) -> Iterator[_Line]:
    current: _Line | None = None
    for sample in samples:
        line = _line(task, sample, template)
        if current is not None and _continues(line, current):
            line.targets |= current.targets
        elif current is not None:
            yield current
        current = line
    if current is not None:
        yield current


def _line(task: Task, sample: Sample, template: str) -> _Line:
    rendered = render(task.prompts, sample, template=template)
    if not rendered.messages:
        raise UserError(
            f"task '{task.name}': sample '{sample.id}' asks nothing, and a service's messages need a question"
        )
    turns: list[Turn] = list(rendered.messages)
    target = sample.targets[0] + rendered.after
    if rendered.is_begun:  # a service's messages have one turn for an answer and its beginning
        target = f"{turns.pop()['content']}{rendered.before}{target}"
    answer = assistant_turn(target)
    turns.append(_numbered(answer, before=turns))
    return _Line(sample.cluster, turns, list(rendered.tools), {len(turns) - 1})


def _numbered(answer: dict[str, Any], *, before: Sequence[Turn]) -> dict[str, Any]:
    """A turn whose calls have other names than those before it."""
    if "tool_calls" not in answer:
        return answer
    earlier_calls = sum(len(turn.get("tool_calls") or ()) for turn in before)
    calls = [
        {**call, "id": call_identity(earlier_calls + number)}
        for number, call in enumerate(answer["tool_calls"], 1)
    ]
    return {**answer, "tool_calls": calls}


def _continues(line: _Line, before: _Line) -> bool:
    """Whether a conversation begins with the whole of another one of its cluster."""
    if not line.cluster or line.cluster != before.cluster or line.tools != before.tools:
        return False
    beginning = [(turn["role"], turn_text(turn).strip()) for turn in line.turns[: len(before.turns)]]
    return beginning == [(turn["role"], turn_text(turn).strip()) for turn in before.turns]
