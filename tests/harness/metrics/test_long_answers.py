"""A model may write anything without end: reading its answer takes time by the answer's length, not by its square."""

import time
from collections.abc import Callable

import pytest

from harness.metrics import (
    METRICS,
    DateFormat,
    LabelSet,
    NumberFormat,
    Reply,
    evaluate,
    first_json,
    first_json_object,
    last_number,
)
from harness.task.tool_calls import read_turn

LENGTH = 100_000

READERS: tuple[Callable[[str], object], ...] = (
    first_json,
    first_json_object,
    last_number,
    NumberFormat(",", "kg").read,
    DateFormat().read,
    LabelSet(("a", "b")).extract,
    read_turn,
)

REPEATED = (
    "{", "[", '{"a"', '{"a":[', '"', "1", "1,000 ", "1 May 20", "2024-", "-", " ", "a", "a;", "```", "``` ", "`",
    "<tool_call>", "<function=", "<arg_key>a</arg_key>", '{"name": "a", "arguments": {}} ', "<｜tool▁call▁begin｜>a",
)  # fmt: skip

BEGUN = (
    ("[TOOL_CALLS]", "a"),
    ("[TOOL_CALLS]", "a "),
    ("```", " "),
    ("<tool_call><function=a>", "<parameter=a>"),
    ("<tool_call>f", "<arg_key>k</arg_key><arg_value>v</arg_value>"),
    ("<tool_call>f", "<arg_key>k</arg_key>"),
)


@pytest.mark.parametrize(("begin", "repeated"), [*(("", text) for text in REPEATED), *BEGUN])
def test_an_answer_without_end_is_read_in_moments(begin: str, repeated: str) -> None:
    text = begin + repeated * (LENGTH // len(repeated)) + "!"
    started = time.process_time()
    for read in READERS:
        read(text)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "name", ["exact_match", "token_f1", "numeric_match", "rougeL", "chrf", "json_f1", "turn_f1"]
)
@pytest.mark.parametrize("repeated", ["a", "a ", "天", "e\u0301", "{", "!?"])
def test_an_answer_without_end_is_judged_in_moments(name: str, repeated: str) -> None:
    evaluate(METRICS[name], [Reply("warm", ("up",))])  # loads the libraries
    started = time.process_time()
    evaluate(METRICS[name], [Reply(repeated * (LENGTH // len(repeated)), ('{"a": 1}',))])
    assert time.process_time() - started < 3


# What the rewritten patterns still read


def test_calls_in_tags_and_marks_are_read_as_before() -> None:
    parameters = "<parameter=people>\n4\n</parameter><parameter=at>\nnoon</parameter>"
    coder = f"<tool_call><function=book>{parameters}</function></tool_call>"
    pairs = "<arg_key>people</arg_key>\n<arg_value>4</arg_value>\n<arg_key>at</arg_key><arg_value>noon</arg_value>"
    glm = f"<tool_call>book\n{pairs}</tool_call>"
    mistral = '[TOOL_CALLS]book[CALL_ID]x1[ARGS]{"people": 4, "at": "noon"}'
    for text in (coder, glm, mistral):
        (call,) = read_turn(text).calls
        assert (call.name, dict(call.arguments)) == ("book", {"people": 4, "at": "noon"})
    assert read_turn("<tool_call>book <arg_key>people</arg_key> and more</tool_call>").calls == ()
    assert first_json_object('{a} {\n{x} {"b": 2}') == '{"b": 2}'
