"""What every leaf of `data/leaderboard.json` should be, and how far a file is from it."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from recomputed import DRAWS, ERRORS, PUBLISHED_DRAWS, Published, Row
from recomputed_cells import Cell, Key, key_of
from recomputed_costs import (
    Line,
    accuracy,
    bill,
    break_even,
    line_of,
    log_ratio_reach,
    mfu,
    staircase,
    training_of,
    training_seconds,
)
from recomputed_leaf import Leaf, copied, figures, flat, recomputed, share_of
from recomputed_statistics import Array, Figure, draw_errors, largest_p, t_test
from recomputed_worth import STEP, Weighed


@dataclass(frozen=True)
class Expected:
    """All leaves of a board's file."""

    site: Published

    @cached_property
    def leaves(self) -> dict[tuple[str, ...], Leaf]:
        """By path; rows and cells by their keys, other lists by place."""
        site = self.site
        tree = {
            "title": copied(site.board.get("title", "Fine-tuning leaderboard")),
            "prices_as_of": copied(str(site.prices.content["as_of"])),
            "score": Leaf("listed"),
            "seeds": {str(place): recomputed(seed) for place, seed in enumerate(site.seeds)},
            "tasks": copied(list(site.cards.values())),
            "total": self._bill(site.records, site.failures),
            "scenario": self._scenario(),
            "rows": {name_of(row.key): self._row(row) for row in site.rows.values()},
            "cells": {
                f"{name_of(row.key)} on {task}": self._cell(row, task)
                for row in site.rows.values()
                for task in row.cells
            },
            "elsewhere": copied(self._imports()),
        }
        return dict(flat(tree))

    def _bill(self, records: Sequence[Any], failures: Sequence[Any]) -> dict[str, Leaf]:
        return {name: recomputed(spent) for name, spent in bill(records, failures, self.site.runs).items()}

    def _imports(self) -> list[Any]:
        paths = sorted(self.site.folder.glob("imported/**/*.json"))
        records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return [
            record for record in records if record["task"] in self.site.board.get("tasks", [record["task"]])
        ]

    def _common(self, key: Key, records: Sequence[Any]) -> dict[str, Any]:
        cut = [record["samples"]["cut"] or 0 for record in records]
        totals = [max(1, record["samples"]["total"]) for record in records]
        return {
            "candidate": copied(key[0]),
            "method": copied(key[1]),
            "model": copied(records[0]["run"]["candidate"]["model"]),
            "parameters": recomputed(self._parameters(key[0])),
            "members": recomputed(max(len(record["run"]["members"]) for record in records)),
            "collapsed": recomputed(sum(bool(record["collapsed"]) for record in records)),
            "begun": recomputed(sum(map(_is_begun_wrongly, records))),
            "diverged": recomputed(
                sum(any(training["diverged"] for training in record["trainings"]) for record in records)
            ),
            "cut": recomputed(sum(some > 0.05 * total for some, total in zip(cut, totals, strict=True))),
        }

    def _parameters(self, name: str) -> int | None:
        """Of the base: without what an adapter adds; None for models of several sizes."""
        counts, models = set(), set()
        for record in self.site.records:
            if record["run"]["candidate"]["name"] == name:
                models |= {member["run"]["candidate"]["model"] for member in self.site.runs.members(record)}
                for training in record["trainings"]:
                    added = 0 if training["tuner"] == "full" else training["trainable_parameters"]
                    counts.add(training["parameters"] - added)
        return max(counts) if counts and (len(models) < 2 or len(counts) == 1) else None

    def _cell(self, row: Row, task: str) -> dict[str, Any]:
        site, cell = self.site, row.cells[task]
        return {
            **self._common(row.key, cell.records),
            "task": copied(task),
            "complete": recomputed(site.is_whole(row, task)),
            **figures("score", site.score(cell)),
            **figures("gain_few_shot", site.gain_on(task, row, "few_shot")),
            **figures("gain_zero_shot", site.gain_on(task, row, "zero_shot")),
            **figures("gain_same_samples", site.over_plain_on(task, row)),
            "seeds": recomputed(len(cell.records)),
            **counts_of([cell]),
            "n_train": copied(cell.run["n_train"]),
        }

    def _row(self, row: Row) -> dict[str, Any]:
        site, cells = self.site, list(row.cells.values())
        few, zero = site.gain(row, "few_shot"), site.gain(row, "zero_shot")
        budgets = {record["run"]["n_train"] for record in row.records}
        closed = None
        if row.score and zero and 1 - (row.score.value - zero.value) > 0:
            closed = zero.value / (1 - (row.score.value - zero.value))
        return {
            **self._common(row.key, row.records),
            "task": copied(None),
            "complete": recomputed(row.score is not None),
            **figures("score", row.score),
            **figures("gain_few_shot", few),
            **figures("gain_zero_shot", zero),
            **figures("gain_same_samples", site.over_plain(row)),
            "gain_few_shot_p": recomputed(site.significance.get((row.key, "few_shot"))),
            "gain_zero_shot_p": recomputed(site.significance.get((row.key, "zero_shot"))),
            "headroom_closed": recomputed(closed),
            "guard": recomputed(site.guard_verdict(row.key)),
            **figures("guard_change", site.guards.get(row.key)),
            "seeds": recomputed(min(_seeds_of(cell, row) for cell in cells)),
            **counts_of(cells),
            "n_train": recomputed(min(budgets) if len(budgets) == 1 else None),
            **self._places(row),
            **self._costs(row, few, zero),
            **self._worth(row),
        }

    def _costs(self, row: Row, few: Figure | None, zero: Figure | None) -> dict[str, Any]:
        site, records = self.site, row.records
        ours = [record for record in site.records if (key_of(record) == row.key)]
        failed = [failure for failure in site.failures if key_of(failure) == row.key]
        request = site.prices.usd(site.runs.mean_serving(records))
        right, labels = accuracy(records), [site.runs.labels(record) for record in records]
        seconds = [training_seconds(training) for record in records for training in record["trainings"]]
        of_few = self._break_even(row, "few_shot", few)
        of_zero = self._break_even(row, "zero_shot", zero)
        uncached = self._break_even(row, "few_shot", few, cached=False)
        hosted = self._hosted(row)
        plain: dict[str, Any] = {
            "train_usd": site.prices.usd(training_of(records)),
            "train_device_hours": sum(seconds) / len(records) / 3600,
            "data_usd": sum(labels) / len(labels) * site.prices.label,
            "serve_usd_per_1k": None if request is None else 1000 * request,
            "break_even_few_shot": of_few[0],
            "break_even_few_shot_why": of_few[1],
            "break_even_few_shot_low": of_few[2],
            "break_even_few_shot_high": of_few[3],
            "break_even_zero_shot": of_zero[0],
            "break_even_zero_shot_why": of_zero[1],
            "break_even_few_shot_uncached": uncached[0],
            "break_even_few_shot_uncached_why": uncached[1],
            "break_even_hosted": hosted[0],
            "break_even_hosted_why": hosted[1],
            "usd_per_right_answer": request / right if request is not None and right else None,
            "mfu": mfu(records),
        }
        return {
            **self._bill(ours, failed),
            **{name: recomputed(wanted) for name, wanted in plain.items()},
        }

    def _line(self, row: Row, *, cached: bool = True) -> Line | None:
        return line_of(row.records, self.site.runs, self.site.scenario, cached=cached)

    def _break_even(self, row: Row, method: str, gain: Figure | None, *, cached: bool = True) -> Any:
        arm = self.site.baseline(row, method) if row.tuned else None
        tuned, other = self._line(row), self._line(arm, cached=cached) if arm else None
        if arm is None or gain is None or tuned is None or other is None:
            return None, None, None, None
        why = "dominated" if gain.high < 0 else None if gain.low > 0 else "unresolved"
        reach = log_ratio_reach(row.records, arm.records, self.site.runs, cached=cached)
        return break_even(tuned, other, why=why, reach=reach)

    def _hosted(self, row: Row) -> Any:
        hosted, tuned = self.site.prices.hosted, self._line(row) if row.tuned else None
        if hosted is None or tuned is None:
            return None, None
        costs = [record["cost"] for record in row.records]
        requests = sum(cost["requests"] for cost in costs) or 1
        read, written = (
            sum(cost[f"{part}_tokens"] for cost in costs) / requests for part in ("prompt", "completion")
        )
        price = (
            hosted["usd_per_million_input"]["mid"] * read + hosted["usd_per_million_output"]["mid"] * written
        )
        return break_even(tuned, Line(0.0, price / 1e6, 0.0))

    @cached_property
    def _errors(self) -> tuple[Array, Array]:
        """Joint draws of the errors of the ranked rows' scores: normal, and with tails."""
        site = self.site
        parts = []
        for place, task in enumerate(site.cards):
            cells = [row.cells[task] for row in site.ranked]
            stderrs = [(figure.stderr or 0.0) if (figure := site.score(cell)) else 0.0 for cell in cells]
            drawn = draw_errors(
                [cell.arm for cell in cells], stderrs, DRAWS, random_wordings=site.random_wordings, seed=place
            )
            parts.append([site.factors[task] * errors for errors in drawn])
        normal, tailed = (np.sum([part[place] for part in parts], axis=0) for place in (0, 1))
        return normal, tailed

    @cached_property
    def _orders(self) -> list[dict[Key, tuple[int, int, int]]]:
        """Best rank, worst rank and tier of each ranked row, for every level that the product's draws may have found."""
        ranked = self.site.ranked
        tested = {
            (first.key, second.key): (figure, t_test(figure))
            for first, second in itertools.permutations(ranked, 2)
            if (figure := self.site.overall(first, second))
        }
        reach = ERRORS * math.sqrt(0.05 * 0.95 / PUBLISHED_DRAWS)
        least, most = (largest_p(self._errors[0], share) for share in (min(1.0, 0.95 + reach), 0.95 - reach))
        between = sorted({p for _, p in tested.values() if least < p < most})
        orders = []
        for level in (least, *between, most):
            better = {pair for pair, (figure, p) in tested.items() if p < level and figure.value > 0}
            order, leader, tier = {}, ranked[0].key, 1
            for row in ranked:
                if (leader, row.key) in better:
                    leader, tier = row.key, tier + 1
                above = sum(second == row.key for _, second in better)
                below = sum(first == row.key for first, _ in better)
                order[row.key] = 1 + above, len(ranked) - below, tier
            orders.append(order)
        return orders

    def _places(self, row: Row) -> dict[str, Any]:
        names = ("rank_best", "rank_worst", "tier", "win_rate", "mean_rank", "frontier", "p_frontier")
        per_point = {"usd_per_point": recomputed(None), "usd_per_point_why": recomputed(None)}
        if row.score is None:
            return {**{name: recomputed(None) for name in names}, "frontier": recomputed(False)} | per_point
        outcomes = [order[row.key] for order in self._orders]
        wins, contests = 0.0, 0
        for other in self.site.ranked:
            for task in self.site.cards if other is not row else ():
                figure = self.site.differ(row.cells[task], other.cells[task])
                value = figure.value if figure else 0.0
                wins += 0.5 if abs(value) < 1e-12 else float(value > 0)
                contests += 1
        place, tasks = self.site.ranked.index(row), len(self.site.cards)
        return {
            **{name: Leaf("drawn", tuple(o[at] for o in outcomes)) for at, name in enumerate(names[:3])},
            "win_rate": recomputed(wins / max(1, contests)),
            "mean_rank": recomputed(len(self.site.ranked) - wins / tasks),
            "frontier": recomputed(place in self._stairs),
            "p_frontier": share_of(float(self._on_frontier[:, place].mean())),
            **(self._per_point(place) if self._priced else per_point),
        }

    @cached_property
    def _priced(self) -> bool:
        usd = [self.site.prices.usd(training_of(row.records)) for row in self.site.rows.values()]
        return None not in usd

    @cached_property
    def _outlays(self) -> list[float]:
        """What one fine-tune costs, in dollars, or in device-seconds where one has no price."""
        if self._priced:
            return [self.site.prices.usd(training_of(row.records)) or 0.0 for row in self.site.ranked]
        return [sum(training_of(row.records).values()) for row in self.site.ranked]

    @cached_property
    def _stairs(self) -> list[int]:
        scores = [row.score.value for row in self.site.ranked if row.score]
        return staircase(list(zip(self._outlays, scores, strict=True)))

    @cached_property
    def _drawn(self) -> Array:
        """Draws of the ranked rows' scores."""
        site, errors = self.site, self._errors[1]
        found = [row.score for row in site.ranked if row.score]
        alone = np.random.default_rng(7).standard_normal(errors.shape)
        sides = np.array([[figure.value - figure.low, figure.high - figure.value] for figure in found])
        alone *= np.where(alone < 0, sides[:, 0], sides[:, 1]) / 1.959964
        errors = np.where(errors.std(axis=0) > 1e-12, errors, alone)
        return self._capped(np.array([figure.value for figure in found]) + errors)

    def _capped(self, scores: Array) -> Array:
        """In whole steps, and not above a perfect score."""
        cards = self.site.cards.values()
        known = all(card["metrics"][card["primary_metric"]]["high"] is not None for card in cards)
        return np.asarray(np.rint((np.minimum(scores, 1.0) if known else scores) / STEP) * STEP)

    @cached_property
    def _on_frontier(self) -> Any:
        costs, drawn = np.array(self._outlays), self._drawn
        on = np.ones(drawn.shape, dtype=bool)
        for place, cost in enumerate(costs):
            for other, other_cost in enumerate(costs):
                if other_cost < cost:
                    on[:, place] &= drawn[:, other] < drawn[:, place] - STEP / 2
                elif other_cost == cost:
                    on[:, place] &= drawn[:, other] < drawn[:, place] + STEP / 2
        return on

    def _per_point(self, place: int) -> dict[str, Leaf]:
        if place not in self._stairs:
            return {"usd_per_point": recomputed(None), "usd_per_point_why": recomputed("dominated")}
        at = self._stairs.index(place)
        if at == 0:
            return {"usd_per_point": recomputed(None), "usd_per_point_why": recomputed(None)}
        before = self._stairs[at - 1]
        values = [row.score.value for row in self.site.ranked if row.score]
        if values[place] <= values[before]:
            return {"usd_per_point": recomputed(None), "usd_per_point_why": recomputed("unresolved")}
        usd = (self._outlays[place] - self._outlays[before]) / (100 * (values[place] - values[before]))
        more = float((self._drawn[:, place] > self._drawn[:, before] + STEP / 2).mean())
        reach = ERRORS * math.sqrt(0.975 * 0.025 / PUBLISHED_DRAWS)
        outcomes = [(usd, None)] if more >= 0.975 - reach else []
        outcomes += [(None, "unresolved")] if more < min(0.975 + reach, 1 - 1 / PUBLISHED_DRAWS) else []
        return {
            "usd_per_point": Leaf("drawn", tuple(outcome[0] for outcome in outcomes)),
            "usd_per_point_why": Leaf("drawn", tuple(outcome[1] for outcome in outcomes)),
        }

    @cached_property
    def _weighed(self) -> "Weighed":
        return Weighed(self.site, self._drawn, self._capped)

    def _worth(self, row: Row) -> dict[str, Leaf]:
        return self._weighed.leaves_of(row)

    def _scenario(self) -> dict[str, Any]:
        return self._weighed.scenario()


def _seeds_of(cell: Cell, row: Row) -> int:
    return len(row.seeds_wanted) if cell.one_for_all_seeds else len(cell.records)


def counts_of(cells: Sequence[Cell]) -> dict[str, Leaf]:
    """Samples scored in every seed and wording, and those asked for."""
    asked = [
        max(record["samples"]["total"] // len(record["run"]["templates"]) for record in cell.records)
        for cell in cells
    ]
    return {
        "n": recomputed(sum(len(cell.arm.ids) for cell in cells)),
        "n_total": recomputed(sum(asked)),
    }


def name_of(key: Key) -> str:
    """How the tests name a row."""
    return f"{key[0]}/{key[1]}"


def found_leaves(published: Mapping[str, Any]) -> dict[tuple[str, ...], Any]:
    """The leaves of a file, with rows and cells by their keys."""
    keyed = dict(published)
    for part in ("rows", "cells"):
        keyed[part] = {
            name_of((entry["candidate"], entry["method"]))
            + (f" on {entry['task']}" if entry["task"] else ""): entry
            for entry in published[part]
        }
        assert len(keyed[part]) == len(published[part]), "a row stands there twice"
    return dict(flat(keyed))


def _is_begun_wrongly(record: dict[str, Any]) -> bool:
    """Whether the base finds plain sentences more likely by a nat a token when they begin the other way."""
    bos = record["generation"]["bos"]
    if bos is None or record["run"]["stages"]:
        return False
    gained = bos["loss_without"] - bos["loss_with"]
    return bool((-gained if bos["began"] else gained) > 1)
