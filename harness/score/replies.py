"""Judge each answer alone: part it from its thought, extract it, score it with every metric."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.errors import UserError, short_repr
from harness.metrics import Counts, answer_of
from harness.plugin_code import plugin_code
from harness.records.predictions import Prediction
from harness.score.losses import Losses
from harness.sweep.thoughts import cut_at, part_thought
from harness.task import Metric, Reply, Task
from harness.visible import is_whole

LARGEST_SCORE = 1e100
"""What a metric without a bound may give: the squares of more would be no numbers any more."""


def without_thought(task: Task, prediction: Prediction, marks: Sequence[str]) -> Prediction:
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


def judged_alone(
    task: Task, metrics: Sequence[Metric], predictions: Sequence[Prediction], lost: Losses
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

    def judged(self, lost: Losses) -> Prediction:
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
    return {name: finite(float(number)) for name, number in counts.items()}


def _within(metric: Metric, score: float) -> float:
    """The score. Raises `UserError` for one outside the metric's range."""
    if not metric.low <= finite(score) <= metric.high:
        raise UserError(f"it scores {score:g}, and its range is {metric.range_text}")
    if metric.binary and score not in (0, 1):
        raise UserError(f"it scores {score:g}, and says of itself that it is binary: 0 or 1")
    return score


def finite(number: float) -> float:
    """The number. Raises `UserError` for one too large to add up, and for what is none."""
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


def has_form(metric: Metric, reply: Reply) -> bool:
    """Whether a written answer has the form that the task wants: of its choices one, and what the metric can
    read."""
    if reply.choices and reply.answer.strip() not in {choice.strip() for choice in reply.choices}:
        return False
    return bool(reply.answer.strip()) if metric.parses is None else bool(metric.parses(reply))
