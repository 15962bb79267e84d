"""The uncertainty of scores and gains: over samples, over training seeds and over wordings.

`spread` computes the variance of a mean and `seeds` what training seeds add to it; `intervals` turns them
into estimates, `significance` tests differences, `ranks` says which order they allow, `planning` how many
samples a difference takes, and `scaling` how a loss falls with training samples.
"""

from harness.statistics.intervals import (
    CONFIDENCE,
    ArmMeans,
    Estimate,
    Intervals,
    differences,
    gain,
    mean_over_tasks,
    means_of,
    rescale,
    score,
    scores_of,
    sides_of_sum,
)
from harness.statistics.planning import POWER, sample_size
from harness.statistics.ranks import DRAWS, Ranking, joint_threshold, rank, score_errors
from harness.statistics.seeds import SeedNoise, moderate, seed_noise
from harness.statistics.significance import (
    FLIPS,
    exact_p,
    false_discovery,
    holm,
    holm_by_column,
    mcnemar,
    sign_flip,
    t_test,
)
from harness.statistics.spread import FloatArray, cluster_numbers, of_pairs

__all__ = [
    "CONFIDENCE",
    "DRAWS",
    "FLIPS",
    "POWER",
    "ArmMeans",
    "Estimate",
    "FloatArray",
    "Intervals",
    "Ranking",
    "SeedNoise",
    "cluster_numbers",
    "differences",
    "exact_p",
    "false_discovery",
    "gain",
    "holm",
    "holm_by_column",
    "joint_threshold",
    "mcnemar",
    "mean_over_tasks",
    "means_of",
    "moderate",
    "of_pairs",
    "rank",
    "rescale",
    "sample_size",
    "score",
    "score_errors",
    "scores_of",
    "seed_noise",
    "sides_of_sum",
    "sign_flip",
    "t_test",
]
