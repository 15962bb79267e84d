"""Scores, differences and their uncertainty, worked out anew from the formulas of the methodology page.

Nothing of GainBoard is imported: numpy and scipy only, one pair of arms at a time, and slowly.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas
from numpy.typing import NDArray
from scipy import optimize, special, stats

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """What the primary metric of a task can be, on the scale of the board."""

    binary: bool
    low: float
    """The worst that a sample can score; the best is 1."""


@dataclass(frozen=True)
class Figure:
    """A value with its standard error and 95 % interval."""

    value: float
    stderr: float | None
    low: float
    high: float
    degrees: float = math.inf
    n: int = 0


@dataclass(frozen=True)
class SeedPart:
    """What the seeds of an arm add to the variance of its mean."""

    added: float = 0.0
    estimated: float = 0.0
    """The mean square that the degrees belong to, by all that it is divided by."""

    degrees: float = math.inf
    pooled: float = 0.0
    """The degrees of all arms together whose seeds differ for the same reason."""


@dataclass(frozen=True)
class Arm:
    """The scores of one arm on one task."""

    ids: tuple[str, ...]
    scores: Array
    """Seeds × templates × samples."""

    clusters: tuple[str, ...]
    """Of each sample; empty for one that stands alone."""

    seeds: SeedPart = field(default_factory=SeedPart)

    @property
    def alone(self) -> bool:
        """Whether all samples stand alone."""
        return not any(self.clusters)

    @property
    def textbook(self) -> bool:
        """One seed that borrows nothing, one wording, samples that stand alone."""
        return self.alone and self.scores.shape[:2] == (1, 1) and not self.seeds.estimated

    def on(self, ids: Sequence[str]) -> "Arm":
        """The arm on some of its samples."""
        places = [self.ids.index(name) for name in ids]
        clusters = tuple(self.clusters[place] for place in places)
        return Arm(tuple(ids), self.scores[:, :, places], clusters, self.seeds)


def cluster_codes(arm: Arm) -> NDArray[np.int64]:
    """A number for each sample: its cluster's."""
    names = [f"c {name}" if name else f"s {place}" for place, name in enumerate(arm.clusters)]
    return np.asarray(pandas.factorize(pandas.Series(names))[0], dtype=np.int64)


def effective_count(arm: Arm) -> float:
    """n² / Σ n_c²."""
    return float(len(arm.ids) ** 2 / (np.bincount(cluster_codes(arm)) ** 2).sum())


def in_clusters(table: Array, arm: Arm) -> Array:
    """Rows × samples as rows × clusters, so that the mean stays, and C times the mean square of what clusters
    deviate by is the clustered variance: mean + (C / n) · Σ over a cluster's samples (s − mean)."""
    codes = cluster_codes(arm)
    member = np.eye(codes.max() + 1)[codes]
    return np.asarray(table.mean() + (table - table.mean()) @ member * member.shape[1] / member.shape[0])


def seed_parts(arms: Sequence[Arm]) -> list[SeedPart]:
    """What seeds add for arms whose seeds differ for the same reason.

    F = MS seeds / MS residual of seeds × clusters, moderated over the arms; max(0, F̃ − 1) · MS residual / (n · S).
    """
    squares = [_mean_squares(arm) for arm in arms]
    several = [place for place, square in enumerate(squares) if square]
    parts = [SeedPart() for _ in arms]
    if not several:
        return parts
    own = [len(arms[place].scores) - 1.0 for place in several]
    found = [squares[place] or (0.0, 0.0, 0) for place in several]
    moderated = moderate([between / residual for between, residual, _ in found], own)
    of_one: list[tuple[float, float]] = []
    for place, (_, residual, n), (ratio, degrees) in zip(several, found, moderated, strict=True):
        added, estimated = max(0.0, ratio - 1) * residual / n, max(ratio, 1e-9) * residual / n
        of_one.append((added, estimated))
        count = len(arms[place].scores)
        parts[place] = SeedPart(added / count, estimated / count, degrees, sum(own))
    # One seed borrows what one seed of the others adds, on average.
    added, estimated = np.mean(of_one, axis=0).tolist()
    return [
        SeedPart(added, estimated, sum(own), sum(own)) if len(arm.scores) == 1 else part
        for arm, part in zip(arms, parts, strict=True)
    ]


def _mean_squares(arm: Arm) -> tuple[float, float, int] | None:
    """MS seeds, MS residual and the number of clusters; None where seeds cannot be told apart."""
    table = in_clusters(arm.scores.mean(axis=1), arm)
    seeds, n = table.shape
    if seeds < 2 or n < 2:
        return None
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    between = n * ((rows - table.mean()) ** 2).sum() / (seeds - 1)
    residual = ((table - rows[:, None] - columns[None, :] + table.mean()) ** 2).sum() / (
        (seeds - 1) * (n - 1)
    )
    if between <= 1e-12 and residual <= 1e-12:
        return None
    return float(between), float(max(residual, between / n**2)), n


def moderate(ratios: Sequence[float], degrees: Sequence[float]) -> list[tuple[float, float]]:
    """Each F with its degrees, moderated over all (Smyth 2004, section 6.2).

    As the docstring of `harness.statistics.seeds.moderate` has it: d₀ and s₀² from the mean and variance of
    log F, d₀ infinite unless that variance exceeds what chance gives by more than its standard error, also with
    the smallest F raised to the 5 % quantile around the common one.
    """
    values, own = np.array(ratios), np.array(degrees)
    if len(values) < 2 or not values.any():
        return list(zip(ratios, degrees, strict=True))
    common = float((values * own).sum() / own.sum())

    def logs(of: Array) -> Array:
        return np.asarray(np.log(of) - special.digamma(own / 2) + np.log(own / 2))

    least = 1e-5 * (np.median(values) or values.max())
    centred = logs(np.maximum(values, least))
    winsorised = logs(np.maximum(values, common * stats.chi2.ppf(0.05, own) / own))
    mean_trigamma, fourth = special.polygamma(1, own / 2).mean(), special.polygamma(3, own / 2).mean()
    count = len(values)
    chance = mean_trigamma + math.sqrt(fourth / count + 2 * mean_trigamma**2 / (count - 1))
    surplus = centred.var(ddof=1) - chance
    if surplus <= 0 or winsorised.var(ddof=1) <= chance:
        return [(common, float(own.sum()))] * count
    half = optimize.brentq(lambda x: special.polygamma(1, x) - surplus, 1e-8, 1e8, xtol=1e-14, rtol=1e-13)
    prior = 2 * half
    scale = math.exp(centred.mean() + special.digamma(half) - math.log(half))
    return [
        ((prior * scale + d * f) / (prior + d), min(prior + d, float(own.sum())))
        for f, d in zip(ratios, degrees, strict=True)
    ]


Part = tuple[float, float, float]
"""What a part adds to a variance, the estimate that its degrees belong to, and these."""


def sample_parts(table: Array, arm: Arm, *, random_wordings: bool) -> list[Part]:
    """What the samples, and random wordings, add to the variance of the mean of templates × samples."""
    clustered = in_clusters(table, arm)
    templates, n = clustered.shape
    mean, columns = clustered.mean(), clustered.mean(axis=0)
    freedom = max(1.0, effective_count(arm) - 1)
    of_samples = float(((columns - mean) ** 2).sum() / (n * (n - 1)))
    if not random_wordings or templates < 2:
        return [(of_samples, of_samples, freedom)]
    rows = clustered.mean(axis=1)
    of_templates = float(((rows - mean) ** 2).sum() / (templates * (templates - 1)))
    rest = clustered - rows[:, None] - columns[None, :] + mean
    of_both = float((rest**2).sum() / (templates * n * (templates - 1) * (n - 1)))
    return [
        (of_samples, of_samples, freedom),
        (of_templates, of_templates, templates - 1.0),
        (-min(of_both, of_templates), of_both, freedom * (templates - 1)),
    ]


def total_of(parts: Sequence[Part]) -> tuple[float, float]:
    """A variance and its degrees: 1/ν = Σ (V_i/V)/ν_i, and never fewer than the fewest of a part."""
    variance = sum(part[0] for part in parts)
    divisor = sum(estimated / degrees for _, estimated, degrees in parts)
    if divisor <= 0:
        return variance, math.inf
    # Wordings that are equally apart in both arms leave a rounding error, which is no part.
    fewest = min((degrees for _, estimated, degrees in parts if estimated > 1e-20), default=math.inf)
    return variance, max(variance / divisor, fewest)


def spread_of(arm: Arm, *, random_wordings: bool) -> tuple[float, float]:
    """The variance of an arm's mean, and its degrees."""
    parts = sample_parts(arm.scores.mean(axis=0), arm, random_wordings=random_wordings)
    return total_of([*parts, (arm.seeds.added, arm.seeds.estimated, arm.seeds.degrees)])


def quantile(degrees: float) -> float:
    """The .975 quantile of t; of the normal distribution for infinitely many degrees."""
    return float(stats.norm.ppf(0.975) if math.isinf(degrees) else stats.t.ppf(0.975, degrees))


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's interval of a proportion of `n` samples."""
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    reach = z / (1 + z**2 / n) * math.sqrt(max(0.0, share * (1 - share) / n + z**2 / (4 * n**2)))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def effective_n(share: float, n: int, variance: float) -> float:
    """n · p(1 − p) / ((n − 1) · Var)."""
    simple = share * (1 - share) / (n - 1)
    return n * simple / variance if simple > 1e-15 and variance > 0 else float(n)


def score(arm: Arm, scale: Scale, *, random_wordings: bool) -> Figure:
    """The mean of an arm's scores."""
    n, value = len(arm.ids), float(arm.scores.mean())
    variance, degrees = spread_of(arm, random_wordings=random_wordings)
    t, reach = quantile(degrees), quantile(degrees) * math.sqrt(variance)
    low, high = max(scale.low, value - reach), min(1.0, value + reach)
    if scale.binary or (variance == 0 and scale.low == 0):
        z = quantile(math.inf) if arm.textbook else t
        low, high = wilson(value, effective_n(value, n, variance), z)
    return Figure(value, math.sqrt(variance), min(low, value), max(high, value), degrees, n)


def shared_ids(arm: Arm, other: Arm) -> list[str]:
    """Samples that both have, in the order of the first."""
    return [name for name in arm.ids if name in set(other.ids)]


def difference(arm: Arm, other: Arm, scale: Scale, *, random_wordings: bool) -> Figure | None:
    """The first arm minus the second, paired in the samples that both have; None where they have none."""
    ids = shared_ids(arm, other)
    if not ids:
        return None
    first, second = arm.on(ids), other.on(ids)
    tables = first.scores.mean(axis=0), second.scores.mean(axis=0)
    parts = sample_parts(tables[0] - tables[1], first, random_wordings=random_wordings)
    variance, degrees = total_of([*parts, _seeds_of_both(first.seeds, second.seeds)])
    value = float(tables[0].mean() - tables[1].mean())
    variance = 0.0 if variance < 1e-15 else variance
    reach, span = quantile(degrees) * math.sqrt(variance), 1 - scale.low
    low, high = max(-span, value - reach), min(span, value + reach)
    if scale.binary or (variance == 0 and span == 1):
        textbook = first.textbook and second.textbook
        z = quantile(math.inf) if textbook else quantile(degrees)
        low, high = _square_and_add(first, second, variance, z, random_wordings=random_wordings)
    return Figure(value, math.sqrt(variance), min(low, value), max(high, value), degrees, len(ids))


def _seeds_of_both(first: SeedPart, second: SeedPart) -> Part:
    """Both parts together have no more degrees than all arms that lent to them."""
    estimated = first.estimated + second.estimated
    divisor = first.estimated**2 / first.degrees + second.estimated**2 / second.degrees
    degrees = min(estimated**2 / divisor, max(first.pooled, second.pooled)) if divisor > 0 else math.inf
    return first.added + second.added, estimated, degrees


def _square_and_add(
    first: Arm, second: Arm, variance: float, z: float, *, random_wordings: bool
) -> tuple[float, float]:
    """Both ends of the difference of two proportions whose Wilson intervals are joined with their correlation."""
    values = float(first.scores.mean()), float(second.scores.mean())
    variances = [spread_of(arm, random_wordings=random_wordings)[0] for arm in (first, second)]
    sides = []
    for value, own in zip(values, variances, strict=True):
        low, high = wilson(value, effective_n(value, len(first.ids), own), z)
        sides.append((max(0.0, value - low), max(0.0, high - value)))
    product = math.sqrt(variances[0] * variances[1])
    correlation = (sum(variances) - variance) / (2 * product) if product > 0 else 0.0
    correlation = min(1.0, max(-1.0, correlation))

    def joined(side: float, opposite: float) -> float:
        return math.sqrt(max(0.0, side**2 + opposite**2 - 2 * correlation * side * opposite))

    value = values[0] - values[1]
    return (
        max(-1.0, value - joined(sides[0][0], sides[1][1])),
        min(1.0, value + joined(sides[0][1], sides[1][0])),
    )


def weighted_sum(figures: Sequence[Figure], factors: Sequence[float], *, shift: float = 0.0) -> Figure:
    """Σ factor · figure − shift: sides add in squares, and are scaled to the pooled degrees."""
    value = sum(factor * figure.value for factor, figure in zip(factors, figures, strict=True)) - shift
    errors = [factor * (figure.stderr or 0.0) for factor, figure in zip(factors, figures, strict=True)]
    variance = sum(error**2 for error in errors)
    divisor = sum(error**4 / figure.degrees for error, figure in zip(errors, figures, strict=True))
    pooled = variance**2 / divisor if divisor > 0 else math.inf
    separate = sum(
        (quantile(figure.degrees) * error) ** 2 for error, figure in zip(errors, figures, strict=True)
    )
    stretch = quantile(pooled) * math.sqrt(variance / separate) if separate > 0 else 1.0
    down = math.hypot(*(factor * (f.value - f.low) for factor, f in zip(factors, figures, strict=True)))
    up = math.hypot(*(factor * (f.high - f.value) for factor, f in zip(factors, figures, strict=True)))
    n = sum(figure.n for figure in figures)
    return Figure(value, math.sqrt(variance), value - down * stretch, value + up * stretch, pooled, n)


def t_test(figure: Figure) -> float:
    """The two-sided p-value of a difference; without a standard error that of a sign test."""
    if not figure.stderr:
        return 1.0 if figure.value == 0 else min(1.0, 2.0 ** (1 - figure.n))
    statistic = abs(figure.value) / figure.stderr
    tail = stats.norm.sf(statistic) if math.isinf(figure.degrees) else stats.t.sf(statistic, figure.degrees)
    return float(2 * tail)


def mcnemar(arm: Arm, other: Arm) -> float:
    """The exact test of samples fixed and broken, of arms of one seed in one wording."""
    ids = shared_ids(arm, other)
    change = (arm.on(ids).scores - other.on(ids).scores).ravel()
    fixed, broken = int((change > 0).sum()), int((change < 0).sum())
    return float(stats.binomtest(fixed, fixed + broken, 0.5).pvalue) if fixed + broken else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """The k-th smallest of m p-values times m − k + 1, and never less than one before it."""
    corrected, largest = [0.0] * len(p_values), 0.0
    for step, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - step)))
        corrected[place] = largest
    return corrected


def draw_errors(
    arms: Sequence[Arm], stderrs: Sequence[float], count: int, *, random_wordings: bool, seed: int
) -> tuple[Array, Array]:
    """Joint draws of the errors of arms of one task (draws × arms): as if variances were known, and with the tails
    that few seeds give them.

    One normal weight for each sample or cluster, alike for all arms; the errors of seeds are each arm's own.
    """
    generator = np.random.default_rng([2026, seed])
    names = list(dict.fromkeys(itertools.chain.from_iterable(arm.ids for arm in arms)))
    clusters: dict[str, str] = {}
    for arm in arms:
        clusters |= dict(zip(arm.ids, arm.clusters, strict=True))
    whole = Arm(tuple(names), np.zeros((1, 1, len(names))), tuple(clusters[name] for name in names))
    places = {name: place for place, name in enumerate(names)}
    of_samples, of_templates = [], []
    for arm in arms:
        means = arm.scores.mean(axis=0)
        table = np.full((len(means), len(names)), means.mean())
        table[:, [places[name] for name in arm.ids]] = means
        clustered = in_clusters(table, whole)
        templates, n = clustered.shape
        of_samples.append((clustered.mean(axis=0) - clustered.mean()) / math.sqrt(n * (n - 1)))
        rows = clustered.mean(axis=1) - clustered.mean()
        of_templates.append(rows / math.sqrt(max(1, templates * (templates - 1))))
    effects = [np.array(of_samples), *([np.array(of_templates)] if random_wordings else [])]
    drawn = sum(generator.standard_normal((count, effect.shape[1])) @ effect.T for effect in effects)
    size = np.sqrt(sum((effect**2).sum(axis=1) for effect in effects))
    added = np.array([arm.seeds.added for arm in arms])
    wanted = np.sqrt(np.maximum(0.0, np.array(stderrs) ** 2 - added))
    of_the_samples = drawn / np.where(size > 1e-12, size, 1.0) * np.where(size > 1e-12, wanted, 0.0)
    normal = generator.standard_normal((count, len(arms))) * np.sqrt(added)
    tailed = normal.copy()
    for place, arm in enumerate(arms):
        if added[place] > 0 and math.isfinite(arm.seeds.degrees):
            freedom = arm.seeds.degrees
            tailed[:, place] /= np.sqrt(generator.chisquare(freedom, count) / freedom)
    return of_the_samples + normal, of_the_samples + tailed


def largest_p(errors: Array, share: float) -> float:
    """The p-value that the smallest of all pairs falls below by chance in 1 − `share` of the draws."""
    covariance = np.cov(errors, rowvar=False)
    largest = np.zeros(len(errors))
    for first in range(errors.shape[1]):
        for second in range(first):
            sums = covariance[first, first] + covariance[second, second]
            variance = sums - 2 * covariance[first, second]
            if variance > 1e-12 * sums:
                apart = np.abs(errors[:, first] - errors[:, second]) / math.sqrt(variance)
                largest = np.maximum(largest, apart)
    return float(2 * stats.norm.sf(np.quantile(largest, share))) if largest.any() else 0.05
