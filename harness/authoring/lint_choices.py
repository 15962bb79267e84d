"""Find what would blur a task's scores in the choices that its samples offer."""

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.counts import agreeing, count_of
from harness.data.dataset import Dataset
from harness.data.splits import are_balanced
from harness.task import Sample, Task
from harness.task.prompts import render

RARE = 5
"""A class is rare below an even share divided by this."""


def choice_faults(task: Task, dataset: Dataset, searched: Sequence[Sample]) -> list[str]:
    """Faults of choices, one sentence each. `searched`: test samples whose wordings are looked at."""
    return [
        *_repeated_choices(dataset.test),
        *_alike_choices(dataset.test),
        *_prefixes(task, searched),
        *_rare_classes(task, dataset),
    ]


def _repeated_choices(samples: Sequence[Sample]) -> list[str]:
    """Choices that a sample offers twice, so that choosing one of the two means nothing."""
    repeating = [sample for sample in samples if len(set(sample.choices)) < len(sample.choices)]
    if not repeating:
        return []
    return [
        f"{len(repeating):,} of {count_of(len(samples), 'test sample')} {agreeing('offer', len(repeating))} "
        f"the same choice twice, the first is sample '{repeating[0].id}'; keep one of each"
    ]


def _alike_choices(samples: Sequence[Sample]) -> list[str]:
    """Choices that nobody can tell apart: mostly labels in two spellings."""
    pairs: dict[tuple[str, str], str] = {}
    for choices, name in {sample.choices: sample.id for sample in reversed(samples)}.items():
        by_folded_text: dict[str, str] = {}
        for choice in choices:
            earlier = by_folded_text.setdefault(choice.strip().casefold(), choice)
            if earlier != choice:
                pairs.setdefault((earlier, choice), name)
    if not pairs:
        return []
    (earlier, later), name = next(iter(pairs.items()))
    return [
        f"choices {earlier!r} and {later!r} differ only in case or outer white space "
        f"({count_of(len(pairs), 'such pair')}, the first in test sample '{name}'); make them one"
    ]


def _prefixes(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Choices whose likelihood includes that of a longer choice."""
    if task.output != "choice":
        return []
    pairs: dict[tuple[str, str], str] = {}
    compared: set[object] = set()
    for name in task.prompts.templates:
        for sample in samples:
            after = render(task.prompts, sample, template=name).after
            if (sample.choices, after) in compared:
                continue
            compared.add((sample.choices, after))
            for choice in sample.choices:
                for longer in sample.choices:
                    if longer != choice and (longer + after).startswith(choice + after):
                        pairs.setdefault((choice, longer), sample.id)
    if not pairs:
        return []
    (choice, longer), sample_id = next(iter(pairs.items()))
    # p("part") includes the probability of all its continuations, "parts" among them.
    return [
        f"choice '{choice}' begins '{longer}' and is never less likely "
        f"({count_of(len(pairs), 'such pair')}, the first in test sample '{sample_id}'); rename one of them, "
        "or end the template in a <mask> slot and a full stop"
    ]


def _rare_classes(task: Task, dataset: Dataset) -> list[str]:
    """Classes with hardly any training samples, if all samples have the same classes."""
    if task.output != "choice" or len({sample.choices for sample in (*dataset.train, *dataset.test)}) > 1:
        return []
    classes, size = dataset.train[0].choices, len(dataset.train)
    if not are_balanced(len(classes), size):
        return []
    counts: Mapping[str, int] = Counter(sample.targets[0] for sample in dataset.train)
    rare = [choice for choice in classes if counts[choice] * len(classes) * RARE < size]
    if not rare:
        return []
    return [
        f"{len(rare):,} of {len(classes):,} classes {agreeing('have', len(rare))} under a fifth of an even "
        f"share of the training samples, the first is '{rare[0]}' with {counts[rare[0]]:,} of {size:,}; "
        "a metric such as f1_macro shows how they fare"
    ]
