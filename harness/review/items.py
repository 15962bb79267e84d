"""Choose the prompts that people read of a task: a few samples in every template, the same ones tomorrow."""

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from harness.data.dataset import Dataset
from harness.errors import UserError
from harness.task import Rendered, Sample, Task
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import render

POOL = 64
"""Training samples from which the demonstrations of a reviewed prompt are drawn. A run draws from all of
them; a few that are chosen by their content stay when the data grows, and so do the verdicts on them."""

SPLITS = ("test", "train", "dev")
"""Samples come from each split in turn, in this order."""


@dataclass(frozen=True)
class PromptPlace:
    """A place in a prompt set; what stands there may change."""

    template: str
    sample: str
    """Its split and id: `test/17`."""

    few_shot: bool
    """Whether the prompt has demonstrations."""

    def __str__(self) -> str:
        return f"{self.sample} in '{self.template}'{' with demonstrations' if self.few_shot else ''}"


@dataclass(frozen=True)
class ReviewItem:
    """One prompt to be reviewed, with what is expected as its answer."""

    id: str
    """Sixteen hex digits that change whenever anything below does, its sample's name aside."""

    place: PromptPlace
    rendered: Rendered
    targets: tuple[str, ...]
    choices: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """A sample that may be drawn."""

    split: str
    sample: Sample
    digest: bytes
    """Of its content, whatever its id."""

    label: int
    """The place of the right answer among the choices; 0 for tasks without choices."""

    @property
    def name(self) -> str:
        return f"{self.split}/{self.sample.id}"


def _entry(task: Task, split: str, sample: Sample) -> _Entry:
    conversation = [sample.messages, sample.tools] if sample.messages else []
    digest = _digest([dict(sample.fields), sample.targets, sample.choices, *conversation])
    label = sample.choices.index(sample.targets[0]) if task.output == "choice" else 0
    return _Entry(split, sample, digest, label)


class Prompts:
    """The prompts of a task, rendered when they are asked for."""

    def __init__(self, task: Task, dataset: Dataset) -> None:
        self._task, self._dataset = task, dataset
        self._entries: list[_Entry] = []
        for split in SPLITS:
            self._entries += [_entry(task, split, sample) for sample in getattr(dataset, split)]

    @cached_property
    def _by_name(self) -> dict[str, _Entry]:
        return {entry.name: entry for entry in self._entries}

    @cached_property
    def _pool(self) -> Sequence[Sample]:
        if self._task.prompts.demonstrations == "fixed":
            return self._dataset.train
        training = (entry for entry in self._entries if entry.split == "train")
        return [entry.sample for entry in heapq.nsmallest(POOL, training, key=attrgetter("digest"))]

    def drawn(self, per_template: int) -> list[ReviewItem]:
        """For each template `per_template` prompts without demonstrations, and one with them."""
        items = []
        for template in self._task.prompts.templates:
            entries = _draw(self._entries, template, per_template)
            items += [self._item(template, entry, few_shot=False) for entry in entries]
            # The first entry is of the test split, whose samples are never demonstrations themselves.
            if self._task.prompts.num_fewshot:
                items.append(self._item(template, entries[0], few_shot=True))
        return items

    def find(self, place: PromptPlace) -> ReviewItem | None:
        """What stands in a place now; None when its template or its sample is gone."""
        if place.template not in self._task.prompts.templates or place.sample not in self._by_name:
            return None
        if place.few_shot and not self._task.prompts.num_fewshot:
            return None
        return self._item(place.template, self._by_name[place.sample], few_shot=place.few_shot)

    def _item(self, template: str, entry: _Entry, *, few_shot: bool) -> ReviewItem:
        task, sample = self._task, entry.sample
        demonstrations: Sequence[Sample] = ()
        if few_shot:
            count = min(task.prompts.num_fewshot, len(self._pool))
            demonstrations = choose_demonstrations(task.prompts, self._pool, [sample], count=count, seed=0)[0]
        try:
            rendered = render(task.prompts, sample, template=template, demonstrations=demonstrations)
        except UserError as error:  # the task's own rendering
            raise UserError(f"task '{task.name}', template '{template}', {entry.name}: {error}") from error
        except Exception as error:
            # A field's format: the plugin's fault, to be named as such.
            raise UserError(
                f"task '{task.name}', template '{template}': sample {entry.name} cannot be rendered: "
                f"{type(error).__name__}: {error}"
            ) from error
        content = [template, rendered.record(), sample.targets, sample.choices]
        place = PromptPlace(template, entry.name, few_shot)
        return ReviewItem(_digest(content).hex()[:16], place, rendered, sample.targets, sample.choices)


def _draw(entries: Sequence[_Entry], template: str, count: int) -> list[_Entry]:
    """`count` samples for a template, from each split in turn, spread over the labels as evenly as possible.

    Within a split and a label they are ordered by a hash of their content that differs between templates, so
    that a new row displaces at most one other row.
    """
    groups: dict[tuple[str, int], list[_Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.split, entry.label), []).append(entry)

    def order(entry: _Entry) -> bytes:
        return hashlib.sha256(template.encode() + entry.digest).digest()

    def turn(group: tuple[str, int]) -> tuple[int, int, int, bytes]:
        # The split that was drawn from least comes next, and in it the label that was drawn least.
        split, label = group
        tie_break = hashlib.sha256(f"{template}/{label}".encode()).digest()
        return drawn_per_split[split], SPLITS.index(split), drawn_per_label[label], tie_break

    waiting = {group: heapq.nsmallest(count, members, key=order) for group, members in groups.items()}
    drawn_per_split: Counter[str] = Counter()
    drawn_per_label: Counter[int] = Counter()
    drawn: list[_Entry] = []
    while len(drawn) < count and waiting:
        split, label = group = min(waiting, key=turn)
        drawn.append(waiting[group].pop(0))
        if not waiting[group]:
            del waiting[group]
        drawn_per_split[split] += 1
        drawn_per_label[label] += 1
    return drawn


def _digest(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
