"""Judge a run's completions with its task's metrics. Needs no model, so scoring again is free."""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

from harness.errors import UserError, short_repr
from harness.metrics import Counts, answer_of, contributions, find_metric, sums_of
from harness.plugin_code import plugin_code, plugin_session
from harness.records.predictions import EngineAnswer, Prediction, prediction_frame
from harness.records.scores import FormRecord, MetricValue, SampleCounts
from harness.statistics import Estimate, cluster_numbers, score
from harness.sweep.thoughts import THOUGHT_MARKS, cut_at, part_thought
from harness.task import Metric, Reply, Sample, Task
from harness.visible import is_whole

if TYPE_CHECKING:
    import pandas

LARGEST_SCORE = 1e100
"""What a metric without a bound may give: the squares of more would be no numbers any more."""

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
    declared, lost = metrics_of(task), _Losses(task.primary_metric)
    predictions = [_parted(task, prediction, thought_marks) for prediction in predictions]
    judged = _judge_all(task, declared, predictions, lost)
    judged = _with_corpus_scores(lost.without(declared), judged, lost)
    metrics = lost.without(declared)
    groups = list(dict.fromkeys(map(_group_of, predictions)))
    good = [prediction for prediction in judged if prediction.error is None]
    values, by_template = _summarise(metrics, good, groups, lost)
    primary = next(metric for metric in metrics if metric.name == task.primary_metric)
    return Scored(
        predictions=judged,
        judges=metrics,
        metrics=values,
        by_template=by_template,
        clean=_clean_values(metrics, good, groups, values, lost),
        parsed=_form(primary, good, groups, lost) if values else None,
        samples=_counts(judged),
        lost=lost.reasons,
    )


class _Losses:
    """What could not be computed of a run, and why."""

    def __init__(self, primary: str) -> None:
        """`primary`: the metric that must not be lost."""
        self._primary = primary
        self.reasons: dict[str, str] = {}

    def lose(self, metric: Metric, reason: str) -> None:
        """Do without a metric. Raises `UserError` for the one that the task is ranked by."""
        if metric.name == self._primary:
            raise UserError(
                f"{reason}. The task is ranked by it: correct it, "
                "and the same command scores the saved answers"
            )
        self.reasons[metric.name] = reason

    def without(self, metrics: Iterable[Metric]) -> list[Metric]:
        """The metrics that are left."""
        return [metric for metric in metrics if metric.name not in self.reasons]


def has_form(metric: Metric, reply: Reply) -> bool:
    """Whether a written answer has the form that the task wants: of its choices one, and what the metric can
    read."""
    if reply.choices and reply.answer.strip() not in {choice.strip() for choice in reply.choices}:
        return False
    return bool(reply.answer.strip()) if metric.parses is None else bool(metric.parses(reply))


# One sample


def _parted(task: Task, prediction: Prediction, marks: Sequence[str]) -> Prediction:
    """A prediction without the thought in its completion, as the engines' workers leave it."""
    completion = prediction.completion
    if task.output != "generate" or not marks or completion is None or prediction.thought is not None:
        return prediction
    begun = prediction.prompt.rstrip().endswith(marks[0])
    parted = part_thought(completion, marks, begun=begun, cut=prediction.finish_reason == "length")
    if parted.thought is None:
        return prediction
    stopped = cut_at(parted.answer, task.stop)
    return replace(
        prediction,
        thought=parted.thought,
        # How many tokens a thought took that ended, nobody knows any more.
        thought_tokens=None if parted.closed else prediction.completion_tokens,
        completion=parted.answer if stopped is None else stopped,
    )


def _judge_all(
    task: Task, metrics: Sequence[Metric], predictions: Sequence[Prediction], lost: _Losses
) -> list[Prediction]:
    """The predictions with their answers and what each metric says of these, or with the first error."""
    verdicts = [_judge(task, metrics, prediction) for prediction in predictions]
    answered = [verdict for verdict in verdicts if verdict.prediction.error is None]
    for metric in metrics:
        faults = [verdict.faults[metric.name] for verdict in answered if metric.name in verdict.faults]
        # Where the one to rank by fails, each sample says why, and the run that none could be scored.
        if faults and len(faults) == len(answered) and metric.name != task.primary_metric:
            lost.lose(metric, f"{faults[0]} (so on every answer)")
    return [verdict.judged(lost) for verdict in verdicts]


@dataclass(frozen=True)
class _Verdict:
    """What was found of one prediction."""

    prediction: Prediction
    faults: dict[str, str] = field(default_factory=dict)
    """The metrics that fail on it, and how."""

    def judged(self, lost: _Losses) -> Prediction:
        """The prediction, with the error of the first metric that fails on it and is not lost altogether."""
        fault = next((fault for name, fault in self.faults.items() if name not in lost.reasons), None)
        if fault is None:
            return self.prediction
        return replace(self.prediction, error=fault, answer=None, parsed=None, scores={}, counts={})


def _judge(task: Task, metrics: Sequence[Metric], prediction: Prediction) -> _Verdict:
    if prediction.error is not None:
        return _Verdict(prediction)
    if prediction.completion is None:  # in a damaged file
        return _Verdict(replace(prediction, error="it has neither a completion nor an error"))
    try:
        answer = answer_of(task, prediction.completion)
    except UserError as error:  # the sample carries it
        return _Verdict(replace(prediction, error=str(error)))
    return _judge_reply(task, metrics, prediction, _reply(prediction, answer))


def _judge_reply(task: Task, metrics: Sequence[Metric], prediction: Prediction, reply: Reply) -> _Verdict:
    parsed = None
    scores: dict[str, float] = {}
    counts: dict[str, Counts] = {}
    faults: dict[str, str] = {}
    for metric in metrics:
        try:
            with plugin_code(f"metric '{metric.name}'"):
                if metric.name == task.primary_metric:
                    parsed = task.output != "generate" or has_form(metric, reply)
                if metric.score is not None:
                    scores[metric.name] = _within(metric, float(metric.score(reply)))
                elif metric.counts is not None:
                    counts[metric.name] = _checked_counts(metric.counts(reply))
        except UserError as error:
            faults[metric.name] = str(error)
    return _Verdict(
        replace(prediction, answer=reply.answer, parsed=parsed, scores=scores, counts=counts), faults
    )


def _checked_counts(counts: Counts) -> Counts:
    """What a sample adds to the sums. Raises `UserError` for what cannot be added up under a name."""
    for name in counts:
        if not (isinstance(name, str) and is_whole(name)):
            raise UserError(f"it counts under {short_repr(name)}, and a name of counts is a text")
    return {name: _finite(float(number)) for name, number in counts.items()}


def _within(metric: Metric, score: float) -> float:
    """The score. Raises `UserError` for one outside the metric's range."""
    if not metric.low <= _finite(score) <= metric.high:
        raise UserError(f"it scores {score:g}, and its range is {metric.range_text}")
    if metric.binary and score not in (0, 1):
        raise UserError(f"it scores {score:g}, and says of itself that it is binary: 0 or 1")
    return score


def _finite(number: float) -> float:
    if not abs(number) <= LARGEST_SCORE:
        raise UserError(f"it gives {number}, which is no number to add up")
    return number


def _reply(prediction: Prediction, answer: str) -> Reply:
    return Reply(
        answer=answer,
        targets=tuple(prediction.target),
        choices=tuple(prediction.choices),
        choice_logprobs=tuple(prediction.choice_logprobs or ()),
        logprob=prediction.logprob,
        target_tokens=prediction.target_tokens,
        greedy=prediction.greedy,
        metadata=json.loads(prediction.metadata),
    )


# All samples


_Group = tuple[str, int]
"""A template and a draw: every sample is judged once in each."""


def _group_of(prediction: Prediction) -> _Group:
    return prediction.template, prediction.draw


def _by_group(predictions: Sequence[Prediction]) -> dict[_Group, list[Prediction]]:
    groups: dict[_Group, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(_group_of(prediction), []).append(prediction)
    return groups


def _with_corpus_scores(
    metrics: Sequence[Metric], predictions: Sequence[Prediction], lost: _Losses
) -> list[Prediction]:
    """The predictions with, besides their scores, their parts in each corpus metric of their group."""
    corpus = [metric for metric in metrics if metric.counts is not None]
    if not corpus:
        return list(predictions)
    scores = [dict(prediction.scores) for prediction in predictions]
    indices_by_group: dict[_Group, list[int]] = {}
    for index, prediction in enumerate(predictions):
        if prediction.error is None:
            indices_by_group.setdefault(_group_of(prediction), []).append(index)
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


def _clean_values(
    metrics: Sequence[Metric],
    predictions: Sequence[Prediction],
    groups: Sequence[_Group],
    values: dict[str, MetricValue],
    lost: _Losses,
) -> dict[str, MetricValue]:
    """The metrics of the samples that do not overlap with the training data, given the `values` of all."""
    clean = [prediction for prediction in predictions if not prediction.overlap]
    if len(clean) == len(predictions):
        return values
    lost_here = _Losses(primary="")
    with_parts = _with_corpus_scores(metrics, clean, lost_here)
    lost.reasons |= {f"{name} of clean samples": reason for name, reason in lost_here.reasons.items()}
    return _summarise(lost_here.without(metrics), with_parts, groups, lost)[0]


def _summarise(
    metrics: Sequence[Metric], predictions: Sequence[Prediction], groups: Sequence[_Group], lost: _Losses
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


def _counts(predictions: Sequence[Prediction]) -> SampleCounts:
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
    metrics: Sequence[Metric], groups: Sequence[Sequence[Prediction]], lost: _Losses
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


def _form(
    metric: Metric, predictions: Sequence[Prediction], groups: Sequence[_Group], lost: _Losses
) -> FormRecord:
    """How many answers have the right form, and the metric of those alone. A corpus metric is computed anew
    from their counts."""
    complete = _in_all(predictions, len(groups))
    clusters = _clusters(complete)
    forms: dict[str, list[float]] = {}
    for prediction in complete:
        forms.setdefault(prediction.sample_id, []).append(float(bool(prediction.parsed)))
    lost_here = _Losses(primary="")
    well_formed = [prediction for prediction in complete if prediction.parsed]
    with_parts = _with_corpus_scores([metric], well_formed, lost_here)
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


def _details(metric: Metric, predictions: Sequence[Prediction], lost: _Losses) -> dict[str, float]:
    """The named parts of a corpus metric;
    empty for a metric without any, and where they cannot be computed."""
    if metric.details is None:
        return {}
    sums = sums_of([prediction.counts[metric.name] for prediction in predictions])
    try:
        with plugin_code(f"metric '{metric.name}'", "details"):
            details = metric.details(sums)
            return {_detail_name(name): _finite(float(number)) for name, number in details.items()}
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
