"""Read one conversation in any of the forms that fine-tuning services and trainers take.

All of them come out as one: turns as OpenAI's API has them, with the functions that they may call.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.data.chat_contents import Fields, declared_functions, messages_of_contents
from harness.task.conversation import call_identity, tool_call_record
from harness.task.tool_calls import ToolCall, as_call


class FaultyConversation(ValueError):
    """What is wrong with a row, and what is allowed, in a sentence without its end."""


@dataclass(frozen=True)
class Conversation:
    """The turns of one row."""

    turns: list[dict[str, Any]]
    """`role`, `content` and, where there are any, `tool_calls`, `tool_call_id` and `name`."""

    tools: list[dict[str, Any]] = field(default_factory=list)
    """The functions that may be called."""

    context_only: frozenset[int] = frozenset()
    """Places of the assistant's turns that are no targets: those of weight 0."""

    unread: frozenset[str] = frozenset()
    """Keys of the row and its turns that were not read."""


FORMS = (
    "messages, conversations (of from and value), contents (of role and parts), instruction and output, "
    "prompt and completion, or prompt and chosen"
)
"""As a sentence names what is allowed."""


def form_of(row: Fields) -> str | None:
    """What kind of conversation a row holds, by its keys; None where it holds none."""
    for keys, form in _FORMS:
        if all(key in row for key in keys):
            return form
    return None


_FORMS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("messages",), "messages"),
    (("conversations",), "conversations"),
    (("conversation",), "conversation"),
    (("contents",), "contents"),
    (("preferred_output", "input"), "preferred_output"),
    (("chosen",), "chosen"),
    (("instruction", "output"), "instruction"),
    (("prompt", "completion"), "prompt"),
)


def read_conversation(row: Fields, *, chosen: bool = False) -> Conversation:
    """The conversation of a row. Raises `FaultyConversation`.

    `chosen`: of two answers, of which one is preferred, that one; otherwise such a row is refused.
    """
    row = {key: part for key, part in row.items() if part is not None}
    form = form_of(row)
    if form is None:
        raise FaultyConversation(f"it has {_listed(row)} and no conversation; give each row {FORMS}")
    if form in ("chosen", "preferred_output") and not chosen:
        raise FaultyConversation(
            "it holds a chosen and a rejected answer, which is preference data; --chosen reads the chosen "
            "ones as right answers"
        )
    messages = _READERS[form](row)
    tools = _tools(row)
    reader = _Turns(tools)
    for number, message in enumerate(messages, 1):
        reader.add(message, number)
    return reader.conversation(frozenset(row) - _READ_KEYS - {form})


_READ_KEYS = {
    "messages", "conversations", "conversation", "instruction", "input", "output", "history", "system",
    "prompt", "completion", "chosen", "rejected", "preferred_output", "non_preferred_output", "tools",
    "functions", "parallel_tool_calls", "tool_choice", "contents", "systemInstruction", "system_instruction",
    "schemaVersion",
}  # fmt: skip


# Forms


def _of_messages(row: Fields) -> list[Any]:
    form = form_of(row)
    return _with_system(row, _list(row[form or ""], str(form)))


def _with_system(row: Fields, messages: list[Any]) -> list[Any]:
    """With the system line that some files keep in a column of its own."""
    system = row.get("system")
    return [{"role": "system", "content": system}, *messages] if system else messages


def _of_contents(row: Fields) -> list[Any]:
    return messages_of_contents(row, _list(row["contents"], "contents"))


def _of_instruction(row: Fields) -> list[Any]:
    question = "\n\n".join(part for part in (_text(row, "instruction"), _text(row, "input")) if part.strip())
    messages: list[Any] = []
    for pair in _list(row.get("history", []), "history"):
        if not (
            isinstance(pair, Sequence) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
        ):
            raise FaultyConversation("history is no list of pairs of texts, an instruction and its output")
        messages += [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]
    messages += [
        {"role": "user", "content": question},
        {"role": "assistant", "content": _text(row, "output")},
    ]
    return _with_system(row, messages)


def _text(row: Fields, key: str) -> str:
    text = row.get(key, "")
    if not isinstance(text, str):
        raise FaultyConversation(f"{key} is {_kind(text)}, expected a text")
    return text


def _of_prompt(row: Fields) -> list[Any]:
    return _with_system(row, [*_said(row["prompt"], "user"), *_said(row["completion"], "assistant")])


def _of_chosen(row: Fields) -> list[Any]:
    if "prompt" not in row and isinstance(row["chosen"], str):
        raise FaultyConversation("chosen is a text without a prompt; give it a prompt, or write its turns")
    prompt = _said(row["prompt"], "user") if "prompt" in row else []
    chosen = _said(row["chosen"], "assistant")
    # Some files repeat the prompt in both answers.
    return _with_system(row, chosen if chosen[: len(prompt)] == prompt else [*prompt, *chosen])


def _of_preferred_output(row: Fields) -> list[Any]:
    prompt = row["input"]
    messages = prompt.get("messages") if isinstance(prompt, Mapping) else prompt
    return [*_said(messages, "user"), *_said(row["preferred_output"], "assistant")]


def _said(part: Any, role: str) -> list[Any]:
    """Turns, or a text that one turn is."""
    if isinstance(part, str) and not part.lstrip().startswith('[{"'):
        return [{"role": role, "content": part.strip() if role == "assistant" else part}]
    return _list(part, "its turns")


_READERS: Mapping[str, Callable[[Fields], list[Any]]] = {
    "messages": _of_messages,
    "conversations": _of_messages,
    "conversation": _of_messages,
    "contents": _of_contents,
    "instruction": _of_instruction,
    "prompt": _of_prompt,
    "chosen": _of_chosen,
    "preferred_output": _of_preferred_output,
}


def _list(part: Any, field: str) -> list[Any]:
    """A list, or the JSON of one, as tables hold it."""
    if isinstance(part, str):
        try:
            part = json.loads(part) if part.strip() else []
        except (ValueError, RecursionError):
            raise FaultyConversation(f"{field} is a text that is no JSON list") from None
    if not isinstance(part, (list, tuple)):
        raise FaultyConversation(f"{field} is {_kind(part)}, expected a list")
    return list(part)


def _kind(part: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(part), "a number" if isinstance(part, (int, float)) else type(part).__name__)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(map(str, names)) or "no keys"


# Functions


def _tools(row: Fields) -> list[dict[str, Any]]:
    """As `{"type": "function", "function": {"name": …}}`, whether they came so or as bare functions."""
    key = "tools" if row.get("tools") else "functions"
    tools = []
    for number, tool in enumerate(declared_functions(_list(row.get(key, []), key)), 1):
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise FaultyConversation(
                f"tool {number} is no function with a name; write "
                '{"type": "function", "function": {"name": …, "parameters": …}}'
            )
        described = {name: part for name, part in function.items() if name not in ("type", "function")}
        tools.append({"type": "function", "function": described})
    return tools


# Turns

_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant",
    "chatbot": "assistant",
    "function_call": "function_call", "tool_call": "function_call",
    "tool": "tool", "function": "tool", "observation": "tool", "tool_response": "tool", "ipython": "tool",
}  # fmt: skip

_ALLOWED = {
    "role": "system, developer, user, assistant and tool",
    "from": "system, human, gpt, function_call and observation",
}

_TURN_KEYS = {
    "role", "from", "content", "value", "name", "weight", "tool_calls", "function_call", "tool_call_id",
    "refusal",
}  # fmt: skip

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)


class _Turns:
    """The turns of one conversation as they are read."""

    def __init__(self, tools: list[dict[str, Any]]) -> None:
        self._tools = tools
        self._turns: list[dict[str, Any]] = []
        self._context_only: set[int] = set()
        self._unread: set[str] = set()
        self._identities: dict[str, str] = {}
        """Names of calls in the row to those of our own."""

        self._open: list[str] = []
        """Calls without a result, in order."""

        self._calls = 0

    def add(self, message: Any, number: int) -> None:
        """One turn of the row. Raises `FaultyConversation` that says which."""
        if not isinstance(message, Mapping):
            raise FaultyConversation(f"turn {number} is {_kind(message)}, expected an object")
        message = {key: part for key, part in message.items() if part is not None}
        try:
            turn = self._turn(message)
        except FaultyConversation as error:
            raise FaultyConversation(f"turn {number} {error}") from None
        self._unread |= {f"{key} of turns" for key in message if key not in _TURN_KEYS}
        if turn["role"] == "assistant" and not self._counts(message, number):
            self._context_only.add(len(self._turns))
        self._turns.append(turn)

    def conversation(self, unread: frozenset[str]) -> Conversation:
        """All of them. Raises `FaultyConversation` where nothing is answered."""
        answers = {place for place, turn in enumerate(self._turns) if turn["role"] == "assistant"}
        if not answers:
            raise FaultyConversation("no turn is the assistant's, so there is no answer to learn")
        if not answers - self._context_only:
            raise FaultyConversation(
                "every turn of the assistant has weight 0, so there is no answer to learn"
            )
        return Conversation(
            self._turns, self._tools, frozenset(self._context_only), unread | frozenset(self._unread)
        )

    def _turn(self, message: Fields) -> dict[str, Any]:
        key = "role" if "role" in message else "from"
        named = message.get(key)
        role = _ROLES.get(named.lower()) if isinstance(named, str) else None
        if role is None:
            fault = f"has the role {named!r}" if key in message else "has neither role nor from"
            raise FaultyConversation(f"{fault}; there are {_ALLOWED[key]}")
        if role == "system" and self._turns:
            raise FaultyConversation(
                "is a second system line, or one that is not first; a conversation has one, at its "
                "beginning: join them"
            )
        content = message.get("content", message.get("value"))
        if role == "function_call":
            calls, content, role = _written_calls(content), "", "assistant"
        else:
            calls = _calls(message) if role == "assistant" else []
        turn: dict[str, Any] = {"role": role, "content": self._content(message, content, calls)}
        if isinstance(message.get("name"), str) and role in ("user", "tool"):
            turn["name"] = message["name"]
        if calls:
            turn["tool_calls"] = [self._numbered(call) for call in calls]
        if role == "tool":
            turn |= self._answered(message)
        return turn

    def _content(self, message: Fields, content: Any, calls: Sequence[Any]) -> str:
        if "audio" in message:
            raise FaultyConversation("holds sound; only texts can be read")
        if content is None:
            refusal = message.get("refusal")
            if isinstance(refusal, str):
                return refusal
            if not calls:
                raise FaultyConversation("has no content; only a turn with tool_calls may lack it")
            return ""
        if isinstance(content, list):
            return "\n".join(map(_part, content))
        if not isinstance(content, str):
            raise FaultyConversation(
                f"has {_kind(content)} as its content, expected a text or a list of parts"
            )
        return content

    def _counts(self, message: Fields, number: int) -> bool:
        weight = message.get("weight", 1)
        if weight not in (0, 1):
            raise FaultyConversation(f"turn {number} has the weight {weight}; 0 and 1 are allowed")
        return bool(weight)

    def _numbered(self, call: tuple[str | None, ToolCall]) -> dict[str, Any]:
        identity, tool_call = call
        self._calls += 1
        new_identity = call_identity(self._calls)
        self._open.append(new_identity)
        if identity is not None:
            self._identities[identity] = new_identity
        return tool_call_record(tool_call, identity=new_identity)

    def _answered(self, message: Fields) -> dict[str, Any]:
        """Which call a result answers: the one that it names, or else the first without a result."""
        identity = message.get("tool_call_id")
        if identity is not None and self._calls:
            if identity not in self._identities:
                raise FaultyConversation(
                    f"answers the call {identity!r}, which no turn before it makes; there are "
                    f"{', '.join(map(repr, self._identities)) or 'calls without an id'}"
                )
            new_identity = self._identities[identity]
        elif self._open:
            new_identity = self._open[0]
        else:
            return {}
        if new_identity in self._open:
            self._open.remove(new_identity)
        return {"tool_call_id": new_identity}


def _part(part: Any) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(part, Mapping) and kind in ("text", None) and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return str(part["refusal"])
    if isinstance(kind, str):
        raise FaultyConversation(
            f"holds a part of the type {kind!r}; only texts can be read, no images, sound or files"
        )
    raise FaultyConversation('holds a part that is no {"type": "text", "text": …}')


def _calls(message: Fields) -> list[tuple[str | None, ToolCall]]:
    """The calls of an assistant's turn with the names that it gives them."""
    written = message.get("tool_calls")
    if not written:
        written = [message["function_call"]] if message.get("function_call") else []
    return [_call(call, number) for number, call in enumerate(_list(written, "tool_calls"), 1)]


def _call(written: Any, number: int) -> tuple[str | None, ToolCall]:
    call = as_call(_without_nulls(written))
    if call is None:
        function = written.get("function", written) if isinstance(written, Mapping) else written
        name = function.get("name") if isinstance(function, Mapping) else None
        if isinstance(name, str) and name:
            raise FaultyConversation(
                f"calls {name!r} with arguments that are no JSON object; write them as an object, or as its "
                "JSON"
            )
        raise FaultyConversation(
            f"has a call {number} without a name; write "
            '{"type": "function", "function": {"name": …, "arguments": …}}'
        )
    identity = written.get("id") if isinstance(written, Mapping) else None
    return (identity if isinstance(identity, str) else None), call


def _without_nulls(written: Any) -> Any:
    """A call without the keys that are null, as columns of nested types fill them."""
    if not isinstance(written, Mapping):
        return written
    return {
        key: _without_nulls(part) if key == "function" else part
        for key, part in written.items()
        if part is not None
    }


def _written_calls(content: Any) -> list[tuple[str | None, ToolCall]]:
    """Of a turn that is the JSON of one call, or of a list of them."""
    written = content
    if isinstance(content, str):
        try:
            written = json.loads(content)
        except (ValueError, RecursionError):
            raise FaultyConversation(
                'is a call of a function that is no JSON; write {"name": …, "arguments": …}'
            ) from None
    return [
        _call(call, number)
        for number, call in enumerate(written if isinstance(written, list) else [written], 1)
    ]


def without_thought(content: str) -> str:
    """An answer without the thought before it, which nothing is judged by."""
    return _THOUGHT.sub("", content)
