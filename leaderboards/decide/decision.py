"""What a scenario makes of the cases: totals, net benefits, break-even volumes, the best for a budget.

    total cost TCO      = F + V · c;  F = labels + training · (1 + retrainings),
                          c = cost of a request / utilisation
    net benefit         = λ · Δscore − ΔTCO over the best candidate that is not tuned, λ = value of a point
    P(worth it)         = share of the draws of all scores in which that is above zero
    P(on the frontier)  = share in which no other case scores as much for a lower total

The best without tuning is the one with the largest λ · score − TCO. A case that failed the guard against
forgetting has all its figures, and is never chosen. `static/figures.js` works out the same figures when a
reader edits the scenario: sums are made in the same order in both, so that they show the same digits, and a
test in a browser compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leaderboards.decide.cases import Case, Choices, Rival, Seconds
from leaderboards.decide.scenario import BUDGETS, Scenario
from leaderboards.money.frontier import frontier_shares, staircase, usd_per_point
from leaderboards.money.payback import NoFigure, break_even
from leaderboards.rank.draws import STEP

TAIL = 0.025
"""Share of draws outside of either end of a 95 % interval."""


@dataclass(frozen=True)
class Costs:
    """Dollars."""

    labels: float
    fixed: float
    """F: labels and all trainings."""

    request: float
    """c, idle time of the device included."""

    total: float


@dataclass(frozen=True)
class Net:
    """Net benefit over the reference, in dollars, with its 95 % interval over the draws."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class CaseFigures:
    """What a scenario makes of one case; most are None where its costs are not known."""

    costs: Costs | None = None
    net: Net | None = None
    """None for the reference itself, and without one."""

    worth: float | None = None
    """P(worth it); None for untuned cases."""

    frontier: float | None = None
    """P(on the frontier)."""

    per_point: float | NoFigure | None = None
    """Dollars for each point over the next cheaper case on the staircase; None for the cheapest."""

    few_shot: float | NoFigure | None = None
    """Break-even volume against few-shot with the prefix cache on."""

    few_shot_uncached: float | NoFigure | None = None
    """Break-even volume with its prefix cache off; None where that was not measured."""

    api: float | NoFigure | None = None
    """Break-even volume against a hosted model that is asked with as many tokens."""

    correct: float | None = None
    """Dollars for a right answer, at the cost of a request; None for scores that are not right or wrong."""


@dataclass(frozen=True)
class Best:
    """The best case for a budget."""

    budget: float
    place: int | None
    """None when nothing costs so little."""

    wins: float
    """Share of the draws in which it scores most of all that the budget allows."""


@dataclass(frozen=True)
class Decision:
    """A scenario and all that follows from it. A place is an index into the cases."""

    scenario: Scenario
    figures: tuple[CaseFigures, ...]
    reference: int | None
    """The best case without tuning: net benefits are over it. None when there is none with a known cost."""

    chosen: int | None
    """The case that is worth most after its costs."""

    best_tuned: int | None
    passed_over: int | None
    """What would have been chosen if it had not failed the guard against forgetting; None where that is
    `chosen`."""

    stairs: tuple[int, ...]
    """The staircase of score against total cost, cheapest first."""

    envelope: tuple[tuple[float, int], ...]
    """The cheapest case from each volume on: lower envelope of the lines F + V · c."""

    bests: tuple[Best, ...]


def weigh(choices: Choices, scenario: Scenario) -> Decision:
    """All figures of a scenario."""
    cases, steps = choices.cases, choices.steps
    costs = [costs_of(case, scenario) for case in cases]
    with_costs = [place for place, cost in enumerate(costs) if cost is not None]
    fit = [place for place in with_costs if not cases[place].forgets]
    totals = [cost.total if cost else 0.0 for cost in costs]
    reference = best_place(
        cases, totals, [place for place in with_costs if not cases[place].tuned], scenario.point
    )
    figures = [_alone(case, cost, scenario) for case, cost in zip(cases, costs, strict=True)]
    scores, priced = [cases[place].score for place in with_costs], [totals[place] for place in with_costs]
    shares = frontier_shares(priced, steps[:, with_costs])
    points = usd_per_point(priced, scores, steps[:, with_costs])
    for order, place in enumerate(with_costs):
        figures[place] = replace(figures[place], frontier=shares[order], per_point=points[order])
        if reference is not None and place != reference:
            extra_cost = totals[place] - totals[reference]
            net = (scenario.point * 100) * (cases[place].score - cases[reference].score) - extra_cost
            drawn = net_draws(steps, place, reference, point=scenario.point, extra_cost=extra_cost)
            figures[place] = replace(figures[place], net=_net(net, drawn), worth=_worth(cases[place], drawn))
    ignoring_guard = best_place(cases, totals, with_costs, scenario.point)
    return Decision(
        scenario,
        tuple(figures),
        reference,
        chosen=best_place(cases, totals, fit, scenario.point),
        best_tuned=best_place(cases, totals, [place for place in fit if cases[place].tuned], scenario.point),
        passed_over=ignoring_guard if ignoring_guard is not None and cases[ignoring_guard].forgets else None,
        stairs=tuple(with_costs[place] for place in staircase(list(zip(priced, scores, strict=True)))),
        envelope=tuple(envelope([(cost.fixed, cost.request) if cost else None for cost in costs])),
        bests=tuple(_best(budget, fit, totals, steps) for budget in (*BUDGETS, scenario.budget)),
    )


def costs_of(case: Case, scenario: Scenario) -> Costs | None:
    """What a case costs; None where a price or its speed is not known."""
    serving = case.serving if scenario.cache or case.uncached is None else case.uncached
    training, served = _usd(case.training, scenario), _usd(serving, scenario)
    if training is None or served is None:
        return None
    labels = case.labels * scenario.label
    fixed = labels + training * (1 + scenario.retrains)
    request = served * 100 / scenario.utilisation
    return Costs(labels, fixed, request, fixed + scenario.volume * request)


def _usd(seconds: Seconds | None, scenario: Scenario) -> float | None:
    if seconds is None:
        return None
    total = 0.0
    for place, spent in seconds:
        hour = scenario.hours[place]
        if hour is None:
            return None
        total += spent / 3600 * hour
    return total


def best_place(
    cases: Sequence[Case], totals: Sequence[float], among: Sequence[int], point: float
) -> int | None:
    """The place with the largest λ · score − TCO, the first of equal ones; None among none."""
    return max(among, key=lambda place: (point * 100) * cases[place].score - totals[place], default=None)


def net_draws(
    steps: NDArray[np.int16], place: int, reference: int, *, point: float, extra_cost: float
) -> NDArray[np.float64]:
    """Net benefit of one case over another in every draw; `extra_cost`: how much more it costs in total."""
    difference = steps[:, place].astype(np.float64) - steps[:, reference]
    return np.asarray((point * 100 * STEP) * difference - extra_cost, dtype=np.float64)


def _net(value: float, drawn: NDArray[np.float64]) -> Net:
    ordered, tail = np.sort(drawn), int(len(drawn) * TAIL)
    return Net(value, float(ordered[tail]), float(ordered[-1 - tail]))


def _worth(case: Case, drawn: NDArray[np.float64]) -> float | None:
    return int(np.count_nonzero(drawn > 0)) / len(drawn) if case.tuned else None


def _alone(case: Case, costs: Costs | None, scenario: Scenario) -> CaseFigures:
    """The figures of a case that depend neither on another case nor on a draw."""
    if costs is None:
        return CaseFigures()
    spent, accuracy = case.entry.spend, case.entry.accuracy
    hosted = None
    if scenario.api_input is not None and scenario.api_output is not None:
        tokens = spent.prompt_tokens * scenario.api_input + spent.completion_tokens * scenario.api_output
        hosted = _volume(costs.fixed, costs.request, tokens / 1e6)
    return CaseFigures(
        costs,
        few_shot=_over(case.few_shot, costs, scenario),
        few_shot_uncached=_over(case.few_shot_uncached, costs, scenario),
        api=hosted,
        correct=costs.request / accuracy if accuracy else None,
    )


def _over(rival: Rival | None, costs: Costs, scenario: Scenario) -> float | NoFigure | None:
    served = _usd(rival.serving, scenario) if rival else None
    if rival is None or served is None:
        return None
    return rival.why or _volume(costs.fixed, costs.request, served * 100 / scenario.utilisation)


def _volume(fixed: float, request: float, rival_request: float) -> float | NoFigure:
    """From how many requests a one-off cost is paid back against something without one."""
    volume = break_even(fixed, 0.0, request, rival_request)
    return "never" if volume is None else volume


def envelope(lines: Sequence[tuple[float, float] | None]) -> list[tuple[float, int]]:
    """Where lines (at zero, slope) are the lowest one: from each volume on, and the place of the line. None
    is no line."""
    drawn = [(*line, place) for place, line in enumerate(lines) if line is not None]
    if not drawn:
        return []
    start, slope, place = min(drawn)
    segments = [(0.0, place)]
    while flatter := [line for line in drawn if line[1] < slope]:
        crossings = [((line[0] - start) / (slope - line[1]), line[1], line[2]) for line in flatter]
        crossing, slope, place = min(crossings)
        start = next(line[0] for line in drawn if line[2] == place)
        segments.append((crossing, place))
    return segments


def _best(budget: float, fit: Sequence[int], totals: Sequence[float], steps: NDArray[np.int16]) -> Best:
    within = [place for place in fit if totals[place] <= budget]
    if not within:
        return Best(budget, None, 0.0)
    # Cases come best score first.
    wins = int(np.count_nonzero(steps[:, within].argmax(axis=1) == 0))
    return Best(budget, within[0], wins / len(steps))


def that_matter(choices: Choices, decision: Decision, *, most: int) -> list[int]:
    """The places of at most so many cases: what the scenario's answers are about, then those that nothing
    beats in score, one-off cost and cost of a request, by score, then the others by score."""
    answers = [decision.reference, decision.chosen, decision.best_tuned, decision.passed_over]
    answers += [best.place for best in decision.bests]
    costs = [costs_of(case, decision.scenario) for case in choices.cases]
    # What can never be chosen stands in nothing's way.
    allowed = [place for place, cost in enumerate(costs) if cost and not choices.cases[place].forgets]
    rows = [
        (-choices.cases[place].score, cost.fixed, cost.request) for place in allowed if (cost := costs[place])
    ]
    table = np.array(rows).reshape(-1, 3)
    beaten = [bool(((table <= row).all(axis=1) & (table < row).any(axis=1)).any()) for row in table]
    unbeaten = [place for place, worse in zip(allowed, beaten, strict=True) if not worse]
    order = dict.fromkeys(
        [*(place for place in answers if place is not None), *unbeaten, *range(len(choices.cases))]
    )
    return sorted([*order][:most])
