"""Tell whether the cells of a column are sets of labels:
`billing; hardware`, `["billing"]`, or empty for none."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.data.splits import MAX_FREQUENT_STRATA
from harness.metrics.label_sets import NO_LABEL, SEPARATORS, LabelSet, json_labels

MIN_USES = 3
"""Cells that a label stands in, on average: labels recur, the words of an answer hardly do."""

MAX_RARE = 0.2
"""Share of the labels that may stand in one cell only, misspelt ones for instance."""

LONGEST_LABEL = 40
"""Characters of a label beside others; a longer text is part of a sentence."""

_NONES = ("none", "no label", "(none)", "(no label)")
"""Ways to write that there is no label; the first that is not itself one is taken."""


@dataclass(frozen=True)
class LabelCells:
    """A column of sets of labels."""

    labels: LabelSet
    empty: int
    """Cells without a label."""

    largest: int
    """Labels of the cell that has most."""


def find_label_cells(cells: Sequence[str], *, stated: bool = False) -> LabelCells | None:
    """The labels of a column whose cells are sets of them, or None.

    Cells are lists in JSON, or texts parted by `;`, `|`, `,` or line breaks. They are sets where the labels
    recur and are no numbers or sentences; where most labels stand in different company (those of "Toys,
    Games" never part); and where not all cells have equally many ("Paris, France" is a pair), unless they are
    lists. With `stated` they are known to be sets: the mark that parts most cells is taken as the separator.
    """
    full = [cell for cell in cells if cell.strip().casefold() not in NO_LABEL]
    if not full:
        return None
    lists = [json_labels(cell) for cell in full]
    as_lists = [labels for labels in lists if labels is not None]
    if len(as_lists) == len(full):
        return _found(as_lists, cells, separators=SEPARATORS) if stated or _recur(as_lists) else None
    by_separator = {
        mark: [parted(cell, mark) for cell in full]
        for mark in SEPARATORS
        if any(mark in cell for cell in full)
    }
    if stated:
        mark = max(by_separator, key=lambda mark: sum(mark in cell for cell in full), default=SEPARATORS[0])
        return _found(by_separator.get(mark) or [[cell.strip()] for cell in full], cells, separators=(mark,))
    if any(cell.lstrip().startswith(("[", "{")) for cell in full):
        return None  # JSON of other things than texts
    for mark, sets in by_separator.items():
        if _recur(sets) and _combine(sets):
            return _found(sets, cells, separators=(mark,))
    return None


def parted(cell: str, mark: str) -> list[str]:
    """The labels of a cell between the marks, without white space around them."""
    return [label for part in cell.split(mark) if (label := part.strip())]


def _recur(sets: Sequence[Sequence[str]]) -> bool:
    """Whether the labels are few for their number, recur, and look like labels."""
    counts = Counter(itertools.chain.from_iterable(sets))
    if not 2 <= len(counts) <= min(MAX_FREQUENT_STRATA, counts.total() // MIN_USES):
        return False
    rare = sum(count == 1 for count in counts.values())
    named = sum(_is_name(label) for label in counts)
    several = any(len(labels) > 1 for labels in sets)
    return several and rare <= MAX_RARE * len(counts) and named > len(counts) / 2


def _is_name(label: str) -> bool:
    digits, letters = sum(map(str.isdigit, label)), sum(map(str.isalpha, label))
    return letters > digits and len(label) <= LONGEST_LABEL


def _combine(sets: Sequence[Sequence[str]]) -> bool:
    """Whether cells have different numbers of labels, and most labels stand in several different sets."""
    if len({len(set(labels)) for labels in sets}) == 1:
        return False
    company = Counter(itertools.chain.from_iterable({frozenset(labels) for labels in sets}))
    return sum(count > 1 for count in company.values()) > len(company) / 2


def _found(
    sets: Sequence[Sequence[str]], cells: Sequence[str], *, separators: Sequence[str]
) -> LabelCells | None:
    labels = sorted(set(itertools.chain.from_iterable(sets)))
    mark = next((mark for mark in separators if not any(mark in label for label in labels)), None)
    none = next((text for text in _NONES if text not in labels), None)
    if mark is None or none is None:
        return None
    separator = {"|": " | ", "\n": "\n"}.get(mark, f"{mark} ")
    return LabelCells(
        LabelSet(tuple(labels), separator=separator, none=none),
        empty=len(cells) - sum(bool(labels_of_cell) for labels_of_cell in sets),
        largest=max(len(set(labels_of_cell)) for labels_of_cell in sets),
    )
