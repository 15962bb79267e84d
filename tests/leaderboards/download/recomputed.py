"""Every figure of `data/leaderboard.json`, worked out anew from what lies on disk: results, predictions, a board file
and prices. Nothing of GainBoard is imported.

The formulas are those of the methodology page, of `leaderboards/README.md` and of docstrings. It is taken for granted
that all runs of a task were made alike, so that none is left out of the comparison.
"""

import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from recomputed_cells import (
    Cell,
    Key,
    guard_arms,
    is_last_stage,
    is_trusted,
    key_of,
    read_arm,
    read_records,
    scale_of,
)
from recomputed_costs import (
    Prices,
    Record,
    Runs,
)
from recomputed_statistics import (
    Figure,
    difference,
    holm,
    mcnemar,
    score,
    seed_parts,
    t_test,
    weighted_sum,
)

METHODS = (
    "zero_shot", "zero_shot_constrained", "few_shot", "lora", "dora", "qlora", "full", "few_shot_tuning", "multitask",
    "stages", "meta", "soup", "vote", "mean_probability",
)  # fmt: skip
"""In the order of the board's pages: an arm gains over those before it."""

UNTUNED = ("few_shot", "zero_shot")

SCENARIO = {
    "volume": 100_000, "right_answer_usd": 0.01, "budget_usd": 100, "utilisation": 30, "hours": 0, "labels": "bought",
    "retrains": 0, "relabel": 0,
}  # fmt: skip
"""What a board file means that does not say it."""

DRAWS, PUBLISHED_DRAWS = 20_000, 1_000
ERRORS = 5
"""Standard errors of the product's draws, by which its figures may differ from those of many more draws."""


@dataclass(frozen=True)
class Row:
    """A candidate on the whole board."""

    key: Key
    cells: Mapping[str, Cell]
    seeds_wanted: list[int]
    score: Figure | None
    """None unless it has every task with every seed."""

    @property
    def records(self) -> list[Record]:
        """Its runs."""
        return list(itertools.chain.from_iterable(cell.records for cell in self.cells.values()))

    @property
    def tuned(self) -> bool:
        """Whether weights were trained for it."""
        return any(record["trainings"] for record in self.records)


@dataclass(frozen=True)
class Published:
    """What a board is made of, read from disk."""

    folder: Path
    board: Mapping[str, Any]
    prices: Prices

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """How the models will be used."""
        return SCENARIO | self.board.get("scenario", {})

    @cached_property
    def random_wordings(self) -> bool:
        """Whether wordings are a draw."""
        return self.board.get("wordings") == "random"

    @cached_property
    def all_records(self) -> list[Record]:
        """Every finished run, those of guard tasks among them."""
        return read_records(self.folder, "result.json")

    def is_on(self, record: Record) -> bool:
        """Whether a run is of a task of the board."""
        return record["run"]["task"] in self.board.get("tasks", [record["run"]["task"]])

    @cached_property
    def records(self) -> list[Record]:
        """Every finished run of the board's tasks."""
        return [record for record in self.all_records if self.is_on(record)]

    @cached_property
    def failures(self) -> list[Record]:
        """Every failed run of the board's tasks."""
        return [record for record in read_records(self.folder, "failure.json") if self.is_on(record)]

    @cached_property
    def runs(self) -> Runs:
        """All runs at the board's prices."""
        return Runs({record["key"]: record for record in self.records}, self.prices)

    @cached_property
    def cells(self) -> list[Cell]:
        """Every candidate on every task with every budget, with what seeds add."""
        trusted = [record for record in self.records if is_trusted(record) and not record["run"].get("guard")]
        cells = self.read_cells(trusted)
        by_reason: dict[Any, list[int]] = {}
        for place, cell in enumerate(cells):
            # Greedy answers that differ from seed to seed all the same speak for their own arm only.
            reason = place if cell.one_for_all_seeds else (cell.run["task"], cell.tuned)
            by_reason.setdefault(reason, []).append(place)
        for places in by_reason.values():
            parts = seed_parts([cells[place].arm for place in places])
            for place, part in zip(places, parts, strict=True):
                cells[place] = replace(cells[place], arm=replace(cells[place].arm, seeds=part))
        return cells

    def read_cells(self, records: Iterable[Record]) -> list[Cell]:
        """The runs of one candidate, task, budget, and what guarded weights were tuned for, together."""
        groups: dict[Any, list[Record]] = {}
        for record in records:
            run = record["run"]
            after = (run.get("guard") or {}).get("after")
            place = (*key_of(record), run["task"], run["n_train"], json.dumps(after))
            groups.setdefault(place, []).append(record)
        cells = []
        for group in groups.values():
            by_seed = sorted(group, key=lambda record: record["run"]["seed"])
            cells.append(Cell(tuple(by_seed), read_arm(self.folder, by_seed)))
        return cells

    @cached_property
    def cards(self) -> dict[str, Record]:
        """The board's tasks that have results, in its order."""
        cards = {cell.run["task"]: cell.records[0]["task"] for cell in self.cells}
        return {name: cards[name] for name in self.board.get("tasks", sorted(cards)) if name in cards}

    @cached_property
    def seeds(self) -> list[int]:
        """Those of any ranked run."""
        return sorted({seed for cell in self.largest.values() for seed in cell.seeds})

    @cached_property
    def largest(self) -> dict[tuple[Key, str], Cell]:
        """The cells with the largest training budget, by row and task."""
        cells: dict[tuple[Key, str], Cell] = {}
        for cell in sorted(self.cells, key=lambda cell: cell.run["n_train"] or 0):
            cells[cell.key, cell.run["task"]] = cell
        return cells

    @cached_property
    def factors(self) -> dict[str, float]:
        """What a task's score counts: weight / Σ weight / (1 − chance); a lone task is left as it is."""
        if len(self.cards) == 1:
            return dict.fromkeys(self.cards, 1.0)
        weights = self.weights
        return {
            task: weights[task] / sum(weights.values()) / (1 - card["chance"])
            for task, card in self.cards.items()
        }

    @cached_property
    def weights(self) -> dict[str, float]:
        """By task; 1 where the board names none."""
        return {task: self.board.get("weights", {}).get(task, 1.0) for task in self.cards}

    def over_tasks(self, figures: Mapping[str, Figure | None], *, chance: bool) -> Figure | None:
        """The weighted mean; None where a task is missing. `chance`: whether chance becomes 0."""
        known = [figures.get(task) for task in self.cards]
        parts = [figure for figure in known if figure is not None]
        if len(parts) < len(known):
            return None
        if len(parts) == 1:
            return parts[0]
        factors = list(self.factors.values())
        zero = sum(factor * card["chance"] for factor, card in zip(factors, self.cards.values(), strict=True))
        return weighted_sum(parts, factors, shift=zero if chance else 0.0)

    @cached_property
    def rows(self) -> dict[Key, Row]:
        """All candidates."""
        rows = {}
        for key in {key for key, _ in self.largest}:
            cells = {task: self.largest[key, task] for task in self.cards if (key, task) in self.largest}
            row = Row(key, cells, self._seeds_wanted(cells.values()), None)
            whole = all(task in cells and self.is_whole(row, task) for task in self.cards)
            scores = {task: self.score(cell) for task, cell in cells.items()}
            rows[key] = replace(row, score=self.over_tasks(scores, chance=True) if whole else None)
        return rows

    def _seeds_wanted(self, cells: Iterable[Cell]) -> list[int]:
        """All seeds; of an ensemble over several of them its own."""
        runs = [record["run"] for cell in cells for record in cell.records]
        for run in runs:
            members = {
                self.runs.by_key[key]["run"]["seed"] for key in run["members"] if key in self.runs.by_key
            }
            if run["members"] and members != {run["seed"]}:
                return sorted({run["seed"] for run in runs})
        return self.seeds

    def is_whole(self, row: Row, task: str) -> bool:
        """Whether a row has every seed, and a sample, on a task."""
        cell = row.cells[task]
        every = cell.one_for_all_seeds or set(row.seeds_wanted) <= set(cell.seeds)
        return every and bool(cell.arm.ids)

    def score(self, cell: Cell) -> Figure | None:
        """The mean of a cell; None without a sample."""
        if not cell.arm.ids:
            return None
        return score(cell.arm, scale_of(cell.records[0]["task"]), random_wordings=self.random_wordings)

    def differ(self, cell: Cell, other: Cell) -> Figure | None:
        """The paired difference of two cells of a task."""
        pair = id(cell), id(other)
        if pair not in self._differences:
            scale = scale_of(cell.records[0]["task"])
            self._differences[pair] = difference(
                cell.arm, other.arm, scale, random_wordings=self.random_wordings
            )
        return self._differences[pair]

    @cached_property
    def _differences(self) -> dict[tuple[int, int], Figure | None]:
        return {}

    def baseline(self, row: Row, method: str) -> Row | None:
        """The untuned arm of a row's model; of several the best over the row's tasks."""
        if METHODS.index(method) >= METHODS.index(row.key[1]):
            return None
        weights = next(iter(row.cells.values())).weights
        alike = [
            other
            for other in self.rows.values()
            if other.key[1] == method and any(cell.weights == weights for cell in other.cells.values())
        ]
        complete = [other for other in alike if row.cells.keys() <= other.cells.keys()] or alike
        return max(
            complete, key=lambda other: (self._mean(other, row), other.key[0] == row.key[0]), default=None
        )

    def _mean(self, arm: Row, row: Row) -> float:
        shares = []
        for task in row.cells:
            if task in arm.cells and arm.cells[task].arm.ids:
                chance = self.cards[task]["chance"]
                shares.append((arm.cells[task].arm.scores.mean() - chance) / (1 - chance))
        return float(np.mean(shares)) if shares else -math.inf

    def gain_on(self, task: str, row: Row, method: str) -> Figure | None:
        """The gain on a task over an untuned arm of the same model."""
        arm = self.baseline(row, method)
        if arm is None or task not in row.cells or task not in arm.cells:
            return None
        cell, other = row.cells[task], arm.cells[task]
        return self.differ(cell, other) if cell.weights == other.weights else None

    def gain(self, row: Row, method: str) -> Figure | None:
        """That over all tasks, of a complete row."""
        if row.score is None:
            return None
        return self.over_tasks({task: self.gain_on(task, row, method) for task in self.cards}, chance=False)

    def over_plain_on(self, task: str, row: Row) -> Figure | None:
        """The gain over the same samples tuned from the plain base."""
        if task not in row.cells:
            return None
        cell, stages = row.cells[task], row.cells[task].run["stages"]
        if len(stages) < 2 or [portion["task"] for portion in stages[-1]["portions"]] != [task]:
            return None
        plain = [
            other
            for other in self.cells
            if other.run["task"] == task
            and other.key[0] == row.key[0]
            and is_last_stage(other.run, stages[-1])
        ]
        plain.sort(key=lambda other: other.run["stages"][-1]["training"] != stages[-1]["training"])
        return self.differ(cell, plain[0]) if plain else None

    def over_plain(self, row: Row) -> Figure | None:
        """That over all tasks."""
        if row.score is None:
            return None
        return self.over_tasks({task: self.over_plain_on(task, row) for task in self.cards}, chance=False)

    @cached_property
    def ranked(self) -> list[Row]:
        """Complete rows, best first."""
        complete = [(row.score.value, row) for row in self.rows.values() if row.score]
        complete.sort(key=lambda pair: (-pair[0], pair[1].key[0], METHODS.index(pair[1].key[1])))
        return [row for _, row in complete]

    def overall(self, row: Row, other: Row) -> Figure | None:
        """The paired difference of two complete rows."""
        parts = {task: self.differ(row.cells[task], other.cells[task]) for task in self.cards}
        return self.over_tasks(parts, chance=False)

    @cached_property
    def significance(self) -> dict[tuple[Key, str], float]:
        """P-values of all gains over untuned arms, corrected for their number."""
        claims, values = [], []
        for row in self.ranked:
            for method in UNTUNED:
                gain, arm = self.gain(row, method), self.baseline(row, method)
                if gain and arm:
                    claims.append((row.key, method))
                    values.append(self._p(row, arm, gain))
        return dict(zip(claims, holm(values), strict=True))

    def _p(self, row: Row, arm: Row, gain: Figure) -> float:
        if len(self.cards) > 1:
            return t_test(gain)
        task = next(iter(self.cards))
        first, second = row.cells[task].arm, arm.cells[task].arm
        if first.textbook and second.textbook:
            assert self.cards[task]["binary"], "sign flips are draws, which no board of the tests has"
            return mcnemar(first, second)
        return t_test(gain)

    @cached_property
    def guards(self) -> dict[Key, Figure]:
        """The mean change of each row's weights on guard tasks, from the same model before its tuning."""
        guarding = [
            record for record in self.all_records if record["run"].get("guard") and is_trusted(record)
        ]
        cells = self.read_cells(guarding)
        before = {
            (cell.key[0], cell.run["task"]): replace(
                cell, arm=replace(cell.arm, seeds=seed_parts([cell.arm])[0])
            )
            for cell in cells
            if not cell.run["guard"]["after"]
        }
        tuned: dict[tuple[Key, str], dict[str, Cell]] = {}
        for cell in sorted(cells, key=lambda cell: (cell.run["guard"]["after"] or {"n_train": 0})["n_train"]):
            after = cell.run["guard"]["after"]
            if after and after["task"] in self.cards and (cell.key[0], cell.run["task"]) in before:
                tuned.setdefault((cell.key, cell.run["task"]), {})[after["task"]] = cell
        pairs = {
            place: guard_arms(list(by_task.values()), before[place[0][0], place[1]])
            for place, by_task in sorted(tuned.items())
        }
        changes: dict[Key, list[Figure]] = {}
        for guard_task in sorted({task for _, task in pairs}):
            keys = [key for key, task in pairs if task == guard_task]
            parts = seed_parts([pairs[key, guard_task][0] for key in keys])
            for key, part in zip(keys, parts, strict=True):
                arm, base = pairs[key, guard_task]
                scale = scale_of(before[key[0], guard_task].records[0]["task"])
                change = difference(
                    replace(arm, seeds=part), base, scale, random_wordings=self.random_wordings
                )
                assert change, "weights and their base answer the same samples"
                changes.setdefault(key, []).append(change)
        return {
            key: weighted_sum(figures, [1 / len(figures)] * len(figures)) for key, figures in changes.items()
        }

    @cached_property
    def margin(self) -> float:
        """What may be lost on guard tasks."""
        return float(self.board.get("forgetting_margin", 1.0)) / 100

    def guard_verdict(self, key: Key) -> str | None:
        """Whether that was lost."""
        change = self.guards.get(key)
        if change is None:
            return None
        if change.low >= -self.margin:
            return "passed"
        return "failed" if change.high < -self.margin else "unresolved"

    @cached_property
    def smaller(self) -> list[tuple[Row, int]]:
        """Ranked fine-tunes at smaller training budgets that have every task and seed."""
        smaller = []
        for row in self.ranked:
            by_task: dict[str, dict[int, Cell]] = {}
            for cell in self.cells:
                if cell.key == row.key:
                    by_task.setdefault(cell.run["task"], {})[cell.run["n_train"] or 0] = cell
            for budget in sorted(set.intersection(*(set(cells) for cells in by_task.values()))):
                cells = {task: by_task[task][budget] for task in self.cards}
                whole = all(cell.seeds == row.seeds_wanted and cell.arm.ids for cell in cells.values())
                if whole and any(cells[task] is not row.cells[task] for task in self.cards):
                    scores = {task: self.score(cell) for task, cell in cells.items()}
                    figure = self.over_tasks(scores, chance=True)
                    smaller.append((Row(row.key, cells, row.seeds_wanted, figure), budget))
        return smaller


def read_published(folder: Path, board: Path, prices: Path) -> Published:
    """What a board is made of."""
    return Published(
        folder,
        tomllib.loads(board.read_text(encoding="utf-8")),
        Prices(tomllib.loads(prices.read_text(encoding="utf-8"))),
    )
