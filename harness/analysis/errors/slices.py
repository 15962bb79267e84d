"""Where an arm is worst, and where it changed most: its score and gain on samples that have something in
common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.arms import ArmComparison
from harness.analysis.errors.features import Feature, features_of
from harness.records.analysis.errors import SliceRecord
from harness.records.analysis.span import Span
from harness.statistics import FLIPS, Estimate, FloatArray, false_discovery, gain, score

FIRST_SHUFFLES = 999
"""Shuffles that every slice is held against; those that these leave in doubt are held against `FLIPS`."""

DOUBT = 0.05
"""P-value over the first shuffles up to which all others are drawn."""

BATCH = 2_000_000
"""Numbers held at once while shuffles are drawn."""

SHOWN_SAMPLES = 5
"""Samples of a slice that are named."""

MOST_SLICES = 200


@dataclass(frozen=True)
class _Slice:
    feature: Feature
    part: str
    places: NDArray[np.int64]


@dataclass(frozen=True)
class FoundSlice:
    """What was found on a slice, and which samples it has."""

    record: SliceRecord
    places: frozenset[int]


def slices_of(comparison: ArmComparison) -> tuple[FoundSlice, ...]:
    """The score and the gain on every slice of every feature, those that are clearest first.

    Each is held against all other samples. If a slice has nothing to do with a number, the number could as
    well belong to any other sample: its p-value is the share of shuffles of the samples (of whole clusters,
    where samples come in clusters) that differ as much. P-values are corrected over all slices and both
    questions.
    """
    slices = list(_all_slices(features_of(comparison)))[:MOST_SLICES]
    if not slices:
        return ()
    judged, reference = comparison.judged, comparison.reference
    numbers = [judged.means] if reference is None else [judged.means, judged.means - reference.means]
    p_values = np.stack([_p_values(slices, values, comparison.clusters) for values in numbers])
    corrected = false_discovery(p_values.ravel()).reshape(p_values.shape)
    found_slices = [
        FoundSlice(
            _record(comparison, sample_slice, corrected[:, place].tolist(), numbers),
            frozenset(sample_slice.places.tolist()),
        )
        for place, sample_slice in enumerate(slices)
    ]
    return tuple(sorted(found_slices, key=_clearness))


def _clearness(found_slice: FoundSlice) -> tuple[float, float]:
    record = found_slice.record
    p = min(record.score_p, 1.0 if record.gain_p is None else record.gain_p)
    return p, -abs(record.score.value - record.rest)


def _all_slices(features: Sequence[Feature]) -> Iterator[_Slice]:
    seen: set[bytes] = set()
    for feature in features:
        for part, places in feature.slices.items():
            array = np.array(places, dtype=np.int64)
            if array.tobytes() not in seen:  # two features may part the samples alike
                seen.add(array.tobytes())
                yield _Slice(feature, part, array)


def _record(
    comparison: ArmComparison, sample_slice: _Slice, p: Sequence[float], numbers: Sequence[FloatArray]
) -> SliceRecord:
    judged, reference, places = comparison.judged, comparison.reference, sample_slice.places
    outside = np.setdiff1d(np.arange(len(comparison.samples)), places)
    clusters = None if comparison.clusters is None else comparison.clusters[places]
    binary, low = comparison.card.binary, comparison.low
    worst = places[np.argsort(judged.means[places], kind="stable")][:SHOWN_SAMPLES]
    gained = None
    if reference is not None:
        gained = gain(
            judged.scores[:, :, places],
            reference.scores[:, :, places],
            binary=binary,
            span=1 - low,
            clusters=clusters,
        )
    return SliceRecord(
        feature=sample_slice.feature.name,
        part=sample_slice.part,
        n=len(places),
        score=span_of(score(judged.scores[:, :, places], binary=binary, low=low, clusters=clusters)),
        rest=float(judged.means[outside].mean()),
        score_p=p[0],
        gain=None if gained is None else span_of(gained),
        gain_rest=None if gained is None else float(numbers[1][outside].mean()),
        gain_p=None if gained is None else p[1],
        samples=tuple(comparison.ids[place] for place in worst.tolist()),
    )


def span_of(estimate: Estimate) -> Span:
    """An estimate as records have it."""
    return Span(value=estimate.value, low=estimate.low, high=estimate.high, n=estimate.n)


def _p_values(slices: Sequence[_Slice], values: FloatArray, clusters: NDArray[np.int64] | None) -> FloatArray:
    """The two-sided permutation p-value of each slice's mean against that of all other samples."""
    p_values = np.ones(len(slices))
    of_clusters = np.array([sample_slice.feature.by_cluster for sample_slice in slices])
    for together in (False, True):
        chosen = np.flatnonzero(of_clusters == together)
        if len(chosen):
            units = None if together else clusters
            p_values[chosen] = _shuffled_p([slices[place].places for place in chosen.tolist()], values, units)
    return p_values


def _shuffled_p(
    slices: Sequence[NDArray[np.int64]], values: FloatArray, clusters: NDArray[np.int64] | None
) -> FloatArray:
    n = len(values)
    members = np.zeros((n, len(slices)), dtype=np.float32)
    for column, places in enumerate(slices):
        members[places, column] = n / (len(places) * (n - len(places)))
    if clusters is None:
        clusters = np.arange(n)
    # Samples of a cluster stand beside each other, and are shuffled as one block.
    order = np.argsort(clusters, kind="stable")
    members, numbers = members[order], np.unique(clusters[order], return_inverse=True)[1]
    centred = (values - values.mean())[order].astype(np.float32)
    observed = np.abs(centred @ members) - 1e-5
    generator = np.random.default_rng(0)
    extreme = _count(generator, FIRST_SHUFFLES, centred, members, numbers, observed)
    p = (1 + extreme) / (1 + FIRST_SHUFFLES)
    doubtful = np.flatnonzero(p <= DOUBT)
    if len(doubtful):
        more_extreme = _count(
            generator, FLIPS - FIRST_SHUFFLES, centred, members[:, doubtful], numbers, observed[doubtful]
        )
        p[doubtful] = (1 + extreme[doubtful] + more_extreme) / (1 + FLIPS)
    return np.asarray(p, dtype=np.float64)


def _count(
    generator: np.random.Generator,
    shuffles: int,
    centred: NDArray[np.float32],
    members: NDArray[np.float32],
    numbers: NDArray[np.int64],
    observed: FloatArray,
) -> NDArray[np.int64]:
    """Of so many shuffles, those in which each slice differs from the others at least as much."""
    n, blocks = len(centred), int(numbers[-1]) + 1
    counts = np.zeros(members.shape[1], dtype=np.int64)
    step = max(1, BATCH // n)
    for start in range(0, shuffles, step):
        rows = min(step, shuffles - start)
        if blocks == n:
            drawn = generator.permuted(np.broadcast_to(centred, (rows, n)), axis=1)
        else:
            keys = generator.random((rows, blocks), dtype=np.float32)[:, numbers]
            drawn = centred[np.argsort(keys, axis=1, kind="stable")]
        counts += (np.abs(drawn @ members) >= observed).sum(axis=0)
    return counts
