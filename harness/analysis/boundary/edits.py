"""The smallest edits of a sample that may change the answer to it: a word dropped, a field exchanged."""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.task import Sample
from harness.task.prompts import PromptSet, fields_of
from harness.task.words import WORD_AND_SPACE

EditKind = Literal["wording", "word", "field"]

BESIDE = 24
"""Characters on each side of a dropped word that tell which one it is."""


@dataclass(frozen=True)
class Edit:
    """A sample as it is asked once more."""

    kind: EditKind
    what: str
    """The dropped word between those beside it, the exchanged field, or the wording."""

    sample: Sample
    template: str


def edits_of(
    sample: Sample, prompts: PromptSet, template: str, train: Sequence[Sample], *, most: int, seed: int
) -> list[Edit]:
    """Up to `most` edits of the fields that a wording names, drawn with the seed: each field taken once from
    a training sample of the same label, and as many single words dropped as there is room for."""
    luck = random.Random(f"{seed} {sample.id}")
    named = sorted(name for name in fields_of(prompts.templates[template]) if name in sample.fields)
    fields = [
        edit for name in named if len(named) > 1 for edit in _exchanged(sample, template, name, train, luck)
    ]
    words = [(name, match) for name in named for match in _words(sample.fields[name])]
    luck.shuffle(fields)
    drawn = luck.sample(words, min(len(words), max(0, most - len(fields))))
    return [*fields[:most], *(_dropped(sample, template, name, match) for name, match in drawn)]


def _words(text: str) -> list[re.Match[str]]:
    """The words of a text; of a single one none can be dropped."""
    words = list(WORD_AND_SPACE.finditer(text))
    return words if len(words) > 1 else []


def _dropped(sample: Sample, template: str, name: str, match: re.Match[str]) -> Edit:
    text = sample.fields[name]
    before, word, after = text[: match.start()], match[0].strip(), text[match.end() :]
    left = f"…{before[-BESIDE:]}" if len(before) > BESIDE else before
    right = f"{after[:BESIDE]}…" if len(after) > BESIDE else after
    changed = before + after if after else before.rstrip()
    return Edit(
        "word",
        f"{left}[{word}] {right}".strip(),
        replace(sample, fields={**sample.fields, name: changed}),
        template,
    )


def _exchanged(
    sample: Sample, template: str, name: str, train: Sequence[Sample], luck: random.Random
) -> Iterator[Edit]:
    """The sample with a field of another one that has its label; nothing where all have the same."""
    donors = [
        donor.fields[name]
        for donor in train
        if donor.targets[0] == sample.targets[0]
        and name in donor.fields
        and donor.fields[name] != sample.fields[name]
    ]
    if donors:
        text = luck.choice(donors)
        yield Edit("field", name, replace(sample, fields={**sample.fields, name: text}), template)
