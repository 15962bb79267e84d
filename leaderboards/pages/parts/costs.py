"""The cost tables: physical quantities, and the money derived from them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from leaderboards.gathered import Site
from leaderboards.money.bill import Bill
from leaderboards.money.ledger import Entry
from leaderboards.money.peaks import LIKELY
from leaderboards.money.prices import Price, Prices
from leaderboards.pages.parts.cost_items import (
    bill_text,
    energy_text,
    payback_item,
    serve_help,
    serve_item,
    usd_range,
)
from leaderboards.pages.parts.grid import (
    Column,
    FilledColumn,
    Grid,
    GridRow,
    Head,
    Item,
    heads_of,
    items_of,
    without_empty,
)
from leaderboards.pages.parts.heads import candidate_head
from leaderboards.rank.tables import Row
from leaderboards.text import duration, flops, percent, quantity, size_of_memory, usd

RIGHT_ANSWER = Column(
    "$ / right answer",
    "Cost of a request by the share of right answers; right-or-wrong scores only.",
    low_first=True,
    about="right-answer",
)


@dataclass(frozen=True)
class CostColumn(FilledColumn[Entry]):
    """A column of a cost table."""

    total: Callable[[Bill], Item] | None = None
    """What stands in the row of the whole sweep; None where quantities cannot be added up."""


def measured_grid(
    site: Site,
    entries: Iterable[Entry],
    *,
    with_total: bool = False,
    head_of: Callable[[Row], Head] | None = None,
) -> Grid:
    """What each candidate takes, as it was measured.

    `with_total`: the entries are all there are, and their total is shown. `head_of`: what a row is called,
    where its model need not be named.
    """
    columns = measured_columns()
    grid = Grid(
        "Resources per candidate",
        Column("Measured"),
        heads_of(columns),
        tuple(_line(site, entry, columns, head_of) for entry in entries),
        _total(site, columns) if with_total else None,
    )
    return without_empty(grid)


def derived_grid(
    site: Site,
    entries: Iterable[Entry],
    *,
    with_total: bool = False,
    head_of: Callable[[Row], Head] | None = None,
) -> Grid:
    """What that costs, at the prices of the board; options as above."""
    columns = derived_columns(site)
    grid = Grid(
        "Costs",
        Column(f"At prices of {site.prices.as_of}"),
        heads_of(columns),
        tuple(_line(site, entry, columns, head_of) for entry in entries),
        _total(site, columns) if with_total else None,
    )
    return without_empty(grid)


def measured_columns() -> tuple[CostColumn, ...]:
    """Physical quantities."""
    return (*_training_columns(), *_request_columns())


def _training_columns() -> tuple[CostColumn, ...]:
    return (
        CostColumn(
            Column(
                "Training",
                "Seconds of training, every stage and every member of an ensemble, dev evaluations included; "
                "below, with start-up, loading and what was thrown away.",
                low_first=True,
                about="training",
            ),
            _training_item,
        ),
        CostColumn(
            Column(
                "Train tokens",
                "Tokens trained on, all epochs and stages, without padding.",
                low_first=True,
                about="measured",
            ),
            _train_tokens_item,
        ),
        CostColumn(
            Column("FLOPs", "Floating-point operations of training.", low_first=True, about="measured"),
            _flops_item,
        ),
        CostColumn(
            Column(
                "MFU",
                "Model operations of training by what its seconds could have held at the device’s peak; "
                "marked where it is below 5 % or above 60 %: a logging error, "
                "or a model too small to fill the device.",
                about="mfu",
            ),
            _mfu_item,
        ),
        CostColumn(
            Column(
                "All-in time",
                "Device time of all that was spent on the candidate: every task, seed and training budget, "
                "each training once, the trials of its search, the runs that failed.",
                low_first=True,
                about="all-in",
            ),
            _all_in_time_item,
            total=_bill_time_item,
        ),
    )


def _request_columns() -> tuple[CostColumn, ...]:
    """What answering takes, and the memory and energy of a run."""
    return (
        CostColumn(
            Column("Prompt tok.", "Prompt tokens per request.", low_first=True, about="measured"),
            _prompt_tokens_item,
        ),
        CostColumn(
            Column(
                "Output tok.",
                "Generated tokens per request, thoughts included.",
                low_first=True,
                about="measured",
            ),
            _output_tokens_item,
        ),
        CostColumn(
            Column(
                "Requests/s",
                "While scoring, all requests in flight at once; below, few-shot with its prefix cache off.",
                about="measured",
            ),
            _rate_item,
        ),
        CostColumn(
            Column("Peak memory", "The most any phase of any run took.", low_first=True, about="measured"),
            _memory_item,
        ),
        CostColumn(
            Column("Energy", "Of one run, where the device has a counter.", low_first=True, about="measured"),
            _energy_item,
        ),
    )


def derived_columns(site: Site) -> tuple[CostColumn, ...]:
    """Money, and volumes from which it is paid back."""
    return (*_money_columns(site), *_break_even_columns(site))


def _money_columns(site: Site) -> tuple[CostColumn, ...]:
    return (
        CostColumn(
            Column(
                "Train $",
                "One fine-tune at the middle price; below, at the low and the high one.",
                low_first=True,
                about="training",
            ),
            _train_usd_item,
        ),
        CostColumn(
            Column(
                "All-in $",
                "What the all-in time costs; "
                "below, how many trainings, trials of settings and failures it holds.",
                low_first=True,
                about="all-in",
            ),
            _all_in_usd_item,
            total=_bill_usd_item,
        ),
        CostColumn(
            Column(
                "Data $",
                "All labelled samples, those of other tasks, of dev and of prompts among them, "
                "if they are bought.",
                low_first=True,
                about="labels",
            ),
            _data_usd_item,
        ),
        CostColumn(
            Column(
                "Serve $/1k",
                serve_help(site.scenario.utilisation),
                low_first=True,
                about="serving",
            ),
            partial(_serve_usd_item, utilisation=site.scenario.utilisation),
        ),
        CostColumn(RIGHT_ANSWER, partial(_right_answer_item, utilisation=site.scenario.utilisation)),
        CostColumn(
            Column(
                "$ / point",
                "Training dollars for each point over the next cheaper candidate on the frontier.",
                low_first=True,
                about="per-point",
            ),
            _per_point_item,
        ),
        CostColumn(
            Column(
                "P(frontier)",
                "Share of the draws of all scores in which nothing cheaper to train scores as much.",
                about="frontier",
            ),
            _frontier_item,
        ),
    )


def _break_even_columns(site: Site) -> tuple[CostColumn, ...]:
    return (
        CostColumn(
            Column(
                "Break-even, few-shot",
                "Requests from which it is cheaper in total than few-shot prompting, with its 95 % interval.",
                low_first=True,
                about="break-even",
            ),
            _few_shot_payback_item,
        ),
        CostColumn(
            Column(
                "… cache off",
                "The same with few-shot’s prefix cache off, where its speed without it was measured.",
                low_first=True,
                about="break-even",
            ),
            _uncached_payback_item,
        ),
        CostColumn(
            Column(
                "Break-even, zero-shot",
                "Against the untrained model without examples.",
                low_first=True,
                about="break-even",
            ),
            _zero_shot_payback_item,
        ),
        CostColumn(
            Column("Break-even, hosted", _hosted_help(site.prices), low_first=True, about="break-even"),
            _hosted_payback_item,
        ),
    )


def _hosted_help(prices: Prices) -> str:
    if not prices.apis:
        return "The prices file names no hosted model."
    return (
        f"Against a {prices.apis[0].name} asked with as many tokens, on cost alone: its score is not known."
    )


def _line(
    site: Site, entry: Entry, columns: Sequence[CostColumn], head_of: Callable[[Row], Head] | None
) -> GridRow:
    head = head_of(entry.row) if head_of else candidate_head(site, entry.row, ranked=False)
    return GridRow(head, items_of(columns, entry), aside=entry.row.score is None)


def _total(site: Site, columns: Sequence[CostColumn]) -> GridRow:
    """The whole sweep, in the columns that can be added up."""
    items = tuple(column.total(site.ledger.total) if column.total else Item("") for column in columns)
    return GridRow(Head("The whole sweep", "shared work counted once"), items)


def _training_item(entry: Entry) -> Item:
    spent = entry.spend
    if not spent.tuned:
        return Item()
    return Item(
        duration(spent.train_seconds), f"{duration(spent.device_seconds)} of device time", spent.train_seconds
    )


def _train_tokens_item(entry: Entry) -> Item:
    tokens = entry.spend.train_tokens
    return Item(quantity(tokens), sort=tokens) if entry.spend.tuned else Item()


def _flops_item(entry: Entry) -> Item:
    operations = entry.spend.train_flops
    return Item(flops(operations), sort=operations) if entry.spend.tuned else Item()


def _mfu_item(entry: Entry) -> Item:
    share = entry.mfu
    if share is None or not entry.spend.tuned:
        return Item()
    low, high = LIKELY
    doubt = ""
    if share < low:
        doubt = "below 5 %"
    elif share > high:
        doubt = "above 60 %"
    return Item(f"{100 * share:.2g} %", doubt, share, tone="bad" if share > high else "")


def _all_in_time_item(entry: Entry) -> Item:
    return _bill_time_item(entry.bill)


def _bill_time_item(bill: Bill) -> Item:
    spent = bill.spent
    if not spent.seconds:
        return Item()
    return Item(duration(spent.seconds), f"{quantity(spent.tokens)} tokens", spent.seconds)


def _prompt_tokens_item(entry: Entry) -> Item:
    return Item(quantity(entry.spend.prompt_tokens), sort=entry.spend.prompt_tokens)


def _output_tokens_item(entry: Entry) -> Item:
    spend = entry.spend
    thoughts = f"{quantity(spend.thought_tokens)} of them in thoughts" if spend.thought_tokens else ""
    return Item(quantity(spend.completion_tokens), thoughts, spend.completion_tokens)


def _rate_item(entry: Entry) -> Item:
    spent = entry.spend
    without = spent.uncached_requests_per_second
    detail = f"{quantity(without)} cache off" if without and entry.row.method == "few_shot" else ""
    return Item(quantity(spent.requests_per_second), detail, spent.requests_per_second)


def _memory_item(entry: Entry) -> Item:
    peak = entry.spend.peak_memory_bytes
    return Item(size_of_memory(peak), sort=peak) if peak else Item()


def _energy_item(entry: Entry) -> Item:
    spent = entry.spend
    if spent.joules is None or spent.energy is None:
        return Item()
    return Item(energy_text(spent.joules), usd(spent.energy.mid), spent.joules)


def _train_usd_item(entry: Entry) -> Item:
    price = entry.spend.training
    return _price_item(price) if price and entry.spend.tuned else Item()


def _all_in_usd_item(entry: Entry) -> Item:
    return _bill_usd_item(entry.bill)


def _bill_usd_item(bill: Bill) -> Item:
    if not bill.spent.seconds or bill.price is None:
        return Item()
    return Item(usd(bill.price.mid), bill_text(bill), bill.price.mid, loose=True)


def _data_usd_item(entry: Entry) -> Item:
    return _price_item(entry.spend.data) if entry.spend.labels else Item()


def _price_item(price: Price) -> Item:
    return Item(usd(price.mid), usd_range(price.low, price.high), price.mid)


def _serve_usd_item(entry: Entry, *, utilisation: float) -> Item:
    return serve_item(entry.spend, utilisation=utilisation)


def _right_answer_item(entry: Entry, *, utilisation: float) -> Item:
    """What a right answer costs on a device that is busy for so many percent of the time."""
    if entry.spend.request is None or not entry.accuracy:
        return Item()
    dollars = entry.spend.request.mid * 100 / utilisation / entry.accuracy
    return Item(usd(dollars), sort=dollars)


def _per_point_item(entry: Entry) -> Item:
    dollars = entry.usd_per_point
    if dollars is None:
        return Item()
    return Item(dollars, tone="muted") if isinstance(dollars, str) else Item(usd(dollars), sort=dollars)


def _frontier_item(entry: Entry) -> Item:
    share = entry.frontier_share
    return Item() if share is None else Item(percent(share), sort=share)


def _few_shot_payback_item(entry: Entry) -> Item:
    return payback_item(entry.over_few)


def _uncached_payback_item(entry: Entry) -> Item:
    return payback_item(entry.over_few_uncached, none="not measured" if entry.over_few else "")


def _zero_shot_payback_item(entry: Entry) -> Item:
    return payback_item(entry.over_zero)


def _hosted_payback_item(entry: Entry) -> Item:
    return payback_item(entry.over_api)
