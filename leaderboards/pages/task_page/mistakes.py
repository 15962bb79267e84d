"""What goes wrong on a task: the most frequent mistakes, and the score by label, of an arm beside its
base."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item
from leaderboards.pages.samples_page.arms import Answer, Arm, Arms
from leaderboards.text import points

MOST_MISTAKES = 6
"""Mistakes of each arm that are listed."""

MOST_LABELS = 24
"""Labels whose score is shown, and distinct targets up to which a task of written answers has labels."""

SAMPLES_A_LABEL = 2
"""Mean samples of a label below which its score says nothing."""

LONGEST_LABEL = 60
"""Characters of a target or an answer in a table."""


@dataclass(frozen=True)
class Mistakes:
    """Error analysis of a task."""

    which: str
    """The runs it is made from."""

    frequent: Grid | None
    """None where no mistake is made twice."""

    by_label: Grid | None
    """None where targets are not labels."""


def find_mistakes(arms: Arms) -> Mistakes | None:
    """The frequent mistakes of the arms of a task, and their scores by label; None when there is nothing to
    show."""
    frequent, by_label = _frequent(arms), _by_label(arms)
    if not frequent and not by_label:
        return None
    which = "; ".join(arm.note for arm in arms.present)
    return Mistakes(f"Counted in single runs: {which}.", frequent, by_label)


def is_right(arms: Arms, answer: Answer) -> bool | None:
    """Whether an answer is right: by a right-or-wrong metric, or else because it is the target. None: not
    scored."""
    if answer.sample.error or answer.sample.score is None:
        return None
    return (
        answer.sample.score == 1
        if arms.card.binary
        else answer.sample.answer.strip() == answer.sample.target.strip()
    )


def _frequent(arms: Arms) -> Grid | None:
    """The most frequent mistakes of the first and of the last arm, counted in all of them."""
    if arms.card.output == "perplexity" or not (arms.card.binary or _labels(arms)):
        return None
    counts = [_count(arms, arm) for arm in arms.present]
    mistakes = set().union(*map(_most_frequent, counts[:1] + counts[-1:]))
    if not mistakes:
        return None
    ordered = sorted(mistakes, key=lambda mistake: (-counts[-1][mistake], -counts[0][mistake], mistake))
    lines = tuple(
        GridRow(
            Head(_short(target)),
            (Item(_short(answer)), *(_times_item(counted[target, answer]) for counted in counts)),
        )
        for target, answer in ordered
    )
    columns = (
        Column("Answer", "What the model said instead.", text=True),
        *(Column(arm.title, "How often.") for arm in arms.present),
    )
    return Grid("Most frequent mistakes", Column("Target"), columns, lines)


def _times_item(times: int) -> Item:
    return Item(f"{times:,}", sort=times)


def _count(arms: Arms, arm: Arm) -> Counter[tuple[str, str]]:
    """How often each wrong answer was given for each target."""
    wrong = [answer.sample for answer in arm.answers.values() if is_right(arms, answer) is False]
    return Counter((sample.target, sample.answer) for sample in wrong)


def _most_frequent(counted: Counter[tuple[str, str]]) -> set[tuple[str, str]]:
    """The first `MOST_MISTAKES`, as far as they were made more than once."""
    ordered = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return {mistake for mistake, times in ordered[:MOST_MISTAKES] if times > 1}


def _by_label(arms: Arms) -> Grid | None:
    """The share of right answers by target; of very many targets, of those that are hardest for the last
    arm."""
    labels = _labels(arms)
    if not labels:
        return None
    by_arm = [_by_target(arm) for arm in arms.present]
    title = "Right answers by label"
    if len(labels) > MOST_LABELS:
        title += (
            f": the {MOST_LABELS} of {len(labels)} labels with the lowest share for {arms.present[-1].title}"
        )
        shares = {label: _share(arms, by_arm[-1].get(label, ())) for label in labels}
        scored = [(share, label) for label, share in shares.items() if share is not None]
        labels = [label for _, label in sorted(scored)[:MOST_LABELS]]
    lines = []
    for label in labels:
        answers = [of_arm.get(label, []) for of_arm in by_arm]
        items = (
            Item(str(max(map(len, answers)))),
            *(_share_item(_share(arms, label_answers)) for label_answers in answers),
        )
        lines.append(GridRow(Head(_short(label)), items))
    columns = (
        Column("n", "Test samples with this target."),
        *(
            Column(arm.title, "Right answers, in percent of those that could be scored.")
            for arm in arms.present
        ),
    )
    return Grid(title, Column("Label"), columns, tuple(lines))


def _by_target(arm: Arm) -> dict[str, list[Answer]]:
    answers: dict[str, list[Answer]] = {}
    for answer in arm.answers.values():
        answers.setdefault(answer.sample.target, []).append(answer)
    return answers


def _share(arms: Arms, answers: Sequence[Answer]) -> float | None:
    """Of right answers among those that were scored; None when none was."""
    verdicts = [right for answer in answers if (right := is_right(arms, answer)) is not None]
    return sum(verdicts) / len(verdicts) if verdicts else None


def _share_item(share: float | None) -> Item:
    return Item() if share is None else Item(points(share), sort=share)


def _labels(arms: Arms) -> list[str]:
    """The distinct targets that recur, of choices or of few written answers; none of any other task."""
    if not arms.present or arms.card.output == "perplexity":
        return []
    answers = arms.present[0].answers.values()
    labels = sorted({answer.sample.target for answer in answers})
    has_few_labels = len(labels) <= MOST_LABELS or arms.card.output == "choice"
    return labels if has_few_labels and 1 < len(labels) <= len(answers) / SAMPLES_A_LABEL else []


def _short(text: str) -> str:
    """A target or an answer in a table; nothing at all is said to be so."""
    words = " ".join(text.split())
    if not words:
        return "(nothing)"
    return words if len(words) <= LONGEST_LABEL else f"{words[:LONGEST_LABEL]}…"
