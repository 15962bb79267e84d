"""The cost page: what to choose for a volume, a worth of a right answer and a budget that the reader may edit."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from leaderboards.chart.cost import Plot, ScoreScale, short_label, stairs_plot, total_plot, worth_plot
from leaderboards.decide.cases import Case, Choices, Rival
from leaderboards.decide.decision import (
    CaseFigures,
    Costs,
    Decision,
    costs_of,
    that_matter,
    weigh,
    worth_of_all,
)
from leaderboards.decide.scenario import (
    BUDGETS,
    Field,
    Level,
    Scenario,
    need_fields,
    price_fields,
    scenario_at,
)
from leaderboards.decide.swings import INPUTS, Input, swings
from leaderboards.gathered import Site, scale_of
from leaderboards.money.payback import NoFigure, Payback
from leaderboards.pages.cost_items import ends_text, price_list, usd_range
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
from leaderboards.pages.purchases import purchase_grid, purchase_lede
from leaderboards.rank.draws import STEP
from leaderboards.text import (
    MISSING,
    count_of,
    from_volume,
    percent,
    plain_usd,
    points,
    round_usd,
    signed_usd,
    usd,
    visible,
    volume,
)

MOST_CASES = 32
"""Candidates that the page carries, with the draws of their scores."""


INPUT_TITLES: dict[Input, str] = {
    "volume": "Requests",
    "right_answer_usd": "One more right answer",
    "utilisation": "Utilisation, at most 100 %",
    "hour": "Price of the devices",
    "label": "Price of a label",
}


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
    owned: bool
    cache: bool
    cache_note: str
    """What is known of few-shot arms without their prefix cache."""

    cache_measured: bool
    total: Plot
    worth: Plot
    stairs: Plot
    cheapest: str
    """The lower envelope in words."""

    knowing: str
    """What it would be worth to know all scores exactly, in a sentence."""

    purchases: Grid | None
    """What would make the gain that decides better known; None where no gain is compared."""

    purchase_lede: str
    budgets: Grid
    hangs: str
    """What `swings` is of, in a sentence."""

    swings: Grid
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
    scenario = scenario or site.scenario
    choices = everything.only(that_matter(everything, site.decision, most=MOST_CASES))
    decision = weigh(choices, scenario)
    few_shot_cases = [case for case in choices.cases if case.method == "few_shot"]
    presets = _presets(site, choices.devices)
    return DecisionPage(
        verdict=verdict_text(choices, decision),
        doubt=site.verdict.doubt,
        needs=tuple(need_fields(scenario)),
        prices=tuple(price_fields(scenario, choices.devices)),
        presets=presets,
        owned=scenario.owned,
        cache=scenario.cache,
        cache_note=_cache_note(few_shot_cases),
        cache_measured=any(case.uncached for case in few_shot_cases),
        total=total_plot(choices, decision),
        worth=worth_plot(choices, decision),
        stairs=stairs_plot(choices, decision),
        cheapest=cheapest_text(choices, decision),
        knowing=knowing_text(decision),
        purchases=purchase_grid(site),
        purchase_lede=purchase_lede(site.advice.outlook) if site.advice.outlook else "",
        budgets=_budget_grid(choices, decision),
        hangs=hangs_text(choices, decision),
        swings=_swing_grid(choices, decision),
        figures=_figure_grid(site, choices, decision),
        measured=_measured_grid(site, choices),
        scale=scale_of(site.table),
        left_out=_left_out(len(everything.cases), len(choices.cases)),
        draws=len(choices.steps),
        price_list=price_list(site.prices),
        data=page_data(choices, scenario, presets),
    )


def verdict_text(choices: Choices, decision: Decision) -> str:
    """What a scenario comes to, in a sentence or two, what the budget excludes, and what was passed over."""
    sentences = [_advice(choices, decision), _excluded(choices, decision)]
    if decision.passed_over is not None:
        label = choices.cases[decision.passed_over].label
        sentences.append(f"{label} would come first and is passed over: it lost too much on guard tasks.")
    return " ".join(sentence for sentence in sentences if sentence)


def _advice(choices: Choices, decision: Decision) -> str:
    figures, labels = decision.figures, [case.label for case in choices.cases]
    chosen, best, reference = decision.chosen, decision.best_tuned, decision.reference
    if not choices.cases:
        return "Nothing can be advised: no candidate is complete."
    if not any(case_figures.costs for case_figures in figures):
        return "No total cost is known: write what an hour of the device costs."
    if chosen is None:
        return _nothing_fits(choices, decision)
    if best is None:
        return f"Use {labels[chosen]}: {_no_fine_tune(choices, decision)}."
    if reference is None:
        return f"No advice: nothing without tuning stands beside {labels[chosen]}."
    net, worth = figures[best].net, figures[best].worth
    assert net is not None and worth is not None, "a fine-tune has a net benefit over the reference"
    if net.value == 0:
        return f"{labels[best]} and {labels[reference]} are worth the same: nothing tells them apart."
    share = percent(worth).replace(" ", "\N{NO-BREAK SPACE}")
    odds = f"worth it in {share} of the draws"
    low, high = (net.low, net.high) if chosen == best else (-net.high, -net.low)
    value = f"{usd(abs(net.value))} ({plain_usd(low)} to {plain_usd(high)})"
    if chosen == best:
        return f"Tune {labels[best]}: worth {value} more than {labels[reference]}, the best without tuning; {odds}."
    return f"Don’t tune: use {labels[chosen]}. {labels[best]}, the best fine-tune, is worth {value} less; {odds}."


def _nothing_fits(choices: Choices, decision: Decision) -> str:
    place = decision.cheapest
    if place is None:
        return "Nothing can be advised: every candidate lost too much on guard tasks."
    costs = decision.figures[place].costs
    assert costs, "the cheapest has a known cost"
    budget = round_usd(decision.scenario.budget_usd)
    return f"Nothing fits the budget of {budget}. {choices.cases[place].label} costs least: {usd(costs.total)} in total."


def _no_fine_tune(choices: Choices, decision: Decision) -> str:
    """Why the best choice stands alone."""
    tuned = [
        case
        for case, figures in zip(choices.cases, decision.figures, strict=True)
        if case.tuned and figures.costs
    ]
    if any(not case.forgets for case in tuned):
        return "no fine-tune is within the budget"
    return (
        "no fine-tune keeps what its base could do" if tuned else "there is no fine-tune to compare it with"
    )


def _excluded(choices: Choices, decision: Decision) -> str:
    """What more money would buy; empty where the budget excludes nothing better."""
    place, chosen, scenario = decision.excluded, decision.chosen, decision.scenario
    if place is None or (chosen is None and place == decision.cheapest):
        return ""
    case, costs = choices.cases[place], decision.figures[place].costs
    assert costs, "what would be chosen has a known cost"
    more = f"{usd(costs.total - scenario.budget_usd)} more"
    if chosen is None:
        return f"{case.label} would be worth most: it takes {more}."
    gained = case.score - choices.cases[chosen].score
    chosen_costs = decision.figures[chosen].costs
    assert chosen_costs, "what is chosen has a known cost"
    benefit = worth_of_all(choices, scenario) * gained - (costs.total - chosen_costs.total)
    return (
        f"The budget of {round_usd(scenario.budget_usd)} excludes {case.label}: {more} would buy "
        f"{points(gained, sign=True)} points, worth {usd(benefit)} after costs."
    )


def knowing_text(decision: Decision) -> str:
    """The value of perfect information in words; empty where nothing is within the budget."""
    if decision.knowing is None:
        return ""
    if decision.knowing == 0:
        return "In every draw the same one is worth most: more runs and test samples would not change the choice."
    return (
        f"Knowing all scores exactly would be worth {usd(decision.knowing)}: "
        "do not spend more on runs and test samples."
    )


def scenario_text(site: Site) -> str:
    """What P(worth it) means in the scenario that the cost page opens with."""
    scenario = site.scenario
    labels = "owned" if scenario.owned else "bought"
    return (
        f"Share of the draws in which a fine-tune is worth more than the best without tuning: {scenario.volume:,.0f} "
        f"requests, {round_usd(scenario.right_answer_usd)} per right answer, labels {labels}, "
        f"{scenario.utilisation:g} % busy. See the cost page."
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


def _presets(site: Site, devices: Sequence[str]) -> tuple[Preset, ...]:
    levels: tuple[tuple[str, Level], ...] = (
        ("Low prices", "low"),
        ("Middle prices", "mid"),
        ("High prices", "high"),
    )
    presets = []
    for title, level in levels:
        fields = price_fields(scenario_at(site.board.scenario, site.prices, devices, level), devices)
        presets.append(Preset(title, {field.name: field.value for field in fields}))
    for hosted in site.prices.apis:
        read, cached = (
            hosted.usd_per_million_input,
            hosted.usd_per_million_cached_input or hosted.usd_per_million_input,
        )
        values: dict[str, float | None] = {
            "api_input": read.mid,
            "api_cached": cached.mid,
            "api_output": hosted.usd_per_million_output.mid,
        }
        # A field that stands nowhere cannot be filled in.
        named = {field.name for field in price_fields(site.scenario, devices)}
        presets.append(Preset(hosted.name, {name: value for name, value in values.items() if name in named}))
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
            "Worth most after its costs, of all whose total cost is within the budget.",
            text=True,
            about="budget",
        ),
        Column("Score", about="score"),
        Column("Total", "One-off cost, and all requests.", about="total"),
        Column(
            "P(best)",
            "Share of the draws in which it is worth most of all within the budget.",
            about="budget",
        ),
    )
    lines = []
    for best in decision.bests:
        is_readers = best.budget == decision.scenario.budget_usd
        head = Head(round_usd(best.budget), "your budget" if is_readers else "")
        lines.append(GridRow(head, _best_items(choices, decision, best.place, best.wins)))
    return Grid("Best for a budget", Column("Budget"), columns, tuple(lines))


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


def hangs_text(choices: Choices, decision: Decision) -> str:
    """What the table of swings is of."""
    if decision.best_tuned is None or decision.reference is None:
        return "There is no fine-tune within the budget, or nothing to compare it with."
    label = choices.cases[decision.best_tuned].label
    return (
        f"Net benefit of {label} over the best without tuning, with one input halved or doubled; "
        "the widest swing comes first."
    )


def _swing_grid(choices: Choices, decision: Decision) -> Grid:
    columns = (Column("Halved", about="worth-it"), Column("Doubled", about="worth-it"))
    lines = [
        GridRow(Head(INPUT_TITLES[swing.name]), (_swing_item(swing.half), _swing_item(swing.double)))
        for swing in swings(choices, decision)
    ]
    nothing = (Item(), Item())
    lines = lines or [GridRow(Head(INPUT_TITLES[name]), nothing) for name in INPUTS]
    return Grid("What the answer hangs on", Column("Input"), columns, tuple(lines))


def _swing_item(net: float) -> Item:
    return Item(signed_usd(net), sort=net, tone="good" if net > 0 else "bad")


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
        lines.append(GridRow(_head(site, case), (score_item(case.entry.row.score), *items)))
    heads = (Column("Score", "With its 95 % interval.", about="score"), *heads_of(columns))
    return Grid("Every figure of the scenario", Column("Candidate"), heads, tuple(lines))


def _head(site: Site, case: Case, *, ranked: bool = True) -> Head:
    """A case at the head of a row."""
    head = candidate_head(site, case.entry.row, ranked=ranked and case.budget is None)
    return head if case.budget is None else head._replace(detail=case.entry.row.method_name + case.suffix)


def _measured_grid(site: Site, choices: Choices) -> Grid:
    """What each case takes, as it was measured."""
    grid = measured_grid(site, [case.entry for case in choices.cases])
    lines = [
        line._replace(head=_head(site, case, ranked=False))
        for case, line in zip(choices.cases, grid.lines, strict=True)
    ]
    return replace(grid, lines=tuple(lines))


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
            Column("One-off", "F: labels and every training; below, what of it is labels.", about="total"),
            _once_item,
        ),
        FilledColumn(
            Column(
                "Serve / 1k",
                "1,000 requests, with the time that the device is idle or must be up; below, few-shot with its cache off.",
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
                "Value of the right answers over the best without tuning, minus what it costs more; below, 95 %.",
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
                "Share of the draws in which it is worth most of all within your budget; below, the expected loss: what "
                "the best one of each draw is worth more, on average.",
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
                about="per-point",
            ),
            _per_point_item,
        ),
        FilledColumn(
            Column(
                "Break-even, few-shot",
                "Requests from which it is cheaper in total; below, the 95 % interval, and with the prefix cache off.",
                about="break-even",
            ),
            _few_shot_payback_item,
        ),
        FilledColumn(
            Column(
                "Break-even, hosted",
                "Requests from which it is cheaper than a hosted model, asked with as many tokens; below, with few-shot "
                "examples.",
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
    tone: Tone = "good" if net.low > 0 else "bad" if net.high < 0 else "muted"
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


def page_data(choices: Choices, scenario: Scenario, presets: Sequence[Preset]) -> dict[str, Any]:
    """What the script works with. It may not depend on what the reader edits, but for the values to start
    with."""
    scale = ScoreScale.of([case.score for case in choices.cases])
    fields = [*need_fields(scenario), *price_fields(scenario, choices.devices)]
    return {
        "fields": [_field_data(field) for field in fields],
        "owned": scenario.owned,
        "cache": scenario.cache,
        "presets": [preset.values for preset in presets],
        "budgets": list(BUDGETS),
        "inputs": [[name, INPUT_TITLES[name]] for name in INPUTS],
        "step": STEP,
        "right_per_score": choices.right_per_score,
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
        "devices": case.devices,
        "serving": case.serving,
        "uncached": case.uncached,
        "few": _rival_data(case.few_shot),
        "few_uncached": _rival_data(case.few_shot_uncached),
        "examples": None if case.examples is None else asdict(case.examples),
        "prompt": spent.prompt_tokens,
        "completion": spent.completion_tokens,
        "accuracy": case.entry.accuracy,
    }


def _rival_data(rival: Rival | None) -> dict[str, Any] | None:
    return None if rival is None else asdict(rival)
