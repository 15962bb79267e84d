"""All that was spent on a candidate, or on a whole sweep: every training once, the trials of searches, and
what failed.

    all-in $ = Σ over the different trainings of all runs: device-seconds
             + Σ over the trials of their searches: training and answering on dev, but for the trainings above
             + Σ over the runs that failed: device-seconds until they did
               each / 3600 · price of the device's hour

A training that several runs share, as of a mixture of tasks or of an ensemble's members, has one key and is
paid once. Scoring on test is no part of it.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.records.result import Failure, Result
from harness.records.training import ResourceUse, TrainingRecord
from leaderboards.money.prices import Price
from leaderboards.money.spend import PricedRuns, usd_of


@dataclass(frozen=True)
class Bill:
    """What was spent in all."""

    trainings: int
    """Trainings that the runs' weights come from, each counted once."""

    trials: int
    """Settings that searches tried."""

    failures: int
    """Starts of runs that failed."""

    spent: ResourceUse
    """Its seconds are device-seconds."""

    price: Price | None
    """None when a device has no price."""


@dataclass
class _Entries:
    """What is on a bill so far; a key that comes again is the same spending."""

    trainings: dict[str, TrainingRecord] = field(default_factory=dict)
    trials: dict[str, tuple[str, ResourceUse]] = field(default_factory=dict)
    """By the key of its recipe: where it ran, and what it took."""

    failures: dict[str, tuple[str, ResourceUse]] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    """Where a model was trained."""


def bill(
    results: Iterable[Result],
    failures: Iterable[Failure],
    runs: PricedRuns,
    *,
    device: str,
) -> Bill:
    """Add up what results and failures took.

    `runs`: all there are, members of ensembles among them. `device`: where runs failed whose model has no
    finished training that would say it.
    """
    entries = _Entries()
    for result in _with_members(results, runs):
        _enter(result, entries)
    for failure in failures:
        recipe = failure.run.recipe if failure.phase == "train" else None
        device_name = entries.devices.get(failure.run.candidate.model, device)
        # Runs that wait for one training fail together, and it was paid once.
        entries.failures[recipe.key if recipe else failure.key] = (device_name, failure.spent)
    for key in entries.trainings.keys() & entries.trials.keys():
        place, spent = entries.trials[key]
        entries.trials[key] = (place, _without(spent, entries.trainings[key]))
    parts = [
        *((training.device, _spent(training)) for training in entries.trainings.values()),
        *entries.trials.values(),
        *entries.failures.values(),
    ]
    seconds = defaultdict[str, float](float)
    for place, spent in parts:
        seconds[place] += spent.seconds
    return Bill(
        trainings=len(entries.trainings),
        trials=len(entries.trials),
        failures=len(entries.failures),
        spent=ResourceUse(
            seconds=sum(seconds.values()),
            tokens=sum(spent.tokens for _, spent in parts),
            flops=sum(spent.flops for _, spent in parts),
        ),
        price=usd_of({place: spent for place, spent in seconds.items() if spent}, runs.prices),
    )


def usual_device(results: Sequence[Result]) -> str:
    """Where most trainings ran, or, if nothing was trained, most answers were given."""
    trainings = itertools.chain.from_iterable(result.trainings for result in results)
    devices = Counter(training.device for training in trainings)
    devices = devices or Counter(result.cost.device for result in results)
    return min(devices, key=lambda name: (-devices[name], name), default="")


def _with_members(results: Iterable[Result], runs: PricedRuns) -> list[Result]:
    by_key: dict[str, Result] = {}
    for result in results:
        by_key[result.key] = result
        by_key |= {member.key: member for member in runs.members(result)}
    return [by_key[key] for key in sorted(by_key)]


def _enter(result: Result, entries: _Entries) -> None:
    for training in result.trainings:
        entries.trainings.setdefault(training.key, training)
        entries.devices.setdefault(result.run.candidate.model, training.device)
    if result.failed_before.seconds:
        entries.failures[result.key] = (result.cost.device, result.failed_before)
    if result.selection is None:
        return
    device = result.trainings[-1].device if result.trainings else result.cost.device
    for trial in result.selection.trials:
        entries.trials.setdefault(trial.key, (device, trial.spent))


def _spent(training: TrainingRecord) -> ResourceUse:
    return ResourceUse(
        seconds=training.all_seconds,
        tokens=training.tokens + training.discarded.tokens,
        flops=training.flops + training.discarded.flops,
    )


def _without(spent: ResourceUse, training: TrainingRecord) -> ResourceUse:
    """What a trial took besides its training, which is on the bill already: answering on dev."""
    training_spent = _spent(training)
    return ResourceUse(
        seconds=max(0.0, spent.seconds - training_spent.seconds),
        tokens=max(0, spent.tokens - training_spent.tokens),
        flops=max(0.0, spent.flops - training_spent.flops),
    )
