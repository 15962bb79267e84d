"""Judge saved predictions again after a metric or an answer extractor changed, without a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.counts import agreeing, count_of
from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.plugins.registry import Plugin, load_task
from harness.records.binding import PENDING, put_in_place, settle, why_changed
from harness.records.predictions import UNREADABLE, Prediction, load_predictions
from harness.records.result import RESULT, Result
from harness.records.scores import MetricCard, MetricValue, TaskCard
from harness.records.store import read_record, read_results, write_record
from harness.records.writing import one_writer
from harness.score.card import metric_card
from harness.score.finish import collapse, write_predictions
from harness.score.judging import Scored, cluster_of, metrics_of, score_predictions
from harness.sweep.run import Run
from harness.task import Metric, Task


@dataclass
class Rescored:
    """What happened to the results of a folder."""

    lines: list[str] = field(default_factory=list)
    """A sentence for each result that changed or was left as it was."""

    unchanged: int = 0
    """Results that were judged again, and have the scores that they had."""

    skipped: int = 0
    """Results that were left as they were, because they could not be judged again."""

    def leave(self, run: Run, reason: str) -> None:
        """Leave a result as it was."""
        self.skipped += 1
        self.lines.append(f"{run.label}: left as it was: {reason}")


def rescore(results: Path, plugins: Mapping[str, Plugin]) -> Rescored:
    """Recompute answers and metrics of every result from its predictions, with the tasks as they are now.

    Predictions without clusters get those of the task's samples, if its data is at hand and has not changed.
    A result whose task is gone, broken or of another version is named and left as it was. Raises `UserError`
    when there are no results.
    """
    stored = read_results(results)
    if not stored:
        raise UserError(f"{results} holds no results; `gainboard run SWEEP` makes some")
    outcome = Rescored()
    tasks: dict[str, Task | UserError] = {}
    test_sets = _TestSets()
    for result in stored:
        run = result.run
        if run.task not in tasks:
            tasks[run.task] = _load(run.task, plugins)
        try:
            task = _of_version(tasks[run.task], run)
        except UserError as error:
            outcome.leave(run, str(error))
            continue
        try:
            change = _rescore(results, run, task, test_sets)
        except UserError as error:
            outcome.leave(run, str(error))
            continue
        except OSError as error:
            reason = (error.strerror or str(error)).removeprefix("cannot be written: ")
            outcome.leave(run, f"its new scores cannot be written: {reason}")
            continue
        if change:
            outcome.lines.append(f"{run.label}: {change}")
        else:
            outcome.unchanged += 1
    return outcome


def _load(name: str, plugins: Mapping[str, Plugin]) -> Task | UserError:
    """The task, or why there is none."""
    try:
        return load_task(name, plugins)
    except UserError as error:
        return error


def _of_version(task: Task | UserError, run: Run) -> Task:
    """The task that a run was of. Raises `UserError` where it cannot be loaded, or has another version
    now."""
    if isinstance(task, UserError):
        raise task
    if task.version != run.task_version:
        raise UserError(
            f"it is of version {run.task_version} of the task, which is version {task.version} now"
        )
    return task


class _TestSets:
    """The test samples of tasks; each test set is loaded once."""

    def __init__(self) -> None:
        self._by_test_set: dict[tuple[str, int | None], tuple[str, dict[str, str]]] = {}
        """By task and `test_seed`: the fingerprint of the data, and the clusters by sample id."""

    def clusters(self, task: Task, run: Run) -> dict[str, str]:
        """The cluster of each sample by its id; empty where the run's data is out of reach or has changed
        since."""
        key = (run.task, run.test_seed)
        if key not in self._by_test_set:
            try:
                dataset = load_dataset(task, test_seed=run.test_seed)
                clusters = {sample.id: cluster_of(sample) for sample in dataset.test}
                self._by_test_set[key] = dataset.fingerprint, clusters
            except UserError:
                self._by_test_set[key] = "", {}
        fingerprint, clusters = self._by_test_set[key]
        return clusters if fingerprint == run.task_fingerprint else {}


def _rescore(results: Path, run: Run, task: Task, test_sets: _TestSets) -> str:
    """Judge one result again, write it, and say how its primary metric changed; empty where no metric did.

    Raises `UserError` for predictions that cannot be read, that do not belong to their result, or of which no
    sample can be scored; `OSError` where nothing can be written.
    """
    folder = results / run.folder
    with one_writer(folder):
        result = read_record(folder / RESULT, Result, inside=results)  # as it is while nobody else writes
        settle(folder, result)
        try:
            predictions = _unjudged(results, result, task, test_sets)
            scored = score_predictions(task, predictions, thought_marks=run.candidate.thought_marks)
        except UNREADABLE as error:
            raise UserError(f"its predictions cannot be read: {error}") from None
        if not scored.metrics:
            raise UserError(
                f"none of {count_of(scored.samples.total, 'sample')} could be scored in every template"
            )
        # Wherever this is stopped, either both files are the former ones, or
        # `settle` knows what is to be done.
        written = write_predictions(folder / PENDING, scored)
        update = _changes(result, task, scored) | {"predictions": written}
        write_record(folder / RESULT, result.model_copy(update=update))
        put_in_place(folder)
    if _values(scored.metrics) == _values(result.metrics):
        return ""
    before = result.metrics[result.task.primary_metric].value
    return f"{task.primary_metric} {before:.4f} → {scored.metrics[task.primary_metric].value:.4f}"


def _unjudged(results: Path, result: Result, task: Task, test_sets: _TestSets) -> list[Prediction]:
    """A run's predictions as its engine left them. Raises `UserError` where they do not belong to the result,
    and one of `UNREADABLE`."""
    run = result.run
    predictions = [prediction.unjudged() for prediction in load_predictions(results, run)]
    changed = why_changed(results, result) or _why_not_of(result, predictions)
    if changed:
        raise UserError(f"its predictions do not fit its result: {changed}")
    if result.predictions is not None and any(prediction.cluster for prediction in predictions):
        return predictions
    clusters = test_sets.clusters(task, run)
    strangers = [prediction.sample_id for prediction in predictions if prediction.sample_id not in clusters]
    if clusters and strangers:
        raise UserError(
            f"its predictions do not fit its result: the task has no test sample '{strangers[0]}' "
            f"({len(strangers):,} in all are not among its samples)"
        )
    if any(prediction.cluster for prediction in predictions):
        return predictions
    # They were scored before their task named clusters, or it has none.
    return [replace(prediction, cluster=clusters.get(prediction.sample_id, "")) for prediction in predictions]


def _why_not_of(result: Result, predictions: Sequence[Prediction]) -> str | None:
    """Why predictions are not as many as those of a result."""
    answered = len({(prediction.sample_id, prediction.template) for prediction in predictions})
    if answered == result.samples.total:
        return None
    return (
        f"{count_of(answered, 'sample')} {agreeing('were', answered)} answered, and {RESULT} says "
        f"{result.samples.total:,}"
    )


def _changes(result: Result, task: Task, scored: Scored) -> dict[str, Any]:
    """The fields of a result that judging again changes."""
    primary = task.primary_metric
    metrics = {metric.name: metric for metric in metrics_of(task)}
    card = replace(
        result.task,
        primary_metric=primary,
        binary=metrics[primary].binary,
        chance=task.chance,
        metrics={name: _metric_card(metric, result.task) for name, metric in metrics.items()},
    )
    return {
        "metrics": scored.metrics,
        "by_template": scored.by_template,
        "parsed": scored.parsed,
        "overlap": replace(result.overlap, clean=scored.clean),
        "samples": scored.samples,
        "lost": scored.lost,
        "collapsed": collapse(scored, card) if result.trainings and result.run.guard is None else "",
        "task": card,
    }


def _values(metrics: Mapping[str, MetricValue]) -> dict[str, float]:
    return {name: metric.value for name, metric in metrics.items()}


def _metric_card(metric: Metric, card: TaskCard) -> MetricCard:
    """The metric as it is now, with the levels of chance and majority as they were measured then: measuring
    takes the task's data, which may be out of reach."""
    before = card.metrics.get(metric.name)
    return metric_card(
        metric, chance=before.chance if before else None, majority=before.majority if before else None
    )
