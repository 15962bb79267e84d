"""Whether a probability on the cost page is one: fine-tunes whose true gains are known, many times over."""

import os
from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special
from simulate import DIFFICULTY, PROBITS_PER_POINT, TUNED, Design, answers

from harness.statistics import ArmMeans, FloatArray, seed_noise
from leaderboards.rank.pairs import Comparison, compare_means

SWEEPS = int(os.environ.get("GAINBOARD_SIMULATED_SWEEPS", "400")) // 2
GAIN_SD = 5.0
"""Points by which true gains vary: some are large, some none, some losses."""

WIDEST_CUT = 0.15
SMALLEST_GAIN = 0.02


@dataclass(frozen=True)
class Told:
    """What the statistics said of all fine-tunes of all sweeps, and the truth."""

    probability: FloatArray
    """Of each fine-tune, that its gain exceeds a cut."""

    true: FloatArray
    """Whether it does: 0 or 1."""

    denied: float
    """Share of sweeps with a true gain of 5 points or more in which every gain was called negligible."""


def told(design: Design) -> Told:
    generator = np.random.default_rng([design.seeds, design.samples])
    probability, true = [], []
    large, denied = 0, 0
    for sweep in range(SWEEPS):
        skills = generator.normal(0, GAIN_SD * PROBITS_PER_POINT, TUNED)
        truth = special.ndtr(skills / np.sqrt(1 + DIFFICULTY**2 + _seed_spread(design) ** 2)) - 0.5
        comparison = _sweep(design, skills, generator, seed=sweep)
        errors = comparison.tailed_errors
        drawn = comparison.value[1:, 0] + errors[:, 1:] - errors[:, :1]
        cuts = generator.uniform(-WIDEST_CUT, WIDEST_CUT, TUNED)
        probability += (drawn > cuts).mean(axis=0).tolist()
        true += (truth > cuts).astype(float).tolist()
        if truth.max() >= 0.05:
            large += 1
            denied += bool((comparison.high[1:, 0] < SMALLEST_GAIN).all())
    return Told(np.array(probability), np.array(true), denied / large)


def _seed_spread(design: Design) -> float:
    return design.seed_sd * PROBITS_PER_POINT


def _sweep(design: Design, skills: FloatArray, generator: np.random.Generator, *, seed: int) -> Comparison:
    """An untuned arm that is right half of the time, and fine-tunes that are better by their skill."""
    difficulty = generator.normal(0, DIFFICULTY, design.samples)
    of_seeds = generator.normal(0, _seed_spread(design), (TUNED, design.seeds, 1))
    tuned = answers(generator, skills[:, None, None] + of_seeds + difficulty)
    tables = [answers(generator, difficulty[None])[:, None], *tuned[:, :, None]]
    noise = seed_noise(tables, alike=["greedy", *["tuned"] * TUNED])
    means = np.stack([table.mean(axis=0) for table in tables])
    arms = ArmMeans(means, noise, np.array([len(table) for table in tables]))
    return compare_means(arms, binary=True, seed=seed)


@pytest.mark.parametrize("design", [Design(2, 300, 2.0, 1), Design(2, 1000, 5.0, 1), Design(3, 100, 5.0, 1)])
def test_a_probability_of_a_gain_is_how_often_there_is_one(design: Design) -> None:
    """In each tenth of the probabilities that were told, and a truly large gain is not called negligible."""
    result = told(design)
    tenths = np.minimum((10 * result.probability).astype(int), 9)
    for tenth in range(10):
        members = tenths == tenth
        if members.sum() < 20:
            continue
        share = result.probability[members].mean()
        chance = 3 * np.sqrt(max(share * (1 - share), 0.01) / members.sum())
        assert result.true[members].mean() == pytest.approx(share, abs=0.05 + chance), (tenth, design)
    assert result.denied <= 0.02
