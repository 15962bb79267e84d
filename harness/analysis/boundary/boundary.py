"""The decision boundary of an arm: margins, hidden states in the plane, and what changes an answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.analysis.arms import ArmAnswers, ArmComparison
from harness.analysis.boundary.flips import flip_rates_of, flips_of, saved_flip_rate
from harness.analysis.boundary.margins import REACH, WeighedSample, bin_edges, margins_record, most_ambiguous
from harness.analysis.boundary.projection import Points, fit_classifier, fit_plane
from harness.analysis.boundary.reread import RereadArm, Rereader, WeighedTask, weighed_sample
from harness.analysis.passes import Inspector
from harness.records.analysis.boundary import AmbiguousSample, BoundaryRecord, MapMark, MapRecord, MapRegion

MOST_SHAPES = 12
"""Labels that are told apart on a map; with more, it shows what is right and what is wrong."""

MARGIN_OF_BOX = 0.06
"""Share of the marks' extent that is left free around them."""


@dataclass(frozen=True)
class WeighedArm:
    """An arm with the samples whose choices it has weighed."""

    name: str
    samples: tuple[WeighedSample, ...]
    saved: bool
    """Whether its predictions tell, or the weights were read anew."""


def arms_to_read(comparison: ArmComparison) -> list[ArmAnswers]:
    """The untuned arm without demonstrations, where there is one, and the judged arm."""
    judged = comparison.judged
    base = [arm for arm in comparison.arms if arm.name == "zero_shot" and arm is not judged]
    return [*base, judged]


def reread(comparison: ArmComparison, task: WeighedTask, inspector: Inspector) -> list[RereadArm]:
    """Read both arms with their weights. Raises `UserError` where that fails."""
    rereader = Rereader(task, inspector)
    judged = comparison.judged
    return [
        rereader.read(arm, {sample.id: sample for sample in _saved(comparison, arm)}, judged=arm is judged)
        for arm in arms_to_read(comparison)
    ]


def boundary_of(comparison: ArmComparison, read_arms: Sequence[RereadArm] = ()) -> BoundaryRecord | None:
    """What predictions and, where there are any, passes of weights tell; None where that is nothing.

    Of an arm with several seeds it is the first, in its first wording, that margins are told of.
    """
    arms = arms_to_read(comparison)
    by_name = {read.name: read for read in read_arms}
    weighed = [_weighed(comparison, arm, by_name.get(arm.name)) for arm in arms]
    weighed = [arm for arm in weighed if arm.samples]
    rates = [rate for arm in arms if (rate := saved_flip_rate(comparison, arm)) is not None]
    if not weighed and not rates:
        return None
    edges = bin_edges([arm.samples for arm in weighed])
    judged = by_name.get(comparison.judged.name)
    maps = [drawn for read in read_arms if (drawn := _map(read)) is not None]
    for read in read_arms:
        rates += flip_rates_of(read)
    return BoundaryRecord(
        reach=REACH,
        margins=tuple(margins_record(arm.name, arm.samples, edges=edges, saved=arm.saved) for arm in weighed),
        ambiguous=_named(comparison.judged.name, weighed, judged),
        maps=tuple(maps),
        flip_rates=tuple(rates),
        flips=() if judged is None else flips_of(judged),
        edited=0 if judged is None else judged.edited,
        agreement=None if judged is None else _agreement(comparison, judged),
        passes=tuple(record for read in read_arms for record in read.passes),
    )


def _weighed(comparison: ArmComparison, arm: ArmAnswers, read: RereadArm | None) -> WeighedArm:
    """Of the log-probabilities that were saved, or else of those that were read anew."""
    saved = tuple(_saved(comparison, arm))
    return WeighedArm(arm.name, saved or (() if read is None else read.weighed), bool(saved))


def _saved(comparison: ArmComparison, arm: ArmAnswers) -> Iterator[WeighedSample]:
    """The samples whose choices the first seed weighed in its first wording; nothing where none were."""
    if arm.logprobs is None:
        return
    for sample, logprobs in zip(comparison.samples, arm.logprobs[0, 0], strict=True):
        if np.isfinite(logprobs).all() and len(logprobs) == len(sample.choices):
            yield weighed_sample(sample.id, sample.targets, sample.choices, logprobs.tolist())


def _named(judged: str, weighed: Sequence[WeighedArm], read: RereadArm | None) -> tuple[AmbiguousSample, ...]:
    """The most ambiguous samples of the judged arm; of those on its map, where it has one."""
    by_name = {arm.name: arm.samples for arm in weighed}
    base = next((arm.samples for arm in weighed if arm.name != judged), None)
    on_map = None if read is None else {sample.id for sample in read.weighed}
    samples = [sample for sample in by_name.get(judged, ()) if on_map is None or sample.id in on_map]
    return most_ambiguous(samples, base)


def _map(read: RereadArm) -> MapRecord | None:
    """Where the arm's hidden states lie; None without any, or where they do not vary."""
    if read.states is None or read.train_states is None:
        return None
    names = sorted(set(read.train_targets))
    labels = tuple(names) if 1 < len(names) <= MOST_SHAPES else ()
    places = {name: place for place, name in enumerate(labels)}
    trained = np.array([places[name] for name in read.train_targets], dtype=np.int64) if labels else None
    plane = fit_plane(read.train_states, trained)
    if plane is None:
        return None
    points = plane.project(read.states)
    given = np.array([places.get(sample.target, -1) for sample in read.weighed], dtype=np.int64)
    right = np.array([(sample.margin or 0.0) > 0 for sample in read.weighed])
    low, high = _box(points)
    regions: tuple[MapRegion, ...] = ()
    plane_accuracy = None
    if trained is not None:
        classifier = fit_classifier(plane.project(read.train_states), trained)
        regions = tuple(
            MapRegion(label=label, points=corners) for label, corners in classifier.regions(low, high)
        )
        plane_accuracy = float((classifier.predict(points) == given).mean())
    return MapRecord(
        arm=read.name,
        projection=plane.kind,
        shares=plane.shares,
        variance=plane.variance,
        dimensions=read.states.shape[1],
        n_train=len(read.train_states),
        labels=labels,
        low=low,
        high=high,
        regions=regions,
        marks=tuple(
            MapMark(sample=sample.id, x=x, y=y, label=label, right=is_right)
            for sample, (x, y), label, is_right in zip(
                read.weighed, points.tolist(), given.tolist(), right.tolist(), strict=True
            )
        ),
        plane_accuracy=plane_accuracy,
        accuracy=float(right.mean()),
    )


def _box(points: Points) -> tuple[tuple[float, float], tuple[float, float]]:
    """Two corners around all points; of points in one place it has an extent nevertheless."""
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.where(high > low, high - low, max(float((high - low).max()), 1.0))
    low, high = low - MARGIN_OF_BOX * extent, high + MARGIN_OF_BOX * extent
    return (float(low[0]), float(low[1])), (float(high[0]), float(high[1]))


def _agreement(comparison: ArmComparison, read: RereadArm) -> float | None:
    """Share of the samples weighed anew whose likeliest choice is what the arm answered."""
    answers = dict(zip(comparison.ids, comparison.judged.answers[0, 0].tolist(), strict=True))
    same = [(answers.get(sample.id) or "").strip() == sample.answer.strip() for sample in read.anew]
    return sum(same) / len(same) if same else None
