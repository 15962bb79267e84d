"""The ranked candidates as the cost page weighs them: measured quantities and draws of scores, without any
price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.sweep.methods import Method
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.money.payback import NoFigure, doubt
from leaderboards.rank.baselines import Key
from leaderboards.rank.tables import Table

Seconds = tuple[tuple[int, float], ...]
"""Device-seconds by device, which is its place among all devices of the page."""


@dataclass(frozen=True)
class Rival:
    """The few-shot arm of a tuned candidate's model."""

    serving: Seconds | None
    why: NoFigure | None
    """Why a break-even volume against it would mean nothing; None when it would mean something."""


@dataclass(frozen=True)
class Case:
    """One complete candidate, in means over its runs: one fine-tune of one task, one request."""

    entry: Entry
    training: Seconds
    labels: float
    """Labelled samples that it was trained on."""

    serving: Seconds | None
    """One request on devices that are never idle; None when no rate was measured."""

    uncached: Seconds | None
    """One request to a few-shot arm without prefix cache; None elsewhere, and where it was not measured."""

    few_shot: Rival | None
    few_shot_uncached: Rival | None

    @property
    def key(self) -> Key:
        """What tells candidates apart."""
        return self.entry.row.key

    @property
    def label(self) -> str:
        """How people read the candidate."""
        return self.entry.row.label

    @property
    def method(self) -> Method:
        """How it was made."""
        return self.entry.row.method

    @property
    def tuned(self) -> bool:
        """Whether weights were trained for it."""
        return self.entry.spend.tuned

    @property
    def forgets(self) -> bool:
        """Whether it lost too much on guard tasks to be advised."""
        return self.entry.row.forgets

    @property
    def score(self) -> float:
        """On the scale of 0 to 1."""
        assert self.entry.row.score, "a case is a complete row"
        return self.entry.row.score.value


@dataclass(frozen=True)
class Choices:
    """All that may be chosen, best score first."""

    devices: tuple[str, ...]
    """Every device that trained or served one of them, by name."""

    cases: tuple[Case, ...]
    steps: NDArray[np.int16]
    """Draws × cases: scores in whole steps."""

    def only(self, places: Sequence[int]) -> "Choices":
        """The cases at `places` only, in that order."""
        return Choices(
            self.devices, tuple(self.cases[place] for place in places), self.steps[:, list(places)]
        )


def make_choices(table: Table, ledger: CostLedger) -> Choices:
    """The complete rows of a table as cases."""
    entries = [entry for entry in ledger.entries if entry.row.score]
    used = set[str]()
    for entry in entries:
        used |= {*entry.spend.training_by_device, *(entry.spend.serving_by_device or ())}
    devices = sorted(used)
    cases = tuple(_case(entry, table, ledger, devices) for entry in entries)
    return Choices(tuple(devices), cases, ledger.draws.steps)


def _case(entry: Entry, table: Table, ledger: CostLedger, devices: list[str]) -> Case:
    row, spend = entry.row, entry.spend

    def placed(seconds: Mapping[str, float] | None) -> Seconds | None:
        if seconds is None or not seconds.keys() <= set(devices):
            return None
        return tuple((devices.index(device), seconds[device]) for device in sorted(seconds))

    def rival(*, cached: bool) -> Rival | None:
        few_shot = table.baseline(row, "few_shot") if row.tuned else None
        if few_shot is None:
            return None
        arm_spend = ledger.of(few_shot).spend
        return Rival(
            placed(arm_spend.serving_by_device if cached else arm_spend.uncached_by_device),
            doubt(row.results, few_shot.results, ledger.runs, gain=row.over_few, cached=cached),
        )

    return Case(
        entry,
        training=placed(spend.training_by_device) or (),
        labels=spend.train_samples,
        serving=placed(spend.serving_by_device),
        uncached=placed(spend.uncached_by_device) if row.method == "few_shot" else None,
        few_shot=rival(cached=True),
        few_shot_uncached=rival(cached=False),
    )
