"""Judge a run's completions with its task's metrics. Needs no model, so scoring again is free."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from harness.metrics import find_metric, primary_metric_of
from harness.plugin_code import plugin_session
from harness.records.predictions import EngineAnswer, Prediction, prediction_frame
from harness.records.scores import FormRecord, MetricValue, SampleCounts
from harness.score.losses import Losses
from harness.score.replies import judged_alone, without_thought
from harness.score.summary import clean_values, counts_of, form_of, group_of, values_of, with_corpus_scores
from harness.sweep.thoughts import THOUGHT_MARKS
from harness.task import Metric, Sample, Task

if TYPE_CHECKING:
    import pandas

LONGEST_CLUSTER = 40
"""Characters of a cluster's name in predictions; a longer one, a whole passage say, is named by its hash."""


@dataclass(frozen=True)
class Scored:
    """A run's predictions with answers and scores, and what they come to."""

    predictions: Sequence[Prediction]
    """A corpus metric's scores are the samples' parts in it, which average to it."""

    judges: Sequence[Metric]
    """The task's metrics, in its order, but for those that are lost."""

    metrics: dict[str, MetricValue]
    """Empty when no sample was scored in every template."""

    by_template: dict[str, dict[str, MetricValue]]
    clean: dict[str, MetricValue]
    """The metrics without the samples that overlap with the training data; empty when none is left."""

    parsed: FormRecord | None
    """None when no sample was scored in every template."""

    samples: SampleCounts

    lost: dict[str, str]
    """What could not be computed, such as a metric or the details of one, and why."""

    def table(self) -> "pandas.DataFrame":
        """The predictions as they are written to disk."""
        return prediction_frame(self.predictions, self.judges)


def metrics_of(task: Task) -> list[Metric]:
    """The task's metrics, the named ones looked up."""
    return [find_metric(metric) for metric in task.metrics]


def cluster_of(sample: Sample) -> str:
    """The name of a sample's cluster in predictions; empty for a sample that shares nothing with others."""
    name = sample.cluster
    return name if len(name) <= LONGEST_CLUSTER else hashlib.sha256(name.encode()).hexdigest()[:16]


def collect(
    samples: Sequence[Sample], answers: Sequence[EngineAnswer], *, overlapping: Collection[str] = ()
) -> list[Prediction]:
    """Join an engine's answers, to one or several templates, with their samples, in the order of the prompts.

    `overlapping`: ids of the samples that stand, exactly or nearly, in the training data.
    """
    by_id = {sample.id: sample for sample in samples}
    templates = {answer.template for answer in answers}
    places = {answer.place for answer in answers}
    assert len(places) == len(samples) * len(templates), (
        "an engine answers every prompt, with an error if need be"
    )
    ordered = sorted(answers, key=attrgetter("place", "draw"))
    return [_prediction(by_id[answer.id], answer, overlaps=answer.id in overlapping) for answer in ordered]


def _prediction(sample: Sample, answer: EngineAnswer, *, overlaps: bool) -> Prediction:
    return Prediction(
        sample_id=sample.id,
        cluster=cluster_of(sample),
        template=answer.template,
        draw=answer.draw,
        prompt=answer.prompt,
        prompt_tokens=answer.prompt_tokens,
        truncated=answer.truncated,
        target=sample.targets,
        choices=sample.choices,
        metadata=json.dumps(dict(sample.metadata), sort_keys=True),
        completion=answer.completion,
        completion_tokens=answer.completion_tokens,
        thought=answer.thought,
        thought_tokens=answer.thought_tokens,
        finish_reason=answer.finish_reason,
        choice_logprobs=answer.choice_logprobs,
        logprob=answer.logprob,
        target_tokens=answer.target_tokens,
        greedy=answer.greedy,
        overlap=overlaps,
        error=answer.error,
    )


@plugin_session()
def score_predictions(
    task: Task, predictions: Sequence[Prediction], *, thought_marks: Sequence[str] = THOUGHT_MARKS
) -> Scored:
    """Extract each prediction's answer and judge it with every metric of the task.

    Answers from before thoughts were told from them are parted from theirs, by these marks.
    A sample whose extractor or metric raises carries that error, has no score and is not part of any value. A
    metric that fails on every sample, or on all of them together, is lost, and the others stay. Raises
    `UserError` where that is the metric by which the task is ranked. Of several draws a sample's score is the
    mean, and it counts as scored when all of them are.
    """
    declared, lost = metrics_of(task), Losses(task.primary_metric)
    predictions = [without_thought(task, prediction, thought_marks) for prediction in predictions]
    judged = judged_alone(task, declared, predictions, lost)
    judged = with_corpus_scores(lost.without(declared), judged, lost)
    metrics = lost.without(declared)
    groups = list(dict.fromkeys(map(group_of, predictions)))
    good = [prediction for prediction in judged if prediction.error is None]
    values, by_template = values_of(metrics, good, groups, lost)
    return Scored(
        predictions=judged,
        judges=metrics,
        metrics=values,
        by_template=by_template,
        clean=clean_values(metrics, good, groups, values, lost),
        parsed=form_of(primary_metric_of(task), good, groups, lost) if values else None,
        samples=counts_of(judged),
        lost=lost.reasons,
    )
