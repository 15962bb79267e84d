"""Types of the fields of records, strict enough that a damaged or edited record is refused."""

from typing import Annotated, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from harness.toml import LARGEST_COUNT

# No measurement reaches these bounds, so a number beyond them comes from damage: it is refused when the
# record is read, and overflows on no page.
LARGEST_AMOUNT = 1e30
SMALLEST_AMOUNT = 1e-15

Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
"""Of samples, tokens, steps, bytes or parameters."""


def _zero_or_measurable(value: float) -> float:
    if 0 < value < SMALLEST_AMOUNT:
        raise ValueError(
            f"{value} is more than nothing and less than {SMALLEST_AMOUNT}, which nothing measures"
        )
    return value


Amount = Annotated[float, Field(ge=0, le=LARGEST_AMOUNT), AfterValidator(_zero_or_measurable)]
"""Seconds, floating-point operations or joules."""

Rate = Annotated[float, Field(ge=SMALLEST_AMOUNT, le=LARGEST_AMOUNT)]
"""Something per second. Never 0, so that it can be divided by."""

TrainingShare = Annotated[float, Field(ge=SMALLEST_AMOUNT, le=1)]
"""The share of a training after which a trial is judged."""

Finite = Annotated[float, Field(ge=-LARGEST_AMOUNT, le=LARGEST_AMOUNT)]
"""A loss, or a value of a metric, which may have any range."""

Share = Annotated[float, Field(ge=0, le=1)]

PartT = TypeVar("PartT")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def record_part(kind: type[PartT]) -> type[PartT]:
    """Make a class a part of records: as strict as a `Frozen` model, but with slots, since a large board
    holds millions of them."""
    strict = dataclass(
        frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False)
    )
    return cast("type[PartT]", strict(kind))
