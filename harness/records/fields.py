"""Types of the fields of records: bounds that no measurement reaches, so that a damaged record is refused."""

from typing import Annotated, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

# Bounds that no measurement reaches, so that a damaged or edited record is refused here and ends no page in
# an overflow.
MOST, LEAST = 1e30, 1e-15

Count = Annotated[int, Field(ge=0, le=10**15)]
"""Of samples, tokens, steps, bytes or parameters."""


def _none_or_some(value: float) -> float:
    if 0 < value < LEAST:
        raise ValueError(f"{value} is more than nothing and less than {LEAST}, which nothing measures")
    return value


Amount = Annotated[float, Field(ge=0, le=MOST), AfterValidator(_none_or_some)]
"""Seconds, floating-point operations or joules."""

Rate = Annotated[float, Field(ge=LEAST, le=MOST)]
"""Something a second; it is divided by."""

Share = Annotated[float, Field(ge=LEAST, le=1)]
"""Of a training, after which a trial is judged."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A value of a metric, which may have any range."""

PartT = TypeVar("PartT")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def part(kind: type[PartT]) -> type[PartT]:
    """What records are made of, as strict as they are: a dataclass with slots, for a large board holds
    millions of them."""
    return cast(
        "type[PartT]",
        dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))(kind),
    )
