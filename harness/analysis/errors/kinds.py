"""In which way answers are wrong."""

import re
from collections.abc import Sequence

import numpy as np

from harness.analysis.arms import ArmAnswers, ArmComparison, AskedSample, Flags, Objects
from harness.records.analysis.errors import ERROR_KINDS, ErrorKinds
from harness.task.words import without_punctuation

NEAR_MISSES = ("case", "punctuation or spaces", "unit", "off by one", "spelling")

SPELLING = 0.2
"""Share of a target's characters that may differ for it to be misspelt; one of them always may."""

LEAST_SPELT, MOST_SPELT = 4, 200
"""Characters of a target that can be misspelt."""

SHORTEST_COPY = 3
"""Characters of an answer that may be copied from a demonstration."""

SHOWN_EXAMPLES = 10
"""Samples of a kind that are named."""

_REFUSAL = re.compile(
    r"\b(?:(?:i|we)(?: am|'m|’m)?(?: sorry|,? but)?,? ?(?:but )?(?:i |we )?"
    r"(?:can(?:no|')t|can’t|cannot|am unable|'m unable|’m unable|won't|won’t|am not able|'m not able)"
    r"\b.{0,40}\b(?:help|assist|answer|provide|comply|do that|fulfil|determine|give|respond|continue)"
    r"|as an? (?:ai|artificial intelligence|(?:large )?language model))\b",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"[-−]?\d+(?:[.,]\d+)*")


def kinds_of(comparison: ArmComparison) -> tuple[ErrorKinds, ...]:
    """The kinds of error of every arm; empty where nothing is answered."""
    if comparison.card.output == "perplexity":
        return ()
    return tuple(
        _record(comparison, arm, kinds_in(comparison, arm, right))
        for arm, right in zip(comparison.arms, comparison.right, strict=True)
    )


def kinds_in(comparison: ArmComparison, arm: ArmAnswers, right: Flags) -> Objects:
    """The kind of every wrong answer (S × T × n); None of a right one. A near miss is followed by what it is
    near in, after a colon."""
    labels = {label.casefold() for label in comparison.labels}
    plain = next((other_arm for other_arm in comparison.arms if other_arm.name == "zero_shot"), None)
    kinds = np.full(arm.answers.shape, None, object)
    kinds_by_answer: dict[tuple[int, object, object, object, bool], str] = {}
    for at in np.argwhere(~right).tolist():
        seed, template, place = at
        index = seed, template, place
        answer, completion = arm.answers[index], arm.completions[index]
        key = place, answer, completion, arm.parsed[index], bool(arm.cut[index])
        if key not in kinds_by_answer:
            kinds_by_answer[key] = _kind(answer, completion, comparison.samples[place], labels, *key[3:])
        kind = kinds_by_answer[key]
        if kind == "another answer" and arm.name == "few_shot" and plain is not None:
            demonstration_texts = _demonstrations(arm.prompts[index], plain.prompts[(0, template, place)])
            kind = "copied from a demonstration" if _is_copied(answer, *demonstration_texts) else kind
        kinds[index] = kind
    return kinds


def _kind(
    answer: str | None,
    completion: str | None,
    sample: AskedSample,
    labels: set[str],
    parsed: object,
    cut: bool,
) -> str:
    text = (answer or "").strip()
    if cut:
        return "cut off"
    if not text:
        return "refusal" if _REFUSAL.search(completion or "") else "empty"
    choices = {choice.strip().casefold() for choice in sample.choices} or labels
    targets = {target.strip().casefold() for target in sample.targets}
    if text.casefold() in choices - targets:
        return "another label"
    if _REFUSAL.search(completion or text):
        return "refusal"
    near = near_miss(text, sample.targets)
    if near is not None:
        return f"near miss: {near}"
    return "wrong form" if parsed is False else "another answer"


def near_miss(answer: str, targets: Sequence[str]) -> str | None:
    """In what an answer differs from the target that it is nearest to, one of `NEAR_MISSES`; None where it is
    near none."""
    near_misses = [near for target in targets if (near := _near(answer.strip(), target.strip())) is not None]
    return min(near_misses, key=NEAR_MISSES.index, default=None)


def _near(answer: str, target: str) -> str | None:
    if not target or answer == target:  # the metric has reasons of its own
        return None
    if answer.casefold() == target.casefold():
        return "case"
    if _bare(answer) == _bare(target) != "":
        return "punctuation or spaces"
    numbers, wanted = _NUMBER.findall(answer), _NUMBER.findall(target)
    if numbers and numbers == wanted and _bare(_NUMBER.sub("", answer)) != _bare(_NUMBER.sub("", target)):
        # The same numbers with a word for what they count that is short beside all else.
        return "unit" if _is_short(answer) and _is_short(target) else None
    if _NUMBER.sub("", answer).split() == _NUMBER.sub("", target).split() and len(numbers) == len(wanted):
        different = [pair for pair in zip(numbers, wanted, strict=True) if pair[0] != pair[1]]
        return "off by one" if len(different) == 1 and _is_off_by_one(*different[0]) else None
    if numbers or wanted or not LEAST_SPELT <= len(target) <= MOST_SPELT:
        return None
    allowed = max(1, int(SPELLING * len(target)))
    return "spelling" if within_edits(answer, target, allowed) else None


def _bare(text: str) -> str:
    return "".join(without_punctuation(text).split()).casefold()


def _is_short(text: str) -> bool:
    """Whether a text is a number with its unit, rather than a sentence."""
    return len(_NUMBER.findall(text)) == 1 and len(_NUMBER.sub("", text).split()) <= 3


def _is_off_by_one(number: str, wanted: str) -> bool:
    try:
        answered, expected = (int(text.replace(",", "").replace("−", "-")) for text in (number, wanted))
    except ValueError:
        return False
    return abs(answered - expected) == 1


def within_edits(first: str, second: str, allowed: int) -> bool:
    """Whether so many insertions, deletions and substitutions of a character make one text of the other
    (Levenshtein 1966)."""
    if abs(len(first) - len(second)) > allowed:
        return False
    row = list(range(len(second) + 1))
    for place, letter in enumerate(first, start=1):
        diagonal, row[0] = row[0], place
        for column, second_letter in enumerate(second, start=1):
            cheapest = min(row[column] + 1, row[column - 1] + 1, diagonal + (letter != second_letter))
            diagonal, row[column] = row[column], cheapest
        if min(row) > allowed:
            return False
    return row[-1] <= allowed


def _demonstrations(prompt: str | None, plain: str | None) -> tuple[str, str]:
    """What a few-shot prompt shows before the question, and the plain question."""
    full, question = prompt or "", plain or ""
    shared = 0
    while shared < min(len(full), len(question)) and full[-1 - shared] == question[-1 - shared]:
        shared += 1
    return full[: len(full) - shared], question


def _is_copied(answer: str | None, demonstrations: str, question: str) -> bool:
    text = (answer or "").strip()
    return len(text) >= SHORTEST_COPY and text in demonstrations and text not in question


def _record(comparison: ArmComparison, arm: ArmAnswers, kinds: Objects) -> ErrorKinds:
    counts = dict.fromkeys(ERROR_KINDS, 0)
    near = dict.fromkeys(NEAR_MISSES, 0)
    examples: dict[str, dict[str, None]] = {}
    for at in np.argwhere(kinds != None).tolist():  # noqa: E711 - of each entry
        kind, _, detail = kinds[tuple(at)].partition(": ")
        counts[kind] += 1
        if detail:
            near[detail] += 1
        sample_ids = examples.setdefault(kind, {})
        if len(sample_ids) < SHOWN_EXAMPLES:
            sample_ids[comparison.ids[at[2]]] = None
    return ErrorKinds(
        arm=arm.name,
        answers=arm.answers.size,
        samples=len(comparison.samples),
        counts={kind: count for kind, count in counts.items() if count},
        near_misses={detail: count for detail, count in near.items() if count},
        examples={kind: tuple(sample_ids) for kind, sample_ids in examples.items()},
    )
