"""Uncertainty of scores and of gains, over samples, over training seeds and over wordings.

`spread` takes the variance of a mean apart, `intervals` makes estimates of it, `significance` tests
differences, `ranks` says what order they allow, `planning` how many samples a difference takes.
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
from harness.statistics.ranks import DRAWS, Ranking, deviations, joint_level, rank
from harness.statistics.significance import (
    false_discovery,
    holm,
    holm_by_column,
    mcnemar,
    p_values,
    sign_flip,
    t_test,
)
from harness.statistics.spread import Scores, cluster_numbers, of_pairs

__all__ = [
    "CONFIDENCE",
    "DRAWS",
    "POWER",
    "Estimate",
    "Intervals",
    "Ranking",
    "Scores",
    "cluster_numbers",
    "deviations",
    "differences",
    "false_discovery",
    "gain",
    "holm",
    "holm_by_column",
    "joint_level",
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
