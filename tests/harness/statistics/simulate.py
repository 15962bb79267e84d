"""How often the statistics are right, by simulation: `python tests/harness/statistics/simulate.py` writes
what the methodology page shows.

Sweeps in which nothing is to be found: an untuned arm that answers greedily, and five fine-tunes that are
truly as good, on the same right-or-wrong samples. Whatever is found is false.
"""

import json
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from scipy import special

import leaderboards
from harness.statistics import (
    DRAWS,
    ArmMeans,
    FloatArray,
    differences,
    holm,
    sample_errors,
    seed_noise,
    t_test,
)
from leaderboards.rank.pairs import Comparison
from leaderboards.rank.standings import Standing, over_board

TUNED = 5
DIFFICULTY = 1.0
"""Standard deviation of samples, in probits."""

PROBITS_PER_POINT = (1 + DIFFICULTY**2) ** 0.5 / (100 / (2 * np.pi) ** 0.5)
"""What moves a score of 50 by a point."""

SWEEPS = 500
FILE = Path(leaderboards.__file__).parent / "simulated.json"


@dataclass(frozen=True)
class Design:
    """A sweep: every fine-tune on every task with every seed."""

    seeds: int
    samples: int
    seed_sd: float
    """By how many points the true score of a fine-tune varies from seed to seed."""

    tasks: int


@dataclass(frozen=True)
class Simulated:
    """Shares of the sweeps of a design."""

    design: Design
    sweeps: int
    coverage: float
    """In which the 95 % interval of a gain holds the true one, over all gains."""

    false_order: float
    """In which some arm ranks clearly above another."""

    false_advice: float
    """In which some fine-tune passes Holm's correction with a gain above 0."""


DESIGNS = [
    Design(seeds, samples, seed_sd, tasks)
    for seeds, samples, seed_sd, tasks in product((2, 3, 5), (100, 300, 1000), (0.0, 2.0, 5.0), (1, 4))
]


def simulate(design: Design, *, sweeps: int = SWEEPS, seed: int = 0) -> Simulated:
    """Shares over so many sweeps of a design."""
    generator = np.random.default_rng([seed, design.seeds, design.samples, design.tasks])
    covered, ordered, advised = 0.0, 0, 0
    keys = tuple((str(arm), "lora") for arm in range(1 + TUNED))
    for sweep in range(sweeps):
        standings = {
            str(task): Standing(keys, _task(design, generator, seed=sweep * design.tasks + task))
            for task in range(design.tasks)
        }
        overall = over_board(standings, keys, dict.fromkeys(standings, 1 / design.tasks))
        comparison = overall.comparison
        low, high, p = comparison.low[1:, 0], comparison.high[1:, 0], comparison.p[1:, 0]
        covered += float(((low <= 0) & (high >= 0)).mean())
        ordered += bool(overall.ranking(keys).better.any())
        advised += bool(((holm(p) < 0.05) & (low > 0)).any())
    return Simulated(design, sweeps, covered / sweeps, ordered / sweeps, advised / sweeps)


def _task(design: Design, generator: np.random.Generator, *, seed: int) -> Comparison:
    difficulty = generator.normal(0, DIFFICULTY, design.samples)
    skill = generator.normal(0, design.seed_sd * PROBITS_PER_POINT, (TUNED, design.seeds, 1))
    untuned = answers(generator, difficulty[None])
    tables = [untuned[:, None], *answers(generator, skill + difficulty)[:, :, None]]
    noise = seed_noise(tables, alike=["greedy", *["tuned"] * TUNED])
    seeds = np.array([len(table) for table in tables])
    return compared(ArmMeans(np.stack([table.mean(axis=0) for table in tables]), noise, seeds), seed=seed)


def answers(generator: np.random.Generator, skill: FloatArray) -> FloatArray:
    """Right or wrong."""
    return (generator.random(skill.shape) < special.ndtr(skill)).astype(float)


def compared(means: ArmMeans, *, seed: int) -> Comparison:
    """Every arm with every other, as the ranking compares them."""
    intervals, spread = differences(means, binary=True), means.spread
    assert intervals.stderr is not None and spread is not None
    p = t_test(intervals.value, intervals.stderr, intervals.degrees, n=intervals.n)
    of_samples = sample_errors(means, seed=seed) * np.sqrt(
        np.maximum(0, spread.variance - means.noise.variance)
    )
    of_seeds, tailed = means.noise.errors(draws=DRAWS, seed=seed)
    whole = np.ones(p.shape, dtype=np.int64)
    return Comparison(
        intervals.value,
        intervals.stderr,
        intervals.degrees,
        intervals.low,
        intervals.high,
        p,
        whole * intervals.n,
        whole * intervals.seeds,
        (of_samples + of_seeds).astype(np.float32),
        (of_samples + tailed).astype(np.float32),
    )


def main() -> None:
    """Simulate all designs, and write the file that the methodology page reads."""
    rows = []
    for design in DESIGNS:
        rows.append(simulate(design))
        print(rows[-1], file=sys.stderr)
    FILE.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
