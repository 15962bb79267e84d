"""Answers that are sets of labels: how they are written and read, and the metrics that compare them.

The metrics equal scikit-learn's over the indicator matrix of the labels, with one more column for labels that
a model invents; `zero_division` is 1 for a sample without any label, in target and answer, and 0 elsewhere.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.errors import UserError, suggest
from harness.metrics.classes import Sums, by_class, macro_f1
from harness.metrics.matching import best
from harness.task.metric import Counts, Metric, Reply
from harness.task.output import ANSWERS
from harness.task.words import composed

if TYPE_CHECKING:
    from harness.task.metric import Values

NO_LABEL = frozenset({"", "nan", "none", "null", "n/a", "-", "[]"})
"""How tables say that a row has no label, in lower case."""

SEPARATORS = (";", "|", ",", "\n")
"""What stands between the labels of a table's cell; tried in this order."""

_ANY_SEPARATOR = re.compile(r"[;|,\n]")


@dataclass(frozen=True)
class ReadLabels:
    """The labels of one text."""

    labels: frozenset[str]
    """Those that the task knows."""

    unknown: tuple[str, ...] = ()
    """Other texts that stand where labels do, each once; an empty one if nothing stands there at all."""


@dataclass(frozen=True)
class LabelSet:
    """The labels of a task whose answers are any number of them, and how a set of them is written.

    Raises `UserError` for labels that could not be told apart once they are written.
    """

    labels: tuple[str, ...]
    """In the order in which every target is written."""

    separator: str = "; "
    none: str = "none"
    """What a set without a label is written as."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(map(composed, self.labels)))
        mark = self.separator.strip() or self.separator
        for label in self.labels:
            if not label.strip() or label != label.strip():
                raise UserError(f"label {label!r} is empty, or has white space around it; strip it")
            if mark in label:
                raise UserError(
                    f"label '{label}' holds the separator {mark!r}; give LabelSet another separator"
                )
        if len(set(self.labels)) < len(self.labels) or not self.labels:
            raise UserError("the labels of a LabelSet are different texts, one at least")
        if self.none in self.labels or not self.none:
            raise UserError(
                f"'{self.none}' is a label, and says that there is none; give LabelSet another `none`"
            )

    def read(self, text: str) -> ReadLabels:
        """The labels in a text: a cell of a table, or what a model wrote.

        They are parted by the separator, or, where that gives other texts than labels, by any of
        `SEPARATORS`; a JSON list is read, too. Order and repetition do not matter; case does.
        """
        text = composed(text).strip()
        if not text:
            return ReadLabels(frozenset(), ("",))
        if text == self.none:
            return ReadLabels(frozenset())
        parts = json_labels(text)
        if parts is None:
            parts = self._parted(text)
        known_labels = self._known
        return ReadLabels(
            frozenset(part for part in parts if part in known_labels),
            tuple(dict.fromkeys(part for part in parts if part not in known_labels)),
        )

    def write(self, labels: Iterable[str]) -> str:
        """A set of labels as targets have it. Raises `UserError` for one that is not among them."""
        chosen = set(labels)
        for label in sorted(chosen - self._known):
            raise UserError(f"'{label}' is none of the labels.{suggest(label, self.labels)}")
        return self.separator.join(label for label in self.labels if label in chosen) or self.none

    def target(self, cell: str) -> str:
        """A table's cell as a target. Empty cells, "NaN", "none" and the like have no label. Raises
        `UserError` for a text that is no label."""
        if cell.strip().casefold() in NO_LABEL and cell.strip() not in self._known:
            return self.none
        read = self.read(cell)
        return self.write({*read.labels, *read.unknown})

    def extract(self, completion: str) -> str:
        """What a model wrote in the form of a target, so that equal sets are equal texts: labels first, then
        what is none. To be a task's `extract`."""
        read = self.read(completion)
        labels = [label for label in self.labels if label in read.labels]
        return self.separator.join([*labels, *read.unknown]) if labels or read.unknown else self.none

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Micro F1, macro F1, F1 and Jaccard of each sample,
        and the share of samples whose whole set is right."""
        return (
            Metric(
                "label_f1_micro",
                "F1 over all labels of all samples together",
                counts=self._micro_counts,
                value=_micro_f1,
                parses=self._has_only_labels,
                constants=self._frequent_sets,
                outputs=ANSWERS,
            ),
            Metric(
                "label_f1_macro",
                "F1 of a label; mean over the labels that some sample has",
                counts=self._macro_counts,
                value=macro_f1,
                details=by_class,
                parses=self._has_only_labels,
                constants=self._frequent_sets,
                outputs=ANSWERS,
            ),
            Metric(
                "label_f1_samples",
                "F1 over the labels of a sample; mean over samples",
                best(self._f1),
                parses=self._has_only_labels,
                constants=self._frequent_sets,
                outputs=ANSWERS,
            ),
            Metric(
                "label_jaccard",
                "labels that answer and target share, of those that either has; mean over samples",
                best(self._jaccard),
                parses=self._has_only_labels,
                constants=self._frequent_sets,
                outputs=ANSWERS,
            ),
            Metric(
                "subset_accuracy",
                "the answer has the target's labels and no other",
                best(self._is_equal),
                parses=self._has_only_labels,
                binary=True,
                outputs=ANSWERS,
            ),
        )

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.labels)

    def _parted(self, text: str) -> list[str]:
        parts: list[str] = []
        for part in text.split(self.separator.strip() or self.separator):
            label = part.strip()
            if label in self._known:
                parts.append(label)
                continue
            pieces = [piece.strip() for piece in _ANY_SEPARATOR.split(label)]
            pieces = [piece for piece in pieces if piece]
            parts += pieces if any(piece in self._known for piece in pieces) else [label]
        return [part for part in parts if part] or [text]

    def _has_only_labels(self, reply: Reply) -> bool:
        return not self.read(reply.answer).unknown

    def _sizes(self, answer: str, target: str) -> tuple[int, int, int]:
        """Labels that both have, that only the answer has, and that only the target has."""
        answered, expected = self.read(answer), self.read(target).labels
        invented = len(answered.unknown)
        return (
            len(answered.labels & expected),
            len(answered.labels - expected) + invented,
            len(expected - answered.labels),
        )

    def _f1(self, answer: str, target: str) -> float:
        shared, added, missed = self._sizes(answer, target)
        return 2 * shared / (2 * shared + added + missed) if shared + added + missed else 1.0

    def _jaccard(self, answer: str, target: str) -> float:
        shared, added, missed = self._sizes(answer, target)
        return shared / (shared + added + missed) if shared + added + missed else 1.0

    def _is_equal(self, answer: str, target: str) -> float:
        _, added, missed = self._sizes(answer, target)
        return float(added + missed == 0)

    def _nearest_target(self, reply: Reply) -> str:
        """The accepted set that the answer comes closest to."""
        return max(reply.targets, key=lambda target: self._f1(reply.answer, target), default="")

    def _micro_counts(self, reply: Reply) -> Counts:
        shared, added, missed = self._sizes(reply.answer, self._nearest_target(reply))
        return {"tp": shared, "fp": added, "fn": missed}

    def _macro_counts(self, reply: Reply) -> Counts:
        """`tp`, `fp` and `fn` of each label; those that a model invents are none of the classes."""
        answered = self.read(reply.answer).labels
        expected = self.read(self._nearest_target(reply)).labels
        return {
            "samples": 1,  # of which some have no label at all
            **{f"tp {label}": 1 for label in answered & expected},
            **{f"fp {label}": 1 for label in answered - expected},
            **{f"fn {label}": 1 for label in expected - answered},
        }

    def _frequent_sets(self, targets: Iterable[str]) -> list[str]:
        """The most frequent label, the two most frequent, and so on: one of these has the best F1 that one
        answer to everything can have, or nearly."""
        counts = dict.fromkeys(self.labels, 0)
        for target in targets:
            for label in self.read(target).labels:
                counts[label] += 1
        ordered = sorted(self.labels, key=lambda label: -counts[label])
        return [self.write(ordered[:size]) for size in range(1, min(len(ordered), _MOST_CONSTANTS) + 1)]


_MOST_CONSTANTS = 30
"""Sets that are tried as the answer to everything: more labels than this are never that frequent."""


def json_labels(text: str) -> list[str] | None:
    """The texts of a JSON list, stripped, numbers as they are written; None for anything else."""
    if not text.lstrip().startswith("["):
        return None
    try:
        parts = json.loads(text, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        return None
    return [composed(part).strip() for part in parts if part.strip()]


def _micro_f1(sums: Sums) -> "Values":
    import numpy

    twice, errors = 2 * sums["tp"], sums["fp"] + sums["fn"]
    total = numpy.asarray(twice + errors, dtype=numpy.float64)
    return numpy.divide(twice, total, out=numpy.zeros_like(total), where=total > 0)
