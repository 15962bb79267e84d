"""Whether a difference is more than chance, also when many differences are tested at once."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.statistics.spread import FloatArray

FLIPS = 9_999
"""Sign patterns that a permutation test draws."""


def mcnemar(fixed: ArrayLike, broken: ArrayLike) -> FloatArray:
    """P-values of the exact two-sided McNemar test: `fixed` samples became right, `broken` ones wrong; arrays
    of one shape.

    Equal to scipy's `binomtest(fixed, fixed + broken, 0.5).pvalue`; 1 where nothing changed.
    """
    right, wrong = np.asarray(fixed, dtype=np.int64), np.asarray(broken, dtype=np.int64)
    one_sided = special.bdtr(np.minimum(right, wrong), right + wrong, 0.5)
    return np.asarray(np.minimum(1.0, 2 * one_sided))


def sign_flip(differences: FloatArray, *, flips: int = FLIPS, seed: int = 0) -> FloatArray:
    """P-values of a two-sided permutation test of K rows of paired differences (K × samples): shape (K,).

    If positive and negative differences are equally likely, all signs are interchangeable. The p-value is
    `(1 + patterns at least as far from 0) / (1 + patterns)` over random sign patterns, the same for all rows.
    """
    generator = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=1))
    signs = 2.0 * generator.integers(0, 2, size=(differences.shape[1], flips)) - 1.0
    drawn = np.abs(differences @ signs)
    # A pattern that reproduces the observed sum must not miss it by a rounding error.
    slack = 1e-9 * np.maximum(1.0, observed)
    return np.asarray((1 + (drawn >= (observed - slack)[:, None]).sum(axis=1)) / (1 + flips))


def exact_p(tuned: FloatArray, base: FloatArray, *, binary: bool) -> FloatArray:
    """Two-sided p-values of K paired differences of one seed in one wording (K × samples): shape (K,).

    McNemar's exact test for right-or-wrong scores, sign flips for others. They take the seed as it came: what
    another one would have scored, they do not know.
    """
    difference = tuned - base
    if binary:
        return mcnemar((difference > 0).sum(axis=1), (difference < 0).sum(axis=1))
    return sign_flip(difference)


def t_test(
    value: FloatArray, stderr: FloatArray, degrees: FloatArray, *, n: int | NDArray[np.int64]
) -> FloatArray:
    """Two-sided p-values of estimates against 0, in their shape.

    Where the standard error is 0, all `n` differences are equal, and the p-value is that of a sign test: 2 /
    2ⁿ.
    """
    all_equal = stderr == 0
    statistic = np.abs(value) / np.where(all_equal, 1.0, stderr)
    by_sign = np.where(value == 0, 1.0, np.minimum(1.0, 2.0 ** (1.0 - np.asarray(n))))
    return np.where(all_equal, by_sign, 2 * special.stdtr(degrees, -statistic))


def holm(p: ArrayLike) -> FloatArray:
    """P-values corrected for their number (Holm, Scand. J. Statistics 6, 1979): those below .05 hold a false
    claim in at most 5 % of families."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected


def holm_by_column(p: FloatArray) -> FloatArray:
    """`holm` for many families at once: each column along the first axis is one. NaN is not a claim and
    stays."""
    order = np.argsort(p, axis=0, kind="stable")  # NaN comes last
    claims = (~np.isnan(p)).sum(axis=0)
    places = np.arange(len(p)).reshape(-1, *[1] * (p.ndim - 1))
    steps = np.take_along_axis(p, order, axis=0) * np.maximum(claims - places, 1)
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, np.minimum(1.0, np.maximum.accumulate(steps, axis=0)), axis=0)
    return corrected


def false_discovery(p: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected for the false discovery rate (Benjamini and Hochberg, J. Royal Statistical Society B
    57, 1995): of those below .05, at most 5 % are false on average."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return corrected
