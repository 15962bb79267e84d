"""Every figure of a scenario, a row per case, and what of each was measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from leaderboards.decide.cases import Case, Choices
from leaderboards.decide.decision import CaseFigures, Costs, Decision, costs_of
from leaderboards.decide.scenario import scenario_at
from leaderboards.gathered import Site
from leaderboards.money.ledger import Entry
from leaderboards.money.payback import NoFigure, Payback
from leaderboards.pages.parts.cost_items import ends_text, usd_range
from leaderboards.pages.parts.costs import RIGHT_ANSWER, derived_grid, measured_grid
from leaderboards.pages.parts.grid import (
    Column,
    FilledColumn,
    Grid,
    GridRow,
    Head,
    Item,
    heads_of,
    items_of,
    score_item,
    sign_tone,
)
from leaderboards.pages.parts.heads import candidate_head
from leaderboards.text import MISSING, from_volume, percent, signed_usd, usd


@dataclass(frozen=True)
class _PricedCase:
    """A case whose costs in the scenario are known."""

    case: Case
    figures: CaseFigures
    costs: Costs
    ends: tuple[float, float] | None
    """Its total at the low and at the high prices; None where one of them is not known."""

    uncached: Costs | None
    """With its prefix cache off; None where its speed without it was not measured."""

    is_reference: bool


def figure_grid(site: Site, choices: Choices, decision: Decision) -> Grid:
    """What the scenario makes of each case; empty cells where its costs are not known."""
    columns = _figure_columns()
    low, high = (
        scenario_at(site.board.scenario, site.prices, choices.devices, level) for level in ("low", "high")
    )
    lines = []
    for place, (case, figures) in enumerate(zip(choices.cases, decision.figures, strict=True)):
        items = (Item(),) * len(columns)
        if figures.costs is not None:
            scenario = decision.scenario
            cheap = costs_of(case, replace(scenario, hour_prices=low.hour_prices, label=low.label))
            dear = costs_of(case, replace(scenario, hour_prices=high.hour_prices, label=high.label))
            priced = _PricedCase(
                case,
                figures,
                figures.costs,
                ends=(cheap.total, dear.total) if cheap and dear else None,
                uncached=costs_of(case, replace(scenario, cache=False)) if case.uncached else None,
                is_reference=place == decision.reference,
            )
            items = items_of(columns, priced)
        lines.append(
            GridRow(_head(site, case), (score_item(case.entry.row.score, unit=choices.unit), *items))
        )
    heads = (Column("Score", "With its 95 % interval.", about="score"), *heads_of(columns))
    return Grid("Every figure of the scenario", Column("Candidate"), heads, tuple(lines))


def _head(site: Site, case: Case, *, ranked: bool = True) -> Head:
    """A case at the head of a row."""
    head = candidate_head(site, case.entry.row, ranked=ranked and case.budget is None)
    return head if case.budget is None else head._replace(detail=case.entry.row.method_name + case.suffix)


def measured_case_grid(site: Site, choices: Choices) -> Grid:
    """What each case takes, as it was measured, and what the whole sweep took."""
    return _of_cases(site, choices, measured_grid(site, _entries(choices), with_total=True))


def derived_case_grid(site: Site, choices: Choices) -> Grid:
    """What that costs at the prices of the board, whatever a reader edits."""
    return _of_cases(site, choices, derived_grid(site, _entries(choices), with_total=True))


def _entries(choices: Choices) -> list[Entry]:
    return [case.entry for case in choices.cases]


def _of_cases(site: Site, choices: Choices, grid: Grid) -> Grid:
    """A table of the entries of all cases, in which smaller budgets are told from their candidates."""
    lines = [
        line._replace(head=_head(site, case, ranked=False))
        for case, line in zip(choices.cases, grid.lines, strict=True)
    ]
    return replace(grid, lines=tuple(lines))


def worth_item(figures: CaseFigures | None) -> Item:
    """P(worth it) of a row; a dash where there is none."""
    return _share_item(figures.worth if figures else None)


def _figure_columns() -> tuple[FilledColumn[_PricedCase], ...]:
    """What a scenario makes of a case; `static/cost.js` fills in the same columns, in this order."""
    return (
        *_cost_columns(),
        *_odds_columns(),
        *_volume_columns(),
        FilledColumn(RIGHT_ANSWER, _right_answer_item),
    )


def _cost_columns() -> tuple[FilledColumn[_PricedCase], ...]:
    """What it costs, and what it is worth after that."""
    return (
        FilledColumn(
            Column(
                "One-off",
                "F: labels and every training; below, what of it is labels.",
                low_first=True,
                about="total",
            ),
            _once_item,
        ),
        FilledColumn(
            Column(
                "Serve / 1k",
                "1,000 requests, with the time that the device is idle or must be up; "
                "below, few-shot with its cache off.",
                low_first=True,
                about="serving",
            ),
            _requests_item,
        ),
        FilledColumn(
            Column(
                "Total",
                "TCO: one-off cost and all requests; below, at the low and the high prices.",
                low_first=True,
                about="total",
            ),
            _total_item,
        ),
        FilledColumn(
            Column(
                "Net benefit",
                "Value of the right answers over the best without tuning, minus what it costs more; "
                "below, 95 %.",
                about="worth-it",
            ),
            _net_item,
        ),
    )


def _odds_columns() -> tuple[FilledColumn[_PricedCase], ...]:
    """How sure that is."""
    return (
        FilledColumn(
            Column(
                "P(worth it)", "Share of the draws in which the net benefit is above zero.", about="worth-it"
            ),
            _worth_share_item,
        ),
        FilledColumn(
            Column(
                "P(best)",
                "Share of the draws in which it is worth most of all within your budget; below, the expected "
                "loss: what the best one of each draw is worth more, on average.",
                about="knowing",
            ),
            _best_item,
        ),
        FilledColumn(
            Column(
                "P(frontier)",
                "Share of the draws in which no other scores as much for a lower total.",
                about="frontier",
            ),
            _frontier_share_item,
        ),
    )


def _volume_columns() -> tuple[FilledColumn[_PricedCase], ...]:
    """What a point costs, and how many requests it takes."""
    return (
        FilledColumn(
            Column(
                "$ / point",
                "Total for each point over the next cheaper candidate on the staircase.",
                low_first=True,
                about="per-point",
            ),
            _per_point_item,
        ),
        FilledColumn(
            Column(
                "Break-even, few-shot",
                "Requests from which it is cheaper in total; "
                "below, the 95 % interval, and with the prefix cache off.",
                low_first=True,
                about="break-even",
            ),
            _few_shot_payback_item,
        ),
        FilledColumn(
            Column(
                "Break-even, hosted",
                "Requests from which it is cheaper than a hosted model, asked with as many tokens; below, "
                "with few-shot examples.",
                low_first=True,
                about="break-even",
            ),
            _hosted_payback_item,
        ),
    )


def _once_item(priced: _PricedCase) -> Item:
    costs = priced.costs
    return Item(usd(costs.fixed), f"{usd(costs.labels)} labels" if costs.labels else "", costs.fixed)


def _requests_item(priced: _PricedCase) -> Item:
    detail = ""
    if priced.case.method == "few_shot":
        uncached = priced.uncached
        detail = f"{usd(1000 * uncached.served)} cache off" if uncached else "cache off not measured"
    dollars = 1000 * priced.costs.served
    return Item(usd(dollars), detail, dollars)


def _total_item(priced: _PricedCase) -> Item:
    total = priced.costs.total
    return Item(usd(total), usd_range(*priced.ends) if priced.ends else "", total)


def _net_item(priced: _PricedCase) -> Item:
    net = priced.figures.net
    if net is None:
        return Item("reference", tone="muted") if priced.is_reference else Item()
    tone = sign_tone(net.low, clear=net.low > 0 or net.high < 0)
    return Item(
        signed_usd(net.value), f"{signed_usd(net.low)} to {signed_usd(net.high)}", net.value, tone=tone
    )


def _worth_share_item(priced: _PricedCase) -> Item:
    return _share_item(priced.figures.worth)


def _best_item(priced: _PricedCase) -> Item:
    share, loss = priced.figures.best, priced.figures.loss
    if share is None or loss is None:
        return Item()
    return Item(percent(share), f"{usd(loss)} loss", share)


def _frontier_share_item(priced: _PricedCase) -> Item:
    return _share_item(priced.figures.frontier)


def _per_point_item(priced: _PricedCase) -> Item:
    return _number_item(priced.figures.per_point, usd)


def _few_shot_payback_item(priced: _PricedCase) -> Item:
    payback, uncached = priced.figures.few_shot, priced.figures.few_shot_uncached
    cache_off = "" if priced.case.few_shot is None else "cache off not measured"
    if uncached is not None:
        cache_off = f"{figure_text(uncached)}, cache off"
    if payback is None:
        return Item(MISSING, cache_off)
    return _volume_item(payback, cache_off)


def _hosted_payback_item(priced: _PricedCase) -> Item:
    payback, few_shot = priced.figures.api, priced.figures.api_few_shot
    if payback is None:
        return Item()
    return _volume_item(payback, f"{figure_text(few_shot)}, few-shot" if few_shot else "")


def figure_text(payback: Payback) -> str:
    """A break-even volume, or why there is none."""
    figure = payback.figure
    return figure if isinstance(figure, str) else from_volume(figure)


def _volume_item(payback: Payback, also: str = "") -> Item:
    detail = "; ".join(part for part in (ends_text(payback), also) if part)
    return _number_item(payback.figure, from_volume, detail)


def _right_answer_item(priced: _PricedCase) -> Item:
    return _number_item(priced.figures.correct, usd)


def _share_item(share: float | None) -> Item:
    return Item() if share is None else Item(percent(share), sort=share)


def _number_item(value: float | NoFigure | None, say: Callable[[float], str], detail: str = "") -> Item:
    if value is None:
        return Item(MISSING, detail)
    return Item(value, detail, tone="muted") if isinstance(value, str) else Item(say(value), detail, value)
