"""Choose what people are shown of a prompt set: a few samples in every template, the same ones again
tomorrow."""

import dataclasses
import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.data.dataset import Dataset
from harness.errors import UserError
from harness.task import Rendered, Sample, Task
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import render

POOL = 64
"""Training samples from which the demonstrations of a reviewed prompt are drawn. Those of a run are drawn
from all; from a few that are chosen by their content the same are drawn again when the data grows, and the
verdict on them holds."""

SPLITS = ("test", "train", "dev")
"""The order in which samples are taken, in turn."""


@dataclass(frozen=True)
class Where:
    """A place in a prompt set; what stands there may change."""

    template: str
    sample: str
    """Its split and id: `test/17`."""

    few_shot: bool
    """Whether the prompt has demonstrations."""

    def __str__(self) -> str:
        return f"{self.sample} in '{self.template}'{' with demonstrations' if self.few_shot else ''}"


@dataclass(frozen=True)
class Item:
    """One prompt to be reviewed, with what is expected as its answer."""

    id: str
    """Sixteen hex digits that change whenever anything below does, its sample's name aside."""

    where: Where
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

    place: int
    """Where the right answer stands among the choices (the label, where all samples have the same choices),
    else 0."""

    @property
    def name(self) -> str:
        return f"{self.split}/{self.sample.id}"


def _entry(task: Task, split: str, sample: Sample) -> _Entry:
    digest = _digest([dict(sample.fields), sample.targets, sample.choices])
    place = sample.choices.index(sample.targets[0]) if task.output == "choice" else 0
    return _Entry(split, sample, digest, place)


class Prompts:
    """The prompts of a task, rendered when they are asked for."""

    def __init__(self, task: Task, dataset: Dataset) -> None:
        self._task, self._dataset = task, dataset
        self._entries = [
            _entry(task, split, sample) for split in SPLITS for sample in getattr(dataset, split)
        ]

    @cached_property
    def _by_name(self) -> dict[str, _Entry]:
        return {entry.name: entry for entry in self._entries}

    @cached_property
    def _pool(self) -> Sequence[Sample]:
        if self._task.prompts.demonstrations == "fixed":
            return self._dataset.train
        training = (entry for entry in self._entries if entry.split == "train")
        return [chosen.sample for chosen in heapq.nsmallest(POOL, training, key=lambda entry: entry.digest)]

    def drawn(self, per_template: int) -> list[Item]:
        """For each template so many prompts without demonstrations, and one with them."""
        items = []
        for template in self._task.prompts.templates:
            chosen = _draw(self._entries, template, per_template)
            items += [self._item(template, entry, few_shot=False) for entry in chosen]
            # The first is of the test split, whose prompts are never demonstrations themselves.
            if self._task.prompts.num_fewshot:
                items.append(self._item(template, chosen[0], few_shot=True))
        return items

    def find(self, where: Where) -> Item | None:
        """What stands in a place now; None when its template or its sample is gone."""
        if where.template not in self._task.prompts.templates or where.sample not in self._by_name:
            return None
        if where.few_shot and not self._task.prompts.num_fewshot:
            return None
        return self._item(where.template, self._by_name[where.sample], few_shot=where.few_shot)

    def _item(self, template: str, entry: _Entry, *, few_shot: bool) -> Item:
        task, sample = self._task, entry.sample
        demonstrations: Sequence[Sample] = ()
        if few_shot:
            count = min(task.prompts.num_fewshot, len(self._pool))
            demonstrations = choose_demonstrations(task.prompts, self._pool, [sample], count=count, seed=0)[0]
        try:
            rendered = render(task.prompts, sample, template=template, demonstrations=demonstrations)
        except (
            Exception
        ) as error:  # a field's format, or the task's own rendering: the plugin's fault, to be named as such
            raise UserError(
                f"task '{task.name}', template '{template}': sample {entry.name} cannot be rendered: "
                f"{type(error).__name__}: {error}"
            ) from error
        content = [template, dataclasses.asdict(rendered), sample.targets, sample.choices]
        where = Where(template, entry.name, few_shot)
        return Item(_digest(content).hex()[:16], where, rendered, sample.targets, sample.choices)


def _draw(entries: Sequence[_Entry], template: str, count: int) -> list[_Entry]:
    """`count` samples for a template, from each split in turn, and as even over the labels as their number
    allows.

    Within a split and a label they are ordered by a hash of their content, another one for each template, so
    that a new row puts at most one other row out.
    """
    groups: dict[tuple[str, int], list[_Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.split, entry.place), []).append(entry)

    def order(entry: _Entry) -> bytes:
        return hashlib.sha256(template.encode() + entry.digest).digest()

    def turn(group: tuple[str, int]) -> tuple[int, int, int, bytes]:
        split, place = group
        return (
            splits[split],
            SPLITS.index(split),
            places[place],
            hashlib.sha256(f"{template}/{place}".encode()).digest(),
        )

    waiting = {group: heapq.nsmallest(count, members, key=order) for group, members in groups.items()}
    splits: Counter[str] = Counter()
    places: Counter[int] = Counter()
    drawn: list[_Entry] = []
    while len(drawn) < count and waiting:
        split, place = group = min(waiting, key=turn)
        drawn.append(waiting[group].pop(0))
        if not waiting[group]:
            del waiting[group]
        splits[split] += 1
        places[place] += 1
    return drawn


def _digest(content: object) -> bytes:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()
