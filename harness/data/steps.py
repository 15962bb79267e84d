"""Apply a task's steps to its samples and count what each did; and the steps that clean.

`augment.py` has the steps that add samples.
"""

import dataclasses
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import UserError
from harness.plugin_code import plugin_code
from harness.task import Sample, Task
from harness.task.step import SPLITS, TRAIN_ONLY, Step


@dataclass(frozen=True)
class StepCount:
    """What one step did to one split."""

    step: str
    """The step's name; the second of two with the same name ends in ` (2)`."""

    split: str
    before: int
    """Samples before the step."""

    after: int
    changed: int
    """Samples after the step whose question and targets no sample had before."""


def apply_steps(
    task: Task, samples: dict[str, list[Sample]], *, fault_of: Callable[[Sample], str | None] = lambda _: None
) -> tuple[dict[str, list[Sample]], tuple[StepCount, ...]]:
    """Apply the task's steps in order. Returns the samples by split, and a count per step and split.

    `fault_of` says what is wrong with a sample that a step made. Raises `UserError` for a step that fails,
    makes a faulty sample or empties a split.
    """
    counts = []
    names: list[str] = []
    for number, step in enumerate(task.steps):
        names.append(step.name)
        occurrence = names.count(step.name)
        name = step.name if occurrence == 1 else f"{step.name} ({occurrence})"
        subject = f"task '{task.name}': step '{name}'"
        for split in step.splits:
            if split not in SPLITS:
                raise UserError(f"{subject} names split '{split}'; there are {', '.join(SPLITS)}")
            before = samples[split]
            draws = random.Random(f"{task.name}/{number}/{split}")
            after = _applied(step, before, draws, fault_of, subject=f"{subject}, split '{split}'")
            samples = {**samples, split: after}
            counts.append(StepCount(name, split, len(before), len(after), _changed(before, after)))
    return samples, tuple(counts)


def _applied(
    step: Step,
    samples: Sequence[Sample],
    draws: random.Random,
    fault_of: Callable[[Sample], str | None],
    *,
    subject: str,
) -> list[Sample]:
    with plugin_code(subject, "it"):
        after = step.apply(list(samples), draws)
    if not isinstance(after, list) or not all(isinstance(sample, Sample) for sample in after):
        raise UserError(f"{subject}: it returned {type(after).__name__}, expected a list of samples")
    if not after:
        raise UserError(f"{subject}: it leaves no sample")
    unchanged = set(map(id, samples))
    seen: set[str] = set()
    for sample in after:
        fault = None if id(sample) in unchanged else fault_of(sample)
        if fault:
            raise UserError(f"{subject}: it makes a sample that cannot be used: {fault}")
        if sample.id in seen:
            raise UserError(
                f"{subject}: it leaves two samples with the id '{sample.id}'; copies need ids of their own"
            )
        seen.add(sample.id)
    return after


def _changed(before: Sequence[Sample], after: Sequence[Sample]) -> int:
    questions_before = {(_question(sample), sample.targets) for sample in before}
    return sum((_question(sample), sample.targets) not in questions_before for sample in after)


def _question(sample: Sample) -> tuple[object, ...]:
    """What makes two samples the same question: their fields, their choices and their conversation."""
    conversation = json.dumps([sample.messages, sample.tools], sort_keys=True) if sample.messages else ""
    return tuple(sorted(sample.fields.items())), sample.choices, conversation


def deduplicate(*, splits: Sequence[str] = TRAIN_ONLY) -> Step:
    """Keep the first of all samples with the same fields, choices and targets."""

    def apply(samples: list[Sample], _: random.Random) -> list[Sample]:
        distinct: dict[object, Sample] = {}
        for sample in samples:
            distinct.setdefault((_question(sample), sample.targets), sample)
        return list(distinct.values())

    return Step("deduplicate", apply, tuple(splits))


def drop_conflicts(*, splits: Sequence[str] = TRAIN_ONLY) -> Step:
    """Drop every sample whose fields and choices another sample has with other targets: which of them is
    right cannot be told.

    Samples without a field ask nothing, so they cannot contradict each other; all of them stay.
    """

    def apply(samples: list[Sample], _: random.Random) -> list[Sample]:
        answers: dict[object, set[frozenset[str]]] = {}
        for sample in samples:
            answers.setdefault(_question(sample), set()).add(frozenset(sample.targets))
        return [sample for sample in samples if not sample.fields or len(answers[_question(sample)]) == 1]

    return Step("drop_conflicts", apply, tuple(splits))


def normalise_whitespace(*, splits: Sequence[str] = TRAIN_ONLY) -> Step:
    """Turn every run of white space in the fields into one space, or one line break if it holds any, and
    strip the ends.

    Targets and choices stay as they are: white space may be part of an answer.
    """

    def apply(samples: list[Sample], _: random.Random) -> list[Sample]:
        normalised = []
        for sample in samples:
            fields = {name: _one_space(text) for name, text in sample.fields.items()}
            normalised.append(dataclasses.replace(sample, fields=fields))
        return normalised

    return Step("normalise_whitespace", apply, tuple(splits))


def _one_space(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
