"""The uncertainty of scores and gains: over samples, over training seeds and over wordings.

`spread` computes the variance of a mean, `intervals` turns it into estimates, `significance` tests
differences, `ranks` says which order they allow, and `planning` how many samples a difference takes.
"""

from harness.statistics.intervals import (
    CONFIDENCE,
    Estimate,
    Intervals,
    differences,
    gain,
    mean_over_tasks,
    rescale,
    score,
    scores_of,
)
from harness.statistics.planning import POWER, sample_size
from harness.statistics.ranks import DRAWS, Ranking, deviations, joint_threshold, rank
from harness.statistics.significance import (
    false_discovery,
    holm,
    holm_by_column,
    mcnemar,
    p_values,
    sign_flip,
    t_test,
)
from harness.statistics.spread import FloatArray, cluster_numbers, of_pairs

__all__ = [
    "CONFIDENCE",
    "DRAWS",
    "POWER",
    "Estimate",
    "FloatArray",
    "Intervals",
    "Ranking",
    "cluster_numbers",
    "deviations",
    "differences",
    "false_discovery",
    "gain",
    "holm",
    "holm_by_column",
    "joint_threshold",
    "mcnemar",
    "mean_over_tasks",
    "of_pairs",
    "p_values",
    "rank",
    "rescale",
    "sample_size",
    "score",
    "scores_of",
    "sign_flip",
    "t_test",
]
