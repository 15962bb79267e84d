"""The variance of the mean of an arm's scores: what samples, wordings and training seeds add to it.

An arm's scores form a table of S seeds × T templates × n samples: every seed (a fine-tune, or a draw of
demonstrations) answers the same samples in the same wordings.

**Samples** are shared by all arms, so differences between arms are paired in them. The mean over an arm's
seeds is one number per sample, and the variance of its mean over samples holds what samples differ by and the
noise that remains after averaging over seeds. Samples that belong together, such as questions about one
passage, form clusters: their deviations are summed before they are squared (Miller 2024, arXiv 2411.00640,
with the correction C / (C − 1) for few clusters), and C clusters of unequal size count as `C* = n² / Σ n_c²`
equal ones.

**Wordings** are those that will be used, so that nothing is drawn: a sample's score is its mean over them.
Taken as a random draw of all possible wordings instead, templates are crossed with samples, and the variance
of the mean is the signed sum of the mean squares `(MS_templates + MS_samples − MS_interaction) / (T·n)`.

**Seeds** of different arms share nothing: seed 0 of one fine-tune has no more to do with seed 0 of another
than with its seed 1. They are therefore never paired; `harness.statistics.seeds` tells what they add to each
arm's mean, and the variance of a difference is that over samples plus both arms' parts.

**Degrees of freedom** of a sum are the harmonic mean of its parts' degrees, weighted by what each part adds:
`1/ν = Σ (V_i/V)/ν_i`. To the first order in 1/ν this is the quantile that Cochran gives a sum, the mean of
the parts' t quantiles weighted in the same way (Biometrics 20, 1964). Satterthwaite's degrees (Biometrics
Bulletin 2, 1946) weigh with the squares of the shares, which holds when the parts are known about equally
well. Here one is: that of samples; the other, of a few seeds, is a guess. When it comes out small by chance
its weight does, too, and the degrees are many just where there is least reason for it: of claims at 1 % with
two seeds of five arms half as many again were false. Parts can cancel out, so the degrees are never fewer
than those of the part with the fewest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One part of the variance of many means, as arrays of one shape: (K,) for scores, (K, K) for
    differences."""

    variance: FloatArray
    """What it adds. Below 0 where it takes away what another part counts twice."""

    estimated: FloatArray
    """The estimate that its degrees belong to: where a part is a difference of mean squares, the first of
    them."""

    degrees: FloatArray

    def of(self, rows: slice) -> "Part":
        """Of some rows of differences."""
        return Part(self.variance[rows], self.estimated[rows], self.degrees[rows])


@dataclass(frozen=True)
class Spread:
    """The uncertainty of many means, as arrays of one shape."""

    variance: FloatArray
    degrees: FloatArray
    """Degrees of freedom of each variance."""


def total(parts: Sequence[Part]) -> Spread:
    """The sum of the parts of a variance."""
    variance = sum((part.variance for part in parts), start=np.zeros(()))
    divisor = sum((part.estimated / part.degrees for part in parts), start=np.zeros(()))
    counts = [np.where(part.estimated > 0, part.degrees, np.inf) for part in parts]
    fewest = np.minimum.reduce(counts)
    degrees = np.divide(variance, divisor, out=np.full_like(variance, np.inf), where=divisor > 0)
    return Spread(variance, np.maximum(degrees, np.where(np.isfinite(fewest), fewest, parts[0].degrees)))


def of_pairs(function: Callable[..., FloatArray], *tables: FloatArray) -> FloatArray:
    """The values of a function of K × K tables, which are the same for (i, j) and (j, i): K × K.

    The function is called for a few rows at a time, with flat arrays of one entry per unordered pair.
    """
    values = np.empty_like(tables[0])
    for rows in row_blocks(len(values)):
        above = np.triu(np.ones(values[rows].shape, dtype=bool), k=rows.start)
        values[rows][above] = values.T[rows][above] = function(*(table[rows][above] for table in tables))
    return values


ROWS_AT_ONCE = 64
"""Rows of a table of all pairs that are worked on at once: what is made in between stays small."""


def row_blocks(count: int) -> Iterator[slice]:
    """The rows of a table, a few at a time."""
    for start in range(0, count, ROWS_AT_ONCE):
        yield slice(start, min(count, start + ROWS_AT_ONCE))


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
    """Tables of any shape whose last axis is samples, with clusters in place of samples: the means stay, and
    variances over the last axis become those of clusters.

    The first axis tells the tables apart. `clusters`: for each sample the number of its cluster, as from
    `cluster_numbers`; None leaves the samples.
    """
    if clusters is None:
        return tables
    numbers = np.asarray(clusters)
    sizes, n = np.bincount(numbers), tables.shape[-1]
    grand = tables.mean(axis=tuple(range(1, tables.ndim)), keepdims=True)
    by_cluster_number = (tables - grand)[..., np.argsort(numbers, kind="stable")]
    sums = np.add.reduceat(by_cluster_number, np.cumsum(sizes) - sizes, axis=-1)
    return np.asarray(grand + sums * (len(sizes) / n))


def independent(n: int, clusters: ArrayLike | None) -> float:
    """How many equal clusters samples count as: all `n` of them, or `n² / Σ n_c²`."""
    if clusters is None:
        return float(n)
    return float(n**2 / (np.bincount(np.asarray(clusters)) ** 2).sum())


@dataclass(frozen=True)
class SampleEffects:
    """How the samples (and random wordings) of K means deviate from them."""

    samples: FloatArray
    """K × samples or clusters."""

    sample_degrees: float
    templates: FloatArray | None = None
    """K × templates; None where wordings are fixed, or only one."""

    interaction: FloatArray | None = None
    """K × (templates · samples); None like `templates`."""

    def of_scores(self) -> list[Part]:
        """What they add to the variance of each mean: (K,)."""
        return self._parts(lambda effects: (effects**2).sum(axis=1))

    def of_differences(self) -> list[Part]:
        """What they add to the variance of the difference of every two means: (K, K)."""
        return self._parts(_squares_of_differences)

    def _parts(self, squares: Callable[[FloatArray], FloatArray]) -> list[Part]:
        entries = self.samples.shape[1]
        of_samples = squares(self.samples) / (entries * (entries - 1))
        degrees = np.broadcast_to(np.float64(self.sample_degrees), of_samples.shape)
        if self.templates is None or self.interaction is None:
            return [Part(of_samples, of_samples, degrees)]
        count = self.templates.shape[1]
        of_templates = squares(self.templates) / (count * (count - 1))
        of_both = squares(self.interaction) / (count * entries * (count - 1) * (entries - 1))
        # A variance component can be estimated as negative; the total is at least that of samples alone.
        of_both_counted = np.minimum(of_both, of_templates)
        return [
            Part(of_samples, of_samples, degrees),
            Part(of_templates, of_templates, np.full_like(of_samples, count - 1)),
            Part(-of_both_counted, of_both, degrees * (count - 1)),
        ]


def _squares_of_differences(effects: FloatArray) -> FloatArray:
    """Σ (x − y)² = Σ x² + Σ y² − 2 Σ xy of every two rows, so the differences themselves are never
    computed."""
    products = effects @ effects.T
    own_squares = np.diag(products)
    sums = own_squares[:, None] + own_squares[None, :]
    squares = sums - 2 * products
    # Two equal tables differ by exactly 0, not by a rounding error.
    squares[squares < 1e-12 * sums] = 0.0
    return np.asarray(squares)


def sample_effects(
    means: FloatArray, clusters: ArrayLike | None = None, *, random_wordings: bool = False
) -> SampleEffects | None:
    """The effects in K tables of means over seeds (K × templates × samples); None with fewer than two samples
    or clusters."""
    table = by_cluster(means, clusters)
    entries = table.shape[2]
    if entries < 2:
        return None
    degrees = max(1.0, independent(means.shape[2], clusters) - 1)
    grand = table.mean(axis=(1, 2), keepdims=True)
    samples = table.mean(axis=1, keepdims=True) - grand
    if not random_wordings or table.shape[1] < 2:
        return SampleEffects(samples[:, 0], degrees)
    templates = table.mean(axis=2, keepdims=True) - grand
    interaction = table - grand - samples - templates
    return SampleEffects(samples[:, 0], degrees, templates[:, :, 0], interaction.reshape(len(table), -1))
