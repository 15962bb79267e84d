"""Say before anything is trained which gaps the test set and the seeds of a sweep can show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.counts import count_of
from harness.metrics import primary_metric_of
from harness.statistics.planning import (
    DISAGREEMENT,
    POWER,
    SEED_SD,
    independent_samples,
    resolvable_gap,
    samples_for,
    seeds_for,
)
from harness.task import Sample, Task

WANTED_GAP = 0.05
"""The gap that people want to see: 5 points."""

COARSE_GAP = 0.1
"""A test set that shows only larger gaps deserves a warning: few fine-tunes are 10 points better."""

FEWEST_SEEDS = 2
"""With one, nobody knows how much of a gain is that seed's luck."""


@dataclass(frozen=True)
class Power:
    """What a test set can show, alone or with the seeds of a sweep."""

    samples: int
    independent: float
    """What they are worth in independent samples: fewer where they come in clusters."""

    seeds: int | None
    """None: not decided yet, so the noise of seeds is left out."""

    @property
    def gap(self) -> float | None:
        """The smallest gap that shows, on a scale from 0 to 1; None where none does, however large."""
        if self.seeds is not None and self.seeds < FEWEST_SEEDS:
            return None
        gap = self._gap_with(self.seeds)
        return gap if gap < 1 else None

    @property
    def is_coarse(self) -> bool:
        """Whether only large gaps show, or none."""
        return self.gap is None or self.gap > COARSE_GAP

    @property
    def wanted_seeds(self) -> int | None:
        """The seeds that `WANTED_GAP` takes: these, or more; None where seeds are not decided yet."""
        return None if self.seeds is None else max(self.seeds, seeds_for(WANTED_GAP))

    @property
    def wanted_samples(self) -> int:
        """The test samples that `WANTED_GAP` takes with `wanted_seeds`, in clusters as large as these."""
        independent = samples_for(WANTED_GAP, seeds=_number(self.wanted_seeds))
        assert independent is not None, "so many seeds leave half of the noise to the samples"
        return math.ceil(independent * self.samples / self.independent)

    @property
    def sentence(self) -> str:
        """What shows, and what 5 points would take: `30 test samples: only gaps above about 23 points show; 5
        points would take about 630.`"""
        samples = count_of(self.samples, "test sample")
        if round(self.independent) < self.samples:
            samples += f" (worth {self.independent:,.0f} independent ones)"
        subject = samples if self.seeds is None else f"{samples} and {count_of(self.seeds, 'seed')}"
        return f"{subject}: {self._shown}{self._wanted}."

    @property
    def assumptions(self) -> str:
        """What the sentence takes for granted."""
        seeds = "" if self.seeds is None else f", a fine-tune's seeds by {_points(SEED_SD)} points (SD)"
        return (
            f"Assumed: two arms differ on {100 * DISAGREEMENT:.0f} % of the samples{seeds}; "
            f"{100 * POWER:.0f} % of such gaps would be found."
        )

    @property
    def _shown(self) -> str:
        if self.seeds is not None and self.seeds < FEWEST_SEEDS:
            least = self._gap_with(FEWEST_SEEDS)
            then = f"; two would show gaps above about {_points(least)} points" if least < 1 else ""
            return f"one seed can never show a gain{then}"
        if self.gap is None:
            return "no gap can show"
        return f"{'only ' if self.gap > WANTED_GAP else ''}gaps above about {_points(self.gap)} points show"

    @property
    def _wanted(self) -> str:
        """What is missing for 5 points."""
        missing = []
        if self.wanted_seeds is not None and self.wanted_seeds != self.seeds:
            missing.append(count_of(self.wanted_seeds, "seed"))
        if self.wanted_samples > self.samples:
            noun = " samples" if missing else ""
            missing.append(f"about {_two_digits(self.wanted_samples):,}{noun}")
        wanted = _points(WANTED_GAP)
        return (
            f"; {wanted} points would take {' and '.join(missing)}" if missing and not self._is_fine else ""
        )

    @property
    def _is_fine(self) -> bool:
        return self.gap is not None and self.gap <= WANTED_GAP

    def _gap_with(self, seeds: int | None) -> float:
        return resolvable_gap(self.independent, seeds=_number(seeds))


def power_of(clusters: Sequence[str], *, seeds: int | None = None) -> Power:
    """The power of test samples, given by the names of their clusters (empty: alone), scored from 0 to 1."""
    return Power(len(clusters), independent_samples(clusters), seeds)


def power_on(task: Task, test: Sequence[Sample], *, seeds: int | None = None) -> Power | None:
    """The power of a task's test samples; None where its primary metric has no scale from 0 to 1, or where
    texts are weighed: then two arms differ a little on every sample."""
    primary = primary_metric_of(task)
    if task.output == "perplexity" or primary.high - primary.low != 1:
        return None
    return power_of([sample.cluster for sample in test], seeds=seeds)


def _number(seeds: int | None) -> float:
    """Seeds that are not decided yet are left out of account, as if there were any number of them."""
    return math.inf if seeds is None else seeds


def _points(gap: float) -> str:
    """A share in points, to two digits."""
    points = 100 * gap
    return f"{points:.2g}" if points < 10 else f"{points:.0f}"


def _two_digits(number: int) -> int:
    return int(float(f"{number:.1e}"))
