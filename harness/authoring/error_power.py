"""Say which difference a test set can show of a metric of errors, which has no scale from 0 to 1."""

import numpy as np

from harness.authoring.lint import spread
from harness.authoring.short_numbers import short_number
from harness.authoring.skill import best_constant, value_of
from harness.data.dataset import Dataset
from harness.metrics import primary_metric_of
from harness.statistics.planning import POWER, independent_samples, resolvable_gap
from harness.task import Task

JUDGED = 1000
"""Test samples that are looked at, at most."""


def error_power(task: Task, dataset: Dataset, *, seeds: int | None) -> str:
    """`24 test samples: only differences above about 0.83 in mae show`, and what that takes for granted.

    How much two arms will differ is not known before they answer; their errors are taken to vary from sample
    to sample as those of the best constant answer do. Empty where it has no errors to look at.
    """
    if task.output == "perplexity":
        return ""
    primary = primary_metric_of(task)
    constant = best_constant(primary, dataset.originals)
    if constant is None:
        return ""
    errors = [value_of(task, primary, [sample], [constant]) for sample in spread(dataset.test, JUDGED)]
    measured = [error for error in errors if error is not None]
    deviation = float(np.std(measured)) if len(measured) > 1 else 0.0
    if not deviation:
        return ""
    independent = independent_samples([sample.cluster for sample in dataset.test])
    gap = resolvable_gap(independent, disagreement=deviation**2)
    of_one_seed = "" if seeds != 1 else " One seed can never show a gain."
    return (
        f"{len(dataset.test):,} test samples: only differences above about {short_number(gap, 2)} in "
        f"{primary.name} show."
        f"{of_one_seed} Assumed: over samples, two arms' errors differ as those of the best constant answer "
        f"vary (SD {short_number(deviation, 2)}); {100 * POWER:.0f} % of such differences would be found."
    )
