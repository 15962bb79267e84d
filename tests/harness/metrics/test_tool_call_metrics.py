"""Answers that call functions are judged by names and arguments."""

import json
from typing import Any

import pytest

from harness.metrics import METRICS, Reply
from harness.task.tool_calls import ToolCall, calls_text


def calling(*calls: tuple[str, dict[str, Any]], content: str = "") -> str:
    return calls_text(content, [ToolCall(*call) for call in calls])


TRIP = ("get_weather", {"city": "Oslo", "days": 2})


def scores(answer: str, target: str) -> tuple[float, float, float]:
    reply = Reply(answer, (target,))
    names = ("tool_call_match", "tool_call_f1", "turn_f1")
    return tuple(METRICS[name].score(reply) for name in names)  # type: ignore[misc, return-value]


@pytest.mark.parametrize(
    ("answer", "target", "right"),
    [
        (calling(TRIP), calling(TRIP), (1, 1, 1)),
        ('{"name": "get_weather", "parameters": {"days": 2.0, "city": "Oslo"}}', calling(TRIP), (1, 1, 1)),
        (calling(TRIP, content="Sure."), calling(TRIP), (1, 1, 1)),
        (calling(("get_weather", {"city": "Rome", "days": 2})), calling(TRIP), (0, 2 / 3, 2 / 3)),
        (calling(("get_weather", {"city": "Oslo"})), calling(TRIP), (0, 4 / 5, 4 / 5)),
        (calling(("clock", {})), calling(TRIP), (0, 0, 0)),
        ("Minus three.", calling(TRIP), (0, 0, 0)),
        (calling(("clock", {}), TRIP), calling(TRIP, ("clock", {})), (1, 1, 1)),
        (calling(TRIP), calling(TRIP, ("clock", {})), (0, 6 / 7, 6 / 7)),
        ("Minus three.", "Minus three.", (1, 1, 1)),
        ("Minus four.", "Minus three.", (1, 1, 1 / 2)),
        (calling(TRIP), "Minus three.", (0, 0, 0)),
        ("", "Minus three.", (1, 1, 0)),
    ],
)
def test_each_counts_what_it_says(answer: str, target: str, right: tuple[float, ...]) -> None:
    assert scores(answer, target) == pytest.approx(right)


def test_calls_of_one_function_are_paired_for_the_best() -> None:
    target = calling(*(("f", {"a": number, "b": 0}) for number in (1, 2, 3)))
    answer = calling(*(("f", {"a": number, "b": 0}) for number in (3, 1)))
    assert scores(answer, target)[1] == pytest.approx(2 * 6 / (6 + 9))


def test_the_form_of_an_answer_is_that_of_its_target() -> None:
    parses = METRICS["turn_f1"].parses
    assert parses is not None
    assert parses(Reply(json.dumps({"name": "f", "arguments": {}}), (calling(("g", {})),)))
    assert not parses(Reply("text", (calling(("g", {})),)))
    assert parses(Reply("text", ("other",))) and not parses(Reply(" ", ("other",)))
