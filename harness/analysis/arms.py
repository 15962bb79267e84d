"""The arms that an analysis compares: all answers of every seed and wording, sample by sample."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import UserError
from harness.records.binding import why_changed
from harness.records.predictions import UNREADABLE, read_prediction_table
from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.statistics import FloatArray, cluster_numbers
from harness.sweep.run import Run
from harness.task.metric import Scale

Objects = NDArray[np.object_]
Flags = NDArray[np.bool_]
Columns = dict[str, list[Any]]
"""The rows of a predictions file, by column."""


@dataclass(frozen=True)
class AskedSample:
    """A test sample, as far as predictions tell of it."""

    id: str
    targets: tuple[str, ...]
    choices: tuple[str, ...]
    metadata: Mapping[str, str]
    cluster: str
    overlap: bool
    """Whether it stands, exactly or nearly, in the training data."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """What templates may name; empty where the task's data is not at hand."""


@dataclass(frozen=True)
class ArmAnswers:
    """What an arm said to n samples, in arrays of S seeds × T wordings × n, of the first draw."""

    name: str
    """Its method."""

    results: tuple[Result, ...]
    """By seed."""

    templates: tuple[str, ...]
    scores: FloatArray
    """The primary metric, from 0 (or -1), its worst, to 1, its best value, the mean over draws; NaN where one
    was not scored."""

    answers: Objects
    """What the task took from the completion; None where there is no answer."""

    completions: Objects
    prompts: Objects
    parsed: Objects
    """Whether the answer has the form that the task wants; None where nobody knows."""

    cut: Flags
    """Whether the answer, or the thought before it, was cut at `max_tokens`."""

    logprobs: FloatArray | None
    """S × T × n × choices, natural logarithms; None where choices were not weighed, or samples have different
    numbers of them."""

    @property
    def label(self) -> str:
        """Candidate and method."""
        return self.results[0].run.candidate.label

    @property
    def seeds(self) -> tuple[int, ...]:
        """In order."""
        return tuple(result.run.seed for result in self.results)

    @cached_property
    def means(self) -> FloatArray:
        """The score of each sample, over seeds and wordings: (n,)."""
        return np.asarray(self.scores.mean(axis=(0, 1)))

    @cached_property
    def probabilities(self) -> FloatArray | None:
        """Of each choice among the choices: S × T × n × choices."""
        if self.logprobs is None or not np.isfinite(self.logprobs).all():
            return None
        relative = np.exp(self.logprobs - self.logprobs.max(axis=-1, keepdims=True))
        return np.asarray(relative / relative.sum(axis=-1, keepdims=True))

    def of(self, places: NDArray[np.int64]) -> "ArmAnswers":
        """The answers to some of the samples, in the order of `places`."""
        return ArmAnswers(
            self.name,
            self.results,
            self.templates,
            self.scores[:, :, places],
            self.answers[:, :, places],
            self.completions[:, :, places],
            self.prompts[:, :, places],
            self.parsed[:, :, places],
            self.cut[:, :, places],
            None if self.logprobs is None else self.logprobs[:, :, places],
        )


@dataclass(frozen=True)
class ArmComparison:
    """An arm on one task with the untuned arms of its model, on the samples that all of them answered."""

    card: TaskCard
    samples: tuple[AskedSample, ...]
    arms: tuple[ArmAnswers, ...]
    """Zero-shot, few-shot, tuned, as far as there are any; the last one is judged."""

    @property
    def judged(self) -> ArmAnswers:
        """The arm that is analysed."""
        return self.arms[-1]

    @cached_property
    def reference(self) -> ArmAnswers | None:
        """What gains are measured against: the untuned arm that scores higher; None where there is none."""
        return max(self.arms[:-1], key=lambda arm: float(arm.means.mean()), default=None)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Of the samples."""
        return tuple(sample.id for sample in self.samples)

    @cached_property
    def clusters(self) -> NDArray[np.int64] | None:
        """For each sample the number of its cluster; None where all stand alone."""
        return cluster_numbers([sample.cluster for sample in self.samples])

    @property
    def low(self) -> float:
        """The least that a sample can score, on the scale of its metric."""
        metric = self.card.metrics[self.card.primary_metric]
        return (metric.low or 0.0) if metric.scale.is_share else 0.0

    @cached_property
    def right(self) -> tuple[Flags, ...]:
        """Of each arm, which answers are right (S × T × n): by a right-or-wrong metric, or else because they
        are a target."""
        return tuple(self._right(arm) for arm in self.arms)

    def _right(self, arm: ArmAnswers) -> Flags:
        if self.card.binary:
            return np.asarray(arm.scores == 1)
        accepted = [{target.strip() for target in sample.targets} for sample in self.samples]
        right = np.zeros(arm.answers.shape, dtype=np.bool_)
        for at in np.ndindex(arm.answers.shape):
            answer: str | None = arm.answers.item(at)
            right[at] = answer is not None and answer.strip() in accepted[at[2]]
        return right

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The distinct targets that recur, in the order of the choices or of the alphabet; empty where
        targets are no labels."""
        targets = [sample.targets[0].strip() for sample in self.samples if sample.targets]
        distinct = set(targets)
        has_few_labels = len(distinct) <= MOST_LABELS or bool(self.samples[0].choices)
        if (
            self.card.output == "perplexity"
            or not has_few_labels
            or not 1 < len(distinct) <= len(targets) / 2
        ):
            return ()
        choices = [choice.strip() for choice in self.samples[0].choices]
        if distinct <= set(choices):
            return tuple(dict.fromkeys(choices))
        return tuple(sorted(distinct))


MOST_LABELS = 24
"""Distinct targets up to which a task of written answers has labels."""


def compare(
    results: Path,
    arms: Sequence[Sequence[Result]],
    *,
    fields: Mapping[str, Mapping[str, str]] | None = None,
) -> ArmComparison:
    """Read the answers of arms on one task, each of them all seeds; the last one is judged.

    `fields`: those of its samples, by id. Raises `UserError` where predictions cannot be read, or where no
    sample was answered by every arm in every seed and wording.
    """
    read = [_read_arm(results, of_arm) for of_arm in arms]
    samples = read[-1].samples
    shared = [name for name in samples if all(name in read_arm.places for read_arm in read)]
    tables = [
        read_arm.answers.of(np.array([read_arm.places[name] for name in shared], dtype=np.int64))
        for read_arm in read
    ]
    complete = np.ones(len(shared), dtype=np.bool_)
    for table in tables:
        complete &= np.isfinite(table.scores).all(axis=(0, 1))
    complete_places = np.flatnonzero(complete)
    if not len(complete_places):
        raise UserError(
            f"{arms[-1][0].run.label_without_seed}: no sample was scored by every arm in every seed and "
            "wording"
        )
    asked_samples = [_with_fields(samples[shared[place]], fields or {}) for place in complete_places.tolist()]
    return ArmComparison(
        arms[-1][0].task, tuple(asked_samples), tuple(table.of(complete_places) for table in tables)
    )


def _with_fields(sample: AskedSample, fields: Mapping[str, Mapping[str, str]]) -> AskedSample:
    sample_fields = fields.get(sample.id, {})
    return AskedSample(
        sample.id,
        sample.targets,
        sample.choices,
        sample.metadata,
        sample.cluster,
        sample.overlap,
        sample_fields,
    )


@dataclass(frozen=True)
class _ReadArm:
    """An arm as its files have it."""

    answers: ArmAnswers
    samples: dict[str, AskedSample]
    places: dict[str, int]


def _read_arm(results: Path, of_arm: Sequence[Result]) -> _ReadArm:
    ordered = sorted(of_arm, key=lambda result: result.run.seed)
    tables = [_read(results, result) for result in ordered]
    samples: dict[str, AskedSample] = {}
    for columns in tables:
        for row, name in enumerate(columns["sample_id"]):
            if name not in samples:
                samples[name] = _asked(columns, row)
    places = {name: place for place, name in enumerate(samples)}
    templates = ordered[0].run.templates
    shape = len(tables), len(templates), len(places)
    card = ordered[0].task
    metric = card.metrics[card.primary_metric]
    filled = _Filled(shape, places, templates, f"score_{card.primary_metric}")
    for seed, columns in enumerate(tables):
        filled.take(seed, columns)
    answers = ArmAnswers(
        ordered[0].run.candidate.method, tuple(ordered), templates, filled.scores(metric.scale),
        filled.answers, filled.completions, filled.prompts, filled.parsed, filled.cut, filled.logprobs(),
    )  # fmt: skip
    return _ReadArm(answers, samples, places)


def _read(results: Path, result: Result) -> Columns:
    """The predictions of a run. Columns that older ones lack hold None. Raises `UserError`."""
    run: Run = result.run
    try:
        table = read_prediction_table(results, run)
        changed = why_changed(results, result)
    except UNREADABLE as error:
        raise UserError(f"{run.label}: its predictions cannot be read: {error}") from None
    if changed:
        raise UserError(f"{run.label}: its predictions do not fit its result: {changed}")
    columns = {name: table[name].to_pylist() for name in table.column_names}
    nothing = [None] * table.num_rows
    score = f"score_{result.task.primary_metric}"
    for name in (*_READ, score):
        columns.setdefault(name, nothing)
    return columns


_READ = (
    "sample_id", "template", "draw", "prompt", "target", "choices", "metadata", "cluster", "overlap",
    "completion", "answer", "parsed", "finish_reason", "choice_logprobs", "thought", "thought_tokens",
    "completion_tokens", "error",
)  # fmt: skip


def _asked(columns: Columns, row: int) -> AskedSample:
    target, metadata = columns["target"][row], columns["metadata"][row]
    return AskedSample(
        columns["sample_id"][row],
        (target,) if isinstance(target, str) else tuple(target or ()),
        tuple(columns["choices"][row] or ()),
        {name: str(text) for name, text in json.loads(metadata or "{}").items()},
        columns["cluster"][row] or "",
        bool(columns["overlap"][row]),
    )


class _Filled:
    """The arrays of an arm, filled row by row."""

    def __init__(
        self, shape: tuple[int, int, int], places: Mapping[str, int], templates: Sequence[str], score: str
    ) -> None:
        self._places, self._templates, self._score = (
            places,
            {name: n for n, name in enumerate(templates)},
            score,
        )
        self._sums, self._draws = np.zeros(shape), np.zeros(shape)
        self.answers, self.completions = np.full(shape, None, object), np.full(shape, None, object)
        self.prompts, self.parsed = np.full(shape, None, object), np.full(shape, None, object)
        self.cut = np.zeros(shape, dtype=np.bool_)
        self._logprobs = np.full(shape, None, object)

    def take(self, seed: int, columns: Columns) -> None:
        """Take the rows of one seed."""
        for row, (name, template) in enumerate(zip(columns["sample_id"], columns["template"], strict=True)):
            if template not in self._templates:
                continue
            at = seed, self._templates[template], self._places[name]
            score = columns[self._score][row]
            self._sums[at] += np.nan if score is None else score
            self._draws[at] += 1
            if columns["draw"][row]:
                continue
            self.answers[at] = columns["answer"][row]
            self.completions[at] = columns["completion"][row]
            self.prompts[at] = columns["prompt"][row]
            self.parsed[at] = columns["parsed"][row]
            self.cut[at] = _is_cut(columns, row)
            self._logprobs[at] = columns["choice_logprobs"][row]

    def scores(self, scale: Scale) -> FloatArray:
        """The mean over draws, as boards compare it; NaN without any."""
        means = np.where(self._draws > 0, self._sums / np.maximum(self._draws, 1), np.nan)
        return means if scale.is_share else (means - scale.worst) / (scale.best - scale.worst)

    def logprobs(self) -> FloatArray | None:
        """As numbers, where every answer has as many; NaN where there is no answer."""
        lists = self._logprobs.ravel().tolist()
        lengths = {len(logprobs) for logprobs in lists if logprobs is not None}
        if len(lengths) != 1 or lengths <= {0, 1}:
            return None
        nothing = [np.nan] * lengths.pop()
        table = np.array([nothing if logprobs is None else logprobs for logprobs in lists], dtype=np.float64)
        return table.reshape((*self._logprobs.shape, len(nothing)))


def _is_cut(columns: Columns, row: int) -> bool:
    if columns["finish_reason"][row] == "length":
        return True
    thought = columns["thought"][row]
    return thought is not None and columns["thought_tokens"][row] == columns["completion_tokens"][row]
