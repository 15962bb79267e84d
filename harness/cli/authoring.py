"""Verbs for the author of a task or a sweep: new, check, review."""

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.authoring.answer_shapes import SHAPES
from harness.cli.next_step import print_next, task_folders
from harness.cli.verb import (
    DONE,
    SIGNS,
    SOME_FAILED,
    USER_MUST_FIX,
    AddVerb,
    add_tasks_dir,
    board_file,
    hub_offline,
    make_console,
    plugins_for,
    positive,
)
from harness.counts import count_of
from harness.errors import UserError
from harness.terminal.output import say, warn

if TYPE_CHECKING:
    from harness.authoring.check import LookAtModels
    from harness.authoring.finding import Finding
    from harness.authoring.scaffold import NewTask
    from harness.plan.power import Power
    from harness.plan.prepare import PlannedSweep
    from harness.plugins.registry import Plugin
    from harness.records.preflight import PreflightFinding


def add_verbs(add_verb: AddVerb) -> None:
    """Add the verbs of this file to the parser."""
    parser = add_verb("new", _new, "create a task plugin, from your table or chat file if you have one")
    parser.add_argument("name", help="the task's name, a Python identifier")
    text = "a table: CSV, TSV, JSON, JSONL, Parquet, Arrow, a workbook (.xlsx), also compressed"
    text += "; or hub:org/name@revision"
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--from", "--train", dest="source", type=_table, metavar="FILE", help=text)
    text = "a chat file (messages, conversations, instruction and output, …), which --from tells by looking"
    source.add_argument("--from-chat", dest="chats", type=Path, metavar="FILE", help=text)
    _add_chat_options(parser)
    text = "a table or chat file of its own; otherwise it is cut from the other"
    parser.add_argument("--dev", type=Path, metavar="FILE", help=text)
    parser.add_argument("--test", type=Path, metavar="FILE", help=text)
    parser.add_argument("--sheet", metavar="NAME", help="which sheet of a workbook, where it has several")
    text = "the column shown to the model; more than once for several"
    parser.add_argument("--input", action="append", metavar="COL", help=text)
    parser.add_argument("--target", metavar="COL", help="the column with the right answer")
    text = "a wording of your own that names input columns, '{title}: {body}'; more than once for several"
    parser.add_argument("--template", action="append", metavar="TEXT", help=text)
    text = "rows of the same value in this column stay in one split"
    parser.add_argument("--group", metavar="COL", help=text)
    text = "what the answers are, where the targets do not tell: one of some labels, several of them, …"
    parser.add_argument("--answers", choices=SHAPES, help=text)
    text = (
        "list each cell that is read in another form: composed, without invisible characters, with plain "
        "spaces"
    )
    parser.add_argument("--show-cleaned", action="store_true", help=text)
    text = "where to put it (default: tasks)"
    parser.add_argument("--tasks-dir", type=Path, default=Path("tasks"), metavar="DIR", help=text)

    parser = add_verb("check", _check, "check sweeps and tasks before spending GPU time; downloads nothing")
    text = "a sweep file, a shipped board or tasks (default: every task)"
    parser.add_argument("what", nargs="*", metavar="SWEEP|TASK", help=text)
    parser.add_argument("--json", action="store_true", help="for scripts")
    add_tasks_dir(parser)

    parser = add_verb("review", _review, "review a task's prompts and targets")
    parser.add_argument("task", help="the task's name")
    text = "samples per template (default: 5)"
    parser.add_argument("--per-template", type=positive, default=5, metavar="N", help=text)
    parser.add_argument("--reviewer", metavar="NAME", help="who reviews (default: your login name)")
    text = "the verdicts (default: reviews.jsonl beside the task)"
    parser.add_argument("--reviews", type=Path, metavar="FILE", help=text)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--list", action="store_true", help="only show the review's progress")
    instead.add_argument("--json", action="store_true", help="the same for scripts, prompts included")
    instead.add_argument("--html", type=Path, metavar="FILE", help="write a page to review on instead")
    text = "take verdicts from that page"
    instead.add_argument("--import", dest="verdicts", type=Path, metavar="FILE", help=text)
    add_tasks_dir(parser)


def _add_chat_options(parser: argparse.ArgumentParser) -> None:
    """Options of `new` for a chat file alone."""
    text = "of a chat file: which turns of the assistant are targets (default: last)"
    parser.add_argument("--turns", choices=("last", "all"), help=text)
    text = "of a chat file with preferences: read the chosen answers"
    parser.add_argument("--chosen", action="store_true", help=text)
    text = "of a chat file: leave out rows that cannot be read"
    parser.add_argument("--skip-faulty", action="store_true", help=text)


def _new(options: argparse.Namespace) -> int:
    from harness.authoring.conversations import ChatOptions, new_chat_task, refuse_columns
    from harness.authoring.scaffold import new_task
    from harness.data.chats import looks_like_chats

    chats: Path | None = options.chats
    has_columns = options.input is not None or options.target is not None
    is_file = isinstance(options.source, Path)
    if is_file and not has_columns and looks_like_chats(options.source, sheet=options.sheet):
        chats = options.source
    if chats is not None:
        refuse_columns(chats, input=options.input, target=options.target, template=options.template)
        chat_options = ChatOptions(
            options.turns or "last", options.group, options.chosen, options.skip_faulty
        )
        new = new_chat_task(
            options.name,
            options.tasks_dir,
            source=chats,
            options=chat_options,
            dev=options.dev,
            test=options.test,
            sheet=options.sheet,
            shape=options.answers,
        )
        return _written(new, options)
    if options.turns or options.chosen or options.skip_faulty:
        raise UserError(
            "--turns, --chosen and --skip-faulty are for chat files, and this is none; name one with "
            "--from-chat"
        )
    new = new_task(
        options.name,
        options.tasks_dir,
        source=options.source,
        dev=options.dev,
        test=options.test,
        input_column=options.input,
        target_column=options.target,
        group_column=options.group,
        sheet=options.sheet,
        shape=options.answers,
        templates=options.template or (),
    )
    return _written(new, options)


def _written(new: "NewTask", options: argparse.Namespace) -> int:
    say(new.decision)
    for remark in (*new.remarks, *(new.cleaned if options.show_cleaned else ())):
        say(f"  {remark}")
    say(f"{new.folder} is a working task.")
    if new.power is not None:
        _print_power(new.power)
    print_next("check", options.name, "--tasks-dir", options.tasks_dir)
    return DONE


def _table(text: str) -> Path | str:
    """A file, or a data set of the hub."""
    return text if text.startswith("hub:") else Path(text)


def _print_power(power: "Power") -> None:
    """What the test split can show, and where only large gaps: what to do."""
    sign = SIGNS["warning" if power.is_coarse else "ok"]
    make_console().print(sign, power.sentence, power.assumptions, highlight=False)
    if power.is_coarse:
        say("  Add rows, or give test a larger share of them: test=… in load() of task.py.")


def _check(options: argparse.Namespace) -> int:
    from harness.sweep.models import hub_is_offline

    look_at_models = partial(_look_at_models, offline=hub_is_offline())
    with hub_offline():  # a check is there at once: nothing is downloaded
        return _checked(options, look_at_models)


def _checked(options: argparse.Namespace, look_at_models: "LookAtModels") -> int:
    from harness.authoring.check import check_sweep, check_task
    from harness.authoring.second_start import second_start

    plugins = plugins_for(options, options.what)
    findings: list[Finding] = []
    names = options.what or list(plugins)
    with second_start(plugins[name] for name in names if name in plugins) as again:
        for name in names:
            if name in plugins:
                findings += check_task(name, plugins, again=again)
                continue
            findings += check_sweep(
                _sweep_file(name, plugins),
                partial(plugins_for, options),
                preflight=look_at_models,
                start_again=second_start,
            )
    if options.json:
        records = [
            {"level": finding.level, "where": finding.place, "message": finding.message}
            for finding in findings
        ]
        say(json.dumps(records, indent=2))
    else:
        _print_findings(findings, options, plugins)
    return USER_MUST_FIX if _has_error(findings) else DONE


def _look_at_models(planned: "PlannedSweep", *, offline: bool) -> "Sequence[PreflightFinding]":
    """What was noticed of the models that are on this machine, whether the hub has
    the others, and which do not fit."""
    import dataclasses
    import tempfile

    from harness.preflight.examine import can_examine, examine
    from harness.preflight.room import room_findings
    from harness.sweep.models import is_on_this_machine

    runs, tasks = planned.runs, planned.tasks
    room = [
        # The sweep may be run on another machine than it is checked on.
        dataclasses.replace(finding, severity="warn")
        for finding in room_findings(
            runs, tasks, work=Path("work"), devices=planned.sweep.engine.tensor_parallel_size
        )
    ]
    if offline:
        runs = [run for run in runs if is_on_this_machine(run.candidate.model, run.candidate.revision)]
    if not (runs and can_examine()):
        return room
    with tempfile.TemporaryDirectory(prefix="gainboard-") as folder:
        log = Path(folder) / "preflight.log"
        return [*examine(runs, tasks, log=log, downloads=False, offline=offline).findings, *room]


def _has_error(findings: "Sequence[Finding]") -> bool:
    return any(finding.level == "error" for finding in findings)


def _print_findings(
    findings: "Sequence[Finding]", options: argparse.Namespace, plugins: "Mapping[str, Plugin]"
) -> None:
    from rich.markup import escape

    console = make_console()
    for finding in findings:
        console.print(SIGNS[finding.level], escape(f"{finding.place} {finding.message}"), highlight=False)
    say(_summary(findings))
    sweeps = [name for name in options.what if name not in plugins]
    if _has_error(findings):
        say("Correct what is marked ✗, then")
        print_next("check", *options.what, *task_folders(options))
    elif sweeps:
        print_next("run", sweeps[0], *task_folders(options), "--dry-run")
    elif len(options.what) == 1 and plugins[options.what[0]].folder is not None:
        print_next("review", *options.what, *task_folders(options))
    else:
        print_next("check", "SWEEP.toml", *task_folders(options))


def _summary(findings: "Sequence[Finding]") -> str:
    """`9 ok, 1 warning`."""
    counts = Counter("ok" if finding.level == "note" else finding.level for finding in findings)
    parts = [f"{counts['ok']} ok"]
    parts += [
        f"{counts[level]} {level}{'s' * (counts[level] > 1)}"
        for level in ("warning", "error")
        if counts[level]
    ]
    return ", ".join(parts)


def _sweep_file(name: str, plugins: "Mapping[str, Plugin]") -> Path:
    """A sweep file, or a shipped board's. Raises `UserError` for what is not a task, either."""
    from harness.errors import suggest

    try:
        return board_file(name, "sweep.toml")
    except UserError:
        raise UserError(
            f"'{name}' is no task, sweep file or shipped board.{suggest(name, plugins)} (`gainboard list "
            "tasks` "
            "shows the tasks; tasks of your own need --tasks-dir DIR, those of lm-eval are named "
            "lm_eval:NAME)"
        ) from None


def _review(options: argparse.Namespace) -> int:
    from datetime import date

    from harness.review.review import import_verdicts, open_review, state_record
    from harness.review.terminal import interview, keyboard, login_name, show_state
    from harness.visible import visible
    from leaderboards.pages.review import write_review

    plugins = plugins_for(options, [options.task])
    review = open_review(options.task, plugins, path=options.reviews, per_template=options.per_template)
    if options.verdicts:
        outcome = import_verdicts(review, options.verdicts)
        for line in outcome.refused:
            warn(line)
        taken = count_of(outcome.n_added, "new verdict")
        say(f"{taken} taken into {review.path}, {len(outcome.refused)} refused")
        return SOME_FAILED if outcome.refused else DONE
    if options.html:
        write_review(options.html, state_record(review))
        say(f"{review.state.summary}. Open {options.html}")
    elif options.json:
        say(json.dumps(state_record(review), indent=2))
    elif options.list:
        show_state(review, console=make_console(), visible=visible)
    else:
        console = make_console()
        ask, reviewer = keyboard(console), options.reviewer or login_name()
        interview(review, reviewer=reviewer, on=date.today(), console=console, ask=ask, visible=visible)
    return DONE
