"""Conversations of `contents`, of roles and parts, as Google's services take them, as OpenAI's messages."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Fields = Mapping[str, Any]
"""One row of a file or a part of it, with its null fields left out."""

_KEYS = {
    "functionCall": "function_call",
    "functionResponse": "function_response",
    "systemInstruction": "system_instruction",
    "functionDeclarations": "function_declarations",
}
"""Names as JSON has them, and as the Python library writes them."""


def messages_of_contents(row: Fields, contents: Sequence[Any]) -> list[Any]:
    """The turns of a row, in order, as messages. What has no such form is handed on as it is, to be told as
    the turn that it is.

    `contents`: the row's list of them.
    """
    system = _named(row, "systemInstruction")
    messages: list[Any] = []
    if system is not None:
        parts = system.get("parts") if isinstance(system, Mapping) else system
        messages.append({"role": "system", "content": _texts(parts) if isinstance(parts, list) else parts})
    for turn in contents:
        if isinstance(turn, Mapping) and isinstance(turn.get("parts"), list):
            messages += _messages({"role": "user"} | dict(turn))
        else:
            messages.append(turn)
    return messages


def declared_functions(tools: Sequence[Any]) -> list[Any]:
    """A row's tools, each declaration of functions as these functions."""
    functions: list[Any] = []
    for tool in tools:
        declared = _named(tool, "functionDeclarations") if isinstance(tool, Mapping) else None
        functions += declared if isinstance(declared, list) else [tool]
    return functions


def _messages(turn: Fields) -> list[Any]:
    """One turn: a message, or one for each result of a function in it."""
    parts = turn["parts"]
    results = [_named(part, "functionResponse") for part in parts if isinstance(part, Mapping)]
    if any(result is not None for result in results):
        return [_result(result) for result in results if isinstance(result, Mapping)]
    calls = [_named(part, "functionCall") for part in parts if isinstance(part, Mapping)]
    message = {key: part for key, part in turn.items() if key != "parts"}
    message["content"] = _texts(parts) or None
    if tool_calls := [_call(call) for call in calls if isinstance(call, Mapping)]:
        message["tool_calls"] = tool_calls
    return [message]


def _call(call: Fields) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": call.get("name"), "arguments": call.get("args", {})},
    }


def _result(result: Fields) -> dict[str, Any]:
    response = result.get("response", "")
    text = response if isinstance(response, str) else json.dumps(response, ensure_ascii=False)
    return {"role": "tool", "content": text}


def _texts(parts: Sequence[Any]) -> list[Any]:
    """All parts but calls: texts, and what a reader refuses by its name."""
    texts = []
    for part in parts:
        if isinstance(part, Mapping) and _named(part, "functionCall") is not None:
            continue
        is_text = not isinstance(part, Mapping) or "text" in part
        texts.append(part if is_text else {"type": next(iter(part), "none")})
    return texts


def _named(fields: Fields, name: str) -> Any:
    return fields.get(name, fields.get(_KEYS[name]))
