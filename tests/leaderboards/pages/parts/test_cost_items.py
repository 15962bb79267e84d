"""What cells of the cost table say."""

import math

import pytest

from leaderboards.money.payback import Payback
from leaderboards.pages.parts.cost_items import ends_text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((14_000.0, math.inf), "14,000 to never"),
        ((297_000.4, 297_000.9), ""),  # no reader can see this width
        ((math.inf, math.inf), ""),
        (None, ""),
    ],
)
def test_an_interval_is_told_where_its_ends_read_differently(
    ends: tuple[float, float] | None, text: str
) -> None:
    assert ends_text(Payback(14_000.0, None, ends)) == text
