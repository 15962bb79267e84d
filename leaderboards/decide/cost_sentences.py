"""What an advised fine-tune costs, and comes to in the scenario of the board, in sentences."""

from harness.counts import count_of
from leaderboards.decide.advice import Payoff, TuningCost
from leaderboards.decide.sentences import Sentence, Words
from leaderboards.money.payback import NoFigure, Payback
from leaderboards.text import duration, percent, usd, volume


def payoff_sentence(payoff: Payoff) -> Sentence:
    """What the gain is worth after its costs, in the scenario that the cost page opens with."""
    scenario = payoff.scenario
    case = f"For {volume(scenario.volume)} requests at {usd(scenario.right_answer_usd)} per right answer it "
    odds = f"; worth it in {percent(payoff.worth)} of draws."
    if payoff.net < 0:
        return (Words(f"{case}costs {usd(-payoff.net)} more than it is worth{odds}"),)
    return (
        Words(f"{case}is worth "),
        Words(usd(payoff.net), strong=True),
        Words(f" more than the best without tuning, after the costs of both{odds}"),
    )


def worth_more_sentence(payoff: Payoff) -> Sentence:
    """That another fine-tune, or this one on fewer labels, is worth more than the one that scores most."""
    assert payoff.best, "a fine-tune is worth most"
    on = "" if payoff.best_budget is None else f" on {count_of(payoff.best_budget, 'label')}"
    return (Words(f"After its costs, {payoff.best.label}{on} is worth {usd(payoff.extra_usd)} more."),)


def cost_sentence(cost: TuningCost) -> Sentence:
    """What training took, and what a request costs."""
    each, spend = ", per task" if cost.per_task else "", cost.entry.spend
    if spend.training is None:
        took = duration(spend.device_seconds)
        return (
            Words(f"It took {took} of device time to train{each}; no price is known for {spend.device}."),
        )
    words = [Words(usd(spend.training.mid), strong=True), Words(f" to train{each}")]
    if cost.request_usd is not None:
        busy = (
            "" if cost.utilisation == 100 else f" on devices that are busy {cost.utilisation:g} % of the time"
        )
        words.append(Words(f"; {usd(1000 * cost.request_usd)} per 1k requests{busy}"))
    return (*words, Words("."))


def payback_sentence(payback: Payback, arm: str) -> Sentence:
    """From how many requests on it is cheaper to run than an `arm` without tuning, or why nobody can say."""
    if payback.requests is not None:
        above = (
            f"above about {volume(payback.requests)} requests"
            if payback.requests
            else "from the first request"
        )
        return Words("Cheaper to run", strong=True), Words(f" than {arm} {above}.")
    reasons: dict[NoFigure, str] = {
        "never": f"It never pays for itself by saving money: it is no cheaper to run than {arm}. "
        "You would be paying for quality.",
        "unresolved": f"Whether it is cheaper to run than {arm} cannot be told from these measurements.",
        "dominated": f"It scores less than {arm}.",
    }
    assert payback.why, "there is a number or a reason"
    return (Words(reasons[payback.why]),)
