"""How far the tuning budget of a model goes: how many trials to plan, and whether another may start."""

from bisect import bisect_right
from collections.abc import Sequence

from harness.plan.halving import WHOLE, Rung, full_trainings
from harness.sweep.settings import TuningBudget

_ROUNDING = 1e-9
"""Share of a budget by which sums of floating-point numbers may miss it."""


def affordable(
    budget: TuningBudget, *, tokens_per_trial: float, seconds_per_trial: float, ladder: Sequence[Rung] = WHOLE
) -> int:
    """How many trials a budget pays for, dropped at the rungs of `ladder`; 0 when not even one.

    Both estimates are for one training to the end; seconds are those of all devices together.
    """
    if budget.trials is not None:
        return budget.trials
    price = _price(budget, tokens_per_trial, seconds_per_trial)
    assert price > 0, "a training takes something"
    trainings = _limit(budget) / price
    most = int(trainings / ladder[0].share) + 1
    return bisect_right(
        range(1, most + 1), trainings * (1 + _ROUNDING), key=lambda trials: full_trainings(ladder, trials)
    )


class Account:
    """What the search of one model has spent.

    What a training takes is known only afterwards: the next is expected to take the mean of those that were
    charged, and the first what was estimated.
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
        """Enter trials that were started, and what trials trained: `trainings` full trainings in all, failed
        ones too."""
        self.trials += trials
        self.trainings += trainings
        self.tokens += tokens
        self.device_seconds += device_seconds

    @property
    def spent(self) -> float:
        """The share of the budget that is gone; above 1 when a training took more than expected."""
        return self._spent() / _limit(self._budget)

    def allows(self, *, trials: int, trainings: float) -> bool:
        """Whether so many more trials, or none, and so much more training are expected to fit into what is
        left.

        Four trials up to a quarter of the training are `trials = 4, trainings = 1`; two of them from there to
        the end are `trials = 0, trainings = 1.5`. Trials that fail before they train cost no tokens: start no
        more of them than `affordable` planned.
        """
        if self._budget.trials is not None:
            return self.trials + trials <= self._budget.trials
        # Failed trials may have trained without spending anything, or the other way round: neither is a
        # price.
        known = self._spent() > 0 and self.trainings > 0
        price = self._spent() / self.trainings if known else self._estimate
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
    """What one training to the end takes, in the budget's currency."""
    return tokens_per_trial if budget.device_hours is None else seconds_per_trial
