"""What hours, energy, labels and tokens cost: a prices file, with the source and the date of each price."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, NonNegativeFloat, model_validator

from harness.toml import Frozen, load_toml

SHIPPED_PRICES = Path(__file__).parents[1] / "prices.toml"

MOST = 1_000_000
"""Dollars of one unit of anything."""


class Price(Frozen):
    """A price in three scenarios. They are not an interval."""

    low: NonNegativeFloat
    mid: NonNegativeFloat
    high: NonNegativeFloat

    @model_validator(mode="after")
    def _ordered(self) -> "Price":
        if not self.low <= self.mid <= self.high:
            raise ValueError("low, mid and high must be in rising order")
        return self

    def times(self, quantity: float) -> "Price":
        """The price of so many units, in each scenario."""
        return Price(low=self.low * quantity, mid=self.mid * quantity, high=self.high * quantity)

    @staticmethod
    def sum(parts: Sequence["Price"]) -> "Price":
        """All together, in each scenario."""
        return Price(
            low=sum(part.low for part in parts),
            mid=sum(part.mid for part in parts),
            high=sum(part.high for part in parts),
        )


def _plausible(price: Price) -> Price:
    if price.high > MOST:
        raise ValueError(f"a price above ${MOST:,.0f} cannot be meant")
    return price


ListPrice = Annotated[Price, AfterValidator(_plausible)]
"""One that a file gives: sums of it may be larger."""


class DevicePrice(Frozen):
    """What an hour of a device costs."""

    match: str = Field(min_length=1)
    """Words of the device's name as the runs record it, upper and lower case alike: "A100" is in
    "NVIDIA A100-SXM4-80GB", and not in "RTX A1000"."""

    usd_per_hour: ListPrice
    per_core: bool = False
    """Whether the price is for one core of the device and not for all of it."""

    source: str


class EnergyPrice(Frozen):
    """What a kilowatt-hour at the device costs. Shown beside rental prices, which include it."""

    usd_per_kwh: ListPrice
    pue: float = Field(ge=1, le=100)
    """Energy drawn by the building for each unit drawn by the device."""

    source: str


class LabelPrice(Frozen):
    """What one labelled training sample costs."""

    usd_per_item: ListPrice
    source: str


class ApiPrice(Frozen):
    """What a hosted model costs by the token."""

    name: str = Field(min_length=1)
    usd_per_million_input: ListPrice
    usd_per_million_output: ListPrice
    usd_per_million_cached_input: ListPrice | None = None
    """Tokens that it has read before, as the examples that all prompts begin with; None where these cost as
    much as others."""

    source: str
    date: datetime.date
    """When that was its price."""

    def request(self, prompt_tokens: float, completion_tokens: float) -> Price:
        """What a request of so many tokens costs."""
        per_input, per_output = self.usd_per_million_input, self.usd_per_million_output
        return Price.sum([per_input.times(prompt_tokens / 1e6), per_output.times(completion_tokens / 1e6)])


class Prices(Frozen):
    """A prices file."""

    as_of: datetime.date
    """When the prices were last checked."""

    devices: tuple[DevicePrice, ...]
    energy: EnergyPrice
    label: LabelPrice
    apis: tuple[ApiPrice, ...] = ()
    """Hosted models to compare with, the one that the tables take first."""

    def device(self, name: str) -> DevicePrice | None:
        """The entry for a device as the runs name it, the most specific one; None for an unknown device."""
        words = _words(name)
        matching = [entry for entry in self.devices if _words(entry.match) in words]
        return max(matching, key=lambda entry: len(entry.match), default=None)

    def hour(self, name: str) -> Price | None:
        """What an hour of the device costs, all its cores; None when it is not known."""
        entry = self.device(name)
        if entry is None or not entry.per_core:
            return entry.usd_per_hour if entry else None
        cores = re.search(r"(\d+) cores?\b", name)
        return entry.usd_per_hour.times(int(cores[1])) if cores else None


def _words(name: str) -> str:
    """The words of a name, each with a space before and behind it."""
    return " ".join(["", *re.findall(r"[^\W_]+", name.casefold()), ""])


def load_prices(path: Path | None = None) -> Prices:
    """Read a prices file; None reads the shipped one. Raises `UserError` with the key and what is allowed."""
    return load_toml(path or SHIPPED_PRICES, Prices)


def total_of(parts: Sequence[Price | None]) -> Price | None:
    """The sum of prices; None when one of them is not known."""
    prices = [part for part in parts if part is not None]
    return Price.sum(prices) if len(prices) == len(parts) else None
