"""How far a model's tuning budget goes: how many trials to plan, and whether another may start."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import partial

from harness.plan.halving import WHOLE, Rung, full_trainings
from harness.sweep.settings import TuningBudget

_ROUNDING = 1e-9
"""Share of a budget by which rounding may make a sum of floats exceed it."""


def affordable(
    budget: TuningBudget,
    *,
    tokens_per_trial: float,
    seconds_per_trial: float,
    ladder: Sequence[Rung] = WHOLE,
    fewest: int = 1,
) -> int:
    """How many trials a budget pays for when they are dropped at the rungs of `ladder`, each of which trains
    at least `fewest`; 0 when not even one.

    Both estimates are for one full training; seconds are summed over devices.
    """
    if budget.trials is not None:
        return budget.trials
    price = _price(budget, tokens_per_trial, seconds_per_trial)
    assert price > 0, "a training takes something"
    trainings = _limit(budget) / price
    # More trials never train less, so the largest number that fits is found by bisection; no more fit than if
    # all were dropped at the first rung.
    upper_bound = int(trainings / ladder[0].share) + 1
    return bisect_right(
        range(1, upper_bound + 1),
        trainings * (1 + _ROUNDING),
        key=partial(full_trainings, ladder, fewest=fewest),
    )


class Account:
    """What the search of one model has spent.

    The price of a training is known only afterwards: the first is expected to cost what was estimated, each
    later one the mean of those charged so far.
    """

    def __init__(self, budget: TuningBudget, *, tokens_per_trial: float, seconds_per_trial: float) -> None:
        self._budget = budget
        self._estimate = _price(budget, tokens_per_trial, seconds_per_trial)
        self.trials = 0
        self.trainings = 0.0
        """Charged so far, in full trainings."""

        self.tokens = 0
        self.device_seconds = 0.0

    def charge(self, *, trials: int, trainings: float, tokens: int, device_seconds: float) -> None:
        """Enter `trials` newly started trials, and what all trials have trained since the last charge:
        `trainings` in full trainings, those of failed trials included."""
        self.trials += trials
        self.trainings += trainings
        self.tokens += tokens
        self.device_seconds += device_seconds

    @property
    def spent(self) -> float:
        """The share of the budget that is gone; above 1 when a training took more than expected."""
        return self._spent() / _limit(self._budget)

    def allows(self, *, trials: int, trainings: float) -> bool:
        """Whether `trials` new trials and `trainings` more full trainings are expected to fit into what is
        left.

        Four trials up to a quarter of the training are `trials = 4, trainings = 1`; two of them from there to
        the end are `trials = 0, trainings = 1.5`. Trials that fail before they train cost no tokens: start no
        more of them than `affordable` planned.
        """
        if self._budget.trials is not None:
            return self.trials + trials <= self._budget.trials
        # A failed trial may have been charged trainings and no tokens, or tokens and no trainings: neither
        # gives a price.
        has_price = self._spent() > 0 and self.trainings > 0
        price = self._spent() / self.trainings if has_price else self._estimate
        return self._spent() + trainings * price <= _limit(self._budget) * (1 + _ROUNDING)

    def _spent(self) -> float:
        if self._budget.trials is not None:
            return self.trials
        return self.tokens if self._budget.tokens is not None else self.device_seconds


def _limit(budget: TuningBudget) -> float:
    """The budget in trials, tokens or device seconds."""
    if budget.device_hours is not None:
        return budget.device_hours * 3600
    limit = budget.tokens if budget.trials is None else budget.trials
    assert limit is not None, "exactly one of the three was given"
    return limit


def _price(budget: TuningBudget, tokens_per_trial: float, seconds_per_trial: float) -> float:
    """What one full training costs, in the budget's currency."""
    return tokens_per_trial if budget.device_hours is None else seconds_per_trial
