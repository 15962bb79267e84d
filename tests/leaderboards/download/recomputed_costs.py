"""Costs, worked out anew from the records of runs and a prices file: nothing of GainBoard is imported.

A record is a `result.json` or `failure.json` as a dictionary.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Record = Mapping[str, Any]
Seconds = dict[str, float]
"""By device."""

NEVER = 1e12
"""Requests above which a break-even volume is none."""

PEAKS = {"h200": 989e12, "h100": 989e12, "a100": 312e12}
"""Operations a second in 16 bits, of NVIDIA's data sheets."""


def words_of(text: str) -> str:
    """Words with a space before and behind each."""
    return f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "


@dataclass(frozen=True)
class Prices:
    """A prices file, at its middle prices."""

    content: Mapping[str, Any]

    @property
    def label(self) -> float:
        """Dollars for a labelled sample."""
        return float(self.content["label"]["usd_per_item"]["mid"])

    @property
    def hosted(self) -> Mapping[str, Any] | None:
        """The first hosted model."""
        return next(iter(self.content.get("apis", [])), None)

    def hour(self, device: str) -> float | None:
        """Dollars for an hour of all cores of a device, by the longest entry whose words are in its name."""
        entries = [entry for entry in self.content["devices"] if words_of(entry["match"]) in words_of(device)]
        if not entries:
            return None
        entry = max(entries, key=lambda entry: len(entry["match"]))
        cores = re.search(r"(\d+) cores?\b", device)
        times = 1 if not entry.get("per_core") else int(cores[1]) if cores else None
        return None if times is None else float(entry["usd_per_hour"]["mid"] * times)

    def usd(self, seconds: Seconds | None) -> float | None:
        """Device-seconds in dollars; None where a price, or the seconds, are not known."""
        if seconds is None:
            return None
        parts = [(self.hour(device), spent) for device, spent in seconds.items()]
        known = [hour * spent / 3600 for hour, spent in parts if hour is not None]
        return sum(known) if len(known) == len(parts) else None


def training_seconds(training: Record) -> float:
    """Start-up, loading, training and what was thrown away."""
    parts = ("startup_seconds", "load_seconds", "train_seconds")
    return float(sum(training[part] for part in parts) + training["discarded"]["seconds"])


def add(seconds: Iterable[tuple[str, float]]) -> Seconds:
    """Seconds by device."""
    total: Seconds = {}
    for device, spent in seconds:
        total[device] = total.get(device, 0.0) + spent
    return total


@dataclass(frozen=True)
class Runs:
    """All finished runs by their key."""

    by_key: Mapping[str, Record]
    prices: Prices

    def members(self, record: Record) -> list[Record]:
        """What an ensemble is made of."""
        return [self.by_key[key] for key in record["run"]["members"] if key in self.by_key]

    def trained_on(self, record: Record) -> dict[str, int]:
        """Training samples by task, of all stages and members; of a task the most."""
        counts: dict[str, int] = {}
        portions = [
            (portion["task"], portion["n_train"])
            for stage in record["run"]["stages"]
            for portion in stage["portions"]
        ]
        for member in self.members(record):
            portions += self.trained_on(member).items()
        for task, count in portions:
            counts[task] = max(count, counts.get(task, 0))
        return counts

    def labels(self, record: Record) -> int:
        """Samples trained on, dev where it chose something, and what prompts show besides."""
        parts = [record, *self.members(record)]
        dev, shown = 0, 0
        for part in parts:
            run, task = part["run"], part["task"]
            if part["selection"] or any(training["dev_curve"] for training in part["trainings"]):
                dev = max(dev, task["n_dev"])
            pool = task["n_train"] if run["demonstrations"] == "nearest" else run["num_fewshot"]
            shown = max(shown, pool)
        counts = self.trained_on(record)
        return sum(counts.values()) + dev + max(0, shown - counts.get(record["run"]["task"], 0))

    def serving(self, record: Record, *, cached: bool = True) -> Seconds | None:
        """Device-seconds of a request: devices / rate, and of a vote those of all members."""
        members = self.members(record)
        if members and not record["run"]["averaged"]:
            parts = [self.serving(member, cached=cached) for member in members]
            known = [part for part in parts if part is not None]
            whole = [pair for part in known for pair in part.items()]
            return add(whole) if len(known) == len(parts) else None
        cost = record["cost"]
        name, holder = ("requests_per_second", cost) if cached else (
            "uncached_requests_per_second",
            record["generation"],
        )  # fmt: skip
        return {cost["device"]: cost["num_devices"] / holder[name]} if holder[name] else None

    def mean_serving(self, records: Sequence[Record], *, cached: bool = True) -> Seconds | None:
        """The mean over runs; None unless all have a rate."""
        parts = [self.serving(record, cached=cached) for record in records]
        known = [pair for part in parts if part is not None for pair in part.items()]
        if any(part is None for part in parts):
            return None
        return {device: spent / len(records) for device, spent in add(known).items()}

    def devices_up(self, records: Sequence[Record]) -> Seconds:
        """How many of each device are taken while the candidate is up: what one engine serves for all tasks is shared
        among them."""
        tasks = len({record["run"]["task"] for record in records})
        most: Seconds = {}
        for record in records:
            parts = [record] if record["run"]["averaged"] else self.members(record) or [record]
            engines: dict[tuple[str, str], float] = {}
            for part in parts:
                shared = not part["trainings"] or part["generation"]["way"] == "adapters"
                candidate = part["run"]["candidate"]
                engine = f"{candidate['model']} {candidate['revision']}" if shared else part["key"]
                place = part["cost"]["device"], engine
                up = part["cost"]["num_devices"] / (tasks if shared else 1)
                engines[place] = max(up, engines.get(place, 0.0))
            for device, up in add((device, up) for (device, _), up in engines.items()).items():
                most[device] = max(up, most.get(device, 0.0))
        return most


def training_of(records: Sequence[Record]) -> Seconds:
    """Seconds of one fine-tune: the mean over runs."""
    pairs = [
        (training["device"], training_seconds(training))
        for record in records
        for training in record["trainings"]
    ]
    return {device: spent / len(records) for device, spent in add(pairs).items()}


@dataclass(frozen=True)
class Line:
    """F + max(V · c, H)."""

    fixed: float
    request: float
    held: float

    def at(self, volume: float) -> float:
        """The total cost of so many requests."""
        return self.fixed + max(volume * self.request, self.held)


def line_of(
    records: Sequence[Record], runs: Runs, use: Mapping[str, Any], *, cached: bool = True
) -> Line | None:
    """The total cost of a candidate against volume, in the scenario of a board; None without a price or rate."""
    prices = runs.prices
    training = prices.usd(training_of(records))
    request = prices.usd(runs.mean_serving(records, cached=cached))
    hours = [(prices.hour(device), up) for device, up in runs.devices_up(records).items()]
    if training is None or request is None or any(hour is None for hour, _ in hours):
        return None
    again = use["retrains"] if any(record["trainings"] for record in records) else 0
    labels = sum(runs.labels(record) for record in records) / len(records) * prices.label
    bought = 0.0 if use["labels"] == "owned" else labels * (1 + again * use["relabel"])
    held = use["hours"] * sum((hour or 0.0) * up for hour, up in hours)
    return Line(bought + training * (1 + again), request * 100 / use["utilisation"], held)


def crossing(tuned: Line, other: Line) -> float:
    """The first volume from which the tuned one costs less for all larger ones; infinite: never.

    Both lines are flat and then rise, so they can only cross where one bends or where two straight parts meet:
    the volume is searched among these.
    """
    if other.request <= tuned.request:
        return math.inf
    if tuned.at(0) <= other.at(0):
        return 0.0
    candidates = [
        (tuned.fixed - other.fixed) / (other.request - tuned.request),
        (tuned.fixed + tuned.held - other.fixed) / other.request,
    ]
    reached = [v for v in candidates if v > 0 and math.isclose(tuned.at(v), other.at(v), rel_tol=1e-9)]
    volume = min(reached, default=math.inf)
    return volume if volume <= NEVER else math.inf


def log_ratio_reach(
    tuned: Sequence[Record], arm: Sequence[Record], runs: Runs, *, cached: bool = True
) -> float | None:
    """Half of the 95 % t interval of log(cost of a request to the arm / to the tuned one), over pairs of one task and
    seed."""
    by_place = {(record["run"]["task"], record["run"]["seed"]): record for record in arm}
    logs = []
    for record in tuned:
        rival = by_place.get((record["run"]["task"], record["run"]["seed"]))
        of_tuned = runs.serving(record)
        of_rival = runs.serving(rival, cached=cached) if rival else None
        if not of_tuned or not of_rival:
            continue
        if of_tuned.keys() == of_rival.keys() and len(of_tuned) == 1:
            logs.append(math.log(sum(of_rival.values()) / sum(of_tuned.values())))
            continue
        usd, rival_usd = runs.prices.usd(of_tuned), runs.prices.usd(of_rival)
        if usd and rival_usd:
            logs.append(math.log(rival_usd / usd))
    if len(logs) < 2:
        return None
    return float(stats.t.ppf(0.975, len(logs) - 1) * np.std(logs, ddof=1) / math.sqrt(len(logs)))


BreakEven = tuple[float | None, str | None, float | None, float | None]
"""Requests, or why there is no such number; both ends of the interval."""


def break_even(tuned: Line, other: Line, *, why: str | None = None, reach: float | None = None) -> BreakEven:
    """The break-even volume of a fine-tune, whose ends are those of the ratio of serving costs."""
    if why:
        return None, why, None, None
    volume = crossing(tuned, other)
    requests, reason = (None, "never") if math.isinf(volume) else (volume, None)
    if reach is None:
        return requests, reason, None, None
    low, high = (
        crossing(tuned, Line(other.fixed, other.request * math.exp(sign * reach), other.held))
        for sign in (1, -1)
    )
    if abs(math.log(other.request / tuned.request)) < reach:
        requests, reason = None, "unresolved"
    return requests, reason, None if math.isinf(low) else low, None if math.isinf(high) else high


def bill(records: Sequence[Record], failures: Sequence[Record], runs: Runs) -> dict[str, Any]:
    """All that was spent, every training once by its key."""
    whole = {record["key"]: record for record in records}
    for record in records:
        whole |= {member["key"]: member for member in runs.members(record)}
    trainings: dict[str, Record] = {}
    trials: dict[str, tuple[str, Record]] = {}
    failed: dict[str, tuple[str, Record]] = {}
    trained_at: dict[str, str] = {}
    for _, record in sorted(whole.items()):
        for training in record["trainings"]:
            trainings.setdefault(training["key"], training)
            trained_at.setdefault(record["run"]["candidate"]["model"], training["device"])
        before = record.get("failed_before") or {"seconds": 0.0}
        if before["seconds"]:
            failed[record["key"]] = record["cost"]["device"], before
        device = record["trainings"][-1]["device"] if record["trainings"] else record["cost"]["device"]
        for trial in (record["selection"] or {"trials": []})["trials"]:
            trials.setdefault(trial["key"], (device, trial["spent"]))
    usual = usual_device(records)
    for failure in failures:
        model = failure["run"]["candidate"]["model"]
        failed[failure["key"]] = trained_at.get(model, usual), failure["spent"]
    seconds = [(training["device"], training_seconds(training)) for training in trainings.values()]
    tokens = sum(training["tokens"] + training["discarded"]["tokens"] for training in trainings.values())
    for key, (device, spent) in trials.items():
        training = trainings.get(key)
        seconds.append(
            (device, max(0.0, spent["seconds"] - (training_seconds(training) if training else 0.0)))
        )
        counted = training["tokens"] + training["discarded"]["tokens"] if training else 0
        tokens += max(0, spent["tokens"] - counted)
    seconds += [(device, spent["seconds"]) for device, spent in failed.values()]
    tokens += sum(spent["tokens"] for _, spent in failed.values())
    return {
        "all_in_usd": runs.prices.usd({device: spent for device, spent in add(seconds).items() if spent}),
        "all_in_device_hours": sum(spent for _, spent in seconds) / 3600,
        "all_in_train_tokens": tokens,
        "trainings": len(trainings),
        "trials": len(trials),
        "failures": len(failed),
    }


def usual_device(records: Sequence[Record]) -> str:
    """Where most trainings ran; without any, where most answers were given."""
    names = [training["device"] for record in records for training in record["trainings"]]
    names = names or [record["cost"]["device"] for record in records]
    return min(sorted(set(names)), key=lambda name: -names.count(name), default="")


def mfu(records: Sequence[Record]) -> float | None:
    """(4 · frozen + 6 · trained parameters) · tokens / (training seconds · peak)."""
    done = available = 0.0
    for record in records:
        for training in record["trainings"]:
            names = [name for name in PEAKS if words_of(name) in words_of(training["device"])]
            if not names or training["dtype"] not in ("bfloat16", "float16"):
                return None
            trained = training["trainable_parameters"]
            frozen = training["parameters"] - trained
            done += (4 * frozen + 6 * trained) * training["tokens"]
            available += training["train_seconds"] * PEAKS[names[0]]
    return done / available if available else None


def accuracy(records: Sequence[Record]) -> float | None:
    """Share of right answers, where all metrics are right or wrong."""
    if not all(record["task"]["binary"] for record in records):
        return None
    values = [record["metrics"].get(record["task"]["primary_metric"]) for record in records]
    shares = [value["value"] for value in values if value]
    return sum(shares) / len(shares) if len(shares) == len(values) else None


def staircase(points: Sequence[tuple[float, float]]) -> list[int]:
    """The (cost, score) points that no other dominates, cheapest first."""
    kept = [
        place
        for place, (cost, score) in enumerate(points)
        if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)
    ]
    return sorted(kept, key=lambda place: points[place])
