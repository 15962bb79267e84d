"""What each wording costs or brings, on the same samples."""

import numpy as np

from harness.analysis.arms import Comparison
from harness.analysis.features import LEAST
from harness.analysis.slices import span_of
from harness.records.analysis import WordingRecord
from harness.statistics import false_discovery, score, t_test


def wordings_of(comparison: Comparison) -> tuple[WordingRecord, ...]:
    """The score of the judged arm in each wording, against the mean of the others; empty where there is one alone,
    or where there are too few samples to tell."""
    judged, n = comparison.judged, len(comparison.samples)
    if len(judged.templates) < 2 or n < 2 * LEAST:
        return ()
    binary, low, clusters = comparison.card.binary, comparison.low, comparison.clusters
    span = 1 - low
    estimates, p_values = [], []
    for place in range(len(judged.templates)):
        others = np.delete(judged.scores, place, axis=1).mean(axis=1, keepdims=True)
        apart = judged.scores[:, [place]] - others
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
