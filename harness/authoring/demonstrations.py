"""Try a task's samples as demonstrations: another harness may render them alone, and fail where they are
shown."""

from collections.abc import Sequence

from harness.authoring.lint import spread
from harness.data.dataset import Dataset
from harness.errors import UserError
from harness.task import Sample, Task
from harness.task.prompts import render

SHOWN_SAMPLES = 200
"""Training samples that are each shown before a question."""

ASKED_SAMPLES = 24
"""Test samples that are each asked after a demonstration."""


def demonstration_fault(task: Task, dataset: Dataset) -> str | None:
    """How many samples cannot be shown, or asked after others, and why the first cannot; None where all can.

    Templates of our own are filled with every sample when it is made; only `prompts.render` is tried.
    """
    if task.prompts.render is None:
        return None
    question = dataset.test[0]
    shown_samples = [
        (sample, _fault(task, question, sample)) for sample in spread(dataset.originals, SHOWN_SAMPLES)
    ]
    faults = [(sample, fault) for sample, fault in shown_samples if fault]
    if faults:
        return _sentence(
            "training samples cannot be shown as demonstrations", faults, tried=len(shown_samples)
        )
    demonstration = dataset.originals[0]
    asked_samples = [
        (sample, _fault(task, sample, demonstration)) for sample in spread(dataset.test, ASKED_SAMPLES)
    ]
    faults = [(sample, fault) for sample, fault in asked_samples if fault]
    return (
        _sentence("test samples cannot be asked after demonstrations", faults, tried=len(asked_samples))
        if faults
        else None
    )


def _fault(task: Task, question: Sample, demonstration: Sample) -> str | None:
    template = next(iter(task.prompts.templates))
    try:
        render(task.prompts, question, template=template, demonstrations=[demonstration])
    except UserError as error:
        return str(error)
    return None


def _sentence(problem: str, faults: Sequence[tuple[Sample, str]], *, tried: int) -> str:
    sample, fault = faults[0]
    return f"{len(faults)} of {tried} tried {problem} (the first is '{sample.id}'): {fault}"
