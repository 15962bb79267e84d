"""Figures on pages have a true minus sign, thousands apart, and no exponent."""

import pytest
from synthetic import task_card

from harness.records.scores import MetricCard
from leaderboards.gathered import range_of
from leaderboards.pages.parts.grid import headroom_item


@pytest.mark.parametrize(
    ("low", "high", "higher_is_better", "written"),
    [
        (0.0, 1348.7, False, "0 to 1,348.7"),
        (0.0, 2_500_000.0, False, "0 to 2,500,000"),
        (-40.0, 60.0, True, "−40 to 60"),
        (0.0, 1.0, True, "0 to 100"),
    ],
)
def test_the_ends_of_a_metric_are_written_out(
    low: float, high: float, higher_is_better: bool, written: str
) -> None:
    metric = MetricCard(
        description="an error", low=low, high=high, higher_is_better=higher_is_better, corpus=False
    )
    assert range_of(task_card(metrics={"accuracy": metric})) == written


@pytest.mark.parametrize(
    ("closed", "written"), [(0.426, "43 %"), (-0.012, "−1 %"), (-0.001, "0 %"), (None, "–")]
)
def test_headroom_that_was_lost_has_a_minus_sign(closed: float | None, written: str) -> None:
    assert headroom_item(closed).text == written
