"""What to buy next: how much more seeds, test samples or labels would tell of the gain that decides, and at
what price.

The variance of the gain of a fine-tune over an untuned arm has three parts, all measured on this very board.
Of each task, with S seeds of the one and S' of the other, and n samples,

    Var(d) = (σ²_samples + σ²_residual/S + σ²'_residual/S') / n + σ²_seeds/S + σ²'_seeds/S'

More samples divide the first part, more seeds of an arm its own parts. On several tasks the variances add,
times the squares of the tasks' factors. A seed costs a training and its scoring on every task; a sample costs
its label, and its scoring by every arm and seed compared. A greedy arm without tuning takes no seeds.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import special

from harness.statistics import CONFIDENCE, POWER, FloatArray
from leaderboards.money.ledger import CostLedger
from leaderboards.rank.pairs import means_of_cells
from leaderboards.rank.standings import factors
from leaderboards.rank.tables import Row, Table

ENOUGH_SEEDS = 3
"""Seeds that a claim should rest on."""

MOST_SEEDS = 20
MOST_TIMES_SAMPLES = 16
"""What is thought of at most: seeds in all, and how many times as many samples."""

Thing = Literal["seeds", "samples", "labels"]


@dataclass(frozen=True)
class TaskVariance:
    """The parts of the variance of a gain on one task, on the scale of the board."""

    samples: float
    """Of samples alone, residual and all."""

    sample_degrees: float
    residuals: tuple[float, float]
    """What of `samples` is left of seeds × samples after averaging over the seeds of either arm."""

    of_seeds: tuple[float, float]
    """Of the seeds of the fine-tune, and of the untuned arm."""

    estimated: tuple[float, float]
    """What `seed_degrees` belong to."""

    seed_degrees: tuple[float, float]
    seeds: tuple[int, int]
    n: int
    """Test samples."""

    @property
    def draws_seeds(self) -> tuple[bool, bool]:
        """Which of the two arms another seed would change."""
        return self.estimated[0] > 0, self.estimated[1] > 0

    def spread(self, *, more_seeds: int, times_samples: float) -> tuple[float, float]:
        """Variance and its degrees of freedom with so many more seeds and times the samples; the degrees as
        of `harness.statistics.spread` and `SeedNoise.of_differences`."""
        of_samples, of_seeds, estimated, divisor = self.samples, 0.0, 0.0, 0.0
        for arm in (0, 1):
            if not self.draws_seeds[arm]:
                continue
            share = self.seeds[arm] / (self.seeds[arm] + more_seeds)
            of_samples -= self.residuals[arm] * (1 - share)
            of_seeds += self.of_seeds[arm] * share
            estimated += self.estimated[arm] * share
            # The degrees of a single seed are borrowed from other arms, which get none more.
            grown = (self.seeds[arm] + more_seeds - 1) / (self.seeds[arm] - 1) if self.seeds[arm] > 1 else 1
            divisor += (self.estimated[arm] * share) ** 2 / (self.seed_degrees[arm] * grown)
        of_samples = max(0.0, of_samples) / times_samples
        variance = of_samples + of_seeds
        inverse = of_samples / (self.sample_degrees * times_samples)
        inverse += divisor / estimated if estimated else 0.0
        return variance, variance / inverse if inverse else np.inf


@dataclass(frozen=True)
class Precision:
    """How well a gain is known."""

    stderr: float
    degrees: float

    @property
    def half_width(self) -> float:
        """Of its 95 % interval."""
        return float(special.stdtrit(self.degrees, 0.5 + CONFIDENCE / 2)) * self.stderr

    def resolvable(self, claims: int) -> float:
        """The true gain that would be shown four times in five, as one of so many that are tested."""
        tail = (1 - CONFIDENCE) / 2 / claims
        return float(special.stdtrit(self.degrees, [1 - tail, POWER]).sum()) * self.stderr


@dataclass(frozen=True)
class Purchase:
    """Something that can be bought, and what it would tell."""

    thing: Thing
    count: int
    """Seeds, test samples of all tasks, or training labels of all tasks."""

    cost: float | None
    """Dollars; None where a price is not known."""

    after: Precision | None
    """How well the gain would then be known; None for labels, which change the gain itself."""

    expected_gain: float | None = None
    """By how much more labels would move the score; None for what moves nothing."""

    removed: float = 0.0
    """Standard error that it takes away."""

    @property
    def removed_per_dollar(self) -> float:
        """What purchases are ranked by."""
        return self.removed / self.cost if self.cost else 0.0


@dataclass(frozen=True)
class Outlook:
    """The gain that decides, and what would make it better known."""

    now: Precision
    seed_share: float | None
    """Share of its variance that comes from seeds; None where it is not known how far another seed would
    differ, of which `now` then leaves out that part."""

    purchases: tuple[Purchase, ...]
    """Those that take most standard error away for a dollar first; seeds before all else where it is not
    known what they would tell."""

    decisive: tuple[Purchase, ...] | None
    """The cheapest of more seeds, more samples, or both, with which a gain as large as the one seen (or as
    the smallest that is worth it) would be shown four times in five; None where no number within reason
    would, and empty where it would already."""

    target: float
    """That gain."""


def outlook(
    table: Table, ledger: CostLedger, tuned: Row, untuned: Row, *, smallest_gain: float
) -> Outlook | None:
    """What more data would tell of a gain; None where the two share no samples, or differ alike on all of
    them."""
    difference = table.difference(tuned, untuned)
    variances = [_variance(table, task, tuned, untuned) for task in table.tasks]
    if difference is None or not difference.stderr or any(variance is None for variance in variances):
        return None
    shop = _Shop(table, ledger, tuned, untuned, tuple(variance for variance in variances if variance))
    half_width = max(difference.value - difference.low, difference.high - difference.value)
    # Intervals of proportions near 0 or 1 are wider than their standard errors say.
    shop = replace(shop, widening=max(1.0, half_width / shop.now.half_width))
    target = max(abs(difference.value), smallest_gain)
    return Outlook(
        shop.now,
        shop.seed_share if shop.seeds_tell else None,
        tuple(sorted(shop.purchases(), key=_order)),
        shop.decisive(target),
        target,
    )


def _order(purchase: Purchase) -> tuple[bool, float]:
    is_first_seeds = purchase.thing == "seeds" and purchase.after is None
    return not is_first_seeds, -purchase.removed_per_dollar


def _variance(table: Table, task: str, tuned: Row, untuned: Row) -> TaskVariance | None:
    cell, arm_cell = tuned.cells[task], untuned.cells[task]
    ids = cell.scores.shared(arm_cell.scores)
    random_wordings = table.random_wordings
    means = means_of_cells([cell, arm_cell], ids, random_wordings=random_wordings) if ids else None
    if means is None or means.effects is None:
        return None
    of_samples = means.effects.of_differences()[0]
    factor = factors(table.tasks, table.weights)[task] ** 2

    noise = means.noise
    return TaskVariance(
        factor * float(of_samples.variance[0, 1]),
        float(of_samples.degrees[0, 1]),
        _pair(factor * noise.residual),
        _pair(factor * noise.variance),
        _pair(factor * noise.estimated),
        _pair(noise.degrees),
        (len(cell.seeds), len(arm_cell.seeds)),
        len(ids),
    )


def _pair(values: FloatArray) -> tuple[float, float]:
    """Of the fine-tune, and of the untuned arm."""
    return float(values[0]), float(values[1])


@dataclass(frozen=True)
class _Shop:
    """Prices and precisions of what may be bought."""

    table: Table
    ledger: CostLedger
    tuned: Row
    untuned: Row
    tasks: tuple[TaskVariance, ...]
    widening: float = 1.0
    """By how much the interval is wider than its standard error makes it."""

    @cached_property
    def now(self) -> Precision:
        """How well the gain is known."""
        return self._precision(more_seeds=0, times_samples=1.0)

    @property
    def seed_share(self) -> float:
        """Share of the variance that seeds make."""
        of_seeds = sum(sum(task.of_seeds) for task in self.tasks)
        return of_seeds * self.widening**2 / self.now.stderr**2

    def precision(self, *, more_seeds: int = 0, times_samples: float = 1.0) -> Precision:
        """How well the gain would be known. More data never make fewer degrees of freedom, though they may
        leave more of the variance to the part with the fewest."""
        then = self._precision(more_seeds=more_seeds, times_samples=times_samples)
        return replace(then, degrees=max(then.degrees, self.now.degrees))

    def _precision(self, *, more_seeds: int, times_samples: float) -> Precision:
        spreads = [task.spread(more_seeds=more_seeds, times_samples=times_samples) for task in self.tasks]
        variance = sum(of_task for of_task, _ in spreads)
        divisor = sum(of_task**2 / degrees for of_task, degrees in spreads)
        stderr = self.widening * math.sqrt(max(variance, 0.0))
        return Precision(stderr, variance**2 / divisor if divisor > 0 else np.inf)

    def purchases(self) -> Iterator[Purchase]:
        """More seeds, twice the test samples, twice the training labels."""
        if not self.seeds_tell:
            yield self._first_seeds
        elif any(self._drawn):
            yield self._bought("seeds", more_seeds=1)
        yield self._bought("samples", times_samples=2.0)
        labels = self._more_labels()
        if labels is not None:
            yield labels

    def _bought(self, thing: Thing, *, more_seeds: int = 0, times_samples: float = 1.0) -> Purchase:
        after = self.precision(more_seeds=more_seeds, times_samples=times_samples)
        samples = self._more_samples(times_samples)
        cost = self._seeds_usd(more_seeds, times_samples) if thing == "seeds" else self._samples_usd(samples)
        return Purchase(
            thing,
            more_seeds if thing == "seeds" else samples,
            cost,
            after,
            removed=max(0.0, self.now.stderr - after.stderr),
        )

    def _more_samples(self, times: float) -> int:
        return round(sum(task.n for task in self.tasks) * (times - 1))

    def _request_usd(self, row: Row) -> float | None:
        request = self.ledger.of(row).spend.request
        return request.mid if request else None

    def _seeds_usd(self, more_seeds: int, times_samples: float = 1.0) -> float | None:
        """Trainings, and scoring on every test sample."""
        training = self.ledger.of(self.tuned).spend.training
        total = 0.0
        for row, draws in zip((self.tuned, self.untuned), self._drawn, strict=True):
            request = self._request_usd(row)
            if request is None or training is None:
                return None
            trained = training.mid * len(self.tasks) if row is self.tuned else 0.0
            scored = request * times_samples * sum(task.n for task in self.tasks)
            total += (trained + scored) * more_seeds if draws else 0.0
        return total

    @property
    def claims(self) -> int:
        """Fine-tunes that are held against the arm."""
        return sum(row.tuned for row in self.table.ranked)

    @property
    def seeds_tell(self) -> bool:
        """Whether what another seed would change is known of both arms."""
        return self.tuned.seed_noise_known and self.untuned.seed_noise_known

    @property
    def _first_seeds(self) -> Purchase:
        """As many as a claim takes; what they would tell cannot be known before."""
        more_seeds = ENOUGH_SEEDS - min(task.seeds[0] for task in self.tasks)
        return Purchase("seeds", more_seeds, self._seeds_usd(more_seeds), None)

    @property
    def _drawn(self) -> tuple[bool, bool]:
        """Which of the two arms another seed would change."""
        return not self.tuned.same_for_every_seed, not self.untuned.same_for_every_seed

    def _samples_usd(self, samples: int) -> float | None:
        """Labels, and scoring by both arms with every seed."""
        label = self.ledger.runs.prices.label.usd_per_item.mid
        total = samples * label
        for place, row in enumerate((self.tuned, self.untuned)):
            request = self._request_usd(row)
            if request is None:
                return None
            seeds = max(task.seeds[place] for task in self.tasks) if self._drawn[place] else 1
            total += samples * seeds * request
        return total

    def _more_labels(self) -> Purchase | None:
        """Twice the training labels; None where no learning curve of the fine-tune says what they would
        bring."""
        moved, labels, trainings = 0.0, 0, 0
        for task, factor in factors(self.table.tasks, self.table.weights).items():
            curve = self.table.curves.get((*self.tuned.key, task))
            if curve is None:
                return None
            (before, earlier), (largest, latest) = list(curve.items())[-2:]
            if not (earlier.estimate and latest.estimate and 0 < before < largest):
                return None
            # A straight line in the logarithm of the budget, through the last two of them.
            slope = (latest.estimate.value - earlier.estimate.value) / math.log2(largest / before)
            moved, labels, trainings = moved + factor * slope, labels + largest, trainings + len(latest.seeds)
        training = self.ledger.of(self.tuned).spend.training
        price = self.ledger.runs.prices.label.usd_per_item.mid
        cost = None if training is None else labels * price + 2 * training.mid * trainings
        return Purchase("labels", labels, cost, None, expected_gain=moved)

    def decisive(self, target: float) -> tuple[Purchase, ...] | None:
        """The cheapest that would show a gain of `target` four times in five; see `Outlook.decisive`."""
        if not self.seeds_tell:
            return (self._first_seeds,)
        if self.now.resolvable(self.claims) <= target:
            return ()
        most_seeds = max(0, MOST_SEEDS - max(task.seeds[0] for task in self.tasks))
        choices: list[tuple[float, tuple[Purchase, ...]]] = []
        for times in (1.0, 2.0, 4.0, 8.0, MOST_TIMES_SAMPLES):
            for more_seeds in range(most_seeds + 1 if any(self._drawn) else 1):
                then = self.precision(more_seeds=more_seeds, times_samples=times)
                if then.resolvable(self.claims) > target:
                    continue
                choices.append(self._basket(more_seeds, times))
                break  # more seeds would only cost more
        return min(choices, key=lambda choice: choice[0])[1] if choices else None

    def _basket(self, more_seeds: int, times_samples: float) -> tuple[float, tuple[Purchase, ...]]:
        """What it costs, and what is in it."""
        basket = []
        if more_seeds:
            bought = self._bought("seeds", more_seeds=more_seeds)
            basket.append(replace(bought, cost=self._seeds_usd(more_seeds, times_samples)))
        if times_samples > 1:
            basket.append(self._bought("samples", times_samples=times_samples))
        # Without a price, what takes fewer samples, and then fewer seeds, counts as the cheaper one.
        costs = [purchase.cost for purchase in basket]
        unpriced = 1e6 * times_samples + more_seeds
        return (unpriced if None in costs else math.fsum(cost or 0.0 for cost in costs)), tuple(basket)
