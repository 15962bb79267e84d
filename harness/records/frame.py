"""All results of a folder as one table."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.records.result import Result
from harness.records.scores import MetricValue
from harness.records.store import read_results

if TYPE_CHECKING:
    import pandas


def load_results(path: str | Path) -> "pandas.DataFrame":
    """All results below a folder as one table, a row per run and metric.

    Columns: key, task, task_version, candidate, model, revision, method, seed, n_train, guard (whether the
    run is one on a guard task), after (the task that its weights were tuned for, if so), templates, metric,
    primary, value, stderr, low, high, n, total, failed, overlap (share of test samples in the training rows),
    cut (samples whose answer was cut; None in older results), then the costs (`train_seconds`,
    `generate_seconds`, `train_tokens`, `prompt_tokens`, `completion_tokens`, `thought_tokens`,
    `requests_per_second`, `train_flops`, `generate_flops`, `energy_joules`, `device`). Raises `UserError`
    when the folder does not exist.
    """
    import pandas

    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"results folder {folder} does not exist; `gainboard run SWEEP` makes one")
    rows = []
    for result in read_results(folder):
        for name, value in sorted(result.metrics.items()):
            rows.append(_row(result, name, value))
    return pandas.DataFrame(rows)


def _row(result: Result, metric: str, value: MetricValue) -> dict[str, Any]:
    run, cost = result.run, result.cost
    return {
        "key": result.key,
        "task": run.task,
        "task_version": run.task_version,
        "candidate": run.candidate.name,
        "model": run.candidate.model,
        "revision": run.candidate.revision,
        "method": run.candidate.method,
        "seed": run.seed,
        "n_train": run.n_train,
        "guard": run.guard is not None,
        "after": run.guard.after.task if run.guard and run.guard.after else None,
        "templates": ", ".join(run.templates),
        "metric": metric,
        "primary": metric == result.task.primary_metric,
        "value": value.value,
        "stderr": value.stderr,
        "low": value.low,
        "high": value.high,
        "n": value.n,
        "total": result.samples.total,
        "failed": result.samples.failed,
        "overlap": result.overlap.share,
        "cut": result.samples.cut,
        "train_seconds": cost.seconds.get("train", 0.0),
        "generate_seconds": cost.seconds.get("generate"),
        "train_tokens": cost.train_tokens,
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "thought_tokens": cost.thought_tokens,
        "requests_per_second": cost.requests_per_second,
        "train_flops": cost.train_flops,
        "generate_flops": cost.generate_flops,
        "energy_joules": cost.energy_joules,
        "device": cost.device,
    }
