"""Write conversations as fine-tuning services take them: a JSON object with `messages` per line."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def chat_record(
    turns: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
    *,
    context_only: Collection[int] = (),
) -> dict[str, Any]:
    """The turns of a whole conversation, with arguments as JSON and null for a turn that only calls.

    `context_only`: places of the assistant's turns that nothing is to be learnt from; they get the weight 0.
    """
    messages = [_message(turn, is_context=place in context_only) for place, turn in enumerate(turns)]
    return {"messages": messages, **({"tools": [dict(tool) for tool in tools]} if tools else {})}


def _message(turn: Mapping[str, Any], *, is_context: bool) -> dict[str, Any]:
    message = dict(turn)
    if turn.get("tool_calls"):
        message["content"] = turn["content"] or None
        message["tool_calls"] = [_call(call) for call in turn["tool_calls"]]
    if is_context:
        message["weight"] = 0
    return message


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}
