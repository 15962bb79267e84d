"""Judge a run's answers and write its result: `result.json` comes last, so its existence means that the run
is finished."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.counts import count_of
from harness.data.dataset import training_subset
from harness.data.loaded import LoadedTask
from harness.data.overlap import Overlap, find_overlap
from harness.errors import UserError
from harness.plan.runs import finished
from harness.records.binding import digest_of
from harness.records.costs import total_energy
from harness.records.generation import GenerationRecord
from harness.records.predictions import PREDICTIONS, EngineAnswer
from harness.records.preflight import PreflightFinding
from harness.records.provenance import provenance
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Cost, PredictionsFile, Result
from harness.records.scores import OverlapRecord, TaskCard
from harness.records.store import atomic_write, use_of_failed_starts, write_record
from harness.records.training import Selection, TrainingRecord
from harness.records.writing import one_writer
from harness.score.card import task_card
from harness.score.judging import Scored, collect, score_predictions
from harness.sweep.run import Run

COLLAPSED_FROM = 0.95
"""Share of the samples with the same answer from which a model has collapsed, if it also scores no better
than chance."""

INPUTS_SHOWN = 3
"""Prompts in `inputs.txt`, for people to see what the model was given."""


class TaskFacts:
    """What takes a look at every sample of a task: made once per sweep, when it is first needed."""

    def __init__(self, tasks: Mapping[str, LoadedTask]) -> None:
        self.tasks = tasks
        self._cards: dict[str, TaskCard] = {}
        self._overlaps: dict[tuple[str, int | None, int | None], Overlap] = {}

    def card(self, task: str) -> TaskCard:
        """What results say of the task."""
        if task not in self._cards:
            self._cards[task] = task_card(self.tasks[task])
        return self._cards[task]

    def overlap(self, run: Run) -> Overlap:
        """Between what a run is trained on, or could be, and what it is tested on. All seeds and models share
        it."""
        key = (run.task, run.n_train, run.limit)
        if key not in self._overlaps:
            dataset = self.tasks[run.task].dataset
            trained_on = training_subset(dataset.train, run.n_train)
            self._overlaps[key] = find_overlap(trained_on, dataset.test[: run.limit])
        return self._overlaps[key]


def finish(
    run: Run,
    answers: Sequence[EngineAnswer],
    facts: TaskFacts,
    *,
    results: Path,
    trainings: Sequence[TrainingRecord],
    generation: GenerationRecord,
    selection: Selection | None = None,
    preflight: Sequence[PreflightFinding] = (),
) -> Result | None:
    """Write the result of a run that an engine gave these answers; None where another sweep has finished the
    run meanwhile, whose result is kept.

    Raises `UserError` when no sample could be scored, and when the result
    of another configuration lies there.
    """
    card, overlap = facts.card(run.task), facts.overlap(run)
    loaded = facts.tasks[run.task]
    test = loaded.dataset.test[: run.limit]
    started = time.monotonic()
    predictions = collect(test, answers, overlapping=overlap.ids)
    scored = score_predictions(loaded.task, predictions, thought_marks=run.candidate.thought_marks)
    if not scored.metrics:
        raise UserError(_why_unscored(run, scored, len(test)))
    folder = results / run.folder
    with one_writer(folder):
        if finished(results, run) is not None:
            return None
        written = write_predictions(folder / PREDICTIONS, scored)
        _write_inputs(folder, scored)
        result = Result(
            schema_version=SCHEMA_VERSION,
            key=run.key,
            run=run,
            task=card,
            metrics=scored.metrics,
            by_template=scored.by_template,
            parsed=scored.parsed,
            overlap=_overlap_record(overlap, scored, len(test)),
            samples=scored.samples,
            lost=scored.lost,
            trainings=tuple(trainings),
            selection=selection,
            # Nobody taught the model a guard task: what its answers lack there, the base's answers tell.
            collapsed=collapse(scored, card) if trainings and run.guard is None else "",
            failed_before=use_of_failed_starts(results, run),
            preflight=tuple(preflight),
            generation=generation,
            cost=cost(trainings, generation, score_seconds=time.monotonic() - started),
            provenance=provenance(generation),
            predictions=written,
        )
        # The predictions that it names lie there already: stopped before, the run is not finished.
        write_record(folder / RESULT, result)
        (folder / FAILURE).unlink(missing_ok=True)
    return result


def _overlap_record(overlap: Overlap, scored: Scored, samples: int) -> OverlapRecord:
    return OverlapRecord(
        exact=len(overlap.exact),
        near=len(overlap.near),
        samples=samples,
        method=overlap.method,
        clean=scored.clean,
    )


def _why_unscored(run: Run, scored: Scored, samples: int) -> str:
    errors = (prediction.error for prediction in scored.predictions if prediction.error is not None)
    templates = "" if len(run.templates) == 1 else " in every template"
    return (
        f"none of {count_of(samples, 'sample')} could be scored{templates}; the first error: {next(errors)}"
    )


def write_predictions(path: Path, scored: Scored) -> PredictionsFile:
    """Write a run's predictions, and say what its result is to name them by."""
    with atomic_write(path, "wb") as file:
        scored.table().to_parquet(file, index=False)
    return PredictionsFile(rows=len(scored.predictions), sha256=digest_of(path, inside=path.parent))


def _write_inputs(folder: Path, scored: Scored) -> None:
    prompts = [
        f"=== {prediction.sample_id}\n{prediction.prompt}" for prediction in scored.predictions[:INPUTS_SHOWN]
    ]
    with atomic_write(folder / "inputs.txt") as file:
        file.write("\n\n".join(prompts) + "\n")


def collapse(scored: Scored, card: TaskCard) -> str:
    """Why a tuned model's answers say nothing of the task: nearly all are the same, and score no better than
    guessing; empty when they do say something."""
    answers = [
        prediction.answer
        for prediction in scored.predictions
        # Thoughts without end leave the same empty answer for another reason.
        if prediction.answer is not None and not prediction.only_thinks
    ]
    targets = {tuple(prediction.target) for prediction in scored.predictions}
    metric = card.metrics[card.primary_metric]
    if not answers or metric.high is None or len(targets) < 2 or card.output == "perplexity":
        return ""
    answer, count = Counter(answers).most_common(1)[0]
    guessing = metric.scale.value(metric.level(card.chance))
    value = scored.metrics[card.primary_metric].value
    if count < COLLAPSED_FROM * len(answers) or metric.scale.share(value) > metric.scale.share(guessing):
        return ""
    shortened = answer if len(answer) <= 40 else f"{answer[:40]}…"
    return (
        f"{count} of {len(answers)} answers are {shortened!r}, and the score of {value:.3f} is not "
        f"{'above' if metric.higher_is_better else 'below'} "
        f"what chance or the most frequent answer gets ({guessing:.3f}): "
        "the training has collapsed, or taught nothing yet"
    )


def cost(trainings: Sequence[TrainingRecord], generation: GenerationRecord, *, score_seconds: float) -> Cost:
    """What a run took, with all stages of its training and what these discarded."""
    seconds = {
        "engine_startup": generation.startup_seconds,
        "swap": generation.swap_seconds,
        "guard": generation.guard_seconds,
        "generate": generation.generate_seconds,
        "score": score_seconds,
    }
    peak = {"generate": generation.peak_memory_bytes}
    if trainings:
        seconds["train_startup"] = sum(
            training.startup_seconds + training.load_seconds for training in trainings
        )
        seconds["train"] = sum(training.train_seconds for training in trainings)
        seconds["discarded"] = sum(training.discarded.seconds for training in trainings)
        peak["train"] = max(training.peak_memory_bytes for training in trainings)
    return Cost(
        device=generation.device,
        num_devices=generation.num_devices,
        seconds=seconds,
        train_tokens=sum(training.tokens for training in trainings),
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.completion_tokens,
        thought_tokens=generation.thought_tokens,
        requests=generation.requests,
        requests_per_second=generation.requests / generation.generate_seconds,
        train_flops=sum(training.flops for training in trainings),
        generate_flops=generation.flops,
        peak_memory_bytes=peak,
        energy_joules=total_energy(
            [generation.energy_joules, *(training.energy_joules for training in trainings)]
        ),
    )
