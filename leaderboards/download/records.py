"""The figures of the tables, for reuse."""

import math
from dataclasses import asdict
from typing import Any

from harness.statistics import Estimate
from leaderboards.decide.decision import CaseFigures
from leaderboards.gathered import Site, is_whole, scale_of
from leaderboards.money.bill import Bill
from leaderboards.money.ledger import Entry
from leaderboards.money.payback import Payback
from leaderboards.rank.cells import Cell
from leaderboards.rank.flags import TROUBLE_WORDS, troubles
from leaderboards.rank.tables import Row


def records(site: Site) -> dict[str, Any]:
    """The figures of the tables for reuse: `rows`, a candidate on the whole board, and `cells`, a candidate
    on a task."""
    return {
        "title": site.board.title,
        "prices_as_of": str(site.prices.as_of),
        "score": scale_of(site.table),
        "seeds": list(site.table.seeds),
        "tasks": [asdict(card) for card in site.table.tasks.values()],
        "total": _bill_record(site.ledger.total),
        "scenario": _scenario_record(site),
        "rows": [_row_record(site, entry) for entry in site.ledger.entries],
        "cells": [
            _cell_record(site, row, task)
            for task in site.table.tasks
            for row in site.table.rows
            if task in row.cells
        ],
        "elsewhere": [record.model_dump(mode="json") for record in site.elsewhere],
    }


def _scenario_record(site: Site) -> dict[str, Any]:
    """What total costs, net benefits and P(worth it) hold for: that of the cost page as it opens."""
    decision, cases = site.decision, site.choices.cases
    scenario = asdict(decision.scenario)
    hours = dict(zip(site.choices.devices, scenario.pop("hour_prices"), strict=True))
    named: dict[str, Any] = {}
    for name, place in (
        ("reference", decision.reference),
        ("chosen", decision.chosen),
        ("excluded", decision.excluded),
    ):
        named[name] = None if place is None else list(cases[place].key)
        if name != "reference":  # which is not tuned
            named[f"{name}_labels"] = None if place is None else cases[place].budget
    return {**scenario, "usd_per_hour": hours, **named, "perfect_information_usd": decision.knowing}


def _row_record(site: Site, entry: Entry) -> dict[str, Any]:
    row, spent = entry.row, entry.spend
    return {
        "candidate": row.name,
        "method": row.method,
        "model": row.results[0].run.candidate.model,
        "parameters": site.base_parameters.get(row.name),
        "task": None,
        "complete": row.score is not None,
        "rank_best": row.ranks[0] if row.ranks else None,
        "rank_worst": row.ranks[1] if row.ranks else None,
        "tier": row.tier,
        "win_rate": row.robustness.win_rate if row.robustness else None,
        "mean_rank": row.robustness.mean_rank if row.robustness else None,
        "headroom_closed": row.headroom_closed,
        "gain_few_shot_p": row.significance.get("few_shot"),
        "gain_zero_shot_p": row.significance.get("zero_shot"),
        "guard": row.forgetting.verdict if row.forgetting else None,
        **_estimate("guard_change", row.forgetting.mean if row.forgetting else None),
        **_estimate("score", row.score),
        **_estimate("gain_few_shot", row.over_few),
        **_estimate("gain_zero_shot", row.over_zero),
        **_estimate("gain_same_samples", site.table.over_plain(row)),
        "seeds": row.seeds,
        "n": row.scored,
        "n_total": row.total,
        "n_train": row.n_train,
        "members": row.members,
        **_troubles(row),
        "train_usd": spent.training.mid if spent.training else None,
        "train_device_hours": spent.device_seconds / 3600,
        **_bill_record(entry.bill),
        "data_usd": spent.data.mid,
        "serve_usd_per_1k": 1000 * spent.request.mid if spent.request else None,
        "break_even_few_shot": entry.over_few.requests if entry.over_few else None,
        "break_even_few_shot_why": entry.over_few.why if entry.over_few else None,
        "break_even_few_shot_low": _end(entry.over_few, 0),
        "break_even_few_shot_high": _end(entry.over_few, 1),
        "break_even_zero_shot": entry.over_zero.requests if entry.over_zero else None,
        "break_even_zero_shot_why": entry.over_zero.why if entry.over_zero else None,
        "break_even_few_shot_uncached": entry.over_few_uncached.requests if entry.over_few_uncached else None,
        "break_even_few_shot_uncached_why": entry.over_few_uncached.why if entry.over_few_uncached else None,
        "break_even_hosted": entry.over_api.requests if entry.over_api else None,
        "break_even_hosted_why": entry.over_api.why if entry.over_api else None,
        "usd_per_right_answer": spent.request.mid / entry.accuracy
        if spent.request and entry.accuracy
        else None,
        "mfu": entry.mfu,
        "usd_per_point": entry.usd_per_point if isinstance(entry.usd_per_point, float) else None,
        "usd_per_point_why": entry.usd_per_point if isinstance(entry.usd_per_point, str) else None,
        "frontier": entry.frontier,
        "p_frontier": entry.frontier_share,
        **_decision_record(site, row),
    }


def _end(payback: Payback | None, place: int) -> float | None:
    """An end of a break-even volume's interval; None where it has none, or the end is never."""
    end = payback.ends[place] if payback and payback.ends else math.inf
    return None if end == math.inf else end


def _decision_record(site: Site, row: Row) -> dict[str, float | None]:
    """What the row comes to in the scenario of the cost page."""
    figures = site.figures_by_row.get(row.key, CaseFigures())
    return {
        "total_usd": figures.costs.total if figures.costs else None,
        "net_benefit_usd": figures.net.value if figures.net else None,
        "net_benefit_usd_low": figures.net.low if figures.net else None,
        "net_benefit_usd_high": figures.net.high if figures.net else None,
        "p_worth_it": figures.worth,
        "p_best": figures.best,
        "expected_loss_usd": figures.loss,
    }


def _cell_record(site: Site, row: Row, task: str) -> dict[str, Any]:
    cell = row.cells[task]
    return {
        "candidate": row.name,
        "method": row.method,
        "model": cell.results[0].run.candidate.model,
        "parameters": site.base_parameters.get(row.name),
        "task": task,
        "complete": is_whole(row, task),
        **_estimate("score", cell.estimate),
        **_estimate("gain_few_shot", site.table.gain_on(task, row, "few_shot")),
        **_estimate("gain_zero_shot", site.table.gain_on(task, row, "zero_shot")),
        **_estimate("gain_same_samples", site.table.over_plain_on(task, row)),
        "seeds": len(cell.results),
        "n": len(cell.scores),
        "n_total": cell.total,
        "n_train": cell.results[0].run.n_train,
        "members": len(cell.results[0].run.members),
        **_troubles(cell),
    }


def _bill_record(spent: Bill) -> dict[str, float | int | None]:
    return {
        "all_in_usd": spent.price.mid if spent.price else None,
        "all_in_device_hours": spent.spent.seconds / 3600,
        "all_in_train_tokens": spent.spent.tokens,
        "trainings": spent.trainings,
        "trials": spent.trials,
        "failures": spent.failures,
    }


def _troubles(scored: Row | Cell) -> dict[str, int]:
    """How many of the runs have a score that says little of the method, by the kind of trouble."""
    troubles_by_run = (
        [{trouble.kind for trouble in troubles(result)} for result in scored.results] if scored.flag else []
    )
    return {kind: sum(kind in kinds for kinds in troubles_by_run) for kind in TROUBLE_WORDS}


def _estimate(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    return {
        name: estimate.value if estimate else None,
        f"{name}_stderr": estimate.stderr if estimate else None,
        f"{name}_low": estimate.low if estimate else None,
        f"{name}_high": estimate.high if estimate else None,
    }
