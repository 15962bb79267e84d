"""Verbs that look at what there is and what was finished: list, score, extrapolate."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.next_step import print_next, results_folder
from harness.cli.verb import (
    DONE,
    SOME_FAILED,
    AddVerb,
    add_results,
    add_tasks_dir,
    hub_offline,
    plugins_for,
    positive,
    print_table,
)
from harness.counts import count_of
from harness.errors import UserError
from harness.terminal.output import say, warn

if TYPE_CHECKING:
    from harness.task import Metric


def add_verbs(add_verb: AddVerb) -> None:
    """Add the verbs of this file to the parser."""
    parser = add_verb("list", _list, "list tasks, metrics, shipped boards or finished runs")
    parser.add_argument("what", choices=(*_ROWS, "runs"))
    parser.add_argument("--json", action="store_true", help="for scripts")
    add_tasks_dir(parser)
    add_results(parser)

    parser = add_verb("score", _score, "re-score saved predictions, without a model")
    add_tasks_dir(parser)
    add_results(parser)

    text = (
        "hold every record of a results folder against its predictions, for a check of what others contribute"
    )
    parser = add_verb("verify", _verify, text)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"), help="default: results")
    parser.add_argument("--json", action="store_true", help="for scripts")

    text = "predict the loss at a larger training budget, from smaller ones"
    parser = add_verb("extrapolate", _extrapolate, text)
    add_results(parser)
    text = "training samples to predict (default: the largest budget that was run)"
    parser.add_argument("--to", type=positive, metavar="N", help=text)
    parser.add_argument("--json", action="store_true", help="for scripts")


def _list(options: argparse.Namespace) -> int:
    if options.what == "runs":
        rows, skipped = _run_rows(options)
    else:
        rows, skipped = _ROWS[options.what](options), 0
    if options.json:
        say(json.dumps(rows, indent=2))
    elif rows:
        print_table(rows)
    elif skipped:
        say(f"no {options.what} can be read: {skipped:,} skipped, as said above")
    else:
        say(f"no {options.what} found")
    return SOME_FAILED if skipped else DONE


def _task_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    from harness.plugins.registry import find_plugins, load_task

    plugins = find_plugins(options.tasks_dir)
    rows = []
    for name in plugins:
        try:
            task = load_task(name, plugins)
        except UserError as error:
            warn(f"skipped: {error}")
            continue
        rows.append(
            {
                "task": name,
                "output": task.output,
                "metric": task.primary_metric,
                "templates": len(task.prompts.templates),
                "licence": task.license,
                "measures": task.description,
            }
        )
    return rows


def _metric_rows(_: argparse.Namespace) -> list[dict[str, Any]]:
    from harness.metrics import METRICS, LabelSet, NumberRange, OrderedLabels

    rows = [_metric_row(metric, metric.range_text) for metric in METRICS.values()]
    # Those that a task makes of its labels or numbers; the ends of some are then its own.
    makers = (LabelSet(("a", "b")), OrderedLabels(("1", "2")), NumberRange(0, 1, tolerance=0.1))
    for maker in makers:
        for metric in maker.metrics:
            own_end = "0 to the task's own end, lower is better"
            rows.append(_metric_row(metric, metric.range_text if metric.higher_is_better else own_end))
            rows[-1]["measures"] += f" ({type(maker).__name__} makes it)"
    return rows


def _metric_row(metric: "Metric", range_text: str) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "range": range_text,
        "kind": "mean over samples" if metric.score is not None else "of summed counts",
        "ranks a board": "yes" if metric.rankable else "no",
        "measures": metric.description,
    }


def _board_rows(_: argparse.Namespace) -> list[dict[str, Any]]:
    from leaderboards.board import load_board, shipped_boards

    return [
        {"board": name, "title": load_board(folder).title, "run it": f"gainboard run {name}"}
        for name, folder in shipped_boards().items()
    ]


def _run_rows(options: argparse.Namespace) -> tuple[list[dict[str, Any]], int]:
    """The runs below the results, and how many files and folders there cannot be read: each is warned of."""
    from harness.records.store import read_runs

    if not options.results.is_dir():
        raise UserError(f"results folder {options.results} does not exist; `gainboard run SWEEP` makes one")
    runs = read_runs(options.results)
    for sentence in runs.skipped:
        warn(sentence)
    rows: list[dict[str, Any]] = []
    for result in runs.finished:
        primary = result.metrics.get(result.task.primary_metric)
        rows.append(
            {
                "run": result.run.label,
                "state": "untrusted" if result.untrusted else "done",
                "score": None if primary is None else round(primary.value, 4),
                "n": None if primary is None else primary.n,
                "reason": result.untrusted,
            }
        )
    rows += [
        {"run": failure.run.label, "state": "failed", "score": None, "n": None, "reason": failure.reason}
        for failure in runs.failed
    ]
    return rows, len(runs.skipped)


_ROWS = {"tasks": _task_rows, "metrics": _metric_rows, "boards": _board_rows}
"""What `gainboard list` lists besides runs, to the function that makes its rows."""


@hub_offline()  # it judges what is saved: no data set is downloaded to name its clusters
def _score(options: argparse.Namespace) -> int:
    from harness.records.store import read_results
    from harness.score.rescore import rescore

    tasks = {result.run.task for result in read_results(options.results)}
    report = rescore(options.results, plugins_for(options, tasks))
    for line in report.lines:
        say(line)
    if report.unchanged:
        judged = count_of(report.unchanged, "result")
        say(f"{judged} judged again: the same scores as before.")
    print_next("publish", *results_folder(options))
    return SOME_FAILED if report.skipped else DONE


def _verify(options: argparse.Namespace) -> int:
    from leaderboards.elsewhere.scores import read_imported
    from leaderboards.rank.verify import verify

    verification = verify(options.results, further_faults=read_imported(options.results).skipped)
    if options.json:
        say(json.dumps(verification.record, indent=2))
    else:
        for fault in verification.faults:
            say(fault)
        say(verification.sentence)
    return SOME_FAILED if verification.faults else DONE


def _extrapolate(options: argparse.Namespace) -> int:
    from harness.plan.extrapolation import choice_rows, curve_rows, extrapolate, record

    extrapolation = extrapolate(options.results, to=options.to)
    if options.json:
        say(json.dumps(record(extrapolation), indent=2))
        return DONE
    print_table(curve_rows(extrapolation))
    if extrapolation.choices:
        say()
        print_table(choice_rows(extrapolation))
    for note in extrapolation.notes:
        say(f"\n{note}")
    return DONE
