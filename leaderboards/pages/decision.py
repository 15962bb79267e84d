"""The cost page: what to choose at a volume, a value of a point and a budget that the reader may edit."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leaderboards.chart.cost import Plot, ScoreScale, short_label, stairs_plot, total_plot, worth_plot
from leaderboards.decide.cases import Case, Choices, Rival
from leaderboards.decide.decision import CaseFigures, Costs, Decision, costs_of, that_matter, weigh
from leaderboards.decide.scenario import (
    BUDGETS,
    Field,
    Level,
    Scenario,
    need_fields,
    price_fields,
    scenario_at,
)
from leaderboards.gathered import Site, scale_of
from leaderboards.money.payback import NoFigure
from leaderboards.money.prices import Prices
from leaderboards.pages.cost_items import price_list, usd_range
from leaderboards.pages.costs import RIGHT_ANSWER, measured_grid
from leaderboards.pages.grid import (
    Column,
    FilledColumn,
    Grid,
    GridRow,
    Head,
    Item,
    Pairs,
    Tone,
    heads_of,
    items_of,
    score_item,
)
from leaderboards.pages.heads import candidate_head
from leaderboards.rank.draws import STEP
from leaderboards.text import (
    MISSING,
    count_of,
    from_volume,
    percent,
    points,
    round_usd,
    signed_usd,
    usd,
    visible,
    volume,
)

MOST_CASES = 32
"""Candidates that the page carries, with the draws of their scores."""


@dataclass(frozen=True)
class Preset:
    """Values that a button writes into fields."""

    title: str
    values: dict[str, float | None]


@dataclass(frozen=True)
class DecisionPage:
    """The cost page in one scenario."""

    verdict: str
    doubt: str
    """Why the first page advises no tuning, which money alone may; empty where it does."""

    needs: tuple[Field, ...]
    prices: tuple[Field, ...]
    presets: tuple[Preset, ...]
    cache: bool
    cache_note: str
    """What is known of few-shot arms without their prefix cache."""

    cache_measured: bool
    total: Plot
    worth: Plot
    stairs: Plot
    cheapest: str
    """The lower envelope in words."""

    budgets: Grid
    figures: Grid
    measured: Grid
    scale: str
    left_out: str
    """Which candidates are not on the page; empty when all are."""

    draws: int
    price_list: Pairs
    data: dict[str, Any]
    """For the script: measured quantities, prices and draws."""


def decision_page(site: Site, scenario: Scenario | None = None) -> DecisionPage:
    """The cost page, in the scenario that it opens with unless another is given."""
    everything = site.choices
    scenario = scenario or scenario_at(site.prices, everything.devices)
    choices = everything.only(that_matter(everything, site.decision, most=MOST_CASES))
    decision = weigh(choices, scenario)
    few_shot_cases = [case for case in choices.cases if case.method == "few_shot"]
    presets = _presets(site.prices, choices.devices)
    return DecisionPage(
        verdict=verdict_text(choices, decision),
        doubt=site.verdict.doubt,
        needs=tuple(need_fields(scenario)),
        prices=tuple(price_fields(scenario, choices.devices)),
        presets=presets,
        cache=scenario.cache,
        cache_note=_cache_note(few_shot_cases),
        cache_measured=any(case.uncached for case in few_shot_cases),
        total=total_plot(choices, decision),
        worth=worth_plot(choices, decision),
        stairs=stairs_plot(choices, decision),
        cheapest=cheapest_text(choices, decision),
        budgets=_budget_grid(choices, decision),
        figures=_figure_grid(site, choices, decision),
        measured=measured_grid(site, [case.entry for case in choices.cases]),
        scale=scale_of(site.table),
        left_out=_left_out(len(everything.cases), len(choices.cases)),
        draws=len(choices.steps),
        price_list=price_list(site.prices),
        data=page_data(choices, scenario, presets),
    )


def verdict_text(choices: Choices, decision: Decision) -> str:
    """What a scenario comes to, in a sentence or two, and what was passed over."""
    advice, place = _advice(choices, decision), decision.passed_over
    if place is None:
        return advice
    return f"{advice} {choices.cases[place].label} would come first and is passed over: it lost too much on guard tasks."


def _advice(choices: Choices, decision: Decision) -> str:
    figures, labels = decision.figures, [case.label for case in choices.cases]
    chosen, best, reference = decision.chosen, decision.best_tuned, decision.reference
    priced = [case for case, case_figures in zip(choices.cases, figures, strict=True) if case_figures.costs]
    if not choices.cases:
        return "Nothing can be advised: no candidate is complete."
    if not priced:
        return "No total cost is known: write what an hour of the device costs."
    if chosen is None:
        return "Nothing can be advised."
    if best is None:
        passes = " that keeps what the base could do" if any(case.forgets for case in priced) else ""
        return f"Use {labels[chosen]}: no fine-tune{passes} stands beside it."
    if reference is None:
        return f"Tune {labels[chosen]}: nothing untuned stands beside it."
    net, worth = figures[best].net, figures[best].worth
    assert net is not None and worth is not None, "a fine-tune has a net benefit over the reference"
    if net.value == 0:
        return (
            f"Nothing tells {labels[best]} and {labels[reference]} apart: one is worth as much as the other."
        )
    share = percent(worth).replace(" ", "\N{NO-BREAK SPACE}")
    odds = f"worth it in {share} of the draws"
    low, high = (net.low, net.high) if chosen == best else (-net.high, -net.low)
    value = f"{usd(abs(net.value))} ({signed_usd(low)} to {signed_usd(high)})"
    if chosen == best:
        return f"Tune {labels[best]}: worth {value} more than {labels[reference]}, the best without tuning; {odds}."
    return f"Don’t tune: use {labels[chosen]}. {labels[best]}, the best fine-tune, is worth {value} less; {odds}."


def scenario_text(site: Site) -> str:
    """What P(worth it) means in the scenario that the cost page opens with."""
    scenario = site.decision.scenario
    return (
        f"Share of the draws in which a fine-tune is worth more than the best without tuning: {scenario.volume:,.0f} "
        f"requests, {usd(scenario.point)} a point, labels bought, {scenario.utilisation:g} % busy. See the cost page."
    )


def worth_item(figures: CaseFigures | None) -> Item:
    """P(worth it) of a row; a dash where there is none."""
    return _share_item(figures.worth if figures else None)


def cheapest_text(choices: Choices, decision: Decision) -> str:
    """The lower envelope: which candidate is the cheapest one from which volume on."""
    parts = [
        f"{choices.cases[place].label} {f'from {volume(start)} requests' if start else 'from the first request'}"
        for start, place in decision.envelope
    ]
    return f"Cheapest, whatever the score: {'; '.join(parts)}." if parts else ""


def _presets(prices: Prices, devices: Sequence[str]) -> tuple[Preset, ...]:
    levels: tuple[tuple[str, Level], ...] = (
        ("Low prices", "low"),
        ("Middle prices", "mid"),
        ("High prices", "high"),
    )
    presets = []
    for title, level in levels:
        fields = price_fields(scenario_at(prices, devices, level), devices)
        presets.append(Preset(title, {field.name: field.value for field in fields}))
    for hosted in prices.apis:
        read, written = hosted.usd_per_million_input.mid, hosted.usd_per_million_output.mid
        presets.append(Preset(hosted.name, {"api_input": read, "api_output": written}))
    return tuple(presets)


def _cache_note(cases: Sequence[Case]) -> str:
    if not cases:
        return "No few-shot arm is complete."
    measured = sum(case.uncached is not None for case in cases)
    if not measured:
        return "How fast few-shot arms are without it was not measured: time_uncached = true in a sweep does that."
    if measured < len(cases):
        return f"Measured without it: {measured} of {count_of(len(cases), 'few-shot arm')}; the others stay as they are."
    return "Measured with it and without it."


def _left_out(all_of_them: int, carried: int) -> str:
    if all_of_them == carried:
        return ""
    return (
        f"This page carries {carried} of {all_of_them} complete candidates: those that nothing beats in score, one-off cost "
        "and cost of a request, then those with the best scores. Shares of draws count only these."
    )


def _budget_grid(choices: Choices, decision: Decision) -> Grid:
    columns = (
        Column(
            "Best candidate",
            "The highest score whose total cost is within the budget.",
            text=True,
            about="budget",
        ),
        Column("Score", about="score"),
        Column("Total", "One-off cost, and all requests.", about="total"),
        Column(
            "Wins", "Share of the draws in which it scores most of all within the budget.", about="budget"
        ),
    )
    lines = []
    for number, best in enumerate(decision.bests):
        is_readers = number == len(BUDGETS)
        head = Head(round_usd(best.budget), "your budget" if is_readers else "")
        lines.append(GridRow(head, _best_items(choices, decision, best.place, best.wins)))
    return Grid("Best score for a budget", Column("Budget"), columns, tuple(lines))


def _best_items(choices: Choices, decision: Decision, place: int | None, wins: float) -> tuple[Item, ...]:
    if place is None:
        any_priced = any(figures.costs for figures in decision.figures)
        return (
            Item("nothing costs so little" if any_priced else "no cost is known", tone="muted"),
            *(Item(), Item(), Item()),
        )
    case, costs = choices.cases[place], decision.figures[place].costs
    assert costs, "what is within a budget has a known cost"
    return Item(case.label), Item(points(case.score)), Item(usd(costs.total)), Item(percent(wins))


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


def _figure_grid(site: Site, choices: Choices, decision: Decision) -> Grid:
    columns = _figure_columns()
    low, high = (scenario_at(site.prices, choices.devices, level) for level in ("low", "high"))
    lines = []
    for place, (case, figures) in enumerate(zip(choices.cases, decision.figures, strict=True)):
        items = (Item(),) * len(columns)
        if figures.costs is not None:
            scenario = decision.scenario
            cheap = costs_of(case, replace(scenario, hours=low.hours, label=low.label))
            dear = costs_of(case, replace(scenario, hours=high.hours, label=high.label))
            priced = _PricedCase(
                case,
                figures,
                figures.costs,
                ends=(cheap.total, dear.total) if cheap and dear else None,
                uncached=costs_of(case, replace(scenario, cache=False)) if case.uncached else None,
                is_reference=place == decision.reference,
            )
            items = items_of(columns, priced)
        row = case.entry.row
        lines.append(GridRow(candidate_head(site, row), (score_item(row.score), *items)))
    heads = (Column("Score", "With its 95 % interval.", about="score"), *heads_of(columns))
    return Grid("Every figure of the scenario", Column("Candidate"), heads, tuple(lines))


def _figure_columns() -> tuple[FilledColumn[_PricedCase], ...]:
    """What a scenario makes of a case; `static/cost.js` fills in the same columns, in this order."""
    return (
        FilledColumn(
            Column("One-off", "F: labels and every training; below, what of it is labels.", about="total"),
            _once_item,
        ),
        FilledColumn(
            Column(
                "Serve / 1k",
                "1,000 requests, idle time of the device included; below, few-shot with its cache off.",
                about="serving",
            ),
            _requests_item,
        ),
        FilledColumn(
            Column(
                "Total",
                "TCO: one-off cost and all requests; below, at the low and the high prices.",
                about="total",
            ),
            _total_item,
        ),
        FilledColumn(
            Column(
                "Net benefit",
                "Value of the points over the best without tuning, less what it costs more; below, 95 %.",
                about="worth-it",
            ),
            _net_item,
        ),
        FilledColumn(
            Column(
                "P(worth it)", "Share of the draws in which the net benefit is above zero.", about="worth-it"
            ),
            _worth_share_item,
        ),
        FilledColumn(
            Column(
                "P(frontier)",
                "Share of the draws in which no other scores as much for a lower total.",
                about="frontier",
            ),
            _frontier_share_item,
        ),
        FilledColumn(
            Column(
                "$ / point",
                "Total for each point over the next cheaper candidate on the staircase.",
                about="per-point",
            ),
            _per_point_item,
        ),
        FilledColumn(
            Column(
                "Break-even, few-shot",
                "Requests from which it is cheaper in total; below, with few-shot’s prefix cache off.",
                about="break-even",
            ),
            _few_shot_payback_item,
        ),
        FilledColumn(
            Column(
                "Break-even, hosted",
                "Requests from which it is cheaper than a hosted model, asked with as many tokens.",
                about="break-even",
            ),
            _hosted_payback_item,
        ),
        FilledColumn(RIGHT_ANSWER, _right_answer_item),
    )


def _once_item(priced: _PricedCase) -> Item:
    costs = priced.costs
    return Item(usd(costs.fixed), f"{usd(costs.labels)} labels" if costs.labels else "", costs.fixed)


def _requests_item(priced: _PricedCase) -> Item:
    detail = ""
    if priced.case.method == "few_shot":
        uncached = priced.uncached
        detail = f"{usd(1000 * uncached.request)} cache off" if uncached else "cache off not measured"
    dollars = 1000 * priced.costs.request
    return Item(usd(dollars), detail, dollars)


def _total_item(priced: _PricedCase) -> Item:
    total = priced.costs.total
    return Item(usd(total), usd_range(*priced.ends) if priced.ends else "", total)


def _net_item(priced: _PricedCase) -> Item:
    net = priced.figures.net
    if net is None:
        return Item("reference", tone="muted") if priced.is_reference else Item()
    tone: Tone = "good" if net.low > 0 else "bad" if net.high < 0 else "muted"
    return Item(
        signed_usd(net.value), f"{signed_usd(net.low)} to {signed_usd(net.high)}", net.value, tone=tone
    )


def _worth_share_item(priced: _PricedCase) -> Item:
    return _share_item(priced.figures.worth)


def _frontier_share_item(priced: _PricedCase) -> Item:
    return _share_item(priced.figures.frontier)


def _per_point_item(priced: _PricedCase) -> Item:
    return _number_item(priced.figures.per_point, usd)


def _few_shot_payback_item(priced: _PricedCase) -> Item:
    uncached = priced.figures.few_shot_uncached
    detail = ""
    if priced.case.few_shot is not None:
        detail = "cache off not measured"
        if uncached is not None:
            detail = f"{uncached if isinstance(uncached, str) else from_volume(uncached)}, cache off"
    return _number_item(priced.figures.few_shot, from_volume, detail)


def _hosted_payback_item(priced: _PricedCase) -> Item:
    return _number_item(priced.figures.api, from_volume)


def _right_answer_item(priced: _PricedCase) -> Item:
    return _number_item(priced.figures.correct, usd)


def _share_item(share: float | None) -> Item:
    return Item() if share is None else Item(percent(share), sort=share)


def _number_item(value: float | NoFigure | None, say: Callable[[float], str], detail: str = "") -> Item:
    if value is None:
        return Item(MISSING, detail)
    return Item(value, detail, tone="muted") if isinstance(value, str) else Item(say(value), detail, value)


def page_data(choices: Choices, scenario: Scenario, presets: Sequence[Preset]) -> dict[str, Any]:
    """What the script works with. It may not depend on what the reader edits, but for the values to start
    with."""
    scale = ScoreScale.of([case.score for case in choices.cases])
    fields = [*need_fields(scenario), *price_fields(scenario, choices.devices)]
    return {
        "fields": [_field_data(field) for field in fields],
        "cache": scenario.cache,
        "presets": [preset.values for preset in presets],
        "budgets": list(BUDGETS),
        "step": STEP,
        "count": len(choices.steps),
        # Little-endian whatever machine publishes.
        "draws": base64.b64encode(choices.steps.astype("<i2").tobytes()).decode("ascii"),
        "cases": [_case_data(case, scale) for case in choices.cases],
    }


def _field_data(field: Field) -> dict[str, Any]:
    return {
        "name": field.name,
        "value": field.value,
        "low": field.low,
        "high": field.high,
        "whole": field.whole,
    }


def _case_data(case: Case, scale: ScoreScale) -> dict[str, Any]:
    spent = case.entry.spend
    short, wide = short_label(case)
    return {
        "label": visible(case.label),
        "short": visible(short),
        "wide": wide,
        "tuned": case.tuned,
        "forgets": case.forgets,
        "few_shot": case.method == "few_shot",
        "score": case.score,
        "points": points(case.score),
        "y": scale.at(case.score),
        "training": case.training,
        "labels": case.labels,
        "serving": case.serving,
        "uncached": case.uncached,
        "few": _rival_data(case.few_shot),
        "few_uncached": _rival_data(case.few_shot_uncached),
        "prompt": spent.prompt_tokens,
        "completion": spent.completion_tokens,
        "accuracy": case.entry.accuracy,
    }


def _rival_data(rival: Rival | None) -> dict[str, Any] | None:
    return None if rival is None else {"serving": rival.serving, "why": rival.why}
