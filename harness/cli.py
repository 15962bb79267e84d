"""The command line: verbs that each call one function. Heavy modules are imported by the verb that needs
them."""

import argparse
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from harness.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.data.loaded import LoadedTask
    from harness.driver.executors import Executor
    from harness.plan.estimate import Forecast
    from harness.plugins.registry import Plugin
    from harness.sweep.run import Run
    from harness.sweep.sweep import Sweep
    from leaderboards import Published

DONE, SOME_FAILED, USER_MUST_FIX, INTERRUPTED = 0, 1, 2, 130

MOST_SHOWN = 60
"""Lines of a plan; a longer one is summed up by candidate and method."""

MOST_DOUBTS = 5

EXPORT_FORMATS = ("csv", "json", "parquet", "every-eval-ever", "model-index")

MOST_PUBLISHERS = 4
"""Processes that publish unless told otherwise: more of them wait for the first one, which reads and
ranks."""

Verb = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and exit with its code."""
    options = _parser().parse_args(arguments)
    warnings.showwarning = lambda message, *_, **__: print(f"gainboard: {message}", file=sys.stderr)
    # A polite `kill` ends the workers in order, as Ctrl-C does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        code = options.verb(options)
        sys.stdout.flush()  # here, where a reader that has gone is no fault, and not at exit
    except UserError as error:
        print(f"gainboard: {error}", file=sys.stderr)
        code = USER_MUST_FIX
    except BrokenPipeError:
        # The reader of our output had enough. Nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = DONE
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"gainboard: {where}{error.strerror}", file=sys.stderr)
        code = USER_MUST_FIX
    except KeyboardInterrupt:
        print(
            "\ngainboard: stopped. What was finished is kept; the same command goes on from here.",
            file=sys.stderr,
        )
        code = INTERRUPTED
    raise SystemExit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gainboard",
        description="Which language model to fine-tune, with which recipe, and is it worth the cost?",
    )
    parser.add_argument("--version", action=_Version)
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def verb(name: str, function: Verb, text: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=text, description=text)
        added.set_defaults(verb=function)
        return added

    quickstart = verb("quickstart", _quickstart, "run the shipped quickstart sweep and publish its board")
    _add_run_options(quickstart)
    _add_publish_options(quickstart)

    new = verb("new", _new, "start a task plugin, from a table if you have one")
    new.add_argument("name", help="the task's name, a Python identifier")
    new.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="a CSV, TSV, JSONL or Parquet table"
    )
    new.add_argument("--input", metavar="COL", help="the column shown to the model")
    new.add_argument("--target", metavar="COL", help="the column with the right answer")
    new.add_argument("--group", metavar="COL", help="rows of the same value in this column stay in one split")
    new.add_argument(
        "--tasks-dir",
        type=Path,
        default=Path("tasks"),
        metavar="DIR",
        help="where to put it (default: tasks)",
    )

    listing = verb("list", _list, "list tasks, metrics, shipped boards or finished runs")
    listing.add_argument("what", choices=("tasks", "metrics", "boards", "runs"))
    listing.add_argument("--json", action="store_true", help="for scripts")
    _add_tasks_dir(listing)
    _add_results(listing)

    check = verb("check", _check, "check a sweep or tasks, offline, before any GPU minute")
    check.add_argument(
        "what",
        nargs="*",
        metavar="SWEEP|TASK",
        help="a sweep file, a shipped board or tasks (default: every task)",
    )
    check.add_argument("--json", action="store_true", help="for scripts")
    _add_tasks_dir(check)

    review = verb("review", _review, "read a task's prompts with their answers, and say which are right")
    review.add_argument("task", help="the task's name")
    review.add_argument(
        "--per-template", type=_positive, default=5, metavar="N", help="samples a template (default: 5)"
    )
    review.add_argument("--reviewer", metavar="NAME", help="who reviews (default: your login name)")
    review.add_argument(
        "--reviews", type=Path, metavar="FILE", help="the verdicts (default: reviews.jsonl beside the task)"
    )
    instead = review.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="only show how far the review is")
    instead.add_argument("--json", action="store_true", help="the same for scripts, prompts included")
    instead.add_argument("--html", type=Path, metavar="FILE", help="write a page to review on instead")
    instead.add_argument(
        "--import", dest="brought", type=Path, metavar="FILE", help="take verdicts from that page"
    )
    _add_tasks_dir(review)

    run = verb("run", _run, "fine-tune and score every run of a sweep that has no result yet")
    run.add_argument("sweep", help="a sweep file, or the name of a shipped board")
    _add_run_options(run)
    _add_prices(run)

    score = verb("score", _score, "judge saved predictions again, without a model")
    _add_tasks_dir(score)
    _add_results(score)

    extrapolate = verb(
        "extrapolate", _extrapolate, "predict losses at a larger budget, and compare with those measured"
    )
    _add_results(extrapolate)
    extrapolate.add_argument(
        "--to",
        type=_positive,
        metavar="N",
        help="training samples to predict (default: the largest budget that was run)",
    )
    extrapolate.add_argument("--json", action="store_true", help="for scripts")

    publish = verb("publish", _publish, "build the static leaderboard site from results")
    _add_results(publish)
    text = "a board file, or the name of a shipped board; of several each has a folder, and a front page lists them"
    publish.add_argument("--board", action="append", default=[], metavar="FILE", help=text)
    publish.add_argument(
        "--json", action="store_true", help="say what was published, and what has changed, for scripts"
    )
    publish.add_argument(
        "--workers", type=_positive, metavar="N", help="processes (default: one a core, at most 4)"
    )
    publish.add_argument(
        "--no-cache", action="store_true", help="keep nothing for the next time, and use nothing kept"
    )
    _add_publish_options(publish)

    export = verb("export", _export, "write a board's figures for other programs")
    export.add_argument(
        "--format", required=True, choices=EXPORT_FORMATS, help="of a table, or of records a model"
    )
    _add_results(export)
    export.add_argument("--board", metavar="FILE", help="a board file, or the name of a shipped board")
    export.add_argument(
        "--out", type=Path, metavar="PATH", help="a file, or a folder for records (default: by the format)"
    )
    _add_prices(export)

    importing = verb("import", _import, "take result files of lm-evaluation-harness as scores from elsewhere")
    importing.add_argument(
        "source", type=Path, metavar="FILE_OR_FOLDER", help="results_*.json, or a folder that holds some"
    )
    importing.add_argument(
        "--candidate", metavar="NAME", help="what to call the model (default: the end of its own name)"
    )
    importing.add_argument("--json", action="store_true", help="for scripts")
    _add_results(importing)

    preview = verb("preview", _preview, "serve a published site on this machine")
    preview.add_argument("--site", type=Path, default=Path("site"), metavar="DIR", help="default: site")
    preview.add_argument("--port", type=int, default=8000)
    return parser


class _Version(argparse.Action):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nargs=0, help="show the version and exit", **kwargs)

    def __call__(self, *_: Any) -> None:
        from harness.records.provenance import version

        print(f"gainboard {version('gainboard') or 'not installed'}")
        raise SystemExit(DONE)


def _add_tasks_dir(parser: argparse.ArgumentParser) -> None:
    text = "a folder of task plugins; may be given more than once"
    parser.add_argument("--tasks-dir", type=Path, action="append", default=[], metavar="DIR", help=text)
    text = "a folder of lm-eval's YAML files, for tasks named lm_eval:NAME; may be given more than once"
    parser.add_argument("--lm-eval-dir", type=Path, action="append", default=[], metavar="DIR", help=text)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", type=Path, default=Path("results"), metavar="DIR", help="default: results"
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    _add_tasks_dir(parser)
    _add_results(parser)
    parser.add_argument(
        "--work", type=Path, default=Path("work"), metavar="DIR", help="weights and logs (default: work)"
    )
    parser.add_argument(
        "--engine",
        choices=("auto", "vllm", "transformers"),
        default="auto",
        help="default: vllm if installed",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show the plan with its estimated cost, and stop"
    )
    parser.add_argument("--limit", type=_positive, metavar="N", help="score only the first N test samples")
    parser.add_argument(
        "--only", metavar="GLOB", help="only runs whose candidate/method/task/[budget/]seed matches"
    )
    parser.add_argument(
        "--executor", choices=("local", "ray"), default="local", help="where base models are worked on"
    )
    parser.add_argument("--address", help="of the Ray cluster (default: one is started on this machine)")
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help="base models at a time (default: one a GPU)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print what happens as a JSON object a line, the outcome last (or the plan)",
    )


def _add_publish_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("site"), metavar="DIR", help="default: site")
    parser.add_argument(
        "--url", help="where the site will be: for a sitemap, canonical links and previews of shared links"
    )
    _add_prices(parser)


def _add_prices(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prices", type=Path, metavar="FILE", help="prices instead of the shipped ones")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)


def _console(*, json_output: bool = False) -> "Console":
    from rich.console import Console

    console = Console(stderr=json_output, soft_wrap=True)
    # A pipe or a log has no width: rich would fold tables at 80 columns.
    return console if console.is_terminal else Console(stderr=json_output, soft_wrap=True, width=160)


# run and quickstart


def _run(options: argparse.Namespace) -> int:
    return _run_sweep(options, _find_board_file(options.sweep, "sweep.toml"))


def _quickstart(options: argparse.Namespace) -> int:
    sweep = _find_board_file("quickstart", "sweep.toml")
    code = _run_sweep(options, sweep)
    if options.dry_run:
        return code
    from leaderboards import publish

    published = publish(
        options.results,
        options.out,
        board=_find_board_file("quickstart", "board.toml"),
        prices=options.prices,
        url=options.url,
    )
    if not options.json:  # whose last line is the outcome of the runs
        _say_published(published)
    return code


def _run_sweep(options: argparse.Namespace, path: Path) -> int:
    from harness.driver.group import Folders
    from harness.driver.loop import run_sweep
    from harness.driver.progress import Progress, json_lines
    from harness.plan.ensembles import plan_ensembles
    from harness.plan.runs import make_runs, select
    from harness.sweep.engines import default_engine
    from harness.sweep.sweep import load_sweep

    sweep = load_sweep(path)
    tasks = _load_tasks(sweep, options)
    planned = make_runs(sweep, tasks, fingerprint=_fingerprint(path), limit=options.limit)
    ensembles = plan_ensembles(sweep.ensembles, planned, tasks)
    runs = select(planned, options.only)
    if options.dry_run:
        return _show_plan(runs, tasks, options, sweep)
    console = _console(json_output=options.json)
    progress = Progress(console, emit=json_lines if options.json else None)
    engine = default_engine() if options.engine == "auto" else options.engine
    if engine == "transformers" and options.engine == "auto":
        progress.note(
            "vLLM is not installed here: the transformers engine generates instead, with the same answers, slower."
        )
    executor = _executor(options, sweep)
    try:
        outcome = run_sweep(
            runs,
            tasks,
            Folders(options.results, options.work),
            engine=engine,
            settings=sweep.engine,
            progress=progress,
            executor=executor,
            # Part of a sweep has part of what an ensemble is made of.
            ensembles=ensembles if options.only is None else (),
            report_to=sweep.report_to,
        )
    finally:
        executor.close()
    failed = [
        {"run": failure.run.label, "phase": failure.phase, "reason": failure.reason}
        for failure in outcome.failed
    ]
    if options.json:
        progress.event(
            "outcome", runs=len(runs), already_done=outcome.already_done, finished=len(outcome.finished), failed=failed,
            results=str(options.results),
        )  # fmt: skip
    else:
        _show_summary(sweep, options.results, console)
        _show_doubts(outcome.doubts, console)
        progress.note(
            f"{len(runs) + len(ensembles)} runs: {outcome.already_done} were done, {len(outcome.finished)} finished now, "
            f"{len(failed)} failed. Results are in {options.results}."
        )
    return SOME_FAILED if failed else DONE


def _executor(options: argparse.Namespace, sweep: "Sweep") -> "Executor":
    from harness.driver.executors import LocalExecutor

    devices_each = sweep.engine.data_parallel_size * sweep.engine.tensor_parallel_size
    if options.executor == "local":
        if options.address:
            raise UserError("--address is that of a Ray cluster; add --executor ray")
        return LocalExecutor(options.workers, devices_each=devices_each)
    from harness.driver.cluster import RayExecutor

    return RayExecutor(options.address, workers=options.workers, devices_each=devices_each)


def _show_doubts(doubts: "Sequence[str]", console: "Console") -> None:
    """The first of the runs that may not be what they seem, and how many there are."""
    from rich.markup import escape

    for doubt in doubts[:MOST_DOUBTS]:
        console.print(f"[yellow]![/] {escape(doubt)}", highlight=False)
    if len(doubts) > MOST_DOUBTS:
        console.print(
            f"[yellow]![/] and {len(doubts) - MOST_DOUBTS} more; the pages of the runs say why",
            highlight=False,
        )


def _show_summary(sweep: "Sweep", results: Path, console: "Console") -> None:
    """The mean score of each candidate and method on each task, over seeds, of what is finished."""
    from rich.markup import escape
    from rich.table import Table

    from harness.records.store import read_results

    names = {*(spec.name for spec in sweep.candidates), *(spec.name for spec in sweep.ensembles)}
    cells: dict[tuple[str, str, str, str], list[float]] = {}
    for result in read_results(results):
        run = result.run
        if run.candidate.name in names and run.task in sweep.tasks and run.guard is None:
            samples = "–" if run.n_train is None else f"{run.n_train:,}"
            cell = (
                run.candidate.name,
                run.candidate.method,
                f"{run.task} · {result.task.primary_metric}",
                samples,
            )
            cells.setdefault(cell, []).append(result.metrics[result.task.primary_metric].value)
    if not cells:
        return
    table = Table("candidate", "method", "task", box=None, header_style="bold")
    for column in ("samples", "score", "seeds"):
        table.add_column(column, justify="right")
    for texts, scores in cells.items():
        table.add_row(*map(escape, texts), f"{sum(scores) / len(scores):.3f}", str(len(scores)))
    console.print(table)


def _load_tasks(sweep: "Sweep", options: argparse.Namespace) -> "dict[str, LoadedTask]":
    from harness.authoring.review.verdicts import reviewed_share
    from harness.data.dataset import load_dataset
    from harness.data.loaded import LoadedTask
    from harness.plugins.registry import load_task

    plugins = _plugins(options, sweep.all_tasks)
    loaded = {}
    for task in [load_task(name, plugins) for name in sweep.all_tasks]:
        dataset = load_dataset(task, test_seed=sweep.test_seed)
        # People review the task's own test samples, whichever a sweep draws.
        usual = dataset if sweep.test_seed is None else load_dataset(task)
        loaded[task.name] = LoadedTask(task, dataset, reviewed_share(task, usual, plugins[task.name].folder))
    return loaded


def _plugins(options: argparse.Namespace, names: Iterable[str]) -> "dict[str, Plugin]":
    """Every plugin, and those of other harnesses among `names`."""
    from harness.plugins.lm_eval.tasks import lm_eval_plugins
    from harness.plugins.registry import find_plugins

    return find_plugins(options.tasks_dir) | lm_eval_plugins(names, options.lm_eval_dir)


def _fingerprint(sweep: Path) -> Callable[[str, str | None], str]:
    from harness.sweep.models import check_model, fingerprint

    def checked(model: str, revision: str | None) -> str:
        check_model(model, revision, str(sweep))
        return fingerprint(model, revision)

    return checked


def _find_board_file(name: str, file: str) -> Path:
    """The path itself, or the file of the shipped board of that name."""
    from harness.errors import suggest
    from leaderboards.board import shipped_boards

    if Path(name).suffix == ".toml" or Path(name).is_file():
        return Path(name)
    shipped = {
        board: folder / file for board, folder in shipped_boards().items() if (folder / file).is_file()
    }
    if name not in shipped:
        raise UserError(
            f"'{name}' is neither a .toml file nor a shipped board ({', '.join(shipped)}).{suggest(name, shipped)}"
        )
    return shipped[name]


def _show_plan(
    runs: "Sequence[Run]", tasks: "Mapping[str, LoadedTask]", options: argparse.Namespace, sweep: "Sweep"
) -> int:
    """Print what is to be done with its estimate, and the sum with its price."""
    from dataclasses import asdict

    from harness.plan.estimate import Estimator, assumed_device
    from harness.plan.groups import group_runs
    from harness.plan.runs import is_done
    from leaderboards.money.prices import load_prices

    estimator = Estimator(tasks)
    rows = [(run, estimator.forecast(run, done=is_done(options.results, run))) for run in runs]
    device = assumed_device()
    hour = load_prices(options.prices).hour("H100" if device == "cuda" else device)
    seconds = sum(row.device_seconds or 0.0 for _, row in rows)
    total = {
        "runs": len(rows),
        "groups": len(group_runs(runs)),
        "done": sum(row.state == "done" for _, row in rows),
        "train_tokens": sum(row.train_tokens for _, row in rows),
        "score_tokens": sum(row.score_tokens for _, row in rows),
        "device": device,
        "device_seconds": seconds,
        "usd": hour.mid * seconds / 3600 if hour else None,
        "runs_without_estimate": sum(row.device_seconds is None for _, row in rows),
    }
    if options.json:
        print(json.dumps({"runs": [asdict(row) for _, row in rows], "total": total}, indent=2))
        return DONE
    _print_plan(rows, total, _console())
    if sweep.ensembles:
        print(f"Then {len(sweep.ensembles)} ensembles, made of these.")
    return DONE


def _print_plan(rows: "Sequence[tuple[Run, Forecast]]", total: "dict[str, Any]", console: "Console") -> None:
    from rich.markup import escape
    from rich.table import Table

    if len(rows) <= MOST_SHOWN:
        table = Table("run", "state", box=None, header_style="bold")
        lines: list[tuple[tuple[str, ...], list[Forecast]]] = [
            ((row.run, row.state), [row]) for _, row in rows
        ]
    else:
        table = Table("candidate", "method", "to do", box=None, header_style="bold")
        cells: dict[tuple[str, str], list[Forecast]] = {}
        for run, row in rows:
            cells.setdefault((run.candidate.name, run.candidate.method), []).append(row)
        lines = [
            ((*names, f"{sum(row.state != 'done' for row in found)} of {len(found)}"), found)
            for names, found in cells.items()
        ]
    for column in ("train tokens", "score tokens", "seconds"):
        table.add_column(column, justify="right")
    for names, found in lines[:MOST_SHOWN]:
        known = [row.device_seconds for row in found if row.device_seconds is not None]
        table.add_row(
            *map(escape, names),
            f"{sum(row.train_tokens for row in found):,}",
            f"{sum(row.score_tokens for row in found):,}",
            f"{sum(known):,.1f}" if len(known) == len(found) else "–",
        )
    console.print(table)
    if len(lines) > MOST_SHOWN:
        console.print(f"… and {len(lines) - MOST_SHOWN} lines more (--json has every run)")
    hours, price = total["device_seconds"] / 3600, total["usd"]
    took = f"{hours:,.1f} hours" if hours >= 1 else f"{total['device_seconds']:,.0f} seconds"
    console.print(
        f"\n{total['runs'] - total['done']} of {total['runs']} runs to do, on {total['groups']} base models: "
        f"{total['train_tokens']:,} tokens to train on, about {took} on {total['device']}"
        + (f", about ${price:,.{2 if price >= 10 else 4}f}" if price is not None else "")
        + ", and half a minute of start-up a model. Estimated from characters and parameters; results say more.",
        highlight=False,
    )
    if unknown := total["runs_without_estimate"]:
        console.print(
            f"{unknown} runs have no estimate: neither weights on this machine nor a size in the model's name."
        )


# The other verbs


def _new(options: argparse.Namespace) -> int:
    from harness.authoring.scaffold import new_task

    made = new_task(
        options.name,
        options.tasks_dir,
        source=options.source,
        input_column=options.input,
        target_column=options.target,
        group_column=options.group,
    )
    print(made.decision)
    print(
        f"{made.folder} is a working task. Look at it with: gainboard check {options.name} --tasks-dir {options.tasks_dir}"
    )
    return DONE


def _list(options: argparse.Namespace) -> int:
    rows_of = {"tasks": _task_rows, "metrics": _metric_rows, "boards": _board_rows, "runs": _run_rows}
    rows = rows_of[options.what](options)
    if options.json:
        print(json.dumps(rows, indent=2))
    elif rows:
        _print_table(rows)
    else:
        print(f"no {options.what} found")
    return DONE


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*("–" if value is None else escape(str(value)) for value in row.values()))
    _console().print(table)


def _task_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    from harness.errors import raised
    from harness.plugins.registry import find_plugins, load_task

    plugins = find_plugins(options.tasks_dir)
    rows = []
    for name in plugins:
        try:
            task = load_task(name, plugins)
        except UserError as error:
            print(f"gainboard: skipped: {error}", file=sys.stderr)
            continue
        except Exception as error:  # one plugin must not hide the others
            print(f"gainboard: skipped: task '{name}': it {raised(error)}", file=sys.stderr)
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
    from harness.metrics import METRICS

    return [
        {
            "metric": metric.name,
            "range": metric.range_text,
            "kind": "mean over samples" if metric.score is not None else "of summed counts",
            "ranks a board": "yes" if metric.rankable else "no",
            "measures": metric.description,
        }
        for metric in METRICS.values()
    ]


def _board_rows(_: argparse.Namespace) -> list[dict[str, Any]]:
    from leaderboards.board import load_board, shipped_boards

    return [
        {"board": name, "title": load_board(folder).title, "run it": f"gainboard run {name}"}
        for name, folder in shipped_boards().items()
    ]


def _run_rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    from harness.records.store import read_failures, read_results

    if not options.results.is_dir():
        raise UserError(f"results folder {options.results} does not exist; `gainboard run SWEEP` makes one")
    rows: list[dict[str, Any]] = []
    for result in read_results(options.results):
        primary = result.metrics[result.task.primary_metric]
        rows.append(
            {
                "run": result.run.label,
                "state": "untrusted" if result.untrusted else "done",
                "score": round(primary.value, 4),
                "n": primary.n,
                "reason": result.untrusted,
            }
        )
    rows += [
        {"run": failure.run.label, "state": "failed", "score": None, "n": None, "reason": failure.reason}
        for failure in read_failures(options.results)
    ]
    return rows


def _check(options: argparse.Namespace) -> int:
    os.environ["HF_HUB_OFFLINE"] = "1"  # a check answers from what is on this machine, at once
    from harness.authoring.check import check_sweep, check_task

    plugins = _plugins(options, options.what)
    findings = []
    for name in options.what or plugins:
        if name in plugins:
            findings += check_task(name, plugins)
        else:
            findings += check_sweep(_find_sweep(name, plugins), partial(_plugins, options))
    if options.json:
        print(
            json.dumps(
                [{"level": f.level, "where": f.where, "message": f.message} for f in findings], indent=2
            )
        )
    else:
        from rich.markup import escape

        signs = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "error": "[red]✗[/]"}
        console = _console()
        for finding in findings:
            console.print(signs[finding.level], escape(f"{finding.where} {finding.message}"), highlight=False)
    return USER_MUST_FIX if any(finding.level == "error" for finding in findings) else DONE


def _find_sweep(name: str, plugins: "Mapping[str, Plugin]") -> Path:
    """A sweep file or a shipped board's. Raises `UserError` for what is no task, either."""
    from harness.errors import suggest

    try:
        return _find_board_file(name, "sweep.toml")
    except UserError:
        raise UserError(
            f"'{name}' is no task, sweep file or shipped board.{suggest(name, plugins)} (`gainboard list tasks` shows the "
            "tasks; tasks of your own need --tasks-dir DIR, those of lm-eval are named lm_eval:NAME)"
        ) from None


def _review(options: argparse.Namespace) -> int:
    from datetime import date

    from harness.authoring.review.terminal import interview, keyboard, login_name, show_state
    from harness.authoring.review.verdicts import import_verdicts, open_review, state_record
    from leaderboards.pages.review import write_review
    from leaderboards.text import visible

    plugins = _plugins(options, [options.task])
    review = open_review(options.task, plugins, path=options.reviews, per_template=options.per_template)
    if options.brought:
        outcome = import_verdicts(review, options.brought)
        for line in outcome.refused:
            print(f"gainboard: {visible(line)}", file=sys.stderr)
        print(f"{outcome.taken} new verdicts taken into {review.path}, {len(outcome.refused)} refused")
        return SOME_FAILED if outcome.refused else DONE
    if options.html:
        write_review(options.html, state_record(review))
        print(f"{review.state.summary}. Open {options.html}")
    elif options.json:
        print(json.dumps(state_record(review), indent=2))
    elif options.list:
        show_state(review, console=_console(), visible=visible)
    else:
        ask, reviewer = keyboard(_console()), options.reviewer or login_name()
        interview(review, reviewer=reviewer, on=date.today(), console=_console(), ask=ask, visible=visible)
    return DONE


def _score(options: argparse.Namespace) -> int:
    os.environ["HF_HUB_OFFLINE"] = (
        "1"  # it judges what is saved; no data set is downloaded to name its clusters
    )
    from harness.records.store import read_results
    from harness.score.rescore import rescore

    names = {result.run.task for result in read_results(options.results)}
    changed = rescore(options.results, _plugins(options, names))
    for line in changed.lines:
        print(line)
    return SOME_FAILED if changed.skipped else DONE


def _extrapolate(options: argparse.Namespace) -> int:
    from harness.plan.extrapolation import choice_rows, curve_rows, extrapolate, record

    found = extrapolate(options.results, to=options.to)
    if options.json:
        print(json.dumps(record(found), indent=2))
        return DONE
    _print_table(curve_rows(found))
    if found.choices:
        print()
        _print_table(choice_rows(found))
    for note in found.notes:
        print(f"\n{note}")
    return DONE


def _publish(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from harness.toys import cache_folder
    from leaderboards import Means, publish, publish_boards
    from leaderboards.write.processes import Counter, tell_nobody

    means = Means(
        processes=options.workers or min(os.cpu_count() or 1, MOST_PUBLISHERS),
        cache=None if options.no_cache else cache_folder(),
        tell=tell_nobody if options.json else Counter(sys.stderr),
    )
    boards = [_find_board_file(name, "board.toml") for name in options.board]
    if len(boards) > 1:
        site = publish_boards(
            options.results, options.out, boards, prices=options.prices, url=options.url, means=means
        )
        if options.json:
            print(json.dumps(asdict(site), indent=2, default=os.fspath))
            return DONE
        for name, made in site.boards.items():
            print(f"\n{name}: {made.verdict}")
        print(f"\n{site.pages} pages, {len(site.boards)} boards. Open {os.fspath(site.index)}")
        return DONE
    board = boards[0] if boards else None
    published = publish(
        options.results, options.out, board=board, prices=options.prices, url=options.url, means=means
    )
    if options.json:
        print(json.dumps(asdict(published), indent=2, default=os.fspath))
    else:
        _say_published(published)
    return DONE


def _say_published(published: "Published") -> None:
    print(
        f"\n{published.verdict}\n\n{published.pages} pages from {published.runs} runs. Open {os.fspath(published.index)}"
    )
    if published.untrusted:
        print(
            f"Untrusted and kept out of the ranking: {published.untrusted}. The first page says which runs, and why."
        )
    if published.changed:
        print(f"Changed since it was last published: {len(published.changed)}. history.html says what.")


def _export(options: argparse.Namespace) -> int:
    from leaderboards.download.exports import export

    board = _find_board_file(options.board, "board.toml") if options.board else None
    written = export(options.results, options.format, board=board, prices=options.prices, out=options.out)
    print(f"{written.what} in {os.fspath(written.path)}")
    return DONE


def _import(options: argparse.Namespace) -> int:
    from leaderboards.elsewhere.lm_eval import import_results, told

    outcome = import_results(options.source, options.results, candidate=options.candidate)
    for note in outcome.notes:
        print(f"gainboard: {note}", file=sys.stderr)
    if options.json:
        added, unchanged = (
            [os.fspath(options.results / one.folder) for one in some]
            for some in (outcome.added, outcome.unchanged)
        )
        print(json.dumps({"added": added, "unchanged": unchanged, "notes": outcome.notes}, indent=2))
    else:
        print(told(outcome, options.results))
    return DONE


def _preview(options: argparse.Namespace) -> int:
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    if not (options.site / "index.html").is_file():
        raise UserError(f"{options.site} holds no index.html; `gainboard publish` builds a site")
    handler = partial(SimpleHTTPRequestHandler, directory=os.fspath(options.site))
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/ shows {options.site}; Ctrl-C ends it", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return DONE
    return DONE


if __name__ == "__main__":
    main()
