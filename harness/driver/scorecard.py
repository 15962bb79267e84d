"""Write the scores and gains of finished runs into the card beside their weights."""

from collections.abc import Sequence
from pathlib import Path

from harness.driver.outcome import SweepWork
from harness.errors import UserError
from harness.records.predictions import read_predictions
from harness.records.result import RESULT, Result
from harness.records.store import atomic_write, read_record
from harness.records.training import TrainingRecord
from harness.statistics import cluster_numbers, gain
from harness.sweep.model_files import TRAINING
from harness.sweep.run import Run
from harness.training.modelcard import Score, model_card
from harness.workers.jobs import FitJob

UNTUNED = ("zero_shot", "few_shot")


def write_cards(runs: Sequence[Run], sweep: SweepWork) -> None:
    """Beside all weights that the sweep has scored, what they scored and gained.

    `runs`: the whole sweep, for the untuned arms may have been scored by another worker, or on another day.
    """
    by_recipe: dict[str, list[Run]] = {}
    for run in sweep.outcome.finished:
        if run.recipe is not None and run.guard is None:
            by_recipe.setdefault(run.recipe.key, []).append(run)
    untuned = {
        _arm(run, run.candidate.method): run
        for run in runs
        if run.candidate.method in UNTUNED and run.guard is None
    }
    for tuned in by_recipe.values():
        recipe = tuned[0].recipe
        assert recipe is not None, "only tuned arms are among them"
        fit = sweep.shop.fit(recipe, tuned[0].label)
        try:
            finished = []
            for run in tuned:
                arms = [_arm(run, method) for method in UNTUNED]
                compared = [untuned[arm] for arm in arms if arm in untuned]
                finished += [(result, _results(compared, sweep)) for result in _results([run], sweep)]
            write_card(fit, finished, base=tuned[0].candidate.model, results=sweep.folders.results)
        except (UserError, OSError) as error:  # the results are there, and a card ends no sweep
            sweep.progress.note(f"the card of {fit.weights} could not be written: {error}")


def _arm(run: Run, method: str) -> tuple[str, str, str, int]:
    """What tells an arm of the run's candidate, on its task and with its seed, from all others."""
    return run.candidate.name, method, run.task, run.seed


def _results(runs: Sequence[Run], sweep: SweepWork) -> list[Result]:
    """Of those that are finished."""
    paths = [sweep.folders.results / run.folder / RESULT for run in runs]
    return [read_record(path, Result) for path in paths if path.exists()]


def write_card(
    fit: FitJob, finished: Sequence[tuple[Result, Sequence[Result]]], *, base: str, results: Path
) -> None:
    """Say what weights scored, and what they gained over untuned arms of the same model, task and seed.

    `finished`: results of these weights, each with those of its untuned arms. Weights that are not on this
    machine are left alone.
    """
    record = fit.weights / TRAINING
    if not record.exists() or not finished:
        return
    scores, gains = [], []
    for result, compared in finished:
        metric = result.task.primary_metric
        value = result.metrics[metric]
        scores.append(Score(result.run.task, metric, value.value, value.low, value.high, value.n))
        for untuned in compared:
            difference = _gain(result, untuned, results)
            if difference is not None:
                gains.append(difference)
    card = model_card(
        base,
        finished[0][0].run.candidate.revision,
        fit,
        read_record(record, TrainingRecord),
        scores=scores,
        gains=gains,
    )
    with atomic_write(fit.weights / "README.md") as file:
        file.write(card)


def _gain(tuned: Result, untuned: Result, results: Path) -> Score | None:
    """The paired difference of the primary metric over the samples and templates that both were scored on."""
    metric = tuned.task.primary_metric
    columns = ["sample_id", "template", f"score_{metric}", "cluster"]
    tuned_rows = read_predictions(results, tuned.run, columns)
    untuned_rows = read_predictions(results, untuned.run, columns[:-1])
    joined = tuned_rows.merge(untuned_rows, on=["sample_id", "template"], suffixes=("", "_untuned")).dropna()
    if joined.empty:
        return None
    by_sample = joined.groupby(["sample_id", "cluster"], sort=False).mean(numeric_only=True)
    card = tuned.task.metrics[metric]
    span = 1.0 if card.low is None or card.high is None else card.high - card.low
    difference = gain(
        [by_sample[f"score_{metric}"].to_numpy()], [by_sample[f"score_{metric}_untuned"].to_numpy()],
        binary=tuned.task.binary and len(tuned.run.templates) == 1 and tuned.run.generation.n == 1, span=span,
        clusters=cluster_numbers(list(by_sample.index.get_level_values("cluster"))),
    )  # fmt: skip
    over = untuned.run.candidate.method
    return Score(
        tuned.run.task, metric, difference.value, difference.low, difference.high, difference.n, over=over
    )
