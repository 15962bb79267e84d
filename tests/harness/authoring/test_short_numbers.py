"""Numbers in sentences are written as people write them, whatever their size."""

import pytest

from harness.authoring.short_numbers import short_number


@pytest.mark.parametrize(
    ("number", "digits", "written"),
    [
        (0.0, 3, "0"),
        (0.05234, 3, "0.0523"),
        (-0.834, 3, "-0.834"),
        (2.706, 2, "2.7"),
        (182.6, 2, "180"),
        (999.7, 3, "1,000"),
        (12_345.6, 3, "12,300"),
        (7_654_321.0, 2, "7,700,000"),
    ],
)
def test_a_number_is_written_in_few_digits_without_an_exponent(
    number: float, digits: int, written: str
) -> None:
    assert short_number(number, digits) == written
