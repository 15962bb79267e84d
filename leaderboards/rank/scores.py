"""The scores of a run's samples, as they are read from its predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.foreign import ForeignFileError
from harness.records.answer_table import ROW_COLUMNS, AnswerTable, mean_of_complete
from harness.records.binding import PredictionFacts, digest_of
from harness.records.predictions import PREDICTIONS, UNREADABLE, read_prediction_table
from harness.records.result import Result
from harness.statistics import FloatArray
from harness.sweep.run import Run
from harness.task.metric import Scale
from leaderboards.text import without_folder


@dataclass(frozen=True)
class RunScores:
    """The scores of one run."""

    ids: tuple[str, ...]
    """Every sample that it was to answer."""

    values: FloatArray
    """Templates × samples, on the metric's scale from 0 (or -1), worst, to 1, best; NaN where unscored."""

    clusters: tuple[str, ...] | None
    """Each sample's cluster, empty for one that stands alone; None where all do."""

    facts: PredictionFacts
    """What the result of the run is held against."""


@dataclass(frozen=True)
class Unreadable:
    """Predictions that cannot be read, and why."""

    reason: str
    fault = "its predictions cannot be read"


@dataclass(frozen=True)
class Unfit:
    """Predictions that do not belong to the result they lie beside, and why."""

    reason: str
    fault = "its predictions do not fit its result"


class ScoreSpec(NamedTuple):
    """Which scores a run's predictions hold, and what they may be."""

    metric: str
    low: float
    high: float
    """The ends of the metric."""

    bounded: bool
    """Whether a score outside them is impossible."""

    higher_is_better: bool

    templates: tuple[str, ...]
    """All wordings, in order."""


@dataclass(frozen=True)
class Reading:
    """One run's predictions to be read."""

    run: Run
    spec: ScoreSpec


Outcome = RunScores | Unreadable | Unfit
ReadAll = Callable[[Sequence[Result], Path], list[Outcome]]
"""Reads the scores of runs below a results folder, in their order."""


def spec_of(result: Result) -> ScoreSpec:
    """The scores of a run's primary metric."""
    card = result.task.metrics[result.task.primary_metric]
    high = 1.0 if card.high is None else card.high
    return ScoreSpec(
        result.task.primary_metric,
        card.low or 0.0,
        high,
        not card.corpus,
        card.higher_is_better,
        result.run.templates,
    )


def read_scores(results: Sequence[Result], folder: Path) -> list[Outcome]:
    """Read the scores of runs below a results folder, in their order."""
    return read_each([Reading(result.run, spec_of(result)) for result in results], folder)


def read_each(readings: Sequence[Reading], folder: Path) -> list[Outcome]:
    """Read the scores of runs in any process: readings are small, results are not."""
    return [_read_or_say(reading, folder) for reading in readings]


def _read_or_say(reading: Reading, folder: Path) -> Outcome:
    try:
        return _read(reading.run, reading.spec, folder)
    except UNREADABLE as error:  # the run is named, the others are published
        return Unreadable(reason_of(error, folder))


def _read(run: Run, spec: ScoreSpec, folder: Path) -> RunScores:
    """Raises `ValueError` for impossible scores. The score of several draws is their mean, if all of them
    were scored."""
    column = f"score_{spec.metric}"
    table = read_prediction_table(folder, run, [*ROW_COLUMNS, column, "cluster"])
    rows = AnswerTable(table, run)
    scores = table[column].cast("float64").to_numpy()
    numbers = scores[~np.isnan(scores)]
    if spec.bounded and ((numbers < spec.low) | (numbers > spec.high)).any():
        raise ValueError(f"{column} holds a score outside {spec.low:g} to {spec.high:g}")
    values = rows.matrix(scores)
    complete, mean = mean_of_complete(values)
    facts = PredictionFacts(
        digest_of(f"{folder}/{'/'.join(run.place)}/{PREDICTIONS}", inside=folder),
        rows.rows,
        rows.answered,
        complete,
        mean,
    )
    scale = Scale.of(spec.low, spec.high, higher_is_better=spec.higher_is_better)
    shares = values if scale.is_share else (values - scale.worst) / (scale.best - scale.worst)
    clusters = _clusters(rows.places, table["cluster"].cast("string").to_pylist(), len(rows.ids))
    return RunScores(rows.ids, shares.mean(axis=0), clusters, facts)


def _clusters(
    places: NDArray[np.int64], clusters: Sequence[str | None], count: int
) -> tuple[str, ...] | None:
    """Each sample's cluster, from one entry per prediction; None where all samples stand alone."""
    if not any(clusters):
        return None
    names = [""] * count
    for place, name in zip(places.tolist(), clusters, strict=True):
        names[place] = name or ""
    return tuple(names)


def reason_of(error: Exception, folder: Path) -> str:
    """Why predictions cannot be read, in one line."""
    if isinstance(error, ForeignFileError):
        return f"the file {error}"
    # The folder's own path is left out, so that the same results give the same pages on every machine.
    return without_folder(str(error), folder).split("\n", 1)[0] or type(error).__name__
