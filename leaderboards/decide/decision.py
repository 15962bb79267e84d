"""What a scenario makes of the cases: totals, net benefits, break-even volumes, the best for a budget.

    total cost TCO      = F + max(V · c, hours · price of the devices' hour)
                          F = labels · (1 + retrainings · share relabelled) + training · (1 + retrainings)
                          c = cost of a request on a device that is never idle / utilisation
    net benefit         = V · Δright · w − ΔTCO over the best candidate that is not tuned
                          Δright: right answers gained per request; w: what one more right answer is worth
    P(worth it)         = share of the draws of all scores in which that is above zero
    P(best)             = share in which V · right · w − TCO is the largest within the budget
    expected loss       = mean over the draws of the largest such value minus this one's
    value of knowing    = the least expected loss: of perfect information on the scores (EVPI; Raiffa and
                          Schlaifer, Applied Statistical Decision Theory, 1961)
    P(on the frontier)  = share in which no other case scores as much for a lower total

What is chosen has the largest V · right · w − TCO of all whose total is within the budget. A case that failed
the guard against forgetting has all its figures, and is never chosen; nor is a fine-tune that is not shown to
score more than the best arm without tuning, as long as one that is stands beside it: of many scores the
largest is partly luck, and the first page advises what is shown. `static/figures.js` works out the same
figures when a reader edits the scenario: sums are made in the same order in both, so that they show the same
digits, and a test in a browser compares them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from leaderboards.decide.cases import Case, Choices, Devices, Rival, Seconds
from leaderboards.decide.scenario import BUDGETS, Scenario
from leaderboards.money.frontier import frontier_shares, staircase, usd_per_point
from leaderboards.money.payback import Line, NoFigure, Payback, payback
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

    held: float
    """Devices for all hours that they must be up: serving costs no less."""

    total: float
    volume: float

    @property
    def served(self) -> float:
        """What a request comes to: the device may have to be up for more than it is busy."""
        return max(self.request, self.held / self.volume)

    @property
    def line(self) -> Line:
        """Total cost against volume."""
        return Line(self.fixed, self.request, self.held)


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
    """P(worth it); None for untuned cases, and where it is not known how far another seed would differ."""

    best: float | None = None
    """P(best); None for what the budget excludes, or the guard against forgetting."""

    loss: float | None = None
    """Expected loss in dollars; None like `best`."""

    frontier: float | None = None
    """P(on the frontier)."""

    per_point: float | NoFigure | None = None
    """Dollars for each point over the next cheaper case on the staircase; None for the cheapest."""

    few_shot: Payback | None = None
    """Break-even volume against few-shot with the prefix cache on."""

    few_shot_uncached: Payback | None = None
    """Break-even volume with its prefix cache off; None where that was not measured."""

    api: Payback | None = None
    """Break-even volume against a hosted model that is asked with as many tokens."""

    api_few_shot: Payback | None = None
    """Break-even volume against a hosted model that is asked with the examples of few-shot prompts."""

    correct: float | None = None
    """Dollars for a right answer, at the cost of a request; None for scores that are not right or wrong."""


@dataclass(frozen=True)
class Best:
    """The best case for a budget."""

    budget: float
    place: int | None
    """The case that is worth most after its costs, of all that the budget allows; None when nothing costs so
    little."""

    wins: float
    """P(best) within this budget."""


@dataclass(frozen=True)
class Decision:
    """A scenario and all that follows from it. A place is an index into the cases."""

    scenario: Scenario
    figures: tuple[CaseFigures, ...]
    reference: int | None
    """The best case without tuning: net benefits are over it. None when there is none with a known cost."""

    untuned: tuple[int, ...]
    """Those among which the reference was found: the ones within the budget, or all where none is."""

    chosen: int | None
    """The case that is worth most after its costs, of all within the budget."""

    excluded: int | None
    """What would have been chosen without a budget; None where that is `chosen`."""

    best_tuned: int | None
    """The best fine-tune within the budget."""

    cheapest: int | None
    """The case with the lowest total that may be chosen."""

    knowing: float | None
    """What it would be worth to know all scores exactly, in dollars; None where nothing is within the
    budget."""

    passed_over: int | None
    """What would have been chosen if it had not failed the guard against forgetting, or had been shown to
    score more than without tuning; None where that is `chosen`."""

    stairs: tuple[int, ...]
    """The staircase of score against total cost, cheapest first."""

    envelope: tuple[tuple[float, int], ...]
    """The cheapest case from each volume on: lower envelope of the lines F + V · c."""

    bests: tuple[Best, ...]


def weigh(choices: Choices, scenario: Scenario) -> Decision:
    """All figures of a scenario."""
    cases, steps = choices.cases, choices.steps
    worth = worth_of_all(choices, scenario)
    costs = [costs_of(case, scenario) for case in cases]
    with_costs = [place for place, cost in enumerate(costs) if cost is not None]
    totals = [cost.total if cost else 0.0 for cost in costs]
    fit = [place for place in with_costs if not cases[place].forgets]
    affordable = [place for place in fit if totals[place] <= scenario.budget_usd]
    all_untuned = [place for place in with_costs if not cases[place].tuned]
    untuned = [place for place in all_untuned if totals[place] <= scenario.budget_usd] or all_untuned

    def best_of(among: Sequence[int]) -> int | None:
        return best_place(cases, totals, among, worth)

    chosen, reference = best_of(advisable(cases, affordable)), best_of(untuned)
    figures = [_alone(case, cost, scenario) for case, cost in zip(cases, costs, strict=True)]
    scores, priced = [cases[place].score for place in with_costs], [totals[place] for place in with_costs]
    shares = frontier_shares(priced, steps[:, with_costs])
    points = usd_per_point(priced, scores, steps[:, with_costs])
    for order, place in enumerate(with_costs):
        figures[place] = replace(figures[place], frontier=shares[order], per_point=points[order])
        if reference is not None and place != reference:
            extra_cost = totals[place] - totals[reference]
            net = worth * (cases[place].score - cases[reference].score) - extra_cost
            drawn = net_draws(steps, place, reference, worth=worth, extra_cost=extra_cost)
            figures[place] = replace(figures[place], net=_net(net, drawn), worth=_worth(cases[place], drawn))
    contest = Contest.among(affordable, steps, totals, worth)
    for place, best, loss in zip(affordable, contest.best, contest.losses, strict=True):
        figures[place] = replace(figures[place], best=best, loss=loss)
    excluded = best_of(advisable(cases, fit))
    unrestricted = best_of([place for place in with_costs if totals[place] <= scenario.budget_usd])
    budgets = sorted({*BUDGETS, scenario.budget_usd})
    return Decision(
        scenario,
        tuple(figures),
        reference,
        untuned=tuple(untuned),
        chosen=chosen,
        excluded=None if excluded == chosen else excluded,
        best_tuned=best_of([place for place in advisable(cases, affordable) if cases[place].tuned]),
        cheapest=min(fit, key=totals.__getitem__, default=None),
        knowing=min(contest.losses, default=None),
        passed_over=None if unrestricted == chosen else unrestricted,
        stairs=tuple(with_costs[place] for place in staircase(list(zip(priced, scores, strict=True)))),
        envelope=tuple(envelope([cost.line if cost else None for cost in costs])),
        bests=tuple(_best(budget, choices, fit, totals, worth) for budget in budgets),
    )


def worth_of_all(choices: Choices, scenario: Scenario) -> float:
    """Dollars that a whole unit of score is worth: all requests right instead of all wrong."""
    return scenario.volume * scenario.right_answer_usd * choices.right_per_score


def costs_of(case: Case, scenario: Scenario) -> Costs | None:
    """What a case costs; None where a price or its speed is not known."""
    serving = case.serving if scenario.cache or case.uncached is None else case.uncached
    training, served = _usd(case.training, scenario), _usd(serving, scenario)
    held = _held(case.devices, scenario)
    if training is None or served is None or held is None:
        return None
    again = scenario.retrains if case.tuned else 0.0
    labels = _labels(case.labels, scenario) * (1 + again * scenario.relabel)
    fixed = labels + training * (1 + scenario.retrains)
    request = served * 100 / scenario.utilisation
    total = fixed + max(scenario.volume * request, held)
    return Costs(labels, fixed, request, held, total, scenario.volume)


def _labels(count: float, scenario: Scenario) -> float:
    return 0.0 if scenario.owned else count * scenario.label


def _held(devices: Devices, scenario: Scenario) -> float | None:
    """What devices cost that must be up for all hours; None where a price is not known."""
    total = 0.0
    for place, count in devices:
        hour = scenario.hour_prices[place]
        if hour is None:
            return None
        total += count * hour
    return scenario.hours * total


def _usd(seconds: Seconds | None, scenario: Scenario) -> float | None:
    if seconds is None:
        return None
    total = 0.0
    for place, spent in seconds:
        hour = scenario.hour_prices[place]
        if hour is None:
            return None
        total += spent / 3600 * hour
    return total


def advisable(cases: Sequence[Case], among: Sequence[int]) -> list[int]:
    """Without the fine-tunes that are not shown to score more than untuned arms, if any is."""
    proven = [place for place in among if not cases[place].gain_unproven]
    return proven if any(cases[place].tuned for place in proven) else [*among]


def best_place(
    cases: Sequence[Case], totals: Sequence[float], among: Sequence[int], worth: float
) -> int | None:
    """The place with the largest worth · score − TCO, the first of equal ones; None among none."""
    return max(among, key=lambda place: worth * cases[place].score - totals[place], default=None)


def net_draws(
    steps: NDArray[np.int16], place: int, reference: int, *, worth: float, extra_cost: float
) -> NDArray[np.float64]:
    """Net benefit of one case over another in every draw; `extra_cost`: how much more it costs in total."""
    difference = steps[:, place].astype(np.float64) - steps[:, reference]
    return np.asarray((worth * STEP) * difference - extra_cost, dtype=np.float64)


@dataclass(frozen=True)
class Contest:
    """Several cases against each other, draw by draw."""

    best: tuple[float, ...]
    """Share of the draws in which each is worth most after its costs; of equal ones the first is."""

    losses: tuple[float, ...]
    """Mean over the draws of what the best one is worth more, in dollars."""

    @classmethod
    def among(
        cls, places: Sequence[int], steps: NDArray[np.int16], totals: Sequence[float], worth: float
    ) -> "Contest":
        """Of the cases at `places`."""
        if not places:
            return cls((), ())
        values = (worth * STEP) * steps[:, places].astype(np.float64) - np.array([totals[p] for p in places])
        wins = np.bincount(values.argmax(axis=1), minlength=len(places)) / len(values)
        # One draw after the other, as the page's script does: another order may round to another cent.
        sums = np.add.accumulate(values.max(axis=1, keepdims=True) - values, axis=0)[-1]
        losses = sums / len(values)
        return cls(tuple(wins.tolist()), tuple(losses.tolist()))


def _net(value: float, drawn: NDArray[np.float64]) -> Net:
    ordered, tail = np.sort(drawn), int(len(drawn) * TAIL)
    return Net(value, float(ordered[tail]), float(ordered[-1 - tail]))


def _worth(case: Case, drawn: NDArray[np.float64]) -> float | None:
    if not case.tuned or not case.seeds_known:
        return None
    return int(np.count_nonzero(drawn > 0)) / len(drawn)


def _alone(case: Case, costs: Costs | None, scenario: Scenario) -> CaseFigures:
    """The figures of a case that depend neither on another case nor on a draw."""
    if costs is None:
        return CaseFigures()
    accuracy, hosted = case.entry.accuracy, hosted_lines(case, scenario)
    return CaseFigures(
        costs,
        few_shot=_over(case.few_shot, costs, scenario),
        few_shot_uncached=_over(case.few_shot_uncached, costs, scenario),
        api=payback(costs.line, hosted.plain) if hosted.plain else None,
        api_few_shot=payback(costs.line, hosted.few_shot) if hosted.few_shot else None,
        correct=costs.served / accuracy if accuracy else None,
    )


@dataclass(frozen=True)
class Hosted:
    """What a hosted model costs that is asked in place of a case; None where no price, or prompt, is
    known."""

    plain: Line | None
    """With as many tokens."""

    few_shot: Line | None
    """With the examples of few-shot prompts before them, which are labelled samples."""


def hosted_lines(case: Case, scenario: Scenario) -> Hosted:
    """Total cost of a hosted model against volume. Examples that all prompts begin with are read at the price
    of cached tokens, all other tokens at the full one: the first request is not counted apart."""
    spent, examples = case.entry.spend, case.examples
    if scenario.api_input is None or scenario.api_output is None:
        return Hosted(None, None)
    tokens = spent.prompt_tokens * scenario.api_input + spent.completion_tokens * scenario.api_output
    plain = Line(0.0, tokens / 1e6)
    if examples is None or case.few_shot is None:
        return Hosted(plain, None)
    cached = scenario.api_input if scenario.api_cached is None else scenario.api_cached
    tokens += examples.tokens * (cached if examples.shared else scenario.api_input)
    return Hosted(plain, Line(_labels(case.few_shot.labels, scenario), tokens / 1e6))


def _over(rival: Rival | None, costs: Costs, scenario: Scenario) -> Payback | None:
    served = _usd(rival.serving, scenario) if rival else None
    held = _held(rival.devices, scenario) if rival else None
    if rival is None or served is None or held is None:
        return None
    request = served * 100 / scenario.utilisation
    arm = Line(_labels(rival.labels, scenario), request, held)
    return payback(costs.line, arm, why=rival.why, spread=rival.spread)


def envelope(lines: Sequence[Line | None]) -> list[tuple[float, int]]:
    """Where lines are the lowest one: from each volume on, and the place of the line. None is no line.

    A line is flat until its device is busy for all the hours that it is up. Only a rising one can be
    undercut, by one that is flat there or rises less.
    """
    drawn = [(line, place) for place, line in enumerate(lines) if line is not None]
    if not drawn:
        return []
    volume, place = 0.0, min(drawn, key=_from_zero)[1]
    segments = [(volume, place)]
    while True:
        lowest = lines[place]
        assert lowest is not None
        crossings = []
        for line, other_place in drawn:
            crossing = line.undercuts(lowest, volume)
            if other_place != place and crossing is not None:
                crossings.append((crossing, line.rises(crossing), line.request, other_place))
        if not crossings:
            return segments
        volume, _, _, place = min(crossings)
        segments.append((volume, place))


def _from_zero(drawn: tuple[Line, int]) -> tuple[float, float, float, int]:
    line, place = drawn
    return line.total(0.0), line.rises(0.0), line.request, place


def _best(budget: float, choices: Choices, fit: Sequence[int], totals: Sequence[float], worth: float) -> Best:
    within = [place for place in fit if totals[place] <= budget]
    place = best_place(choices.cases, totals, advisable(choices.cases, within), worth)
    if place is None:
        return Best(budget, None, 0.0)
    contest = Contest.among(within, choices.steps, totals, worth)
    return Best(budget, place, contest.best[within.index(place)])


def that_matter(choices: Choices, decision: Decision, *, max_cases: int) -> list[int]:
    """The places of at most so many cases: what the scenario's answers are about, then those that nothing
    beats in score, one-off cost and cost of a request, by score, then the others by score."""
    answers = [decision.reference, decision.chosen, decision.excluded, decision.best_tuned]
    answers += [decision.passed_over, decision.cheapest]
    answers += [best.place for best in decision.bests]
    costs = [costs_of(case, decision.scenario) for case in choices.cases]
    # What can never be chosen stands in nothing's way.
    allowed = [place for place, cost in enumerate(costs) if cost and not choices.cases[place].forgets]
    rows = [
        (-choices.cases[place].score, cost.fixed, cost.request, cost.held)
        for place in allowed
        if (cost := costs[place])
    ]
    table = np.array(rows).reshape(-1, 4)
    beaten = [bool(((table <= row).all(axis=1) & (table < row).any(axis=1)).any()) for row in table]
    unbeaten = [place for place, worse in zip(allowed, beaten, strict=True) if not worse]
    order = dict.fromkeys(
        [*(place for place in answers if place is not None), *unbeaten, *range(len(choices.cases))]
    )
    return sorted([*order][:max_cases])
