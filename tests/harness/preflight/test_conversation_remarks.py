"""What a chat template makes of conversations is said before anything is trained."""

from dataclasses import replace
from typing import Any

import pytest
from home_made_tokenizers import TEMPLATE, home_made

from harness.engines.encode import PromptEncoder
from harness.preflight.conversations import conversation_remarks
from harness.preflight.job import Remark
from harness.preflight.probes import telling_samples
from harness.task import PromptSet, Sample
from harness.task.prompts import render
from harness.task.tool_calls import ToolCall, calls_text

PROMPTS = PromptSet({"plain": "{text}"}, marker="")
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
CALLING = Sample(
    "1",
    {"text": "What time is it?"},
    target=calls_text("Let me look.", [ToolCall("clock", {})]),
    messages=({"role": "user", "content": "What time is it?"},),
    tools=(TOOL,),
)
TURNS = (
    {"role": "user", "content": "What is it?"},
    {"role": "assistant", "content": "<think>\nHm.\n</think>\n\nA lamp."},
    {"role": "user", "content": "Which colour?"},
)
WITH_TOOLS = (
    "{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for message in messages %}"
    "{{ '<|user|>' if message.role != 'assistant' else '<|assistant|>' }}"
    "{% if message.tool_calls %}{% for call in message.tool_calls %}"
    "{{ '{\"name\": \"' + call.function.name + '\", \"arguments\": ' + call.function.arguments + '}' }}"
    "{% endfor %}"
    "{% else %}{{ message.content.split('</think>')[-1].strip() }}{% endif %}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def remarks(template: str, *samples: Sample, chat: bool = True) -> list[Remark]:
    encoder = PromptEncoder(home_made("bytes, GPT-2", template=template), chat)
    rendered = [render(PROMPTS, sample, template="plain") for sample in samples]
    return list(conversation_remarks("lamps", rendered, encoder.prompts(rendered), encoder))


def test_a_template_without_tools_is_told_what_stands_in_for_it() -> None:
    (remark,) = remarks(TEMPLATE, CALLING)
    assert (remark.severity, remark.fact, remark.task) == ("warn", "tools", "lamps")
    assert remark.sentence.startswith(
        "the chat template lists no functions and writes no tool calls that can be read back: functions are "
        "listed in the system line instead"
    )
    assert remarks(TEMPLATE, CALLING, chat=False) == []


def test_a_template_with_tools_says_how_arguments_are_given_and_what_is_lost() -> None:
    note, warning = remarks(WITH_TOOLS, CALLING)
    assert (note.severity, "arguments as JSON text" in note.sentence) == ("note", True)
    assert "only the calls are trained on" in warning.sentence
    (alone,) = remarks(WITH_TOOLS, replace(CALLING, target=calls_text("", [ToolCall("clock", {})])))
    assert alone.severity == "note"


def test_turns_that_a_template_leaves_out_are_told_but_not_earlier_thoughts() -> None:
    sample = Sample("1", {"text": "Which colour?"}, "red", messages=TURNS)
    assert remarks(WITH_TOOLS, sample) == []
    last_only = TEMPLATE.replace("in messages %}", "in messages[-1:] %}")
    (remark,) = remarks(last_only, sample)
    assert remark.sentence.startswith(
        "in 1 of 1 conversation looked at, the chat template leaves out or changes a turn of the assistant"
    )


@pytest.mark.parametrize("turns", ["in []", "in messages[:1]", "in messages[:-1]"])
def test_a_template_that_leaves_out_the_question_is_refused(turns: str) -> None:
    sample = Sample("1", {"text": "Which colour?"}, "red", messages=TURNS)
    (remark,) = remarks(TEMPLATE.replace("in messages", turns, 1), sample)
    assert (remark.severity, remark.fact) == ("refuse", "question")


def test_a_question_that_a_template_changes_is_told() -> None:
    sample = Sample("1", {"text": "Which colour?"}, "red")
    (remark,) = remarks(TEMPLATE.replace("['content']", "['content'] | upper"), sample)
    assert (remark.severity, remark.fact) == ("warn", "turns") and "a turn of the user" in remark.sentence


@pytest.mark.parametrize("place", [3, 777])
def test_a_conversation_of_another_order_is_looked_at_wherever_it_stands(place: int) -> None:
    samples = [Sample(str(number), {"text": "a"}, "b", messages=TURNS) for number in range(800)]
    odd: tuple[dict[str, Any], ...] = (TURNS[0], TURNS[1], TURNS[1], TURNS[2])
    samples[place] = replace(samples[place], messages=odd)
    assert str(place) in [sample.id for sample in telling_samples(samples).samples]
