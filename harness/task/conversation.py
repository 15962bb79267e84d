"""The turns of conversations: as plain text for models without a chat template, and what two of them
share."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.task.samples import Sample, Turn
from harness.task.tool_calls import BEGIN, AssistantTurn, ToolCall, as_call, calls_text, read_turn

ROLES = ("system", "user", "assistant", "tool")

TOOLS_HEAD = (
    f"Functions that may be called, by writing {BEGIN}, JSON with name and arguments, and the end tag:"
)
"""Stands before the functions where no chat template lists them."""


def system_of(turns: Sequence[Turn]) -> str:
    """The system line of a conversation; empty without one."""
    return str(turns[0]["content"]) if turns and turns[0]["role"] == "system" else ""


def without_system(turns: Sequence[Turn]) -> Sequence[Turn]:
    """The turns after the system line."""
    return turns[1:] if turns and turns[0]["role"] == "system" else turns


def assistant_turn(target: str) -> dict[str, Any]:
    """A target as the assistant's message; one that holds calls in the form of `calls_text` has
    `tool_calls`."""
    turn = read_turn(target) if BEGIN in target else AssistantTurn(target)
    message: dict[str, Any] = {"role": "assistant", "content": turn.content}
    if turn.calls:
        message["tool_calls"] = [
            tool_call_record(call, identity=call_identity(number))
            for number, call in enumerate(turn.calls, 1)
        ]
    return message


def call_identity(number: int) -> str:
    """The name of a conversation's n-th call: nine letters and digits, which the templates that are strict
    about it demand."""
    return f"call{number % 100_000:05}"


def tool_call_record(call: ToolCall, *, identity: str) -> dict[str, Any]:
    """A call as messages hold it."""
    return {
        "id": identity,
        "type": "function",
        "function": {"name": call.name, "arguments": dict(call.arguments)},
    }


def turn_text(turn: Turn) -> str:
    """What a turn says, its calls included."""
    calls = [call for call in map(as_call, turn.get("tool_calls") or ()) if call is not None]
    return calls_text(str(turn["content"] or ""), calls)


def plain_text(
    turns: Sequence[Turn], tools: Sequence[Mapping[str, Any]] = (), *, delimiter: str = "\n\n"
) -> str:
    """A conversation up to where the assistant answers, each turn after the name of its role:

        You help travellers.

        User: How cold is it in Oslo?

        Assistant:

    Functions that may be called stand before the first user's turn, as JSON, one a line.
    """
    parts = [turn_text(turn) for turn in turns[:1] if turn["role"] == "system"]
    if tools:
        parts.append(tools_text(tools))
    parts += [f"{_speaker(turn)}: {turn_text(turn)}" for turn in without_system(turns)]
    return delimiter.join([*parts, "Assistant:"])


def tools_text(tools: Sequence[Mapping[str, Any]]) -> str:
    """The functions that may be called, as JSON, one a line."""
    lines = (json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in tools)
    return "\n".join([TOOLS_HEAD, *lines])


def _speaker(turn: Turn) -> str:
    role = str(turn["role"]).capitalize()
    return f"{role} ({turn['name']})" if turn.get("name") else role


def frame_of(sample: Sample) -> str:
    """What a conversation is held under: its system line and the functions it may call. Demonstrations of it
    are conversations under the same, since under another they might be answered otherwise."""
    if not sample.messages:
        return ""
    return json.dumps([system_of(sample.messages), sample.tools], sort_keys=True)


def question_text(sample: Sample) -> str:
    """What a sample asks: its fields, without any wording around them, or the turns of its conversation."""
    if sample.messages:
        return "\n".join(map(turn_text, without_system(sample.messages)))
    return "\n".join(sample.fields.values())


def conversation_fault(sample: Sample) -> str | None:
    """What is wrong with the turns or the functions of a sample, in words that follow its name; or None."""
    if not isinstance(sample.messages, tuple) or not isinstance(sample.tools, tuple):
        return "has messages or tools that are not a tuple; write tuple(…)"
    for number, turn in enumerate(sample.messages, 1):
        fault = _turn_fault(turn, number)
        if fault:
            return f"has a fault in turn {number} of its messages: {fault}"
    if sample.messages and sample.messages[-1]["role"] == "system":
        return "has messages that end with the system line; the turn that the target answers comes last"
    if sample.tools and not sample.messages:
        return "has tools and no messages; only conversations call functions"
    if not all(isinstance(tool, Mapping) for tool in sample.tools):
        return "has tools that are no objects"
    return None


def _turn_fault(turn: object, number: int) -> str | None:
    if not isinstance(turn, Mapping) or not isinstance(turn.get("content"), str):
        return "a turn is an object with a role and a content, which is a text"
    if turn.get("role") not in ROLES:
        return f"the role {turn.get('role')!r}; there are {', '.join(ROLES)}"
    if turn["role"] == "system" and number > 1:
        return "a system line, which stands only at the beginning"
    if any(as_call(call) is None for call in turn.get("tool_calls") or ()):
        return "a tool call without a name or without an object of arguments"
    return None
