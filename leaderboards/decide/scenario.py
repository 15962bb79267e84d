"""What a reader may change on the cost page: prices, volume, the value of a point. One set of these is a
scenario."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboards.money.prices import Prices

Level = Literal["low", "mid", "high"]

VOLUME = 100_000.0
"""Requests over the life of a fine-tune, before the reader says how many."""

POINT = 10.0
"""Dollars that a point of score is worth over all these requests, before the reader says how much."""

BUDGET = 100.0
UTILISATION = 30.0
"""Percent of the time that a served device is busy; a service that is never idle is rare."""

BUDGETS = (1.0, 10.0, 100.0, 1000.0)
"""Dollars for which the best candidate is always named."""

MOST_DOLLARS, MOST_REQUESTS = 1e9, 1e11
"""What a field takes at most."""


@dataclass(frozen=True)
class Scenario:
    """Everything that figures of the cost page depend on beside what was measured."""

    hours: tuple[float | None, ...]
    """Dollars for an hour of each device; None where no price is known."""

    label: float
    """Dollars for a labelled training sample."""

    api_input: float | None
    """Dollars for a million tokens that a hosted model reads; None where no such model is in the prices."""

    api_output: float | None
    """Dollars for a million that it writes."""

    volume: float = VOLUME
    point: float = POINT
    budget: float = BUDGET
    utilisation: float = UTILISATION
    retrains: float = 0.0
    """How often the training is repeated on the same labels."""

    cache: bool = True
    """Whether few-shot arms are served with the prefix cache, where their speed without it was measured."""


@dataclass(frozen=True)
class Field:
    """A number that the reader may write."""

    name: str
    """In the page's address."""

    title: str
    unit: str
    value: float | None
    low: float
    high: float
    whole: bool = False
    """Whether only whole numbers make sense."""

    @property
    def text(self) -> str:
        """The value as it stands in the field."""
        return "" if self.value is None else f"{self.value:.10g}"


def scenario_at(prices: Prices, devices: Sequence[str], level: Level = "mid") -> Scenario:
    """The scenario that a page opens with, at one level of the prices; hosted are the tokens of the first
    model named."""
    hours = [prices.hour(device) for device in devices]
    hosted = prices.apis[0] if prices.apis else None
    return Scenario(
        hours=tuple(None if hour is None else getattr(hour, level) for hour in hours),
        label=getattr(prices.label.usd_per_item, level),
        api_input=getattr(hosted.usd_per_million_input, level) if hosted else None,
        api_output=getattr(hosted.usd_per_million_output, level) if hosted else None,
    )


def need_fields(scenario: Scenario) -> list[Field]:
    """What the reader needs and what it is worth."""
    return [
        Field("volume", "Requests", "over the life of a fine-tune", scenario.volume, 1, MOST_REQUESTS),
        Field("point", "Value of a point", "$ over all these requests", scenario.point, 0, MOST_DOLLARS),
        Field("budget", "Budget", "$ in total", scenario.budget, 0.01, MOST_DOLLARS),
        Field("utilisation", "Utilisation", "% of the time a device is busy", scenario.utilisation, 1, 100),
        Field("retrains", "Retrainings", "besides the first", scenario.retrains, 0, 1000, whole=True),
    ]


def price_fields(scenario: Scenario, devices: Sequence[str]) -> list[Field]:
    """What things cost; those of a hosted model only where the prices name one."""
    hosted = [
        Field("api_input", "Hosted model, read", "$ a million tokens", scenario.api_input, 0, MOST_DOLLARS),
        Field(
            "api_output", "Hosted model, written", "$ a million tokens", scenario.api_output, 0, MOST_DOLLARS
        ),
    ]
    return [
        *(
            Field(f"hour{place}", device, "$ an hour", hour, 0, MOST_DOLLARS)
            for place, (device, hour) in enumerate(zip(devices, scenario.hours, strict=True))
        ),
        Field("label", "Label", "$ a sample", scenario.label, 0, MOST_DOLLARS),
        *(field for field in hosted if field.value is not None),
    ]
