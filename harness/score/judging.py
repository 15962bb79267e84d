"""Judge a run's completions with its task's metrics. Needs no model, so scoring again is free."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import PLUGIN_FAULTS, UserError, raised
from harness.metrics import Counts, answer_of, contributions, find_metric, sums_of
from harness.records.scores import MetricValue, Parsed, SampleCounts
from harness.statistics import Estimate, cluster_numbers, score
from harness.task import Metric, Reply, Sample, Task

if TYPE_CHECKING:
    import pandas


COLUMNS = (
    "sample_id", "cluster", "template", "draw", "prompt", "prompt_tokens", "truncated", "target", "choices", "metadata",
    "completion", "completion_tokens", "finish_reason", "choice_logprobs", "logprob", "target_tokens", "greedy", "overlap",
    "error",
)  # fmt: skip
"""A row of predictions, before the answer and its scores. `cluster`: as `cluster_of` has it. `draw`: which of
several sampled answers to the same prompt. `truncated`: tokens cut off the prompt."""

_FROM_THE_SAMPLE = ("sample_id", "cluster", "target", "choices", "metadata", "overlap")

LONGEST_CLUSTER = 40
"""Characters of a cluster's name in predictions; a longer one, a whole passage say, is named by its hash."""


@dataclass(frozen=True)
class Scored:
    """A run's predictions with answers and scores, and what they come to."""

    predictions: "pandas.DataFrame"
    """`COLUMNS`, then `answer`, `parsed` (whether that has the form that the task wants), for each metric a
    `score_<metric>`, and for corpus metrics its `counts_<metric>` as JSON; None where a sample was not
    scored. A corpus metric's scores are the samples' parts in it, which average to it."""

    metrics: dict[str, MetricValue]
    """Empty when no sample was scored in every template."""

    by_template: dict[str, dict[str, MetricValue]]
    clean: dict[str, MetricValue]
    """The metrics without the samples that overlap with the training data; empty when none is left."""

    parsed: Parsed | None
    """None when no sample was scored in every template."""

    samples: SampleCounts


@dataclass
class _Judged:
    """One row with its answer and what each metric says of it."""

    row: dict[str, Any]
    error: str | None = None
    answer: str | None = None
    parsed: bool | None = None
    scores: dict[str, float] = field(default_factory=dict)
    """By metric; of corpus metrics once all samples are known."""

    counts: dict[str, Counts] = field(default_factory=dict)


def metrics_of(task: Task) -> list[Metric]:
    """The task's metrics, the named ones looked up."""
    return [find_metric(metric) for metric in task.metrics]


def cluster_of(sample: Sample) -> str:
    """The name of a sample's cluster in predictions; empty for a sample that shares nothing with others."""
    name = sample.cluster
    return name if len(name) <= LONGEST_CLUSTER else hashlib.sha256(name.encode()).hexdigest()[:16]


def collect(
    samples: Sequence[Sample], completions: Sequence[dict[str, Any]], *, overlapping: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Join an engine's answers, of one or several templates, with their samples, as rows of `COLUMNS` in
    their order.

    `overlapping`: ids of the samples that the model has met in training, or nearly.
    """
    by_id = {sample.id: sample for sample in samples}
    templates = {row["template"] for row in completions}
    asked = {row["place"] for row in completions}
    assert len(asked) == len(samples) * len(templates), (
        "an engine answers every prompt, with an error if need be"
    )
    rows = []
    for answer in sorted(completions, key=lambda row: (row["place"], row["draw"])):
        sample = by_id[answer["id"]]
        rows.append(
            {
                "sample_id": sample.id,
                "cluster": cluster_of(sample),
                "target": list(sample.targets),
                "choices": list(sample.choices),
                "metadata": json.dumps(dict(sample.metadata), sort_keys=True),
                "overlap": sample.id in overlapping,
                **{name: answer.get(name) for name in COLUMNS if name not in _FROM_THE_SAMPLE},
            }
        )
    return rows


def score_rows(task: Task, rows: Sequence[dict[str, Any]]) -> Scored:
    """Extract each row's answer and judge it with every metric of the task.

    A sample whose extractor or metric raises carries that error, has no score and is not part of any value.
    Of several draws a sample's score is the mean, and it counts as scored when all of them are.
    """
    import pandas

    metrics = metrics_of(task)
    judged = [_judge(task, metrics, row) for row in rows]
    good = [item for item in judged if item.error is None]
    groups = list(dict.fromkeys((row["template"], row["draw"]) for row in rows))
    values, by_template = _summarise(metrics, good, groups)
    table = pandas.DataFrame([_row_of(metrics, item) for item in judged])
    clean = [item for item in good if not item.row["overlap"]]
    # Summarising again would overwrite the parts that the table has taken already, and nothing else.
    clean_values = values if len(clean) == len(good) else _summarise(metrics, clean, groups)[0]
    primary = next(metric for metric in metrics if metric.name == task.primary_metric)
    parsed = _parsed(primary, good, groups) if values else None
    return Scored(table, values, by_template, clean_values, parsed, _counts(judged))


def has_form(metric: Metric, reply: Reply) -> bool:
    """Whether a written answer has the form that the task wants: of its choices one, and what the metric can
    read."""
    if reply.choices and reply.answer.strip() not in {choice.strip() for choice in reply.choices}:
        return False
    return bool(reply.answer.strip()) if metric.parses is None else bool(metric.parses(reply))


def _counts(judged: Sequence[_Judged]) -> SampleCounts:
    """Samples in each template, however many draws they have."""
    asked = {(item.row["sample_id"], item.row["template"]) for item in judged}
    failed = {(item.row["sample_id"], item.row["template"]) for item in judged if item.error is not None}
    cut = {(item.row["sample_id"], item.row["template"]) for item in judged if item.row["truncated"]}
    return SampleCounts(
        total=len(asked), scored=len(asked) - len(failed), failed=len(failed), truncated=len(cut)
    )


def _judge(task: Task, metrics: Sequence[Metric], row: dict[str, Any]) -> _Judged:
    if row["error"] is not None:
        return _Judged(row, row["error"])
    try:
        answer = answer_of(task, row["completion"])
    except UserError as error:  # the sample carries it
        return _Judged(row, str(error))
    judged = _Judged(row, answer=answer)
    reply = _reply(row, answer)
    for metric in metrics:
        try:
            if metric.name == task.primary_metric:
                judged.parsed = task.output != "generate" or has_form(metric, reply)
            if metric.score is not None:
                judged.scores[metric.name] = _within(metric, float(metric.score(reply)))
            elif metric.counts is not None:
                judged.counts[metric.name] = {
                    name: _finite(float(n)) for name, n in metric.counts(reply).items()
                }
        except UserError as error:
            return _Judged(row, f"metric '{metric.name}': {error}")
        except PLUGIN_FAULTS as error:  # a plugin's own metric may raise anything
            return _Judged(row, f"metric '{metric.name}' {raised(error)}")
    return judged


def _within(metric: Metric, score: float) -> float:
    if not metric.low <= _finite(score) <= metric.high:
        raise UserError(f"it scores {score:g}, and its range is {metric.range_text}")
    if metric.binary and score not in (0, 1):
        raise UserError(f"it scores {score:g}, and says of itself that it is binary: 0 or 1")
    return score


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise UserError(f"it gives {number}, which is no number to add up")
    return number


def _reply(row: dict[str, Any], answer: str) -> Reply:
    return Reply(
        answer=answer,
        targets=tuple(row["target"]),
        choices=tuple(row["choices"]),
        choice_logprobs=tuple(row["choice_logprobs"] or ()),
        logprob=row["logprob"],
        target_tokens=None if row["target_tokens"] is None else int(row["target_tokens"]),
        greedy=None if row["greedy"] is None else bool(row["greedy"]),
        metadata=json.loads(row["metadata"]),
    )


def _row_of(metrics: Sequence[Metric], item: _Judged) -> dict[str, Any]:
    row = {
        **{name: item.row[name] for name in COLUMNS},
        "error": item.error,
        "answer": item.answer,
        "parsed": item.parsed,
    }
    for metric in metrics:
        row[f"score_{metric.name}"] = item.scores.get(metric.name)
        if metric.counts is not None:
            counts = item.counts.get(metric.name)
            row[f"counts_{metric.name}"] = None if counts is None else json.dumps(counts, sort_keys=True)
    return row


_Group = tuple[str, int]
"""A template and a draw: every sample is judged once in each."""


def _summarise(
    metrics: Sequence[Metric], judged: Sequence[_Judged], groups: Sequence[_Group]
) -> tuple[dict[str, MetricValue], dict[str, dict[str, MetricValue]]]:
    """Metric values over all `groups`, and by template. Enters each sample's part in a corpus metric."""
    members: dict[_Group, list[_Judged]] = {}
    for item in judged:
        members.setdefault((item.row["template"], item.row["draw"]), []).append(item)
    for metric in metrics:
        if metric.counts is not None:
            for items in members.values():
                _, parts = contributions(metric, [item.counts[metric.name] for item in items])
                for item, part in zip(items, parts.tolist(), strict=True):
                    item.scores[metric.name] = part
    templates = dict.fromkeys(template for template, _ in groups)
    by_template = {
        template: _values(metrics, [members.get(group, []) for group in groups if group[0] == template])
        for template in templates
    }
    by_template = {template: values for template, values in by_template.items() if values}
    if len(templates) == 1:
        return next(iter(by_template.values()), {}), by_template
    return _values(metrics, [members.get(group, []) for group in groups]), by_template


def _values(metrics: Sequence[Metric], groups: Sequence[Sequence[_Judged]]) -> dict[str, MetricValue]:
    """Each metric's mean over the samples that were scored in all groups, of their means; empty without
    any."""
    whole = _in_all([item for items in groups for item in items], len(groups))
    if not whole:
        return {}
    clusters = _clusters(whole)
    values = {}
    for metric in metrics:
        scores: dict[str, list[float]] = {}
        for item in whole:
            scores.setdefault(item.row["sample_id"], []).append(item.scores[metric.name])
        details = (
            _details(metric, [item.counts[metric.name] for item in whole])
            if metric.counts is not None
            else {}
        )
        values[metric.name] = _value_of(metric, scores, clusters, details)
    return values


def _parsed(metric: Metric, judged: Sequence[_Judged], groups: Sequence[_Group]) -> Parsed:
    """How many answers have the right form, and the metric of those alone: a corpus metric is made of them
    anew."""
    whole = _in_all(judged, len(groups))
    clusters = _clusters(whole)
    forms: dict[str, list[float]] = {}
    members: dict[_Group, list[_Judged]] = {}
    for item in whole:
        forms.setdefault(item.row["sample_id"], []).append(float(bool(item.parsed)))
        if item.parsed:
            members.setdefault((item.row["template"], item.row["draw"]), []).append(item)
    scores: dict[str, list[float]] = {}
    for items in members.values():
        values = [item.scores[metric.name] for item in items]
        if metric.counts is not None:
            values = contributions(metric, [item.counts[metric.name] for item in items])[1].tolist()
        for item, value in zip(items, values, strict=True):
            scores.setdefault(item.row["sample_id"], []).append(value)
    share = _value(
        score(_means(forms), binary=True, clusters=cluster_numbers([clusters[name] for name in forms]))
    )
    return Parsed(share=share, score=_value_of(metric, scores, clusters) if scores else None)


def _in_all(judged: Sequence[_Judged], groups: int) -> list[_Judged]:
    """The rows of samples that were scored in so many groups, in all of them."""
    seen = Counter(item.row["sample_id"] for item in judged)
    return [item for item in judged if seen[item.row["sample_id"]] == groups]


def _clusters(judged: Sequence[_Judged]) -> dict[str, str]:
    """By sample."""
    return {item.row["sample_id"]: item.row["cluster"] for item in judged}


def _means(scores: dict[str, list[float]]) -> list[float]:
    """By sample."""
    return [sum(of_sample) / len(of_sample) for of_sample in scores.values()]


def _details(metric: Metric, rows: Sequence[Counts]) -> dict[str, float]:
    if metric.details is None:
        return {}
    return metric.details(sums_of(rows))


def _value_of(
    metric: Metric,
    scores: dict[str, list[float]],
    clusters: dict[str, str],
    details: dict[str, float] | None = None,
) -> MetricValue:
    numbers = cluster_numbers([clusters[name] for name in scores])
    return _value(
        score(_means(scores), binary=metric.binary, low=metric.low, high=metric.high, clusters=numbers),
        details,
    )


def _value(estimate: Estimate, details: dict[str, float] | None = None) -> MetricValue:
    return MetricValue(
        value=estimate.value,
        stderr=estimate.stderr,
        low=_end(estimate.low),
        high=_end(estimate.high),
        n=estimate.n,
        details=details or {},
    )


def _end(bound: float) -> float | None:
    return bound if math.isfinite(bound) else None
