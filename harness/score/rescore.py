"""Judge saved predictions again, after a metric or an answer extractor changed: no model, no new
generation."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.plugins.registry import Plugin, load_task
from harness.records.predictions import PREDICTIONS, UNREADABLE, load_predictions
from harness.records.result import RESULT, Result
from harness.records.scores import MetricCard, TaskCard
from harness.records.store import atomic_write, read_results, write_record
from harness.score.card import metric_card
from harness.score.finish import collapse
from harness.score.judging import cluster_of, metrics_of, score_predictions
from harness.sweep.run import Run
from harness.task import Metric, Task


@dataclass
class Rescored:
    """What happened to each result."""

    lines: list[str] = field(default_factory=list)
    skipped: int = 0


def rescore(results: Path, plugins: Mapping[str, Plugin]) -> Rescored:
    """Recompute answers and metrics of every result from its predictions, with the tasks as they are now.

    Predictions without clusters get those of the task's samples, where its data is at hand and the same as
    then. A result whose task is gone, broken or of another version is named and left as it was. Raises
    `UserError` when there are no results.
    """
    found = read_results(results)
    if not found:
        raise UserError(f"{results} holds no results; `gainboard run SWEEP` makes some")
    outcome = Rescored()
    tasks: dict[str, Task | UserError] = {}
    clusters = _Clusters()
    for result in found:
        run = result.run
        if run.task not in tasks:
            tasks[run.task] = _load(run.task, plugins)
        task = tasks[run.task]
        if isinstance(task, Task) and task.version != run.task_version:
            task = UserError(
                f"it is of version {run.task_version} of the task, which is version {task.version} now"
            )
        if isinstance(task, UserError):
            outcome.skipped += 1
            outcome.lines.append(f"{run.label}: left as it was: {task}")
            continue
        try:
            outcome.lines.append(f"{run.label}: {_rescore(results, result, task, clusters)}")
        except (*UNREADABLE, UserError) as error:
            outcome.skipped += 1
            outcome.lines.append(f"{run.label}: left as it was: its predictions cannot be read: {error}")
    return outcome


def _load(name: str, plugins: Mapping[str, Plugin]) -> Task | UserError:
    """The task, or why there is none."""
    try:
        return load_task(name, plugins)
    except UserError as error:
        return error


class _Clusters:
    """The clusters of tasks' test samples, by sample id; of each task and drawn test set once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], tuple[str, dict[str, str]]] = {}
        """With the fingerprint of the data that they are of."""

    def of(self, task: Task, run: Run) -> dict[str, str]:
        """What is known of a run's samples: nothing, where the data is out of reach or has changed since."""
        key = (run.task, run.test_seed)
        if key not in self._known:
            try:
                dataset = load_dataset(task, test_seed=run.test_seed)
                self._known[key] = (
                    dataset.fingerprint,
                    {sample.id: cluster_of(sample) for sample in dataset.test},
                )
            except UserError:
                self._known[key] = "", {}
        fingerprint, clusters = self._known[key]
        return clusters if fingerprint == run.task_fingerprint else {}


def _rescore(results: Path, result: Result, task: Task, clusters: _Clusters) -> str:
    """Judge one result again, write it, and say how its primary metric changed."""
    run = result.run
    predictions = [prediction.unjudged() for prediction in load_predictions(results, run)]
    if not any(prediction.cluster for prediction in predictions):  # scored before its task named any
        named = clusters.of(task, run)
        predictions = [
            replace(prediction, cluster=named.get(prediction.sample_id, "")) for prediction in predictions
        ]
    scored = score_predictions(task, predictions)
    if not scored.metrics:
        return f"left as it was: none of {scored.samples.total} samples could be scored in every template"
    primary = task.primary_metric
    metrics = {metric.name: metric for metric in metrics_of(task)}
    card = replace(
        result.task,
        primary_metric=primary,
        binary=metrics[primary].binary,
        chance=task.chance,
        metrics={name: _metric_card(metric, result.task) for name, metric in metrics.items()},
    )
    with atomic_write(results / run.folder / PREDICTIONS, "wb") as file:
        scored.table().to_parquet(file, index=False)
    update = {
        "metrics": scored.metrics,
        "by_template": scored.by_template,
        "parsed": scored.parsed,
        "overlap": replace(result.overlap, clean=scored.clean),
        "samples": scored.samples,
        "collapsed": collapse(scored, card) if result.trainings and run.guard is None else "",
        "task": card,
    }
    write_record(results / run.folder / RESULT, result.model_copy(update=update))
    before = result.metrics[result.task.primary_metric].value
    return f"{primary} {before:.4f} → {scored.metrics[primary].value:.4f}"


def _metric_card(metric: Metric, card: TaskCard) -> MetricCard:
    """The metric as it is now, with the levels measured then: they take the task's data, which may be out of
    reach."""
    known = card.metrics.get(metric.name)
    return metric_card(
        metric, chance=known.chance if known else None, majority=known.majority if known else None
    )
