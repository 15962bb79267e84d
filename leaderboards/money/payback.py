"""From which volume of requests a fine-tune pays for itself.

With F the one-off cost in dollars and c the cost of a request:

    break-even volume   = (F_tuned − F_other) / (c_other − c_tuned) where c_other > c_tuned, else never;
                          against a hosted model F_other = 0 and c_other = Σ tokens · price of a token
    correct answer $    = c / accuracy (arXiv 2504.13359)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.records.fields import SMALLEST_AMOUNT
from harness.records.result import Result
from harness.statistics import Estimate
from leaderboards.money.prices import ApiPrice, Price, Prices
from leaderboards.money.spend import DeviceSeconds, PricedRuns, Spend, usd_of

NEVER = 1e12
"""Requests; a break-even volume above it is none: what serving saves is then no more than a rounding
error."""

NoFigure = Literal["never", "unresolved", "dominated"]
"""Why there is no number: serving is not cheaper; a difference is within noise; the score is worse."""


@dataclass(frozen=True)
class Payback:
    """From which volume a tuned candidate is worth its training, against one that was not tuned."""

    requests: float | None
    """On training and serving alone; None when `why` says there is no such number."""

    with_data: float | None
    """With the labels bought as well."""

    why: NoFigure | None


def payback(tuned: Spend, arm: Spend, *, request: Price | None, why: NoFigure | None) -> Payback | None:
    """Break-even volume of a tuned candidate against another arm; None when it is not known (no price, no
    rate).

    `request`: what one to the other arm costs, with its prefix cache on or off; `why`: see `doubt`.
    """
    if tuned.training is None or arm.training is None or tuned.request is None or request is None:
        return None
    if why is not None:
        return Payback(None, None, why)
    return _paid_back(
        tuned.training.mid, tuned.data.mid, tuned.request.mid, alternative=(arm.training.mid, request.mid)
    )


def doubt(
    tuned: Sequence[Result],
    arm: Sequence[Result],
    runs: PricedRuns,
    *,
    gain: Estimate | None,
    cached: bool = True,
) -> NoFigure | None:
    """Why no break-even volume against another arm would mean anything; None when one does.

    The score must not be within noise ("unresolved") or worse ("dominated"), and the difference in serving
    cost must have the same sign in every pair of runs of the same task and seed, since two throughputs
    measured on a busy machine also differ by chance.
    """
    if gain is None or not gain.clear:
        return "unresolved"
    if gain.high < 0:
        return "dominated"
    arm_serving = {(result.run.task, result.run.seed): runs.serving(result, cached=cached) for result in arm}
    savings = {
        _cheaper(runs.serving(result), arm_serving.get((result.run.task, result.run.seed)), runs.prices)
        for result in tuned
    }
    return "unresolved" if {True, False} <= savings else None


def _cheaper(tuned: DeviceSeconds | None, arm: DeviceSeconds | None, prices: Prices) -> bool | None:
    """Whether the first of two requests costs less; None when it is not known. On one device no price is
    needed."""
    if tuned and arm and tuned.keys() == arm.keys() and len(tuned) == 1:
        return min(tuned.values()) < min(arm.values())
    tuned_usd, arm_usd = usd_of(tuned, prices), usd_of(arm, prices)
    return tuned_usd.mid < arm_usd.mid if tuned_usd and arm_usd else None


def payback_api(spend: Spend, api: ApiPrice) -> Payback | None:
    """Break-even volume against a hosted model that is asked with as many tokens; its score is not known.

    None when training or serving has no price.
    """
    if spend.training is None or spend.request is None:
        return None
    hosted = api.request(spend.prompt_tokens, spend.completion_tokens).mid
    return _paid_back(spend.training.mid, spend.data.mid, spend.request.mid, alternative=(0.0, hosted))


def _paid_back(training: float, data: float, request: float, *, alternative: tuple[float, float]) -> Payback:
    """From which volume training, and the labels besides, are paid back.

    `alternative`: its one-off cost and its cost of a request.
    """
    fixed, served = alternative
    volume = break_even(training, fixed, request, served)
    if volume is None:
        return Payback(None, None, "never")
    return Payback(volume, break_even(training + data, fixed, request, served), None)


def break_even(
    fixed_tuned: float, fixed_other: float, request_tuned: float, request_other: float
) -> float | None:
    """Requests from which the tuned candidate is the cheaper one in total; None: never."""
    saved = request_other - request_tuned
    if saved <= 0:
        return None
    volume = max(0.0, (fixed_tuned - fixed_other) / saved)
    return volume if volume <= NEVER else None


def accuracy(results: Sequence[Result]) -> float | None:
    """Share of right answers over a candidate's runs; None unless every task's primary metric is right or
    wrong."""
    values = [result.metrics.get(result.task.primary_metric) for result in results]
    shares = [value.value for value in values if value is not None]
    if len(shares) < len(results) or not all(result.task.binary for result in results):
        return None
    share = sum(shares) / len(shares)
    return share if share >= SMALLEST_AMOUNT else 0.0  # a damaged record's, which costs cannot be divided by
