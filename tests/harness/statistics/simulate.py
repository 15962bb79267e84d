"""How often the statistics are right, by simulation: `python tests/harness/statistics/simulate.py` writes
what the methodology page shows, in about ten minutes of one core.

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
from harness.statistics import ArmMeans, FloatArray, holm, seed_noise
from leaderboards.rank.pairs import Comparison, compare_means
from leaderboards.rank.standings import Standing, over_board

TUNED = 5
DIFFICULTY = 1.0
"""Standard deviation of samples, in probits."""

PROBITS_PER_POINT = (1 + DIFFICULTY**2) ** 0.5 / (100 / (2 * np.pi) ** 0.5)
"""What moves a score of 50 by a point."""

SWEEPS = 2000
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


@dataclass(frozen=True)
class World:
    """What is true of the fine-tunes."""

    gain: float = 0.0
    """By how many points the first one is better than the others, which are as good as the untuned arm."""

    noise_ratio: float = 1.0
    """The largest seed SD of any by the smallest; the others lie between, and their geometric mean is that of
    the design."""


NOTHING = World()
"""No fine-tune is better, and all vary alike."""


def simulate(design: Design, *, sweeps: int = SWEEPS, seed: int = 0, world: World = NOTHING) -> Simulated:
    """Shares over so many sweeps of a design."""
    counts = [_count(design, sweep, seed=seed, world=world) for sweep in range(sweeps)]
    return Simulated(design, sweeps, *np.mean(counts, axis=0).tolist())


def _count(design: Design, sweep: int, *, seed: int, world: World) -> tuple[float, ...]:
    """Of one sweep: the share of gains that their intervals hold, whether some arm ranks above another, and
    whether some fine-tune is advised."""
    generator = np.random.default_rng([seed, sweep, design.seeds, design.samples, design.tasks])
    keys = tuple((str(arm), "lora") for arm in range(1 + TUNED))
    standings = {
        str(task): Standing(keys, _task(design, generator, seed=sweep * design.tasks + task, world=world))
        for task in range(design.tasks)
    }
    overall = over_board(standings, keys, dict.fromkeys(standings, 1 / design.tasks))
    comparison = overall.comparison
    low, high, p = comparison.low[1:, 0], comparison.high[1:, 0], comparison.p[1:, 0]
    covered = ((low <= 0) & (high >= 0)).mean()
    advised = ((holm(p) < 0.05) & (low > 0)).any()
    return float(covered), float(overall.ranking(keys).better.any()), float(advised)


def _task(design: Design, generator: np.random.Generator, *, seed: int, world: World) -> Comparison:
    difficulty = generator.normal(0, DIFFICULTY, design.samples)
    skill = generator.normal(0, design.seed_sd * PROBITS_PER_POINT, (TUNED, design.seeds, 1))
    skill *= world.noise_ratio ** np.linspace(-0.5, 0.5, TUNED)[:, None, None]
    skill[0] += world.gain * PROBITS_PER_POINT
    untuned = answers(generator, difficulty[None])
    tables = [untuned[:, None], *answers(generator, skill + difficulty)[:, :, None]]
    noise = seed_noise(tables, alike=["greedy", *["tuned"] * TUNED])
    seeds = np.array([len(table) for table in tables])
    means = ArmMeans(np.stack([table.mean(axis=0) for table in tables]), noise, seeds)
    return compare_means(means, binary=True, seed=seed)


def answers(generator: np.random.Generator, skill: FloatArray) -> FloatArray:
    """Right or wrong."""
    return (generator.random(skill.shape) < special.ndtr(skill)).astype(float)


def main() -> None:
    """Simulate all designs, and write the file that the methodology page reads."""
    rows = []
    for design in DESIGNS:
        rows.append(simulate(design))
        print(rows[-1], file=sys.stderr)
    FILE.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
