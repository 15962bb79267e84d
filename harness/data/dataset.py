"""Turn a task's rows into samples, once, checked and cleaned; and cut the training budget from them."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.data.sources import Generated
from harness.data.splits import MAX_STRATA
from harness.data.steps import StepCount, apply_steps
from harness.errors import PLUGIN_FAULTS, UserError, raised, suggest
from harness.task import PromptSet, Row, Sample, Splits, Task
from harness.task.prompts import fields_of, render, slot_of
from harness.task.step import SPLITS


@dataclass(frozen=True)
class Dataset:
    """A task's samples, ready to render."""

    train: list[Sample]
    dev: list[Sample]
    test: list[Sample]
    fingerprint: str
    """Changes when a sample, its metadata or a prompt does. Metrics and clusters may change without:
    `gainboard score` brings them up to date."""

    steps: tuple[StepCount, ...] = ()
    """What cleaning and augmentation did."""

    @cached_property
    def originals(self) -> list[Sample]:
        """The training samples without those that augmentation made: what a budget counts and demonstrations
        show."""
        return _originals(self.train)


def load_dataset(task: Task, *, test_seed: int | None = None) -> Dataset:
    """Call the task's `data`, check every sample, and take the task's steps.

    `test_seed` draws another test set where the data is generated, and changes nothing elsewhere. Raises
    `UserError` naming the task, the split and the row.
    """
    try:
        splits = (
            task.data(test_seed)
            if test_seed is not None and isinstance(task.data, Generated)
            else task.data()
        )
    except UserError as error:
        raise type(error)(f"task '{task.name}': {error}") from error
    except PLUGIN_FAULTS as error:  # whatever a plugin raises is the plugin's fault, to be named as such
        raise UserError(f"task '{task.name}': its data function {raised(error)}") from error
    if not isinstance(splits, Splits):
        raise UserError(
            f"task '{task.name}': its data function returned {type(splits).__name__}, expected Splits"
        )
    asked = _asked_fields(task)
    samples = {name: _samples(task, asked, name, getattr(splits, name)) for name in SPLITS}
    samples, steps = apply_steps(task, samples, fault_of=lambda sample: _sample_fault(task, asked, sample))
    train, dev, test = samples["train"], samples["dev"], samples["test"]
    return Dataset(train, dev, test, _fingerprint(task, train, dev, test), steps)


def _asked_fields(task: Task) -> dict[str, set[str]]:
    """Template to the fields it names. Raises `UserError` for a template that is no format string."""
    asked = {}
    for name, template in task.prompts.templates.items():
        where = f"task '{task.name}': template '{name}'"
        try:
            asked[name] = fields_of(template)
        except ValueError as error:
            raise UserError(
                f"{where} is not a format string: {error} (a brace that is meant is doubled)"
            ) from None
        try:
            slot = slot_of(template)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None
        wanted = "[output]" if task.output == "generate" else "<mask>"
        if slot not in (None, wanted):
            raise UserError(
                f"{where} has the slot {slot}, and output '{task.output}' takes {wanted}; write that instead"
            )
        if task.output == "perplexity" and slot and template.partition(slot)[2].strip():
            raise UserError(
                f"{where} goes on after {slot}, and the likelihood of a target is measured "
                "up to its own end; put the slot last"
            )
    return asked


def _samples(task: Task, asked: dict[str, set[str]], split: str, rows: Sequence[Row]) -> list[Sample]:
    where = f"task '{task.name}', split '{split}'"
    if not isinstance(rows, Sequence):
        raise UserError(f"{where}: a {type(rows).__name__}, expected a list of rows")
    if len(rows) == 0:
        raise UserError(f"{where}: no samples; a task needs at least one in each of train, dev and test")
    samples = []
    seen: set[str] = set()
    for index, row in enumerate(rows):
        try:
            sample = _checked(task, asked, row, index)
        except UserError as error:
            raise UserError(f"{where}, row {index}: {error}") from error
        if sample.id in seen:
            raise UserError(
                f"{where}, row {index}: the id '{sample.id}' is used twice; ids are unique within a split"
            )
        seen.add(sample.id)
        samples.append(sample)
    return samples


def make_sample(task: Task, row: Row, index: int) -> Sample:
    """The sample of one row, checked. Raises `UserError` that says what is wrong with it, and not where it
    stands."""
    return _checked(task, _asked_fields(task), row, index)


def _checked(task: Task, asked: dict[str, set[str]], row: Row, index: int) -> Sample:
    try:
        sample = task.to_sample(row, index)
    except PLUGIN_FAULTS as error:  # as above: the plugin's fault
        missing = _missing_column(task, row, index) if isinstance(error, KeyError) else None
        raise UserError(missing or f"to_sample {raised(error)}") from error
    if not isinstance(sample, Sample):
        raise UserError(f"to_sample returned {type(sample).__name__}, expected a Sample")
    fault = _sample_fault(task, asked, sample)
    if fault:
        raise UserError(fault)
    return sample


def _sample_fault(task: Task, asked: dict[str, set[str]], sample: Sample) -> str | None:
    return _fault(task, asked, sample) or _unfilled(task.prompts, sample)


def _unfilled(prompts: PromptSet, sample: Sample) -> str | None:
    """Which template does not take the sample's fields, in words, or None. What fills a format may differ by
    sample."""
    if prompts.render is not None:
        return None  # the templates of another harness only have names
    for name in prompts.templates:
        try:
            render(prompts, sample, template=name)
        except (ValueError, LookupError, AttributeError) as error:
            return (
                f"template '{name}' cannot be filled with the fields of sample '{sample.id}': "
                f"{type(error).__name__}: {error} (a field is a text: {{name}}, or {{name:>8}} in a format for texts)"
            )
    return None


class _Columns(dict[str, object]):
    """A row that tells a column it lacks from any other missing key."""

    def __missing__(self, column: str) -> object:
        known = [str(name) for name in self]
        raise UserError(
            f"the row has no column '{column}'; it has {', '.join(known) or 'none'}.{suggest(str(column), known)}"
        )


def _missing_column(task: Task, row: Row, index: int) -> str | None:
    try:
        task.to_sample(_Columns(row), index)
    except UserError as error:
        return str(error)
    except PLUGIN_FAULTS:  # what it raised at first is what the user is told
        return None
    return None


def _is_written_in_utf8(sample: Sample) -> bool:
    """Not half of a surrogate pair, which JSON may hold and no file takes."""
    try:
        texts = (*sample.fields.values(), *sample.targets, *sample.choices, *sample.metadata.values())
        "".join((sample.id, sample.cluster, *texts)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(task: Task, asked: dict[str, set[str]], sample: Sample) -> str | None:
    """What is wrong with a sample, in words, or None."""
    if not isinstance(sample.id, str) or not sample.id:
        return f"the id {sample.id!r} is not a non-empty text"
    for what, texts in (("fields", sample.fields), ("metadata", sample.metadata)):
        if not isinstance(texts, Mapping):
            return f"sample '{sample.id}' has the {what} {texts!r}; they must be a dict from names to texts"
    if not all(isinstance(text, str) for item in sample.fields.items() for text in item):
        return f"sample '{sample.id}' has a field that is not a text; templates take texts only"
    if not isinstance(sample.choices, tuple) or not all(
        isinstance(choice, str) and choice for choice in sample.choices
    ):
        return (
            f"sample '{sample.id}' has the choices {sample.choices!r}; choices are a tuple of non-empty texts"
        )
    targets = sample.target if isinstance(sample.target, tuple) else (sample.target,)
    if not targets or not all(isinstance(target, str) and target for target in targets):
        return f"sample '{sample.id}' has the target {sample.target!r}; a target is a non-empty text or a tuple of them"
    if not all(isinstance(text, str) for item in sample.metadata.items() for text in item):
        return f"sample '{sample.id}' has metadata that is not a text; turn it into one, JSON for instance"
    if not isinstance(sample.cluster, str):
        return f"sample '{sample.id}' has the cluster {sample.cluster!r}; a cluster is a text, or empty for a sample alone"
    if not _is_written_in_utf8(sample):
        return (
            f"sample '{sample.id}' holds half of a surrogate pair, which is no text; repair or remove the row"
        )
    for name, fields in asked.items():
        for field in fields - sample.fields.keys():
            known = ", ".join(sorted(sample.fields)) or "none"
            hint = (
                f".{suggest(field, sample.fields)}"
                if field.isidentifier()
                else " (a brace that is meant is doubled)"
            )
            return f"template '{name}' asks for field '{field}', the sample has {known}{hint}"
    if task.output != "choice" and task.structured_outputs != "choice":
        return None
    if len(set(sample.choices)) < 2:
        return f"sample '{sample.id}' needs at least two different choices; it has {list(sample.choices)}"
    for target in sample.targets:
        if target not in sample.choices:
            allowed = ", ".join(repr(choice) for choice in sample.choices)
            return f"target '{target}' of sample '{sample.id}' is not among its choices {allowed}"
    return None


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
            digest.update(
                json.dumps(
                    [
                        sample.id,
                        dict(sample.fields),
                        sample.targets,
                        sample.choices,
                        dict(sample.metadata),
                        sample.copy_of,
                    ],
                    sort_keys=True,
                ).encode()
            )
        digest.update(b"|")
    return digest.hexdigest()[:16]


def training_subset(train: Sequence[Sample], n_train: int | None) -> list[Sample]:
    """The first `n_train` of a fixed order, so that a larger budget contains every smaller one. None: all.

    The order is a shuffle in which every beginning holds the labels in about the proportions of the whole.
    Augmented copies do not count; they come after the samples they were made from.
    """
    originals = _originals(train)
    first = {sample.id for sample in originals}
    copies: dict[str, list[Sample]] = {}
    for sample in train:
        if sample.id not in first:
            copies.setdefault(sample.copy_of, []).append(sample)
    chosen = _balanced_order(originals)[: n_train or len(originals)]
    return [sample for original in chosen for sample in (original, *copies.get(original.id, ()))]


def _originals(train: Sequence[Sample]) -> list[Sample]:
    """Samples that are no copies, and copies whose original a later step took away."""
    ids = {sample.id for sample in train}
    return [sample for sample in train if sample.copy_of not in ids]


def _balanced_order(samples: Sequence[Sample]) -> list[Sample]:
    shuffled = [samples[index] for index in random.Random(0).sample(range(len(samples)), len(samples))]
    by_label: dict[str, list[int]] = {}
    for place, sample in enumerate(shuffled):
        by_label.setdefault(sample.targets[0], []).append(place)
    if len(by_label) > MAX_STRATA:
        return shuffled
    # The j-th of m samples of a label stands at (j + ½)/m of the way, as all of its kind do.
    way = {
        place: (index + 0.5) / len(places)
        for places in by_label.values()
        for index, place in enumerate(places)
    }
    return [shuffled[place] for place in sorted(way, key=lambda place: (way[place], place))]
