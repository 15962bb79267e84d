"""Verbs that work on a sweep: quickstart, run."""

import argparse
import importlib.util
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.analysis import analyse_sweep
from harness.cli.next_step import print_next, program_path, results_folder
from harness.cli.publishing import print_next_preview, print_published
from harness.cli.verb import (
    DONE,
    SOME_FAILED,
    AddVerb,
    add_prices,
    add_publish_options,
    add_results,
    add_tasks_dir,
    board_file,
    make_console,
    plugins_for,
    positive,
)
from harness.counts import count_of
from harness.errors import UserError
from harness.terminal.output import say

if TYPE_CHECKING:
    from rich.console import Console

    from harness.driver.executors import Executor
    from harness.driver.outcome import SweepOutcome
    from harness.driver.progress import SweepProgress
    from harness.plan.prepare import PlannedSweep
    from harness.records.result import Result
    from harness.sweep.engines import EngineName
    from harness.sweep.sweep import Sweep

MOST_DOUBTS = 5
"""Runs that may not be what they seem, printed by name; of more only the number is said."""


def add_verbs(add_verb: AddVerb) -> None:
    """Add the verbs of this file to the parser."""
    parser = add_verb("quickstart", _quickstart, "run the shipped quickstart sweep and publish its board")
    _add_run_options(parser)
    add_publish_options(parser)

    parser = add_verb("run", _run, "fine-tune and score every run of a sweep that has no result yet")
    parser.add_argument("sweep", help="a sweep file, or the name of a shipped board")
    _add_run_options(parser)
    add_prices(parser)


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    from harness.sweep.engines import ENGINES

    add_tasks_dir(parser)
    add_results(parser)
    text = "weights and logs (default: work)"
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="DIR", help=text)
    text = f"default: {ENGINES[0]} if installed"
    parser.add_argument("--engine", choices=("auto", *ENGINES), default="auto", help=text)
    text = "show the plan with its estimated cost, and stop"
    parser.add_argument("--dry-run", action="store_true", help=text)
    parser.add_argument("--limit", type=positive, metavar="N", help="score only the first N test samples")
    text = "only runs whose candidate/method/task/[budget/]seed matches"
    parser.add_argument("--only", metavar="GLOB", help=text)
    text = "add N seeds after the largest that the sweep names; finished runs are kept"
    parser.add_argument("--more-seeds", type=positive, default=0, metavar="N", help=text)
    text = "where base models are trained and scored"
    parser.add_argument("--executor", choices=("local", "ray"), default="local", help=text)
    parser.add_argument("--address", help="of the Ray cluster (default: one is started on this machine)")
    text = (
        "where the nodes of a cluster keep weights: a folder that all see, or an address such as "
        "s3://bucket/sweep (default: on the node that trained them)"
    )
    parser.add_argument("--storage-path", metavar="PLACE", help=text)
    text = (
        "base models at a time (default: one per GPU; without a GPU one, or one per core where all are tiny)"
    )
    parser.add_argument("--workers", type=positive, metavar="N", help=text)
    text = "print what happens, one JSON object per line, the outcome last (or the plan)"
    parser.add_argument("--json", action="store_true", help=text)


def _quickstart(options: argparse.Namespace) -> int:
    code = _run_sweep(options, board_file("quickstart", "sweep.toml"))
    if options.dry_run:
        return code
    from leaderboards import publish

    published = publish(
        options.results,
        options.out,
        board=board_file("quickstart", "board.toml"),
        prices=options.prices,
        url=options.url,
    )
    if not options.json:  # whose last line is the outcome of the runs
        print_published(published)
        path = program_path()
        if path is not None:
            say(f"`gainboard` is not on your PATH here: this one is {path}")
        print_next_preview(options.out)
    return code


def _run(options: argparse.Namespace) -> int:
    path = board_file(options.sweep, "sweep.toml")
    code = _run_sweep(options, path)
    if options.json or options.dry_run:
        return code
    if code != DONE:
        print_next("list", "runs", *results_folder(options))
    else:
        print_next("publish", *results_folder(options), *_board_beside(path, options.sweep))
    return code


def _board_beside(sweep: Path, name: str) -> list[str]:
    """The option that names the board of a sweep, where one lies beside it."""
    board = sweep.with_name("board.toml")
    if not board.is_file():
        return []
    return ["--board", os.fspath(board) if os.fspath(sweep) == name else name]


def _run_sweep(options: argparse.Namespace, path: Path) -> int:
    from harness.cli.dry_run import print_dry_run
    from harness.driver.loop import run_sweep
    from harness.driver.outcome import Folders
    from harness.driver.progress import SweepProgress, json_lines
    from harness.plan.early_rungs import early_rungs_of
    from harness.plan.prepare import prepare
    from harness.plan.shortages import shortages_of
    from harness.plan.unread_scripts import unread_scripts_of

    planned = prepare(
        path,
        partial(plugins_for, options),
        limit=options.limit,
        only=options.only,
        more_seeds=options.more_seeds,
    )
    sweep = planned.sweep
    if options.dry_run:
        print_dry_run(planned, options, workers=_local_workers(options, sweep))
        if not options.json:
            print_next(*_without_dry_run(options.arguments))
        return DONE
    console = make_console(json_output=options.json)
    progress = SweepProgress(console, emit=json_lines if options.json else None)
    engine = _engine(options, progress)
    executor = _executor(options, sweep)
    warnings = [
        *shortages_of(sweep, planned.tasks),
        *unread_scripts_of(planned.tasks),
        *early_rungs_of(planned.runs),
    ]
    for sentence in warnings:
        progress.note(sentence)
    try:
        outcome = run_sweep(
            planned.runs,
            planned.tasks,
            # Absolute: a task's own code may change the folder while another thread writes.
            Folders(options.results.absolute(), options.work.absolute()),
            engine=engine,
            settings=sweep.engine,
            progress=progress,
            executor=executor,
            ensembles=planned.ensembles,
            left_out=planned.left_out,
            report_to=sweep.report_to,
        )
    finally:
        executor.close()
    if sweep.analysis is not None:
        analyse_sweep(planned, options.results, progress, work=options.work)
    if options.json:
        _emit_outcome(planned, outcome, options, progress)
    else:
        _print_outcome(planned, outcome, options, progress, console)
    return SOME_FAILED if outcome.failed else DONE


def _print_outcome(
    planned: "PlannedSweep",
    outcome: "SweepOutcome",
    options: argparse.Namespace,
    progress: "SweepProgress",
    console: "Console",
) -> None:
    """Scores, what to doubt of them, and how many runs there were."""
    _print_scores(planned.sweep, options.results, console)
    # Those of trainings first: there may be very many of answers.
    cut = [f"{arm}: {reason}" for arm, reason in outcome.cut.items()]
    _print_doubts([*outcome.doubts, *cut], console)
    n_planned = len(planned.runs) + len(planned.ensembles)
    progress.note(
        f"{count_of(n_planned, 'run')}: {outcome.already_done} done before, "
        f"{len(outcome.finished)} finished now, {len(outcome.failed)} failed. "
        f"Results are in {options.results}."
    )


def _engine(options: argparse.Namespace, progress: "SweepProgress") -> "EngineName":
    """The engine that was asked for, or the best one that is installed."""
    from harness.sweep.engines import ENGINE_TABLE, ENGINES, default_engine

    if options.engine != "auto":
        wanted: EngineName = options.engine
        return wanted
    engine = default_engine()
    if engine != ENGINES[0]:
        progress.note(
            f"{ENGINE_TABLE[ENGINES[0]].title} is not installed here: the {engine} engine generates "
            "instead, with the same answers, slower."
        )
    return engine


def _emit_outcome(
    planned: "PlannedSweep", outcome: "SweepOutcome", options: argparse.Namespace, progress: "SweepProgress"
) -> None:
    """The last event of `--json`."""
    progress.event(
        "outcome",
        runs=len(planned.runs),
        already_done=outcome.already_done,
        finished=len(outcome.finished),
        failed=[
            {"run": failure.run.label, "phase": failure.phase, "reason": failure.reason}
            for failure in outcome.failed
        ],
        results=str(options.results),
    )


def _without_dry_run(arguments: Sequence[str]) -> list[str]:
    """A command as it was typed, to be done in earnest. argparse takes `--dry` for `--dry-run`, too."""
    return [
        argument
        for argument in arguments
        if not (argument.startswith("--d") and "--dry-run".startswith(argument))
    ]


def _executor(options: argparse.Namespace, sweep: "Sweep") -> "Executor":
    from harness.driver.executors import LocalExecutor
    from harness.sweep.models import is_tiny

    devices_each = sweep.engine.data_parallel_size * sweep.engine.tensor_parallel_size
    if options.executor == "local":
        if options.address:
            raise UserError("--address is that of a Ray cluster; add --executor ray")
        if options.storage_path:
            raise UserError("--storage-path is for the nodes of a Ray cluster; add --executor ray")
        tiny_models = all(is_tiny(candidate.model) for candidate in sweep.candidates)
        return LocalExecutor(options.workers, devices_each=devices_each, tiny_models=tiny_models)
    if importlib.util.find_spec("ray") is None:
        raise UserError("--executor ray needs ray, which is not installed: pip install 'gainboard[ray]'")
    from harness.driver.cluster.executor import RayExecutor

    return RayExecutor(
        options.address,
        workers=options.workers,
        devices_each=devices_each,
        storage=_absolute_storage(options.storage_path),
    )


def _absolute_storage(address: str | None) -> str | None:
    """A folder as every node names it."""
    return address if address is None or "://" in address else str(Path(address).absolute())


def _local_workers(options: argparse.Namespace, sweep: "Sweep") -> int | None:
    """Base models that are worked on at a time here; None for a cluster, which is not started to tell."""
    return _executor(options, sweep).workers if options.executor == "local" else None


def _print_scores(sweep: "Sweep", results: Path, console: "Console") -> None:
    """The mean score of each candidate and method on each task, over seeds, of what is finished."""
    from rich.markup import escape
    from rich.table import Table

    scores_by_row: dict[tuple[str, ...], list[float]] = {}
    for result in in_order_of_sweep(sweep, results):
        run, metric = result.run, result.task.primary_metric
        samples = "–" if run.n_train is None else f"{run.n_train:,}"
        row = (run.candidate.name, run.candidate.method, f"{run.task} · {metric}", samples)
        scores_by_row.setdefault(row, []).append(result.metrics[metric].value)
    if not scores_by_row:
        return
    table = Table("candidate", "method", "task", box=None, header_style="bold")
    for column in ("samples", "score", "seeds"):
        table.add_column(column, justify="right")
    for cells, scores in scores_by_row.items():
        table.add_row(*map(escape, cells), f"{sum(scores) / len(scores):.3f}", str(len(scores)))
    console.print(table)


def in_order_of_sweep(sweep: "Sweep", results: Path) -> "list[Result]":
    """What is finished of a sweep: candidates and tasks as it names them, the methods of each from untuned to
    tuned, smaller budgets first. Without guard runs."""
    from harness.records.store import read_results
    from harness.sweep.methods import METHOD_TABLE

    names = [spec.name for spec in sweep.candidates] + [spec.name for spec in sweep.ensembles]
    methods = list(METHOD_TABLE)

    def place(result: "Result") -> tuple[int, ...]:
        run = result.run
        tried = names.index(run.candidate.name), sweep.tasks.index(run.task)
        return *tried, methods.index(run.candidate.method), run.n_train or 0, run.seed

    finished = [
        result
        for result in read_results(results)
        if result.run.candidate.name in names and result.run.task in sweep.tasks and result.run.guard is None
    ]
    return sorted(finished, key=place)


def _print_doubts(doubts: "Sequence[str]", console: "Console") -> None:
    """Why some runs may not be what they seem, and how many more there are."""
    from rich.markup import escape

    for doubt in doubts[:MOST_DOUBTS]:
        console.print(f"[yellow]![/] {escape(doubt)}", highlight=False)
    if len(doubts) > MOST_DOUBTS:
        console.print(
            f"[yellow]![/] and {len(doubts) - MOST_DOUBTS} more; the pages of the runs say why",
            highlight=False,
        )
