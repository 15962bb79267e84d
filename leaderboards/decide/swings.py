"""What an answer hangs on: the net benefit of the best fine-tune with one input of a scenario halved, and
doubled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from leaderboards.decide.cases import Choices
from leaderboards.decide.decision import Decision, best_place, costs_of, worth_of_all
from leaderboards.decide.scenario import Scenario

Input = Literal["volume", "right_answer_usd", "utilisation", "hour", "label"]
"""What is changed; `hour`: the prices of all devices."""

INPUTS: tuple[Input, ...] = get_args(Input)


@dataclass(frozen=True)
class Swing:
    """One input changed, all others as they are; net benefits in dollars."""

    name: Input
    half: float
    double: float

    @property
    def width(self) -> float:
        """How far apart the two are."""
        return abs(self.double - self.half)


def swings(choices: Choices, decision: Decision) -> list[Swing]:
    """The net benefit of the best fine-tune within the budget over the best candidate without tuning, the
    input that moves it most first; nothing where one of the two is missing."""
    place, scenario = decision.best_tuned, decision.scenario
    if place is None or not decision.untuned:
        return []
    changed = [
        Swing(
            name,
            _net(choices, place, decision.untuned, _scaled(scenario, name, 0.5)),
            _net(choices, place, decision.untuned, _scaled(scenario, name, 2.0)),
        )
        for name in INPUTS
    ]
    return sorted(changed, key=_narrowness)


def _narrowness(swing: Swing) -> float:
    return -swing.width


def _scaled(scenario: Scenario, name: Input, factor: float) -> Scenario:
    """With one input multiplied; no device is busy for more than all of the time."""
    if name == "hour":
        prices = tuple(None if price is None else price * factor for price in scenario.hour_prices)
        return replace(scenario, hour_prices=prices)
    value = getattr(scenario, name) * factor
    changed: dict[str, float] = {name: min(value, 100.0) if name == "utilisation" else value}
    return replace(scenario, **changed)  # type: ignore[arg-type]  # each of them is a number


def _net(choices: Choices, place: int, untuned: Sequence[int], scenario: Scenario) -> float:
    """Of a case over the best of the untuned ones."""
    worth, cases = worth_of_all(choices, scenario), choices.cases
    totals = [0.0] * len(cases)
    for case_place in (place, *untuned):
        costs = costs_of(cases[case_place], scenario)
        assert costs, "a case that is weighed has a known cost"
        totals[case_place] = costs.total
    reference = best_place(cases, totals, untuned, worth)
    assert reference is not None, "there is an untuned case"
    return worth * (cases[place].score - cases[reference].score) - (totals[place] - totals[reference])
