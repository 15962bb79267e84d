"""Tool calls are read in the forms that chat templates have models write, and compared by what they say."""

import pytest

from harness.task.tool_calls import AssistantTurn, ToolCall, calls_text, read_turn, same_calls

OSLO = ToolCall("get_weather", {"city": "Oslo", "days": 2})
CLOCK = ToolCall("clock", {})

PLAIN = '{"name": "get_weather", "arguments": {"city": "Oslo", "days": 2}}'
QUOTED = '{\\"city\\": \\"Oslo\\", \\"days\\": 2}'
OTHER_KEYS = '{"name": "get_weather", "parameters": {"days": 2.0, "city": "Oslo"}}'

FORMS = {
    "our own": f"<tool_call>\n{PLAIN}\n</tool_call>",
    "without an end": f"<tool_call>{PLAIN}",
    "arguments as a text": f'<tool_call>{{"name": "get_weather", "arguments": "{QUOTED}"}}</tool_call>',
    "bare": OTHER_KEYS,
    "of Llama": f"<|python_tag|>{OTHER_KEYS}",
    "in a code block": f"```json\n[{PLAIN}]\n```",
    "of Mistral": f'[TOOL_CALLS] [{PLAIN[:-1]}, "id": "call00001"}}]',
    "of Mistral, later": '[TOOL_CALLS]get_weather[CALL_ID]call00001[ARGS]{"city": "Oslo", "days": 2}',
    "of OpenAI": (
        '{"tool_calls": [{"id": "1", "type": "function", "function": '
        f'{{"name": "get_weather", "arguments": "{QUOTED}"}}}}]}}'
    ),
    "of Qwen-Coder": (
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nOslo\n</parameter>\n"
        "<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>"
    ),
    "of GLM": (
        "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n"
        "<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>"
    ),
    "of DeepSeek": (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
        '{"city": "Oslo", "days": 2}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
    ),
    "of Granite": f"<|tool_call|>[{PLAIN}]",
    "of Phi": f"functools[{PLAIN}]",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_call_is_read_in_each_form(form: str) -> None:
    turn = read_turn(FORMS[form])
    assert same_calls(turn.calls, [OSLO]), turn
    assert turn.content == ""


def test_what_is_written_is_read_back() -> None:
    for content, calls in (("", (OSLO, CLOCK)), ("Let me look.", (CLOCK,)), ("Nothing to call.", ())):
        assert read_turn(calls_text(content, calls)) == AssistantTurn(content, calls)


def test_several_calls_are_read_in_every_form_that_holds_several() -> None:
    for text in (
        f"{FORMS['our own']}\n<tool_call>clock</tool_call>",
        '[TOOL_CALLS]get_weather[ARGS]{"days": 2, "city": "Oslo"}[TOOL_CALLS]clock[ARGS]{}',
        f'{{"name": "clock", "arguments": {{}}}}; {PLAIN}',
    ):
        assert same_calls(read_turn(text).calls, [OSLO, CLOCK]), text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is cold in Oslo.",
        '{"city": "Oslo"}',
        '{"name": "Oslo"}',
        '[1, {"name": "f", "arguments": {}}]',
        '{"name": "f", "arguments": [1]}',
        '<tool_call>{"name": "f", "argum',
        "[TOOL_CALLS]",
        "{" * 5000,
        "<｜tool▁call▁begin｜>",
    ],
)
def test_anything_else_is_text(text: str) -> None:
    assert read_turn(text) == AssistantTurn(text.strip())


def test_calls_are_compared_by_name_and_value() -> None:
    assert same_calls([ToolCall("f", {"a": 1, "b": [5.0]})], [ToolCall("f", {"b": [5], "a": 1.0})])
    for other in (
        [],
        [ToolCall("g", {"a": 1})],
        [ToolCall("f", {"a": "1"})],
        [ToolCall("f", {"a": True})],
        [ToolCall("f", {"a": 1}), ToolCall("f", {"a": 1})],
    ):
        assert not same_calls([ToolCall("f", {"a": 1})], other), other
