"""Find by program what would blur a task's scores: in its samples, its choices and its wordings."""

import hashlib
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from harness.data.dataset import Dataset
from harness.data.overlap import find_overlap
from harness.data.splits import MAX_STRATA
from harness.metrics import chance_level, find_metric, majority_level
from harness.metrics.constraints import CONSTRAINTS
from harness.metrics.overlap import OVERLAP
from harness.task import Sample, Task
from harness.task.prompts import fields_of, render

MAX_WORDS = 700
"""Of a prompt and its target: about the 1,024 tokens that training takes unless a sweep says otherwise."""

NEAR_LIMIT = 20_000
"""Samples of a split up to which near duplicates are looked for."""

NEAR_SHARE = 0.01
"""Of a split: fewer near duplicates are chance, and in the result."""

MOST_SAMPLES = 2_000
"""Samples that are searched for a shortcut, which most of them have or none worth a word."""

MOST_COMPARED = 200
"""Samples in which wordings are compared."""

SHORT_ANSWER = 2
"""Letters of an answer that stands in many texts by accident."""

RARE = 5
"""A class is rare below this part of an even share."""

_MANY_RIGHT_ANSWERS = {metric.name for metric in (*OVERLAP, *CONSTRAINTS)}
"""Primary metrics of tasks in which two samples may well ask the same and give different targets."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A sample as the first wording puts it."""

    split: str
    sample: Sample
    question: bytes
    """The same for samples that ask the same thing, choices included."""

    words: int
    """Of the prompt and its target."""


def lint(task: Task, dataset: Dataset) -> list[str]:
    """Faults of samples and wordings, a sentence each: how many samples have it, and which is the first."""
    reads = [
        _read(task, split, sample)
        for split, samples in (("train", dataset.train), ("dev", dataset.dev), ("test", dataset.test))
        for sample in samples
    ]
    some = spread(dataset.test, MOST_SAMPLES)
    return [
        *_duplicates(reads),
        *_conflicts(task, reads),
        *_overlaps(task, dataset, reads),
        *_blanks(task, reads),
        *_stopped(task, reads),
        *_read_too_late(task),
        *_fixed_left_out(task),
        *_overlong(task, reads),
        *_same_wordings(task, spread(dataset.test, MOST_COMPARED)),
        *_leaks(task, some),
        *_repeated_choices(dataset.test),
        *_alike_choices(dataset.test),
        *_prefixes(task, some),
        *_rare_classes(task, dataset),
    ]


def lint_levels(task: Task, dataset: Dataset) -> list[str]:
    """Faults that the primary metric shows: a chance level that is not what guessing scores, or nothing left
    to learn.

    The metric is run, so this is for metrics that have been tried.
    """
    metric = find_metric(next(each for each in task.metrics if find_metric(each).name == task.primary_metric))
    faults = []
    guess = chance_level(metric, dataset.test)
    # The level of a corpus metric is simulated, and so not exact.
    if guess is not None and abs(task.chance - guess) > (0.005 if metric.score is not None else 0.03):
        faults.append(f"chance is {task.chance:.3g}, guessing evenly among the choices scores {guess:.3g}")
    constant = majority_level(metric, dataset.train, dataset.test)
    if constant is not None and constant - task.chance > (1 - task.chance) / 2:
        faults.append(
            f"always giving the most frequent training target scores {constant:.3g} on {metric.name}, chance is "
            f"{task.chance:.3g}: little is left to learn; balance the samples or rank by another metric"
        )
    return faults


def spread(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many samples, evenly from the first to the last."""
    return (
        [samples[index * len(samples) // most] for index in range(most)]
        if len(samples) > most
        else list(samples)
    )


def _read(task: Task, split: str, sample: Sample) -> _Read:
    rendered = render(task.prompts, sample, template=next(iter(task.prompts.templates)))
    content = repr((rendered.text, rendered.after, sample.choices)).encode("utf-8", "surrogatepass")
    words = sum(len(text.split()) for text in (rendered.text, sample.targets[0], rendered.after))
    return _Read(split, sample, hashlib.blake2b(content, digest_size=16).digest(), words)


def _counted(
    reads: Sequence[_Read],
    faulty: Callable[[_Read], bool],
    *,
    splits: Iterable[str] = ("train", "dev", "test"),
) -> list[str]:
    """For each split with faulty samples the beginning of a sentence: `3 of 100 test samples (the first is
    '7')`."""
    beginnings = []
    for split in splits:
        members = [read for read in reads if read.split == split]
        found = [read.sample.id for read in members if faulty(read)]
        if found:
            beginnings.append(
                f"{len(found):,} of {len(members):,} {split} samples (the first is '{found[0]}')"
            )
    return beginnings


def _duplicates(reads: Sequence[_Read]) -> list[str]:
    seen: set[object] = set()

    def repeated(read: _Read) -> bool:
        content = (read.split, read.question, frozenset(read.sample.targets))
        known = content in seen
        seen.add(content)
        return known

    return [
        f"{some} repeat an earlier one of their split; keep one of each" for some in _counted(reads, repeated)
    ]


def _conflicts(task: Task, reads: Sequence[_Read]) -> list[str]:
    """Questions with two targets of which neither sample accepts the other's."""
    if task.output == "perplexity" or task.primary_metric in _MANY_RIGHT_ANSWERS:
        return []
    first: dict[bytes, _Read] = {}
    conflicts: dict[bytes, _Read] = {}
    for read in reads:
        other = first.setdefault(read.question, read)
        if not set(read.sample.targets) & set(other.sample.targets):
            conflicts.setdefault(read.question, read)
    if not conflicts:
        return []
    question, read = next(iter(conflicts.items()))
    pair = " and ".join(f"{each.split} sample '{each.sample.id}'" for each in (first[question], read))
    return [
        f"{len(conflicts):,} prompts have different targets in different samples, the first in {pair}; keep one target"
    ]


def _overlaps(task: Task, dataset: Dataset, reads: Sequence[_Read]) -> list[str]:
    """Samples of dev and test that are in train, and others that nearly are."""

    def asked(read: _Read) -> object:
        # Texts whose likelihood is measured may all have the same prompt, or none.
        return (read.question, read.sample.targets[0]) if task.output == "perplexity" else read.question

    trained = {asked(read) for read in reads if read.split == "train"}
    same = {(read.split, read.sample.id) for read in reads if asked(read) in trained}
    near: set[tuple[str, str]] = set()
    for split, samples in (("dev", dataset.dev), ("test", dataset.test)):
        same_here = {name for same_split, name in same if same_split == split}
        near |= {(split, name) for name in _nearly_trained_on(dataset.train, samples, known=same_here)}
    return [
        *_overlap_sentences(reads, same, "like", "their answers can be memorised"),
        *_overlap_sentences(
            reads, near, "nearly like", "a result gives its score without such test samples too"
        ),
    ]


def _overlap_sentences(
    reads: Sequence[_Read], overlapping: Set[tuple[str, str]], like: str, consequence: str
) -> list[str]:
    """For dev and for test, how many of their samples, by split and id, read like a training sample."""
    beginnings = _counted(
        reads, lambda read: (read.split, read.sample.id) in overlapping, splits=("dev", "test")
    )
    return [f"{beginning} read {like} a training sample; {consequence}" for beginning in beginnings]


def _nearly_trained_on(train: Sequence[Sample], samples: Sequence[Sample], *, known: set[str]) -> set[str]:
    """Ids of samples that differ a little from a training sample, unless they are too few to matter."""
    if max(len(train), len(samples)) >= NEAR_LIMIT:
        return set()
    near = find_overlap(train, samples).ids - known
    return set(near) if len(near) > NEAR_SHARE * len(samples) else set()


def _shown_fields(task: Task) -> set[str]:
    """The fields that some wording shows; none where the task renders its samples itself."""
    if task.prompts.render is not None:
        return set()
    return set().union(*map(fields_of, task.prompts.templates.values()))


def _blanks(task: Task, reads: Sequence[_Read]) -> list[str]:
    faults = [
        f"{some} have only white space in the field '{field}', which a template shows; fill it or leave them out"
        for field in sorted(_shown_fields(task))
        for some in _counted(reads, lambda read, field=field: not read.sample.fields[field].strip())  # type: ignore[misc]
    ]
    blank = _counted(reads, lambda read: not all(target.strip() for target in read.sample.targets))
    return faults + [
        f"{some} have a target of only white space; give an answer that can be told from none"
        for some in blank
    ]


def _overlong(task: Task, reads: Sequence[_Read]) -> list[str]:
    longest = max(read.words for read in reads)
    faults = [
        f"{some} have more than {MAX_WORDS} words with their prompt (the longest of all splits has {longest:,}); training "
        "leaves out what exceeds a sweep's max_length, 1,024 tokens unless it says otherwise"
        for some in _counted(reads, lambda read: read.words > MAX_WORDS)
    ]
    if task.output == "generate":
        # A word is a token at least, so such an answer is certain to be cut off.
        cut = _counted(
            reads, lambda read: min(len(text.split()) for text in read.sample.targets) > task.max_tokens
        )
        faults += [
            f"{some} have targets of more words than max_tokens = {task.max_tokens}; raise it" for some in cut
        ]
    return faults


def _stopped(task: Task, reads: Sequence[_Read]) -> list[str]:
    if task.output != "generate":
        return []
    return [
        f"{some} have a target that contains the stop string {text!r}, where a model's answer ends; choose another"
        for text in task.stop
        for some in _counted(reads, lambda read, text=text: text in read.sample.targets[0], splits=("train",))  # type: ignore[misc]
    ]


def _read_too_late(task: Task) -> list[str]:
    """Fields that stand only after the place where a model writes."""
    if task.output != "generate" or task.prompts.render is not None:
        return []
    faults = []
    for name, wording in task.prompts.templates.items():
        head, slot, tail = wording.partition("[output]")
        late = sorted(fields_of(tail) - fields_of(head)) if slot else []
        if late:
            fields = ", ".join(f"{{{field}}}" for field in late)
            faults.append(
                f"template '{name}' shows {fields} only after [output], so a model answers before it reads that"
            )
    return faults


def _fixed_left_out(task: Task) -> list[str]:
    shown, named = task.prompts.num_fewshot, len(task.prompts.fixed)
    if shown >= named:
        return []
    return [
        f"num_fewshot is {shown}, prompts.fixed names {named}, and only the first {shown} are shown; make them agree"
    ]


def _same_wordings(task: Task, samples: Sequence[Sample]) -> list[str]:
    exact: dict[object, list[str]] = {}
    loose: dict[object, list[str]] = {}
    faults = []
    for name in task.prompts.templates:
        rendered = [render(task.prompts, sample, template=name) for sample in samples]
        texts = [(each.text, each.after) for each in rendered]
        same = exact.setdefault(tuple(texts), [])
        same.append(name)
        if len(same) == 1:
            loose.setdefault(tuple((_letters(text), _letters(after)) for text, after in texts), []).append(
                name
            )
        if (
            task.output == "generate"
            and len(set(texts)) == 1
            and len({str(dict(sample.fields)) for sample in samples}) > 1
        ):
            faults.append(
                f"template '{name}' reads the same for all {len(samples):,} test samples; name their fields in it"
            )
    faults += [
        f"templates {_listed(names)} render the same text; keep one, or word them differently"
        for names in exact.values()
        if len(names) > 1
    ]
    return faults + [
        f"templates {_listed(names)} differ in punctuation, case or white space only; word them differently"
        for names in loose.values()
        if len(names) > 1
    ]


def _letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _leaks(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Ways in which most prompts give their answer away."""
    if task.output == "perplexity" or task.prompts.render is not None:
        return []
    faults = []
    for name, wording in task.prompts.templates.items():
        fixed = "".join(literal for literal, *_ in string.Formatter().parse(wording))
        at_end = [sample for sample in samples if _ends_with_target(task, name, fixed, sample)]
        if _most(at_end, samples):
            faults.append(
                f"the prompts of {_first_of(at_end, samples)} end with their target in template '{name}'; "
                "leave the answer out of the fields"
            )
        if task.output == "generate":
            faults += _named_targets(name, fixed, samples)
    told = [sample for sample in samples if _names_only_the_target(sample, _shown_fields(task))]
    if _most(told, samples):
        faults.append(
            f"the fields of {_first_of(told, samples)} hold the right choice and no other; a model need only copy it"
        )
    return faults


def _most(found: Sequence[Sample], samples: Sequence[Sample]) -> bool:
    return 2 * len(found) > len(samples)


def _first_of(found: Sequence[Sample], samples: Sequence[Sample]) -> str:
    return f"{len(found):,} of {len(samples):,} test samples (the first is '{found[0].id}')"


def _ends_with_target(task: Task, template: str, fixed: str, sample: Sample) -> bool:
    target = sample.targets[0].strip()
    if len(target) <= SHORT_ANSWER or target in fixed:
        return False  # labels that the wording lists stand in every prompt
    text = render(task.prompts, sample, template=template).text
    return text.removesuffix(task.prompts.marker).rstrip().endswith(target)


def _named_targets(template: str, fixed: str, samples: Sequence[Sample]) -> list[str]:
    """A wording that names the answer of most samples, and not the others'."""
    found = [
        sample for sample in samples if len(sample.targets[0]) > SHORT_ANSWER and sample.targets[0] in fixed
    ]
    if not _most(found, samples) or len(found) == len(samples):
        return []
    return [
        f"template '{template}' names the target of {_first_of(found, samples)} and not of the others; name all or none"
    ]


def _names_only_the_target(sample: Sample, shown: set[str]) -> bool:
    text = "\n".join(sample.fields[field] for field in shown)
    named = [choice for choice in sample.choices if len(choice) > SHORT_ANSWER and _stands_in(choice, text)]
    return len(named) == 1 and named[0] in sample.targets


def _stands_in(choice: str, text: str) -> bool:
    """Whether the text holds the choice as whole words, in any case."""
    if choice.casefold() not in text.casefold():
        return False  # the usual case, and quicker than the search
    return re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", text, re.IGNORECASE) is not None


def _repeated_choices(samples: Sequence[Sample]) -> list[str]:
    """Choices that a sample offers twice: which of the two is chosen means nothing."""
    repeating = [sample for sample in samples if len(set(sample.choices)) < len(sample.choices)]
    if not repeating:
        return []
    return [
        f"{len(repeating):,} of {len(samples):,} test samples offer the same choice twice, the first is sample "
        f"'{repeating[0].id}'; keep one of each"
    ]


def _alike_choices(samples: Sequence[Sample]) -> list[str]:
    """Choices that nobody tells apart, labels in two spellings most often."""
    pairs: dict[tuple[str, str], str] = {}
    for choices, name in {sample.choices: sample.id for sample in reversed(samples)}.items():
        first: dict[str, str] = {}
        for choice in choices:
            other = first.setdefault(choice.strip().casefold(), choice)
            if other != choice:
                pairs.setdefault((other, choice), name)
    if not pairs:
        return []
    (one, other), name = next(iter(pairs.items()))
    return [
        f"choices {one!r} and {other!r} differ only in case or outer white space ({len(pairs):,} such pairs, the first in "
        f"test sample '{name}'); make them one"
    ]


def _prefixes(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Choices whose likelihood counts that of a longer one."""
    if task.output != "choice":
        return []
    pairs: dict[tuple[str, str], str] = {}
    seen: set[object] = set()
    for name in task.prompts.templates:
        for sample in samples:
            after = render(task.prompts, sample, template=name).after
            if (sample.choices, after) in seen:
                continue
            seen.add((sample.choices, after))
            for choice in sample.choices:
                for other in sample.choices:
                    if choice != other and (other + after).startswith(choice + after):
                        pairs.setdefault((choice, other), sample.id)
    if not pairs:
        return []
    (choice, other), first = next(iter(pairs.items()))
    # p("part") counts every continuation of "part", that of "parts" included.
    return [
        f"choice '{choice}' begins '{other}' and is never less likely ({len(pairs):,} such pairs, the first in test sample "
        f"'{first}'); rename one of them, or end the template in a <mask> slot and a full stop"
    ]


def _rare_classes(task: Task, dataset: Dataset) -> list[str]:
    """Classes with next to no training samples, where all samples have the same ones."""
    if task.output != "choice" or len({sample.choices for sample in (*dataset.train, *dataset.test)}) > 1:
        return []
    classes, size = dataset.train[0].choices, len(dataset.train)
    if len(classes) > MAX_STRATA:
        return []
    counts: Mapping[str, int] = Counter(sample.targets[0] for sample in dataset.train)
    rare = [choice for choice in classes if counts[choice] * len(classes) * RARE < size]
    if not rare:
        return []
    return [
        f"{len(rare):,} of {len(classes):,} classes have under a fifth of an even share of the training samples, the first "
        f"is '{rare[0]}' with {counts[rare[0]]:,} of {size:,}; a metric such as f1_macro shows how they fare"
    ]
