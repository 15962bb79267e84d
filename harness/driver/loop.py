"""Run a sweep: render, train, generate and score every run that has no result yet, base model by base model.

Every phase leaves a file that carries its key, so a sweep that was stopped goes on where it was: finished
results are kept, trained weights are not trained again, generated answers are not generated again.
"""

from collections.abc import Mapping, Sequence

from filelock import FileLock, Timeout

from harness.counts import agreeing, count_of
from harness.data.loaded import LoadedTask
from harness.driver.executors import Executor
from harness.driver.group import GroupRunner
from harness.driver.outcome import Folders, SweepOutcome, SweepWork
from harness.driver.prepare import convert_models, require_libraries
from harness.driver.progress import SweepProgress
from harness.driver.render import Workshop
from harness.driver.scorecard import write_cards
from harness.driver.ways import check_way, servable_bases
from harness.errors import UserError, from_here
from harness.plan.ensembles import Ensemble, derive
from harness.plan.groups import Group, group_runs, spread
from harness.plan.runs import is_done
from harness.preflight.examine import Preflight, examine
from harness.preflight.room import room_findings
from harness.records.disk import naming_a_full_disk
from harness.records.result import RESULT, Result
from harness.records.store import read_record
from harness.records.training import TrainingRecord
from harness.records.writing import check_names, check_writable, has_locks
from harness.score.finish import TaskFacts
from harness.score.joined import answers_of, joint_generation
from harness.sweep.engines import EngineName
from harness.sweep.models import hub_is_offline, is_on_this_machine
from harness.sweep.run import Run
from harness.sweep.settings import EngineSettings
from harness.workers.side_by_side import side_by_side


def run_sweep(
    runs: Sequence[Run],
    tasks: Mapping[str, LoadedTask],
    folders: Folders,
    *,
    engine: EngineName,
    settings: EngineSettings,
    progress: SweepProgress,
    executor: Executor,
    ensembles: Sequence[Ensemble] = (),
    left_out: Sequence[Run] = (),
    report_to: Sequence[str] = (),
) -> SweepOutcome:
    """Bring every run to a result or a recorded failure; one failed run does not stop the others.

    `left_out`: runs of the same sweep that are not to be done now. The others are answered as beside them.

    Raises `UserError` before any work when a needed library is missing, a result of another configuration is
    in the way, results cannot be written, the arms cannot be scored in the way that was asked for, or a look
    at a model's tokenizer and chat template tells that it can come to nothing.
    """
    check_names(folders.results, runs)
    todo = [run for run in runs if not is_done(folders.results, run)]
    outcome = SweepOutcome(already_done=len(runs) - len(todo))
    sweep = SweepWork(
        outcome, TaskFacts(tasks), folders, engine, settings, progress, executor,
        Workshop(folders.work, tasks, time_uncached=settings.time_uncached, report_to=report_to),
        servable_bases([*runs, *left_out], tasks, engine),
    )  # fmt: skip
    if todo:
        check_way(todo, tasks, engine, settings)  # what cannot be scored is not trained
        require_libraries(engine, todo)
    if not todo and not ensembles:
        return outcome
    folders.work.mkdir(parents=True, exist_ok=True)
    try:
        with naming_a_full_disk(folders.work), FileLock(folders.work / ".lock", blocking=False):
            _check_results(todo, sweep)
            sweep.preflight = _preflight(todo, sweep)
            _run_groups(group_runs(todo), sweep)
            _combine(ensembles, sweep)
            write_cards(runs, sweep)
    except Timeout:
        raise UserError(
            f"another gainboard works in {from_here(folders.work)}; wait for it, or give this one a --work "
            "folder and a --results folder of its own"
        ) from None
    return outcome


def _check_results(todo: Sequence[Run], sweep: SweepWork) -> None:
    """Raise `UserError` where results cannot be written, and say where two sweeps must not write at once."""
    results = sweep.folders.results
    check_writable(results, todo)
    if not has_locks(results):
        sweep.progress.note(
            f"The file system of {results} knows no locks: let no other sweep write there meanwhile."
        )


def _preflight(todo: Sequence[Run], sweep: SweepWork) -> Preflight:
    """Look at the models that have something to do. Raises `UserError` with every reason not to begin."""
    if not sweep.executor.on_this_machine:  # what is not here may be on the cluster's nodes
        todo = [run for run in todo if is_on_this_machine(run.candidate.model, run.candidate.revision)]
    if not todo:
        return Preflight()
    with sweep.progress.line("preflight") as line:
        convert_models(
            (run.candidate.model for run in todo),
            log=sweep.folders.work / "logs" / "convert.log",
            listener=line.hear,
        )
        preflight = examine(
            todo,
            sweep.facts.tasks,
            log=sweep.folders.work / "logs" / "preflight.log",
            downloads=True,
            offline=hub_is_offline(),
            listener=line.hear,
        )
    if sweep.executor.on_this_machine:
        room = room_findings(
            todo, sweep.facts.tasks, work=sweep.folders.work, devices=sweep.settings.tensor_parallel_size
        )
        preflight = Preflight((*preflight.findings, *room))
    for finding in preflight.findings:
        sweep.progress.noticed(finding)
    refusals = [f"{finding.place}: {finding.sentence}" for finding in preflight.refusals]
    if refusals:
        raise UserError("\n".join(refusals))
    return preflight


def _run_groups(groups: Sequence[Group], sweep: SweepWork) -> None:
    """Bring the runs of every group to their results, as many groups at a time as there are workers."""
    groups = spread(groups, sweep.executor.workers)
    if len(groups) <= 1 or sweep.executor.workers == 1:
        for group in groups:
            GroupRunner(group, sweep).run()
        return
    runners = [GroupRunner(group, sweep) for group in groups]
    side_by_side([runner.run for runner in runners], at_a_time=min(len(groups), sweep.executor.workers))


def _combine(ensembles: Sequence[Ensemble], sweep: SweepWork) -> None:
    """Make the arms that are made of other arms, where all of these are finished."""
    souped: list[tuple[Run, list[Result]]] = []
    for ensemble in ensembles:
        members = [_finished(run, sweep) for run in ensemble.members]
        missing = sum(member is None for member in members)
        if missing:
            sweep.progress.note(
                f"{ensemble.label}: {missing} of its {count_of(len(members), 'member')} "
                f"{agreeing('have', missing)} no result; it is left out"
            )
            continue
        finished = [member for member in members if member is not None]
        run = derive(ensemble, [member.run for member in finished])
        if is_done(sweep.folders.results, run):
            sweep.outcome.already_done += 1
        elif run.averaged:
            souped.append((run, finished))
        else:
            _vote(run, finished, sweep)
    soups = [run for run, _ in souped]
    check_way(soups, sweep.facts.tasks, sweep.engine, sweep.settings)
    by_key = {run.key: members for run, members in souped}
    for group in group_runs(soups):
        GroupRunner(group, sweep, members=by_key).run()


def _finished(run: Run, sweep: SweepWork) -> Result | None:
    path = sweep.folders.results / run.folder / RESULT
    if not path.exists():
        return None
    result = read_record(path, Result)
    return result if result.run.cell == run.cell else None


def _vote(run: Run, members: Sequence[Result], sweep: SweepWork) -> None:
    """From saved answers; nothing is generated."""
    with sweep.recording(run, "score"):
        answers = answers_of(run, members, sweep.folders.results)
        trainings: dict[str, TrainingRecord] = {}
        for member in members:
            trainings |= {training.key: training for training in member.trainings}
        sweep.finish(run, answers, trainings=list(trainings.values()), generation=joint_generation(members))
