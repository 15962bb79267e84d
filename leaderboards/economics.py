"""Physical quantities times prices: what a candidate costs to train and to serve, and from which volume it pays.

Runs record seconds, tokens and joules; money is derived here, when pages are built, so that an old result can be read
at a new price. Formulas, with F the one-off cost in dollars and c the cost of a request:

    training $          = (train_startup + train seconds) / 3600 · devices · price of a device-hour
    serving $ a request = seconds per request / 3600 · devices · price of a device-hour / utilisation
    break-even volume   = (F_tuned − F_other) / (c_other − c_tuned) where c_other > c_tuned, else never
"""

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, model_validator

from harness.config import Frozen, load_toml
from harness.results import Cost, Result
from harness.statistics import Estimate

SHIPPED_PRICES = Path(__file__).parent / "prices.toml"
JOULES_PER_KWH = 3.6e6

Verdict = Literal["never", "unresolved", "dominated"]
"""Why there is no number: serving is not cheaper; a difference is within noise; the score is worse."""


class Price(Frozen):
    """A price in three scenarios. They are not an interval."""

    low: NonNegativeFloat
    mid: NonNegativeFloat
    high: NonNegativeFloat

    @model_validator(mode="after")
    def _ordered(self) -> "Price":
        if not self.low <= self.mid <= self.high:
            raise ValueError("low, mid and high must be in rising order")
        return self

    def times(self, quantity: float) -> "Price":
        """The price of so many units, in each scenario."""
        return Price(low=self.low * quantity, mid=self.mid * quantity, high=self.high * quantity)


class DevicePrice(Frozen):
    """What an hour of a device costs."""

    match: str = Field(min_length=1)
    """Part of the device's name as the runs record it, upper and lower case alike."""

    usd_per_hour: Price
    per_core: bool = False
    """Whether the price is for one core of the device and not for all of it."""

    source: str


class EnergyPrice(Frozen):
    """What a kilowatt-hour at the device costs. Shown beside rental prices, which include it."""

    usd_per_kwh: Price
    pue: float = Field(ge=1)
    """Energy drawn by the building for each unit drawn by the device."""

    source: str


class LabelPrice(Frozen):
    """What one labelled training sample costs."""

    usd_per_item: Price
    source: str


class Prices(Frozen):
    """A prices file."""

    as_of: datetime.date
    """When the prices were last looked at."""

    devices: tuple[DevicePrice, ...]
    energy: EnergyPrice
    label: LabelPrice

    def device(self, name: str) -> DevicePrice | None:
        """The entry for a device as the runs name it, the most specific one; None for an unknown device."""
        matching = [entry for entry in self.devices if entry.match.casefold() in name.casefold()]
        return max(matching, key=lambda entry: len(entry.match), default=None)

    def hour(self, name: str) -> Price | None:
        """What an hour of the device costs, all its cores; None when it cannot be told."""
        entry = self.device(name)
        if entry is None or not entry.per_core:
            return entry.usd_per_hour if entry else None
        cores = re.search(r"(\d+) cores?\b", name)
        return entry.usd_per_hour.times(int(cores[1])) if cores else None


def load_prices(path: Path | None = None) -> Prices:
    """Read a prices file; None reads the shipped one. Raises `UserError` with the key and what is allowed."""
    return load_toml(path or SHIPPED_PRICES, Prices)


def device_seconds(cost: Cost) -> float:
    """Device-seconds that one fine-tune took, its share of the start-up among them."""
    return (cost.seconds.get("train_startup", 0.0) + cost.seconds.get("train", 0.0)) * cost.num_devices


def training_usd(cost: Cost, hour: Price) -> Price:
    """What one fine-tune cost on devices at this price an hour."""
    return hour.times(device_seconds(cost) / 3600)


def request_usd(cost: Cost, hour: Price, *, utilisation: float = 1.0) -> Price | None:
    """What one request costs on devices that are busy this share of the time; None when no rate was measured."""
    if cost.requests_per_second <= 0:
        return None
    return hour.times(cost.num_devices / (3600 * cost.requests_per_second * utilisation))


def break_even(fixed_tuned: float, fixed_other: float, request_tuned: float, request_other: float) -> float | None:
    """Requests from which the tuned candidate is the cheaper one in total; None: never."""
    saved = request_other - request_tuned
    return max(0.0, (fixed_tuned - fixed_other) / saved) if saved > 0 else None


@dataclass(frozen=True)
class Spend:
    """What a candidate takes: means over its runs, so one fine-tune of one task, unless a field says otherwise."""

    device: str
    """Every device its runs used."""

    runs: int
    tuned: bool
    device_seconds: float
    train_seconds: float
    train_tokens: float
    train_samples: float
    train_flops: float
    prompt_tokens: float
    """Per request."""

    completion_tokens: float
    """Per request."""

    requests_per_second: float | None
    peak_memory_bytes: int
    """Largest of any run and phase."""

    joules: float | None
    """Of one run, training and scoring; None unless every run measured it."""

    training: Price | None
    """One fine-tune; None when a device has no price."""

    all_in: Price | None
    """Every finished fine-tune of the candidate, all tasks and seeds."""

    data: Price
    """The labels of one task's training samples."""

    request: Price | None
    """One request on a device that is never idle."""

    energy: Price | None


def spend(results: Sequence[Result], prices: Prices) -> Spend:
    """What the runs of one candidate took, at these prices."""
    costs = [result.cost for result in results]
    count = len(costs)
    hours = [prices.hour(cost.device) for cost in costs]
    trained = [result for result in results if result.training is not None]
    training = [training_usd(cost, hour) for cost, hour in zip(costs, hours, strict=True) if hour]
    request = [request_usd(cost, hour) for cost, hour in zip(costs, hours, strict=True) if hour]
    rated = [cost.requests_per_second for cost in costs if cost.requests_per_second > 0]
    metered = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
    joules = sum(metered) / count if len(metered) == count else None
    requests = sum(cost.requests for cost in costs) or 1
    samples = sum(result.training.samples for result in trained if result.training) / count
    return Spend(
        device=", ".join(sorted({cost.device for cost in costs})),
        runs=count,
        tuned=bool(trained),
        device_seconds=sum(device_seconds(cost) for cost in costs) / count,
        train_seconds=sum(cost.seconds.get("train", 0.0) for cost in costs) / count,
        train_tokens=sum(cost.train_tokens for cost in costs) / count,
        train_samples=samples,
        train_flops=sum(cost.train_flops for cost in costs) / count,
        prompt_tokens=sum(cost.prompt_tokens for cost in costs) / requests,
        completion_tokens=sum(cost.completion_tokens for cost in costs) / requests,
        requests_per_second=len(rated) / sum(1 / rate for rate in rated) if len(rated) == count else None,
        peak_memory_bytes=max((peak for cost in costs for peak in cost.peak_memory_bytes.values()), default=0),
        joules=joules,
        training=_total(training).times(1 / count) if len(training) == count else None,
        all_in=_total(training) if len(training) == count else None,
        data=prices.label.usd_per_item.times(samples),
        request=_mean_or_none(request, count),
        energy=None if joules is None else prices.energy.usd_per_kwh.times(joules / JOULES_PER_KWH * prices.energy.pue),
    )


def _total(parts: Iterable[Price]) -> Price:
    listed = list(parts)
    return Price(
        low=sum(part.low for part in listed), mid=sum(part.mid for part in listed), high=sum(part.high for part in listed)
    )


def _mean_or_none(parts: Sequence[Price | None], count: int) -> Price | None:
    known = [part for part in parts if part is not None]
    return _total(known).times(1 / count) if len(known) == count else None


@dataclass(frozen=True)
class Payback:
    """From which volume a tuned candidate is worth its training, against one that was not tuned."""

    requests: float | None
    """On training and serving alone; None when `why` says there is no such number."""

    with_data: float | None
    """The same with the labels bought as well."""

    why: Verdict | None


def payback(tuned: Sequence[Result], other: Sequence[Result], prices: Prices, *, gain: Estimate | None) -> Payback | None:
    """Break-even volume of a tuned candidate against another arm; None when it cannot be told (no price, no rate).

    A volume is only given where it means something: the score must not be within noise ("unresolved") or worse
    ("dominated"), and the difference in serving cost must have the same sign in every pair of runs of the same task
    and seed, since two throughputs measured on a busy machine also differ by chance.
    """
    ours, theirs = spend(tuned, prices), spend(other, prices)
    if ours.training is None or theirs.training is None or ours.request is None or theirs.request is None:
        return None
    if gain is None or not gain.clear:
        return Payback(None, None, "unresolved")
    if gain.high < 0:
        return Payback(None, None, "dominated")
    savings = [
        _request_mid(mine, prices) < _request_mid(its, prices)
        for mine in tuned
        for its in other
        if (mine.run.task, mine.run.seed) == (its.run.task, its.run.seed)
    ]
    if any(savings) and not all(savings):
        return Payback(None, None, "unresolved")
    volume = break_even(ours.training.mid, theirs.training.mid, ours.request.mid, theirs.request.mid)
    if volume is None:
        return Payback(None, None, "never")
    with_data = break_even(ours.training.mid + ours.data.mid, theirs.training.mid, ours.request.mid, theirs.request.mid)
    return Payback(volume, with_data, None)


def _request_mid(result: Result, prices: Prices) -> float:
    hour = prices.hour(result.cost.device)
    price = request_usd(result.cost, hour) if hour else None
    assert price is not None, "a candidate has a serving price only when each of its runs does"
    return price.mid


def usd_per_point(own: Spend, gain: Estimate | None) -> float | Verdict | None:
    """Training dollars for each point (a hundredth of the scale) gained; None when there is no price or no baseline."""
    if own.training is None or gain is None:
        return None
    if not gain.clear:
        return "unresolved"
    return own.training.mid / (100 * gain.value) if gain.low > 0 else "dominated"


def staircase(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, score) points that none dominates, cheapest first: the staircase, not the convex hull.

    A point is dominated by one that costs no more and scores no less, and is better in one of the two.
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1], index))
    kept: list[int] = []
    for index in order:
        if not kept or points[index][1] > points[kept[-1]][1] or points[index] == points[kept[-1]]:
            kept.append(index)
    return kept
