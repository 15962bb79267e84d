"""Find what would blur a task's scores: in its samples and wordings, and with `lint_choices` in its
choices."""

import hashlib
import re
import string
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from functools import partial

from harness.authoring.lint_choices import choice_faults
from harness.authoring.short_numbers import short_number
from harness.counts import agreeing, count_of
from harness.data.dataset import Dataset
from harness.data.overlap import find_overlap
from harness.metrics import chance_level, majority_level, primary_metric_of
from harness.metrics.constraints import CONSTRAINTS
from harness.metrics.label_sets import SEPARATORS
from harness.metrics.overlap import OVERLAP
from harness.plan.unread_scripts import unread_scripts
from harness.task import Sample, Task
from harness.task.conversation import frame_of, turn_text
from harness.task.prompts import ends_in_white_space, fields_of, render, slot_of
from harness.task.words import spaced

MAX_WORDS = 700
"""Words of a prompt and its target: about the 1,024 tokens that training takes by default."""

NEAR_LIMIT = 20_000
"""Near duplicates are searched only in splits with fewer samples."""

NEAR_SHARE = 0.01
"""Share of a split. Fewer near duplicates may be chance, and results give their score without them anyway."""

MOST_SAMPLES = 2_000
"""Samples that are searched for a shortcut; only one that most of them have is worth a word."""

MOST_COMPARED = 200
"""Samples on which wordings are compared."""

MUCH_OF_A_RANGE = 0.9
"""Share of the way from the worst to the best value of a metric in a unit of its own from which on a constant
answer leaves little to learn."""

SHORT_ANSWER = 2
"""Letters of an answer that occurs in many texts by accident."""

_SEPARATORS = re.compile(f"[{''.join(SEPARATORS)}]")

_MANY_RIGHT_ANSWERS = {metric.name for metric in (*OVERLAP, *CONSTRAINTS)}
"""Primary metrics of tasks in which samples with the same question may have different targets."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A sample in the first wording."""

    split: str
    sample: Sample
    question: bytes
    """A hash of what is asked, choices included: equal for samples that ask the same."""

    words: int
    """Words of the prompt and its target."""


def lint(task: Task, dataset: Dataset) -> list[str]:
    """Faults of samples and wordings, one sentence each: how many samples have it, and which is the first."""
    prompts = []
    for split, samples in (("train", dataset.train), ("dev", dataset.dev), ("test", dataset.test)):
        prompts += [_prompt(task, split, sample) for sample in samples]
    searched = spread(dataset.test, MOST_SAMPLES)
    return [
        *_duplicates(prompts),
        *_conflicts(task, prompts),
        *_overlaps(task, dataset, prompts),
        *_blanks(task, prompts),
        *_stopped(task, prompts),
        *_read_too_late(task),
        *_open_ended(task),
        *_fixed_left_out(task),
        *_overlong(task, prompts),
        *unread_scripts(task, dataset.test),
        *_same_wordings(task, spread(dataset.test, MOST_COMPARED)),
        *_leaks(task, searched),
        *choice_faults(task, dataset, searched),
        *_without_demonstrations(task, dataset),
    ]


def lint_levels(task: Task, dataset: Dataset) -> list[str]:
    """Faults that the primary metric reveals: a `chance` that is not what guessing scores, or little left to
    learn.

    This runs the metric, so it needs one that has been tried.
    """
    metric = primary_metric_of(task)
    faults = []
    guess = chance_level(metric, dataset.test)
    # For a corpus metric it is simulated, and so not exact.
    tolerance = 0.005 if metric.score is not None else 0.03
    guess = None if guess is None else metric.scale.share(guess)
    if guess is not None and abs(task.chance - guess) > tolerance:
        faults.append(
            f"chance is {short_number(task.chance)}, guessing evenly among the choices scores "
            f"{short_number(guess)}"
        )
    constant = majority_level(metric, dataset.train, dataset.test)
    answer = "the most frequent training target" if metric.constants is None else "one answer"
    # One number misses a range of them by a quarter on average: of errors, only small ones are little to
    # learn from.
    much = (1 + task.chance) / 2 if metric.scale.is_share else MUCH_OF_A_RANGE
    if constant is not None and metric.scale.share(constant) > much:
        faults.append(
            f"always giving {answer} scores {short_number(constant)} on {metric.name}, chance is "
            f"{short_number(metric.scale.value(task.chance))}: little is left to learn; balance the samples "
            "or rank by another metric"
        )
    return faults


def spread(samples: Sequence[Sample], limit: int) -> list[Sample]:
    """At most `limit` of the samples, evenly spaced."""
    if len(samples) <= limit:
        return list(samples)
    return [samples[index * len(samples) // limit] for index in range(limit)]


def _prompt(task: Task, split: str, sample: Sample) -> _Prompt:
    rendered = render(task.prompts, sample, template=next(iter(task.prompts.templates)))
    content = repr((rendered.text, rendered.after, sample.choices)).encode("utf-8", "surrogatepass")
    words = sum(len(spaced(text).split()) for text in (rendered.text, sample.targets[0], rendered.after))
    return _Prompt(split, sample, hashlib.blake2b(content, digest_size=16).digest(), words)


def _affected(
    prompts: Sequence[_Prompt],
    faulty: Callable[[_Prompt], bool],
    verb: str = "have",
    *,
    splits: Iterable[str] = ("train", "dev", "test"),
) -> list[str]:
    """For each split with faulty samples, the beginning of a sentence: `3 of 100 test samples (the first is
    '7') have`."""
    beginnings = []
    for split in splits:
        members = [prompt for prompt in prompts if prompt.split == split]
        faulty_ids = [prompt.sample.id for prompt in members if faulty(prompt)]
        if faulty_ids:
            first = f"(the first is '{faulty_ids[0]}')"
            beginnings.append(
                f"{len(faulty_ids):,} of {count_of(len(members), f'{split} sample')} {first} "
                + agreeing(verb, len(faulty_ids))
            )
    return beginnings


def _duplicates(prompts: Sequence[_Prompt]) -> list[str]:
    contents: set[object] = set()

    def repeated(prompt: _Prompt) -> bool:
        content = (prompt.split, prompt.question, frozenset(prompt.sample.targets))
        is_repeated = content in contents
        contents.add(content)
        return is_repeated

    return [
        f"{beginning} an earlier one of the split; keep one of each"
        for beginning in _affected(prompts, repeated, "repeat")
    ]


def _conflicts(task: Task, prompts: Sequence[_Prompt]) -> list[str]:
    """Questions to which two samples have different targets, neither accepting the other's."""
    if task.output == "perplexity" or task.primary_metric in _MANY_RIGHT_ANSWERS:
        return []
    first_prompts: dict[bytes, _Prompt] = {}
    conflicts: dict[bytes, _Prompt] = {}
    for prompt in prompts:
        first_prompt = first_prompts.setdefault(prompt.question, prompt)
        if not set(prompt.sample.targets) & set(first_prompt.sample.targets):
            conflicts.setdefault(prompt.question, prompt)
    if not conflicts:
        return []
    question, prompt = next(iter(conflicts.items()))
    pair = (first_prompts[question], prompt)
    places = " and ".join(f"{member.split} sample '{member.sample.id}'" for member in pair)
    prompts_have = f"{count_of(len(conflicts), 'prompt')} {agreeing('have', len(conflicts))}"
    return [f"{prompts_have} different targets in different samples, the first in {places}; keep one target"]


def _overlaps(task: Task, dataset: Dataset, prompts: Sequence[_Prompt]) -> list[str]:
    """Dev and test samples that ask the same as a training sample, or nearly the same."""

    def question_of(prompt: _Prompt) -> object:
        # Texts whose likelihood is measured may all have the same prompt, or none.
        return (prompt.question, prompt.sample.targets[0]) if task.output == "perplexity" else prompt.question

    trained = {question_of(prompt) for prompt in prompts if prompt.split == "train"}
    trained_on = {(prompt.split, prompt.sample.id) for prompt in prompts if question_of(prompt) in trained}
    near: set[tuple[str, str]] = set()
    for split, samples in (("dev", dataset.dev), ("test", dataset.test)):
        trained_here = {name for same_split, name in trained_on if same_split == split}
        near |= {
            (split, name) for name in _nearly_trained_on(dataset.train, samples, trained_on=trained_here)
        }
    return [
        *_overlap_sentences(prompts, trained_on, "like", "their answers can be memorised"),
        *_overlap_sentences(
            prompts, near, "nearly like", "a result gives its score without such test samples too"
        ),
    ]


def _overlap_sentences(
    prompts: Sequence[_Prompt], overlapping: Set[tuple[str, str]], like: str, consequence: str
) -> list[str]:
    """For dev and test each, how many samples read like a training sample. `overlapping`: splits and ids."""

    def overlaps(prompt: _Prompt) -> bool:
        return (prompt.split, prompt.sample.id) in overlapping

    beginnings = _affected(prompts, overlaps, "read", splits=("dev", "test"))
    return [f"{beginning} {like} a training sample; {consequence}" for beginning in beginnings]


def _nearly_trained_on(
    train: Sequence[Sample], samples: Sequence[Sample], *, trained_on: set[str]
) -> set[str]:
    """Ids of samples that nearly equal a training sample; none if they are too few to matter."""
    if max(len(train), len(samples)) >= NEAR_LIMIT:
        return set()
    near = find_overlap(train, samples).ids - trained_on
    return set(near) if len(near) > NEAR_SHARE * len(samples) else set()


def _shown_fields(task: Task) -> set[str]:
    """The fields that any wording shows; none if the task renders its samples itself."""
    if task.prompts.render is not None:
        return set()
    return set().union(*map(fields_of, task.prompts.templates.values()))


def _blanks(task: Task, prompts: Sequence[_Prompt]) -> list[str]:
    def has_blank_field(field: str, prompt: _Prompt) -> bool:
        return not prompt.sample.messages and not prompt.sample.fields[field].strip()

    def has_blank_target(prompt: _Prompt) -> bool:
        return not all(target.strip() for target in prompt.sample.targets)

    faults = [
        f"{beginning} only white space in the turn that they answer; fill it or leave them out"
        for beginning in _affected(prompts, _has_blank_turn)
    ]
    for field in sorted(_shown_fields(task)):
        faults += [
            f"{beginning} only white space in the field '{field}', which a template shows; "
            "fill it or leave them out"
            for beginning in _affected(prompts, partial(has_blank_field, field))
        ]
    return faults + [
        f"{beginning} a target of only white space; give an answer that can be told from none"
        for beginning in _affected(prompts, has_blank_target)
    ]


def _has_blank_turn(prompt: _Prompt) -> bool:
    messages = prompt.sample.messages
    return bool(messages) and not turn_text(messages[-1]).strip()


def _overlong(task: Task, prompts: Sequence[_Prompt]) -> list[str]:
    def is_overlong(prompt: _Prompt) -> bool:
        return prompt.words > MAX_WORDS

    def is_cut_off(prompt: _Prompt) -> bool:
        # A word is at least one token, so such an answer cannot be written in full.
        return min(len(spaced(text).split()) for text in prompt.sample.targets) > task.max_tokens

    longest = max(prompt.words for prompt in prompts)
    faults = [
        f"{beginning} more than {MAX_WORDS} words with the prompt (the longest of all splits has "
        f"{longest:,}); training leaves out what exceeds a sweep's max_length, 1,024 tokens unless it "
        "says otherwise"
        for beginning in _affected(prompts, is_overlong)
    ]
    if task.output == "generate":
        faults += [
            f"{beginning} targets of more words than max_tokens = {task.max_tokens}; raise it"
            for beginning in _affected(prompts, is_cut_off)
        ]
    return faults


def _stopped(task: Task, prompts: Sequence[_Prompt]) -> list[str]:
    if task.output != "generate":
        return []

    def contains(stop: str, prompt: _Prompt) -> bool:
        return stop in prompt.sample.targets[0]

    faults = []
    for stop in task.stop:
        faults += [
            f"{beginning} a target that contains the stop string {stop!r}, where a model's answer ends; "
            "choose another"
            for beginning in _affected(prompts, partial(contains, stop), splits=("train",))
        ]
    return faults


def _read_too_late(task: Task) -> list[str]:
    """Fields that a template shows only after the place where the model writes."""
    if task.output != "generate" or task.prompts.render is not None:
        return []
    faults = []
    for name, wording in task.prompts.templates.items():
        head, slot, tail = wording.partition("[output]")
        late = sorted(fields_of(tail) - fields_of(head)) if slot else []
        if late:
            fields = ", ".join(f"{{{field}}}" for field in late)
            faults.append(
                f"template '{name}' shows {fields} only after [output], so a model answers before it "
                "reads that"
            )
    return faults


def _open_ended(task: Task) -> list[str]:
    """Wordings whose last white space takes the place of the delimiter before the answer."""
    if task.prompts.render is not None:
        return []
    wording_name = "marker" if task.prompts.marker else "template '{}'"
    open_ended = [
        name
        for name, wording in task.prompts.templates.items()
        if slot_of(wording) is None and ends_in_white_space(task.prompts, wording)
    ]
    return [
        f"{wording_name.format(name)} ends in white space, which goes with the answer and takes the place of "
        f"target_delimiter ({task.prompts.target_delimiter!r}); leave it out, or mark the answer's place "
        "with a slot"
        for name in open_ended[: 1 if task.prompts.marker else None]
    ]


def _without_demonstrations(task: Task, dataset: Dataset) -> list[str]:
    """Conversations under a system line, or with functions, that no training conversation has."""
    if not task.prompts.num_fewshot or task.prompts.demonstrations == "fixed":
        return []
    frames = {frame_of(sample) for sample in dataset.train}
    alone = [sample for sample in dataset.test if frame_of(sample) not in frames]
    if not alone:
        return []
    return [
        f"{_first_of(alone, dataset.test)} {agreeing('have', len(alone))} a system line or functions that no "
        "training conversation has: few-shot prompts show them no demonstration; name some in prompts.fixed"
    ]


def _fixed_left_out(task: Task) -> list[str]:
    shown_count, named_count = task.prompts.num_fewshot, len(task.prompts.fixed)
    if shown_count >= named_count:
        return []
    return [
        f"num_fewshot is {shown_count}, prompts.fixed names {named_count}, and only the first {shown_count} "
        "are shown; make them agree"
    ]


def _same_wordings(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Templates that render the same texts, or nearly, and those that read the same for all samples."""
    names_by_texts: dict[object, list[str]] = {}
    names_by_letters: dict[object, list[str]] = {}
    fields_differ = len({str(dict(sample.fields)) for sample in samples}) > 1
    faults = []
    for name in task.prompts.templates:
        rendered = [render(task.prompts, sample, template=name) for sample in samples]
        texts = [(prompt.text, prompt.after) for prompt in rendered]
        names_by_texts.setdefault(tuple(texts), []).append(name)
        if (
            len(names_by_texts[tuple(texts)]) == 1
        ):  # a repeated text is reported as such, not as a similar one
            letters = tuple((_letters(text), _letters(after)) for text, after in texts)
            names_by_letters.setdefault(letters, []).append(name)
        if task.output == "generate" and fields_differ and len(set(texts)) == 1:
            faults.append(
                f"template '{name}' reads the same for all {len(samples):,} test samples; "
                "name their fields in it"
            )
    faults += [
        f"templates {_listed(names)} render the same text; keep one, or word them differently"
        for names in names_by_texts.values()
        if len(names) > 1
    ]
    return faults + [
        f"templates {_listed(names)} differ in punctuation, case or white space only; word them differently"
        for names in names_by_letters.values()
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
    revealing = [sample for sample in samples if _names_only_the_target(sample, _shown_fields(task))]
    if _most(revealing, samples):
        faults.append(
            f"the fields of {_first_of(revealing, samples)} hold the right choice and no other; "
            "a model need only copy it"
        )
    return faults


def _most(affected: Sequence[Sample], samples: Sequence[Sample]) -> bool:
    return 2 * len(affected) > len(samples)


def _first_of(affected: Sequence[Sample], samples: Sequence[Sample]) -> str:
    return f"{len(affected):,} of {count_of(len(samples), 'test sample')} (the first is '{affected[0].id}')"


def _ends_with_target(task: Task, template: str, fixed: str, sample: Sample) -> bool:
    target = sample.targets[0].strip()
    if len(target) <= SHORT_ANSWER or target in fixed:
        return False  # a label that the wording lists occurs in every prompt
    text = render(task.prompts, sample, template=template).text
    return text.removesuffix(task.prompts.marker).rstrip().endswith(target)


def _named_targets(template: str, fixed: str, samples: Sequence[Sample]) -> list[str]:
    """A fault if the fixed text of a template names the answers of most samples, but not of all."""
    naming = []
    for sample in samples:
        target = sample.targets[0]
        # A set of labels is named where each of its labels is.
        parts = [part.strip() for part in _SEPARATORS.split(target)]
        if len(target) > SHORT_ANSWER and (target in fixed or all(part in fixed for part in parts)):
            naming.append(sample)
    if not _most(naming, samples) or len(naming) == len(samples):
        return []
    return [
        f"template '{template}' names the target of {_first_of(naming, samples)} and not of the others; "
        "name all or none"
    ]


def _names_only_the_target(sample: Sample, fields: set[str]) -> bool:
    text = "\n".join(sample.fields[field] for field in fields)
    named_choices = [
        choice for choice in sample.choices if len(choice) > SHORT_ANSWER and _stands_in(choice, text)
    ]
    return len(named_choices) == 1 and named_choices[0] in sample.targets


def _stands_in(choice: str, text: str) -> bool:
    """Whether the text holds the choice as whole words, in upper or lower case."""
    if choice.casefold() not in text.casefold():
        return False  # the usual case, and quicker than the search
    words, named = (" ".join(spaced(part).split()) for part in (text, choice))
    return re.search(rf"(?<!\w){re.escape(named)}(?!\w)", words, re.IGNORECASE) is not None
