"""What benchmarks hold their seconds to: a piece of work whose speed is the machine's alone.

Machines differ twofold, and other work slows any of them; a limit in seconds would judge the machine. A limit
in multiples of the reference, measured in the same minutes, judges the code.
"""

import statistics
import time
from collections.abc import Callable, Sequence

ADDITIONS = 20_000_000


def reference_seconds() -> float:
    """Seconds that 20 million additions take in a Python loop, here and now."""
    started = time.perf_counter()
    total = 0
    for number in range(ADDITIONS):
        total += number
    seconds = time.perf_counter() - started
    assert total == ADDITIONS * (ADDITIONS - 1) // 2
    return seconds


def in_references(seconds: float, references: Sequence[float]) -> float:
    """Seconds as a multiple of the median reference, measured before and after them."""
    return seconds / statistics.median(references)


def median_ratio(numerator: Callable[[], float], denominator: Callable[[], float], *, rounds: int) -> float:
    """Median over rounds of the one's seconds by the other's; each returns the seconds that it took.

    In every round both are measured, in turns first and second: a slower minute of the machine is then one
    for both, and one that hits only one of them moves a single ratio and not the median.
    """
    ratios = []
    for turn in range(rounds):
        if turn % 2:
            above, below = numerator(), denominator()
        else:
            below = denominator()
            above = numerator()
        ratios.append(above / below)
    return statistics.median(ratios)
