"""Try a task's metrics on the targets of a few samples, as if a model had written them."""

import dataclasses
import math
from collections.abc import Sequence

from harness.authoring.examples import certain_reply, score_of
from harness.authoring.lint import spread
from harness.authoring.short_numbers import short_number
from harness.data.dataset import Dataset
from harness.errors import UserError
from harness.metrics import evaluate, primary_metric_of
from harness.plugin_code import plugin_code
from harness.score.judging import metrics_of
from harness.score.replies import has_form
from harness.task import Metric, Reply, Sample, Task

TRIED_SAMPLES = 24
"""Samples of train, and as many of test, on whose targets the metrics are tried."""

WRONGLY_ANSWERED = 4
"""The first of these samples, on which the metrics are tried with wrong answers too."""


_REMEDY_OF_BLEU = (
    "it counts runs of four words, which these do not have: rank by chrf, or by bleu_zh or bleu_char where "
    "no spaces part words"
)


class MetricTrial:
    """The targets of a few samples, extracted and scored as if a model had written them."""

    def __init__(self, task: Task, dataset: Dataset) -> None:
        self.metrics = metrics_of(task)
        self.written = task.output == "generate"
        extracts = task.output == "generate" and task.extract is not str.strip
        self.remedy = (
            "let extract leave a right answer as the targets have it"
            if extracts
            else "the targets do not fit this metric, so change the one or the other"
        )
        self.replies: list[tuple[str, Reply]] = []
        """The sample in words, and what the metrics see."""

        self.not_extracted: list[tuple[str, str]] = []
        self.primary = primary_metric_of(task)
        for split, samples in (("train", dataset.train), ("test", dataset.test)):
            for sample in spread(samples, TRIED_SAMPLES):
                self._answer(task, f"{split} sample '{sample.id}'", sample)

    def _answer(self, task: Task, name: str, sample: Sample) -> None:
        try:
            self.replies.append((name, certain_reply(task, sample, sample.targets[0])))
        except UserError as error:
            self.not_extracted.append((name, str(error)))

    def errors(self) -> list[str]:
        """The first error of each metric and of `extract`."""
        faults = [self._summary(self.not_extracted)] if self.not_extracted else []
        for metric in self.metrics:
            failures = [(name, fault) for name, reply in self.replies if (fault := _fault(metric, reply))]
            faults += [self._summary(failures)] if failures else self._on_wrong_answers(metric)
        return faults

    def _on_wrong_answers(self, metric: Metric) -> list[str]:
        """The first error on a wrong answer: a model may write anything, or nothing."""
        if not self.written:
            return []
        for name, reply in self.replies[:WRONGLY_ANSWERED]:
            for text in ("", "nothing of the kind"):
                fault = _fault(metric, dataclasses.replace(reply, answer=text))
                if fault:
                    return [f"{fault} on the answer '{text}' to {name}"]
        return []

    def shortfalls(self) -> list[str]:
        """Metrics on which a target, or for a corpus metric all of them together, do not get the best score;
        if there are none, targets without the form of an answer."""
        faults = [fault for metric in self.metrics if (fault := self._shortfall(metric))]
        return faults or self._malformed()

    def _shortfall(self, metric: Metric) -> str | None:
        best = metric.high if metric.higher_is_better else metric.low
        if math.isinf(best) or not self.replies:
            return None
        if metric.score is None:
            return self._together(metric, best)
        scores = [(name, score_of(metric, reply)) for name, reply in self.replies]
        short = [(name, score) for name, score in scores if abs(score - best) > 1e-6]
        if not short:
            return None
        name, score = short[0]
        return (
            f"the target of {name} scores {short_number(score)} on {metric.name} as its answer, not {best:g} "
            f"(so do {len(short)} of {len(self.replies)} tried); {self.remedy}"
        )

    def _together(self, metric: Metric, best: float) -> str | None:
        value = evaluate(metric, [reply for _, reply in self.replies])
        if abs(value - best) <= 1e-6:
            return None
        remedy = _REMEDY_OF_BLEU if metric.name.startswith("bleu") else self.remedy
        return (
            f"the targets of the {len(self.replies)} tried samples score {short_number(value)} on "
            f"{metric.name} as their own answers, not {best:g}; {remedy}"
        )

    def _malformed(self) -> list[str]:
        if not self.written:
            return []
        names = [name for name, reply in self.replies if not has_form(self.primary, reply)]
        if not names:
            return []
        return [
            f"the target of {names[0]} has not the form of an answer: it is none of its sample's choices, or "
            f"nothing that {self.primary.name} can read (so are {len(names)} of {len(self.replies)} tried); "
            f"{self.remedy}"
        ]

    def _summary(self, failures: Sequence[tuple[str, str]]) -> str:
        name, fault = failures[0]
        tried = len(self.replies) + len(self.not_extracted)
        return f"{fault} on the target of {name} ({len(failures)} of {tried} tried)"


def _fault(metric: Metric, reply: Reply) -> str | None:
    """What a metric raises on a reply, in words, or None."""
    try:
        score_of(metric, reply)
        with plugin_code(f"metric '{metric.name}'", "parses"):
            has_form(metric, reply)
    except UserError as error:
        return str(error)
    return None
