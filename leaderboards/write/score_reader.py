"""Read the scores of runs, and of runs that have not changed take those that a former publish read."""

import io
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow

from harness.records.binding import PredictionFacts
from harness.records.predictions import PREDICTIONS
from harness.records.result import Result
from leaderboards.rank.scores import Outcome, Reading, RunScores, ScoreSpec, read_each, spec_of
from leaderboards.write.cache import Cache
from leaderboards.write.processes import Workers

SCORES = "scores"

FACTS = {"sha256": "string", "rows": "int64", "answered": "int64", "complete": "int64", "mean": "float64"}
"""The fields of `PredictionFacts`, and how Arrow stores them."""

Stamp = tuple[int, int, int]
"""Size, and when contents and inode of a file were last changed, in nanoseconds; zeros where there is
none."""


@dataclass
class Stamps:
    """What tells that a run is as it was: the digest of its record, and when its predictions last changed.

    The predictions are looked at when they are first asked for, before any is read.
    """

    folder: Path
    """The results."""

    digests: Mapping[str, str]
    """Digests of the records, by the key of the result."""

    _by_place: dict[tuple[str, ...], Stamp] = field(default_factory=dict)

    def of(self, place: tuple[str, ...]) -> Stamp:
        """When the predictions of the run at a place below the results last changed."""
        if place not in self._by_place:
            self._by_place[place] = _stamp("/".join((str(self.folder), *place, PREDICTIONS)))
        return self._by_place[place]


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 - there are tens of thousands of them
    except OSError:
        return 0, 0, 0
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


class _StoredScores(NamedTuple):
    """The scores of a run, and the state of its predictions that they were read from."""

    spec: ScoreSpec
    stamp: Stamp
    scores: RunScores


@dataclass
class ScoreReader:
    """Reads the scores of runs, those that have changed since they were last read; call it like
    `scores.read_scores`."""

    cache: Cache
    workers: Workers
    stamps: Stamps
    _stored: dict[tuple[str, ...], _StoredScores] | None = None
    """By the run's place below the results; None until the cache was read."""

    _changed: bool = False

    def __call__(self, results: Sequence[Result], folder: Path) -> list[Outcome]:
        """In the order of `results`, which lie in `folder`."""
        if self._stored is None:
            self._stored = _loaded(self.cache.read(SCORES, folder))
        outcomes: list[Outcome | None] = []
        missing: list[tuple[int, Reading, Stamp]] = []
        for number, result in enumerate(results):
            place, spec = result.run.place, spec_of(result)
            stamp, stored = self.stamps.of(place), self._stored.get(place)
            if stored is not None and (stored.spec, stored.stamp) == (spec, stamp):
                outcomes.append(stored.scores)
            else:
                outcomes.append(None)
                missing.append((number, Reading(result.run, spec), stamp))
        read = self.workers.map(
            "reading predictions", partial(read_each, folder=folder), [reading for _, reading, _ in missing]
        )
        # Runs of a task have the same samples: equal tuples of names are kept once.
        interned: dict[tuple[str, ...] | None, tuple[str, ...] | None] = {}
        for (number, reading, stamp), outcome in zip(missing, read, strict=True):
            if isinstance(outcome, RunScores):
                ids = interned.setdefault(outcome.ids, outcome.ids)
                clusters = interned.setdefault(outcome.clusters, outcome.clusters)
                outcome = replace(outcome, ids=ids or (), clusters=clusters)
                self._stored[reading.run.place] = _StoredScores(reading.spec, stamp, outcome)
                self._changed = True
            outcomes[number] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def keep(self, folder: Path) -> None:
        """Keep all scores for the next publish, but of runs whose predictions have changed since."""
        if self._changed and self._stored is not None:
            current = {
                place: scores
                for place, scores in self._stored.items()
                if self.stamps.of(place) == scores.stamp
            }
            self.cache.write(SCORES, folder, _dumped(current))


def _dumped(stored: Mapping[tuple[str, ...], _StoredScores]) -> bytes:
    """An Arrow file with one row per run. What many runs have in common stands in it once, as JSON."""
    rows = list(stored.values())
    values = [row.scores.values.ravel() for row in rows]
    names: dict[tuple[str, ...] | None, str] = {}
    specs: dict[ScoreSpec, str] = {}
    for row in rows:
        for shared in (row.scores.ids, row.scores.clusters):
            if shared not in names:
                names[shared] = json.dumps(shared)
        if row.spec not in specs:
            specs[row.spec] = json.dumps(row.spec._asdict())
    columns: dict[str, Any] = {
        "place": [json.dumps(place) for place in stored],
        "spec": pyarrow.array([specs[row.spec] for row in rows]).dictionary_encode(),
        "ids": pyarrow.array([names[row.scores.ids] for row in rows]).dictionary_encode(),
        "clusters": pyarrow.array([names[row.scores.clusters] for row in rows]).dictionary_encode(),
        "values": pyarrow.LargeListArray.from_arrays(
            np.cumsum([0, *map(len, values)]), np.concatenate([[], *values])
        ),
    }
    for part in range(3):
        columns[f"stamp_{part}"] = pyarrow.array([row.stamp[part] for row in rows], "int64")
    for name, kind in FACTS.items():
        columns[name] = pyarrow.array([getattr(row.scores.facts, name) for row in rows], kind)
    batch = pyarrow.record_batch(columns)
    buffer = io.BytesIO()
    with pyarrow.ipc.new_file(buffer, batch.schema) as writer:
        writer.write_batch(batch)
    return buffer.getvalue()


def _loaded(content: bytes | None) -> dict[tuple[str, ...], _StoredScores]:
    if content is None:
        return {}
    batch = pyarrow.ipc.open_file(pyarrow.py_buffer(content)).get_batch(0)
    specs = [ScoreSpec(**{**spec, "templates": tuple(spec["templates"])}) for spec in _shared(batch["spec"])]
    ids, clusters = (
        [names and tuple(names) for names in _shared(batch[column])] for column in ("ids", "clusters")
    )
    # Not by `to_numpy`, which imports pandas first.
    values = np.asarray(np.from_dlpack(batch["values"].values), dtype=np.float64)
    ends = batch["values"].offsets.to_pylist()
    places = (tuple(json.loads(place)) for place in batch["place"].to_pylist())
    stamps = zip(*(batch[f"stamp_{part}"].to_pylist() for part in range(3)), strict=True)
    # Each row names its spec, ids and clusters by their numbers in the three dictionaries.
    codes = zip(*(batch[name].indices.to_pylist() for name in ("spec", "ids", "clusters")), strict=True)
    facts = itertools.starmap(PredictionFacts, zip(*(batch[name].to_pylist() for name in FACTS), strict=True))
    stored = {}
    for place, stamp, (spec, names, cluster), start, end, of_run in zip(
        places, stamps, codes, ends, ends[1:], facts, strict=False
    ):
        run_values = values[start:end].reshape(len(specs[spec].templates), -1)
        scores = RunScores(ids[names] or (), run_values, clusters[cluster], of_run)
        stored[place] = _StoredScores(specs[spec], stamp, scores)
    return stored


def _shared(column: Any) -> list[Any]:
    """The different values of a dictionary-encoded column."""
    return [json.loads(text) for text in column.dictionary.to_pylist()]
