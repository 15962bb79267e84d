"""The answer in words: one advice, worded once for the page, the terminal and every export."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.statistics import Estimate
from leaderboards.decide.advice import (
    Advice,
    Floor,
    Gain,
    LeadersTier,
    OtherLeader,
    Payoff,
    TuningContest,
    TuningCost,
    Weaknesses,
)
from leaderboards.decide.purchases import ENOUGH_SEEDS, Outlook, Purchase
from leaderboards.money.payback import NoFigure, Payback
from leaderboards.rank.tables import Row
from leaderboards.text import (
    Unit,
    count_of,
    duration,
    listed,
    p_value,
    percent,
    points,
    usd,
    volume,
    with_interval,
)

MOST_TIED = 4
"""Candidates that the verdict names as not ruled out."""


@dataclass(frozen=True)
class Words:
    """A piece of a sentence."""

    text: str
    strong: bool = False


Sentence = tuple[Words, ...]


@dataclass(frozen=True)
class Verdict:
    """A headline and the sentences under it."""

    headline: str
    sentences: tuple[Sentence, ...]
    caveats: tuple[str, ...]
    """What weakens the claim."""

    doubt: str = ""
    """Where no tuning is advised: how the best fine-tune differs from the best arm without, and why that does
    not count."""

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return " ".join([self.headline, *map(_plain, self.sentences), *self.caveats])


def _plain(sentence: Sentence) -> str:
    return "".join(words.text for words in sentence)


def word(advice: Advice) -> Verdict:
    """An advice in sentences."""
    tells = advice.kind in ("equivalent", "undecided", "broke_down", "nothing_works") and advice.contest
    return Verdict(
        _headline(advice),
        tuple(_sentences(advice)),
        tuple(_caveats(advice)),
        doubt=_plain(_state_of(advice.contest, advice)) if tells and advice.contest else "",
    )


def _headline(advice: Advice) -> str:
    row, contest = advice.advised, advice.contest
    match advice.kind:
        case "tune" if row:
            return _use(row) if advice.payoff is None or advice.payoff.pays else _no_payoff(advice.payoff)
        case "equivalent" if contest and advice.margin is not None:
            gain = points_lost(advice.margin) if advice.unit.is_points else advice.unit.amount(advice.margin)
            return f"Don’t tune: no fine-tune adds {gain} to {_arm(contest.untuned)}."
        case "undecided" if contest:
            return _undecided(contest)
        case "nothing_works" if advice.floor and row and row.score:
            floor = _floor_text(advice.floor, advice.unit)
            if row.score.value > advice.floor.score:
                return f"Nothing is shown to work yet: no candidate clearly beats {floor}."
            return f"Nothing works yet: no candidate beats {floor}."
        case "broke_down":
            return "The fine-tunes broke down: no verdict on tuning yet."
        case "all_forget":
            on_all = " on all labels" if advice.keeping else ""
            return f"Don’t tune{on_all}: every fine-tune forgot too much."
        case "no_baseline":
            return "No verdict yet: no arm without tuning is complete."
        case "no_fine_tune" if row:
            return f"No verdict yet: no fine-tune is complete. Best so far: {row.label}."
        case _:
            return "No verdict yet: no candidate is complete."


def _no_payoff(payoff: Payoff) -> str:
    """Why a proven gain is not to be bought in the scenario of the board."""
    budget = usd(payoff.scenario.budget_usd)
    if payoff.best and payoff.best.tuned:
        use = _use(payoff.best, payoff.best_budget)
        return f"Within the budget of {budget}, {use[:1].lower()}{use[1:]}"
    why = "does not pay" if payoff.affordable else f"costs more than the budget of {budget}"
    use = "" if payoff.best is None else f": use {_arm(payoff.best)}"
    return f"Tuning gains, but {why}{use}."


def _undecided(contest: TuningContest) -> str:
    gains = contest.difference is not None and contest.difference.low > 0
    if gains and not contest.seeds_known:
        return f"Promising, not shown: train {contest.tuned.label} with more seeds."
    return f"Undecided: the data do not show whether tuning beats {_arm(contest.untuned)}."


def _floor_text(floor: Floor, unit: Unit) -> str:
    if floor.kind == "zero":
        return f"a score of {unit.tick(0.0)}"
    constant = "always giving the most frequent answer" if unit.is_points else "the best constant answer"
    always = "guessing" if floor.kind == "guessing" else constant
    return f"{always} ({unit.write(floor.score)})"


def _arm(row: Row) -> str:
    """An arm without tuning, in a sentence."""
    if row.members:
        return f"{row.name}, {_joined(row)}"
    if row.method == "few_shot":
        return f"few-shot prompts of {row.name}"
    if row.method == "zero_shot_constrained":
        return f"{row.name} as it is, its answers held to the choices"
    return f"{row.name} as it is"


def _sentences(advice: Advice) -> Iterator[Sentence]:
    """What the headline rests on, what it costs, what speaks for others, and what would decide."""
    row, contest = advice.advised, advice.contest
    if advice.kind == "none_complete":
        yield _what_is_needed(advice.candidates)
    if advice.kind == "tune" and row and contest:
        yield from _gain_sentences(advice, row, contest)
        if advice.payoff:
            yield _payoff(advice.payoff)
            if advice.payoff.pays and advice.payoff.extra_usd > 0:
                yield _worth_more(advice.payoff)
    elif advice.kind == "no_baseline" and row:
        yield (
            Words(f"Best so far: {row.label}. "),
            *_score(row, advice.unit)[:-1],
            Words(f"{_tail(row.score, advice.unit)}; its gain is unknown." if row.score else ""),
        )
    elif advice.kind == "nothing_works" and row:
        yield (Words(f"The best is {row.label}. "), *_score(row, advice.unit))
        is_above_floor = (
            row.score is not None and advice.floor is not None and row.score.value > advice.floor.score
        )
        yield (
            Words(
                "Score more samples."
                if is_above_floor
                else "Check the task and its prompts, or try larger models."
            ),
        )
    elif row:
        yield _until_then(advice, row)
    if advice.kind == "all_forget" and advice.margin is not None:
        lost = points_lost(advice.margin)
        yield (Words(f"Every fine-tune lost more than {lost} on tasks that it was not trained on."),)
    if advice.keeping:
        names = [f"{row.label} with {count_of(budget, 'label')}" for row, budget in advice.keeping]
        yield (Words(f"With fewer labels, less was lost by {listed(names)}; the cost page weighs them."),)
    if contest and advice.kind in ("equivalent", "undecided", "broke_down"):
        yield _state_of(contest, advice)
    if advice.kind == "broke_down":
        yield (Words("Train again with a lower learning rate before deciding."),)
    if advice.kind == "undecided" and advice.outlook:
        yield _what_decides(advice.outlook, advice.unit)
    if advice.kind == "tune" and advice.cost:
        yield _cost(advice.cost)
        if advice.cost.payback and advice.cost.payback_over:
            yield _payback(advice.cost.payback, _arm(advice.cost.payback_over))
    if advice.tier is not None and advice.tier.tied:
        yield _tied(advice.tier, advice.unit)


def _until_then(advice: Advice, row: Row) -> Sentence:
    """The arm without tuning that is used as long as no fine-tune is shown to be better."""
    before = {
        "undecided": f"Until then, use {_arm(row)}. ",
        "broke_down": f"Until then, use {_arm(row)}. ",
        "all_forget": f"Use {_arm(row)}. ",
    }.get(advice.kind, "")
    return (Words(before), *_score(row, advice.unit)) if before else _score(row, advice.unit)


def _gain_sentences(advice: Advice, row: Row, contest: TuningContest) -> Iterator[Sentence]:
    """The gain over the best arm without tuning first, then over those of its own model."""
    difference = contest.difference
    assert row.score and difference, "a fine-tune that is advised has a proven gain"
    pays = advice.payoff is None or advice.payoff.pays
    yield (
        *(() if pays else (Words(f"The best fine-tune is {row.label}. "),)),
        *_score(row, advice.unit)[:-1],
        Words(f"{_tail(row.score, advice.unit)}: "),
        Words(advice.unit.write(difference.value, sign=True), strong=True),
        Words(
            f"{_tail(difference, advice.unit, sign=True)} over {_arm(contest.untuned)}, the best without "
            "tuning."
        ),
    )
    other_gains = [gain for gain in advice.gains if gain.arm is not None and gain.arm is not contest.untuned]
    if other_gains:
        yield _own_gains(other_gains, advice.unit)
    if not row.members and not any(gain.over == "few_shot" for gain in advice.gains):
        yield (Words("Few-shot was not run for this model."),)
    if advice.adjusted_low is not None:
        bound = advice.unit.write(advice.adjusted_low, sign=True)
        yield (
            Words(f"The best of several owes some of its lead to luck: allowing for that, at least {bound}."),
        )


def _own_gains(gains: list[Gain], unit: Unit) -> Sentence:
    over = {"zero_shot": "its base model", "few_shot": "its own few-shot prompts"}
    texts = [
        f"{with_interval(gain.difference, sign=True, unit=unit)} over {over[gain.over]}" for gain in gains
    ]
    return (Words(f"It gains {listed(texts)}."),)


def _what_is_needed(candidates: int) -> Sentence:
    return (
        Words(
            f"{count_of(candidates, 'candidate')} started; a ranked row needs every task with every seed, "
            "and samples scored in all of them. The methodology lists what is missing."
        ),
    )


def points_lost(share: float) -> str:
    """`1 point`, `2.5 points`."""
    lost = f"{100 * share:g}"
    return f"{lost} point" if lost == "1" else f"{lost} points"


def _use(row: Row, budget: int | None = None) -> str:
    """`budget`: training samples, where these are fewer than the row is ranked with."""
    if row.members:
        return f"Use {row.name}: {_joined(row)}."
    on = "" if budget is None else f" on {count_of(budget, 'label')}"
    if row.method == "full":
        return f"Fine-tune all weights of {row.name}{on}."
    return f"Fine-tune {row.name} with {row.method_name}{on}."


def _joined(row: Row) -> str:
    """What an ensemble is, in words."""
    of = {
        "soup": "the averaged weights of",
        "vote": "the majority vote of",
        "mean_probability": "the mean probability of",
    }
    return f"{of[row.method]} {row.members} {'fine-tunes' if row.tuned else 'arms'}"


def _score(row: Row, unit: Unit) -> Sentence:
    assert row.score, "only complete rows are put in a verdict"
    return (
        Words("Score "),
        Words(unit.write(row.score.value), strong=True),
        Words(f"{_tail(row.score, unit)}."),
    )


def _tail(estimate: Estimate, unit: Unit, *, sign: bool = False) -> str:
    """The interval in brackets, after a value that was said already."""
    return with_interval(estimate, sign=sign, unit=unit).removeprefix(unit.write(estimate.value, sign=sign))


def _state_of(contest: TuningContest, advice: Advice) -> Sentence:
    """How the best fine-tune stands beside the best arm without tuning."""
    tuned, untuned, difference = contest.tuned, contest.untuned, contest.difference
    assert tuned.score, "only complete rows are compared"
    words = [
        Words(f"The best fine-tune, {tuned.label}, scores "),
        Words(advice.unit.write(tuned.score.value), strong=True),
    ]
    if difference is None:
        words.append(Words(f"; it shares no samples with {untuned.label}, and cannot be compared."))
        return tuple(words)
    gain = f"{with_interval(difference, sign=True, unit=advice.unit)} over {untuned.label}"
    return (*words, Words(f": {gain}, {_why_not(contest, advice)}."))


def _why_not(contest: TuningContest, advice: Advice) -> str:
    difference = contest.difference
    assert difference, "a state is told of a difference"
    if contest.tuned.flag and advice.kind in ("broke_down", "nothing_works"):
        return contest.tuned.flag.text
    if difference.high < 0:
        return "clearly worse"
    if difference.low <= 0:
        return "within noise"
    if not contest.seeds_known:
        return "but from one seed, which says nothing about another"
    many = count_of(advice.fine_tunes, "fine-tune")
    return f"clear of zero alone, but not after correction for {many} (p = {p_value(contest.p)})"


def _what_decides(outlook: Outlook, unit: Unit) -> Sentence:
    """The cheapest that would."""
    target, decisive = unit.amount(outlook.target), outlook.decisive
    if decisive is None:
        return (
            Words(f"No reasonable number of seeds and samples would show a gain of {target}. "),
            Words("Compare with other models or methods, or take the cheaper one."),
        )
    if not decisive:
        return (Words(f"These data would detect a gain of {target} 80 % of the time."),)
    bought = listed([purchase_text(purchase) for purchase in decisive])
    costs = [purchase.cost for purchase in decisive]
    price = "" if None in costs else f" ({usd(sum(cost or 0.0 for cost in costs))})"
    if any(purchase.after is None for purchase in decisive):
        return (Words("To decide it: "), Words(bought, strong=True), Words(f"{price}."))
    return (
        Words("Cheapest way to decide: "),
        Words(bought, strong=True),
        Words(f"{price} would detect a gain of {target} 80 % of the time."),
    )


def purchase_text(purchase: Purchase) -> str:
    """`2 more seeds`, `300 more test samples`."""
    nouns = {"seeds": "more seed", "samples": "more test sample", "labels": "more training label"}
    return count_of(purchase.count, nouns[purchase.thing])


def _payoff(payoff: Payoff) -> Sentence:
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


def _worth_more(payoff: Payoff) -> Sentence:
    """That another fine-tune, or this one on fewer labels, is worth more than the one that scores most."""
    assert payoff.best, "a fine-tune is worth most"
    on = "" if payoff.best_budget is None else f" on {count_of(payoff.best_budget, 'label')}"
    return (Words(f"After its costs, {payoff.best.label}{on} is worth {usd(payoff.extra_usd)} more."),)


def _cost(cost: TuningCost) -> Sentence:
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


def _payback(payback: Payback, arm: str) -> Sentence:
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


def _tied(tier: LeadersTier, unit: Unit) -> Sentence:
    """Rows that may be as good, with how good that is."""
    names = []
    for tied in tier.tied[:MOST_TIED]:
        score = tied.row.score
        assert score, "tied rows are complete"
        cheaper = "" if tied.cheaper_usd is None else f", {usd(tied.cheaper_usd)} to train"
        reach = f"{unit.write(score.value)}, up to {unit.write(score.high)}"
        names.append(f"{tied.row.label} ({reach}{cheaper})")
    if len(tier.tied) > MOST_TIED:
        names.append(count_of(len(tier.tied) - MOST_TIED, "other"))
    return (Words(f"Not ruled out as equally good: {listed(names)}."),)


def _caveats(advice: Advice) -> Iterator[str]:
    row, weaknesses = advice.advised, advice.weaknesses
    if row is None or weaknesses is None:
        return
    yield from _unproven(weaknesses)
    yield from _forgotten(row, weaknesses)
    yield from _cut_answers(advice)
    if row.flag and row.flag.broken:
        yield f"{row.flag.text[:1].upper()}{row.flag.text[1:]}: the score says little about the method."
    yield from _few_seeds(row)
    if row.scored < row.total:
        yield f"{row.scored:,} of {row.total:,} samples were scored in every seed and wording."
    yield from map(_other_leader, weaknesses.other_leaders)
    if weaknesses.incomplete:
        yield f"{count_of(weaknesses.incomplete, 'candidate')} incomplete and not ranked."
    if advice.kind == "tune" and advice.looks > 1:
        yield (
            f"This comparison was published {advice.looks} times with different results. Each look is "
            "another chance to see a gain that is not there."
        )


def _cut_answers(advice: Advice) -> Iterator[str]:
    """Of the row that is advised and the one it is held against: either may be told wrongly from the
    other."""
    contest = advice.contest
    rows = [advice.advised, *((contest.tuned, contest.untuned) if contest else ())]
    for row in {row.key: row for row in rows if row is not None}.values():
        if row.flag and not row.flag.broken:
            yield f"{row.label}, {row.flag.text}: {row.flag.reason}."


def _few_seeds(row: Row) -> Iterator[str]:
    if row.same_for_every_seed:
        return
    if row.seeds == 1 and row.members:
        yield "A single ensemble: how far another one would differ is taken from single fine-tunes."
    elif row.seeds == 1:
        yield "Only one seed: how far another would differ is unknown."
    elif row.seeds < ENOUGH_SEEDS:
        yield f"Only {count_of(row.seeds, 'seed')}; use at least {ENOUGH_SEEDS}."


def _unproven(weaknesses: Weaknesses) -> Iterator[str]:
    """Fine-tunes with a higher score that is not shown to be one."""
    names = [row.label for row in weaknesses.unproven[:MOST_TIED]]
    if len(weaknesses.unproven) > MOST_TIED:
        names.append(count_of(len(weaknesses.unproven) - MOST_TIED, "other"))
    if names:
        verb = "scores" if len(weaknesses.unproven) == 1 else "score"
        yield f"{listed(names)} {verb} more, unproven: the gain is within noise."


def _forgotten(row: Row, weaknesses: Weaknesses) -> Iterator[str]:
    """What was passed over for the row, and whether the row itself may have lost too much."""
    passed_over = weaknesses.passed_over
    if passed_over and passed_over.forgetting:
        lost = with_interval(passed_over.forgetting.mean, sign=True)
        margin = points(-passed_over.forgetting.margin)
        yield (
            f"{passed_over.label} scores more but is passed over: {lost} points on tasks it was not trained "
            f"on; the limit is {margin}."
        )
    if row.forgetting and row.forgetting.verdict == "unresolved":
        forgetting = row.forgetting
        change, margin = with_interval(forgetting.mean, sign=True), points(-forgetting.margin)
        seen = forgetting.mean.resolvable
        least = "" if seen is None else f" A loss below {points(seen)} points could not have been detected."
        yield (
            f"May have forgotten something: {change} points on tasks it was not trained on; the limit is "
            f"{margin}.{least}"
        )


def _other_leader(better: OtherLeader) -> str:
    return f"By {listed([*better.measures])}, {better.row.label} comes before {better.before.label}."
