"""What a leaf of `data/leaderboard.json` should be, and how far it is from that."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recomputed import ERRORS, PUBLISHED_DRAWS
from recomputed_statistics import Figure

Kind = Literal["recomputed", "copied", "drawn", "listed"]


@dataclass(frozen=True)
class Leaf:
    """What a leaf should be: one of several, or a number in a range."""

    kind: Kind
    any_of: tuple[Any, ...] = ()
    low: float = math.nan
    high: float = math.nan

    def distance(self, found: Any) -> float:
        """How far off a leaf is, relative to what it should be; infinite where it is something else."""
        if self.kind == "listed":
            return 0.0
        if self.any_of:
            return min(_apart(found, wanted) for wanted in self.any_of)
        within = isinstance(found, int | float) and self.low <= found <= self.high
        return 0.0 if within else math.inf


def _apart(found: Any, wanted: Any) -> float:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (found, wanted))
    if not numbers:
        return 0.0 if found == wanted and isinstance(found, bool) == isinstance(wanted, bool) else math.inf
    return abs(found - wanted) / max(1.0, abs(wanted))


def recomputed(wanted: Any) -> Leaf:
    """A figure by its formula."""
    return Leaf("recomputed", (wanted,))


def copied(wanted: Any) -> Any:
    """A fact, or all facts of a part of a record, as they stand there."""
    if isinstance(wanted, Mapping):
        return {name: copied(inner) for name, inner in wanted.items()}
    if isinstance(wanted, list | tuple):
        return {str(place): copied(inner) for place, inner in enumerate(wanted)}
    return Leaf("copied", (wanted,))


def share_of(share: float) -> Leaf:
    """A share of the product's draws, of which it is this one in very many."""
    reach = ERRORS * math.sqrt(max(share * (1 - share), 1 / PUBLISHED_DRAWS) / PUBLISHED_DRAWS)
    return Leaf("drawn", low=share - reach, high=share + reach)


def figures(name: str, figure: Figure | None) -> dict[str, Leaf]:
    """A value with its standard error and the ends of its interval."""
    parts = (None,) * 4 if figure is None else (figure.value, figure.stderr, figure.low, figure.high)
    names = (name, f"{name}_stderr", f"{name}_low", f"{name}_high")
    return {part: recomputed(wanted) for part, wanted in zip(names, parts, strict=True)}


def flat(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The leaves of nested dictionaries and lists, by path; an empty one is a leaf, too."""
    inner = dict(enumerate(node)) if isinstance(node, list | tuple) else node
    if not isinstance(inner, Mapping):
        yield path, node
        return
    for name, value in inner.items():
        yield from flat(value, (*path, str(name)))
