"""Every figure of `data/leaderboard.json` is worked out anew, from what lies on disk, by code that shares nothing with
the product.

TEST DATA: no model was run for the invented boards.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recomputed import read_published
from recomputed_leaf import Leaf
from recomputed_leaves import Expected, found_leaves
from scipy.stats import binomtest
from showcase import write_imported
from synthetic import (
    guarding,
    make_run,
    searched,
    task_card,
    write_ensemble,
    write_failure,
    write_result,
)

from harness.records.result import RESULT
from harness.records.scores import MetricCard, TaskCard
from harness.records.training import ResourceUse
from harness.sweep.methods import Method
from leaderboards.download.exports import export
from leaderboards.money.prices import SHIPPED_PRICES

SAMPLES = 48
SEEDS = (0, 1, 2)

CLOSE = 1e-9
"""Relative difference of two ways to reckon the same."""

LISTED = {("score",): "a sentence that says what a score is"}
"""Leaves that nothing recomputes, and why."""


def cards() -> tuple[TaskCard, ...]:
    """Questions on passages in two wordings; essays graded from 0 to 1; an error in a unit of its own; and statements
    that are true or false."""

    def metric(high: float, *, higher_is_better: bool) -> MetricCard:
        return MetricCard(
            description="invented", low=0.0, high=high, higher_is_better=higher_is_better, corpus=False
        )

    return (
        task_card("passages", templates=("plain", "terse"), n_test=SAMPLES),
        task_card(
            "essays",
            primary_metric="f1",
            binary=False,
            chance=0.0,
            metrics={"f1": metric(1.0, higher_is_better=True)},
        ),
        task_card(
            "amounts",
            primary_metric="mae",
            binary=False,
            chance=0.1,
            metrics={"mae": metric(50.0, higher_is_better=False)},
        ),
        task_card("statements", chance=0.5),
    )


SKILL: dict[Method, float] = {
    "zero_shot": 0.3,
    "zero_shot_constrained": 0.4,
    "few_shot": 0.5,
    "lora": 0.88,
    "full": 0.85,
    "dora": 0.68,
    "stages": 0.66,
    "vote": 0.74,
}


def drawn(card: TaskCard, model: str, method: Method, seed: int, *, lift: float = 0.0) -> list[float | None]:
    """Scores of all samples in all wordings: how hard a sample is, and what a seed has learnt, are shared."""
    place = [task.name for task in cards()].index(card.name) if card.name != "facts" else 9
    hard = np.random.default_rng([1, place]).normal(0, 0.8, SAMPLES)
    hard += np.repeat(np.random.default_rng([2, place]).normal(0, 0.8, SAMPLES // 4), 4)
    own = np.random.default_rng([3, place, len(model), list(SKILL).index(method), seed])
    skill = 2.5 * (SKILL[method] + lift - 0.5) + 0.25 * own.normal() - hard
    scores: list[float | None] = []
    for _ in card.templates:
        share = 1 / (1 + np.exp(-(skill + own.normal(0, 0.7, SAMPLES))))
        if card.binary:
            scores += (share > 0.5).astype(float).tolist()
        else:
            metric = card.metrics[card.primary_metric]
            high = metric.high or 1.0
            scores += (high * (share if metric.higher_is_better else 1 - share)).round(3).tolist()
    return scores


def write_cells(results: Path, model: str, method: Method, card: TaskCard, **options: Any) -> list[Any]:
    """All seeds of a candidate on a task."""
    written = []
    for seed in options.pop("seeds", SEEDS):
        run = make_run(model, method, card, seed, **options.get("run", {}))
        # Greedy answers are the same for every seed.
        scores = drawn(
            card, model, method, 0 if method.startswith("zero_shot") else seed, lift=options.get("lift", 0.0)
        )
        if (model, method, seed) == ("small", "lora", 1):
            scores[5] = scores[-1] = None
        if (model, method, seed) == ("large", "few_shot", 2):
            scores[11] = None
        speed = {"small": 400.0, "large": 9.0}.get(model, 20.0) * {"few_shot": 0.6, "zero_shot": 0.8}.get(
            method, 1.0
        )
        uneven = 1 + 0.04 * np.random.default_rng([4, seed, len(card.name), len(method)]).normal()
        written.append(
            write_result(
                results,
                run,
                card,
                scores,
                clusters=[f"passage {place // 4}" if place % 9 else "" for place in range(SAMPLES)] * 2
                if card.name == "passages"
                else (),
                requests_per_second=speed * uneven,
                uncached_requests_per_second=speed / 3 if method == "few_shot" else None,
                parameters={"small": 10**9, "large": 4 * 10**9}.get(model, 2 * 10**9),
                train_seconds={"full": 2600.0}.get(method, 900.0) * (1 + 0.1 * seed),
                cut=9 if (method, seed) == ("zero_shot", 0) else 0,
                **options.get("record", {}),
            )
        )
    return written


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Invented ones."""
    results = tmp_path_factory.mktemp("invented") / "results"
    write_board(results)
    return results


def write_board(results: Path) -> None:
    """Two models, three seeds, and whatever else has a figure: a search, stages, a vote over seeds, smaller budgets,
    guards, failures, a device without a price, incomplete and untrusted runs, and scores from elsewhere."""
    lost = {
        "resumed_at": (20,),
        "discarded": ResourceUse(seconds=90.0, tokens=900),
        "diverged": "the loss rose",
    }
    for card in cards():
        for model in ("small", "large"):
            for method in ("zero_shot", "few_shot", "lora"):
                write_cells(results, model, method, card, lift=0.1 * (model == "large"))
        write_cells(
            results, "small", "lora", card, run={"n_train": 60}, lift=0.3 if card.name == "amounts" else -0.1
        )
        tuned = write_cells(results, "large", "full", card, lift=0.05)
        write_ensemble(
            results, "committee", "vote", tuned, drawn(card, "large", "vote", 0), **_clusters(card)
        )
        others = (card, task_card("elsewhere"))
        write_cells(results, "small", "stages", card, run={"others": others}, record={"trained": lost})
        for seed in SEEDS:
            run, selection = searched(
                make_run("small", "dora", card, seed), scores={1e-4: 0.6, 3e-4: 0.7, 1e-2: None}
            )
            collapsed = "all answers are the same" if seed == 1 else ""
            write_result(
                results, run, card, drawn(card, "small", "dora", seed), selection=selection, collapsed=collapsed,
                device="NVIDIA A100-SXM4-80GB", **_clusters(card),
            )  # fmt: skip
    statements = cards()[-1]
    for method in ("zero_shot", "zero_shot_constrained", "lora"):
        for cell in write_cells(
            results, "lone", method, statements, seeds=(0,), record={"device": "Abacus 9"}
        ):
            begin_wrongly(results / cell.run.folder / RESULT)
    untrusted = write_cells(results, "false", "lora", statements)[0]
    distrust(results / untrusted.run.folder / RESULT)
    facts = task_card("facts")
    for method, lift in (("zero_shot", 0.3), ("lora", -0.15), ("full", -0.5)):
        model = "large" if method == "full" else "small"
        for base in {model, "large"} if method == "zero_shot" else {model}:
            for card in cards()[:2]:
                for seed in SEEDS:
                    run = guarding(make_run(base, method, card, seed, templates=("plain",)), facts)
                    scores = drawn(facts, base, method, 0 if method == "zero_shot" else seed, lift=lift)
                    write_result(results, run, facts, scores)
    write_failure(
        results, make_run("large", "dora", statements, 0), spent=ResourceUse(seconds=300.0, tokens=40)
    )
    write_imported(results, "statements")


def _clusters(card: TaskCard) -> dict[str, Any]:
    if card.name != "passages":
        return {}
    return {"clusters": [f"passage {place // 4}" if place % 9 else "" for place in range(SAMPLES)] * 2}


def begin_wrongly(path: Path) -> None:
    """Have the base of a finished run miss the BOS token that its prompts left out."""
    record = json.loads(path.read_text(encoding="utf-8"))
    record["generation"]["bos"] = {"token": "<s>", "began": False, "loss_with": 0.2, "loss_without": 2.9}
    path.write_text(json.dumps(record), encoding="utf-8")


def distrust(path: Path) -> None:
    """Have a guard of the engine failed in a finished run."""
    record = json.loads(path.read_text(encoding="utf-8"))
    record["generation"]["guards"] = [
        {"name": "base_repeats", "passed": False, "value": 1.0, "bound": 0.1, "reason": "stale weights"}
    ]
    path.write_text(json.dumps(record), encoding="utf-8")


BOARDS = {
    "all": """
        tasks = ["passages", "essays", "amounts"]
        weights = { passages = 2, essays = 0.5 }
        scenario = { labels = "owned" }
        """,
    "random": """
        tasks = ["passages", "statements"]
        wordings = "random"
        scenario = { volume = 2e6, hours = 700, retrains = 2, relabel = 0.25, utilisation = 60, budget_usd = 5000 }
        """,
    "one": """
        tasks = ["statements"]
        forgetting_margin = 3
        scenario = { right_answer_usd = 0.003, budget_usd = 20 }
        """,
    "error": """
        tasks = ["amounts"]
        scenario = { budget_usd = 5 }
        """,
}
"""Board files: tasks of different chance and weight, wordings as a draw, one task that is right or wrong, and one in a
unit of its own."""


@dataclass(frozen=True)
class Compared:
    """The leaves of a published file, and what they should be, by path."""

    found: dict[tuple[str, ...], Any]
    wanted: dict[tuple[str, ...], Leaf]

    @classmethod
    def of(cls, file: Path, results: Path, board: Path) -> "Compared":
        """A file with what follows from results and a board."""
        published = json.loads(file.read_text(encoding="utf-8"))
        return cls(found_leaves(published), Expected(read_published(results, board, SHIPPED_PRICES)).leaves)

    @property
    def paths(self) -> dict[str, list[tuple[str, ...]]]:
        """Of the leaves of each kind."""
        kinds: dict[str, list[tuple[str, ...]]] = {}
        for path, leaf in self.wanted.items():
            kinds.setdefault(leaf.kind, []).append(path)
        return kinds

    def wrong(self) -> list[str]:
        """The leaves that are not what they should be."""
        return [
            f"{'/'.join(path)}: {self.found[path]}, and not {leaf}"
            for path, leaf in self.wanted.items()
            if leaf.distance(self.found[path]) > CLOSE
        ]


@pytest.fixture(scope="module")
def compared(results: Path) -> dict[str, Compared]:
    """Every board, exported and worked out anew."""
    boards = {}
    for name, text in BOARDS.items():
        board, file = results.parent / f"{name}.toml", results.parent / f"{name}.json"
        board.write_text(f'title = "Board {name}"\n{text}', encoding="utf-8")
        export(results, "json", board=board, prices=None, out=file)
        boards[name] = Compared.of(file, results, board)
    return boards


@pytest.mark.parametrize("name", BOARDS)
def test_every_figure_is_what_its_formula_gives(name: str, compared: dict[str, Compared]) -> None:
    wrong = compared[name].wrong()
    assert not wrong, "\n".join([f"{len(wrong)} of {len(compared[name].found)} leaves", *wrong[:60]])


@pytest.mark.parametrize("name", BOARDS)
def test_every_leaf_has_a_formula_or_a_record_or_is_listed(name: str, compared: dict[str, Compared]) -> None:
    found, wanted = compared[name].found.keys(), compared[name].wanted.keys()
    assert found == wanted, f"without a formula: {found - wanted}; without a figure: {wanted - found}"
    assert set(compared[name].paths["listed"]) == set(LISTED)


def test_any_other_figure_would_be_noticed(compared: dict[str, Compared]) -> None:
    board = compared["all"]
    for kind in ("recomputed", "copied"):
        for path in board.paths[kind]:
            found = board.found[path]
            other = found + 1e-6 * max(1.0, abs(found)) if isinstance(found, float) else f"not {found}"
            assert board.wanted[path].distance(other) > CLOSE, path


def test_the_boards_have_what_is_hard_to_get_right(compared: dict[str, Compared]) -> None:
    """Each kind of figure is there, and not only as null."""
    known: set[str] = set()
    for board in compared.values():
        for path, found in board.found.items():
            known |= {*path} if found is not None else set()
    named = {path[-1] for path in compared["all"].found if path[0] in ("rows", "cells", "total", "scenario")}
    assert named <= known, named - known


def test_a_single_run_that_borrows_seed_noise_has_no_textbook_interval(compared: dict[str, Compared]) -> None:
    """A fine-tune of one seed that borrows what the seeds of others vary by is no textbook's proportion."""
    board = compared["one"]
    score = {
        end: board.found["cells", "lone/lora on statements", f"score{end}"] for end in ("", "_low", "_high")
    }
    wilson = binomtest(round(score[""] * SAMPLES), SAMPLES).proportion_ci(method="wilson")
    assert score["_high"] - score["_low"] > 1.01 * (wilson.high - wilson.low)
    alone = {end: board.found["cells", "lone/zero_shot on statements", f"score{end}"] for end in score}
    wilson = binomtest(round(alone[""] * SAMPLES), SAMPLES).proportion_ci(method="wilson")
    assert [alone["_low"], alone["_high"]] == pytest.approx([wilson.low, wilson.high])
