"""The scores of a run's samples, as they are read from its predictions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.foreign import ForeignFileError
from harness.records.predictions import UNREADABLE, read_prediction_table
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


@dataclass(frozen=True)
class Unreadable:
    """Predictions that cannot be read, and why."""

    reason: str


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


Outcome = RunScores | Unreadable
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
        return Unreadable(_reason(error, folder))


def _read(run: Run, spec: ScoreSpec, folder: Path) -> RunScores:
    """Raises `ValueError` for impossible scores. The score of several draws is their mean, if all of them
    were scored."""
    column = f"score_{spec.metric}"
    table = read_prediction_table(folder, run, ["sample_id", "template", "draw", column, "cluster"])
    places, ids = _coded(table["sample_id"])
    codes, templates = _coded(table["template"])
    if set(templates) != set(spec.templates):
        raise ValueError(f"the templates {', '.join(sorted(templates))} are not those of the run")
    wordings = np.asarray([spec.templates.index(name) for name in templates])[codes]
    scores = table[column].cast("float64").to_numpy()
    numbers = scores[~np.isnan(scores)]
    if spec.bounded and ((numbers < spec.low) | (numbers > spec.high)).any():
        raise ValueError(f"{column} holds a score outside {spec.low:g} to {spec.high:g}")
    draws = table["draw"].to_numpy()
    # Before there is room for them: one damaged number could ask for more memory than there is.
    if not (draws.min() >= 0 and draws.max() < min(run.generation.n, len(draws))):
        raise ValueError(f"there is a draw that is none of the {run.generation.n} of the run")
    values = np.full((int(draws.max()) + 1, len(spec.templates), len(ids)), np.nan)
    if len(np.unique(np.ravel_multi_index((draws, wordings, places), values.shape))) < len(draws):
        raise ValueError("a sample id appears twice")
    scale = Scale.of(spec.low, spec.high, higher_is_better=spec.higher_is_better)
    values[draws, wordings, places] = scores if scale.is_share else scale.share(scores)
    clusters = _clusters(places, table["cluster"].to_pylist(), len(ids))
    return RunScores(tuple(ids), values.mean(axis=0), clusters)


def _coded(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """A column of words as numbers, with the word of each, in the order they first appear."""
    coded = column.combine_chunks().dictionary_encode()
    if coded.null_count:
        raise ValueError("a sample without an id, or without a template")
    return coded.indices.to_numpy().astype(np.int64), [str(word) for word in coded.dictionary.to_pylist()]


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


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, ForeignFileError):
        return f"the file {error}"
    # The folder's own path is left out, so that the same results give the same pages on every machine.
    return without_folder(str(error), folder).split("\n", 1)[0] or type(error).__name__
