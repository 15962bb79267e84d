"""What samples may have in common: each feature parts them into slices."""

import math
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from harness.analysis.arms import ArmAnswers, ArmComparison, AskedSample
from harness.records.prompts import prompt_parts
from harness.task.words import words_of

LEAST = 8
"""Samples of a slice, and samples outside of it: of fewer a difference says nothing."""

MOST_PARTS = 24
"""Slices of one feature: the largest ones."""

FEW_VALUES = 12
"""Distinct values up to which a field is one of categories."""

BINS = 4
"""Parts of a number's range, each with about as many samples."""

MOST_FIELDS = 12
"""Fields of a sample, and texts of its metadata, that are looked at."""

LONGEST_PART = 60
"""Characters of the name of a part."""


@dataclass(frozen=True)
class Feature:
    """Something that samples may have in common."""

    name: str
    parts: tuple[str | None, ...]
    """Of each sample; None where it is in no slice of this feature."""

    by_cluster: bool = False
    """Whether its slices are clusters themselves, so that samples are what varies, and not clusters."""

    @property
    def slices(self) -> dict[str, list[int]]:
        """The places of the samples of each slice that is large enough, in the order of the samples."""
        members: dict[str, list[int]] = {}
        for place, part in enumerate(self.parts):
            if part is not None:
                members.setdefault(part, []).append(place)
        return {
            part: places
            for part, places in members.items()
            if LEAST <= len(places) <= len(self.parts) - LEAST
        }


def features_of(comparison: ArmComparison) -> list[Feature]:
    """Every feature of a comparison's samples that makes at least one slice."""
    samples = comparison.samples
    texts = own_texts(comparison)
    features = [
        _labels(comparison),
        *_of_mappings("field", [sample.fields for sample in samples]),
        *_of_mappings("metadata", [sample.metadata for sample in samples]),
        _numbers("words", [len(words_of(text)) for text in texts]),
        Feature("script", tuple(map(script_of, texts))),
        _frequent("first word", [_first_word(text) for text in texts]),
        _numbers("words of the target", [len(words_of(" ".join(sample.targets[:1]))) for sample in samples]),
        Feature("in the training data", tuple("yes" if sample.overlap else "no" for sample in samples)),
        _clusters(samples),
    ]
    return [feature for feature in features if feature is not None and feature.slices]


def own_texts(comparison: ArmComparison) -> list[str]:
    """What each sample alone says: its fields, or what its prompt has that those of other samples lack."""
    if any(sample.fields for sample in comparison.samples):
        return ["\n".join(sample.fields.values()) for sample in comparison.samples]
    return [*prompt_parts(plainest(comparison).prompts[0, 0].tolist()).own]


def plainest(comparison: ArmComparison) -> ArmAnswers:
    """The arm whose prompts hold no demonstrations, as far as there is one."""
    return next((arm for arm in comparison.arms if arm.name != "few_shot"), comparison.judged)


def script_of(text: str) -> str | None:
    """The script that most letters of a text are of, `Latin` say; None without letters."""
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else None
    counts = Counter(unicodedata.name(letter, "?").partition(" ")[0] for letter in text if letter.isalpha())
    return counts.most_common(1)[0][0].capitalize() if counts else None


def _first_word(text: str) -> str | None:
    words = words_of(text[:200])
    return words[0].lower() if words else None


def _labels(comparison: ArmComparison) -> Feature | None:
    labels = {label: label or "(nothing)" for label in comparison.labels}
    if not labels:
        return None
    targets = [sample.targets[0].strip() for sample in comparison.samples]
    return _frequent("label", [labels[target] for target in targets])


def _clusters(samples: Sequence[AskedSample]) -> Feature | None:
    feature = _frequent("cluster", [sample.cluster or None for sample in samples])
    return feature and Feature(feature.name, feature.parts, by_cluster=True)


def _frequent(name: str, parts: Sequence[str | None]) -> Feature:
    """The most frequent parts alone."""
    counts = Counter(part for part in parts if part is not None)
    frequent = {part for part, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_PARTS]}
    return Feature(name, tuple(_named(part) if part in frequent else None for part in parts))


def _named(part: str | None) -> str:
    name = " ".join((part or "").split()) or "(nothing)"
    return name if len(name) <= LONGEST_PART else f"{name[:LONGEST_PART]}…"


def _numbers(name: str, numbers: Sequence[float | None]) -> Feature | None:
    """A number in bins of about as many samples each; None where it hardly varies."""
    finite = np.array([number for number in numbers if number is not None and math.isfinite(number)])
    if len(finite) < 2 * LEAST or len(set(finite.tolist())) < BINS:
        return None
    edges = sorted(set(np.quantile(finite, np.arange(1, BINS) / BINS, method="lower").tolist()))
    edges = [edge for edge in edges if edge < finite.max()]
    if not edges:
        return None
    return Feature(name, tuple(None if number is None else _bin(number, edges) for number in numbers))


def _bin(number: float, edges: Sequence[float]) -> str:
    """The name of a number's bin: `up to 12`, `over 12 to 30`, `over 30`."""
    place = sum(number > edge for edge in edges)
    if place == 0:
        return f"up to {edges[0]:,g}"
    if place == len(edges):
        return f"over {edges[-1]:,g}"
    return f"over {edges[place - 1]:,g} to {edges[place]:,g}"


def _of_mappings(kind: str, mappings: Sequence[Mapping[str, str]]) -> list[Feature | None]:
    """Features of the texts that samples hold by name: categories, numbers, or how long they are."""
    names = list(dict.fromkeys(chain.from_iterable(mappings)))[:MOST_FIELDS]
    return [
        _of_texts(f"{kind} {name}", [mapping.get(name) for mapping in mappings], alone=len(names) == 1)
        for name in names
    ]


def _of_texts(name: str, texts: Sequence[str | None], *, alone: bool) -> Feature | None:
    present = [text for text in texts if text is not None]
    distinct = len(set(present))
    if distinct < 2:
        return None
    if distinct <= FEW_VALUES:
        return _frequent(name, texts)
    numbers = list(map(_number, texts))
    if all(number is not None for number, text in zip(numbers, texts, strict=True) if text is not None):
        return _numbers(name, numbers)
    if alone:  # the only text of a sample is as long as all it says
        return None
    return _numbers(f"words of {name}", [None if text is None else len(words_of(text)) for text in texts])


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
