"""The ranked candidates as a scenario weighs them: measured quantities and draws of scores, without any
price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.counts import count_of
from harness.sweep.methods import Method
from leaderboards.decide.contests import TuningContest
from leaderboards.money.budgets import draws_alone, gain_over
from leaderboards.money.ledger import CostLedger, Entry
from leaderboards.money.payback import NoFigure, doubt, spread_of
from leaderboards.rank.baselines import Key
from leaderboards.rank.draws import Draws, within_range
from leaderboards.rank.tables import Row, Table
from leaderboards.text import POINTS, Unit

Seconds = tuple[tuple[int, float], ...]
"""Device-seconds by device, which is its place among all devices of the page."""

Devices = tuple[tuple[int, float], ...]
"""How many of each device, by its place, a candidate takes while it is up; less than one where it is
shared."""


@dataclass(frozen=True)
class Rival:
    """The few-shot arm of a tuned candidate's model."""

    serving: Seconds | None
    devices: Devices
    labels: float
    """Labelled samples that its prompts show."""

    why: NoFigure | None
    """What of the scores makes a break-even volume against it meaningless; None when nothing does."""

    spread: float | None
    """How unsure the ratio of their serving costs is: see `leaderboards.money.payback.spread_of`."""


@dataclass(frozen=True)
class Examples:
    """Solved samples in the prompts of a few-shot arm."""

    tokens: float
    """That they add to a prompt."""

    shared: bool
    """Whether all prompts begin with the same ones, which a hosted model then reads from its cache."""


@dataclass(frozen=True)
class Case:
    """One complete candidate, in means over its runs: one fine-tune of one task, one request."""

    entry: Entry
    budget: int | None
    """Training samples of its task, where that is less than its row is ranked with; None otherwise."""

    training: Seconds
    labels: float
    """Labelled samples that it takes: see `leaderboards.money.spend.PricedRuns.labelled`."""

    devices: Devices
    serving: Seconds | None
    """One request on devices that are never idle; None when no rate was measured."""

    uncached: Seconds | None
    """One request to a few-shot arm without prefix cache; None elsewhere, and where it was not measured."""

    few_shot: Rival | None
    few_shot_uncached: Rival | None
    examples: Examples | None = None
    """Those in the prompts of its model's few-shot arm; None without one."""

    seeds_known: bool = True
    """Whether it can be told how far another seed of a fine-tune, or of the best arm without tuning, might
    differ: without it no share of the draws means anything."""

    gain_unproven: bool = False
    """Whether it is a fine-tune that is not shown to score more than the best arm without tuning; never so
    of an arm without tuning."""

    @property
    def key(self) -> Key:
        """Its row."""
        return self.entry.row.key

    @property
    def label(self) -> str:
        """How people read the candidate: `small · LoRA r16 · 128 labels`."""
        return self.entry.row.label + self.suffix

    @property
    def suffix(self) -> str:
        """What follows its method's name: nothing, or a smaller budget."""
        return "" if self.budget is None else f" · {count_of(self.budget, 'label')}"

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

    right_per_score: float = 1.0
    """What a unit of score is in right answers per request. 1 on one task; on several, where chance is 0, the
    mean of 1 − chance, which is exact where all tasks have the same chance."""

    unit: Unit = POINTS
    """How scores are written."""

    def only(self, places: Sequence[int]) -> "Choices":
        """The cases at `places` only, in that order."""
        cases = tuple(self.cases[place] for place in places)
        return replace(self, cases=cases, steps=self.steps[:, list(places)])


def make_choices(table: Table, ledger: CostLedger, contests_by_key: Mapping[Key, TuningContest]) -> Choices:
    """The complete rows of a table as cases, and their smaller training budgets. `contests_by_key`: of every
    complete fine-tune against the best arm without tuning."""
    entries = [entry for entry in ledger.entries if entry.row.score]
    used = set[str]()
    for entry in (*entries, *ledger.smaller):
        used |= {*entry.spend.training_by_device, *(entry.spend.serving_by_device or ())}
        used |= {*entry.spend.devices}
    devices = sorted(used)
    untuned = table.best(tuned=False)

    cases = []
    for entry in entries:
        evidence = _evidence_of_row(entry.row, contests_by_key.get(entry.row.key))
        cases.append(_case(entry, None, evidence, table, ledger, devices))
    drawn = [ledger.draws.scores]
    for number, entry in enumerate(ledger.smaller):
        assert entry.row.score, "a smaller budget is complete"
        evidence = _evidence_of_budget(entry.row, untuned, table)
        cases.append(_case(entry, entry.row.n_train, evidence, table, ledger, devices))
        alone = draws_alone(entry.row.score, len(ledger.draws.scores), number=number)
        drawn.append(alone[:, None])
    order = sorted(range(len(cases)), key=[-case.score for case in cases].__getitem__)
    scores = np.concatenate(drawn, axis=1)[:, order]
    steps = Draws(within_range(scores, table)).steps
    ordered = tuple(cases[place] for place in order)
    return Choices(tuple(devices), ordered, steps, _right_per_score(table), table.unit)


def _right_per_score(table: Table) -> float:
    if not table.normalised:
        return 1.0
    parts = [table.weights[task] * (1 - card.chance) for task, card in table.tasks.items()]
    return sum(parts) / sum(table.weights[task] for task in table.tasks)


@dataclass(frozen=True)
class Evidence:
    """What the scores say of a candidate: see the fields of `Case`."""

    seeds_known: bool
    gain_unproven: bool


def _evidence_of_row(row: Row, contest: TuningContest | None) -> Evidence:
    """As the verdict has it, corrected for all fine-tunes. Without a contest it is not tuned, or there is no
    arm without tuning."""
    if not row.tuned:
        return Evidence(seeds_known=True, gain_unproven=False)
    if contest is None:
        return Evidence(row.seed_noise_known, gain_unproven=True)
    return Evidence(contest.seeds_known, not contest.gain_proven)


def _evidence_of_budget(row: Row, untuned: Row | None, table: Table) -> Evidence:
    """A smaller budget is not ranked: the interval of its gain counts alone."""
    gain = gain_over(untuned, row, table)
    seeds_known = row.seed_noise_known and (untuned is None or untuned.seed_noise_known)
    return Evidence(seeds_known, gain_unproven=not (seeds_known and gain and gain.low > 0))


def _case(
    entry: Entry,
    budget: int | None,
    evidence: Evidence,
    table: Table,
    ledger: CostLedger,
    devices: list[str],
) -> Case:
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
            placed(arm_spend.devices) or (),
            arm_spend.labels,
            doubt(row.over_few),
            spread_of(row.results, few_shot.results, ledger.runs, cached=cached),
        )

    return Case(
        entry,
        budget,
        seeds_known=evidence.seeds_known,
        gain_unproven=evidence.gain_unproven,
        training=placed(spend.training_by_device) or (),
        labels=spend.labels,
        devices=placed(spend.devices) or (),
        serving=placed(spend.serving_by_device),
        uncached=placed(spend.uncached_by_device) if row.method == "few_shot" else None,
        few_shot=rival(cached=True),
        few_shot_uncached=rival(cached=False),
        examples=_examples(entry, table, ledger) if row.tuned else None,
    )


def _examples(entry: Entry, table: Table, ledger: CostLedger) -> Examples | None:
    """What the prompts of the few-shot arm hold beside those of a fine-tune: its examples."""
    few_shot = table.baseline(entry.row, "few_shot")
    if few_shot is None:
        return None
    added = ledger.of(few_shot).spend.prompt_tokens - entry.spend.prompt_tokens
    nearest = any(result.run.demonstrations == "nearest" for result in few_shot.results)
    return Examples(max(0.0, added), shared=not nearest)
