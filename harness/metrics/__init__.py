"""The built-in metrics by name: how answers become a score."""

from harness.errors import UserError, suggest
from harness.metrics.answers import answer_of, first_json, first_json_object, last_number
from harness.metrics.classes import CLASSES
from harness.metrics.constraints import CONSTRAINTS, check_constraints
from harness.metrics.dates import DateFormat
from harness.metrics.json_trees import JSON_TREES
from harness.metrics.label_sets import LabelSet
from harness.metrics.levels import chance_level, constant_answer, majority_level
from harness.metrics.likelihood import LIKELIHOOD
from harness.metrics.matching import MATCHING
from harness.metrics.number_format import NumberFormat
from harness.metrics.numbers import NumberRange
from harness.metrics.ordered_labels import OrderedLabels
from harness.metrics.overlap import OVERLAP
from harness.metrics.sql import SQL
from harness.metrics.tool_calls import TOOL_CALLS
from harness.task import Task
from harness.task.metric import (
    Counts,
    Metric,
    Reply,
    certain_logprobs,
    contributions,
    evaluate,
    sums_of,
    total,
)

__all__ = [
    "METRICS",
    "Counts",
    "DateFormat",
    "LabelSet",
    "Metric",
    "NumberFormat",
    "NumberRange",
    "OrderedLabels",
    "Reply",
    "answer_of",
    "certain_logprobs",
    "chance_level",
    "check_constraints",
    "constant_answer",
    "contributions",
    "evaluate",
    "find_metric",
    "first_json",
    "first_json_object",
    "last_number",
    "majority_level",
    "sums_of",
    "total",
]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (*MATCHING, *CLASSES, *OVERLAP, *LIKELIHOOD, *JSON_TREES, *SQL, *CONSTRAINTS, *TOOL_CALLS)
}


def find_metric(metric: str | Metric) -> Metric:
    """The built-in metric of a name; a task's own `Metric` comes back as it is. Raises `UserError` for an
    unknown name."""
    if isinstance(metric, Metric):
        return metric
    if metric not in METRICS:
        raise UserError(
            f"metric '{metric}' not found.{suggest(metric, METRICS)} Allowed: {', '.join(sorted(METRICS))}"
        )
    return METRICS[metric]


def primary_metric_of(task: Task) -> Metric:
    """The metric that a task is ranked by."""
    return next(metric for metric in map(find_metric, task.metrics) if metric.name == task.primary_metric)
