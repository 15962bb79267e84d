"""How many samples and seeds a difference takes, and which difference those that there are can show."""

import math
from collections import Counter
from collections.abc import Sequence

from scipy import special

POWER = 0.8
"""The share of repetitions in which a true difference is to be found, unless another is given."""

ALPHA = 0.05
"""The share of repetitions in which a difference is found where there is none."""

DISAGREEMENT = 0.2
"""Share of the test samples that two arms score differently, as long as nothing has been measured."""

SEED_SD = 0.02
"""Standard deviation of a fine-tune's true score over its seeds, as long as nothing has been measured."""


def sample_size(variance: float, difference: float, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """The size of a test set on which a true paired difference is found with probability `power`.

    `n = (z_{α/2} + z_β)² · ω² / δ²`, with ω² the variance of a sample's difference (Miller 2024, arXiv
    2411.00640, equation 9: ω² = 1/9 and δ = 3 points take 969). For right-or-wrong scores of one seed, ω² is
    about the share of samples on which the two models disagree. Raises `ValueError` for a difference that is
    not above 0.
    """
    if difference <= 0:
        raise ValueError(f"a difference of {difference:g} cannot be resolved; it must be above 0")
    return math.ceil(round(_quantiles(power, alpha) ** 2 * variance / difference**2, 6))


def resolvable_gap(
    samples: float,
    *,
    seeds: float = math.inf,
    disagreement: float = DISAGREEMENT,
    seed_sd: float = SEED_SD,
    power: float = POWER,
) -> float:
    """The true difference of two fine-tunes that is found with probability `power`, on a scale from 0 to 1.

    `(z_{α/2} + z_β) · √(q/n + 2σ²/S)`: Miller's equation 9, solved for the difference, with the variance that
    the seeds of both arms add. q is `disagreement`, n the number of independent `samples`, σ is `seed_sd`, S
    the number of `seeds`; infinitely many leave what the samples alone allow.
    """
    variance = disagreement / samples + _seed_variance(seeds, seed_sd)
    return _quantiles(power, ALPHA) * math.sqrt(variance)


def samples_for(gap: float, *, seeds: float = math.inf) -> int | None:
    """Independent samples on which `gap` is found with probability `POWER`, under the assumptions above; None
    where so few seeds are too noisy for any number of samples."""
    left = gap**2 - _quantiles(POWER, ALPHA) ** 2 * _seed_variance(seeds, SEED_SD)
    return None if left <= 0 else sample_size(DISAGREEMENT, math.sqrt(left))


def seeds_for(gap: float) -> int:
    """The fewest seeds that leave half of the variance which `gap` allows to the samples; at least 2.

    With fewer, most of the noise is the seeds', and more samples hardly help.
    """
    return max(2, math.ceil(round(2 * _quantiles(POWER, ALPHA) ** 2 * 2 * SEED_SD**2 / gap**2, 6)))


def independent_samples(clusters: Sequence[str]) -> float:
    """What samples are worth in independent ones: n²/Σn_c², the effective number of clusters.

    `clusters`: the name of each sample's; one without a name stands alone. Clusters of equal size count as
    one sample each, as where their samples are all right or all wrong together.
    """
    sizes = Counter(name for name in clusters if name)
    alone = sum(not name for name in clusters)
    return len(clusters) ** 2 / (alone + sum(size**2 for size in sizes.values()))


def _seed_variance(seeds: float, seed_sd: float) -> float:
    """The variance that the seeds of two arms add to their difference."""
    return 2 * seed_sd**2 / seeds


def _quantiles(power: float, alpha: float) -> float:
    return float(special.ndtri(1 - alpha / 2) + special.ndtri(power))
