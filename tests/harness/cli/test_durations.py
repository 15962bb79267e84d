"""A dry run says how long a sweep takes in words."""

import pytest

from harness.cli.dry_run_machine import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, "1 second"),
        (0.6, "1 second"),
        (1.4, "1 second"),
        (1.6, "2 seconds"),
        (59.7, "60 seconds"),
        (3598.0, "3,598 seconds"),
        (3599.6, "1.0 hours"),
        (11_520.0, "3.2 hours"),
    ],
)
def test_seconds_are_counted_and_rounded_once(seconds: float, said: str) -> None:
    assert duration(seconds) == said
