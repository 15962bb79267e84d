"""How far the review of a prompt set has come: which prompts are to be read, and what people said of each.

An edit of a template changes all its prompts, an edit of a sample only its own; a verdict on what was there
before is stale.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from harness.counts import count_of
from harness.data.dataset import Dataset
from harness.review.items import Prompts, ReviewItem
from harness.review.verdicts import REVIEWS, PromptVerdict, read_verdicts
from harness.task import Task

PER_TEMPLATE = 5
"""Samples shown in each template without demonstrations; one prompt with demonstrations comes on top."""

Status = Literal["accepted", "rejected", "to fix", "stale", "open"]


@dataclass(frozen=True)
class ItemState:
    """One prompt with what people said of it."""

    item: ReviewItem
    verdicts: tuple[PromptVerdict, ...]
    """On exactly this prompt, the latest of each reviewer."""

    earlier: tuple[PromptVerdict, ...]
    """On what stood in its place before an edit, the latest of each reviewer."""

    @property
    def status(self) -> Status:
        """The most severe of the current verdicts; without one, `stale` or `open`."""
        opinions = {verdict.verdict for verdict in self.verdicts}
        if "reject" in opinions:
            return "rejected"
        if "fix" in opinions:
            return "to fix"
        if "accept" in opinions:
            return "accepted"
        return "stale" if self.earlier else "open"

    @property
    def disputed(self) -> bool:
        """Whether reviewers disagree."""
        return len({verdict.verdict for verdict in self.verdicts}) > 1

    def judged_by(self, reviewer: str) -> bool:
        """Whether this person gave a verdict on exactly this prompt."""
        return any(verdict.reviewer == reviewer for verdict in self.verdicts)


@dataclass(frozen=True)
class ReviewState:
    """How far the review of a prompt set has come."""

    items: tuple[ItemState, ...]
    gone: tuple[PromptVerdict, ...]
    """On prompts whose template or sample is no longer there."""

    @cached_property
    def counts(self) -> "Counter[Status]":
        """The number of prompts of each status."""
        return Counter(state.status for state in self.items)

    @property
    def judged(self) -> int:
        """The number of prompts with a current verdict."""
        return sum(bool(state.verdicts) for state in self.items)

    @property
    def reviewed(self) -> float | None:
        """The share of prompts with a current verdict; None when nobody ever gave one."""
        return self.judged / len(self.items) if self._has_verdicts else None

    @property
    def accepted(self) -> float | None:
        """The share of prompts accepted by everyone who judged them; None when nobody ever gave a verdict."""
        return self.counts["accepted"] / len(self.items) if self._has_verdicts else None

    @property
    def summary(self) -> str:
        """`12 of 18 prompts reviewed: 11 accepted, 1 to fix, 3 stale`."""
        prompts = count_of(len(self.items), "prompt")
        if not self._has_verdicts:
            return f"none of {prompts} reviewed"
        statuses: tuple[Status, ...] = ("accepted", "rejected", "to fix", "stale")
        parts = [f"{self.counts[status]} {status}" for status in statuses if self.counts[status]]
        disputed = sum(state.disputed for state in self.items)
        if disputed:
            parts.append(f"reviewers disagree on {disputed}")
        if self.gone:
            parts.append(f"{len(self.gone)} no longer in the set")
        return f"{self.judged:,} of {prompts} reviewed: {', '.join(parts)}"

    @property
    def _has_verdicts(self) -> bool:
        return bool(self.gone) or any(state.verdicts or state.earlier for state in self.items)


def reviewed_share(task: Task, dataset: Dataset, folder: Path | None) -> float | None:
    """The share of a task's prompts that people have reviewed; None when nobody has.

    `dataset` is the task's own, without another test seed: people read what the task shows by itself.
    `folder` is the plugin's.
    """
    if folder is None or not os.path.lexists(folder / REVIEWS):
        return None
    return review_state(task, dataset, read_verdicts(folder / REVIEWS)).reviewed


def review_state(
    task: Task, dataset: Dataset, verdicts: Sequence[PromptVerdict], *, per_template: int = PER_TEMPLATE
) -> ReviewState:
    """Which prompts are to be read, and what people said of each.

    Prompts that somebody judged and that still exist are added to those that are drawn, so that no verdict
    drops out of sight when an edit or a new row changes the draw.
    """
    prompts = Prompts(task, dataset)
    items = {item.id: item for item in prompts.drawn(per_template)}
    item_at = {item.place: item for item in items.values()}
    gone = []
    for verdict in verdicts:
        if verdict.item in items or verdict.place in item_at:
            continue
        item = prompts.find(verdict.place)
        if item is None:
            gone.append(verdict)
            continue
        item_at[verdict.place] = items.setdefault(item.id, item)
    current, earlier = _Latest(), _Latest()
    for verdict in verdicts:
        if verdict.item in items:
            current.add(verdict.item, verdict)
        elif verdict.place in item_at:
            # What it was given for has been edited since.
            earlier.add(item_at[verdict.place].id, verdict)
    templates = list(task.prompts.templates)
    in_order = sorted(items.values(), key=lambda item: templates.index(item.place.template))
    states = (ItemState(item, current.of(item.id), earlier.of(item.id)) for item in in_order)
    return ReviewState(tuple(states), tuple(gone))


class _Latest:
    """The latest verdict of each reviewer on each item."""

    def __init__(self) -> None:
        self._by_item: dict[str, dict[str, PromptVerdict]] = {}

    def add(self, item: str, verdict: PromptVerdict) -> None:
        self._by_item.setdefault(item, {})[verdict.reviewer] = verdict

    def of(self, item: str) -> tuple[PromptVerdict, ...]:
        return tuple(self._by_item.get(item, {}).values())
