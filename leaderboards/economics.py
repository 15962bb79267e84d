"""Physical quantities times prices: what a candidate costs to train and to serve, and from which volume it pays.

Runs record seconds, tokens and joules; money is derived here, when pages are built, so that an old result can be read
at a new price. Formulas, with F the one-off cost in dollars and c the cost of a request:

    training $          = Σ over the trainings a run's weights, or its members' weights, come from:
                          (start-up + loading + training + discarded seconds) / 3600 · price of the device's hour
    serving $ a request = seconds per request / 3600 · devices · price of a device-hour / utilisation
    break-even volume   = (F_tuned − F_other) / (c_other − c_tuned) where c_other > c_tuned, else never
"""

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, model_validator

from harness.results import Cost, Result, TrainingRecord
from harness.statistics import Estimate
from harness.toml import Frozen, load_toml

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


def training_usd(trainings: Iterable[TrainingRecord], prices: Prices) -> Price | None:
    """What trainings cost, each on the device it ran on; None when one of these has no price."""
    parts = [(prices.hour(training.device), training.all_seconds / 3600) for training in trainings]
    return total_of([None if hour is None else hour.times(hours) for hour, hours in parts])


def total_of(parts: Sequence[Price | None]) -> Price | None:
    """The sum of prices; None when one of them is not known."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Price(
        low=sum(part.low for part in known), mid=sum(part.mid for part in known), high=sum(part.high for part in known)
    )


def request_usd(cost: Cost, hour: Price, *, utilisation: float = 1.0) -> Price | None:
    """What one request costs on devices that are busy this share of the time; None when no rate was measured."""
    if cost.requests_per_second <= 0:
        return None
    return hour.times(cost.num_devices / (3600 * cost.requests_per_second * utilisation))


def labels(result: Result, known: Mapping[str, Result]) -> dict[str, int]:
    """Labelled samples that a run's weights were trained on, by task; those of an ensemble's members among them.

    A later stage, or another member, learns from the same samples of a task: the budgets are nested.
    """
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
    return [known[key] for key in result.run.members if key in known and not known[key].run.members]


def break_even(fixed_tuned: float, fixed_other: float, request_tuned: float, request_other: float) -> float | None:
    """Requests from which the tuned candidate is the cheaper one in total; None: never."""
    saved = request_other - request_tuned
    return max(0.0, (fixed_tuned - fixed_other) / saved) if saved > 0 else None


@dataclass(frozen=True)
class Spend:
    """What a candidate takes: means over its runs, so one fine-tune of one task, unless a field says otherwise."""

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
    """What the runs of one candidate took, at these prices; `known`: all results by their keys, ensembles' members too."""
    costs = [result.cost for result in results]
    count = len(costs)
    training = total_of([training_usd(result.trainings, prices) for result in results])
    request = total_of([_request(result, prices, known) for result in results])
    rated = [cost.requests_per_second for cost in costs if cost.requests_per_second > 0]
    metered = [cost.energy_joules for cost in costs if cost.energy_joules is not None]
    joules = sum(metered) / count if len(metered) == count else None
    requests = sum(cost.requests for cost in costs) or 1
    samples = sum(sum(labels(result, known).values()) for result in results) / count
    return Spend(
        device=", ".join(sorted({cost.device for cost in costs})),
        tuned=any(result.trainings for result in results),
        device_seconds=sum(training.all_seconds for result in results for training in result.trainings) / count,
        train_seconds=sum(cost.seconds.get("train", 0.0) for cost in costs) / count,
        train_tokens=sum(cost.train_tokens for cost in costs) / count,
        train_samples=samples,
        train_flops=sum(cost.train_flops for cost in costs) / count,
        prompt_tokens=sum(cost.prompt_tokens for cost in costs) / requests,
        completion_tokens=sum(cost.completion_tokens for cost in costs) / requests,
        requests_per_second=len(rated) / sum(1 / rate for rate in rated) if len(rated) == count else None,
        peak_memory_bytes=max((peak for cost in costs for peak in cost.peak_memory_bytes.values()), default=0),
        joules=joules,
        training=training.times(1 / count) if training else None,
        data=prices.label.usd_per_item.times(samples),
        request=request.times(1 / count) if request else None,
        energy=None if joules is None else prices.energy.usd_per_kwh.times(joules / JOULES_PER_KWH * prices.energy.pue),
    )


def _request(result: Result, prices: Prices, known: Mapping[str, Result]) -> Price | None:
    """What one request costs on a device that is never idle; one to a vote is one to each member, on its own device."""
    members = members_of(result, known)
    if members and len(members) == len(result.run.members) and not result.run.averaged:
        return total_of([_request(member, prices, known) for member in members])
    hour = prices.hour(result.cost.device)
    return request_usd(result.cost, hour) if hour else None


@dataclass(frozen=True)
class Payback:
    """From which volume a tuned candidate is worth its training, against one that was not tuned."""

    requests: float | None
    """On training and serving alone; None when `why` says there is no such number."""

    with_data: float | None
    """The same with the labels bought as well."""

    why: Verdict | None


def payback(
    tuned: Sequence[Result],
    other: Sequence[Result],
    prices: Prices,
    known: Mapping[str, Result],
    *,
    gain: Estimate | None,
) -> Payback | None:
    """Break-even volume of a tuned candidate against another arm; None when it cannot be told (no price, no rate).

    A volume is only given where it means something: the score must not be within noise ("unresolved") or worse
    ("dominated"), and the difference in serving cost must have the same sign in every pair of runs of the same task
    and seed, since two throughputs measured on a busy machine also differ by chance.
    """
    ours, theirs = spend(tuned, prices, known), spend(other, prices, known)
    if ours.training is None or theirs.training is None or ours.request is None or theirs.request is None:
        return None
    if gain is None or not gain.clear:
        return Payback(None, None, "unresolved")
    if gain.high < 0:
        return Payback(None, None, "dominated")
    savings = [
        _request_mid(mine, prices, known) < _request_mid(its, prices, known)
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


def _request_mid(result: Result, prices: Prices, known: Mapping[str, Result]) -> float:
    price = _request(result, prices, known)
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
