"""How often another wording, or a small edit, changes an answer."""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.analysis.arms import ArmAnswers, ArmComparison
from harness.analysis.boundary.edits import EditKind
from harness.analysis.boundary.reread import Changed, RereadArm
from harness.analysis.errors.slices import span_of
from harness.records.analysis.boundary import FlipRate, FlipRecord
from harness.statistics import score

KINDS: tuple[EditKind, ...] = ("word", "field", "wording")
"""The smallest edit first."""

MOST_FLIPS, MOST_FLIPS_OF_A_SAMPLE = 48, 3
LONGEST_TEXT = 120
"""Characters of an edit in a record."""


def saved_flip_rate(comparison: ArmComparison, arm: ArmAnswers) -> FlipRate | None:
    """How often the answers to a sample differ between the first wording and another, as predictions tell,
    over all seeds; None where there is one wording alone."""
    others = arm.templates[1:]
    if not others:
        return None
    answers = np.array([_plain(answer) for answer in arm.answers.ravel().tolist()], dtype=object)
    answers = answers.reshape(arm.answers.shape)
    flipped = (answers[:, 1:] != answers[:, :1]).astype(np.float64)
    by_sample = flipped.mean(axis=(0, 1))
    by_wording = flipped.mean(axis=(0, 2))
    worst = int(by_wording.argmax())
    estimate = score(by_sample, binary=flipped.shape[:2] == (1, 1), clusters=comparison.clusters)
    return FlipRate(
        arm=arm.name,
        edit="wording",
        share=span_of(estimate),
        samples=len(by_sample),
        edits=flipped.size,
        saved=True,
        worst=others[worst] if len(others) > 1 else others[0],
        worst_share=float(by_wording[worst]),
    )


def _plain(answer: str | None) -> str:
    return (answer or "").strip()


def flip_rates_of(read: RereadArm) -> Iterator[FlipRate]:
    """By kind of edit, how often it changed the answers of an arm that was read anew."""
    for kind in KINDS:
        changed = [change for change in read.changed if change.kind == kind]
        if changed:
            yield _rate(read.name, kind, changed)


def _rate(arm: str, kind: EditKind, changed: Sequence[Changed]) -> FlipRate:
    by_sample: dict[str, list[bool]] = {}
    by_wording: dict[str, list[bool]] = {}
    for change in changed:
        flipped = change.before != change.after
        by_sample.setdefault(change.sample, []).append(flipped)
        by_wording.setdefault(change.what, []).append(flipped)
    shares = np.array([np.mean(flipped) for flipped in by_sample.values()])
    is_binary = all(len(flipped) == 1 for flipped in by_sample.values())
    worst = max(by_wording, key=lambda name: float(np.mean(by_wording[name])))
    return FlipRate(
        arm=arm,
        edit=kind,
        share=span_of(score(shares, binary=is_binary)),
        samples=len(by_sample),
        edits=len(changed),
        saved=False,
        worst=worst if kind == "wording" else "",
        worst_share=float(np.mean(by_wording[worst])) if kind == "wording" else 0.0,
    )


def flips_of(read: RereadArm) -> tuple[FlipRecord, ...]:
    """Edits that change the answer to a sample, a few of each sample, the smallest edits first."""
    flips: list[FlipRecord] = []
    count: dict[str, int] = {}
    for change in sorted(read.changed, key=lambda change: KINDS.index(change.kind)):
        if change.before == change.after or count.get(change.sample, 0) == MOST_FLIPS_OF_A_SAMPLE:
            continue
        count[change.sample] = count.get(change.sample, 0) + 1
        flips.append(
            FlipRecord(
                sample=change.sample,
                edit=change.kind,
                what=change.what[:LONGEST_TEXT],
                target=change.target,
                before=change.before,
                after=change.after,
            )
        )
    return tuple(flips[:MOST_FLIPS])
