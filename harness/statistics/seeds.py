"""What training seeds add to the variance of each arm's mean.

With S seeds the mean square of an arm's seed means, `MS_seeds = n · Σ (x̄_s − x̄)² / (S − 1)`, has only S − 1
degrees of freedom: of two or three seeds it is a guess, and whoever takes it at its word finds differences
that are not there, namely where the seeds happen to agree. Arms of one task are much alike in how far their
seeds differ, though, so each mean square is moderated: drawn towards the common one, the more so the more
alike they all are (Smyth, Statistical Applications in Genetics and Molecular Biology 3, 2004; `squeezeVar` of
limma).

What is moderated is `F = MS_seeds / MS_residual`, the mean square by what is left between seeds and samples,
and not the mean square itself: an arm at 98 % right cannot vary as an arm at 50 % does, and both its mean
squares are smaller for it. The variance of the arm's mean then grows by

    max(0, F̃ − 1) · MS_residual / (n·S)

where F̃ has the arm's own S − 1 degrees of freedom, and those of what the other arms say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from harness.statistics.spread import FloatArray, Part, by_cluster

SMALLEST_RATIO = 1e-9
"""What an F of 0 counts as: seeds were seen to agree, which is more than to have seen none."""

SEED_ERRORS = 1
"""Sets these draws apart from those of samples, which may be seeded alike."""

LEAST_RATIO = 1e-5
"""A mean square below this share of the median one counts as that: its logarithm would weigh too much."""

LUCK = 0.05
"""Mean squares smaller than chance alone makes more than this share of them do not show that arms differ."""


@dataclass(frozen=True)
class SeedNoise:
    """What seeds add to the variance of the means of K arms: (K,) each."""

    variance: FloatArray
    """0 where it cannot be seen: seeds that answered alike, or one seed and no other arm to borrow from."""

    residual: FloatArray
    """`MS_residual / (n·S)`: what is left between seeds and samples, which the variance over samples holds
    already."""

    estimated: FloatArray
    """`F̃ · MS_residual / (n·S)`, which `degrees` belong to; it may be less than `residual`."""

    degrees: FloatArray
    """Infinite where `estimated` is 0."""

    pooled_degrees: FloatArray
    """The degrees of all arms that vary for the same reason together; 0 where `estimated` is 0."""

    deviation: FloatArray
    """The standard deviation of one seed's true score; 0 like `variance`."""

    def of_scores(self) -> Part:
        """As a part of the variance of each mean."""
        return Part(self.variance, self.estimated, self.degrees)

    def of_differences(self, rows: slice = slice(None)) -> Part:
        """As one part of the variance of the difference of every two means, or of those of some rows.

        What both arms take from the others is the same estimate: together they have no more degrees than all
        arms have.
        """
        estimated = self.estimated[rows, None] + self.estimated[None, :]
        divisor = self.estimated**2 / self.degrees
        joint = divisor[rows, None] + divisor[None, :]
        alone = np.divide(estimated**2, joint, out=np.full_like(joint, np.inf), where=joint > 0)
        together = np.maximum(self.pooled_degrees[rows, None], self.pooled_degrees[None, :])
        variance = self.variance[rows, None] + self.variance[None, :]
        return Part(variance, estimated, np.where(joint > 0, np.minimum(alone, together), np.inf))

    def of(self, places: Sequence[int]) -> "SeedNoise":
        """Of the arms at `places` only, in that order."""
        chosen = list(places)
        return SeedNoise(*(values[chosen] for values in self._fields))

    @staticmethod
    def joined(parts: Sequence["SeedNoise"]) -> "SeedNoise":
        """Of the arms of all parts."""
        return SeedNoise(*map(np.concatenate, zip(*(part._fields for part in parts), strict=True)))

    @property
    def _fields(self) -> tuple[FloatArray, ...]:
        return (
            self.variance,
            self.residual,
            self.estimated,
            self.degrees,
            self.pooled_degrees,
            self.deviation,
        )

    def errors(self, *, draws: int, seed: int) -> tuple[FloatArray, FloatArray]:
        """Draws of the errors of the means (draws × K each): normal ones, and the same ones with the tails of
        t, since the variances are estimates."""
        generator = np.random.default_rng([seed, SEED_ERRORS])
        normal = generator.standard_normal((draws, len(self.variance)))
        estimated = np.flatnonzero(np.isfinite(self.degrees) & (self.variance > 0))
        tailed = normal.copy()
        tailed[:, estimated] /= np.sqrt(
            generator.chisquare(self.degrees[estimated], (draws, len(estimated))) / self.degrees[estimated]
        )
        deviation = np.sqrt(self.variance)
        return normal * deviation, tailed * deviation


@dataclass(frozen=True)
class _Squares:
    """The mean squares of one arm."""

    seeds: float
    residual: float
    count: int
    """Seeds."""

    n: int
    """Samples, or clusters."""


def seed_noise(
    tables: Sequence[FloatArray],
    clusters: Sequence[ArrayLike | None] | None = None,
    *,
    alike: Sequence[object] | None = None,
) -> SeedNoise:
    """What seeds add to the means of K arms (seeds × templates × samples each, of any shape).

    `clusters`: of each arm's samples. `alike`: equal for arms whose seeds vary for the same reason, such as
    all fine-tunes; None: all of them. An arm of one seed, such as an ensemble over seeds, borrows what one
    seed of the others varies by. Arms whose seeds answered every sample alike (greedy answers without a draw)
    vary by nothing that can be seen, and lend nothing.
    """
    count = len(tables)
    squares = [_squares(table, clusters[place] if clusters else None) for place, table in enumerate(tables)]
    by_reason: dict[object, list[int]] = {}
    for place in range(count):
        by_reason.setdefault(None if alike is None else alike[place], []).append(place)
    noises = [_NONE] * count
    for places in by_reason.values():
        members = {place: square for place in places if (square := squares[place])}
        if not members:
            continue
        ratios = np.array([square.seeds / square.residual for square in members.values()])
        own_degrees = np.array([square.count - 1.0 for square in members.values()])
        pooled = float(own_degrees.sum())
        moderated, degrees = moderate(ratios, own_degrees)
        for (place, square), ratio, freedom in zip(members.items(), moderated, degrees, strict=True):
            residual = square.residual / square.n
            excess, estimated = max(0.0, ratio - 1.0) * residual, max(ratio, SMALLEST_RATIO) * residual
            noises[place] = (
                excess / square.count,
                residual / square.count,
                estimated / square.count,
                freedom,
                pooled,
                excess**0.5,
            )
        # Of one seed, where the members are means over several.
        variance, residual, estimated = np.mean(
            [np.array(noises[place][:3]) * square.count for place, square in members.items()], axis=0
        )
        for place in places:
            if len(tables[place]) == 1:
                noises[place] = (variance, residual, estimated, pooled, pooled, variance**0.5)
    return SeedNoise(*np.array(noises, dtype=np.float64).reshape(count, len(_NONE)).T)


_NONE = (0.0, 0.0, 0.0, np.inf, 0.0, 0.0)
"""The fields of a `SeedNoise` of an arm whose seeds add nothing that can be seen."""


def _squares(table: FloatArray, clusters: ArrayLike | None) -> _Squares | None:
    """None for an arm whose seeds cannot be told apart."""
    seeds = len(table)
    # Seeds × samples, with the wordings averaged: they are the same for every seed.
    scores = by_cluster(table.mean(axis=1)[None], clusters)[0]
    n = scores.shape[1]
    if seeds < 2 or n < 2:
        return None
    of_seeds, of_samples = scores.mean(axis=1, keepdims=True), scores.mean(axis=0, keepdims=True)
    residual = scores - of_seeds - of_samples + scores.mean()
    mean_square = float((residual**2).sum()) / ((seeds - 1) * (n - 1))
    between = n * float(((of_seeds - scores.mean()) ** 2).sum()) / (seeds - 1)
    if mean_square <= 1e-12 and between <= 1e-12:
        return None
    # Where seeds differ by the same on every sample nothing is left:
    # the smallest that one sample could leave.
    return _Squares(between, max(mean_square, between / n**2), seeds, n)


def moderate(ratios: ArrayLike, degrees: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Variances of K arms, moderated over them, and their degrees of freedom.

    Each variance is taken as one draw from a scaled F distribution, whose scale s₀² and degrees d₀ follow
    from the mean and variance of the logarithms (Smyth 2004, section 6.2); the moderated variance is `(d₀·s₀²
    + d·s²) / (d₀ + d)` with `d₀ + d` degrees, though never more than all arms have together.

    The variance of the logarithms of few arms is itself a guess, and one that is too large by chance would
    leave every arm alone with its few seeds. What is explained by variances that differ is therefore what
    exceeds the variance that chance gives by more than its standard error; where nothing does, d₀ is infinite
    and all arms share their mean.

    The logarithm of a variance of one or two degrees has a long tail to the left: two seeds that agree by
    luck would pass for an arm without seed noise, and be trusted to be one. Whether variances differ is
    therefore asked with those that small raised to the 5 % quantile around the mean of all (winsorised, as of
    Phipson, Lee, Majewski, Alexander and Smyth, Annals of Applied Statistics 10, 2016).
    """
    values, arm_degrees = np.asarray(ratios, dtype=np.float64), np.asarray(degrees, dtype=np.float64)
    if len(values) < 2 or not values.any():
        return values, arm_degrees
    common, pooled_degrees = np.average(values, weights=arm_degrees), arm_degrees.sum()
    raised = np.maximum(values, common * special.chdtri(arm_degrees, 1 - LUCK) / arm_degrees)
    floored = np.maximum(values, LEAST_RATIO * (np.median(values) or values.max()))
    logs, expected = _centred_logs(floored, arm_degrees), _by_chance(arm_degrees)
    surplus = float(logs.var(ddof=1)) - expected
    if _centred_logs(raised, arm_degrees).var(ddof=1) <= expected or surplus <= 0:
        return np.full_like(values, common), np.full_like(arm_degrees, pooled_degrees)
    prior = 2 * _inverse_trigamma(surplus)
    scale = np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    moderated = (prior * scale + arm_degrees * values) / (prior + arm_degrees)
    return moderated, np.minimum(prior + arm_degrees, pooled_degrees)


def _centred_logs(variances: FloatArray, degrees: FloatArray) -> FloatArray:
    """Logarithms whose expectations are those of the true variances."""
    return np.asarray(np.log(variances) - special.digamma(degrees / 2) + np.log(degrees / 2))


def _by_chance(degrees: FloatArray) -> float:
    """The variance of centred logarithms that chance gives where all true variances are equal, with its
    standard error on top."""
    mean, fourth_cumulant = (float(special.polygamma(order, degrees / 2).mean()) for order in (1, 3))
    count = len(degrees)
    return mean + float(np.sqrt(fourth_cumulant / count + 2 * mean**2 / (count - 1)))


def _inverse_trigamma(value: float) -> float:
    """The argument at which the trigamma function has a value above 0."""
    low, high = 1e-8, 1e8
    if value >= special.polygamma(1, low):
        return low
    if value <= special.polygamma(1, high):
        return high

    def surplus(log_argument: float) -> float:
        return float(special.polygamma(1, np.exp(log_argument))) - value

    return float(np.exp(optimize.brentq(surplus, np.log(low), np.log(high))))
