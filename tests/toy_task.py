"""A three-line task that the tests bend to their needs: add one to a number."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from harness.authoring.finding import Finding
from harness.authoring.skill import LEVELS_LEDE
from harness.plugins.registry import Plugin
from harness.task import PromptSet, Row, Sample, Splits, Task

SOURCE = """
from harness import PromptSet, Sample, Splits, Task, task

ROWS = [{{"text": str(number), "answer": str(number + 1)}} for number in range(6)]


@task
def {name}():
    return Task(
        name="{name}",
        version=1,
        description="Add one.",
        data=lambda: Splits(ROWS[:3], ROWS[3:4], ROWS[4:]),
        to_sample=lambda row, index: Sample(str(index), {{"text": row["text"]}}, row["answer"]),
        prompts=PromptSet({{"plain": "{{text}} + 1"}}),
        output="generate",
        metrics=("exact_match",),
        primary_metric="exact_match",
    )
"""
"""The same task as a plugin file; `SOURCE.format(name=…)`."""


def rows(first: int, last: int) -> list[Row]:
    return [{"text": str(number), "answer": str(number + 1)} for number in range(first, last)]


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index), fields={"text": row["text"]}, target=row["answer"], choices=row.get("choices", ())
    )


def adding(**changes: Any) -> Task:
    """The task, with some of its fields changed."""
    task = Task(
        name="adding",
        version=1,
        description="Add one.",
        data=lambda: Splits(rows(0, 6), rows(6, 8), rows(8, 12)),
        to_sample=to_sample,
        prompts=PromptSet({"plain": "{text} + 1"}),
        output="generate",
        metrics=("exact_match",),
        primary_metric="exact_match",
    )
    return dataclasses.replace(task, **changes)


def besides_power(findings: Iterable[Finding]) -> list[Finding]:
    """Findings but for what so few test samples can show, and what metrics give without skill, which have tests of
    their own."""
    told_elsewhere = ("Assumed: two arms differ", LEVELS_LEDE)
    return [finding for finding in findings if not any(text in finding.message for text in told_elsewhere)]


def plugins_of(task: Task, folder: Any = None) -> dict[str, Plugin]:
    """The task as the only plugin there is."""
    return {task.name: Plugin(task.name, "a test", folder, lambda: lambda: task)}
