"""What a board says of the use of its models, and what a reader may change on the cost page: volume, worth of
an answer, budget, prices. One set of these is a scenario."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from leaderboards.board import ScenarioTable
from leaderboards.money.prices import ApiPrice, Prices

Level = Literal["low", "mid", "high"]

BUDGETS = (1.0, 10.0, 100.0, 1000.0)
"""Dollars for which the best candidate is always named, beside the reader's."""

MOST_DOLLARS, MOST_REQUESTS, MOST_HOURS = 1e9, 1e11, 1e6
"""What a field takes at most."""


@dataclass(frozen=True)
class Scenario:
    """Everything that figures of the cost page depend on beside what was measured."""

    hour_prices: tuple[float | None, ...]
    """Dollars for an hour of each device; None where no price is known."""

    label: float
    """Dollars for a labelled sample that is bought."""

    api_input: float | None
    """Dollars for a million tokens that a hosted model reads; None where no such model is in the prices."""

    api_output: float | None
    """Dollars for a million that it writes."""

    api_cached: float | None
    """Dollars for a million that it has read before; None where they cost as much as others."""

    volume: float
    """Requests over the life of a fine-tune."""

    right_answer_usd: float
    """Dollars that one more right answer is worth."""

    budget_usd: float
    utilisation: float
    """Percent of the time that a served device is busy."""

    hours: float
    """Hours that the served model must be reachable; with 0 only busy time costs."""

    retrains: float
    """How often the training is repeated after the first."""

    relabel: float
    """Share of the labels that is bought anew at each retraining."""

    owned: bool
    """Whether all labels are there already: then they cost nothing, and a retraining needs no new ones."""

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
    usual: tuple[float, float]
    """The ends of its slider; what lies beyond can be written."""

    whole: bool = False
    """Whether only whole numbers make sense."""

    @property
    def text(self) -> str:
        """The value as it stands in the field."""
        return "" if self.value is None else f"{self.value:,.10g}"


def scenario_at(
    table: ScenarioTable, prices: Prices, devices: Sequence[str], level: Level = "mid"
) -> Scenario:
    """The scenario that a board's pages open with, at one level of the prices; hosted are the tokens of the
    first model named."""
    hours = [prices.hour(device) for device in devices]
    hosted = prices.apis[0] if prices.apis else None
    return Scenario(
        hour_prices=tuple(None if hour is None else getattr(hour, level) for hour in hours),
        label=getattr(prices.label.usd_per_item, level),
        api_input=getattr(hosted.usd_per_million_input, level) if hosted else None,
        api_output=getattr(hosted.usd_per_million_output, level) if hosted else None,
        api_cached=_cached(hosted, level),
        volume=table.volume,
        right_answer_usd=table.right_answer_usd,
        budget_usd=table.budget_usd,
        utilisation=table.utilisation,
        hours=table.hours,
        retrains=table.retrains,
        relabel=table.relabel,
        owned=table.labels == "owned",
    )


def _cached(hosted: ApiPrice | None, level: Level) -> float | None:
    if hosted is None or hosted.usd_per_million_cached_input is None:
        return None
    price: float = getattr(hosted.usd_per_million_cached_input, level)
    return price


def need_fields(scenario: Scenario) -> list[Field]:
    """What the reader needs and what it is worth."""
    return [
        Field(
            "volume",
            "Requests",
            "over the life of a fine-tune",
            scenario.volume,
            1,
            MOST_REQUESTS,
            (1e3, 1e9),
        ),
        Field(
            "right_answer_usd",
            "One more right answer",
            "what it is worth, in $",
            scenario.right_answer_usd,
            0,
            MOST_DOLLARS,
            (1e-4, 10),
        ),
        Field("budget_usd", "Budget", "$ in total", scenario.budget_usd, 0.01, MOST_DOLLARS, (1, 1e6)),
        Field(
            "utilisation",
            "Utilisation",
            "% of the time a device is busy",
            scenario.utilisation,
            1,
            100,
            (0, 100),
        ),
        Field(
            "hours", "Hours reachable", "0: only busy time costs", scenario.hours, 0, MOST_HOURS, (10, 1e5)
        ),
        Field("retrains", "Retrainings", "after the first", scenario.retrains, 0, 1000, (1, 100), whole=True),
        Field("relabel", "Share relabelled", "0 to 1, per retraining", scenario.relabel, 0, 1, (0, 1)),
    ]


def price_fields(scenario: Scenario, devices: Sequence[str]) -> list[Field]:
    """What things cost; those of a hosted model only where the prices name one."""
    per_million = (0.01, 100)
    hosted = [
        Field(
            "api_input",
            "Hosted model: input",
            "$ per million tokens",
            scenario.api_input,
            0,
            MOST_DOLLARS,
            per_million,
        ),
        Field(
            "api_cached",
            "Hosted model: cached input",
            "$ per million tokens",
            scenario.api_cached,
            0,
            MOST_DOLLARS,
            per_million,
        ),
        Field(
            "api_output",
            "Hosted model: output",
            "$ per million tokens",
            scenario.api_output,
            0,
            MOST_DOLLARS,
            per_million,
        ),
    ]
    return [
        *(
            Field(f"hour{place}", device, "$ per hour", hour, 0, MOST_DOLLARS, (0.01, 100))
            for place, (device, hour) in enumerate(zip(devices, scenario.hour_prices, strict=True))
        ),
        Field("label", "Label", "$ per sample", scenario.label, 0, MOST_DOLLARS, (0.001, 100)),
        *(field for field in hosted if field.value is not None),
    ]
