"""The variance of the mean of a table of scores, when seeds, templates and samples are all random draws.

Scores form a table of a seeds × b templates × n samples: every seed (a fine-tune, or a draw of
demonstrations) answers the same samples in the same wordings. With crossed random effects, the variance of
the grand mean is a signed sum of the mean squares (MS) of the analysis of variance, with each effect and
interaction once:

    Var(mean) = (MS_seeds + MS_templates + MS_samples − MS_pairs of these + MS_all three) / (a·b·n)

A crossed bootstrap over the same axes estimates the same variance. With two or three seeds, however, its
distribution has hardly any tails, and its intervals cover far less than they claim; hence this sum, with
Satterthwaite's degrees of freedom (Biometrics Bulletin 2, 1946). For a sum without a minus sign those lie
between the smallest of the parts' degrees and the sum of all. Here, where parts can cancel out, they could
fall below one, and an interval could span anything; so they are never fewer than those of the axis with the
fewest entries. An axis with one entry has no part in the sum: what it would add is unknown, and has to be
said beside the number.

Samples that belong together, such as questions about one passage, form clusters: their deviations are summed
before they are squared (Miller 2024, arXiv 2411.00640, with the correction C / (C − 1) for few clusters).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
Axes = tuple[int, ...]
"""A combination of the axes 1 (seeds), 2 (templates) and 3 (samples) of a stack of tables."""

SAMPLES: Axes = (3,)


@dataclass(frozen=True)
class Spread:
    """The uncertainty of the grand means of one or many tables, as arrays of one shape."""

    variance: FloatArray
    degrees: FloatArray
    """Satterthwaite's degrees of freedom of each variance."""


@dataclass(frozen=True)
class Effects:
    """What seeds, templates, samples and their combinations add to the means of K tables."""

    parts: Mapping[Axes, FloatArray]
    """For each combination of axes with more than one entry, the effects of its entries: K × entries."""

    shape: tuple[int, int, int]
    """Seeds, templates, samples (or clusters) of each table."""

    def squares(self) -> dict[Axes, FloatArray]:
        """The sum of squares of each part, of shape (K,)."""
        return {axes: self._entries(axes) * (part**2).sum(axis=1) for axes, part in self.parts.items()}

    def squares_of_differences(self) -> dict[Axes, FloatArray]:
        """The sum of squares of each part of the difference of every two tables, of shape (K, K).

        Σ (x − y)² = Σ x² + Σ y² − 2 Σ xy, so the differences themselves are never computed.
        """
        squares_by_axes = {}
        for axes, part in self.parts.items():
            products = part @ part.T
            own_squares = np.diag(products)
            sums = own_squares[:, None] + own_squares[None, :]
            squares = sums - 2 * products
            # Two equal tables differ by exactly 0, not by a rounding error.
            squares[squares < 1e-12 * sums] = 0.0
            squares_by_axes[axes] = self._entries(axes) * squares
        return squares_by_axes

    def spread(self, squares: Mapping[Axes, FloatArray]) -> Spread:
        """The variance of the grand means, from the sums of squares of their parts."""
        total: FloatArray = np.zeros(())
        satterthwaite: FloatArray = np.zeros(())  # Σ MS² / degrees, the divisor of his formula
        floor: FloatArray = np.zeros(())
        for axes, square in squares.items():
            degrees = float(np.prod([self.shape[axis - 1] - 1 for axis in axes]))
            mean_square = square / degrees
            total = total + (mean_square if len(axes) % 2 else -mean_square)
            satterthwaite = satterthwaite + mean_square**2 / degrees
            if axes == SAMPLES:
                floor = mean_square
        # A variance component can be estimated as negative; the total is at least that of samples alone.
        total = np.asarray(np.maximum(total, floor))
        fewest = min(size - 1.0 for size in self.shape if size > 1)
        of_samples = np.full_like(total, float(self.shape[2] - 1))
        freedom = np.divide(total**2, satterthwaite, out=of_samples, where=satterthwaite > 0)
        return Spread(total / float(np.prod(self.shape)), np.maximum(freedom, fewest))

    def _entries(self, axes: Axes) -> float:
        """How many scores each entry of a part is the mean of."""
        return float(np.prod([size for axis, size in enumerate(self.shape, start=1) if axis not in axes]))


def of_pairs(function: Callable[..., FloatArray], *tables: FloatArray) -> FloatArray:
    """The values of a function of K × K tables, which are the same for (i, j) and (j, i): K × K.

    The function is called once, with flat arrays of one entry per unordered pair.
    """
    above = np.triu_indices(len(tables[0]))
    values = np.empty_like(tables[0])
    values[above] = values.T[above] = function(*(table[above] for table in tables))
    return values


def table_of(scores: ArrayLike) -> FloatArray:
    """Scores of samples, seeds × samples or seeds × templates × samples, as a table of the last shape."""
    table = np.asarray(scores, dtype=np.float64)
    assert 1 <= table.ndim <= 3 and table.size > 0, (
        "scores are a table of seeds × templates × samples, none of them empty"
    )
    assert np.isfinite(table).all(), "an unscored sample is left out before, never NaN"
    if table.ndim == 2:
        table = table[:, None, :]
    return table.reshape((1,) * (3 - table.ndim) + table.shape)


def cluster_numbers(names: Sequence[str]) -> NDArray[np.int64] | None:
    """For each sample the number of its cluster, from 0 on; one without a name stands alone. None where all
    do."""
    if not any(names):
        return None
    numbers: dict[str | int, int] = {}
    return np.array([numbers.setdefault(name or place, len(numbers)) for place, name in enumerate(names)])


def by_cluster(tables: FloatArray, clusters: ArrayLike | None) -> FloatArray:
    """K tables (K × seeds × templates × samples) with clusters in place of samples: the means stay, and
    variances over the last axis become those of clusters.

    `clusters`: for each sample the number of its cluster, as from `cluster_numbers`; None leaves the samples.
    """
    if clusters is None:
        return tables
    numbers = np.asarray(clusters)
    sizes, n = np.bincount(numbers), tables.shape[-1]
    grand = tables.mean(axis=(1, 2, 3), keepdims=True)
    by_cluster_number = (tables - grand)[..., np.argsort(numbers, kind="stable")]
    sums = np.add.reduceat(by_cluster_number, np.cumsum(sizes) - sizes, axis=-1)
    return np.asarray(grand + sums * (len(sizes) / n))


def effects(tables: FloatArray, clusters: ArrayLike | None = None) -> Effects | None:
    """The effects in K tables (K × seeds × templates × samples); None with fewer than two samples or
    clusters."""
    stack = by_cluster(tables, clusters)
    if stack.shape[3] < 2:
        return None
    varied = [axis for axis in (1, 2, 3) if stack.shape[axis] > 1]
    parts: dict[Axes, FloatArray] = {}
    for axes in _combinations(varied):
        averaged_axes = tuple(axis for axis in (1, 2, 3) if axis not in axes)
        part = stack.mean(axis=averaged_axes, keepdims=True)
        # An interaction is what the effects of fewer axes, and the grand mean, leave unexplained.
        for fewer_axes, smaller_part in parts.items():
            if set(fewer_axes) < set(axes):
                part = part - smaller_part
        parts[axes] = part
    del parts[()]  # the grand mean
    return Effects({axes: part.reshape(len(stack), -1) for axes, part in parts.items()}, stack.shape[1:])


def _combinations(axes: Sequence[int]) -> Iterator[Axes]:
    """Every subset of the axes, smaller ones first: (), (1,), (3,), (1, 3)."""
    for size in range(len(axes) + 1):
        yield from itertools.combinations(axes, size)
