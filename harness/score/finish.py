"""Judge a run's answers and write its result; the `result.json` comes last and means that the run is
finished."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.dataset import training_subset
from harness.data.loaded import LoadedTask
from harness.data.overlap import Overlap, find_overlap
from harness.errors import UserError
from harness.records.generation import GenerationRecord
from harness.records.predictions import PREDICTIONS, EngineAnswer
from harness.records.provenance import provenance
from harness.records.result import FAILURE, RESULT, SCHEMA_VERSION, Cost, Result
from harness.records.scores import OverlapRecord, TaskCard
from harness.records.store import atomic_write, use_of_failed_starts, write_record
from harness.records.training import Selection, TrainingRecord
from harness.score.card import task_card
from harness.score.judging import Scored, collect, score_predictions
from harness.sweep.run import Run

ONE_ANSWER = 0.95
"""Share of the samples with the same answer from which a model has collapsed, if it also scores no better
than chance."""


class TaskFacts:
    """What takes a look at every sample of a task, found once a sweep."""

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
        """Between what a run is trained on, or could be, and what it is tested on; the same for all seeds and
        models."""
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
) -> Result:
    """Write the result of a run that an engine gave these answers. Raises `UserError` when no sample could be
    scored."""
    loaded = facts.tasks[run.task]
    card, overlap = facts.card(run.task), facts.overlap(run)
    started = time.monotonic()
    test = loaded.dataset.test[: run.limit]
    scored = score_predictions(loaded.task, collect(test, answers, overlapping=overlap.ids))
    if not scored.metrics:
        where = "" if len(run.templates) == 1 else " in every template"
        error = next(prediction.error for prediction in scored.predictions if prediction.error is not None)
        raise UserError(f"none of {len(test)} samples could be scored{where}; the first error: {error}")
    target = results / run.folder
    with atomic_write(target / PREDICTIONS, "wb") as file:
        scored.table().to_parquet(file, index=False)
    with atomic_write(target / "inputs.txt") as file:
        shown = [f"=== {row.sample_id}\n{row.prompt}" for row in scored.predictions[:3]]
        file.write("\n\n".join(shown) + "\n")
    result = Result(
        schema_version=SCHEMA_VERSION,
        key=run.key,
        run=run,
        task=card,
        metrics=scored.metrics,
        by_template=scored.by_template,
        parsed=scored.parsed,
        overlap=OverlapRecord(
            exact=len(overlap.exact),
            near=len(overlap.near),
            samples=len(test),
            method=overlap.method,
            clean=scored.clean,
        ),
        samples=scored.samples,
        trainings=tuple(trainings),
        selection=selection,
        # A guard task was not taught: what its answers lack is told by the base's.
        collapsed=collapse(scored, card) if trainings and run.guard is None else "",
        failed_before=use_of_failed_starts(results, run),
        generation=generation,
        cost=cost(trainings, generation, score_seconds=time.monotonic() - started),
        provenance=provenance(generation),
    )
    write_record(target / RESULT, result)
    (target / FAILURE).unlink(missing_ok=True)
    return result


def collapse(scored: Scored, card: TaskCard) -> str:
    """Why a tuned model's answers say nothing of the task; empty when they do."""
    answers = [row.answer for row in scored.predictions if row.answer is not None]
    metric = card.metrics[card.primary_metric]
    targets = {tuple(row.target) for row in scored.predictions}
    if not answers or not metric.higher_is_better or len(targets) < 2 or card.output == "perplexity":
        return ""
    answer, count = Counter(answers).most_common(1)[0]
    level = max(card.chance, metric.majority or 0.0)
    value = scored.metrics[card.primary_metric].value
    if count < ONE_ANSWER * len(answers) or value > level:
        return ""
    shown = answer if len(answer) <= 40 else f"{answer[:40]}…"
    return (
        f"{count} of {len(answers)} answers are {shown!r}, and the score of {value:.3f} is not above what chance or the "
        f"most frequent answer gets ({level:.3f}): the training has collapsed, or taught nothing yet"
    )


def cost(trainings: Sequence[TrainingRecord], generation: GenerationRecord, *, score_seconds: float) -> Cost:
    """What a run took, all stages of its training and what was thrown away among them."""
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
    energies = [generation.energy_joules, *(training.energy_joules for training in trainings)]
    return Cost(
        device=generation.device,
        num_devices=generation.num_devices,
        seconds=seconds,
        train_tokens=sum(training.tokens for training in trainings),
        prompt_tokens=generation.prompt_tokens,
        completion_tokens=generation.completion_tokens,
        requests=generation.requests,
        requests_per_second=generation.requests / generation.generate_seconds,
        train_flops=sum(training.flops for training in trainings),
        generate_flops=generation.flops,
        peak_memory_bytes=peak,
        energy_joules=None if None in energies else sum(energy for energy in energies if energy is not None),
    )
