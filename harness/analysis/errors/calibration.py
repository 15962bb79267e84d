"""Whether an arm's confidence can be believed, and acted on."""

import numpy as np
from numpy.typing import NDArray

from harness.analysis.arms import ArmAnswers, ArmComparison, Flags
from harness.analysis.errors.slices import span_of
from harness.records.analysis.errors import Bin, CalibrationRecord, CoveragePoint
from harness.statistics import FloatArray, score, t_test

BINS = 10
"""Bins of equal width, from 0 to 1."""


def calibration_of(comparison: ArmComparison) -> tuple[CalibrationRecord, ...]:
    """The calibration of every arm whose choices are weighed; empty where none is.

    The confidence of an answer is the probability of its choice among the choices. The expected calibration
    error is `Σ n_b / n · |accuracy_b − confidence_b|` over bins b of equal width (Naeini, Cooper and
    Hauskrecht, AAAI 2015); accuracy against coverage is that of the answers with the highest confidence
    (El-Yaniv and Wiener, J. Machine Learning Research 11, 2010). Intervals take the samples as independent,
    not the seeds that answer them.
    """
    return tuple(
        _record(arm, right)
        for arm, right in zip(comparison.arms, comparison.right, strict=True)
        if arm.probabilities is not None
    )


def _record(arm: ArmAnswers, right: Flags) -> CalibrationRecord:
    assert arm.probabilities is not None, "it was asked for before"
    n = right.shape[2]
    confidence = arm.probabilities.max(axis=-1).ravel()
    correct = right.astype(np.float64).ravel()
    samples = np.broadcast_to(np.arange(n), right.shape).ravel()
    bins = _bins(confidence, correct, samples)
    errors = [each_bin.n * abs(each_bin.accuracy.value - each_bin.confidence) for each_bin in bins]
    by_sample = (arm.probabilities.max(axis=-1) - right).mean(axis=(0, 1))
    surplus = score(by_sample, binary=False, low=-1.0, high=1.0)
    tested = t_test(
        np.asarray(surplus.value), np.asarray(surplus.stderr or 0.0), np.asarray(surplus.degrees), n=n
    )
    return CalibrationRecord(
        arm=arm.name,
        n=len(confidence),
        bins=bins,
        error=min(1.0, sum(errors) / len(confidence)),
        confidence=_share(confidence.mean()),
        accuracy=_share(correct.mean()),
        surplus=span_of(surplus),
        p=float(tested) if n > 1 else 1.0,
        coverage=_coverage(confidence, correct, samples),
    )


def _share(value: float) -> float:
    """A probability, without what rounding adds to 1."""
    return float(min(1.0, max(0.0, value)))


def _bins(confidence: FloatArray, correct: FloatArray, samples: NDArray[np.int64]) -> tuple[Bin, ...]:
    numbers = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    bins = []
    for number in np.unique(numbers).tolist():
        inside = numbers == number
        accuracy = score(correct[inside], binary=True, clusters=_renumbered(samples[inside]))
        bins.append(
            Bin(
                low=number / BINS,
                high=(number + 1) / BINS,
                n=int(inside.sum()),
                confidence=_share(confidence[inside].mean()),
                accuracy=span_of(accuracy),
            )
        )
    return tuple(bins)


def _renumbered(samples: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """Samples as clusters of their answers, from 0 on; None where each has one."""
    distinct, numbers = np.unique(samples, return_inverse=True)
    return None if len(distinct) == len(samples) else numbers


def _coverage(
    confidence: FloatArray, correct: FloatArray, samples: NDArray[np.int64]
) -> tuple[CoveragePoint, ...]:
    order = np.argsort(-confidence, kind="stable")
    points = []
    for tenth in range(1, 11):
        surest = order[: max(1, round(len(order) * tenth / 10))]
        accuracy = score(correct[surest], binary=True, clusters=_renumbered(samples[surest]))
        points.append(
            CoveragePoint(
                coverage=tenth / 10, threshold=_share(confidence[surest[-1]]), accuracy=span_of(accuracy)
            )
        )
    return tuple(points)
