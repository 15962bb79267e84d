"""Tool calls as text: written in one form, and read in those that chat templates have models write.

The form of our own is that of Hermes and Qwen, which needs no template:

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Oslo"}}
    </tool_call>
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

BEGIN, END = "<tool_call>", "</tool_call>"

PLACES = 64
"""Brackets of a text at which a call in bare JSON is looked for: a model may write brackets without end."""


@dataclass(frozen=True)
class ToolCall:
    """A function by its name, and what it is given."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class AssistantTurn:
    """What an assistant wrote: a text, calls, or both."""

    content: str
    calls: tuple[ToolCall, ...] = ()


def calls_text(content: str, calls: Sequence[ToolCall]) -> str:
    """A turn in the form of our own: its text, then a block for each call. `read_turn` is its inverse."""
    blocks = [
        f"{BEGIN}\n{json.dumps({'name': call.name, 'arguments': call.arguments}, ensure_ascii=False)}\n{END}"
        for call in calls
    ]
    return "\n".join([content, *blocks] if content else blocks)


def read_turn(text: str) -> AssistantTurn:
    """What a model wrote, its calls parted from its text.

    Calls are read in the form of our own; as `[TOOL_CALLS]` with a list or with names and arguments
    (Mistral); in the marks of Llama, Phi, Granite, DeepSeek, GLM and Qwen-Coder; and as bare JSON, in a code
    block or not. What cannot be read as a call is text.
    """
    for read in (_blocks, _of_mistral, _of_deepseek, _bare):
        turn = read(text)
        if turn is not None:
            return turn
    return AssistantTurn(text.strip())


def same_calls(calls: Sequence[ToolCall], expected: Sequence[ToolCall]) -> bool:
    """Whether the same functions are called with the same arguments, in any order: keys have none, parallel
    calls neither, and 5.0 is 5."""
    return sorted(map(_in_one_form, calls)) == sorted(map(_in_one_form, expected))


def argument_texts(call: ToolCall) -> dict[str, str]:
    """Each argument as JSON in one form, so that equal values are equal texts."""
    return {name: json.dumps(_plain(argument), sort_keys=True) for name, argument in call.arguments.items()}


def _in_one_form(call: ToolCall) -> str:
    return json.dumps([call.name, _plain(call.arguments)], sort_keys=True)


def _plain(argument: Any) -> Any:
    """A JSON value with whole numbers as such: 5.0 is 5."""
    if isinstance(argument, float) and argument.is_integer():
        return int(argument)
    if isinstance(argument, Mapping):
        return {name: _plain(part) for name, part in argument.items()}
    if isinstance(argument, (list, tuple)):
        return [_plain(part) for part in argument]
    return argument


# The forms

_BLOCK = re.compile(rf"{BEGIN}(.*?)(?:{END}|\Z)", re.DOTALL)
_MARKS = re.compile(r"<\|python_tag\|>|<\|tool_calls?\|>|<\|/tool_calls?\|>|functools(?=\s*\[)")
# Quantifiers are possessive, and names begin where no other does: a model may write anything, and what
# matches nothing must not be tried again from each of its letters.
_FENCE = re.compile(r"```(?:json|python)?+\s*+(.*?)```", re.DOTALL)
_OF_MISTRAL = re.compile(r"(?<![\w.-])([\w.-]++)(?:\[CALL_ID\][\w-]++)?+(?:\[ARGS\])?+\s*+(?=\{)")
_OF_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?:function<｜tool▁sep｜>)?\s*([\w.-]+)\s*(?:<｜tool▁sep｜>)?(.*?)"
    r"(?:<｜tool▁call▁end｜>|\Z)",
    re.DOTALL,
)
_OF_QWEN_CODER = re.compile(r"<function=([^<>\s]++)>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^<>\s]++)>\n?(.*?)\n?</parameter>", re.DOTALL)
_OF_GLM = re.compile(r"\s*+([\w.-]++)\s*+")
_ARGUMENT = re.compile(r"<arg_key>([^<]*+)</arg_key>\s*+<arg_value>(.*?)</arg_value>\s*+", re.DOTALL)
_BETWEEN_CALLS = re.compile(r"[ \t\r\n;,]*+")


def _blocks(text: str) -> AssistantTurn | None:
    """Calls between `<tool_call>` and its end, each as JSON or in tags."""
    start = text.find(BEGIN)
    if start < 0:
        return None
    calls: list[ToolCall] = []
    for block in _BLOCK.findall(text[start:]):
        calls += _json_calls(block) or _tagged_calls(block)
    return AssistantTurn(text[:start].strip(), tuple(calls)) if calls else None


def _tagged_calls(block: str) -> list[ToolCall]:
    calls = []
    for name, body in _OF_QWEN_CODER.findall(block):
        # Without what follows the last end, each parameter that begins also ends.
        ended = "".join(body.rpartition("</parameter>")[:2])
        calls.append(ToolCall(name, {key: _value(argument) for key, argument in _PARAMETER.findall(ended)}))
    return calls or _glm_calls(block)


def _glm_calls(block: str) -> list[ToolCall]:
    """A name, and after it nothing but pairs of tags."""
    name = _OF_GLM.match(block)
    if name is None:
        return []
    arguments, place = {}, name.end()
    while pair := _ARGUMENT.match(block, place):
        arguments[pair[1].strip()] = _value(pair[2])
        place = pair.end()
    return [ToolCall(name[1], arguments)] if place == len(block) else []


def _value(text: str) -> Any:
    """An argument between tags: JSON, or a text that has no quotes there."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _of_mistral(text: str) -> AssistantTurn | None:
    content, mark, rest = text.partition("[TOOL_CALLS]")
    if not mark:
        return None
    calls = _json_calls(rest)
    for match in () if calls else _OF_MISTRAL.finditer(rest):
        arguments = _decoded(rest, match.end())
        if isinstance(arguments, dict):
            calls.append(ToolCall(match[1], arguments))
    return AssistantTurn(content.strip(), tuple(calls)) if calls else None


def _of_deepseek(text: str) -> AssistantTurn | None:
    calls = []
    for name, body in _OF_DEEPSEEK.findall(text):
        arguments = _decoded(body, body.find("{"))
        if isinstance(arguments, dict):
            calls.append(ToolCall(name, arguments))
    content = re.split("<｜tool▁calls?▁begin｜>", text, maxsplit=1)[0]
    return AssistantTurn(content.strip(), tuple(calls)) if calls else None


def _bare(text: str) -> AssistantTurn | None:
    """Calls that only their JSON tells, from the first place on where one stands."""
    plain = _MARKS.sub("", _FENCE.sub(r"\1", text))
    for match in islice(re.finditer(r"[\[{]", plain), PLACES):
        calls = _json_calls(plain[match.start() :])
        if calls:
            return AssistantTurn(plain[: match.start()].strip(), tuple(calls))
        if _decoded(plain, match.start()) is not None:
            return None  # JSON of another kind: the answer is no call
    return None


def _json_calls(text: str) -> list[ToolCall]:
    """Calls in JSON that begins the text: an object, a list, or several objects one after the other."""
    calls: list[ToolCall] = []
    decoder, place = json.JSONDecoder(), 0
    while True:
        between = _BETWEEN_CALLS.match(text, place)
        place = between.end() if between else place
        try:
            written, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return calls
        next_calls = list(_calls_in(written))
        if not next_calls:
            return calls
        calls += next_calls


def _calls_in(written: Any) -> Iterator[ToolCall]:
    """The calls of a JSON value; none where it is anything else, or where one of them is."""
    if isinstance(written, dict) and isinstance(written.get("tool_calls"), list):
        written = written["tool_calls"]
    members = written if isinstance(written, list) else [written]
    calls = [as_call(member) for member in members]
    if None not in calls:
        yield from (call for call in calls if call is not None)


def as_call(written: Any) -> ToolCall | None:
    """An object with a name and arguments (or parameters), or one that holds it as `function`; None for any
    other. Arguments may be an object or its JSON."""
    if isinstance(written, Mapping) and isinstance(written.get("function"), Mapping):
        written = written["function"]
    if not isinstance(written, Mapping) or not isinstance(written.get("name"), str) or not written["name"]:
        return None
    key = next((key for key in ("arguments", "parameters") if key in written), None)
    arguments = written[key] if key else None
    if isinstance(arguments, str):
        arguments = _decoded(arguments, 0) if arguments.strip() else {}
    elif arguments is None and key:
        arguments = {}
    return ToolCall(written["name"], arguments) if isinstance(arguments, Mapping) else None


def _decoded(text: str, place: int) -> Any:
    """The JSON value at a place; None where there is none."""
    try:
        return json.JSONDecoder().raw_decode(text, max(place, 0))[0]
    except (ValueError, RecursionError):
        return None
