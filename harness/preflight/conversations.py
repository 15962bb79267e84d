"""Say what becomes of conversations in a model's prompts: of tools, of turns that a chat template leaves
out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.counts import count_of
from harness.engines.encode import Encoded, PromptEncoder
from harness.errors import UserError
from harness.preflight.job import Remark
from harness.sweep.thoughts import THOUGHT_MARKS
from harness.task import Rendered
from harness.task.tool_calls import read_turn

AS_TEXT = {
    "functions": "lists no functions",
    "calls": "writes no tool calls that can be read back",
    "results": "leaves out the results of calls",
}


def conversation_remarks(
    task: str, rendered: Sequence[Rendered], prompts: Sequence[Encoded], encoder: PromptEncoder
) -> Iterator[Remark]:
    """Of a task's prompts, rendered as `prompts`."""
    if not encoder.chat:
        return
    if _leaves_out_question(rendered, encoder):
        yield Remark(
            severity="refuse",
            fact="question",
            task=task,
            sentence="the chat template leaves out the last turn of a conversation, which is the question: "
            "models would be asked the same, whatever the sample; correct the template, or set chat = false "
            "for this candidate",
        )
        return
    if any(map(_has_tools, rendered)):
        yield from _tools(task, rendered, encoder)
    yield from _left_out(task, rendered, prompts)


def _leaves_out_question(rendered: Sequence[Rendered], encoder: PromptEncoder) -> bool:
    """Whether two questions make one prompt, whatever stands before them."""
    prompt = next((prompt for prompt in rendered if prompt.messages and not prompt.is_begun), None)
    if prompt is None:
        return False
    *before, last = prompt.messages
    questions = [[*before, {**last, "content": words}] for words in ("gainboardquestion", "another")]
    try:
        put = encoder.prompts([replace(prompt, messages=messages) for messages in questions])
    except UserError:  # of words that are no task's nothing is refused
        return False
    return put[0].text == put[1].text


def _has_tools(prompt: Rendered) -> bool:
    return bool(prompt.tools or prompt.answer) or any(map(_is_of_tools, prompt.messages))


def _is_of_tools(turn: Mapping[str, Any]) -> bool:
    return turn["role"] == "tool" or bool(turn.get("tool_calls"))


def _tools(task: str, rendered: Sequence[Rendered], encoder: PromptEncoder) -> Iterator[Remark]:
    form = encoder.tool_turns.form
    if not form.by_template:
        yield Remark(
            severity="warn",
            fact="tools",
            task=task,
            sentence=f"the chat template {' and '.join(AS_TEXT[lack] for lack in form.lacks)}: functions are "
            "listed in the system line instead, calls written as <tool_call> with JSON, and results as a "
            "user's turn; a template with tools would show the model what it may have been trained on",
        )
        return
    took = "as JSON text" if form.arguments == "text" else "as objects"
    yield Remark(
        severity="note",
        fact="tools",
        task=task,
        sentence="the chat template writes functions, calls and their results; it is given arguments "
        f"{took}, and the calls that it writes are read back as they were",
    )
    if not form.keeps_text and any(prompt.answer and prompt.answer["content"] for prompt in rendered):
        yield Remark(
            severity="warn",
            fact="tools",
            task=task,
            sentence="the chat template leaves out what an assistant says beside its calls: only the calls "
            "are trained on",
        )


def _left_out(task: str, rendered: Sequence[Rendered], prompts: Sequence[Encoded]) -> Iterator[Remark]:
    """Turns whose words are not in the prompt."""
    missing: list[tuple[int, str]] = []
    conversations = [(prompt, put) for prompt, put in zip(rendered, prompts, strict=True) if prompt.messages]
    for place, (prompt, put) in enumerate(conversations):
        for turn in prompt.messages:
            if turn["role"] == "system":  # of it the template's facts tell
                continue
            words = _without_thought(str(turn["content"] or "")).strip()
            if words and words not in put.text and not _is_of_tools(turn):
                missing.append((place, str(turn["role"])))
    if missing:
        places = {place for place, _ in missing}
        roles = " and ".join(sorted({role for _, role in missing}))
        yield Remark(
            severity="warn",
            fact="turns",
            task=task,
            sentence=f"in {len(places)} of {count_of(len(conversations), 'conversation')} looked at, the "
            f"chat template leaves out or changes a turn of the {roles}: models are asked without it; "
            "correct the template, or set chat = false for this candidate",
        )


def _without_thought(text: str) -> str:
    """Templates may leave out what was thought in earlier turns."""
    return read_turn(text.rpartition(THOUGHT_MARKS[1])[2]).content
