"""From which volume of requests a fine-tune pays for itself.

The total cost of V requests is a line with a flat start:

    total(V)            = F + max(V · c, H);  F: one-off cost, c: cost of a request, H: devices for all hours
                          that they must be up
    break-even volume   = the V at which the fine-tune's total falls to the other's where c_other > c_tuned,
                          else never; without H it is (F_tuned − F_other) / (c_other − c_tuned)
                          against a hosted model F = H = 0 and c = Σ tokens · price of a token
    its 95 % interval   = the same with c_other · exp(± t · SE) for c_other, SE that of the mean of
                          log(c_other / c_tuned) over the pairs of runs of one task and seed
    correct answer $    = c / accuracy (arXiv 2504.13359)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from harness.records.fields import SMALLEST_AMOUNT
from harness.records.result import Result
from harness.statistics import CONFIDENCE, Estimate
from leaderboards.money.prices import Prices
from leaderboards.money.spend import DeviceSeconds, PricedRuns, usd_of

NEVER = 1e12
"""Requests; a break-even volume above it is none: what serving saves is then no more than a rounding
error."""

NoFigure = Literal["never", "unresolved", "dominated"]
"""Why there is no number: serving is not cheaper; a difference is within noise; the score is worse."""


@dataclass(frozen=True)
class Line:
    """Total cost against the number of requests, in dollars."""

    fixed: float
    request: float
    """One request."""

    held: float = 0.0
    """The least that serving costs: its devices for all hours that they must be up."""

    def total(self, volume: float) -> float:
        """Of so many requests."""
        return self.fixed + max(volume * self.request, self.held)

    def rises(self, volume: float) -> float:
        """What one more request costs: nothing while the devices are up anyway."""
        return self.request if self.request > 0 and volume >= self.held / self.request else 0.0

    def undercuts(self, rival: "Line", after: float) -> float | None:
        """The first volume, of all from `after` on, from which it costs less than a line that costs less, or
        the same, until then; None when it never does."""
        if rival.request <= 0:
            return None
        # Only a rising line can be undercut, and not before it has risen above the start of this one.
        from_rise = max(after, rival.held / rival.request)
        volume = max(from_rise, (self.fixed + self.held - rival.fixed) / rival.request)
        if self.request < rival.request:
            return max(volume, (self.fixed - rival.fixed) / (rival.request - self.request))
        return volume if self.request > 0 and volume < self.held / self.request else None


@dataclass(frozen=True)
class Payback:
    """From which volume a tuned candidate costs less in total than another one."""

    requests: float | None
    """None when `why` says there is no such number."""

    why: NoFigure | None
    ends: tuple[float, float] | None = None
    """The 95 % interval, for which serving costs were measured often enough to tell; infinite is never. None
    where they were not, or where the scores make a volume meaningless."""

    @property
    def figure(self) -> "float | NoFigure":
        """The number, or why there is none."""
        if self.requests is not None:
            return self.requests
        assert self.why is not None, "there is a number or a reason"
        return self.why


def payback(tuned: Line, rival: Line, *, why: NoFigure | None = None, spread: float | None = None) -> Payback:
    """The break-even volume of a fine-tune against another candidate.

    `why`: of their scores, see `doubt`; `spread`: of their serving costs, see `spread_of`. Unresolved where
    serving may as well save as cost more.
    """
    if why is not None:
        return Payback(None, why)
    volume = break_even(tuned, rival)
    figure = Payback(None, "never") if volume == math.inf else Payback(volume, None)
    if spread is None or tuned.request <= 0 or rival.request <= 0:
        return figure
    ends = (
        break_even(tuned, Line(rival.fixed, rival.request * math.exp(spread), rival.held)),
        break_even(tuned, Line(rival.fixed, rival.request * math.exp(-spread), rival.held)),
    )
    if abs(math.log(rival.request / tuned.request)) < spread:
        return Payback(None, "unresolved", ends)
    return Payback(figure.requests, figure.why, ends)


def break_even(tuned: Line, rival: Line) -> float:
    """Requests from which the first is the cheaper one in total; infinite: never."""
    saved = rival.request - tuned.request
    if saved <= 0:
        return math.inf
    if tuned.total(0.0) <= rival.total(0.0):
        return 0.0
    volume = tuned.undercuts(rival, 0.0)
    return volume if volume is not None and volume <= NEVER else math.inf


def doubt(gain: Estimate | None) -> NoFigure | None:
    """Why no break-even volume against another arm would mean anything; None when one does: the score must
    not be within noise ("unresolved") or worse ("dominated")."""
    if gain is None or not gain.clear:
        return "unresolved"
    return "dominated" if gain.high < 0 else None


def spread_of(
    tuned: Sequence[Result], arm: Sequence[Result], runs: PricedRuns, *, cached: bool = True
) -> float | None:
    """Half of the 95 % t interval of log(cost of a request to the arm / to the tuned one), over the pairs of
    runs of one task and seed; None for fewer than two pairs, which have no spread.

    Two speeds measured on a busy machine differ by chance, and by the less the more often both were measured.
    """
    arm_serving = {(result.run.task, result.run.seed): runs.serving(result, cached=cached) for result in arm}
    ratios = []
    for result in tuned:
        ratio = _ratio(arm_serving.get((result.run.task, result.run.seed)), runs.serving(result), runs.prices)
        if ratio is not None:
            ratios.append(math.log(ratio))
    if len(ratios) < 2:
        return None
    quantile = special.stdtrit(len(ratios) - 1, (1 + CONFIDENCE) / 2)
    return float(quantile * np.std(ratios, ddof=1) / math.sqrt(len(ratios)))


def _ratio(arm: DeviceSeconds | None, tuned: DeviceSeconds | None, prices: Prices) -> float | None:
    """The cost of the first of two requests by that of the second; None when it is not known. On one device
    no price is needed."""
    if tuned and arm and tuned.keys() == arm.keys() and len(tuned) == 1:
        tuned_cost, arm_cost = min(tuned.values()), min(arm.values())
    else:
        tuned_usd, arm_usd = usd_of(tuned, prices), usd_of(arm, prices)
        if tuned_usd is None or arm_usd is None:
            return None
        tuned_cost, arm_cost = tuned_usd.mid, arm_usd.mid
    return arm_cost / tuned_cost if arm_cost > 0 and tuned_cost > 0 else None


def accuracy(results: Sequence[Result]) -> float | None:
    """Share of right answers over a candidate's runs; None unless every task's primary metric is right or
    wrong."""
    values = [result.metrics.get(result.task.primary_metric) for result in results]
    shares = [value.value for value in values if value is not None]
    if len(shares) < len(results) or not all(result.task.binary for result in results):
        return None
    share = sum(shares) / len(shares)
    return share if share >= SMALLEST_AMOUNT else 0.0  # a damaged record's, which costs cannot be divided by
