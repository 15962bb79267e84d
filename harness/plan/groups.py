"""The runs that share a base model, and so one training worker and one engine."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from harness.sweep.run import Run


@dataclass(frozen=True)
class Group:
    """The runs that share a base model, and so one training worker and one engine."""

    model: str
    revision: str | None
    max_model_len: int | None
    runs: list[Run]

    @property
    def name(self) -> str:
        """The name of its logs and of its line in the progress display."""
        return self.runs[0].candidate.name

    def halves(self) -> "tuple[Group, Group] | None":
        """The group as two, for two workers; None when all its runs share a training or a search."""
        inseparable: dict[str, list[Run]] = {}
        for run in self.runs:
            inseparable.setdefault(_shared_work(run), []).append(run)
        if len(inseparable) < 2:
            return None
        parts = list(inseparable.values())
        middle = len(parts) // 2
        first_half = list(chain.from_iterable(parts[:middle]))
        second_half = list(chain.from_iterable(parts[middle:]))
        return dataclasses.replace(self, runs=first_half), dataclasses.replace(self, runs=second_half)


def _shared_work(run: Run) -> str:
    """Equal for runs that need the same training or belong to the same search, and so the same worker."""
    if run.stages and (len(run.stages) > 1 or len(run.stages[0].portions) > 1):
        # A mixture serves all its tasks, and all that starts from it.
        return f"{run.stages[0].tuner} {run.seed}"
    if run.search:
        return str(run.arm)
    return run.recipe.key if run.recipe else run.cell


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Group runs by base model, in the order in which the sweep names them."""
    groups: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.candidate.model, run.candidate.revision), []).append(run)
    return [
        Group(model, revision, members[0].generation.max_model_len, members)
        for (model, revision), members in groups.items()
    ]


def spread(groups: Sequence[Group], workers: int) -> list[Group]:
    """Groups enough for all workers: the largest that can be cut in two is, never through runs that share a
    training or a search."""
    parts = list(groups)
    while len(parts) < workers:
        divided = _divide_largest(parts)
        if divided is None:
            break
        parts = divided
    return parts


def _divide_largest(groups: Sequence[Group]) -> list[Group] | None:
    """The groups, the largest of those that can be cut now in two; None when none can be."""
    for group in sorted(groups, key=_size, reverse=True):
        halves = group.halves()
        if halves is not None:
            return [*(uncut for uncut in groups if uncut is not group), *halves]
    return None


def _size(group: Group) -> int:
    return len(group.runs)
