"""How many samples a difference takes."""

import math

from scipy import special

POWER = 0.8
"""The share of repetitions in which a true difference is to be found, unless another is given."""


def sample_size(variance: float, difference: float, *, power: float = POWER, alpha: float = 0.05) -> int:
    """The size of a test set on which a true paired difference is found with probability `power`.

    `n = (z_{α/2} + z_β)² · ω² / δ²`, with ω² the variance of a sample's difference (Miller 2024, arXiv
    2411.00640, equation 9: ω² = 1/9 and δ = 3 points take 969). For right-or-wrong scores of one seed, ω² is
    about the share of samples on which the two models disagree. Raises `ValueError` for a difference that is not
    above 0.
    """
    if difference <= 0:
        raise ValueError(f"a difference of {difference:g} cannot be resolved; it must be above 0")
    quantiles = special.ndtri(1 - alpha / 2) + special.ndtri(power)
    return math.ceil(round(float(quantiles**2 * variance / difference**2), 6))
