"""The human check of a prompt set: what is reviewed, what people said of it, and what they have not seen yet.

A verdict is locked to what was read, by a hash of the rendered prompt with its targets and choices. An edit
of a template changes all its prompts, an edit of a sample only its own; a verdict on what was there before is
stale. Verdicts lie beside the task in `reviews.jsonl`, one a line; a later line of the same person on the
same prompt replaces an earlier one.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from harness.authoring.review.items import Item, Prompts, Where
from harness.data.dataset import Dataset, load_dataset
from harness.errors import UserError
from harness.plugins.registry import Plugin, load_task
from harness.records.store import atomic_write
from harness.task import Task
from harness.toml import Frozen, first_fault

REVIEWS = "reviews.jsonl"
PER_TEMPLATE = 5
"""Samples shown in each template without demonstrations; one prompt with demonstrations comes on top."""

Opinion = Literal["accept", "reject", "fix"]
Status = Literal["accepted", "rejected", "to fix", "stale", "open"]

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Verdict(Frozen):
    """What one person says of one prompt: a line of `reviews.jsonl`."""

    item: str = Field(pattern=r"^[0-9a-f]{16}$")
    """The hash of what was read."""

    template: str
    sample: str
    """Its split and id, `test/17`: where it was when it was read."""

    few_shot: bool = False
    """Whether the prompt had demonstrations."""

    verdict: Opinion
    note: Annotated[str, StringConstraints(strip_whitespace=True)] = ""
    """Why it is rejected, or the wording proposed."""

    reviewer: _Line
    reviewed_at: date

    @model_validator(mode="after")
    def _has_a_note(self) -> "Verdict":
        if self.verdict != "accept" and not self.note:
            raise ValueError(f"'{self.verdict}' needs a note: {_NOTES[self.verdict]}")
        return self

    @property
    def where(self) -> Where:
        """The place in the prompt set that it spoke of."""
        return Where(self.template, self.sample, self.few_shot)


_NOTES = {"reject": "say what is wrong", "fix": "propose the wording it should have"}


@dataclass(frozen=True)
class ItemState:
    """One prompt with what people said of it."""

    item: Item
    verdicts: tuple[Verdict, ...]
    """On just this prompt, the last of each reviewer."""

    earlier: tuple[Verdict, ...]
    """On what stood in its place before, the last of each reviewer."""

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
        """Whether this person has a verdict on just this prompt."""
        return any(verdict.reviewer == reviewer for verdict in self.verdicts)


@dataclass(frozen=True)
class ReviewState:
    """How far the review of a prompt set has come."""

    items: tuple[ItemState, ...]
    gone: tuple[Verdict, ...]
    """On prompts whose template or sample is no longer there."""

    @cached_property
    def counts(self) -> "Counter[Status]":
        """Items by status."""
        return Counter(state.status for state in self.items)

    @property
    def judged(self) -> int:
        """Items on which at least one person has a verdict that holds."""
        return sum(bool(state.verdicts) for state in self.items)

    @property
    def reviewed(self) -> float | None:
        """The share of items with a verdict that holds; None when nobody ever gave one."""
        return self.judged / len(self.items) if self._seen else None

    @property
    def accepted(self) -> float | None:
        """The share of items that everyone who judged them accepts; None when nobody ever gave a verdict."""
        return self.counts["accepted"] / len(self.items) if self._seen else None

    @property
    def summary(self) -> str:
        """`12 of 18 prompts reviewed: 11 accepted, 1 to fix, 3 stale`."""
        total = len(self.items)
        if not self._seen:
            return f"none of {total} prompts reviewed"
        statuses: tuple[Status, ...] = ("accepted", "rejected", "to fix", "stale")
        parts = [f"{self.counts[status]} {status}" for status in statuses if self.counts[status]]
        disputed = sum(state.disputed for state in self.items)
        if disputed:
            parts.append(f"reviewers disagree on {disputed}")
        if self.gone:
            parts.append(f"{len(self.gone)} no longer in the set")
        return f"{self.judged} of {total} prompts reviewed: {', '.join(parts)}"

    @property
    def _seen(self) -> bool:
        return bool(self.gone) or any(state.verdicts or state.earlier for state in self.items)


@dataclass(frozen=True)
class Review:
    """A task under review."""

    task: Task
    dataset: Dataset
    path: Path
    """Where its verdicts lie."""

    per_template: int
    verdicts: tuple[Verdict, ...]

    @cached_property
    def state(self) -> ReviewState:
        """What has been said of what."""
        return review_state(self.task, self.dataset, self.verdicts, per_template=self.per_template)


@dataclass(frozen=True)
class Imported:
    """What became of a file of verdicts."""

    taken: int
    refused: tuple[str, ...]
    """A sentence for each verdict that no longer speaks of anything in the set."""


def open_review(
    name: str, plugins: Mapping[str, Plugin], *, path: Path | None = None, per_template: int = PER_TEMPLATE
) -> Review:
    """Load a task with its verdicts; they lie in `path`, or beside the task. Raises `UserError`."""
    task = load_task(name, plugins)
    if path is None:
        folder = plugins[name].folder
        if folder is None:
            raise UserError(
                f"task '{name}' ({plugins[name].source}) has no folder to keep verdicts in; say where with --reviews FILE"
            )
        path = folder / REVIEWS
    return Review(task, load_dataset(task), path, per_template, tuple(read_verdicts(path)))


def reviewed_share(task: Task, dataset: Dataset, folder: Path | None) -> float | None:
    """The share of a task's prompts that people have reviewed; None when nobody has. `folder` is the
    plugin's.

    `dataset` is the task's own, without another test seed: people read what the task shows by itself.
    """
    if folder is None or not (folder / REVIEWS).is_file():
        return None
    return review_state(task, dataset, read_verdicts(folder / REVIEWS)).reviewed


def read_verdicts(path: Path) -> list[Verdict]:
    """Every verdict of a file in its order; none where there is no file. Raises `UserError` naming the line
    at fault."""
    if not path.is_file():
        return []
    verdicts = []
    try:
        # Not str.splitlines, which also cuts at the separators that a JSON string may hold, such as U+2028.
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line.strip():
                verdicts.append(_parse(line, f"{path}, line {number}"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text: {error}; nothing was changed") from None
    return verdicts


def _parse(line: str, where: str) -> Verdict:
    try:
        return Verdict.model_validate_json(line)
    except ValidationError as error:
        fault = first_fault(error, Verdict)
        raise UserError(f"{where}: {fault}; correct or remove this line, nothing was changed") from None


def add_verdicts(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Append verdicts to a file, all or none. Raises `UserError`, and changes nothing, when the file is
    malformed."""
    read_verdicts(path)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text and not text.endswith("\n"):
        text += "\n"
    lines = (json.dumps(verdict.model_dump(mode="json"), ensure_ascii=False) for verdict in verdicts)
    with atomic_write(path) as file:
        file.write(text + "".join(f"{line}\n" for line in lines))


def judge(item: Item, verdict: Opinion, *, note: str = "", reviewer: str, on: date) -> Verdict:
    """A verdict on one prompt as it stands. Raises `UserError` for a missing note or an unreadable name."""
    try:
        return Verdict(
            item=item.id,
            template=item.where.template,
            sample=item.where.sample,
            few_shot=item.where.few_shot,
            verdict=verdict,
            note=note,
            reviewer=reviewer,
            reviewed_at=on,
        )
    except ValidationError as error:
        raise UserError(f"the verdict on {item.where}: {first_fault(error, Verdict)}") from None


def import_verdicts(review: Review, file: Path) -> Imported:
    """Merge the verdicts that a reviewer downloaded from the page; refuse those on prompts that have changed
    or gone.

    Raises `UserError`, and takes nothing, when the file is missing, empty or malformed.
    """
    if not file.is_file():
        raise UserError(f"{file}: no such file; the button of the page that --html writes makes one")
    brought = read_verdicts(file)
    if not brought:
        raise UserError(f"{file}: no verdicts in it; judge some prompts on the page first")
    # The page may show more prompts than are drawn here: with the verdicts themselves, all that still stand
    # are found.
    state = review_state(
        review.task, review.dataset, (*review.verdicts, *brought), per_template=review.per_template
    )
    standing = {shown.item.id: shown.item for shown in state.items}
    gone = {verdict.where for verdict in state.gone}
    last = {(verdict.item, verdict.reviewer): verdict for verdict in review.verdicts}
    taken, refused = [], []
    for verdict in brought:
        if verdict.item not in standing:
            why = "is no longer in the task" if verdict.where in gone else "has been edited since it was read"
            refused.append(f"{verdict.where} {why}; '{verdict.verdict}' by {verdict.reviewer} was not taken")
            continue
        # The names in the file passed through a page, which may have spelt out characters that cannot be
        # seen.
        where = standing[verdict.item].where
        verdict = verdict.model_copy(
            update={"template": where.template, "sample": where.sample, "few_shot": where.few_shot}
        )
        if last.get((verdict.item, verdict.reviewer)) != verdict:
            last[verdict.item, verdict.reviewer] = verdict
            taken.append(verdict)
    if taken:
        add_verdicts(review.path, taken)
    return Imported(len(taken), tuple(refused))


def state_record(review: Review) -> dict[str, Any]:
    """The review as plain data, for scripts and for the page."""
    state = review.state
    return {
        "task": review.task.name,
        "version": review.task.version,
        "description": review.task.description,
        "summary": state.summary,
        "reviewed": state.reviewed,
        "accepted": state.accepted,
        "templates": dict(review.task.prompts.templates),
        "items": [_item_record(shown) for shown in state.items],
        "gone": [verdict.model_dump(mode="json") for verdict in state.gone],
    }


def _item_record(shown: ItemState) -> dict[str, Any]:
    item = shown.item
    return {
        "item": item.id,
        "template": item.where.template,
        "sample": item.where.sample,
        "few_shot": item.where.few_shot,
        "status": shown.status,
        "disputed": shown.disputed,
        "prompt": item.rendered.text,
        "before": item.rendered.before,
        "targets": list(item.targets),
        "after": item.rendered.after,
        "choices": list(item.choices),
        "verdicts": [verdict.model_dump(mode="json") for verdict in shown.verdicts],
        "earlier": [verdict.model_dump(mode="json") for verdict in shown.earlier],
    }


def review_state(
    task: Task, dataset: Dataset, verdicts: Sequence[Verdict], *, per_template: int = PER_TEMPLATE
) -> ReviewState:
    """What is to be reviewed, and what has been said of it.

    To the prompts that are drawn come those that somebody judged and that are still there, so that no verdict
    is lost from sight when an edit or a new row changes the draw.
    """
    prompts = Prompts(task, dataset)
    items = {item.id: item for item in prompts.drawn(per_template)}
    at = {item.where: item for item in items.values()}
    gone = []
    for verdict in verdicts:
        if verdict.item in items or verdict.where in at:
            continue
        item = prompts.find(verdict.where)
        if item is None:
            gone.append(verdict)
            continue
        at[verdict.where] = items.setdefault(item.id, item)
    current = _by_item((verdict.item, verdict) for verdict in verdicts if verdict.item in items)
    earlier = _by_item(
        (at[verdict.where].id, verdict)
        for verdict in verdicts
        if verdict.item not in items and verdict.where in at
    )
    order = list(task.prompts.templates)
    return ReviewState(
        items=tuple(
            ItemState(item, current.get(item.id, ()), earlier.get(item.id, ()))
            for item in sorted(items.values(), key=lambda item: order.index(item.where.template))
        ),
        gone=tuple(gone),
    )


def _by_item(said: Iterable[tuple[str, Verdict]]) -> dict[str, tuple[Verdict, ...]]:
    """Item to the last verdict of each of its reviewers."""
    last: dict[str, dict[str, Verdict]] = {}
    for item, verdict in said:
        last.setdefault(item, {})[verdict.reviewer] = verdict
    return {item: tuple(by_reviewer.values()) for item, by_reviewer in last.items()}
