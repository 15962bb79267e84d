"""What the best of several is over-stated by: chosen for its score, it owes some of it to luck."""

import numpy as np

from harness.statistics import CONFIDENCE
from leaderboards.rank.tables import Row, Table


def adjusted_low(table: Table, tuned: Row, untuned: Row) -> float | None:
    """The lower end of a fine-tune's gain over the best untuned arm, allowing for the choice of both.

    A bound that holds at once for all pairs of a fine-tune and an untuned arm that could have been chosen
    holds for the one that was. Could have been: rows whose difference from the best of their sort is not
    clear of zero (cf. Zrnic and Fithian, Locally simultaneous inference, Annals of Statistics 52, 2024). The
    bound is the gain minus its standard error times the 97.5 % quantile of the largest standardised error of
    all these pairs. None where there was but one pair, or the two share no samples.
    """
    tuned_rows = _plausible(table, tuned, [row for row in table.eligible if row.tuned])
    untuned_rows = _plausible(table, untuned, [row for row in table.eligible if not row.tuned])
    difference = table.difference(tuned, untuned)
    if len(tuned_rows) * len(untuned_rows) < 2 or difference is None or not difference.stderr:
        return None
    comparison, places = table.overall.comparison, table.overall.places
    firsts = np.repeat([places[row.key] for row in tuned_rows], len(untuned_rows))
    seconds = np.tile([places[row.key] for row in untuned_rows], len(tuned_rows))
    stderr = comparison.stderr[firsts, seconds]
    with_error = np.flatnonzero(np.nan_to_num(stderr) > 0)
    errors = (
        comparison.tailed_errors[:, firsts[with_error]] - comparison.tailed_errors[:, seconds[with_error]]
    )
    largest = (errors / stderr[with_error]).max(axis=1)
    quantile = float(np.quantile(largest, 0.5 + CONFIDENCE / 2))
    return min(difference.low, difference.value - quantile * difference.stderr)


def _plausible(table: Table, best: Row, rows: list[Row]) -> list[Row]:
    """Those of the rows that are not clearly worse than the best of them."""
    differences = [(row, table.difference(row, best)) for row in rows]
    return [row for row, difference in differences if difference is None or difference.high >= 0]
