"""Spaces: which values an axis has, how they combine, and how they are drawn."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import UserError
from harness.sweep.space import Range, Space, check_space, draw, grid, identity, size, within

finite = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def ranges(make: st.DrawFn) -> Range:
    """Ranges of every kind: whole or not, stepped or not, even in the number or in its logarithm."""
    whole, log = make(st.booleans()), make(st.booleans())
    low = make(st.integers(1 if log else -50, 50) if whole else st.floats(1e-6 if log else -50, 50))
    width = make(st.integers(1, 200) if whole else st.floats(0.01, 200))
    share = make(st.none() if log else st.none() | st.floats(0.01, 1))
    step = None if share is None else max(1, int(width * share)) if whole else (low + width - low) * share
    return Range(low=low, high=low + width, log=log, step=step)


@st.composite
def listed_spaces(make: st.DrawFn) -> Space:
    """Small spaces of listed values."""
    counts = make(st.lists(st.integers(1, 4), max_size=3))
    return {f"axis {number}": tuple(range(count)) for number, count in enumerate(counts)}


def test_a_grid_is_every_combination_with_the_last_axis_fastest() -> None:
    assert grid({"r": (8, 16), "target_modules": ("all-linear", ("q_proj", "v_proj"))}) == [
        {"r": 8, "target_modules": "all-linear"},
        {"r": 8, "target_modules": ("q_proj", "v_proj")},
        {"r": 16, "target_modules": "all-linear"},
        {"r": 16, "target_modules": ("q_proj", "v_proj")},
    ]


@given(listed_spaces())
def test_a_grid_has_as_many_settings_as_the_space_and_none_twice(space: Space) -> None:
    settings = grid(space)
    assert len(settings) == size(space) == len({identity(one) for one in settings})
    assert all(within(space, one) for one in settings)


def test_a_grid_without_axes_is_one_training_as_it_is() -> None:
    assert grid({}) == [{}]


def test_a_range_in_a_grid_is_the_users_mistake() -> None:
    with pytest.raises(UserError, match=r"axis 'r' is a range.*list its values, or set sampler = 'random'"):
        grid({"learning_rate": (1e-4,), "r": Range(low=4, high=64)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((), "lists no value"),
        ((1e-4, 3e-4, 1e-4), "lists 0.0001 twice"),
        ((1, 1.0), "lists 1.0 twice"),
        ((math.nan,), "lists nan, which is not a number"),
        ((math.inf,), "lists inf, which is not a number"),
    ],
)
def test_an_axis_that_makes_no_sense_is_the_users_mistake(values: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError, match=f"axis 'learning_rate' {message}"):
        check_space({"learning_rate": values})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"low": 2, "high": 1}, "low = 2 must be below high = 1"),
        ({"low": 1, "high": 1}, "to try one value only, give it by itself"),
        (
            {"low": 0.0, "high": 1.0, "log": True},
            "low = 0.0 has no logarithm; set low above 0, or log = false",
        ),
        ({"low": 1, "high": 8, "log": True, "step": 1}, "log and step exclude each other"),
        ({"low": 0.0, "high": 1.0, "step": 0.0}, "step = 0.0 must be above 0"),
        ({"low": 0, "high": 4, "step": 5}, r"at most high - low = 4"),
        ({"low": 0, "high": math.inf}, "finite number"),
        ({"low": 0, "high": 1, "base": 2}, "Extra inputs are not permitted"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Range.model_validate(fields)


def test_a_range_of_whole_numbers_stays_one_when_it_is_read_from_a_file() -> None:
    assert list(Range.model_validate_json('{"low": 1, "high": 4}', strict=True).values or ()) == [1, 2, 3, 4]
    assert Range.model_validate_json('{"low": 1.0, "high": 4.0}', strict=True).values is None


def test_a_step_counts_from_the_low_end_and_need_not_meet_the_high_one() -> None:
    assert Range(low=0.1, high=0.75, step=0.1).values == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert list(Range(low=8, high=64, step=24).values or ()) == [8, 32, 56]


@given(ranges(), st.integers(0, 2**32 - 1))
def test_what_is_drawn_from_a_range_is_in_it(numbers: Range, seed: int) -> None:
    drawn = numbers.draw(random.Random(seed))
    assert numbers.low <= drawn <= numbers.high
    assert numbers.holds(drawn)
    assert isinstance(drawn, int) == numbers.whole
    if numbers.values is not None:
        assert drawn in numbers.values


@pytest.mark.parametrize(
    "numbers", [Range(low=1e-6, high=1e-2, log=True), Range(low=10, high=100_000, log=True)]
)
def test_a_logarithmic_range_is_drawn_evenly_over_the_orders_of_magnitude(numbers: Range) -> None:
    generator = random.Random(0)
    drawn = [math.log10(numbers.draw(generator)) for _ in range(4000)]
    middle = (math.log10(numbers.low) + math.log10(numbers.high)) / 2
    # A uniform draw over four orders has a standard deviation of 1.15: the mean of 4000 is within 0.07 of the
    # middle.
    assert statistics.mean(drawn) == pytest.approx(middle, abs=0.07)


def test_both_ends_of_a_range_are_drawn_as_often_as_what_is_between() -> None:
    generator = random.Random(0)
    drawn = [Range(low=1, high=4).draw(generator) for _ in range(4000)]
    assert {number: drawn.count(number) for number in (1, 2, 3, 4)} == pytest.approx(
        dict.fromkeys((1, 2, 3, 4), 1000), abs=110
    )


@given(listed_spaces(), st.integers(0, 2**32 - 1))
def test_drawing_meets_every_settings_once_and_then_none(space: Space, seed: int) -> None:
    generator, tried = random.Random(seed), set()
    while (settings := draw(space, generator, tried=tried)) is not None:
        assert identity(settings) not in tried
        tried.add(identity(settings))
    assert tried == {identity(one) for one in grid(space)}


def test_what_is_rarely_drawn_is_still_met() -> None:
    space = {"r": Range(low=1, high=5000, log=True)}
    tried = {identity({"r": number}) for number in range(1, 5000)}
    assert draw(space, random.Random(0), tried=tried) == {"r": 5000}


def test_a_space_with_a_continuous_axis_has_no_size() -> None:
    assert size({"r": (8, 16), "learning_rate": Range(low=1e-5, high=1e-3)}) is None
    assert size({"r": Range(low=8, high=64, step=8), "dropout": (0.0, 0.1)}) == 16


@pytest.mark.parametrize(
    "settings",
    [
        {"r": 8},
        {"r": 12, "rate": 0.5},
        {"r": 8, "rate": 0.5, "more": 1},
        {"r": 8, "rate": 1.5},
        {"r": 8, "rate": "high"},
    ],
)
def test_settings_with_another_axis_or_value_are_not_of_the_space(settings: dict[str, float]) -> None:
    space: Space = {"r": (8, 16), "rate": Range(low=0.0, high=1.0)}
    assert within(space, {"rate": 0.5, "r": 8})
    assert not within(space, settings)
