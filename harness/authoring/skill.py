"""What a task's metrics give without any skill: on the targets of other samples, on one answer, and on
none."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from harness.authoring.examples import certain_reply
from harness.authoring.short_numbers import short_number
from harness.data.dataset import Dataset
from harness.errors import UserError
from harness.metrics import constant_answer, evaluate
from harness.plugin_code import plugin_code
from harness.score.judging import metrics_of
from harness.task import Metric, Sample, Task

LEVELS_LEDE = (
    "metrics on the targets, on those of other samples, on the best constant answer, and on empty ones"
)

FEWEST = 20
"""Test samples below which their targets may agree by luck."""

MUCH = 0.8
"""Share of the way from what needs no skill to the best value from which on targets of other samples score
too much."""

JUDGED = 100
"""Test samples that the metrics are tried on."""


@dataclass(frozen=True)
class MetricLevels:
    """What a metric gives on some test samples; None where it cannot judge such answers."""

    metric: Metric
    samples: int
    targets: float | None
    shuffled: float | None
    """On the targets of other samples, each given once."""

    constant: float | None
    """On the one answer that does best, or the most frequent training target."""

    empty: float | None
    """On empty answers; None where one of the choices must be given."""

    @property
    def sentence(self) -> str:
        """`mae 0, 2.71, 2.02, 6.4`."""
        numbers = (self.targets, self.shuffled, self.constant, self.empty)
        return f"{self.metric.name} " + ", ".join(
            "–" if number is None else short_number(number) for number in numbers
        )

    def fault(self, chance: float) -> str:
        """Why the metric does not tell right answers from wrong ones; empty where it does."""
        if self.shuffled is None or self.samples < FEWEST:
            return ""
        share = self.metric.scale.share
        floor = max(chance, 0.0 if self.constant is None else share(self.constant))
        if share(self.shuffled) <= floor + MUCH * (1 - floor):
            return ""
        return (
            f"the targets of other samples score {short_number(self.shuffled)} on {self.metric.name}: it "
            "hardly tells right answers from wrong ones; rank by another metric, or look whether targets "
            "are nearly the same"
        )


def metric_levels(task: Task, dataset: Dataset) -> list[MetricLevels]:
    """The levels of each metric of a task whose answers are texts or choices; none for others."""
    if task.output == "perplexity":
        return []
    generator = random.Random(0)
    # Drawn, for generated rows may differ in turn: every third could be of one kind.
    samples = generator.sample(dataset.test, min(JUDGED, len(dataset.test)))
    target_answers = [sample.targets[0] for sample in samples]
    swapped_answers = _of_others(target_answers, generator) if len(samples) > 1 else None
    levels = []
    for metric in metrics_of(task):
        constant = best_constant(metric, dataset.originals)
        levels.append(
            MetricLevels(
                metric,
                len(samples),
                value_of(task, metric, samples, target_answers),
                None if swapped_answers is None else value_of(task, metric, samples, swapped_answers),
                None if constant is None else value_of(task, metric, samples, [constant] * len(samples)),
                value_of(task, metric, samples, [""] * len(samples)) if task.output == "generate" else None,
            )
        )
    return levels


def _of_others(answers: Sequence[str], generator: random.Random) -> list[str]:
    """The answers in a random order that leaves none at its place: each goes to the next on one cycle."""
    cycle = generator.sample(range(len(answers)), len(answers))
    swapped_answers = list(answers)
    for index, following in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
        swapped_answers[following] = answers[index]
    return swapped_answers


def best_constant(metric: Metric, train: Sequence[Sample]) -> str | None:
    """The answer that scores best when it is always given; None where there is none."""
    try:
        with plugin_code("metric"):
            return constant_answer(metric, train)
    except UserError:  # the trial on the targets tells of it
        return None


def value_of(task: Task, metric: Metric, samples: Sequence[Sample], answers: Sequence[str]) -> float | None:
    """The metric over samples with these answers;
    None where some sample does not offer its answer, or the metric needs what such answers have not."""
    pairs = list(zip(samples, answers, strict=True))
    if any(sample.choices and answer not in ("", *sample.choices) for sample, answer in pairs):
        return None
    try:
        with plugin_code("metric"):
            return evaluate(metric, [certain_reply(task, sample, answer) for sample, answer in pairs])
    except UserError:
        return None
