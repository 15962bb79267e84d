"""Which gaps samples and seeds can show, against numbers worked out by hand."""

import math

import pytest

from harness.statistics import sample_size
from harness.statistics.planning import independent_samples, resolvable_gap, samples_for, seeds_for

Z = 1.959964 + 0.841621
"""The quantiles of a two-sided 5 % test and of a power of 80 %: 2.801585."""


@pytest.mark.parametrize(
    ("samples", "seeds", "points"),
    [
        (30, math.inf, 22.87),  # 2.8016 · √(.2/30) = 2.8016 · .081650
        (30, 3, 23.33),  # 2.8016 · √(.0066667 + 2 · .0004/3) = 2.8016 · .083267
        (300, 3, 8.56),  # 2.8016 · √(.00066667 + .00026667) = 2.8016 · .030551
        (300, 1, 10.73),  # 2.8016 · √(.00066667 + .0008) = 2.8016 · .038297
        (math.inf, 2, 5.60),  # 2.8016 · .02: what seeds leave whatever the samples
    ],
)
def test_the_gap_that_shows_is_as_worked_out_by_hand(samples: float, seeds: float, points: float) -> None:
    assert 100 * resolvable_gap(samples, seeds=seeds) == pytest.approx(points, abs=0.006)


def test_more_disagreement_or_noisier_seeds_hide_larger_gaps() -> None:
    assert resolvable_gap(100, disagreement=0.4) == pytest.approx(Z * math.sqrt(0.004), abs=1e-6)
    noisy = resolvable_gap(100, seeds=2, seed_sd=0.1)
    assert noisy == pytest.approx(Z * math.sqrt(0.002 + 0.01), abs=1e-6)


def test_without_seeds_samples_are_those_of_the_published_formula() -> None:
    assert samples_for(0.05) == sample_size(0.2, 0.05) == 628


@pytest.mark.parametrize("seeds", [3, 4, 6, 100])
def test_the_gap_that_shows_with_the_samples_that_it_takes_is_that_gap(seeds: int) -> None:
    samples = samples_for(0.05, seeds=seeds)
    assert samples is not None
    assert resolvable_gap(samples, seeds=seeds) == pytest.approx(0.05, rel=1e-3)


def test_no_number_of_samples_makes_up_for_too_few_seeds() -> None:
    # Two seeds alone hide 5.6 points; three alone hide 4.6.
    assert samples_for(0.05, seeds=2) is None
    # .2 / ((.05/2.801585)² − 2 · .0004/3) = .2 / (.00031852 − .00026667)
    assert samples_for(0.05, seeds=3) == pytest.approx(3857, rel=2e-3)


def test_seeds_leave_half_of_the_noise_to_the_samples() -> None:
    # 2 · 2 · .0004 · 2.801585² / .05² = 5.02
    assert seeds_for(0.05) == 6
    assert seeds_for(0.5) == 2, "one seed shows nothing"


def test_samples_in_clusters_are_worth_fewer() -> None:
    assert independent_samples([""] * 7) == 7
    assert independent_samples(["a"] * 3 + ["b"] * 3) == 2
    # Sizes 4, 1 and 1: 36 / 18.
    assert independent_samples(["a", "a", "", "a", "b", "a"]) == 2
