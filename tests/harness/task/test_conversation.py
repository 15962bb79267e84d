"""A sample may carry the turns of a conversation: how they become a prompt."""

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.data.dataset import load_dataset
from harness.data.overlap import find_overlap
from harness.data.steps import deduplicate
from harness.errors import UserError
from harness.task import PromptSet, Sample, Splits, Task
from harness.task.conversation import call_identity, question_text
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import prompt_row, render
from harness.task.tool_calls import ToolCall, calls_text

PROMPTS = PromptSet({"conversation": "{text}", "brief": "{text} Be brief."}, marker="")
CALL = calls_text("", [ToolCall("get_weather", {"city": "Oslo"})])
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def turn(role: str, content: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


TRIP = Sample(
    "1",
    {"text": "And in Rome?"},
    target="Mild.",
    messages=(
        turn("system", "You know the weather."),
        turn("user", "Is it cold in Oslo?"),
        turn("assistant", "Very."),
        turn("user", "And in Rome?"),
    ),
)
CALLING = Sample("2", {"text": "Oslo?"}, target=CALL, messages=(turn("user", "Oslo?"),), tools=(TOOL,))


def test_turns_are_asked_as_they_stand() -> None:
    rendered = render(PROMPTS, TRIP, template="conversation")
    assert rendered.messages == list(TRIP.messages)
    assert rendered.text == (
        "You know the weather.\n\nUser: Is it cold in Oslo?\n\nAssistant: Very.\n\n"
        "User: And in Rome?\n\nAssistant:"
    )
    assert (rendered.before, rendered.answer, rendered.tools) == (" ", None, [])


def test_a_wording_is_put_around_the_last_user_turn_only() -> None:
    messages = render(PROMPTS, TRIP, template="brief").messages
    assert [message["content"] for message in messages[1:]] == [
        "Is it cold in Oslo?",
        "Very.",
        "And in Rome? Be brief.",
    ]
    after_tool = replace(TRIP, fields={"text": ""}, messages=(*TRIP.messages[:2], turn("tool", "-3 °C")))
    assert render(PROMPTS, after_tool, template="brief").messages == list(after_tool.messages)


def test_a_conversation_without_a_system_line_has_that_of_the_task() -> None:
    prompts = replace(PROMPTS, system="Answer briefly.")
    assert render(prompts, CALLING, template="conversation").messages[0]["content"] == "Answer briefly."
    own = render(prompts, TRIP, template="conversation").messages
    assert [message["role"] for message in own].count("system") == 1
    assert own[0]["content"] == "You know the weather."


def test_a_target_with_calls_is_a_turn_of_its_own_form() -> None:
    rendered = render(PROMPTS, CALLING, template="conversation")
    assert rendered.answer is not None
    (call,) = rendered.answer["tool_calls"]
    assert call == {
        "id": call_identity(1),
        "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "Oslo"}},
    }
    assert '{"name": "get_weather", "parameters": {"type": "object"}}' in rendered.text
    assert rendered.text.endswith("User: Oslo?\n\nAssistant:")


def test_rows_of_other_samples_are_written_as_ever() -> None:
    row = prompt_row(PROMPTS, Sample("1", {"text": "1 + 1"}, "2"), "conversation")
    assert list(row["prompt"]) == ["messages", "text", "before", "after", "lm_eval"]
    assert {"tools", "answer"} <= set(prompt_row(PROMPTS, CALLING, "conversation")["prompt"])


def test_demonstrations_are_conversations_under_the_same_system_line() -> None:
    like = [replace(TRIP, id=f"a{number}") for number in range(4)]
    unlike = [replace(CALLING, id=f"b{number}") for number in range(4)]
    shown = choose_demonstrations(PROMPTS, [*like, *unlike], [TRIP, CALLING], count=3, seed=0)
    assert [[sample.id[0] for sample in each] for each in shown] == [["a"] * 3, ["b"] * 3]
    assert choose_demonstrations(PROMPTS, unlike, [TRIP], count=3, seed=0) == [[]]
    messages = render(PROMPTS, TRIP, template="conversation", demonstrations=shown[0][:1]).messages
    assert [message["role"] for message in messages] == [
        *("system", "user", "assistant", "user", "assistant"),
        *("user", "assistant", "user"),
    ]
    called = render(PROMPTS, CALLING, template="conversation", demonstrations=shown[1][:1]).messages
    assert called[1]["tool_calls"][0]["function"]["name"] == "get_weather"


def task_of(samples: dict[str, Sample]) -> Task:
    rows = [{"key": key} for key in samples]
    return Task(
        "trips",
        "Go on.",
        data=lambda: Splits(rows, rows, rows),
        to_sample=lambda row, index: samples[row["key"]],
        prompts=PROMPTS,
        output="generate",
        metrics=("exact_match",),
    )


def test_every_turn_counts_for_what_a_task_is() -> None:
    fingerprint = load_dataset(task_of({"1": TRIP})).fingerprint
    changed = (*TRIP.messages[:1], turn("user", "Is it hot in Oslo?"), *TRIP.messages[2:])
    assert load_dataset(task_of({"1": replace(TRIP, messages=changed)})).fingerprint != fingerprint
    assert "Is it cold in Oslo?" in question_text(TRIP)
    other = replace(TRIP, id="3", messages=changed)
    assert not find_overlap([other], [replace(TRIP, fields={"text": "And in Rome?"})]).exact
    assert find_overlap([replace(TRIP, id="4")], [TRIP]).exact == {"1"}
    kept = deduplicate().apply([TRIP, other, replace(TRIP, id="5")], __import__("random").Random(0))
    assert [sample.id for sample in kept] == ["1", "3"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"messages": [turn("user", "a")]}, "not a tuple"),
        ({"messages": (turn("bot", "a"),)}, "the role 'bot'; there are system, user, assistant, tool"),
        ({"messages": (turn("user", "a"), turn("system", "b"))}, "turn 2 of its messages: a system line"),
        ({"messages": (turn("system", "a"),)}, "end with the system line"),
        ({"messages": (), "tools": (TOOL,)}, "tools and no messages"),
        ({"messages": ({"role": "user", "content": None},)}, "a content, which is a text"),
        (
            {
                "messages": (
                    turn("assistant", "", tool_calls=[{"function": {"name": "f"}}]),
                    turn("user", "a"),
                )
            },
            "a tool call without a name or without an object of arguments",
        ),
        ({"messages": (turn("user", json.loads('"\\ud800"')),)}, "half of a surrogate pair"),
    ],
)
def test_turns_of_another_kind_are_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says.replace("(", r"\(")):
        load_dataset(
            task_of(
                {"1": replace(CALLING, tools=(), **changed)}
                if "tools" not in changed
                else {"1": replace(CALLING, **changed)}
            )
        )
