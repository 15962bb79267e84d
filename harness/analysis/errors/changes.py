"""Single samples to look at: wrong in every arm, fixed, broken."""

import numpy as np
from numpy.typing import NDArray

from harness.analysis.arms import ArmAnswers, ArmComparison, Flags
from harness.records.analysis.errors import ChangeRecord, SamplesRecord
from harness.statistics import FloatArray

MOST_SAMPLES = 50
"""Samples of each list that are named."""

MAJORITY = 0.5
"""A sample is right when more than this share of an arm's seeds and wordings is."""

LARGE = 0.25
"""Change of a score between 0 and 1 that counts as one."""


def samples_to_see(comparison: ArmComparison) -> SamplesRecord:
    """The hardest samples, and those that differ between the judged arm and each untuned one."""
    hardest = _hardest(comparison)
    judged = comparison.judged
    changes = [
        _change(comparison, before, judged, comparison.right[place], comparison.right[-1])
        for place, before in enumerate(comparison.arms[:-1])
    ]
    return SamplesRecord(hardest=_named(comparison, hardest), n_hardest=len(hardest), changes=tuple(changes))


def _hardest(comparison: ArmComparison) -> NDArray[np.int64]:
    """Samples that no seed of any arm gets right, the lowest scores first."""
    right = np.stack([flags.any(axis=(0, 1)) for flags in comparison.right]).any(axis=0)
    means = np.stack([arm.means for arm in comparison.arms]).mean(axis=0)
    if not comparison.card.binary:
        best = np.stack([arm.scores.max(axis=(0, 1)) for arm in comparison.arms]).max(axis=0)
        right |= best >= MAJORITY
    places = np.flatnonzero(~right)
    return np.asarray(places[np.argsort(means[places], kind="stable")])


def _change(
    comparison: ArmComparison, before: ArmAnswers, after: ArmAnswers, was: Flags, is_now: Flags
) -> ChangeRecord:
    difference: FloatArray = after.means - before.means
    if comparison.card.binary:
        was_right, now_right = was.mean(axis=(0, 1)) > MAJORITY, is_now.mean(axis=(0, 1)) > MAJORITY
        fixed, broken = np.flatnonzero(~was_right & now_right), np.flatnonzero(was_right & ~now_right)
    else:
        fixed, broken = np.flatnonzero(difference > LARGE), np.flatnonzero(difference < -LARGE)
    fixed = fixed[np.argsort(-difference[fixed], kind="stable")]
    broken = broken[np.argsort(difference[broken], kind="stable")]
    return ChangeRecord(
        before=before.name,
        after=after.name,
        fixed=_named(comparison, fixed),
        broken=_named(comparison, broken),
        n_fixed=len(fixed),
        n_broken=len(broken),
    )


def _named(comparison: ArmComparison, places: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(comparison.ids[place] for place in places[:MOST_SAMPLES].tolist())
