"""The answer in words: one advice, worded once for the page, the terminal and every export."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.counts import count_of
from leaderboards.decide.advice import Advice, Floor, Gain, LeadersTier, Payoff
from leaderboards.decide.caveats import caveats_of
from leaderboards.decide.contests import TuningContest
from leaderboards.decide.cost_sentences import (
    cost_sentence,
    payback_sentence,
    payoff_sentence,
    worth_more_sentence,
)
from leaderboards.decide.purchases import Outlook, Purchase
from leaderboards.decide.sentences import (
    MOST_NAMED,
    Sentence,
    Words,
    arm_text,
    ensemble_text,
    interval_after,
    plain,
)
from leaderboards.rank.tables import Row
from leaderboards.text import Unit, listed, p_value, usd, with_interval


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
        return " ".join([self.headline, *map(plain, self.sentences), *self.caveats])


def word(advice: Advice) -> Verdict:
    """An advice in sentences."""
    tells = advice.kind in ("equivalent", "undecided", "broke_down", "nothing_works") and advice.contest
    return Verdict(
        _headline(advice),
        tuple(_sentences(advice)),
        tuple(caveats_of(advice)),
        doubt=plain(_state_of(advice.contest, advice)) if tells and advice.contest else "",
    )


def _headline(advice: Advice) -> str:
    row, contest = advice.advised, advice.contest
    match advice.kind:
        case "tune" if row:
            return _use(row) if advice.payoff is None or advice.payoff.pays else _no_payoff(advice.payoff)
        case "equivalent" if contest and advice.margin is not None:
            gain = points_lost(advice.margin) if advice.unit.is_points else advice.unit.amount(advice.margin)
            return f"Don’t tune: no fine-tune adds {gain} to {arm_text(contest.untuned)}."
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
    use = "" if payoff.best is None else f": use {arm_text(payoff.best)}"
    return f"Tuning gains, but {why}{use}."


def _undecided(contest: TuningContest) -> str:
    gains = contest.difference is not None and contest.difference.low > 0
    if gains and not contest.seeds_known:
        return f"Promising, not shown: train {contest.tuned.label} with more seeds."
    return f"Undecided: the data do not show whether tuning beats {arm_text(contest.untuned)}."


def _floor_text(floor: Floor, unit: Unit) -> str:
    if floor.kind == "zero":
        return f"a score of {unit.tick(0.0)}"
    constant = "always giving the most frequent answer" if unit.is_points else "the best constant answer"
    always = "guessing" if floor.kind == "guessing" else constant
    return f"{always} ({unit.write(floor.score)})"


def _sentences(advice: Advice) -> Iterator[Sentence]:
    """What the headline rests on, what it costs, what speaks for others, and what would decide."""
    row, contest = advice.advised, advice.contest
    if advice.kind == "none_complete":
        yield _what_is_needed(advice.candidates)
    if advice.kind == "tune" and row and contest:
        yield from _gain_sentences(advice, row, contest)
        if advice.payoff:
            yield payoff_sentence(advice.payoff)
            if advice.payoff.pays and advice.payoff.extra_usd > 0:
                yield worth_more_sentence(advice.payoff)
    elif advice.kind == "no_baseline" and row:
        yield (
            Words(f"Best so far: {row.label}. "),
            *_score(row, advice.unit)[:-1],
            Words(f"{interval_after(row.score, advice.unit)}; its gain is unknown." if row.score else ""),
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
        yield cost_sentence(advice.cost)
        if advice.cost.payback and advice.cost.payback_over:
            yield payback_sentence(advice.cost.payback, arm_text(advice.cost.payback_over))
    if advice.tier is not None and advice.tier.tied:
        yield _tied(advice.tier, advice.unit)


def _until_then(advice: Advice, row: Row) -> Sentence:
    """The arm without tuning that is used as long as no fine-tune is shown to be better."""
    before = {
        "undecided": f"Until then, use {arm_text(row)}. ",
        "broke_down": f"Until then, use {arm_text(row)}. ",
        "all_forget": f"Use {arm_text(row)}. ",
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
        Words(f"{interval_after(row.score, advice.unit)}: "),
        Words(advice.unit.write(difference.value, sign=True), strong=True),
        Words(
            f"{interval_after(difference, advice.unit, sign=True)} over {arm_text(contest.untuned)}, the "
            "best without tuning."
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
        return f"Use {row.name}: {ensemble_text(row)}."
    on = "" if budget is None else f" on {count_of(budget, 'label')}"
    if row.method == "full":
        return f"Fine-tune all weights of {row.name}{on}."
    return f"Fine-tune {row.name} with {row.method_name}{on}."


def _score(row: Row, unit: Unit) -> Sentence:
    assert row.score, "only complete rows are put in a verdict"
    return (
        Words("Score "),
        Words(unit.write(row.score.value), strong=True),
        Words(f"{interval_after(row.score, unit)}."),
    )


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


def _tied(tier: LeadersTier, unit: Unit) -> Sentence:
    """Rows that may be as good, with how good that is."""
    names = []
    for tied in tier.tied[:MOST_NAMED]:
        score = tied.row.score
        assert score, "tied rows are complete"
        cheaper = "" if tied.cheaper_usd is None else f", {usd(tied.cheaper_usd)} to train"
        reach = f"{unit.write(score.value)}, up to {unit.write(score.high)}"
        names.append(f"{tied.row.label} ({reach}{cheaper})")
    if len(tier.tied) > MOST_NAMED:
        names.append(count_of(len(tier.tied) - MOST_NAMED, "other"))
    return (Words(f"Not ruled out as equally good: {listed(names)}."),)
