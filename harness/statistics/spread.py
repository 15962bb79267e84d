"""How far the mean of a table of scores may be from the truth, when seeds, templates and samples are all
draws.

Scores form a table of a seeds × b templates × n samples: every seed (a fine-tune, or a draw of
demonstrations) answers the same samples in the same wordings. With crossed random effects the variance of the
grand mean is a signed sum of the mean squares of the analysis of variance, each effect and interaction once,

    Var(mean) = (MS_seeds + MS_templates + MS_samples − MS_pairs of these + MS_all three) / (a·b·n)

which a crossed bootstrap over the same axes also aims at; that one has no tails to speak of for two or three
seeds, and its intervals then cover far less than they say, so the sum is taken with Satterthwaite's degrees
of freedom (Biometrics Bulletin 2, 1946). Those of a sum without a minus lie between the fewest of its parts
and all of them together; here they can fall below one where parts cancel out, and an interval would span
anything, so they are never fewer than those of the axis with the fewest entries. An axis of one entry has no
part: what it would add is unknown, and must be said beside the number.

Samples that hang together, as questions on one passage, are clusters: their deviations are summed before they
are squared (Miller 2024, arXiv 2411.00640, with the correction C / (C − 1) for few clusters).
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]
Axes = tuple[int, ...]
"""Some of the axes 1 (seeds), 2 (templates) and 3 (samples) of a stack of tables."""

SAMPLES: Axes = (3,)


@dataclass(frozen=True)
class Spread:
    """Of the grand means of one table or many, in any shape."""

    variance: Scores
    degrees: Scores
    """Satterthwaite's degrees of freedom of that variance."""


@dataclass(frozen=True)
class Effects:
    """What seeds, templates, samples and their combinations add to the means of K tables."""

    parts: Mapping[Axes, Scores]
    """For each combination of axes that vary, K × its entries."""

    shape: tuple[int, int, int]

    def squares(self) -> dict[Axes, Scores]:
        """Sum of squares of each part: K."""
        return {axes: self._entries(axes) * (part**2).sum(axis=1) for axes, part in self.parts.items()}

    def squares_of_differences(self) -> dict[Axes, Scores]:
        """The same for the difference of every two tables: K × K, without making the differences."""
        found = {}
        for axes, part in self.parts.items():
            products = part @ part.T
            own = np.diag(products)
            sums = own[:, None] + own[None, :]
            squares = sums - 2 * products
            squares[squares < 1e-12 * sums] = (
                0.0  # two equal tables differ by nothing, not by a rounding error
            )
            found[axes] = self._entries(axes) * squares
        return found

    def spread(self, squares: Mapping[Axes, Scores]) -> Spread:
        """Variance of the grand mean, from sums of squares."""
        total: Scores = np.zeros(())
        parts: Scores = np.zeros(())
        floor: Scores = np.zeros(())
        for axes, square in squares.items():
            degrees = float(np.prod([self.shape[axis - 1] - 1 for axis in axes]))
            mean_square = square / degrees
            total = total + (mean_square if len(axes) % 2 else -mean_square)
            parts = parts + mean_square**2 / degrees
            if axes == SAMPLES:
                floor = mean_square
        # The estimate of a component can come out negative; samples alone are then the floor.
        total = np.asarray(np.maximum(total, floor))
        many, few = float(self.shape[2] - 1), min(size - 1.0 for size in self.shape if size > 1)
        freedom = np.divide(total**2, parts, out=np.full_like(total, many), where=parts > 0)
        return Spread(total / float(np.prod(self.shape)), np.maximum(freedom, few))

    def _entries(self, axes: Axes) -> float:
        """Scores behind each entry of a part."""
        return float(np.prod([size for axis, size in enumerate(self.shape, start=1) if axis not in axes]))


def of_pairs(function: Callable[..., Scores], *tables: Scores) -> Scores:
    """A function of K × K tables that comes to the same for (i, j) as for (j, i), worked out once for each
    two: K × K."""
    above = np.triu_indices(len(tables[0]))
    found = np.empty_like(tables[0])
    found[above] = found.T[above] = function(*(table[above] for table in tables))
    return found


def table_of(scores: ArrayLike) -> Scores:
    """Scores of samples, of seeds × samples or of seeds × templates × samples, as the last of these."""
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


def by_cluster(tables: Scores, clusters: ArrayLike | None) -> Scores:
    """A stack of tables with clusters in place of samples, such that means stay and variances become those of
    clusters.

    `clusters`: for each sample the number of its cluster, as of `cluster_numbers`; None leaves the samples.
    """
    if clusters is None:
        return tables
    numbers = np.asarray(clusters)
    sizes, n = np.bincount(numbers), tables.shape[-1]
    grand = tables.mean(axis=(1, 2, 3), keepdims=True)
    together = (tables - grand)[..., np.argsort(numbers, kind="stable")]
    sums = np.add.reduceat(together, np.cumsum(sizes) - sizes, axis=-1)
    return np.asarray(grand + sums * (len(sizes) / n))


def effects(tables: Scores, clusters: ArrayLike | None = None) -> Effects | None:
    """Take K tables (K × seeds × templates × samples) apart; None with fewer than two samples or clusters."""
    stack = by_cluster(tables, clusters)
    if stack.shape[3] < 2:
        return None
    varied = [axis for axis in (1, 2, 3) if stack.shape[axis] > 1]
    found: dict[Axes, Scores] = {}
    for axes in (
        chosen for size in range(len(varied) + 1) for chosen in itertools.combinations(varied, size)
    ):
        others = tuple(axis for axis in (1, 2, 3) if axis not in axes)
        part = stack.mean(axis=others, keepdims=True)
        for smaller, known in found.items():
            if set(smaller) < set(axes):
                part = part - known
        found[axes] = part
    del found[()]
    return Effects({axes: part.reshape(len(stack), -1) for axes, part in found.items()}, stack.shape[1:])
