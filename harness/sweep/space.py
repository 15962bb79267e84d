"""What a search may try: the values of every axis, all their combinations, and draws from them."""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence, Set
from decimal import Decimal

from pydantic import BaseModel, model_validator

from harness.errors import UserError

Value = int | float | str | bool | None | tuple[str, ...]
Settings = dict[str, Value]
Identity = frozenset[tuple[str, Value]]
"""Settings in a form that compares equal whatever the order of their axes."""

_DRAWS = 100
"""Draws in a row that may hit tried settings before one of the untried ones is picked by number."""


class Range(BaseModel, extra="forbid", frozen=True, allow_inf_nan=False):
    """Numbers between two ends, both included, under the names of Optuna's distributions.

    They are whole numbers when `low`, `high` and `step` are: `low = 1` and `high = 4` hold four numbers, `low
    = 1.0` and `high = 4.0` infinitely many.
    """

    low: int | float
    high: int | float
    log: bool = False
    """Draw evenly in the logarithm."""

    step: int | float | None = None
    """The distance between neighbours, counted from `low`. None: 1 for whole numbers, continuous for
    others."""

    @model_validator(mode="after")
    def _sensible(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(
                f"low = {self.low} must be below high = {self.high}; to try one value only, give it by itself"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low} has no logarithm; set low above 0, or log = false")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other; leave out one of them")
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(
                f"step = {self.step} must be above 0 and at most high - low = {self.high - self.low}"
            )
        return self

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @property
    def values(self) -> Sequence[int | float] | None:
        """Every number in it, ascending; None when there are infinitely many."""
        low, step = Decimal(str(self.low)), Decimal(str(self.step or 1))
        if isinstance(self.low, int) and isinstance(self.high, int) and self.whole:
            return range(self.low, self.high + 1, int(step))
        if self.step is None:
            return None
        # In decimals, so that 0.1 and two steps of 0.1 are the 0.3 that a person would write.
        count = int((Decimal(str(self.high)) - low) / step) + 1
        return [float(low + step * position) for position in range(count)]

    def holds(self, value: Value) -> bool:
        """Whether a value is one of its numbers."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return self.low <= value <= self.high if self.values is None else value in self.values

    def draw(self, generator: random.Random) -> int | float:
        """A random number in it: uniform, or with `log` uniform in the logarithm."""
        if self.log:
            # Rounding sends half a number on either side to each whole one; without the margin the ends would
            # be drawn half as often.
            margin = 0.5 if self.whole else 0.0
            drawn = math.exp(generator.uniform(math.log(self.low - margin), math.log(self.high + margin)))
            return min(max(round(drawn) if self.whole else drawn, self.low), self.high)
        values = self.values
        if values is None:
            return min(max(generator.uniform(self.low, self.high), self.low), self.high)
        return generator.choice(values)


Space = Mapping[str, tuple[Value, ...] | Range]
"""Name of an axis to the values to try, or to a range of them."""


def grid(space: Space) -> list[Settings]:
    """Every combination of the listed values, the last axis changing fastest. Raises `UserError` for a
    range."""
    check_space(space)
    for axis, values in space.items():
        if isinstance(values, Range):
            raise UserError(
                f"axis '{axis}' is a range, which a grid cannot try in full; list its values, "
                "or set sampler = 'random' or one of Optuna's"
            )
    return list(_combinations(space))


def check_space(space: Space) -> None:
    """Raise `UserError` for an axis that lists nothing, a value twice, or a number that is not finite."""
    for axis, values in space.items():
        if isinstance(values, Range):
            continue
        if not values:
            raise UserError(f"axis '{axis}' lists no value; give at least one, or leave the axis out")
        for position, value in enumerate(values):
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"axis '{axis}' lists {value}, which is not a number; leave it out")
            if value in values[:position]:
                raise UserError(f"axis '{axis}' lists {value!r} twice; each value must be unique")


def identity(settings: Settings) -> Identity:
    """A key that is the same for equal settings only."""
    return frozenset(settings.items())


def within(space: Space, settings: Settings) -> bool:
    """Whether settings are a choice from this space: a value of every axis, and nothing else."""
    return settings.keys() == space.keys() and all(
        values.holds(settings[axis]) if isinstance(values, Range) else settings[axis] in values
        for axis, values in space.items()
    )


def size(space: Space) -> int | None:
    """How many settings there are; None when there are infinitely many."""
    counts = [_listed(values) for values in space.values()]
    return None if None in counts else math.prod(len(values) for values in counts if values is not None)


def draw(space: Space, generator: random.Random, *, tried: Set[Identity]) -> Settings | None:
    """Random settings that were not tried yet, each axis drawn independently; None when all were tried.
    `tried` holds settings of this space only."""
    total = size(space)
    if total is not None and len(tried) >= total:
        return None
    for _ in range(_DRAWS):
        drawn: Settings = {
            axis: values.draw(generator) if isinstance(values, Range) else generator.choice(values)
            for axis, values in space.items()
        }
        if identity(drawn) not in tried:
            return drawn
    if total is None:
        return None
    left = (settings for settings in _combinations(space) if identity(settings) not in tried)
    return next(itertools.islice(left, generator.randrange(total - len(tried)), None))


def _listed(values: tuple[Value, ...] | Range) -> Sequence[Value] | None:
    return values.values if isinstance(values, Range) else values


def _combinations(space: Space) -> Iterator[Settings]:
    listed = [_listed(values) for values in space.values()]
    for chosen in itertools.product(*(values for values in listed if values is not None)):
        yield dict(zip(space, chosen, strict=True))
