"""Turn a task's rows into samples, checked and cleaned; and cut a training budget from them."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from harness.data.sources import Generated
from harness.data.splits import are_balanced
from harness.data.steps import StepCount, apply_steps
from harness.errors import UserError, suggest
from harness.plugin_code import PluginFault, plugin_code, plugin_session
from harness.task import PromptSet, Row, Sample, Splits, Task
from harness.task.conversation import conversation_fault, turn_text
from harness.task.prompts import fields_of, render, slot_of
from harness.task.step import SPLITS
from harness.visible import is_whole


@dataclass(frozen=True)
class Dataset:
    """A task's samples, ready to render."""

    train: list[Sample]
    dev: list[Sample]
    test: list[Sample]
    fingerprint: str
    """Changes when a sample, its metadata or a prompt does. Not with metrics and clusters, which
    `gainboard score` can bring up to date."""

    steps: tuple[StepCount, ...] = ()
    """What cleaning and augmentation did, per step and split."""

    remarks: tuple[str, ...] = ()
    """What was done to the rows before they became samples: a sentence each."""

    @cached_property
    def originals(self) -> list[Sample]:
        """The training samples without those that augmentation made. A budget counts them, and demonstrations
        are taken from them."""
        return _originals(self.train)


@plugin_session()
def load_dataset(task: Task, *, test_seed: int | None = None) -> Dataset:
    """Call the task's `data`, check every sample, and apply the task's steps.

    `test_seed` draws another test set if the data is generated; other data ignores it. Raises `UserError`
    naming the task, the split and the row.
    """
    draw = task.data
    if test_seed is not None and isinstance(draw, Generated):
        draw = partial(draw, test_seed)
    with plugin_code(f"task '{task.name}'", "its data function"):
        splits = draw()
    if not isinstance(splits, Splits):
        raise UserError(
            f"task '{task.name}': its data function returned {type(splits).__name__}, expected Splits"
        )
    template_fields = _template_fields(task)
    samples = {name: _samples(task, template_fields, name, getattr(splits, name)) for name in SPLITS}
    samples, steps = apply_steps(task, samples, fault_of=partial(_sample_fault, task, template_fields))
    train, dev, test = samples["train"], samples["dev"], samples["test"]
    return Dataset(train, dev, test, _fingerprint(task, train, dev, test), steps, splits.remarks)


def _template_fields(task: Task) -> dict[str, set[str]]:
    """Template to the fields it names. Raises `UserError` for a template that is no format string."""
    fields = {}
    for name, template in task.prompts.templates.items():
        subject = f"task '{task.name}': template '{name}'"
        try:
            fields[name] = fields_of(template)
        except ValueError as error:
            raise UserError(
                f"{subject} is not a format string: {error} (a brace that is meant is doubled)"
            ) from None
        try:
            slot = slot_of(template)
        except ValueError as error:
            raise UserError(f"{subject}: {error}") from None
        right_slot = "[output]" if task.output == "generate" else "<mask>"
        if slot not in (None, right_slot):
            raise UserError(
                f"{subject} has the slot {slot}, and output '{task.output}' takes {right_slot}; "
                "write that instead"
            )
        if task.output == "perplexity" and slot and template.partition(slot)[2].strip():
            raise UserError(
                f"{subject} goes on after {slot}, and the likelihood of a target is measured "
                "up to its own end; put the slot last"
            )
    return fields


def _samples(
    task: Task, template_fields: Mapping[str, set[str]], split: str, rows: Sequence[Row]
) -> list[Sample]:
    subject = f"task '{task.name}', split '{split}'"
    if not isinstance(rows, Sequence):
        raise UserError(f"{subject}: a {type(rows).__name__}, expected a list of rows")
    if len(rows) == 0:
        raise UserError(f"{subject}: no samples; a task needs at least one in each of train, dev and test")
    with plugin_code(subject, "reading its rows"):  # which may be drawn as they are read
        rows = list(rows)
    samples = []
    seen: set[str] = set()
    for index, row in enumerate(rows):
        try:
            sample = _checked(task, template_fields, row, index)
        except UserError as error:
            raise UserError(f"{subject}, row {index}: {error}") from error
        if sample.id in seen:
            raise UserError(
                f"{subject}, row {index}: the id '{sample.id}' is used twice; ids are unique within a split"
            )
        seen.add(sample.id)
        samples.append(sample)
    return samples


def make_sample(task: Task, row: Row, index: int) -> Sample:
    """The sample of one row, checked. Raises `UserError` that says what is wrong with it, but not which row
    it is."""
    return _checked(task, _template_fields(task), row, index)


def _checked(task: Task, template_fields: Mapping[str, set[str]], row: Row, index: int) -> Sample:
    try:
        with plugin_code("", "to_sample"):
            sample = task.to_sample(row, index)
    except PluginFault as end:
        missing = _missing_column(task, row, index) if isinstance(end.error, KeyError) else None
        raise UserError(missing or str(end)) from end.error
    if not isinstance(sample, Sample):
        raise UserError(f"to_sample returned {type(sample).__name__}, expected a Sample")
    fault = _sample_fault(task, template_fields, sample)
    if fault:
        raise UserError(fault)
    return sample


class _Columns(dict[str, object]):
    """A row that says when it lacks a column, so that any other missing key can be told apart."""

    def __missing__(self, column: str) -> object:
        columns = [str(name) for name in self]
        listing, hint = ", ".join(columns) or "none", suggest(str(column), columns)
        raise UserError(f"the row has no column '{column}'; it has {listing}.{hint}")


def _missing_column(task: Task, row: Row, index: int) -> str | None:
    try:
        with plugin_code("", "to_sample"):
            task.to_sample(_Columns(row), index)
    except PluginFault:  # the user is told the first error instead
        return None
    except UserError as error:
        return str(error)
    return None


def _sample_fault(task: Task, template_fields: Mapping[str, set[str]], sample: Sample) -> str | None:
    """What is wrong with a sample, in words, or None."""
    must_choose = "choice" in (task.output, task.structured_outputs)
    # In tasks of other harnesses the right answer may be to write nothing; what an author of ours forgot is a
    # fault.
    may_be_empty = task.prompts.render is not None and task.output == "generate"
    return (
        _type_fault(sample, may_be_empty=may_be_empty)
        or _field_fault(template_fields, sample)
        or (_choice_fault(sample) if must_choose else None)
        or _unfilled(task.prompts, sample)
    )


def _type_fault(sample: Sample, *, may_be_empty: bool) -> str | None:
    """Which part of a sample has not the type that `Sample` declares. `may_be_empty`: its targets."""
    if not isinstance(sample.id, str) or not sample.id:
        return f"the id {sample.id!r} is not a non-empty text"
    subject = f"sample '{sample.id}'"
    for name, texts in (("fields", sample.fields), ("metadata", sample.metadata)):
        if not isinstance(texts, Mapping):
            return f"{subject} has the {name} {texts!r}; they must be a dict from names to texts"
    if not _are_texts(sample.fields):
        return f"{subject} has a field that is not a text; templates take texts only"
    if not isinstance(sample.choices, tuple) or not all(map(_is_text, sample.choices)):
        return f"{subject} has the choices {sample.choices!r}; choices are a tuple of non-empty texts"
    targets = sample.target if isinstance(sample.target, tuple) else (sample.target,)
    if not targets or not all(_is_text(target) or (may_be_empty and target == "") for target in targets):
        return f"{subject} has the target {sample.target!r}; a target is a non-empty text or a tuple of them"
    if not _are_texts(sample.metadata):
        return f"{subject} has metadata that is not a text; turn it into one, JSON for instance"
    if not isinstance(sample.cluster, str):
        return (
            f"{subject} has the cluster {sample.cluster!r}; a cluster is a text, or empty for a sample alone"
        )
    fault = conversation_fault(sample)
    if fault:
        return f"{subject} {fault}"
    if not _is_written_in_utf8(sample):
        return f"{subject} holds half of a surrogate pair, which is no text; repair or remove the row"
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(mapping: Mapping[str, str]) -> bool:
    return all(isinstance(name, str) and isinstance(text, str) for name, text in mapping.items())


def _is_written_in_utf8(sample: Sample) -> bool:
    """Whether no text holds half of a surrogate pair, which JSON allows and no file can hold."""
    texts = (*sample.fields.values(), *sample.targets, *sample.choices, *sample.metadata.values())
    turns = map(turn_text, sample.messages)
    return is_whole("".join((sample.id, sample.cluster, *texts, *turns)))


def _field_fault(template_fields: Mapping[str, set[str]], sample: Sample) -> str | None:
    """Which field of a template the sample lacks."""
    for name, fields in template_fields.items():
        for field in fields - sample.fields.keys():
            listing = ", ".join(sorted(sample.fields)) or "none"
            hint = (
                f".{suggest(field, sample.fields)}"
                if field.isidentifier()
                else " (a brace that is meant is doubled)"
            )
            return f"template '{name}' asks for field '{field}', the sample has {listing}{hint}"
    return None


def _choice_fault(sample: Sample) -> str | None:
    """Why the choices do not allow an answer that must be one of them."""
    if len(set(sample.choices)) < 2:
        return f"sample '{sample.id}' needs at least two different choices; it has {list(sample.choices)}"
    for target in sample.targets:
        if target not in sample.choices:
            allowed = ", ".join(repr(choice) for choice in sample.choices)
            return f"target '{target}' of sample '{sample.id}' is not among its choices {allowed}"
    return None


def _unfilled(prompts: PromptSet, sample: Sample) -> str | None:
    """Which template cannot be filled with the sample's fields, in words, or None. It may depend on the
    sample: a format can read a field."""
    if prompts.render is not None:
        return None  # the templates of another harness only have names
    for name in prompts.templates:
        try:
            render(prompts, sample, template=name)
        except (ValueError, LookupError, AttributeError) as error:
            return (
                f"template '{name}' cannot be filled with the fields of sample '{sample.id}': "
                f"{type(error).__name__}: {error} "
                "(a field is a text: {name}, or {name:>8} in a format for texts)"
            )
    return None


def part_fingerprints(task: Task, dataset: Dataset) -> dict[str, str]:
    """By the name of a part of what a fingerprint is of, that of the part: where two
    of them differ, these say in what."""
    splits = {"train": dataset.train, "dev": dataset.dev, "test": dataset.test}
    samples = {f"{name} samples": _fingerprint(task, split) for name, split in splits.items()}
    return {"prompts": _fingerprint(task), **samples}


def _fingerprint(task: Task, *splits: list[Sample]) -> str:
    digest = hashlib.sha256()
    prompts = {field.name: getattr(task.prompts, field.name) for field in dataclasses.fields(task.prompts)}
    declared = {
        "prompts": {name: value for name, value in prompts.items() if name != "render"},
        "output": task.output,
        "max_tokens": task.max_tokens,
        "stop": task.stop,
        "structured_outputs": task.structured_outputs,
        "truncation_side": task.truncation_side,
    }
    digest.update(json.dumps(declared, sort_keys=True, default=dict).encode())
    for samples in splits:
        for sample in samples:
            content = [
                sample.id,
                dict(sample.fields),
                sample.targets,
                sample.choices,
                dict(sample.metadata),
                sample.copy_of,
                *([sample.messages, sample.tools] if sample.messages else ()),
            ]
            digest.update(json.dumps(content, sort_keys=True).encode())
        digest.update(b"|")
    return digest.hexdigest()[:16]


def training_subset(train: Sequence[Sample], n_train: int | None) -> list[Sample]:
    """The first `n_train` samples of a fixed order, so that a larger budget contains every smaller one. None:
    all.

    The order is a shuffle in which every beginning has the labels in about the proportions of the whole.
    Augmented copies do not count; each follows the sample it was made from.
    """
    originals = _originals(train)
    original_ids = {sample.id for sample in originals}
    copies: dict[str, list[Sample]] = {}
    for sample in train:
        if sample.id not in original_ids:
            copies.setdefault(sample.copy_of, []).append(sample)
    chosen = balanced_order(originals)[:n_train]
    subset: list[Sample] = []
    for original in chosen:
        subset += [original, *copies.get(original.id, ())]
    return subset


def _originals(train: Sequence[Sample]) -> list[Sample]:
    """Samples that are not copies, and copies whose original a later step removed."""
    ids = {sample.id for sample in train}
    return [sample for sample in train if sample.copy_of not in ids]


def balanced_order(samples: Sequence[Sample]) -> list[Sample]:
    """A fixed shuffle, with the samples of every label spread evenly over it if there are few labels."""
    shuffled = [samples[index] for index in random.Random(0).sample(range(len(samples)), len(samples))]
    by_label: dict[str, list[int]] = {}
    for place, sample in enumerate(shuffled):
        by_label.setdefault(sample.targets[0], []).append(place)
    if not are_balanced(len(by_label), len(samples)):
        return shuffled
    # The j-th of the m samples of a label goes to (j + ½)/m of the whole order.
    order: list[tuple[float, int]] = []
    for places in by_label.values():
        order += [((index + 0.5) / len(places), place) for index, place in enumerate(places)]
    return [shuffled[place] for _, place in sorted(order)]
