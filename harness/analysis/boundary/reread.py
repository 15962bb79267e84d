"""An arm read anew with its weights: which samples it is given, and what is taken from each."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.analysis.arms import ArmAnswers, ArmComparison
from harness.analysis.boundary.edits import Edit, EditKind, edits_of
from harness.analysis.boundary.margins import REACH, WeighedSample
from harness.analysis.passes import Inspector, PassOutput, PassRequest
from harness.data.dataset import balanced_order
from harness.data.loaded import LoadedTask
from harness.records.analysis.passes import PassRecord
from harness.statistics import FloatArray
from harness.sweep.run import Run
from harness.task import Sample
from harness.workers.worker import Message

MOST_LABELS = 100
"""Distinct targets up to which the labels of written answers are weighed as choices."""

MOST_WORDINGS = 3
"""Other wordings that samples are asked in."""

CHECKED = 20
"""Samples whose choices are weighed although predictions have done so: to see that weights are those that
were scored."""

LEAST_NEAR, MOST_NEAR = 8, 16
"""Samples near the boundary that are edited: those within reach, but no fewer and no more than these."""


@dataclass(frozen=True)
class Changed:
    """The answer to an edited sample, beside that to the sample as it is."""

    sample: str
    kind: EditKind
    what: str
    target: str
    before: str
    after: str


@dataclass(frozen=True)
class RereadArm:
    """What an arm's weights make of the samples that were drawn."""

    name: str
    weighed: tuple[WeighedSample, ...]
    """Test samples in the first wording, as predictions weigh them or else as they were read anew; those that
    could not be read are left out."""

    states: FloatArray | None
    """Their hidden states, (n × dimensions); None where the model has none."""

    train_states: FloatArray | None
    train_targets: tuple[str, ...]
    changed: tuple[Changed, ...]
    """Every edit that was asked, whether it changes the answer or not."""

    edited: int
    """Samples of which fields were edited."""

    passes: tuple[PassRecord, ...]
    anew: tuple[WeighedSample, ...] = ()
    """Those whose choices were weighed anew: all, or of those with saved log-probabilities the first few."""


@dataclass(frozen=True)
class WeighedTask:
    """The samples that a pass reads, and the choices that are weighed after them."""

    loaded: LoadedTask
    labels: tuple[str, ...]
    """Those of every sample alike; empty where each has choices of its own."""

    tested: tuple[Sample, ...]
    trained: tuple[Sample, ...]
    template: str

    def choices(self, sample: Sample) -> tuple[str, ...]:
        """What is weighed after a sample."""
        return self.labels or sample.choices


def weighed_task(
    comparison: ArmComparison, inspector: Inspector, loaded: LoadedTask | None
) -> WeighedTask | None:
    """The samples to be read; None of a task that is not at hand, or whose answers are no choices."""
    if loaded is None or comparison.card.output == "perplexity":
        return None
    test = {sample.id: sample for sample in loaded.dataset.test}
    asked = [test[name] for name in comparison.ids if name in test]
    if not asked or not has_choices(loaded):
        return None
    settings = inspector.settings
    places = range(len(asked))
    drawn = sorted(random.Random(settings.seed).sample(places, min(len(asked), settings.samples)))
    return WeighedTask(
        loaded=loaded,
        labels=labels_of(loaded),
        tested=tuple(asked[place] for place in drawn),
        trained=tuple(balanced_order(loaded.dataset.originals)[: max(1, settings.samples // 2)]),
        template=comparison.judged.templates[0],
    )


def has_choices(loaded: LoadedTask) -> bool:
    """Whether answers to the task are choices, or few enough labels to be weighed as such."""
    if loaded.task.output == "perplexity":
        return False
    return bool(labels_of(loaded)) or all(len(sample.choices) > 1 for sample in loaded.dataset.test)


def labels_of(loaded: LoadedTask) -> tuple[str, ...]:
    """The choices that all test samples share; of written answers that are held to none, the targets, if few
    of them recur. Empty where neither is."""
    test = loaded.dataset.test
    choices = {sample.choices for sample in test}
    if len(choices) == 1 and len(next(iter(choices))) > 1:
        return tuple(dict.fromkeys(next(iter(choices))))
    if loaded.task.output != "generate" or any(choices):
        return ()
    targets = Counter(sample.targets[0] for sample in (*test, *loaded.dataset.originals))
    few = 1 < len(targets) <= MOST_LABELS and len(targets) <= targets.total() / 2
    return tuple(sorted(targets)) if few and all(name.strip() for name in targets) else ()


@dataclass
class _Rows:
    """The prompts of one pass, and what each was put for."""

    rows: list[Message] = field(default_factory=list)
    edits: list[tuple[int, Edit]] = field(default_factory=list)
    """(row, edit) of those that are edited."""


class Rereader:
    """Reads arms of one task."""

    def __init__(self, task: WeighedTask, inspector: Inspector) -> None:
        self._task, self._inspector = task, inspector

    def read(self, arm: ArmAnswers, saved: Mapping[str, WeighedSample], *, judged: bool) -> RereadArm:
        """Read an arm with the weights of its first seed. Raises `UserError` where that fails.

        `saved`: samples whose choices its predictions weigh, by id. Of the judged arm, samples near the
        boundary are edited, too.
        """
        run, task = arm.results[0].run, self._task
        first = self._first(run, saved, reworded=len(arm.templates) == 1)
        output = self._inspector.read(self._request(run, first.rows))
        n = len(task.tested)
        readable = {row for row in range(n + len(task.trained)) if output.array(row, "hidden") is not None}
        anew = [self._weighed(output, row, sample) for row, sample in enumerate(task.tested)]
        weighed = {
            row: sample
            for row, read in enumerate(anew)
            if (sample := saved.get(task.tested[row].id, read)) is not None
            and (row in readable or not readable)
        }
        by_id = {sample.id: sample for sample in weighed.values()}
        passes, changed, edited = [output.record], list(self._changed(output, first, by_id)), 0
        if judged:
            near = self._near(by_id)
            second = self._edited(run, near)
            if second.rows:
                answers = self._inspector.read(self._request(run, second.rows))
                passes.append(answers.record)
                changed += self._changed(answers, second, by_id)
                edited = len(near)
        train_rows = sorted(row for row in readable if row >= n)
        return RereadArm(
            name=arm.name,
            weighed=tuple(by_id.values()),
            states=_states(output, list(weighed)),
            train_states=_states(output, train_rows),
            train_targets=tuple(task.trained[row - n].targets[0] for row in train_rows),
            changed=tuple(changed),
            edited=edited,
            passes=tuple(passes),
            anew=tuple(sample for sample in anew if sample is not None),
        )

    def _request(self, run: Run, rows: Sequence[Message]) -> PassRequest:
        return PassRequest(run, self._task.loaded.task, rows, "boundary")

    def _rendered(self, run: Run, samples: Sequence[Sample], template: str) -> Iterator[Message]:
        return self._task.loaded.prompt_rows(
            samples,
            (template,),
            num_fewshot=run.num_fewshot,
            demonstrations=run.demonstrations,
            seed=run.seed,
        )

    def _first(self, run: Run, saved: Mapping[str, WeighedSample], *, reworded: bool) -> _Rows:
        """Test samples, training samples, and, where predictions have one wording alone, some test samples in
        others."""
        task = self._task
        tested = [
            replace(sample, choices=task.choices(sample) if place < CHECKED or sample.id not in saved else ())
            for place, sample in enumerate(task.tested)
        ]
        # Of training samples the states alone are wanted.
        trained = [replace(sample, choices=()) for sample in task.trained]
        put = _Rows(
            [*self._rendered(run, tested, task.template), *self._rendered(run, trained, task.template)]
        )
        others = [name for name in task.loaded.task.prompts.templates if name != task.template]
        if reworded and others and task.loaded.task.prompts.render is None:
            others = others[:MOST_WORDINGS]
            some = [
                replace(sample, choices=task.choices(sample))
                for sample in task.tested[: max(1, len(tested) // len(others))]
            ]
            for name in others:
                for sample, row in zip(some, self._rendered(run, some, name), strict=True):
                    put.edits.append((len(put.rows), Edit("wording", name, sample, name)))
                    put.rows.append(row)
        return put

    def _near(self, by_id: dict[str, WeighedSample]) -> list[Sample]:
        """The test samples nearest to the boundary."""
        margins = sorted(
            (abs(margin), name) for name, sample in by_id.items() if (margin := sample.margin) is not None
        )
        within = sum(margin < REACH for margin, _ in margins)
        names = {name for _, name in margins[: min(MOST_NEAR, max(LEAST_NEAR, within))]}
        return [sample for sample in self._task.tested if sample.id in names]

    def _edited(self, run: Run, near: Sequence[Sample]) -> _Rows:
        put, task, settings = _Rows(), self._task, self._inspector.settings
        for sample in near:
            edits = edits_of(
                replace(sample, choices=task.choices(sample)),
                task.loaded.task.prompts,
                task.template,
                task.loaded.dataset.originals,
                most=max(1, settings.samples // len(near)),
                seed=settings.seed,
            )
            (unedited,) = self._rendered(run, [sample], task.template)
            for edit in edits:
                (row,) = self._rendered(run, [edit.sample], task.template)
                if row["prompt"] != unedited["prompt"]:
                    put.edits.append((len(put.rows), edit))
                    put.rows.append(row)
        return put

    def _weighed(self, output: PassOutput, row: int, sample: Sample) -> WeighedSample | None:
        logprobs = output.array(row, "logprobs")
        if logprobs is None or not len(logprobs) or not np.isfinite(logprobs).all():
            return None
        choices = self._task.choices(sample)
        return weighed_sample(sample.id, sample.targets, choices, logprobs.tolist())

    def _changed(self, output: PassOutput, put: _Rows, by_id: dict[str, WeighedSample]) -> Iterator[Changed]:
        for row, edit in put.edits:
            after, before = self._weighed(output, row, edit.sample), by_id.get(edit.sample.id)
            if after is not None and before is not None:
                yield Changed(before.id, edit.kind, edit.what, before.target, before.answer, after.answer)


def weighed_sample(
    name: str, targets: Sequence[str], choices: Sequence[str], logprobs: Sequence[float]
) -> WeighedSample:
    """A sample with the places of its accepted choices."""
    accepted = {target.strip() for target in targets}
    right = tuple(place for place, choice in enumerate(choices) if choice.strip() in accepted)
    return WeighedSample(name, targets[0] if targets else "", right, tuple(choices), logprobs)


def _states(output: PassOutput, rows: Sequence[int]) -> FloatArray | None:
    """(rows × dimensions); None where some row has no state."""
    states = [output.array(row, "hidden") for row in rows]
    if not states or any(state is None or not np.isfinite(state).all() for state in states):
        return None
    return np.array(states, dtype=np.float64)
