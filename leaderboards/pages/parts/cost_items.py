"""Costs as they stand in a cell of a table, or in a list of facts."""

import math
from collections.abc import Sequence

from harness.counts import count_of
from harness.records.result import Result
from leaderboards.gathered import Site
from leaderboards.money.bill import Bill
from leaderboards.money.payback import Payback
from leaderboards.money.prices import ApiPrice, Price, Prices
from leaderboards.money.spend import JOULES_PER_KWH, Spend
from leaderboards.pages.parts.grid import Item, Pairs
from leaderboards.text import MISSING, duration, from_volume, round_usd, span, usd


def bill_text(spent: Bill) -> str:
    """What a bill is for, in words."""
    parts = [(spent.trainings, "training"), (spent.trials, "trial"), (spent.failures, "failure")]
    return ", ".join(count_of(number, noun) for number, noun in parts if number)


def labels_item(site: Site, results: Sequence[Result]) -> Item:
    """Training samples of the task that is scored, and of others."""
    by_run = [(result.run.task, site.ledger.runs.labels(result)) for result in results]
    if not any(by_task for _, by_task in by_run):
        return Item()
    task_labels = [by_task.get(task, 0) for task, by_task in by_run]
    other_labels = [sum(by_task.values()) - by_task.get(task, 0) for task, by_task in by_run]
    return Item(
        span(task_labels),
        f"+ {span(other_labels)} of others" if any(other_labels) else "",
        max(task_labels),
        loose=True,
    )


def train_item(spent: Spend) -> Item:
    """One fine-tune, with its device-hours."""
    if not spent.tuned:
        return Item("$0", sort=0.0, tone="muted")
    hours = _device_hours(spent.device_seconds)
    if spent.training is None:
        return Item(MISSING, hours)
    return Item(usd(spent.training.mid), hours, spent.training.mid)


def _device_hours(seconds: float) -> str:
    """`1.5 h`, whatever the size; less than a tenth of an hour in minutes or seconds."""
    hours = seconds / 3600
    if hours < 0.1:
        return duration(seconds)
    return f"{hours:.2g} h" if hours < 99.5 else f"{hours:,.0f} h"


def serve_item(spent: Spend, *, utilisation: float) -> Item:
    """1,000 requests on a device that is busy for so many percent of the time;
    below, on one that always is."""
    if spent.request is None:
        return Item()
    full = 1000 * spent.request.mid
    dollars = full * 100 / utilisation
    return Item(usd(dollars), "" if utilisation == 100 else f"{usd(full)} busy", dollars)


def serve_help(utilisation: float) -> str:
    """What stands in such a cell."""
    cost = "Cost of 1,000 requests on a device that is"
    if utilisation == 100:
        return f"{cost} always busy."
    return f"{cost} busy {utilisation:g} % of the time; below, one that always is."


def payback_item(payback: Payback | None, against: str = "", *, none: str = "") -> Item:
    """A break-even volume, or why there is none; `none`: what is said where it cannot be told."""
    if payback is None:
        return Item(MISSING, none, tone="muted") if none else Item()
    if payback.requests is None:
        detail = "; ".join(part for part in (ends_text(payback), against) if part)
        return Item(payback.why or MISSING, detail, tone="muted", loose=True)
    detail = "; ".join(part for part in (ends_text(payback), against) if part)
    return Item(from_volume(payback.requests), detail, payback.requests, loose=True)


def ends_text(payback: Payback) -> str:
    """`14,000 to never`: a break-even volume's interval;
    empty where it has none, or none that can be seen."""
    if payback.ends is None:
        return ""
    low, high = ("never" if end == math.inf else from_volume(end) for end in payback.ends)
    return "" if low == high else f"{low} to {high}"


def energy_text(joules: float) -> str:
    watt_hours = 1000 * joules / JOULES_PER_KWH
    return f"{watt_hours / 1000:.3g} kWh" if watt_hours >= 1000 else f"{watt_hours:.3g} Wh"


def usd_range(low: float, high: float) -> str:
    """`$2.00–5.00`."""
    return f"{usd(low)}–{usd(high).removeprefix('$')}"


def price_text(price: Price) -> str:
    """`$3 ($2–5)`."""
    return f"{round_usd(price.mid)} ({round_usd(price.low)}–{round_usd(price.high).removeprefix('$')})"


def _cached_text(hosted: ApiPrice) -> str:
    cached = hosted.usd_per_million_cached_input
    return "" if cached is None else f", cached input {price_text(cached)}"


def price_list(prices: Prices) -> Pairs:
    devices = tuple(
        (
            f"{entry.match}, {'core-hour' if entry.per_core else 'device-hour'}",
            f"{price_text(entry.usd_per_hour)}. {entry.source}.",
        )
        for entry in prices.devices
    )
    kilowatt_hour = price_text(prices.energy.usd_per_kwh)
    energy = f"{kilowatt_hour}, times {prices.energy.pue} for the building. {prices.energy.source}."
    label = f"{price_text(prices.label.usd_per_item)}. {prices.label.source}."
    hosted = tuple(
        (
            f"{entry.name}, million tokens",
            f"input {price_text(entry.usd_per_million_input)}{_cached_text(entry)}, "
            f"output {price_text(entry.usd_per_million_output)}. {entry.source}, {entry.date}.",
        )
        for entry in prices.apis
    )
    return (*devices, ("kWh (in the rent already)", energy), ("label", label), *hosted)
