"""Hidden states in the plane: planted labels are parted, noise is not, and shares are those of other programs."""

import numpy as np
import pytest

from harness.analysis.boundary.projection import fit_classifier, fit_plane, shrunk_covariance


def planted(
    generator: np.random.Generator, labels: int, n: int, d: int, *, apart: float
) -> tuple[np.ndarray, np.ndarray]:
    """Normal states about a place for each label, `apart` standard deviations from the origin."""
    places = np.arange(n) % labels
    centres = np.zeros((labels, d))
    for label in range(labels):
        centres[label, 7 * label : 7 * label + 7] = apart / 7**0.5
    return centres[places] + generator.normal(0, 1, (n, d)), places


@pytest.mark.parametrize("labels", [2, 3])
def test_planted_labels_are_parted_in_more_dimensions_than_there_are_samples(labels: int) -> None:
    generator = np.random.default_rng(3)
    states, given = planted(generator, labels, 90, 400, apart=12)
    fresh, theirs = planted(generator, labels, 120, 400, apart=12)
    plane = fit_plane(states, given)
    assert plane is not None and plane.kind == "lda"
    classifier = fit_classifier(plane.project(states), given)
    assert (classifier.predict(plane.project(fresh)) == theirs).mean() > 0.98
    assert sum(plane.shares) == pytest.approx(1.0)
    if labels == 2:  # one axis parts them
        assert plane.shares == (pytest.approx(1.0), 0.0)
    else:
        assert 0.3 < plane.shares[1] <= plane.shares[0] < 0.7


def test_in_noise_the_plane_promises_nothing_for_fresh_samples() -> None:
    generator = np.random.default_rng(5)
    states, given = planted(generator, 4, 120, 200, apart=0)
    fresh, theirs = planted(generator, 4, 400, 200, apart=0)
    plane = fit_plane(states, given)
    assert plane is not None
    classifier = fit_classifier(plane.project(states), given)
    assert (classifier.predict(plane.project(fresh)) == theirs).mean() == pytest.approx(0.25, abs=0.07)


def test_principal_components_and_their_shares_are_numpy_s_eigenvectors() -> None:
    generator = np.random.default_rng(7)
    states = generator.normal(0, 1, (60, 5)) * np.array([5, 3, 1, 0.5, 0.1])
    plane = fit_plane(states, None)
    assert plane is not None and plane.kind == "pca"
    spread, turned = np.linalg.eigh(np.cov(states.T))
    assert plane.shares == pytest.approx(tuple((spread / spread.sum())[::-1][:2]))
    assert plane.variance == pytest.approx(sum(plane.shares))
    for axis, expected in zip(plane.axes.T, turned.T[::-1][:2], strict=True):
        assert abs(axis @ expected) == pytest.approx(1.0)


def test_covariances_are_shrunk_as_scikit_learn_shrinks_them() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    generator = np.random.default_rng(9)
    centred = generator.normal(0, 1, (40, 25)) @ generator.normal(0, 1, (25, 25))
    expected, _ = covariance.ledoit_wolf(centred, assume_centered=True)
    assert shrunk_covariance(centred) == pytest.approx(expected)


def test_the_plane_of_wide_apart_labels_is_scikit_learn_s() -> None:
    """With little to shrink: many samples, few dimensions."""
    discriminant = pytest.importorskip("sklearn.discriminant_analysis")
    generator = np.random.default_rng(11)
    states, given = planted(generator, 3, 6000, 21, apart=3)
    plane = fit_plane(states, given)
    theirs = discriminant.LinearDiscriminantAnalysis(solver="eigen", n_components=2).fit(states, given)
    assert plane is not None
    assert plane.shares == pytest.approx(tuple(theirs.explained_variance_ratio_), abs=0.01)
    mine, other = plane.project(states), theirs.transform(states)
    # The same plane: each set of coordinates is a linear map of the other.
    _, residual, _, _ = np.linalg.lstsq(mine - mine.mean(axis=0), other - other.mean(axis=0), rcond=None)
    assert residual.sum() < 0.01 * ((other - other.mean(axis=0)) ** 2).sum()


def test_regions_are_where_the_classifier_says_their_label() -> None:
    generator = np.random.default_rng(13)
    points, given = planted(generator, 3, 300, 21, apart=6)
    flat = points @ np.repeat(np.eye(3), 7, axis=0)[:, :2]
    classifier = fit_classifier(flat, given)
    low, high = (-6.0, -6.0), (24.0, 24.0)
    regions = classifier.regions(low, high)
    assert [label for label, _ in regions] == [0, 1, 2]
    for label, polygon in regions:
        middle = np.mean(polygon, axis=0)
        inside = middle + 0.999 * (np.array(polygon) - middle)
        assert (classifier.predict(inside) == label).all()
    areas = [
        0.5
        * abs(sum(x * v - u * y for (x, y), (u, v) in zip(polygon, polygon[1:] + polygon[:1], strict=True)))
        for _, polygon in regions
    ]
    assert sum(areas) == pytest.approx(900.0)


@pytest.mark.parametrize(
    ("states", "labels", "kind"),
    [
        (np.zeros((10, 4)), np.arange(10) % 2, None),
        (np.eye(2), np.array([0, 1]), None),
        (np.eye(6)[:5], np.zeros(5, dtype=np.int64), "pca"),
        (np.eye(6), np.arange(6), "pca"),
        (np.outer(np.arange(6.0), np.ones(3)), np.arange(6) // 3, "lda"),
        (np.repeat(np.eye(3), 4, axis=0), np.arange(12) // 4, "lda"),
    ],
)
def test_states_that_hardly_vary_have_a_plane_or_none(
    states: np.ndarray, labels: np.ndarray, kind: str | None
) -> None:
    plane = fit_plane(states, labels)
    assert (plane and plane.kind) == kind
    if plane is not None:
        points = plane.project(states)
        assert np.isfinite(points).all() and 0 <= plane.variance <= 1
        if kind == "lda":
            predicted = fit_classifier(points, labels).predict(points)
            assert (predicted == labels).all()
