"""The verb that says why: analyse."""

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
)
from harness.counts import count_of
from harness.errors import UserError
from harness.terminal.output import say, warn

if TYPE_CHECKING:
    from harness.analysis.analyse import Analysed
    from harness.analysis.choose import AnalysableArm
    from harness.analysis.source import TaskSource
    from harness.driver.progress import SweepProgress
    from harness.plan.prepare import PlannedSweep
    from harness.records.result import Result
    from harness.sweep.settings import AnalysisSettings

NOTHING_FOUND = "nothing stands out beyond chance"


def add_verbs(add_verb: AddVerb) -> None:
    """Add the verb of this file to the parser."""
    parser = add_verb(
        "analyse",
        _analyse,
        "explain scores: error, boundary and attention analysis of finished runs, from saved predictions and "
        "weights",
    )
    text = "a task, a candidate, candidate/method, or a run's folder; * and ? stand for anything"
    parser.add_argument("names", nargs="+", metavar="RUN|CANDIDATE|TASK", help=text)
    parser.add_argument("--json", action="store_true", help="the whole analyses, for scripts")
    text = "whether weights are read, too, for margins and hidden states: auto (small models), always, never"
    parser.add_argument("--weights", choices=("auto", "always", "never"), default="auto", help=text)
    text = "the most test samples that are read with weights, and half as many of training (default: 200)"
    parser.add_argument("--samples", type=positive, metavar="N", help=text)
    text = "draws these test samples (default: 0)"
    parser.add_argument("--seed", type=int, metavar="N", help=text)
    text = "where the weights are (default: work)"
    parser.add_argument("--work", type=Path, default=Path("work"), metavar="DIR", help=text)
    add_tasks_dir(parser)
    add_results(parser)


@hub_offline()  # it reads what is saved: no data set is downloaded for the fields of its samples
def _analyse(options: argparse.Namespace) -> int:
    from harness.analysis.analyse import analyse_arm
    from harness.analysis.choose import arms_among, chosen_arms
    from harness.analysis.passes import Inspector
    from harness.analysis.source import TaskSources
    from harness.records.store import read_results

    settings = _settings(options)
    if not options.results.is_dir():
        raise UserError(f"results folder {options.results} does not exist; `gainboard run SWEEP` makes one")
    arms = arms_among(read_results(options.results))
    if not arms:
        raise UserError(f"{options.results} holds no finished run; `gainboard run SWEEP` makes some")
    chosen = chosen_arms(arms, options.names, options.results)
    sources = TaskSources(plugins_for(options, {arm.results[0].run.task for arm in chosen}))
    records, failed = [], 0
    with Inspector(options.work, settings, tell=_tell) as inspector:
        for arm in chosen:
            try:
                analysed = analyse_arm(options.results, arm, sources.of, inspector)
            except UserError as error:
                failed += 1
                warn(f"not analysed: {error}")
                continue
            records.append(_json_record(analysed))
            if not options.json:
                _print(analysed)
    if options.json:
        say(json.dumps(records, indent=2))
    elif len(records) > failed:
        print_next("publish", *results_folder(options))
    return SOME_FAILED if failed else DONE


def _settings(options: argparse.Namespace) -> "AnalysisSettings":
    """Which weights are read. Raises `UserError` for a number that cannot be."""
    from pydantic import ValidationError

    from harness.sweep.settings import AnalysisSettings
    from harness.toml import first_fault

    given = {name: getattr(options, name) for name in ("weights", "samples", "seed")}
    try:
        return AnalysisSettings.model_validate(
            {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        # Its name stands in quotes there, as a key of a file does.
        fault = first_fault(error, AnalysisSettings).replace("'", "", 2)
        raise UserError(f"--{fault}") from None


def _tell(sentence: str) -> None:
    warn(f"{sentence} …")


def _json_record(analysed: "Analysed") -> dict[str, Any]:
    record = analysed.record.model_dump(mode="json")
    return {"arm": analysed.arm.label, "folder": analysed.arm.folder.as_posix(), **record}


def _print(analysed: "Analysed") -> None:
    from harness.analysis.amounts import Amounts

    record = analysed.record
    amounts = Amounts.of(analysed.arm.results[0].task)
    judged = record.arm(record.judged)
    against = ""
    if record.reference is not None:
        against = f", {record.reference} {amounts.score(record.arm(record.reference).score.value)}"
    score = amounts.score(judged.score.value)
    say(f"{analysed.arm.label}: {score}{against}, on {count_of(record.samples, 'sample')}")
    for sentence in _sentences(analysed):
        say(f"  {sentence}")
    for table in record.more:
        if table.error:
            say(f"  analysis '{table.name}' failed: {table.error}")
    if analysed.unread:
        say(f"  not read with its weights: {analysed.unread}")


def _sentences(analysed: "Analysed") -> list[str]:
    return [finding.sentence for finding in analysed.record.findings] or [NOTHING_FOUND]


def analyse_sweep(planned: "PlannedSweep", results: Path, progress: "SweepProgress", *, work: Path) -> None:
    """Analyse the arms of a sweep that are finished, as its `[analysis]` says, and tell what was found.

    `work`: where their weights are. What cannot be analysed is noted, and stops nothing.
    """
    from harness.analysis.analyse import analyse_arm
    from harness.analysis.passes import Inspector

    settings = planned.sweep.analysis
    assert settings is not None, "a sweep that asks for none is not analysed"
    with Inspector(work, settings, tell=progress.note) as inspector:
        for arm in _arms_of(planned, results):
            try:
                analysed = analyse_arm(results, arm, lambda result: _source(planned, result), inspector)
            except UserError as error:
                progress.note(f"not analysed: {error}")
                continue
            progress.analysed(
                arm.label, arm.folder.as_posix(), _sentences(analysed), made_now=analysed.made_now
            )
            if analysed.unread and analysed.made_now:
                progress.note(f"{arm.label}: not read with its weights: {analysed.unread}")


def _arms_of(planned: "PlannedSweep", results: Path) -> "list[AnalysableArm]":
    from harness.analysis.choose import arms_among
    from harness.records.store import read_results

    settings, sweep = planned.sweep.analysis, planned.sweep
    assert settings is not None, "a sweep that asks for none is not analysed"
    names = {spec.name for spec in sweep.candidates} | {spec.name for spec in sweep.ensembles}
    arms = arms_among(
        result
        for result in read_results(results)
        if result.run.candidate.name in names and result.run.task in sweep.tasks
    )
    return [arm for arm in arms if settings.arms == "all" or arm.results[0].trainings]


def _source(planned: "PlannedSweep", result: "Result") -> "TaskSource":
    from harness.analysis.source import NOTHING, source_of

    loaded = planned.tasks.get(result.run.task)
    return NOTHING if loaded is None else source_of(loaded.task, loaded.dataset, result.run)
