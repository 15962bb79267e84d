"""An advice as plain data, for scripts: `gainboard publish --json` and `data/leaderboard.json`."""

from typing import Any

from harness.statistics import Estimate
from leaderboards.decide.advice import Advice, Payoff
from leaderboards.decide.contests import TuningContest
from leaderboards.decide.purchases import Outlook, Precision, Purchase
from leaderboards.rank.tables import Row


def advice_record(advice: Advice) -> dict[str, Any]:
    """The kind of verdict and the figures that decide it, as shares of the score's range (0.01 is a
    point)."""
    return {
        "kind": advice.kind,
        "advised": _row(advice.advised),
        "contest": _contest(advice.contest),
        "payoff": _payoff(advice.payoff),
        "gain_at_least": advice.adjusted_low,
        "unproven": [_row(row) for row in advice.weaknesses.unproven] if advice.weaknesses else [],
        "not_ruled_out": [_row(tied.row) for tied in advice.tier.tied] if advice.tier else [],
        "floor": advice.floor.score if advice.floor else None,
        "smallest_gain": advice.margin,
        "looks": advice.looks,
        "next": _outlook(advice.outlook),
    }


def _row(row: Row | None) -> dict[str, str] | None:
    return None if row is None else {"candidate": row.name, "method": row.method}


def _payoff(payoff: Payoff | None) -> dict[str, Any] | None:
    if payoff is None:
        return None
    return {
        "best": _row(payoff.best),
        "net_usd": payoff.net,
        "p_worth_it": payoff.worth,
        "within_budget": payoff.affordable,
    }


def _contest(contest: TuningContest | None) -> dict[str, Any] | None:
    if contest is None:
        return None
    return {
        "tuned": _row(contest.tuned),
        "untuned": _row(contest.untuned),
        "gain": _estimate(contest.difference),
        "p": contest.p,
        "seed_noise_known": contest.seeds_known,
    }


def _estimate(estimate: Estimate | None) -> dict[str, float | None] | None:
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "stderr": estimate.stderr,
        "low": estimate.low,
        "high": estimate.high,
    }


def _outlook(outlook: Outlook | None) -> dict[str, Any] | None:
    if outlook is None:
        return None
    decisive = outlook.decisive
    return {
        "half_width": outlook.now.half_width,
        "seed_share": outlook.seed_share,
        "purchases": [_purchase(purchase) for purchase in outlook.purchases],
        "to_decide": None if decisive is None else [_purchase(purchase) for purchase in decisive],
    }


def _purchase(purchase: Purchase) -> dict[str, Any]:
    return {
        "thing": purchase.thing,
        "count": purchase.count,
        "usd": purchase.cost,
        "half_width": _half_width(purchase.after),
        "expected_gain": purchase.expected_gain,
    }


def _half_width(precision: Precision | None) -> float | None:
    return None if precision is None else precision.half_width
