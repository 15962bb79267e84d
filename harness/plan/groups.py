"""The runs that share a base model, and so one training worker and one engine."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

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
        """Names its logs and its line of the progress display."""
        return self.runs[0].candidate.name

    def halves(self) -> "tuple[Group, Group] | None":
        """The group as two, for two workers; None when all its runs share a training or a search."""
        together: dict[str, list[Run]] = {}
        for run in self.runs:
            first = run.stages[0] if run.stages else None
            shared = str(run.arm) if run.search else run.recipe.key if run.recipe else run.cell
            if first is not None and len(run.stages) + len(first.portions) > 2:
                shared = f"{first.tuner} {run.seed}"  # a mixture, or what starts from one
            together.setdefault(shared, []).append(run)
        if len(together) < 2:
            return None
        parts = list(together.values())
        half = len(parts) // 2
        first_half, second_half = (
            [run for part in some for run in part] for some in (parts[:half], parts[half:])
        )
        return dataclasses.replace(self, runs=first_half), dataclasses.replace(self, runs=second_half)


def group_runs(runs: Iterable[Run]) -> list[Group]:
    """Runs by base model, in the order the sweep names them."""
    groups: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.candidate.model, run.candidate.revision), []).append(run)
    return [
        Group(model, revision, members[0].generation.max_model_len, members)
        for (model, revision), members in groups.items()
    ]
