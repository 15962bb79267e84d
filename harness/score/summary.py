"""What the scores of all answers come to: the metrics with their intervals, over all wordings and in each."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from harness.errors import UserError, short_repr
from harness.metrics import contributions, sums_of
from harness.plugin_code import plugin_code
from harness.records.predictions import Prediction
from harness.records.scores import FormRecord, MetricValue, SampleCounts
from harness.score.losses import Losses
from harness.score.replies import finite
from harness.statistics import Estimate, cluster_numbers, score
from harness.task import Metric
from harness.visible import is_whole

Group = tuple[str, int]
"""A template and a draw: every sample is judged once in each."""


def group_of(prediction: Prediction) -> Group:
    """Those of a prediction."""
    return prediction.template, prediction.draw


def _by_group(predictions: Sequence[Prediction]) -> dict[Group, list[Prediction]]:
    groups: dict[Group, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(group_of(prediction), []).append(prediction)
    return groups


def with_corpus_scores(
    metrics: Sequence[Metric], predictions: Sequence[Prediction], lost: Losses
) -> list[Prediction]:
    """The predictions with, besides their scores, their parts in each corpus metric of their group."""
    corpus = [metric for metric in metrics if metric.counts is not None]
    if not corpus:
        return list(predictions)
    scores = [dict(prediction.scores) for prediction in predictions]
    indices_by_group: dict[Group, list[int]] = {}
    for index, prediction in enumerate(predictions):
        if prediction.error is None:
            indices_by_group.setdefault(group_of(prediction), []).append(index)
    for metric in corpus:
        try:
            for indices in indices_by_group.values():
                counts = [predictions[index].counts[metric.name] for index in indices]
                with plugin_code(f"metric '{metric.name}'"):
                    _, parts = contributions(metric, counts)
                for index, part in zip(indices, parts.tolist(), strict=True):
                    scores[index][metric.name] = part
        except UserError as error:
            lost.lose(metric, str(error))
            for of_sample in scores:
                of_sample.pop(metric.name, None)
    return [
        replace(prediction, scores=with_parts)
        for prediction, with_parts in zip(predictions, scores, strict=True)
    ]


def clean_values(
    metrics: Sequence[Metric],
    predictions: Sequence[Prediction],
    groups: Sequence[Group],
    values: dict[str, MetricValue],
    lost: Losses,
) -> dict[str, MetricValue]:
    """The metrics of the samples that do not overlap with the training data, given the `values` of all."""
    clean = [prediction for prediction in predictions if not prediction.overlap]
    if len(clean) == len(predictions):
        return values
    lost_here = Losses(primary="")
    with_parts = with_corpus_scores(metrics, clean, lost_here)
    lost.reasons |= {f"{name} of clean samples": reason for name, reason in lost_here.reasons.items()}
    return values_of(lost_here.without(metrics), with_parts, groups, lost)[0]


def values_of(
    metrics: Sequence[Metric], predictions: Sequence[Prediction], groups: Sequence[Group], lost: Losses
) -> tuple[dict[str, MetricValue], dict[str, dict[str, MetricValue]]]:
    """Metric values over all `groups`, and by template."""
    members = _by_group(predictions)
    by_template: dict[str, dict[str, MetricValue]] = {}
    templates = list(dict.fromkeys(template for template, _ in groups))
    for template in templates:
        of_template = [members.get(group, []) for group in groups if group[0] == template]
        values = _values(metrics, of_template, lost)
        if values:
            by_template[template] = values
    if len(templates) == 1:
        return by_template.get(templates[0], {}), by_template
    return _values(metrics, [members.get(group, []) for group in groups], lost), by_template


def counts_of(predictions: Sequence[Prediction]) -> SampleCounts:
    """Samples in each template, however many draws they have."""

    def count(chosen: Iterable[Prediction]) -> int:
        return len({(prediction.sample_id, prediction.template) for prediction in chosen})

    total = count(predictions)
    failed = count(prediction for prediction in predictions if prediction.error is not None)
    # A thought that a stop string ended, where no room was given for one, is as good as cut at max_tokens.
    cut = [
        prediction
        for prediction in predictions
        if prediction.finish_reason == "length" or prediction.only_thinks
    ]
    return SampleCounts(
        total=total,
        scored=total - failed,
        failed=failed,
        truncated=count(prediction for prediction in predictions if prediction.truncated),
        cut=count(cut),
        cut_in_thought=count(prediction for prediction in cut if prediction.only_thinks),
    )


def _values(
    metrics: Sequence[Metric], groups: Sequence[Sequence[Prediction]], lost: Losses
) -> dict[str, MetricValue]:
    """Each metric over the samples that were scored in every group: the mean of their means. Empty without
    such samples."""
    complete = _in_all(list(chain.from_iterable(groups)), len(groups))
    if not complete:
        return {}
    clusters = _clusters(complete)
    values = {}
    for metric in metrics:
        scores: dict[str, list[float]] = {}
        for prediction in complete:
            scores.setdefault(prediction.sample_id, []).append(prediction.scores[metric.name])
        values[metric.name] = _value_of(metric, scores, clusters, _details(metric, complete, lost))
    return values


def form_of(
    metric: Metric, predictions: Sequence[Prediction], groups: Sequence[Group], lost: Losses
) -> FormRecord:
    """How many answers have the right form, and the metric of those alone. A corpus metric is computed anew
    from their counts."""
    complete = _in_all(predictions, len(groups))
    clusters = _clusters(complete)
    forms: dict[str, list[float]] = {}
    for prediction in complete:
        forms.setdefault(prediction.sample_id, []).append(float(bool(prediction.parsed)))
    lost_here = Losses(primary="")
    well_formed = [prediction for prediction in complete if prediction.parsed]
    with_parts = with_corpus_scores([metric], well_formed, lost_here)
    lost.reasons |= {f"{name} of well-formed answers": reason for name, reason in lost_here.reasons.items()}
    scores: dict[str, list[float]] = {}
    for prediction in with_parts if not lost_here.reasons else ():
        scores.setdefault(prediction.sample_id, []).append(prediction.scores[metric.name])
    numbers = cluster_numbers([clusters[sample_id] for sample_id in forms])
    return FormRecord(
        share=_metric_value(score(_means(forms), binary=True, clusters=numbers)),
        score=_value_of(metric, scores, clusters) if scores else None,
    )


def _in_all(predictions: Sequence[Prediction], groups: int) -> list[Prediction]:
    """Those of samples that were scored in all of so many groups."""
    scored_in = Counter(prediction.sample_id for prediction in predictions)
    return [prediction for prediction in predictions if scored_in[prediction.sample_id] == groups]


def _clusters(predictions: Sequence[Prediction]) -> dict[str, str]:
    """By sample id."""
    return {prediction.sample_id: prediction.cluster for prediction in predictions}


def _means(scores: dict[str, list[float]]) -> list[float]:
    """Each sample's mean score."""
    return [sum(of_sample) / len(of_sample) for of_sample in scores.values()]


def _details(metric: Metric, predictions: Sequence[Prediction], lost: Losses) -> dict[str, float]:
    """The named parts of a corpus metric;
    empty for a metric without any, and where they cannot be computed."""
    if metric.details is None:
        return {}
    sums = sums_of([prediction.counts[metric.name] for prediction in predictions])
    try:
        with plugin_code(f"metric '{metric.name}'", "details"):
            details = metric.details(sums)
            return {_detail_name(name): finite(float(number)) for name, number in details.items()}
    except UserError as error:
        lost.reasons[f"details of {metric.name}"] = str(error)
        return {}


def _detail_name(name: object) -> str:
    if not (isinstance(name, str) and is_whole(name)):
        raise UserError(f"details has a part named {short_repr(name)}, and a name is a text")
    return name


def _value_of(
    metric: Metric,
    scores: dict[str, list[float]],
    clusters: dict[str, str],
    details: dict[str, float] | None = None,
) -> MetricValue:
    numbers = cluster_numbers([clusters[sample_id] for sample_id in scores])
    estimate = score(_means(scores), binary=metric.binary, low=metric.low, high=metric.high, clusters=numbers)
    return _metric_value(estimate, details)


def _metric_value(estimate: Estimate, details: dict[str, float] | None = None) -> MetricValue:
    return MetricValue(
        value=estimate.value,
        stderr=estimate.stderr,
        low=_finite_or_none(estimate.low),
        high=_finite_or_none(estimate.high),
        n=estimate.n,
        details=details or {},
    )


def _finite_or_none(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None
