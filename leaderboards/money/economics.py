"""Physical quantities times prices: what a candidate costs to train and to serve, and from which volume it
pays.

Runs record seconds, tokens and joules; money is derived here, when pages are built, so that an old result can
be read at a new price. Formulas, with F the one-off cost in dollars and c the cost of a request:

    training $          = Σ over the trainings a run's weights, or its members' weights, come from:
                          (start-up + loading + training + discarded seconds) / 3600 · price of the device's hour
    serving $ a request = seconds per request / 3600 · devices · price of a device-hour / utilisation
    break-even volume   = (F_tuned − F_other) / (c_other − c_tuned) where c_other > c_tuned, else never; against a hosted
                          model F_other = 0 and c_other = Σ tokens · price of a token
    correct answer $    = c / accuracy (arXiv 2504.13359)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.fields import LEAST
from harness.records.result import Result
from harness.records.training import TrainingRecord
from harness.statistics import Estimate
from leaderboards.money.prices import ApiPrice, Price, Prices, total_of

JOULES_PER_KWH = 3.6e6

NEVER = 1e12
"""Requests; a break-even volume above it is none: what serving saves is then no more than a rounding
error."""

Verdict = Literal["never", "unresolved", "dominated"]
"""Why there is no number: serving is not cheaper; a difference is within noise; the score is worse."""


def training_seconds(trainings: Iterable[TrainingRecord]) -> dict[str, float]:
    """Seconds that trainings took, by device."""
    seconds: dict[str, float] = {}
    for training in trainings:
        seconds[training.device] = seconds.get(training.device, 0.0) + training.all_seconds
    return seconds


def training_usd(trainings: Iterable[TrainingRecord], prices: Prices) -> Price | None:
    """What trainings cost, each on the device it ran on; None when one of these has no price."""
    return usd_of(training_seconds(trainings), prices)


def serving_seconds(
    result: Result, known: Mapping[str, Result], *, cached: bool = True
) -> dict[str, float] | None:
    """Device-seconds that one request takes, by device; None when no rate was measured. `cached`: with the
    prefix cache.

    One request to a vote is one to each member, on its own device.
    """
    members = members_of(result, known)
    if members and len(members) == len(result.run.members) and not result.run.averaged:
        return summed([serving_seconds(member, known, cached=cached) for member in members])
    cost = result.cost
    rate = cost.requests_per_second if cached else result.generation.uncached_requests_per_second
    return {cost.device: cost.num_devices / rate} if rate else None


def summed(parts: Sequence[dict[str, float] | None]) -> dict[str, float] | None:
    """Seconds by device, added up; None when a part is not known."""
    seconds: dict[str, float] = {}
    for part in parts:
        if part is None:
            return None
        for device, more in part.items():
            seconds[device] = seconds.get(device, 0.0) + more
    return seconds


def usd_of(seconds: Mapping[str, float] | None, prices: Prices, *, utilisation: float = 1.0) -> Price | None:
    """What seconds of devices cost that are busy this share of the time; None when they, or a price, are not
    known."""
    if seconds is None:
        return None
    parts = [(prices.hour(device), spent / (3600 * utilisation)) for device, spent in seconds.items()]
    return total_of([None if hour is None else hour.times(hours) for hour, hours in parts])


def labels(result: Result, known: Mapping[str, Result]) -> dict[str, int]:
    """Labelled samples that a run's weights were trained on, by task; those of an ensemble's members among
    them.

    A later stage, or another member, learns from the same samples of a task: the budgets are nested.
    """
    if not (result.run.stages or result.run.members):
        return {}
    portions = [(portion.task, portion.n_train) for stage in result.run.stages for portion in stage.portions]
    for member in members_of(result, known):
        portions += labels(member, known).items()
    counts: dict[str, int] = {}
    for task, samples in portions:
        counts[task] = max(samples, counts.get(task, 0))
    return counts


def members_of(result: Result, known: Mapping[str, Result]) -> list[Result]:
    """The finished runs that an ensemble is made of, as far as they are there; empty for all else.

    None of them is an ensemble: no sweep makes such ones, and a circle of them would have no end.
    """
    members = result.run.members
    return [known[key] for key in members if key in known and not known[key].run.members] if members else []


def break_even(
    fixed_tuned: float, fixed_other: float, request_tuned: float, request_other: float
) -> float | None:
    """Requests from which the tuned candidate is the cheaper one in total; None: never."""
    saved = request_other - request_tuned
    if saved <= 0:
        return None
    volume = max(0.0, (fixed_tuned - fixed_other) / saved)
    return volume if volume <= NEVER else None


@dataclass(frozen=True)
class Spend:
    """What a candidate takes: means over its runs, so one fine-tune of one task, unless a field says
    otherwise."""

    device: str
    """Every device its runs used."""

    tuned: bool
    device_seconds: float
    """All that training took, start-ups and what was thrown away among them."""

    train_seconds: float
    train_tokens: float
    train_samples: float
    """Labelled samples, those of other tasks among them."""

    train_flops: float
    prompt_tokens: float
    """Per request."""

    completion_tokens: float
    """Per request."""

    requests_per_second: float | None
    uncached_requests_per_second: float | None
    """With the prefix cache off; None unless every run measured it."""

    peak_memory_bytes: int
    """Largest of any run and phase."""

    joules: float | None
    """Of one run, training and scoring; None unless every run measured it."""

    training: Price | None
    """One fine-tune; None when a device has no price."""

    data: Price
    """The labels of the training samples."""

    request: Price | None
    """One request on a device that is never idle."""

    energy: Price | None


def spend(results: Sequence[Result], prices: Prices, known: Mapping[str, Result]) -> Spend:
    """What the runs of one candidate took, at these prices; `known`: all results by their keys, ensembles'
    members too."""
    costs = [result.cost for result in results]
    count = len(costs)
    serving = mean_serving(results, known)
    rates = [cost.requests_per_second for cost in costs]
    uncached = [result.generation.uncached_requests_per_second for result in results]
    metered = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
    joules = sum(metered) / count if len(metered) == count else None
    requests = sum(cost.requests for cost in costs) or 1
    samples = sum(sum(labels(result, known).values()) for result in results) / count
    return Spend(
        device=", ".join(sorted({cost.device for cost in costs})),
        tuned=any(result.trainings for result in results),
        device_seconds=sum(training.all_seconds for result in results for training in result.trainings)
        / count,
        train_seconds=sum(cost.seconds.get("train", 0.0) for cost in costs) / count,
        train_tokens=sum(cost.train_tokens for cost in costs) / count,
        train_samples=samples,
        train_flops=sum(cost.train_flops for cost in costs) / count,
        prompt_tokens=sum(cost.prompt_tokens for cost in costs) / requests,
        completion_tokens=sum(cost.completion_tokens for cost in costs) / requests,
        requests_per_second=_mean_rate(rates),
        uncached_requests_per_second=_mean_rate(uncached),
        peak_memory_bytes=max(
            (peak for cost in costs for peak in cost.peak_memory_bytes.values()), default=0
        ),
        joules=joules,
        training=usd_of(mean_training(results), prices),
        data=prices.label.usd_per_item.times(samples),
        request=usd_of(serving, prices),
        energy=None
        if joules is None
        else prices.energy.usd_per_kwh.times(joules / JOULES_PER_KWH * prices.energy.pue),
    )


def _mean_rate(rates: Sequence[float | None]) -> float | None:
    """Requests a second over equal numbers of requests at each rate; None unless every rate is known."""
    known = [rate for rate in rates if rate]
    return len(known) / sum(1 / rate for rate in known) if len(known) == len(rates) else None


def mean_training(results: Sequence[Result]) -> dict[str, float]:
    """Seconds of one fine-tune, by device: the mean over runs."""
    trainings = [training for result in results for training in result.trainings]
    return {device: spent / len(results) for device, spent in training_seconds(trainings).items()}


def mean_serving(
    results: Sequence[Result], known: Mapping[str, Result], *, cached: bool = True
) -> dict[str, float] | None:
    """Device-seconds of one request, by device: the mean over runs; None when one of them has no rate."""
    total = summed([serving_seconds(result, known, cached=cached) for result in results])
    return None if total is None else {device: spent / len(results) for device, spent in total.items()}


@dataclass(frozen=True)
class Payback:
    """From which volume a tuned candidate is worth its training, against one that was not tuned."""

    requests: float | None
    """On training and serving alone; None when `why` says there is no such number."""

    with_data: float | None
    """The same with the labels bought as well."""

    why: Verdict | None


def payback(ours: Spend, theirs: Spend, *, request: Price | None, why: Verdict | None) -> Payback | None:
    """Break-even volume of a tuned candidate against another arm; None when it cannot be told (no price, no
    rate).

    `request`: what one to the other arm costs, with its prefix cache on or off; `why`: see `doubt`.
    """
    if ours.training is None or theirs.training is None or ours.request is None or request is None:
        return None
    if why is not None:
        return Payback(None, None, why)
    return _paid_back(
        ours.training.mid, ours.data.mid, ours.request.mid, other=(theirs.training.mid, request.mid)
    )


def doubt(
    tuned: Sequence[Result],
    other: Sequence[Result],
    prices: Prices,
    known: Mapping[str, Result],
    *,
    gain: Estimate | None,
    cached: bool = True,
) -> Verdict | None:
    """Why no break-even volume against another arm would mean anything; None when one does.

    The score must not be within noise ("unresolved") or worse ("dominated"), and the difference in serving
    cost must have the same sign in every pair of runs of the same task and seed, since two throughputs
    measured on a busy machine also differ by chance.
    """
    if gain is None or not gain.clear:
        return "unresolved"
    if gain.high < 0:
        return "dominated"
    theirs = {(its.run.task, its.run.seed): serving_seconds(its, known, cached=cached) for its in other}
    savings = {
        _cheaper(serving_seconds(mine, known), theirs.get((mine.run.task, mine.run.seed)), prices)
        for mine in tuned
    }
    return "unresolved" if {True, False} <= savings else None


def _cheaper(first: dict[str, float] | None, second: dict[str, float] | None, prices: Prices) -> bool | None:
    """Whether the first of two requests costs less; None when it cannot be told. On one device no price is
    needed."""
    if first and second and first.keys() == second.keys() and len(first) == 1:
        return min(first.values()) < min(second.values())
    ours, theirs = usd_of(first, prices), usd_of(second, prices)
    return ours.mid < theirs.mid if ours and theirs else None


def payback_api(own: Spend, api: ApiPrice) -> Payback | None:
    """Break-even volume against a hosted model that is asked with as many tokens; its score is not known.

    None when training or serving has no price.
    """
    if own.training is None or own.request is None:
        return None
    hosted = api.request(own.prompt_tokens, own.completion_tokens).mid
    return _paid_back(own.training.mid, own.data.mid, own.request.mid, other=(0.0, hosted))


def _paid_back(training: float, data: float, request: float, *, other: tuple[float, float]) -> Payback:
    """From which volume training, and the labels besides, are paid back; `other`: one-off cost and cost of a
    request."""
    fixed, served = other
    volume = break_even(training, fixed, request, served)
    if volume is None:
        return Payback(None, None, "never")
    return Payback(volume, break_even(training + data, fixed, request, served), None)


def accuracy(results: Sequence[Result]) -> float | None:
    """Share of right answers over a candidate's runs; None unless every task's primary metric is right or
    wrong."""
    values = [result.metrics.get(result.task.primary_metric) for result in results]
    known = [value.value for value in values if value is not None]
    if len(known) < len(results) or not all(result.task.binary for result in results):
        return None
    share = sum(known) / len(known)
    return share if share >= LEAST else 0.0  # a damaged record's, which costs cannot be divided by
