"""What `--dry-run` prints: the plan of a sweep with its estimated cost."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.dry_run_machine import duration, machine_forecast, print_machine
from harness.cli.verb import SIGNS, make_console
from harness.counts import agreeing, count_of
from harness.terminal.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from harness.plan.estimate import Forecast
    from harness.plan.power import Power
    from harness.plan.prepare import PlannedSweep
    from harness.plan.token_counts import ModelCounts
    from harness.sweep.run import Run

MOST_LINES = 60
"""Lines of a plan; a longer one is summed up by candidate and method."""

MOST_NAMES = 5
"""Candidates that are named in a sentence."""


def print_dry_run(planned: "PlannedSweep", options: argparse.Namespace, *, workers: int | None) -> None:
    """Print what is to be done with its estimate, the sum with its price, and what it takes of the machine.

    `workers`: base models at a time; None where that is not known.
    """
    from dataclasses import asdict

    from rich.markup import escape

    from harness.plan.early_rungs import early_rungs_of
    from harness.plan.estimate import Estimator
    from harness.plan.runs import is_done
    from harness.plan.shortages import shortages_of
    from harness.plan.unread_scripts import unread_scripts_of
    from harness.sweep.engines import ENGINE_TABLE, default_engine

    engine = default_engine() if options.engine == "auto" else options.engine
    caches_prefixes = ENGINE_TABLE[engine].caches_prefixes
    runs, done = planned.runs, [is_done(options.results, run) for run in planned.runs]
    todo = [run for run, is_finished in zip(runs, done, strict=True) if not is_finished]
    counts = _token_counts(todo, planned)
    estimator = Estimator(planned.tasks, counts=counts, caches_prefixes=caches_prefixes)
    forecasts = [estimator.forecast(run, done=finished) for run, finished in zip(runs, done, strict=True)]
    total = _total(runs, forecasts, options)
    powers = _powers(planned, limit=options.limit)
    machine = machine_forecast(planned, forecasts, work=options.work, workers=workers)
    if options.json:
        plan = {
            "runs": [asdict(forecast) for forecast in forecasts],
            "total": total,
            "machine": machine.record(),
            "shortages": shortages_of(planned.sweep, planned.tasks),
        }
        say(json.dumps(plan | {"power": [_power_record(*each) for each in powers.items()]}, indent=2))
        return
    console = make_console()
    _print_lines(runs, forecasts, console)
    _print_total(total, console)
    _print_basis(runs, forecasts, console)
    print_machine(machine, console)
    _print_powers(powers, console)
    warnings = [
        *shortages_of(planned.sweep, planned.tasks),
        *unread_scripts_of(planned.tasks),
        *early_rungs_of(planned.runs),
    ]
    for sentence in warnings:
        console.print(SIGNS["warning"], escape(sentence), highlight=False)
    if planned.ensembles:
        say(f"Then {count_of(len(planned.sweep.ensembles), 'ensemble')}, made of these.")


def _token_counts(runs: "Sequence[Run]", planned: "PlannedSweep") -> "Mapping[str, ModelCounts]":
    """What the tokenizers on this machine make of these runs, by candidate."""
    import tempfile

    from harness.preflight.examine import can_examine, count_tokens

    if not (runs and can_examine()):
        return {}
    with tempfile.TemporaryDirectory(prefix="gainboard-") as folder:
        return count_tokens(runs, planned.tasks, log=Path(folder) / "preflight.log")


def _powers(planned: "PlannedSweep", *, limit: int | None) -> "dict[str, Power]":
    """What the scored samples of each task can show with the sweep's seeds."""
    from harness.plan.power import power_on

    powers = {}
    for name in planned.sweep.tasks:
        loaded = planned.tasks[name]
        power = power_on(loaded.task, loaded.dataset.test[:limit], seeds=len(planned.sweep.seeds))
        if power is not None:
            powers[name] = power
    return powers


def _power_record(task: str, power: "Power") -> dict[str, Any]:
    """As `--json` has it; gaps from 0 to 1, None where none shows."""
    from harness.statistics.planning import DISAGREEMENT, SEED_SD

    return {
        "task": task,
        "samples": power.samples,
        "independent_samples": power.independent,
        "seeds": power.seeds,
        "resolvable_gap": power.gap,
        "seeds_for_5_points": power.wanted_seeds,
        "samples_for_5_points": power.wanted_samples,
        "assumed_disagreement": DISAGREEMENT,
        "assumed_seed_sd": SEED_SD,
    }


def _print_powers(powers: "Mapping[str, Power]", console: "Console") -> None:
    """Which gaps can show, by task, and what that takes for granted."""
    from rich.markup import escape

    for name, power in list(powers.items())[:MOST_LINES]:
        sign = SIGNS["warning" if power.is_coarse else "ok"]
        console.print(sign, escape(f"{name}: {power.sentence}"), highlight=False)
    if len(powers) > MOST_LINES:
        console.print(f"… and {count_of(len(powers) - MOST_LINES, 'task')} more (--json has every task)")
    for power in list(powers.values())[:1]:  # they are the same for all
        hint = "" if power.wanted_seeds == power.seeds else " Seeds can be added: --more-seeds N."
        console.print(f"{power.assumptions}{hint}", highlight=False)


def _total(
    runs: "Sequence[Run]", forecasts: "Sequence[Forecast]", options: argparse.Namespace
) -> dict[str, Any]:
    """What all runs take together, as `--json` says it."""
    from harness.plan.estimate import assumed_device
    from harness.plan.groups import group_runs
    from leaderboards.money.prices import load_prices

    device = assumed_device()
    hour = load_prices(options.prices).hour("H100" if device == "cuda" else device)
    seconds = sum(forecast.device_seconds or 0.0 for forecast in forecasts)
    return {
        "runs": len(forecasts),
        "groups": len(group_runs(runs)),
        "done": sum(forecast.state == "done" for forecast in forecasts),
        "train_tokens": sum(forecast.train_tokens for forecast in forecasts),
        "eval_tokens": sum(forecast.eval_tokens for forecast in forecasts),
        "score_tokens": sum(forecast.score_tokens for forecast in forecasts),
        "device": device,
        "device_seconds": seconds,
        "usd": hour.mid * seconds / 3600 if hour else None,
        "runs_without_estimate": sum(forecast.device_seconds is None for forecast in forecasts),
    }


def _print_lines(runs: "Sequence[Run]", forecasts: "Sequence[Forecast]", console: "Console") -> None:
    """A line for all seeds of an arm on a task, or per candidate and method where those would be too many."""
    from rich.markup import escape
    from rich.table import Table

    by_arm: dict[tuple[str, ...], list[Forecast]] = {}
    for run, forecast in zip(runs, forecasts, strict=True):
        by_arm.setdefault((run.label_without_seed,), []).append(forecast)
    table = Table("run", "to do", box=None, header_style="bold")
    if len(by_arm) > MOST_LINES:
        table = Table("candidate", "method", "to do", box=None, header_style="bold")
        by_arm = {}
        for run, forecast in zip(runs, forecasts, strict=True):
            by_arm.setdefault((run.candidate.name, run.candidate.method), []).append(forecast)
    lines = [((*arm, _to_do(of_arm)), of_arm) for arm, of_arm in by_arm.items()]
    for column in ("train tokens", "dev tokens", "score tokens", "seconds"):
        table.add_column(column, justify="right")
    for cells, of_line in lines[:MOST_LINES]:
        seconds = [each.device_seconds for each in of_line if each.device_seconds is not None]
        table.add_row(
            *map(escape, cells),
            f"{sum(forecast.train_tokens for forecast in of_line):,}",
            f"{sum(forecast.eval_tokens for forecast in of_line):,}",
            f"{sum(forecast.score_tokens for forecast in of_line):,}",
            f"{sum(seconds):,.1f}" if len(seconds) == len(of_line) else "–",
        )
    console.print(table)
    if len(lines) > MOST_LINES:
        console.print(f"… and {count_of(len(lines) - MOST_LINES, 'line')} more (--json has every run)")


def _to_do(forecasts: "Sequence[Forecast]") -> str:
    """`3 of 12`."""
    return f"{sum(forecast.state != 'done' for forecast in forecasts)} of {len(forecasts)}"


def _print_total(total: dict[str, Any], console: "Console") -> None:
    price = total["usd"]
    console.print(
        f"\n{total['runs'] - total['done']:,} of {count_of(total['runs'], 'run')} to do, on "
        f"{count_of(total['groups'], 'base model')}: "
        f"{total['train_tokens']:,} tokens to train on, {total['eval_tokens']:,} to read on dev, "
        f"about {duration(total['device_seconds'])} on {total['device']}"
        + (f", about {dollars(price)}" if price is not None else "")
        + ", and half a minute of start-up per model.",
        highlight=False,
    )
    if without := total["runs_without_estimate"]:
        console.print(
            f"{count_of(without, 'run')} {agreeing('have', without)} no estimate: neither weights on this "
            "machine nor a size in the model's name."
        )


def _print_basis(runs: "Sequence[Run]", forecasts: "Sequence[Forecast]", console: "Console") -> None:
    """What the tokens of the plan were told from."""
    from rich.markup import escape

    from leaderboards.text import listed

    is_counted: dict[str, bool] = {}
    for run, forecast in zip(runs, forecasts, strict=True):
        if forecast.state != "done":
            is_counted[run.candidate.name] = is_counted.get(run.candidate.name, True) and forecast.is_counted
    others = [name for name, counted in is_counted.items() if not counted]
    from_characters = (
        "Estimated from characters and parameters, without the tokens that a chat template adds itself"
    )
    if not others:
        sentence = "Estimated from parameters and from the tokens of some samples, as each model reads them"
    elif len(others) == len(is_counted):
        sentence = f"{from_characters}: no tokenizer of these models could be used here"
    else:
        sentence = (
            "Estimated from parameters and from the tokens of some samples, as each model reads them; for "
            f"{listed(others[:MOST_NAMES])}{' and others' if len(others) > MOST_NAMES else ''}, whose "
            "tokenizers could not be used here, from characters, without the tokens that a chat template "
            "adds itself"
        )
    console.print(escape(f"{sentence}. Results say more."), highlight=False)


def dollars(amount: float) -> str:
    """An estimate to two digits: `$1,300`, `$14`, `$1.40`, `$0.0003`."""
    rounded = float(f"{amount:.1e}")
    if rounded == 0:
        return "$0"
    if rounded >= 10:
        return f"${rounded:,.0f}"
    decimals = max(2, 1 - math.floor(math.log10(rounded)))
    return f"${rounded:.{decimals}f}"
