"""A task under review: open it with its verdicts, merge downloaded ones, give its state to scripts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.data.dataset import Dataset, load_dataset
from harness.errors import UserError
from harness.plugins.registry import Plugin, load_task
from harness.review.state import PER_TEMPLATE, ItemState, ReviewState, review_state
from harness.review.verdicts import REVIEWS, PromptVerdict, add_verdicts, read_verdicts
from harness.task import Task


@dataclass(frozen=True)
class Review:
    """A task under review."""

    task: Task
    dataset: Dataset
    path: Path
    """PromptPlace its verdicts lie."""

    per_template: int
    verdicts: tuple[PromptVerdict, ...]

    @cached_property
    def state(self) -> ReviewState:
        """How far it has come."""
        return review_state(self.task, self.dataset, self.verdicts, per_template=self.per_template)


@dataclass(frozen=True)
class MergedVerdicts:
    """What became of a file of verdicts."""

    n_added: int
    refused: tuple[str, ...]
    """A sentence for each verdict on a prompt that is no longer in the set."""


def open_review(
    name: str, plugins: Mapping[str, Plugin], *, path: Path | None = None, per_template: int = PER_TEMPLATE
) -> Review:
    """Load a task with its verdicts; they lie in `path`, or beside the task. Raises `UserError`."""
    task = load_task(name, plugins)
    if path is None:
        folder = plugins[name].folder
        if folder is None:
            raise UserError(
                f"task '{name}' ({plugins[name].source}) has no folder to keep verdicts in; say where "
                "with --reviews FILE"
            )
        path = folder / REVIEWS
    return Review(task, load_dataset(task), path, per_template, tuple(read_verdicts(path)))


def import_verdicts(review: Review, file: Path) -> MergedVerdicts:
    """Merge the verdicts that a reviewer downloaded from the page, but for those on prompts that were edited
    or removed.

    Raises `UserError`, and adds nothing, when the file is missing, empty or malformed.
    """
    if not os.path.lexists(file):
        raise UserError(f"{file}: no such file; the button of the page that --html writes makes one")
    downloaded = read_verdicts(file)
    if not downloaded:
        raise UserError(f"{file}: no verdicts in it; judge some prompts on the page first")
    # The page may show prompts that are not drawn here. Prompts with a verdict are always part of the state,
    # so with the downloaded verdicts it holds all of them that still exist.
    state = review_state(
        review.task, review.dataset, (*review.verdicts, *downloaded), per_template=review.per_template
    )
    items = {item_state.item.id: item_state.item for item_state in state.items}
    gone = {verdict.place for verdict in state.gone}
    latest = {(verdict.item, verdict.reviewer): verdict for verdict in review.verdicts}
    added, refused = [], []
    for verdict in downloaded:
        if verdict.item not in items:
            why = "is no longer in the task" if verdict.place in gone else "has been edited since it was read"
            refused.append(f"{verdict.place} {why}; '{verdict.verdict}' by {verdict.reviewer} was not taken")
            continue
        # The page may have spelt out invisible characters in the names, so they are taken from the item.
        place = items[verdict.item].place
        verdict = verdict.model_copy(
            update={"template": place.template, "sample": place.sample, "few_shot": place.few_shot}
        )
        if latest.get((verdict.item, verdict.reviewer)) != verdict:
            latest[verdict.item, verdict.reviewer] = verdict
            added.append(verdict)
    if added:
        add_verdicts(review.path, added)
    return MergedVerdicts(len(added), tuple(refused))


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
        "items": [_item_record(item_state) for item_state in state.items],
        "gone": [verdict.model_dump(mode="json") for verdict in state.gone],
    }


def _item_record(item_state: ItemState) -> dict[str, Any]:
    item = item_state.item
    return {
        "item": item.id,
        "template": item.place.template,
        "sample": item.place.sample,
        "few_shot": item.place.few_shot,
        "status": item_state.status,
        "disputed": item_state.disputed,
        "prompt": item.rendered.text,
        "before": item.rendered.before,
        "targets": list(item.targets),
        "after": item.rendered.after,
        "choices": list(item.choices),
        "verdicts": [verdict.model_dump(mode="json") for verdict in item_state.verdicts],
        "earlier": [verdict.model_dump(mode="json") for verdict in item_state.earlier],
    }
