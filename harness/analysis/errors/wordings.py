"""What each wording costs or brings, on the same samples."""

import numpy as np

from harness.analysis.arms import ArmComparison
from harness.analysis.errors.features import LEAST
from harness.analysis.errors.slices import span_of
from harness.records.analysis.errors import WordingRecord
from harness.statistics import false_discovery, score, t_test


def wordings_of(comparison: ArmComparison) -> tuple[WordingRecord, ...]:
    """The score of the judged arm in each wording, against the mean of the others; empty where there is one
    alone, or where there are too few samples to tell.

    It takes the seeds as they are: what other seeds would make of a wording is not asked."""
    judged, n = comparison.judged, len(comparison.samples)
    if len(judged.templates) < 2 or n < 2 * LEAST:
        return ()
    binary, low, clusters = comparison.card.binary, comparison.low, comparison.clusters
    span = 1 - low
    estimates, p_values = [], []
    for place in range(len(judged.templates)):
        by_wording = judged.scores.mean(axis=0)
        apart = by_wording[place] - np.delete(by_wording, place, axis=0).mean(axis=0)
        difference = score(apart, binary=False, low=-span, high=span, clusters=clusters)
        estimates.append(difference)
        stderr = np.asarray(difference.stderr or 0.0)
        p_values.append(
            t_test(np.asarray(difference.value), stderr, np.asarray(difference.degrees), n=n).item()
        )
    corrected = false_discovery(p_values).tolist()
    return tuple(
        WordingRecord(
            template=template,
            score=span_of(score(judged.scores[:, [place]], binary=binary, low=low, clusters=clusters)),
            difference=span_of(estimates[place]),
            p=corrected[place],
        )
        for place, template in enumerate(judged.templates)
    )
