"""Tool calls reach a chat template in the form that it takes, and come back from it as what is trained on."""

from typing import Any

import pytest
from home_made_tokenizers import home_made

from harness.engines.encode import PromptEncoder
from harness.task import PromptSet, Sample
from harness.task.prompts import render
from harness.task.tool_calls import ToolCall, calls_text, read_turn, same_calls

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
CALLS = (ToolCall("get_weather", {"city": "Oslo", "days": 2}),)

HEAD = "{{ bos_token }}{% if tools %}{{ '<|user|>tools: ' + (tools | tojson) + eos_token }}{% endif %}"
TAIL = "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"


def template(of_turn: str) -> str:
    """Of what is written for a call: other turns are their content, after a role's mark."""
    return (
        HEAD
        + "{% for message in messages %}{% if message.role == 'assistant' %}{{ '<|assistant|>' }}"
        + "{% if message.tool_calls %}"
        + of_turn
        + "{% else %}{{ message.content }}{% endif %}{{ eos_token }}"
        + "{% else %}{{ '<|user|>' + message.content + eos_token }}{% endif %}{% endfor %}"
        + TAIL
    )


EACH = "{% for call in message.tool_calls %}{% set call = call.function %}"
OBJECT = template(
    EACH
    + '{{ \'<tool_call>\n{"name": "\' + call.name + \'", "arguments": \' }}'
    + "{{ call.arguments | tojson }}{{ '}\n</tool_call>' }}{% endfor %}"
)
"""As Qwen's: arguments that are JSON already would be quoted once more."""

TEXT = template(
    EACH + "{{ '{\"name\": \"' + call.name + '\", \"parameters\": ' + call.arguments + '}' }}{% endfor %}"
)
"""Concatenates the arguments."""

NONE = template(
    "{{ message.content | string }}" + EACH + "{{ '[TOOL_CALLS][' + (call | tojson) + ']' }}{% endfor %}"
)
"""Writes the content of a turn that has none as `None`."""

STRICT = OBJECT.replace(
    "{% if message.tool_calls %}",
    "{% if message.tool_calls %}"
    "{% if message.tool_calls[0].id | length != 9 %}{{ raise_exception('9 letters') }}{% endif %}"
    "{% if message.content is not none %}{{ raise_exception('no text beside calls') }}{% endif %}",
)

THINKING = OBJECT.replace(
    "{{ '<|assistant|>' }}{% if message",
    "{{ '<|assistant|><think>\n\n</think>\n\n' }}{% if message",
)
"""Finished turns have an empty thought."""

BEGUN = OBJECT.replace(TAIL, TAIL.replace("'<|assistant|>'", "'<|assistant|><think>\n'"))
"""A prompt begins a thought that finished turns do not have."""

WITHOUT = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\n' + message['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)
NO_SYSTEM = WITHOUT.replace(
    "{% for", "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}{% for", 1
)


def encoder(source: str) -> PromptEncoder:
    return PromptEncoder(home_made("bytes, GPT-2", template=source), True)


def sample(*more: dict[str, Any], content: str = "") -> Sample:
    return Sample(
        "1",
        {"text": "Oslo?"},
        target=calls_text(content, CALLS),
        messages=({"role": "user", "content": "Oslo?"}, *more),
        tools=(TOOL,),
    )


def trained_text(source: str, asked: Sample) -> str:
    """What a model that is trained on a sample learns to write, its end included."""
    reader = encoder(source)
    rendered = render(PromptSet({"plain": "{text}"}, marker=""), asked, template="plain")
    (completed,) = reader.completed([(rendered, asked.targets[0])])
    (prompt,) = reader.prompts([rendered])
    assert completed.prompt == prompt.token_ids
    return str(reader.tokenizer.decode(completed.answer))


@pytest.mark.parametrize(
    ("source", "arguments", "without_text"),
    [
        (OBJECT, "object", None),
        (TEXT, "text", None),
        (NONE, "object", ""),
        (STRICT, "object", None),
        (THINKING, "object", None),
        (BEGUN, "object", None),
    ],
    ids=["object", "text", "none", "strict", "thinking", "begun"],
)
def test_the_form_that_a_template_takes_is_found_out(
    source: str, arguments: str, without_text: str | None
) -> None:
    form = encoder(source).tool_turns.form
    assert (form.lacks, form.arguments, form.without_text) == ((), arguments, without_text)
    text = trained_text(source, sample())
    assert same_calls(read_turn(text.partition("</s>")[0]).calls, CALLS), text
    assert text.endswith("</s>") and text.count("</s>") == 1
    assert text.count("<think>") <= 1


def test_functions_and_results_are_in_the_prompt() -> None:
    call = {
        "id": "call00001",
        "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Oslo"}},
    }
    asked = sample(
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "-3 degrees", "tool_call_id": "call00001"},
    )
    for source in (OBJECT, TEXT, NONE, WITHOUT, NO_SYSTEM):
        rendered = render(PromptSet({"plain": "{text}"}, marker=""), asked, template="plain")
        (prompt,) = encoder(source).prompts([rendered])
        assert "The weather of a city." in prompt.text
        assert "-3 degrees" in prompt.text
        assert same_calls(
            read_turn(prompt.text.split("Oslo?")[1].split("</s>", 1)[1]).calls,
            [ToolCall("get_weather", {"city": "Oslo"})],
        )


@pytest.mark.parametrize("source", [WITHOUT, NO_SYSTEM], ids=["without", "no system"])
def test_a_template_without_tools_has_calls_as_text(source: str) -> None:
    form = encoder(source).tool_turns.form
    assert form.lacks == ("functions", "calls", "results") or form.lacks == ("functions", "calls")
    assert trained_text(source, sample(content="Let me look.")) == f"{calls_text('Let me look.', CALLS)}</s>"


def test_text_beside_calls_is_trained_on_where_the_template_keeps_it() -> None:
    assert not encoder(OBJECT).tool_turns.form.keeps_text
    keeping = OBJECT.replace(
        "{% if message.tool_calls %}", "{% if message.tool_calls %}{{ message.content or '' }}"
    )
    assert encoder(keeping).tool_turns.form.keeps_text
    assert trained_text(keeping, sample(content="Let me look.")).startswith("Let me look.")


def test_text_answers_and_questions_are_encoded_as_before() -> None:
    reader = encoder(WITHOUT)
    one = render(
        PromptSet({"plain": "{text}"}, marker=""), Sample("1", {"text": "1 + 1"}, "2"), template="plain"
    )
    (prompt,) = reader.prompts([one])
    assert prompt.text == "<s><|user|>\n1 + 1</s><|assistant|>\n"
