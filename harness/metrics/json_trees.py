"""Metrics of answers that are JSON objects or lists: which of their leaves agree.

A leaf is a value at a path; an empty object or list counts as one. Leaves agree where path and value do, and
the items of two lists are matched one to one so that most leaves agree, in any order. An item that is missing
costs its leaves. Of a flat object the leaves are its fields.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.metrics.answers import json_number
from harness.metrics.matching import best
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

MOST_PAIRS = 100_000
"""Pairs of list items that are compared for one judgement. Beyond, items are matched in the order in which
they stand, which can only find less that agrees."""


@dataclass(frozen=True)
class _Tree:
    """A JSON value."""

    digest: bytes
    """Equal for values that agree wholly: by type and value, so that 3 and "3" differ, and true and 1, but
    not 5.0 and 5; of objects in any order of keys, and of lists in any order unless it counts."""

    leaves: int
    fields: "dict[str, _Tree] | None" = None
    """Of an object that is not empty."""

    items: "tuple[_Tree, ...] | None" = None
    """Of a list that is not empty."""

    @property
    def is_nested(self) -> bool:
        """Whether part of it can agree."""
        return self.fields is not None or self.items is not None


@dataclass(frozen=True)
class _Reading:
    """How a document is looked at."""

    ordered: bool = False
    """Whether the order of lists counts."""

    values: bool = True
    """Whether values count, or only where they stand."""


_ANY_ORDER, _IN_ORDER, _KEYS = _Reading(), _Reading(ordered=True), _Reading(values=False)


@lru_cache(maxsize=2048)  # every metric reads the same answers and targets
def _document(text: str, reading: _Reading) -> _Tree | None:
    """The tree of an object or a list, or None when `text` is neither."""
    try:
        value = json.loads(text, parse_float=json_number)
        return _tree(value, reading) if isinstance(value, (dict, list)) else None
    except (ValueError, RecursionError):
        return None


def _tree(value: object, reading: _Reading) -> _Tree:
    if isinstance(value, dict) and value:
        fields = {name: _tree(part, reading) for name, part in sorted(value.items())}
        names = (json.dumps(name).encode() + tree.digest for name, tree in fields.items())
        return _Tree(_digest(b"{", names), sum(tree.leaves for tree in fields.values()), fields=fields)
    if isinstance(value, list) and value:
        items = tuple(_tree(part, reading) for part in value)
        digests = [tree.digest for tree in items]
        ordered = digests if reading.ordered else sorted(digests)
        return _Tree(_digest(b"[", ordered), sum(tree.leaves for tree in items), items=items)
    is_container = isinstance(value, (dict, list))
    content = json.dumps(value) if reading.values or is_container else "value"
    return _Tree(_digest(b"=", [content.encode()]), 1)


def _digest(kind: bytes, parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(kind, digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.digest()


class _Comparison:
    """Counts the leaves that two documents share, within `MOST_PAIRS`."""

    def __init__(self, reading: _Reading) -> None:
        self._ordered = reading.ordered
        self._pairs_left = MOST_PAIRS

    def shared(self, first: _Tree, second: _Tree) -> int:
        if first.digest == second.digest:
            return first.leaves
        if first.fields and second.fields:
            names = first.fields.keys() & second.fields.keys()
            return sum(self.shared(first.fields[name], second.fields[name]) for name in sorted(names))
        if first.items and second.items:
            if self._ordered:
                return self._in_order(first.items, second.items)
            return self._in_any_order(first.items, second.items)
        return 0

    def _in_any_order(self, first: Sequence[_Tree], second: Sequence[_Tree]) -> int:
        """The leaves of the best assignment of items to items."""
        # Equal items are matched first: no other match of theirs can do better for the whole.
        equal = Counter(item.digest for item in first) & Counter(item.digest for item in second)
        rows, columns = _without(first, equal), _without(second, equal)
        matched = sum(item.leaves for item in first) - sum(item.leaves for item in rows)
        # A single value that has no equal agrees with nothing.
        return matched + self._assigned(
            *([item for item in side if item.is_nested] for side in (rows, columns))
        )

    def _assigned(self, rows: Sequence[_Tree], columns: Sequence[_Tree]) -> int:
        if not rows or not columns:
            return 0
        if not self._may_compare(rows, columns):
            return sum(map(self.shared, rows, columns))
        import numpy
        from scipy.optimize import linear_sum_assignment  # Jonker-Volgenant: exact, in cubic time

        scores = numpy.array([[self.shared(row, column) for column in columns] for row in rows])
        return int(scores[linear_sum_assignment(scores, maximize=True)].sum())

    def _in_order(self, first: Sequence[_Tree], second: Sequence[_Tree]) -> int:
        """The best matching in which no two pairs cross: items may be missing, not swapped."""
        if not self._may_compare(first, second):
            return sum(map(self.shared, first, second))
        best_so_far = [0] * (len(second) + 1)
        for row in first:
            before, best_so_far = best_so_far, [0]
            for place, column in enumerate(second):
                matched = before[place] + self.shared(row, column)
                best_so_far.append(max(matched, before[place + 1], best_so_far[place]))
        return best_so_far[-1]

    def _may_compare(self, first: Sequence[_Tree], second: Sequence[_Tree]) -> bool:
        pairs = len(first) * len(second)
        if pairs > self._pairs_left:
            return False
        self._pairs_left -= pairs
        return True


def _without(items: Sequence[_Tree], counted: Counter[bytes]) -> list[_Tree]:
    """The items that are left when so many of each digest are taken away."""
    left = counted.copy()
    rest = []
    for item in items:
        if left[item.digest] > 0:
            left[item.digest] -= 1
        else:
            rest.append(item)
    return rest


# The metrics


_Share = Callable[[int, int, int], float]
"""A score from the leaves that both share, those of the answer, and those of the target."""


def _precision(shared: int, answered: int, expected: int) -> float:
    return shared / answered


def _recall(shared: int, answered: int, expected: int) -> float:
    return shared / expected


def _f1(shared: int, answered: int, expected: int) -> float:
    return 2 * shared / (answered + expected)


def _comparing(share: _Share, reading: _Reading) -> Callable[[Reply], float]:
    def score(answer: str, target: str) -> float:
        answered, expected = _document(answer, reading), _document(target, reading)
        if answered is None or expected is None:
            return 0.0
        shared = _Comparison(reading).shared(answered, expected)
        return share(shared, answered.leaves, expected.leaves)

    return best(score)


def _has_form(reply: Reply) -> bool:
    """Whether the answer is an object, or a list where a target is one."""
    answered = _document(reply.answer, _ANY_ORDER)
    if answered is None:
        return False
    return _opens(reply.answer) in {_opens(target) for target in reply.targets} or _opens(reply.answer) == "{"


def _opens(text: str) -> str:
    return text.lstrip()[:1]


def _metric(name: str, description: str, share: _Share, reading: _Reading = _ANY_ORDER) -> Metric:
    return Metric(name, description, _comparing(share, reading), parses=_has_form, outputs=ANSWERS)


JSON_TREES = (
    _metric("json_precision", "share of the answer's values that a target has at the same place", _precision),
    _metric("json_recall", "share of a target's values that the answer has at the same place", _recall),
    _metric("json_f1", "F1 over the values of a JSON document, each at its place; lists in any order", _f1),
    _metric("json_f1_ordered", "like json_f1, where the order of lists counts", _f1, _IN_ORDER),
    _metric("json_keys", "F1 over the places of a JSON document's values, whatever they are", _f1, _KEYS),
    Metric(
        "json_valid",
        "the answer is a JSON object, or a list where the target is one",
        lambda reply: float(_has_form(reply)),
        parses=_has_form,
        binary=True,
        outputs=ANSWERS,
    ),
)
