"""What weakens a verdict, in sentences."""

from collections.abc import Iterator

from harness.counts import count_of
from leaderboards.decide.advice import Advice, OtherLeader, Weaknesses
from leaderboards.decide.purchases import ENOUGH_SEEDS
from leaderboards.decide.sentences import MOST_NAMED
from leaderboards.rank.tables import Row
from leaderboards.text import listed, points, with_interval


def caveats_of(advice: Advice) -> Iterator[str]:
    """Sentences on what weakens an advice; none where nothing is advised."""
    row, weaknesses = advice.advised, advice.weaknesses
    if row is None or weaknesses is None:
        return
    yield from _unproven(weaknesses)
    yield from _forgotten(row, weaknesses)
    yield from _flagged_answers(advice)
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


def _flagged_answers(advice: Advice) -> Iterator[str]:
    """Prompts that were begun wrongly and answers that were cut, of the row that is advised and the one it
    is held against: either may be told wrongly from the other."""
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
    names = [row.label for row in weaknesses.unproven[:MOST_NAMED]]
    if len(weaknesses.unproven) > MOST_NAMED:
        names.append(count_of(len(weaknesses.unproven) - MOST_NAMED, "other"))
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
