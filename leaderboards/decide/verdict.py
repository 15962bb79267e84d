"""The answer in words: one advice, worded once for the page, the terminal and every export."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.statistics import Estimate
from leaderboards.decide.advice import Advice, LeadersTier, OtherLeader, TuningCost, Weaknesses
from leaderboards.money.payback import NoFigure, Payback
from leaderboards.rank.tables import Row
from leaderboards.text import count_of, duration, listed, p_value, points, usd, volume, with_interval

ENOUGH_SEEDS = 3
MOST_LEVEL = 4
"""Candidates that the verdict names as level with the leader."""


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
    sentences = tuple(_sentences(advice))
    return Verdict(
        _headline(advice),
        sentences,
        tuple(_caveats(advice)),
        doubt=_plain(_no_gain(advice)) if advice.kind == "keep" else "",
    )


def _headline(advice: Advice) -> str:
    row = advice.advised
    if row is None:
        return {
            "all_forget": "No advice: no fine-tune kept what its base could do.",
            "none_complete": "No verdict yet: no candidate is complete.",
        }[advice.kind]
    if advice.kind == "untuned_only":
        return f"Nothing to compare yet: no fine-tune is complete. Best so far: {row.label}."
    if advice.kind == "tuned_only":
        return f"{_use(row)} Its gain is unknown: no untuned arm is complete."
    return _use(row) if advice.kind == "tune" else f"Don’t tune: {_enough(row)}"


def _sentences(advice: Advice) -> Iterator[Sentence]:
    """Score and gain, what speaks against a fine-tune, what it costs, and what is level with it."""
    if advice.advised is not None:
        yield _score_and_gains(advice) if advice.kind == "tune" else _score(advice.advised)
    if advice.kind == "none_complete":
        yield _what_is_needed(advice.candidates)
    if advice.margin is not None:
        lost = points_lost(advice.margin)
        yield (Words(f"Every fine-tune lost more than {lost} on tasks that it was not trained on."),)
    if advice.kind == "keep":
        yield _no_gain(advice)
    if advice.cost is not None:
        yield _cost(advice.cost)
    if advice.kind == "tune" and advice.cost and advice.cost.payback:
        yield _payback(advice.cost.payback, _ARMS[advice.cost.payback_over])
    if advice.tier is not None and _says_more(advice.tier, advice):
        yield _level(advice.tier, advice)


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


def _use(row: Row) -> str:
    if row.members:
        return f"Use {row.name}: {_joined(row)}."
    if row.method == "full":
        return f"Fine-tune all weights of {row.name}."
    return f"Fine-tune {row.name} with {row.method_name}."


def _joined(row: Row) -> str:
    """What an ensemble is, in words."""
    of = {
        "soup": "the averaged weights of",
        "vote": "the majority vote of",
        "mean_probability": "the mean probability of",
    }
    return f"{of[row.method]} {row.members} {'fine-tunes' if row.tuned else 'arms'}"


def _enough(row: Row) -> str:
    if row.members:
        return f"prompting is enough. Use {row.name}, {_joined(row)}."
    if row.method == "few_shot":
        return f"few-shot is enough. Prompt {row.name} with examples."
    if row.method == "zero_shot_constrained":
        return f"prompting is enough. Use {row.name} as it is, its answers held to the choices."
    return f"prompting is enough. Use {row.name} as it is."


def _score(row: Row) -> Sentence:
    assert row.score, "only complete rows are put in a verdict"
    return (Words("Score "), Words(points(row.score.value), strong=True), Words(f"{_tail(row.score)}."))


def _tail(estimate: Estimate, *, sign: bool = False) -> str:
    """The interval in brackets, after a value that was said already."""
    return with_interval(estimate, sign=sign).removeprefix(points(estimate.value, sign=sign))


def _score_and_gains(advice: Advice) -> Sentence:
    row = advice.advised
    assert row and row.score, "a fine-tune that is advised is complete"
    words = [*_score(row)[:-1], Words(_tail(row.score))]
    for index, gain in enumerate(advice.gains):
        words.append(Words(": " if index == 0 else ", "))
        words.append(Words(points(gain.difference.value, sign=True), strong=True))
        shared = _shared(gain.difference, row, gain.arm)
        words.append(Words(f"{_tail(gain.difference, sign=True)} {_OVER[gain.over]}{shared}"))
    words.append(Words("."))
    over_few = any(gain.over == "few_shot" for gain in advice.gains)
    if not advice.gains and row.members:
        words.append(
            Words(" No untrained arm of one model stands beside it: it is made of several, or none was run.")
        )
    elif not over_few:
        words.append(Words(" Few-shot was not run for this model."))
    return tuple(words)


_OVER = {"zero_shot": "over the base model", "few_shot": "over its few-shot prompts"}
_ARMS = {"zero_shot": "the base model", "few_shot": "few-shot prompting"}


def _shared(difference: Estimate, row: Row, arm: Row | None) -> str:
    """Why a paired difference need not be that of the two scores; empty where both have the same seeds."""
    if arm is None or difference.seeds == max(row.seeds, arm.seeds):
        return ""
    return (
        " on the seed that both have"
        if difference.seeds == 1
        else f" on the {difference.seeds} seeds that both have"
    )


def _no_gain(advice: Advice) -> Sentence:
    """How the best fine-tune stands beside the advised row, which was not tuned."""
    tuned, untuned, difference = advice.rival, advice.advised, advice.difference
    assert tuned and tuned.score and untuned, "only complete rows are compared"
    words = [
        Words(f"The best fine-tune, {tuned.label}, scores "),
        Words(points(tuned.score.value), strong=True),
    ]
    if difference is None:
        words.append(Words(f"; it shares no samples with {untuned.label}, and cannot be compared."))
        return tuple(words)
    state = "clearly worse" if difference.high < 0 else "within noise"
    if difference.low > 0:
        assert advice.p is not None, "two complete rows have a p-value"
        many = count_of(advice.fine_tunes, "fine-tune")
        state = f"clear of zero alone, and not after correction for {many} (p = {p_value(advice.p)})"
    shared = _shared(difference, tuned, untuned)
    words.append(Words(f": {with_interval(difference, sign=True)} over {untuned.label}{shared}, {state}."))
    return tuple(words)


def _cost(cost: TuningCost) -> Sentence:
    each, spend = " a task" if cost.per_task else "", cost.entry.spend
    if spend.training is None:
        took = duration(spend.device_seconds)
        return (
            Words(f"It took {took} of device time to train{each}; no price is known for {spend.device}."),
        )
    words = [Words(usd(spend.training.mid), strong=True), Words(f" to train{each}")]
    if spend.request:
        words.append(Words(f", {usd(1000 * spend.request.mid)} per 1k requests"))
    return (*words, Words("."))


def _payback(payback: Payback, arm: str) -> Sentence:
    if payback.requests is None:
        reasons: dict[NoFigure, tuple[str, str]] = {
            "never": (
                "Never worth it on cost alone",
                f": serving it costs no less than {arm}. What you pay for is the gain.",
            ),
            "unresolved": (
                "On cost alone, unresolved",
                f": the gain, or the difference in serving cost, cannot be told from noise against {arm}.",
            ),
            "dominated": ("Not worth it", f": it scores less than {arm}."),
        }
        assert payback.why, "there is a number or a reason"
        strong, rest = reasons[payback.why]
        return Words(strong, strong=True), Words(rest)
    words = [
        Words(f"Worth it above ~{volume(payback.requests)} requests", strong=True),
        Words(f" on cost alone, against {arm}"),
    ]
    if payback.with_data is not None and payback.with_data > payback.requests:
        words.append(Words(f" (~{volume(payback.with_data)} if the labels are bought)"))
    return (*words, Words("."))


def _says_more(tier: LeadersTier, advice: Advice) -> bool:
    """Whether the leader's tier holds more than the rows that the verdict has compared already."""
    rows = {tier.leader.key, *(level.row.key for level in tier.level)}
    compared = {row.key for row in (advice.advised, advice.rival) if row}
    return bool(tier.level) and not (advice.kind == "keep" and rows == compared)


def _level(tier: LeadersTier, advice: Advice) -> Sentence:
    names = [
        level.row.label
        if level.cheaper_usd is None
        else f"{level.row.label} ({usd(level.cheaper_usd)} to train)"
        for level in tier.level[:MOST_LEVEL]
    ]
    if len(tier.level) > MOST_LEVEL:
        names.append(count_of(len(tier.level) - MOST_LEVEL, "other"))
    of_leader = "" if tier.leader is advice.advised else f" {tier.leader.label}"
    return (Words(f"Level with{of_leader}: {listed(names)}."),)


def _caveats(advice: Advice) -> Iterator[str]:
    row, weaknesses = advice.advised, advice.weaknesses
    if row is None or weaknesses is None:
        return
    yield from _forgotten(row, weaknesses)
    if row.flag:
        yield f"{row.flag.text[:1].upper()}{row.flag.text[1:]}: the score says little of the method."
    if row.seeds == 1 and row.members:
        yield "One ensemble: how much another one would differ is unknown."
    elif row.seeds == 1:
        yield "One seed: seed noise unknown."
    elif row.seeds < ENOUGH_SEEDS:
        yield f"{count_of(row.seeds, 'seed')}: fewer than {ENOUGH_SEEDS} is a weak claim."
    if row.scored < row.total:
        yield f"{row.scored:,} of {row.total:,} samples were scored in every seed and wording."
    yield from map(_other_leader, weaknesses.other_leaders)
    if weaknesses.incomplete:
        yield f"{count_of(weaknesses.incomplete, 'candidate')} not complete, and not ranked."


def _forgotten(row: Row, weaknesses: Weaknesses) -> Iterator[str]:
    """What was passed over for the row, and whether the row itself may have lost too much."""
    passed_over = weaknesses.passed_over
    if passed_over and passed_over.forgetting:
        lost = with_interval(passed_over.forgetting.mean, sign=True)
        margin = points_lost(passed_over.forgetting.margin)
        yield (
            f"{passed_over.label} scores more and is passed over: {lost} on guard tasks, "
            f"where {margin} may be lost."
        )
    if row.forgetting and row.forgetting.verdict == "unresolved":
        change, margin = with_interval(row.forgetting.mean, sign=True), points_lost(row.forgetting.margin)
        yield f"Forgetting is unresolved: {change} on guard tasks, where {margin} may be lost."


def _other_leader(better: OtherLeader) -> str:
    return f"By {listed([*better.measures])}, {better.row.label} comes before {better.before.label}."
