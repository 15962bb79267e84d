"""Describe a task and its metrics in a result, so that pages need no plugin."""

import dataclasses
import math

from harness.data.loaded import LoadedTask
from harness.metrics import chance_level, majority_level, primary_metric_of
from harness.records.scores import MetricCard, StepRecord, TaskCard
from harness.score.judging import metrics_of
from harness.task import Metric


def task_card(loaded: LoadedTask) -> TaskCard:
    """What pages need to know about a task and its samples."""
    task, dataset = loaded.task, loaded.dataset
    metrics = metrics_of(task)
    primary = primary_metric_of(task)
    return TaskCard(
        name=task.name,
        version=task.version,
        description=task.description,
        output=task.output,
        primary_metric=task.primary_metric,
        binary=primary.binary,
        chance=task.chance,
        metrics={
            metric.name: metric_card(
                metric,
                chance=chance_level(metric, dataset.test),
                majority=majority_level(metric, dataset.originals, dataset.test),
            )
            for metric in metrics
        },
        license=task.license,
        reference=task.reference,
        templates=tuple(task.prompts.templates),
        n_train=len(dataset.originals),
        n_dev=len(dataset.dev),
        n_test=len(dataset.test),
        steps=tuple(StepRecord(**dataclasses.asdict(count)) for count in dataset.steps),
        reviewed=loaded.reviewed,
    )


def metric_card(metric: Metric, *, chance: float | None, majority: float | None) -> MetricCard:
    """What pages need to know about a metric."""
    return MetricCard(
        description=metric.description,
        low=None if math.isinf(metric.low) else metric.low,
        high=None if math.isinf(metric.high) else metric.high,
        higher_is_better=metric.higher_is_better,
        corpus=metric.counts is not None,
        chance=chance,
        majority=majority,
    )
