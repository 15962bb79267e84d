"""Tool calls as a tokenizer's chat template takes and writes them, or as text where it has no form for them.

Templates disagree. Some want a call's arguments as an object and index into it, others as its JSON and
concatenate it; some write `None` for a turn without text; many have no word for tools at all. Which it is, is
tried once with a conversation of known words, and the same in training and in scoring.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal

from harness.engines.rendering import ChatTemplate, Message
from harness.errors import UserError
from harness.task.conversation import call_identity, tools_text, turn_text
from harness.task.tool_calls import ToolCall, read_turn, same_calls

Arguments = Literal["object", "text"]


@dataclass(frozen=True)
class ToolForm:
    """How a template is given tool calls."""

    arguments: Arguments = "object"
    """A call's arguments: an object, or its JSON."""

    without_text: str | None = None
    """The content of a turn that only makes calls."""

    lacks: tuple[str, ...] = ()
    """What the template cannot write, in words; with any, calls and functions are written as text."""

    keeps_text: bool = True
    """Whether a turn's text stands beside its calls."""

    @property
    def by_template(self) -> bool:
        """Whether the template writes functions, calls and their results."""
        return not self.lacks


class ToolTurns:
    """Puts conversations with tools to one chat template."""

    def __init__(self, template: ChatTemplate, thought_marks: Sequence[str] = ()) -> None:
        self._template, self._marks = template, tuple(thought_marks)

    @cached_property
    def form(self) -> ToolForm:
        """What the template takes, found out by rendering a few words."""
        attempts = [self._tried(arguments, text) for arguments, text in product(_BOTH, (None, ""))]
        return min(attempts, key=_shortcomings)

    @cached_property
    def _keeps_system(self) -> bool:
        return _SAID in self._rendered([{"role": "system", "content": _SAID}, _QUESTION], ToolForm())

    def put(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The messages as the template takes them, and the arguments that they come with."""
        if not (tools or any(map(_is_of_tools, messages))):
            return [dict(message) for message in messages], {}
        if self.form.by_template:
            converted = [_in_form(message, self.form) for message in messages]
            return converted, {"tools": [dict(tool) for tool in tools]} if tools else {}
        return _as_texts(messages, tools, in_system=self._keeps_system), {}

    def answer_text(
        self,
        messages: Sequence[Message],
        tools: Sequence[Mapping[str, Any]],
        answer: Message,
        *,
        prompt: str,
        empty_thought: str = "",
        ends: Sequence[str],
    ) -> str:
        """What the template writes for an assistant's turn after its prompt, up to the first of `ends`.

        `empty_thought`: what may stand between the two. Raises `UserError` where the turn does not follow the
        prompt, so that no answer could be trained on that is asked for like this.
        """
        if not self.form.by_template:
            return turn_text(answer)
        converted, arguments = self.put([*messages, answer], tools)
        conversation = self._template.render(converted, arguments, add_generation_prompt=False)
        written = self._after(conversation, prompt + empty_thought)
        written = self._after(conversation, prompt) if written is None else written
        if written is None:
            raise UserError(
                "the chat template writes a turn with tool calls that does not follow its own prompt; "
                "correct the template, or set chat = false for this candidate"
            )
        for end in filter(None, ends):
            written = written.partition(end)[0]
        return written.strip()

    def _after(self, conversation: str, prompt: str) -> str | None:
        """What a conversation has after a prompt; None where it does not begin with it. A prompt may begin a
        thought that the template leaves out of finished turns."""
        begun = next((mark for mark in self._marks[:1] if prompt.rstrip().endswith(mark)), "")
        for beginning in (prompt, prompt.rstrip().removesuffix(begun)):
            if conversation.startswith(beginning):
                return conversation[len(beginning) :]
        return None

    def _tried(self, arguments: Arguments, text: str | None) -> ToolForm:
        """What becomes of a conversation with tools that is given like this."""
        form = ToolForm(arguments, text)
        prompt = self._rendered([_QUESTION], form, add_generation_prompt=True)
        called = self._after(self._rendered([_QUESTION, _calling()], form), prompt)
        result = {"role": "tool", "content": _RESULT, "name": _FUNCTION, "tool_call_id": call_identity(1)}
        answered = self._rendered([_QUESTION, _calling(), result], form, add_generation_prompt=True)
        lacks = []
        if _FUNCTION not in prompt:
            lacks.append("functions")
        if not prompt or called is None or not _is_the_call(called):
            lacks.append("calls")
        if _RESULT not in answered:
            lacks.append("results")
        with_text = self._rendered([_QUESTION, _calling(_SAID)], form)
        return ToolForm(arguments, text, tuple(lacks), keeps_text=_SAID in with_text)

    def _rendered(
        self, messages: Sequence[Message], form: ToolForm, *, add_generation_prompt: bool = False
    ) -> str:
        """Empty where the template refuses."""
        converted = [_in_form(message, form) for message in messages]
        arguments = {"tools": _TOOLS}
        try:
            return self._template.render(converted, arguments, add_generation_prompt=add_generation_prompt)
        except UserError:
            return ""


def _shortcomings(form: ToolForm) -> tuple[int, bool]:
    return len(form.lacks), not form.keeps_text


_BOTH: tuple[Arguments, ...] = ("object", "text")

_FUNCTION, _CITY, _RESULT, _SAID = "gainboardfunction", "gainboardcity", "gainboardresult", "gainboardsaid"
"""Words that no template writes by itself."""

_CALL = ToolCall(_FUNCTION, {"city": _CITY, "days": 2})
_QUESTION = {"role": "user", "content": "gainboardquestion"}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": _FUNCTION,
            "description": "A function.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "A city."},
                    "days": {"type": "integer", "description": "How many days."},
                },
                "required": ["city", "days"],
            },
        },
    }
]


def _calling(text: str = "") -> dict[str, Any]:
    function = {"name": _CALL.name, "arguments": dict(_CALL.arguments)}
    call = {"id": call_identity(1), "type": "function", "function": function}
    return {"role": "assistant", "content": text, "tool_calls": [call]}


def _is_the_call(written: str) -> bool:
    """Whether what follows the prompt is the call, as metrics read it, and nothing else that would be
    learnt."""
    turn = read_turn(written)
    return same_calls(turn.calls, [_CALL]) and "None" not in turn.content


def _is_of_tools(message: Message) -> bool:
    return message["role"] == "tool" or bool(message.get("tool_calls"))


def _in_form(message: Message, form: ToolForm) -> dict[str, Any]:
    """A message with its calls as the template takes them."""
    converted = dict(message)
    if not message.get("tool_calls"):
        return converted
    converted["content"] = message["content"] or form.without_text
    if form.arguments == "text":
        converted["tool_calls"] = [_with_text(call) for call in message["tool_calls"]]
    return converted


def _with_text(call: Mapping[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(call["function"]["arguments"], ensure_ascii=False)
    return {**call, "function": {**call["function"], "arguments": arguments}}


# Without the template


def _as_texts(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, in_system: bool
) -> list[dict[str, Any]]:
    """Functions in the system line, or before the first turn where a template takes none; calls in the
    assistant's text, and their results as a user's turn."""
    turns = list(_together(messages))
    if not tools:
        return turns
    listed = tools_text(tools)
    if in_system and turns[0]["role"] == "system":
        return [{**turns[0], "content": f"{turns[0]['content']}\n\n{listed}"}, *turns[1:]]
    if in_system:
        return [{"role": "system", "content": listed}, *turns]
    first_user = next((place for place, turn in enumerate(turns) if turn["role"] == "user"), None)
    if first_user is None:
        return [{"role": "user", "content": listed}, *turns]
    turns[first_user] = {**turns[first_user], "content": f"{listed}\n\n{turns[first_user]['content']}"}
    return turns


def _together(turns: Sequence[Message]) -> Iterator[dict[str, Any]]:
    """Turns as texts; the results of parallel calls become one turn, since many templates want turns to
    alternate."""
    results: list[str] = []
    for turn in turns:
        if turn["role"] == "tool":
            results.append(f"<tool_response>\n{turn['content']}\n</tool_response>")
            continue
        if results:
            yield {"role": "user", "content": "\n".join(results)}
            results = []
        yield {"role": turn["role"], "content": turn_text(turn)}
    if results:
        yield {"role": "user", "content": "\n".join(results)}
