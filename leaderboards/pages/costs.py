"""The cost tables: physical quantities, and the money derived from them."""

from collections.abc import Callable, Iterable, Sequence

from harness.records.result import Result
from leaderboards.gathered import Site
from leaderboards.money.bill import Bill
from leaderboards.money.ledger import Entry
from leaderboards.money.payback import NoFigure, Payback
from leaderboards.money.peaks import LIKELY
from leaderboards.money.prices import Price, Prices
from leaderboards.money.spend import JOULES_PER_KWH, Spend
from leaderboards.pages.grid import Column, Grid, Head, Item, Line
from leaderboards.pages.heads import Pairs, candidate_head
from leaderboards.rank.tables import Row
from leaderboards.text import (
    MISSING,
    count_of,
    duration,
    flops,
    from_volume,
    percent,
    quantity,
    size_of_memory,
    span,
    usd,
    volume,
)

IDLE = 0.3
"""A share of busy time that real services reach more often than 1."""

RIGHT_ANSWER = Column(
    "$ / right answer",
    "Cost of a request by the share of right answers; right-or-wrong scores only.",
    about="right-answer",
)


def measured_grid(
    site: Site, entries: Iterable[Entry], *, whole: bool = False, head_of: Callable[[Row], Head] | None = None
) -> Grid:
    """What each candidate takes, as it was measured.

    `whole`: the entries are all there are, and their total is shown. `head_of`: what a row is called, where
    its model need not be named.
    """
    columns = (
        Column(
            "Training",
            "Seconds of training, every stage and every member of an ensemble, dev evaluations included; below, with "
            "start-up, loading and what was thrown away.",
            about="training",
        ),
        Column(
            "Train tokens", "Tokens trained on, all epochs and stages, without padding.", about="measured"
        ),
        Column("FLOPs", "Floating-point operations of training.", about="measured"),
        Column(
            "MFU",
            "Model operations of training by what its seconds could have held at the device’s peak; marked where it is "
            "below 5 % or above 60 %: a logging error, or a model too small to fill the device.",
            about="mfu",
        ),
        Column(
            "All-in time",
            "Device time of all that was spent on the candidate: every task, seed and training budget, each training once, "
            "the trials of its search, the runs that failed.",
            about="all-in",
        ),
        Column("Prompt tok.", "Prompt tokens a request.", about="measured"),
        Column("Output tok.", "Generated tokens a request.", about="measured"),
        Column(
            "Requests/s",
            "While scoring, all requests in flight at once; below, few-shot with its prefix cache off.",
            about="measured",
        ),
        Column("Peak memory", "The most any phase of any run took.", about="measured"),
        Column("Energy", "Of one run, where the device has a counter.", about="measured"),
    )
    lines = tuple(_line(site, entry, _measured_items(entry), head_of) for entry in entries)
    return Grid(
        "What each candidate takes",
        Column("Measured"),
        columns,
        lines,
        _total(site, columns, _all_in_time) if whole else None,
    )


def derived_grid(
    site: Site, entries: Iterable[Entry], *, whole: bool = False, head_of: Callable[[Row], Head] | None = None
) -> Grid:
    """What that costs, at the prices of the board; options as above."""
    columns = (
        Column(
            "Train $",
            "One fine-tune at the middle price; below, at the low and the high one.",
            about="training",
        ),
        Column(
            "All-in $",
            "What the all-in time costs; below, how many trainings, trials of settings and failures it holds.",
            about="all-in",
        ),
        Column(
            "Data $",
            "The labels of the training samples, those of other tasks among them, if they had to be bought.",
            about="labels",
        ),
        Column(
            "Serve $/1k",
            "1,000 requests on a device that is always busy; below, busy 30 % of the time.",
            about="serving",
        ),
        RIGHT_ANSWER,
        Column(
            "$ / point",
            "Training dollars for each point over the next cheaper candidate on the frontier.",
            about="per-point",
        ),
        Column(
            "P(frontier)",
            "Share of the draws of all scores in which nothing cheaper to train scores as much.",
            about="frontier",
        ),
        Column(
            "Break-even, few-shot",
            "Requests from which training is paid back against few-shot prompting.",
            about="break-even",
        ),
        Column(
            "… cache off",
            "The same with few-shot’s prefix cache off, where its speed without it was measured.",
            about="break-even",
        ),
        Column("Break-even, zero-shot", "Against the untrained model without examples.", about="break-even"),
        Column("Break-even, hosted", _hosted_help(site.prices), about="break-even"),
    )
    lines = tuple(_line(site, entry, _derived_items(entry), head_of) for entry in entries)
    head = Column(f"At prices of {site.prices.as_of}")
    return Grid(
        "What that costs", head, columns, lines, _total(site, columns, _all_in_usd) if whole else None
    )


def _hosted_help(prices: Prices) -> str:
    if not prices.apis:
        return "The prices file names no hosted model."
    return (
        f"Against a {prices.apis[0].name} asked with as many tokens, on cost alone: its score is not known."
    )


def _line(site: Site, entry: Entry, items: tuple[Item, ...], head_of: Callable[[Row], Head] | None) -> Line:
    head = head_of(entry.row) if head_of else candidate_head(site, entry.row, ranked=False)
    return Line(head, items, aside=entry.row.score is None)


def _total(site: Site, columns: tuple[Column, ...], say: Callable[[Bill], Item]) -> Line:
    """The whole sweep, in the column of all-in figures."""
    items = tuple(
        say(site.ledger.total) if column.title.startswith("All-in") else Item("") for column in columns
    )
    return Line(Head("The whole sweep", "what candidates share is counted once"), items)


def _all_in_time(spent: Bill) -> Item:
    if not spent.spent.seconds:
        return Item()
    return Item(duration(spent.spent.seconds), f"{quantity(spent.spent.tokens)} tokens", spent.spent.seconds)


def _all_in_usd(spent: Bill) -> Item:
    if not spent.spent.seconds or spent.price is None:
        return Item()
    return Item(usd(spent.price.mid), bill_text(spent), spent.price.mid, loose=True)


def bill_text(spent: Bill) -> str:
    """What a bill is for, in words."""
    parts = [(spent.trainings, "training"), (spent.trials, "trial"), (spent.failures, "failure")]
    return ", ".join(count_of(number, noun) for number, noun in parts if number)


def _measured_items(entry: Entry) -> tuple[Item, ...]:
    spent = entry.spend
    return (
        *(_training_items(entry) if spent.tuned else (Item(),) * 4),
        _all_in_time(entry.bill),
        Item(quantity(spent.prompt_tokens), sort=spent.prompt_tokens),
        Item(quantity(spent.completion_tokens), sort=spent.completion_tokens),
        _rate_item(entry),
        Item(size_of_memory(spent.peak_memory_bytes), sort=spent.peak_memory_bytes)
        if spent.peak_memory_bytes
        else Item(),
        _energy_item(spent),
    )


def _derived_items(entry: Entry) -> tuple[Item, ...]:
    return (
        *_price_items(entry),
        serve_item(entry.spend),
        correct_item(entry),
        _per_point_item(entry.usd_per_point),
        Item()
        if entry.frontier_share is None
        else Item(percent(entry.frontier_share), sort=entry.frontier_share),
        payback_item(entry.over_few),
        payback_item(entry.over_few_uncached, none="not measured" if entry.over_few else ""),
        payback_item(entry.over_zero),
        payback_item(entry.over_api),
    )


def _training_items(entry: Entry) -> tuple[Item, ...]:
    spent = entry.spend
    return (
        Item(
            duration(spent.train_seconds), f"{duration(spent.device_seconds)} of device", spent.train_seconds
        ),
        Item(quantity(spent.train_tokens), sort=spent.train_tokens),
        Item(flops(spent.train_flops), sort=spent.train_flops),
        _mfu_item(entry.mfu),
    )


def _mfu_item(share: float | None) -> Item:
    if share is None:
        return Item()
    low, high = LIKELY
    said = "low: check" if share < low else "high: check" if share > high else ""
    return Item(f"{100 * share:.2g} %", said, share, tone="bad" if said else "")


def _rate_item(entry: Entry) -> Item:
    spent = entry.spend
    without = spent.uncached_requests_per_second
    detail = f"{quantity(without)} cache off" if without and entry.row.method == "few_shot" else ""
    return Item(quantity(spent.requests_per_second), detail, spent.requests_per_second)


def correct_item(entry: Entry) -> Item:
    """What a right answer costs on a device that is never idle."""
    if entry.spend.request is None or not entry.accuracy:
        return Item()
    each = entry.spend.request.mid / entry.accuracy
    return Item(usd(each), sort=each)


def _price_items(entry: Entry) -> tuple[Item, ...]:
    spent = entry.spend
    if not spent.tuned:
        return Item(), _all_in_usd(entry.bill), Item()
    return (
        Item(usd(spent.training.mid), range_text(spent.training), spent.training.mid)
        if spent.training
        else Item(),
        _all_in_usd(entry.bill),
        Item(usd(spent.data.mid), range_text(spent.data), spent.data.mid),
    )


def _energy_item(spent: Spend) -> Item:
    if spent.joules is None or spent.energy is None:
        return Item()
    return Item(energy_text(spent.joules), usd(spent.energy.mid), spent.joules)


def labels_item(site: Site, results: Sequence[Result]) -> Item:
    """Training samples of the task that is scored, and of others."""
    by_run = [(result.run.task, site.ledger.runs.labels(result)) for result in results]
    if not any(by_task for _, by_task in by_run):
        return Item()
    own = [by_task.get(task, 0) for task, by_task in by_run]
    others = [sum(by_task.values()) - by_task.get(task, 0) for task, by_task in by_run]
    return Item(span(own), f"+ {span(others)} of others" if any(others) else "", max(own), loose=True)


def train_item(spent: Spend) -> Item:
    if not spent.tuned:
        return Item("$0", sort=0.0, tone="muted")
    hours = spent.device_seconds / 3600
    took = (
        duration(spent.device_seconds)
        if hours < 0.1
        else f"{hours:.2g} h"
        if hours < 99.5
        else f"{hours:,.0f} h"
    )
    if spent.training is None:
        return Item(MISSING, took)
    return Item(usd(spent.training.mid), took, spent.training.mid)


def serve_item(spent: Spend) -> Item:
    if spent.request is None:
        return Item()
    full = 1000 * spent.request.mid
    return Item(usd(full), f"{usd(full / IDLE)} at 30 %", full)


def payback_item(payback: Payback | None, against: str = "", *, none: str = "") -> Item:
    """A break-even volume, or why there is none; `none`: what is said where it cannot be told."""
    if payback is None:
        return Item(MISSING, none, tone="muted") if none else Item()
    if payback.requests is None:
        return Item(payback.why or MISSING, against, tone="muted", loose=True)
    detail = against
    if payback.with_data is not None and payback.with_data > payback.requests:
        detail = f"{volume(payback.with_data)} with labels"
    return Item(from_volume(payback.requests), detail, payback.requests, loose=True)


def _per_point_item(value: float | NoFigure | None) -> Item:
    if value is None:
        return Item()
    return Item(value, tone="muted") if isinstance(value, str) else Item(usd(value), sort=value)


def energy_text(joules: float) -> str:
    watt_hours = 1000 * joules / JOULES_PER_KWH
    return f"{watt_hours / 1000:.3g} kWh" if watt_hours >= 1000 else f"{watt_hours:.3g} Wh"


def range_text(price: Price) -> str:
    return f"{usd(price.low)}–{usd(price.high).removeprefix('$')}"


def price_list(prices: Prices) -> Pairs:
    def said(price: Price) -> str:
        return f"{usd(price.mid)} ({range_text(price)})"

    devices = tuple(
        (
            f"{entry.match}, {'core-hour' if entry.per_core else 'device-hour'}",
            f"{said(entry.usd_per_hour)}. {entry.source}.",
        )
        for entry in prices.devices
    )
    energy = f"{said(prices.energy.usd_per_kwh)}, times {prices.energy.pue} for the building. {prices.energy.source}."
    label = f"{said(prices.label.usd_per_item)}. {prices.label.source}."
    hosted = tuple(
        (
            f"{entry.name}, million tokens",
            f"read {said(entry.usd_per_million_input)}, written {said(entry.usd_per_million_output)}. {entry.source}, "
            f"{entry.date}.",
        )
        for entry in prices.apis
    )
    return (*devices, ("kWh (in the rent already)", energy), ("label", label), *hosted)
