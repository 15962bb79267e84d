"""Hidden states in two dimensions: projected by what parts the training samples, with regions by label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harness.statistics import FloatArray

Points = NDArray[np.float64]
"""(n × 2)."""

Labels = NDArray[np.int64]
Polygon = tuple[tuple[float, float], ...]

Projection = Literal["lda", "pca"]


@dataclass(frozen=True)
class Plane:
    """A projection of hidden states of d dimensions to two."""

    kind: Projection
    mean: FloatArray
    """(d)."""

    axes: FloatArray
    """(d × 2), of length 1 each."""

    shares: tuple[float, float]
    """Of what each axis shows: of the variance between labels for `lda` (0 where an axis parts none), of all
    variance for `pca`."""

    variance: float
    """Share of all variance of the training samples' states that lies in the plane."""

    def project(self, states: FloatArray) -> Points:
        """(n × d) → (n × 2)."""
        return np.asarray((states - self.mean) @ self.axes)


def fit_plane(states: FloatArray, labels: Labels | None) -> Plane | None:
    """The plane in which labels of training samples lie furthest apart; without labels, or with one alone,
    that of the most variance. None of states that do not vary, or are too few.

    `states`: (n × d), `labels`: (n). Linear discriminants (Fisher 1936; Rao 1948) within the principal
    components, their pooled covariance shrunk (Ledoit and Wolf 2004), since d is larger than n. Two labels
    are parted by one axis: the other is then the first principal component of what that leaves.
    """
    if len(states) < 3:
        return None
    mean = states.mean(axis=0)
    centred = states - mean
    # Principal components: with n samples no more than n − 1 dimensions vary.
    _, sizes, components = np.linalg.svd(centred, full_matrices=False)
    varying = sizes > 1e-9 * max(float(sizes[0]), 1e-300)
    if not sizes[0] or not varying.any():
        return None
    sizes, components = sizes[varying], components[varying]
    total = float((sizes**2).sum())
    if labels is None or len(np.unique(labels)) < 2 or len(np.unique(labels)) == len(labels):
        axes = _padded(components[:2].T)
        shares = _two(sizes[:2] ** 2 / total)
        return Plane("pca", mean, axes, shares, min(1.0, sum(shares)))
    reduced = centred @ components.T
    discriminants, parted = _discriminants(reduced, labels)
    axes = components.T @ discriminants[:, :2]
    axes = axes / np.linalg.norm(axes, axis=0)
    shares = _two(parted[:2] / parted.sum())
    if axes.shape[1] < 2:
        rest = centred - np.outer(centred @ axes[:, 0], axes[:, 0])
        _, left, others = np.linalg.svd(rest, full_matrices=False)
        axes = _padded(np.column_stack([axes[:, 0], others[0]]) if left[0] > 1e-9 * sizes[0] else axes)
    basis, _ = np.linalg.qr(axes)
    inside = float(((centred @ basis) ** 2).sum()) / total
    return Plane("lda", mean, axes, shares, min(1.0, inside))


def _two(shares: FloatArray) -> tuple[float, float]:
    first, second = [*np.clip(shares, 0, 1).tolist(), 0.0][:2]
    return first, second


def _padded(axes: FloatArray) -> FloatArray:
    """Two axes, the second without length where states vary along one alone."""
    return axes if axes.shape[1] == 2 else np.column_stack([axes, np.zeros(len(axes))])


def _discriminants(states: FloatArray, labels: Labels) -> tuple[FloatArray, FloatArray]:
    """Directions (d × at most labels − 1) that part the labels, the clearest first, and how far each does:
    the variance between labels over that within them."""
    names, places = np.unique(labels, return_inverse=True)
    means = np.stack([states[places == place].mean(axis=0) for place in range(len(names))])
    within = states - means[places]
    covariance = shrunk_covariance(within)
    spread, turned = np.linalg.eigh(covariance)
    whitening = turned / np.sqrt(np.maximum(spread, 1e-12 * spread.max()))
    weights = np.bincount(places) / len(places)
    apart = (means * np.sqrt(weights)[:, None]) @ whitening
    _, sizes, directions = np.linalg.svd(apart, full_matrices=False)
    count = max(1, min(len(names) - 1, int((sizes > 1e-9 * sizes[0]).sum())))
    return whitening @ directions[:count].T, sizes[:count] ** 2


def shrunk_covariance(centred: FloatArray) -> FloatArray:
    """The covariance of n centred rows of d numbers, shrunk towards a multiple of the identity by the share
    that Ledoit and Wolf (J. Multivariate Analysis 88, 2004) estimate to err the least."""
    n, d = centred.shape
    sample = centred.T @ centred / n
    scale = float(np.trace(sample)) / d
    if scale == 0:  # every label is a point
        return np.eye(d)
    distance = float(((sample - scale * np.eye(d)) ** 2).sum())
    lengths = (centred**2).sum(axis=1)
    # Σ ‖x xᵀ − S‖² = Σ ‖x‖⁴ − n ‖S‖².
    noise = (float((lengths**2).sum()) / n - float((sample**2).sum())) / n
    share = min(1.0, max(0.0, noise / distance)) if distance else 1.0
    # Never nothing: a direction without any variance would part everything.
    share = max(share, 1e-3)
    return np.asarray((1 - share) * sample + share * scale * np.eye(d))


@dataclass(frozen=True)
class PlaneClassifier:
    """Says a label of a place in the plane: normal distributions of one covariance, as frequent as in
    training; between two labels lies a straight line."""

    names: Labels
    weights: FloatArray
    """(labels × 2)."""

    offsets: FloatArray
    """(labels)."""

    def predict(self, points: Points) -> Labels:
        """The label of each point."""
        return np.asarray(self.names[(points @ self.weights.T + self.offsets).argmax(axis=1)])

    def regions(self, low: Sequence[float], high: Sequence[float]) -> list[tuple[int, Polygon]]:
        """Within a box the polygon in which each label is said; labels that are said nowhere are left out."""
        box: Polygon = ((low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1]))
        regions = []
        for place, name in enumerate(self.names.tolist()):
            polygon = box
            for other in range(len(self.names)):
                if other != place:
                    normal = self.weights[place] - self.weights[other]
                    polygon = _clipped(polygon, normal, float(self.offsets[place] - self.offsets[other]))
            if len(polygon) >= 3:
                regions.append((name, polygon))
        return regions


def fit_classifier(points: Points, labels: Labels) -> PlaneClassifier:
    """Of the training samples in the plane."""
    names, places = np.unique(labels, return_inverse=True)
    means = np.stack([points[places == place].mean(axis=0) for place in range(len(names))])
    within = points - means[places]
    covariance = within.T @ within / len(points)
    # A little of its size on the diagonal: samples of a label may lie in one place.
    size = max(float(np.trace(covariance)), 1e-9 * float((points.std(axis=0) ** 2).sum()), 1e-300)
    weights = means @ np.linalg.inv(covariance + 1e-6 * size * np.eye(2))
    priors = np.log(np.bincount(places) / len(places))
    return PlaneClassifier(names, weights, priors - 0.5 * (weights * means).sum(axis=1))


def _clipped(polygon: Polygon, normal: FloatArray, offset: float) -> Polygon:
    """The part of a convex polygon where `normal · x + offset ≥ 0` (Sutherland and Hodgman 1974)."""
    if not polygon:
        return ()
    heights = [float(normal[0] * x + normal[1] * y) + offset for x, y in polygon]
    kept: list[tuple[float, float]] = []
    for place, (x, y) in enumerate(polygon):
        before = place - 1
        height, former = heights[place], heights[before]
        if (height >= 0) != (former >= 0):
            share = former / (former - height)
            start_x, start_y = polygon[before]
            kept.append((start_x + share * (x - start_x), start_y + share * (y - start_y)))
        if height >= 0:
            kept.append((x, y))
    return tuple(kept)
