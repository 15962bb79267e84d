"""Physical quantities times prices: what each run took, and what it costs to train and to serve.

Runs record seconds, tokens and joules; money is derived here, when pages are built, so that an old result can
be read at a new price. Formulas:

    training $          = Σ over the trainings a run's weights, or its members' weights, come from:
                          (start-up + loading + training + discarded seconds) / 3600 · price of a device-hour
    serving $ a request = seconds per request / 3600 · devices · price of a device-hour / utilisation
    labels              = training samples, dev samples where dev chose a checkpoint or a setting, and what
                          prompts show beyond these
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.records.result import Result
from harness.records.training import TrainingRecord
from leaderboards.money.prices import Price, Prices, total_of

JOULES_PER_KWH = 3.6e6

ADAPTERS = "adapters"
"""The way of a run whose adapter was served beside others of its base."""

DeviceSeconds = dict[str, float]
"""Seconds by the device that was busy."""


@dataclass(frozen=True)
class Spend:
    """What a candidate takes: means over its runs, so one fine-tune of one task, unless a field says
    otherwise."""

    device: str
    """Every device its runs used."""

    tuned: bool
    device_seconds: float
    """All that training took, start-ups and what was thrown away among them."""

    training_by_device: DeviceSeconds
    """The seconds of `device_seconds`."""

    serving_by_device: DeviceSeconds | None
    """One request with the prefix cache; None unless every run has a rate."""

    uncached_by_device: DeviceSeconds | None
    """One request without the prefix cache; None unless every run measured it."""

    train_seconds: float
    train_tokens: float
    labels: float
    """Labelled samples that have to be there: see `PricedRuns.labelled`."""

    devices: dict[str, float]
    """How many of each device are taken while the candidate is up; less than one of a device that the board's
    tasks share."""

    train_flops: float
    prompt_tokens: float
    """Per request."""

    completion_tokens: float
    """Per request."""

    thought_tokens: float
    """Those of them that thoughts took, per request."""

    requests_per_second: float | None
    uncached_requests_per_second: float | None
    """With the prefix cache off; None unless every run measured it."""

    peak_memory_bytes: int
    """Largest of any run and phase."""

    joules: float | None
    """Energy of one run, training and scoring; None unless every run measured it."""

    training: Price | None
    """One fine-tune; None when a device has no price."""

    data: Price
    """All labels, if they have to be bought."""

    request: Price | None
    """One request on a device that is never idle."""

    uncached_request: Price | None
    """One request without the prefix cache, on a device that is never idle."""

    energy: Price | None


@dataclass(frozen=True)
class _Needs:
    """Labelled samples of a run's own task beside those that it was trained on."""

    dev: int
    prompted: int


@dataclass(frozen=True)
class PricedRuns:
    """All finished runs with the prices they are read at; what a run took is worked out once."""

    by_key: Mapping[str, Result]
    prices: Prices
    _labels: dict[str, dict[str, int]] = field(init=False, default_factory=dict, repr=False)
    _serving: dict[tuple[str, bool], DeviceSeconds | None] = field(
        init=False, default_factory=dict, repr=False
    )

    def members(self, result: Result) -> list[Result]:
        """The finished runs that an ensemble is made of, as far as they are there; empty for all else.

        None of them is an ensemble: no sweep makes such ones, and a circle of them would have no end.
        """
        if not result.run.members:  # as of nearly all
            return []
        finished = [self.by_key[key] for key in result.run.members if key in self.by_key]
        return [member for member in finished if not member.run.members]

    def members_of(self, results: Iterable[Result]) -> Iterator[Result]:
        """The members of all these runs; one that several are made of comes as often."""
        return itertools.chain.from_iterable(map(self.members, results))

    def labels(self, result: Result) -> dict[str, int]:
        """Labelled samples that a run's weights, or those of an ensemble's members, were trained on, by task.

        A later stage, or another member, learns from the same samples of a task: the budgets are nested.
        """
        if result.key not in self._labels:
            self._labels[result.key] = self._count_labels(result)
        return self._labels[result.key]

    def _count_labels(self, result: Result) -> dict[str, int]:
        portions: list[tuple[str, int]] = []
        for stage in result.run.stages:
            portions += [(portion.task, portion.n_train) for portion in stage.portions]
        for member in self.members(result):
            portions += self.labels(member).items()
        counts: dict[str, int] = {}
        for task, samples in portions:
            counts[task] = max(samples, counts.get(task, 0))
        return counts

    def labelled(self, result: Result) -> int:
        """Labelled samples that a run needs: those that its weights were trained on; the task's dev set,
        where dev chose a checkpoint or the settings; and the samples that its prompts show, unless it was
        trained on them. Prompts that look for the `nearest` samples need the whole pool."""
        needs = [self._needs(part) for part in (result, *self.members(result))]
        task_labels = self.labels(result).get(result.run.task, 0)
        prompted = max(need.prompted for need in needs)
        return (
            sum(self.labels(result).values())
            + max(need.dev for need in needs)
            + max(0, prompted - task_labels)
        )

    def _needs(self, result: Result) -> "_Needs":
        run = result.run
        chose = result.selection is not None or any(training.dev_curve for training in result.trainings)
        pool = result.task.n_train if run.demonstrations == "nearest" else run.num_fewshot
        return _Needs(result.task.n_dev if chose else 0, pool)

    def serving(self, result: Result, *, cached: bool = True) -> DeviceSeconds | None:
        """Device-seconds that one request takes; None when no rate was measured. `cached`: with the prefix
        cache."""
        if (result.key, cached) not in self._serving:
            self._serving[result.key, cached] = self._measure_serving(result, cached=cached)
        return self._serving[result.key, cached]

    def _measure_serving(self, result: Result, *, cached: bool) -> DeviceSeconds | None:
        # One request to a vote is one to each member, on its own device; averaged weights are served as one.
        members = self.members(result)
        if members and len(members) == len(result.run.members) and not result.run.averaged:
            return summed([self.serving(member, cached=cached) for member in members])
        cost = result.cost
        rate = cost.requests_per_second if cached else result.generation.uncached_requests_per_second
        return {cost.device: cost.num_devices / rate} if rate else None

    def _devices_up(self, results: Sequence[Result]) -> dict[str, float]:
        """How many of each device a candidate takes while it is up: the most that one of its runs took.

        Weights that one engine serves for all tasks, a base's or those of adapters beside it, take a share of
        the device: one by the number of tasks. Other weights have it alone. The members of an ensemble that
        votes answer side by side, each on devices of its own, but for those that one engine serves together.
        """
        tasks = len({result.run.task for result in results})
        counts: dict[str, float] = {}
        for result in results:
            for device, count in self._devices_of(result, tasks).items():
                counts[device] = max(count, counts.get(device, 0.0))
        return counts

    def _devices_of(self, result: Result, tasks: int) -> dict[str, float]:
        """How many of each device one run takes while it is up, on a board of so many tasks."""
        served = [result] if result.run.averaged else self.members(result) or [result]
        by_engine: dict[tuple[str, str], float] = {}
        for part in served:
            shared = not part.trainings or part.generation.way == ADAPTERS
            candidate = part.run.candidate
            engine = f"{candidate.model} {candidate.revision}" if shared else part.key
            up = part.cost.num_devices / (tasks if shared else 1)
            by_engine[part.cost.device, engine] = max(up, by_engine.get((part.cost.device, engine), 0.0))
        counts: dict[str, float] = {}
        for (device, _), up in by_engine.items():
            counts[device] = counts.get(device, 0.0) + up
        return counts

    def mean_serving(self, results: Sequence[Result], *, cached: bool = True) -> DeviceSeconds | None:
        """Device-seconds of one request: the mean over runs; None when one of them has no rate."""
        total = summed([self.serving(result, cached=cached) for result in results])
        return None if total is None else {device: spent / len(results) for device, spent in total.items()}

    def spend(self, results: Sequence[Result]) -> Spend:
        """What the runs of one candidate took."""
        prices, costs = self.prices, [result.cost for result in results]
        count = len(costs)
        training, serving = mean_training(results), self.mean_serving(results)
        uncached = self.mean_serving(results, cached=False)
        metered = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
        joules = sum(metered) / count if len(metered) == count else None
        requests = sum(cost.requests for cost in costs) or 1
        labels = sum(map(self.labelled, results)) / count
        return Spend(
            device=", ".join(sorted({cost.device for cost in costs})),
            tuned=any(result.trainings for result in results),
            device_seconds=sum(training.all_seconds for training in _trainings(results)) / count,
            training_by_device=training,
            serving_by_device=serving,
            uncached_by_device=uncached,
            train_seconds=sum(cost.seconds.get("train", 0.0) for cost in costs) / count,
            train_tokens=sum(cost.train_tokens for cost in costs) / count,
            labels=labels,
            devices=self._devices_up(results),
            train_flops=sum(cost.train_flops for cost in costs) / count,
            prompt_tokens=sum(cost.prompt_tokens for cost in costs) / requests,
            completion_tokens=sum(cost.completion_tokens for cost in costs) / requests,
            thought_tokens=sum(cost.thought_tokens for cost in costs) / requests,
            requests_per_second=_mean_rate([cost.requests_per_second for cost in costs]),
            uncached_requests_per_second=_mean_rate(
                [result.generation.uncached_requests_per_second for result in results]
            ),
            peak_memory_bytes=max(
                (max(cost.peak_memory_bytes.values(), default=0) for cost in costs), default=0
            ),
            joules=joules,
            training=usd_of(training, prices),
            data=prices.label.usd_per_item.times(labels),
            request=usd_of(serving, prices),
            uncached_request=usd_of(uncached, prices),
            energy=None
            if joules is None
            else prices.energy.usd_per_kwh.times(joules / JOULES_PER_KWH * prices.energy.pue),
        )


def price_runs(results: Iterable[Result], prices: Prices) -> PricedRuns:
    """Runs at these prices; ensembles find their members among them."""
    return PricedRuns({result.key: result for result in results}, prices)


def training_seconds(trainings: Iterable[TrainingRecord]) -> DeviceSeconds:
    """Seconds that trainings took."""
    seconds: DeviceSeconds = {}
    for training in trainings:
        seconds[training.device] = seconds.get(training.device, 0.0) + training.all_seconds
    return seconds


def mean_training(results: Sequence[Result]) -> DeviceSeconds:
    """Seconds of one fine-tune: the mean over runs."""
    seconds = training_seconds(_trainings(results))
    return {device: spent / len(results) for device, spent in seconds.items()}


def _trainings(results: Iterable[Result]) -> Iterator[TrainingRecord]:
    return itertools.chain.from_iterable(result.trainings for result in results)


def training_usd(trainings: Iterable[TrainingRecord], prices: Prices) -> Price | None:
    """What trainings cost, each on the device it ran on; None when one of these has no price."""
    return usd_of(training_seconds(trainings), prices)


def summed(parts: Sequence[DeviceSeconds | None]) -> DeviceSeconds | None:
    """Seconds by device, added up; None when a part is not known."""
    seconds: DeviceSeconds = {}
    for part in parts:
        if part is None:
            return None
        for device, device_seconds in part.items():
            seconds[device] = seconds.get(device, 0.0) + device_seconds
    return seconds


def usd_of(seconds: Mapping[str, float] | None, prices: Prices, *, utilisation: float = 1.0) -> Price | None:
    """What device-seconds cost where a device is busy for `utilisation` of the time; None when the
    seconds, or a price, are not known."""
    if seconds is None:
        return None
    parts = [(prices.hour(device), spent / (3600 * utilisation)) for device, spent in seconds.items()]
    return total_of([None if hour is None else hour.times(hours) for hour, hours in parts])


def _mean_rate(rates: Sequence[float | None]) -> float | None:
    """Requests a second over equal numbers of requests at each rate; None unless every rate is known."""
    measured = [rate for rate in rates if rate]
    return len(measured) / sum(1 / rate for rate in measured) if len(measured) == len(rates) else None
