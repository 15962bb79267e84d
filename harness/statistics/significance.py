"""Whether a difference is more than chance, and what is left of that when many are looked at."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from harness.statistics.spread import Scores, effects

FLIPS = 9_999
"""Sign patterns that a permutation test draws."""


def mcnemar(fixed: ArrayLike, broken: ArrayLike) -> Scores:
    """Exact two-sided McNemar test of flips: `fixed` samples became right, `broken` wrong; arrays of one
    shape.

    Equal to scipy's `binomtest(fixed, fixed + broken, 0.5).pvalue`; 1 where nothing flipped.
    """
    first, second = np.asarray(fixed, dtype=np.int64), np.asarray(broken, dtype=np.int64)
    return np.asarray(np.minimum(1.0, 2 * special.bdtr(np.minimum(first, second), first + second, 0.5)))


def sign_flip(differences: Scores, *, flips: int = FLIPS, seed: int = 0) -> Scores:
    """Two-sided permutation test that paired differences (K × samples) are as likely up as down: K p-values.

    `(1 + patterns at least as far from 0) / (1 + patterns)`, over random signs that are the same for all K.
    """
    generator = np.random.default_rng(seed)
    observed = np.abs(differences.sum(axis=1))
    signs = 2.0 * generator.integers(0, 2, size=(differences.shape[1], flips)) - 1.0
    drawn = np.abs(differences @ signs)
    # A pattern that gives the observed sum again must not miss it by a rounding error.
    slack = 1e-9 * np.maximum(1.0, observed)
    return np.asarray((1 + (drawn >= (observed - slack)[:, None]).sum(axis=1)) / (1 + flips))


def p_values(tuned: Scores, base: Scores, *, binary: bool, clusters: ArrayLike | None = None) -> Scores:
    """Two-sided p-values that paired tables (K × seeds × templates × samples) have the same mean: K.

    One seed, one template and independent samples: McNemar's exact test of right-or-wrong scores, sign flips
    of others. Otherwise the t test with the standard error of `spread`: flipping samples alone would take the
    seeds for certain. Where that is 0, all samples differ alike, and the p-value is that of a sign test; 1
    with fewer than two samples.
    """
    difference = tuned - base
    _, seeds, templates, n = difference.shape
    if seeds == templates == 1 and clusters is None:
        flat = difference[:, 0, 0, :]
        return mcnemar((flat > 0).sum(axis=1), (flat < 0).sum(axis=1)) if binary else sign_flip(flat)
    parts = effects(difference, clusters)
    if parts is None:
        return np.ones(len(difference))
    spread = parts.spread(parts.squares())
    return t_test(difference.mean(axis=(1, 2, 3)), np.sqrt(spread.variance), spread.degrees, n=n)


def t_test(value: Scores, stderr: Scores, degrees: Scores, *, n: int | NDArray[np.int64]) -> Scores:
    """Two-sided p-values of estimates against 0; where the standard error is 0, of a sign test over n equal
    differences."""
    sure = stderr == 0
    statistic = np.abs(value) / np.where(sure, 1.0, stderr)
    by_sign = np.where(value == 0, 1.0, np.minimum(1.0, 2.0 ** (1.0 - np.asarray(n))))
    return np.where(sure, by_sign, 2 * special.stdtr(degrees, -statistic))


def holm(p: ArrayLike) -> Scores:
    """P-values corrected for their number: 5 % of families hold a false claim (Holm, Scand. J. Statistics 6,
    1979)."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected


def holm_by_column(p: Scores) -> Scores:
    """The same for each column of a stack of them (families along the first axis); NaN is no claim, and
    stays."""
    order = np.argsort(p, axis=0, kind="stable")  # NaN comes last
    claims = (~np.isnan(p)).sum(axis=0)
    places = np.arange(len(p)).reshape(-1, *[1] * (p.ndim - 1))
    steps = np.take_along_axis(p, order, axis=0) * np.maximum(claims - places, 1)
    corrected = np.empty_like(p)
    np.put_along_axis(corrected, order, np.minimum(1.0, np.maximum.accumulate(steps, axis=0)), axis=0)
    return corrected


def false_discovery(p: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected so that of all claims made 5 % are false on average (Benjamini and Hochberg,
    1995)."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * len(values) / np.arange(1, len(values) + 1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return corrected
