"""The cost page: what to choose for a volume, a worth of a right answer and a budget
that the reader may edit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leaderboards.chart.cost import Plot, stairs_plot, total_plot, worth_plot
from leaderboards.decide.cases import Choices
from leaderboards.decide.decision import Decision, that_matter, weigh
from leaderboards.decide.scenario import Field, Level, Scenario, need_fields, price_fields, scenario_at
from leaderboards.decide.swings import INPUTS, swings
from leaderboards.gathered import Site, scale_of
from leaderboards.pages.cost_page.figures import derived_case_grid, figure_grid, measured_case_grid
from leaderboards.pages.cost_page.script_data import script_data
from leaderboards.pages.cost_page.sentences import (
    INPUT_TITLES,
    cache_note,
    cheapest_text,
    hangs_text,
    knowing_text,
    left_out_text,
    one_seed_text,
    unguarded_text,
    verdict_text,
)
from leaderboards.pages.parts.cost_items import price_list
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Pairs
from leaderboards.pages.parts.purchases import purchase_grid, purchase_lede
from leaderboards.text import percent, round_usd, signed_usd, usd

MOST_CASES = 32
"""Candidates that the page carries, with the draws of their scores."""


@dataclass(frozen=True)
class Preset:
    """Values that a button writes into fields; it shows whether they stand there."""

    title: str
    group: str
    """What the buttons beside it are of, too."""

    values: dict[str, float | None]


@dataclass(frozen=True)
class CostPage:
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
    derived: Grid
    scale: str
    left_out: str
    """Which candidates are not on the page; empty when all are."""

    unguarded: str
    """Which smaller training budgets were not scored on guard tasks; empty where none is to be told of."""

    one_seed: str
    """What shares of draws leave out; empty where they leave out nothing."""

    draws: int
    price_list: Pairs
    data: dict[str, Any]
    """For the script: measured quantities, prices and draws."""


def cost_page(site: Site, scenario: Scenario | None = None) -> CostPage:
    """The cost page, in the scenario that it opens with unless another is given."""
    everything = site.choices
    scenario = scenario or site.scenario
    choices = everything.only(that_matter(everything, site.decision, max_cases=MOST_CASES))
    decision = weigh(choices, scenario)
    few_shot_cases = [case for case in choices.cases if case.method == "few_shot"]
    presets = _presets(site, choices.devices)
    return CostPage(
        verdict=verdict_text(choices, decision),
        doubt=site.verdict.doubt,
        needs=tuple(need_fields(scenario)),
        prices=tuple(price_fields(scenario, choices.devices)),
        presets=presets,
        owned=scenario.owned,
        cache=scenario.cache,
        cache_note=cache_note(few_shot_cases),
        cache_measured=any(case.uncached for case in few_shot_cases),
        total=total_plot(choices, decision),
        worth=worth_plot(choices, decision),
        stairs=stairs_plot(choices, decision),
        cheapest=cheapest_text(choices, decision),
        knowing=knowing_text(choices, decision),
        purchases=purchase_grid(site),
        purchase_lede=purchase_lede(site.advice.outlook, site.table.unit) if site.advice.outlook else "",
        budgets=_budget_grid(choices, decision),
        hangs=hangs_text(choices, decision),
        swings=_swing_grid(choices, decision),
        figures=figure_grid(site, choices, decision),
        measured=measured_case_grid(site, choices),
        derived=derived_case_grid(site, choices),
        scale=scale_of(site.table),
        left_out=left_out_text(len(everything.cases), len(choices.cases)),
        unguarded=unguarded_text(choices, site.table),
        one_seed=one_seed_text(choices),
        draws=len(choices.steps),
        price_list=price_list(site.prices),
        data=script_data(choices, scenario, [preset.values for preset in presets]),
    )


def _presets(site: Site, devices: Sequence[str]) -> tuple[Preset, ...]:
    levels: tuple[tuple[str, Level], ...] = (
        ("Low", "low"),
        ("Middle", "mid"),
        ("High", "high"),
    )
    presets = []
    for title, level in levels:
        fields = price_fields(scenario_at(site.board.scenario, site.prices, devices, level), devices)
        presets.append(Preset(title, "Prices", {field.name: field.value for field in fields}))
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
        presets.append(
            Preset(
                hosted.name, "Hosted model", {name: value for name, value in values.items() if name in named}
            )
        )
    return tuple(presets)


def _budget_grid(choices: Choices, decision: Decision) -> Grid:
    columns = (
        Column(
            "Best candidate",
            "Worth most after its costs, among those within the budget.",
            text=True,
            about="budget",
        ),
        Column("Score", about="score"),
        Column("Total", "One-off cost, and all requests.", about="total"),
        Column(
            "P(best)",
            "Share of the draws in which it is worth most within the budget.",
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
            Item("nothing fits" if any_priced else "no cost is known", tone="muted"),
            *(Item(), Item(), Item()),
        )
    case, costs = choices.cases[place], decision.figures[place].costs
    assert costs, "what is within a budget has a known cost"
    return Item(case.label), Item(choices.unit.write(case.score)), Item(usd(costs.total)), Item(percent(wins))


def _swing_grid(choices: Choices, decision: Decision) -> Grid:
    columns = (Column("Halved", about="worth-it"), Column("Doubled", about="worth-it"))
    lines = [
        GridRow(Head(INPUT_TITLES[swing.name]), (_swing_item(swing.half), _swing_item(swing.double)))
        for swing in swings(choices, decision)
    ]
    nothing = (Item(), Item())
    lines = lines or [GridRow(Head(INPUT_TITLES[name]), nothing) for name in INPUTS]
    return Grid("What the answer depends on", Column("Input"), columns, tuple(lines))


def _swing_item(net: float) -> Item:
    return Item(signed_usd(net), sort=net, tone="good" if net > 0 else "bad")
