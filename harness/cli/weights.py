"""`gainboard export --weights`: which run is meant, and what is said of the folder that was written."""

import argparse
import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness.analysis.choose import MOST_NAMES, AnalysableArm, arms_among, chosen_arms
from harness.cli.verb import DONE, hub_offline
from harness.engines.exported import ExportedWeights
from harness.engines.exported import export_weights as write_weights
from harness.errors import UserError
from harness.records.result import Result
from harness.records.store import read_results
from harness.terminal.output import say


@hub_offline()  # a base that was scored is on this machine, or another than it was
def export_weights(options: argparse.Namespace) -> int:
    """Write the weights that `options.weights` names to a folder, and say where."""
    if not options.results.is_dir():
        raise UserError(f"results folder {options.results} does not exist; `gainboard run SWEEP` makes one")
    result = chosen_run(list(read_results(options.results)), options.weights, options.results, options.task)
    recipe = result.run.recipe
    assert recipe is not None, "only tuned runs are chosen"
    source = (options.work or Path("work")) / "trained" / recipe.key / "weights"
    out = options.out or Path(_folder_name(result))
    written = write_weights(result, source, out, as_adapter=options.adapter)
    if options.json:
        say(json.dumps(_record(result, written, source), indent=2))
    else:
        say(_sentence(result, written))
        if written.form == "model":
            say(f"→ {_serve(written)}")
    return DONE


def chosen_run(results: Sequence[Result], name: str, folder: Path, task: str | None) -> Result:
    """The tuned run that a name means: of an arm with several budgets the
    largest, of several seeds the first.

    Raises `UserError` where it means none, or arms of several tasks or methods.
    """
    for result in results:
        if result.untrusted and result.run.folder.as_posix() in name:
            raise UserError(f"{result.run.label} is untrusted, and not exported: {result.untrusted}")
    arms = chosen_arms(arms_among(results), [name], folder)
    if task is not None:
        named, arms = arms, [arm for arm in arms if arm.results[0].run.task == task]
        if not arms:
            tasks = sorted({arm.results[0].run.task for arm in named})
            raise UserError(f"'{name}' has no run on the task '{task}', but on {', '.join(tasks)}")
    tuned = [arm for arm in arms if arm.results[0].run.recipe is not None]
    if not tuned:
        raise UserError(_nothing_tuned(arms[0], results))
    largest: dict[tuple[str, ...], AnalysableArm] = {}
    for arm in sorted(tuned, key=lambda arm: arm.results[0].run.n_train or 0):
        run = arm.results[0].run
        largest[run.candidate.name, run.candidate.method, run.task] = arm
    if len(largest) > 1:
        folders = [arm.folder.as_posix() for arm in largest.values()]
        shown = ", ".join(folders[:MOST_NAMES]) + (" …" if len(folders) > MOST_NAMES else "")
        raise UserError(
            f"'{name}' means {len(folders)} tuned arms, each with weights of its own: give one of {shown}"
        )
    (arm,) = largest.values()
    seeds = sorted(arm.results, key=lambda result: result.run.seed)
    return next((result for result in seeds if result.run.folder.name == Path(name).name), seeds[0])


def _nothing_tuned(arm: AnalysableArm, results: Sequence[Result]) -> str:
    run = arm.results[0].run
    if run.members:
        members = ", ".join(result.run.folder.as_posix() for result in results if result.key in run.members)
        return f"{arm.label} votes, and has no weights of its own; export its members: {members}"
    return f"{arm.label} was not tuned: its weights are those of its base model, {run.candidate.model}"


def _folder_name(result: Result) -> str:
    run = result.run
    return f"{run.candidate.name}-{run.candidate.method}-{run.task}-seed-{run.seed}".replace("/", "-")


def _serve(written: ExportedWeights) -> str:
    return shlex.join(["vllm", "serve", os.fspath(written.folder)])


def _sentence(result: Result, written: ExportedWeights) -> str:
    candidate = result.run.candidate
    if written.form == "adapter":
        revision = f" at {candidate.revision}" if candidate.revision else ""
        form = f"an adapter of {candidate.model}{revision}"
    else:
        form = "a whole model" + (", its adapter merged in" if written.merged else "")
    return f"{written.run}: {form}, {written.size_bytes / 1e6:,.0f} MB in {os.fspath(written.folder)}"


def _record(result: Result, written: ExportedWeights, source: Path) -> dict[str, object]:
    candidate = result.run.candidate
    serve = _serve(written) if written.form == "model" else None
    more = {"source": source, "base": candidate.model, "revision": candidate.revision, "serve": serve}
    return {
        name: os.fspath(value) if isinstance(value, Path) else value
        for name, value in (asdict(written) | more).items()
    }
