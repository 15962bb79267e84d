"""What candidates come to in the scenario of a board: totals, net benefits, and what is chosen."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from recomputed import ERRORS, PUBLISHED_DRAWS, Published, Row
from recomputed_costs import line_of, training_of
from recomputed_leaf import Leaf, copied, recomputed, share_of
from recomputed_statistics import Array

STEP = 1e-4
"""What drawn scores are rounded to."""


@dataclass(frozen=True)
class Case:
    """A complete candidate that may be chosen."""

    row: Row
    budget: int | None
    """Training samples, where these are fewer than the row is ranked with."""

    score: float
    total: float | None
    """Dollars for labels, training and all requests; None where a price or a rate is not known."""

    drawn: Array
    forgets: bool


@dataclass(frozen=True)
class Weighed:
    """All candidates against each other."""

    site: Published
    ranked_draws: Array
    capped: Callable[[Array], Array]
    """Drawn scores as they are counted."""

    @cached_property
    def cases(self) -> list[Case]:
        """Complete rows and their smaller budgets, best score first."""
        site, cases = self.site, []
        for place, row in enumerate(site.ranked):
            forgets = site.guard_verdict(row.key) == "failed"
            cases.append(self._case(row, None, self.ranked_draws[:, place], forgets=forgets))
        for number, (row, budget) in enumerate(site.smaller):
            assert row.score and row.score.stderr, "a smaller budget of the tests has a standard error"
            generator = np.random.default_rng([2027, number])
            t = generator.standard_t(row.score.degrees, len(self.ranked_draws))
            drawn = self.capped(row.score.value + row.score.stderr * t)
            # No board of the tests has guard runs of smaller budgets: what these forget is not known.
            cases.append(self._case(row, budget, drawn, forgets=False))
        return sorted(cases, key=lambda case: -case.score)

    def _case(self, row: Row, budget: int | None, drawn: Array, *, forgets: bool) -> Case:
        assert row.score, "a case is complete"
        line = line_of(row.records, self.site.runs, self.site.scenario)
        total = None if line is None else line.at(self.site.scenario["volume"])
        return Case(row, budget, row.score.value, total, drawn, forgets)

    @cached_property
    def worth(self) -> float:
        """Dollars of a whole unit of score: V · what a right answer is worth · mean of 1 − chance."""
        site = self.site
        weights = site.weights
        stretch = 1.0
        if len(site.cards) > 1:
            parts = [weights[task] * (1 - card["chance"]) for task, card in site.cards.items()]
            stretch = sum(parts) / sum(weights.values())
        return float(site.scenario["volume"] * site.scenario["right_answer_usd"] * stretch)

    def _value(self, case: Case) -> float:
        return self.worth * case.score - (case.total or 0.0)

    def _best(self, cases: Sequence[Case]) -> Case | None:
        return max(cases, key=self._value, default=None)

    @cached_property
    def _priced(self) -> list[Case]:
        return [case for case in self.cases if case.total is not None]

    def _within(self, cases: Sequence[Case]) -> list[Case]:
        return [case for case in cases if (case.total or 0.0) <= self.site.scenario["budget_usd"]]

    @cached_property
    def affordable(self) -> list[Case]:
        """What may be chosen."""
        return self._within([case for case in self._priced if not case.forgets])

    @cached_property
    def reference(self) -> Case | None:
        """Of the arms without tuning the one worth most: within the budget, if any is."""
        untuned = [case for case in self._priced if not case.row.tuned]
        return self._best(self._within(untuned) or untuned)

    @cached_property
    def _losses(self) -> dict[int, Array]:
        """By place among the affordable: what the best one of each draw is worth more."""
        if not self.affordable:
            return {}
        values = np.stack([self.worth * case.drawn - (case.total or 0.0) for case in self.affordable], axis=1)
        return dict(enumerate((values.max(axis=1, keepdims=True) - values).T))

    def leaves_of(self, row: Row) -> dict[str, Leaf]:
        """The leaves of a row."""
        names = (
            "total_usd", "net_benefit_usd", "net_benefit_usd_low", "net_benefit_usd_high", "p_worth_it", "p_best",
            "expected_loss_usd",
        )  # fmt: skip
        leaves = {name: recomputed(None) for name in names}
        case = next((case for case in self.cases if case.row.key == row.key and case.budget is None), None)
        if case is None or case.total is None:
            return leaves
        leaves["total_usd"] = recomputed(case.total)
        if self.reference and case is not self.reference:
            extra = case.total - (self.reference.total or 0.0)
            drawn = self.worth * (case.drawn - self.reference.drawn) - extra
            leaves["net_benefit_usd"] = recomputed(self.worth * (case.score - self.reference.score) - extra)
            leaves["net_benefit_usd_low"] = quantile_of(drawn, 0.025, self.worth * STEP)
            leaves["net_benefit_usd_high"] = quantile_of(drawn, 0.975, self.worth * STEP)
            if case.row.tuned:
                leaves["p_worth_it"] = share_of(float((drawn > 0).mean()))
        if any(case is other for other in self.affordable):
            place = next(place for place, other in enumerate(self.affordable) if other is case)
            best = np.argmin(np.stack(list(self._losses.values()), axis=1), axis=1) == place
            leaves["p_best"] = share_of(float(best.mean()))
            leaves["expected_loss_usd"] = Leaf("drawn", (), *self._mean_of(self._losses[place]))
        return leaves

    def _mean_of(self, losses: Array) -> tuple[float, float]:
        reach = ERRORS * float(losses.std()) / math.sqrt(PUBLISHED_DRAWS) + self.worth * STEP
        return float(losses.mean()) - reach, float(losses.mean()) + reach

    def scenario(self) -> dict[str, Any]:
        """The leaves of the scenario."""
        site, use = self.site, self.site.scenario
        hosted = site.prices.hosted or {}
        chosen = self._best(self.affordable)
        excluded = self._best([case for case in self._priced if not case.forgets])
        excluded = None if excluded is chosen else excluded
        names = {"reference": self.reference, "chosen": chosen, "excluded": excluded}
        ends = [self._mean_of(losses) for losses in self._losses.values()]
        return {
            "usd_per_hour": {device: recomputed(site.prices.hour(device)) for device in self._devices()},
            "label": copied(site.prices.label),
            **{
                name: copied(hosted[field]["mid"] if field in hosted else None)
                for name, field in (
                    ("api_input", "usd_per_million_input"),
                    ("api_output", "usd_per_million_output"),
                    ("api_cached", "usd_per_million_cached_input"),
                )
            },
            **{name: copied(setting) for name, setting in use.items() if name != "labels"},
            "owned": recomputed(use["labels"] == "owned"),
            "cache": copied(True),
            **{
                name: recomputed(None)
                if case is None
                else {str(place): recomputed(part) for place, part in enumerate(case.row.key)}
                for name, case in names.items()
            },
            "chosen_labels": recomputed(chosen.budget if chosen else None),
            "excluded_labels": recomputed(excluded.budget if excluded else None),
            "perfect_information_usd": Leaf(
                "drawn", (), min(low for low, _ in ends), min(high for _, high in ends)
            )
            if ends
            else recomputed(None),
        }

    def _devices(self) -> list[str]:
        devices: set[str] = set()
        for case in self.cases:
            records, runs = case.row.records, self.site.runs
            devices |= {*training_of(records), *(runs.mean_serving(records) or {}), *runs.devices_up(records)}
        return sorted(devices)


def quantile_of(drawn: Array, share: float, rounding: float) -> Leaf:
    """An end of an interval that the product finds in its draws."""
    reach = ERRORS * math.sqrt(share * (1 - share) / PUBLISHED_DRAWS)
    low, high = np.quantile(drawn, [max(0.0, share - reach), min(1.0, share + reach)])
    return Leaf("drawn", (), float(low) - rounding, float(high) + rounding)
