"""Find what would spoil a sweep before it costs a GPU minute: offline, and without loading a model."""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from harness.authoring.demonstrations import demonstration_fault
from harness.authoring.error_power import error_power
from harness.authoring.examples import EXAMPLES, check_examples
from harness.authoring.finding import Finding, Level
from harness.authoring.lint import lint, lint_levels
from harness.authoring.second_start import SecondStart, unsteadiness
from harness.authoring.skill import LEVELS_LEDE, metric_levels
from harness.authoring.trial import MetricTrial
from harness.counts import count_of
from harness.data.dataset import Dataset, load_dataset
from harness.data.loaded import LoadedTask
from harness.data.sources import Generated, UnreachableData
from harness.errors import UserError
from harness.plan.early_rungs import early_rungs_of
from harness.plan.lengths import CHARACTERS_PER_TOKEN
from harness.plan.power import power_on
from harness.plan.prepare import FindPlugins, PlannedSweep, declare, plan_sweep
from harness.plan.shortages import shortages
from harness.plugin_code import PluginFault, plugin_code
from harness.plugins.registry import Plugin, load_task
from harness.records.preflight import PreflightFinding, Severity
from harness.review.state import review_state
from harness.review.verdicts import REVIEWS, read_verdicts
from harness.sweep.engines import MAX_MODEL_LEN
from harness.sweep.methods import METHOD_TABLE
from harness.sweep.models import check_model, is_on_this_machine
from harness.sweep.sweep import Sweep
from harness.task import Task
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import choose_templates, render

LookAtModels = Callable[[PlannedSweep], Sequence[PreflightFinding]]
"""What was noticed of a sweep's models."""

_LEVELS: Mapping[Severity, Level] = {
    "refuse": "error",
    "warn": "warning",
    "note": "note",
}


StartAgain = Callable[[Iterable[Plugin]], AbstractContextManager[SecondStart]]
"""See `second_start`."""


def check_task(name: str, plugins: dict[str, Plugin], *, again: SecondStart | None = None) -> list[Finding]:
    """Load one task and its data, and check its prompts, samples, metrics and examples. Never raises
    `UserError`.

    `again`: a second start, whose data must be the same.
    """
    inspection = _inspect_task(name, plugins, again)
    findings = [*inspection.findings, *_demonstrations(inspection, f"task '{name}'", "warning")]
    return [*findings, *_power(inspection, f"task '{name}'", seeds=None)]


def check_sweep(
    path: Path,
    find: FindPlugins,
    *,
    preflight: LookAtModels | None = None,
    start_again: StartAgain | None = None,
) -> list[Finding]:
    """Check a sweep file, every task it names and every model that is at hand. Never raises `UserError`.

    `preflight`: looks at the models' tokenizers and chat templates, where nothing else is wrong.
    `start_again`: begins a second start of the tasks, whose data must be the same.
    """
    try:
        sweep, plugins = declare(path, find)
    except UserError as error:
        return [Finding("error", str(path), _without(str(path), error))]
    findings = []
    loaded: dict[str, LoadedTask] = {}
    tasks = [plugins[name] for name in sweep.all_tasks if name in plugins]
    with nullcontext() if start_again is None else start_again(tasks) as again:
        for name in sweep.all_tasks:
            inspection = _inspect_task(name, plugins, again)
            if inspection.task is not None and inspection.dataset is not None:
                loaded[name] = LoadedTask(inspection.task, inspection.dataset)
            findings += inspection.findings
            if name in sweep.tasks:
                place = f"{path}, task '{name}'"
                findings += _check_fit(sweep, inspection, place=place)
                findings += _power(inspection, place, seeds=len(sweep.seeds))
    for candidate in sweep.candidates:
        place = f"{path}, candidate '{candidate.name}'"
        try:
            check_model(candidate.model, candidate.revision, place)
        except UserError as error:
            findings.append(Finding("error", place, _without(place, error)))
            continue
        if is_on_this_machine(candidate.model, candidate.revision):
            findings.append(Finding("ok", place, f"model {candidate.model}"))
        else:
            text = f"model {candidate.model} is not on this machine; the sweep will download it"
            findings.append(Finding("warning", place, text))
    if all(finding.level != "error" for finding in findings) and len(loaded) == len(sweep.all_tasks):
        findings += _check_plan(sweep, loaded, str(path), preflight)
    return findings


def _check_plan(
    sweep: Sweep, tasks: dict[str, LoadedTask], place: str, preflight: LookAtModels | None
) -> list[Finding]:
    """Whether the sweep's methods, searches and ensembles can be planned, and what its models make of it."""
    try:
        # Weights are not read: that takes long, and they do not change the plan.
        planned = plan_sweep(sweep, tasks, fingerprint=lambda model, revision: "")
    except UserError as error:
        return [Finding("error", place, _without(place, error))]
    early = [Finding("warning", place, sentence) for sentence in early_rungs_of(planned.runs)]
    noticed = [] if preflight is None else preflight(planned)
    return early + [
        Finding(_LEVELS[each.severity], f"{place}, {each.place}", each.sentence) for each in noticed
    ]


def _demonstrations(inspection: "_Inspection", place: str, level: Level) -> list[Finding]:
    """A finding where samples cannot be shown as demonstrations; an error where a method shows some."""
    task, dataset = inspection.task, inspection.dataset
    if task is None or dataset is None or inspection.is_faulty:
        return []
    fault = demonstration_fault(task, dataset)
    if fault is None:
        return []
    return [Finding(level, place, f"{fault}; methods that show none, such as zero_shot and lora, can do")]


def _power(inspection: "_Inspection", place: str, *, seeds: int | None) -> list[Finding]:
    """Which gaps the test set can show, alone or with so many seeds: a warning where only large ones."""
    task, dataset = inspection.task, inspection.dataset
    if task is None or dataset is None or inspection.is_faulty:
        return []
    power = power_on(task, dataset.test, seeds=seeds)
    if power is None:
        sentence = error_power(task, dataset, seeds=seeds)
        return [Finding("warning" if seeds == 1 else "ok", place, sentence)] if sentence else []
    level: Level = "warning" if power.is_coarse else "ok"
    return [Finding(level, place, f"{power.sentence} {power.assumptions}")]


@dataclass(frozen=True)
class _Inspection:
    task: Task | None
    """None when the plugin could not be loaded."""

    dataset: Dataset | None
    """None when the data could not be loaded."""

    findings: list[Finding]

    @property
    def is_faulty(self) -> bool:
        """Whether an error was found."""
        return any(finding.level == "error" for finding in self.findings)


def _inspect_task(name: str, plugins: dict[str, Plugin], again: SecondStart | None) -> _Inspection:
    place = f"task '{name}'"
    try:
        with plugin_code("our check failed on it", "it"):  # which must not hide the findings on other tasks
            inspection = _inspected(name, plugins, place)
    except PluginFault as end:
        return _Inspection(None, None, [Finding("error", place, str(end))])
    task, dataset = inspection.task, inspection.dataset
    if task is not None and dataset is not None and again is not None:
        fault = unsteadiness(task, dataset, again.look_at(name))
        inspection.findings.extend([Finding("error", place, fault)] if fault else [])
    return inspection


def _inspected(name: str, plugins: dict[str, Plugin], place: str) -> _Inspection:
    try:
        task = load_task(name, plugins)
    except UnreachableData as error:  # a task of another harness may need its data to be built
        return _Inspection(
            None, None, [Finding("warning", place, f"it was not checked: {_without(place, error)}")]
        )
    except UserError as error:
        return _Inspection(None, None, [Finding("error", place, _without(place, error))])
    dataset: Dataset | None = None
    findings = []
    try:
        dataset = load_dataset(task)
        sizes = f"{len(dataset.train)} train, {len(dataset.dev)} dev and {len(dataset.test)} test samples"
        faults = _check_samples(task, dataset, place)
        remarks = [Finding("note", place, remark) for remark in dataset.remarks]
        findings += [Finding("ok", place, sizes), *remarks, *faults]
        folder = plugins[name].folder
        # What cannot be rendered has no review state, and the reason is a finding already.
        if folder is not None and all(fault.level != "error" for fault in faults):
            verdicts = read_verdicts(folder / REVIEWS)
            state = review_state(task, dataset, verdicts)
            findings.append(Finding("note" if state.reviewed is None else "ok", place, state.summary))
    except UnreachableData as error:
        findings.append(Finding("warning", place, f"its samples were not checked: {_without(place, error)}"))
    except UserError as error:
        findings.append(Finding("error", place, _without(place, error)))
    path = _examples_path(task, plugins[name])
    if path is not None:
        test = None if dataset is None else {sample.id: sample for sample in dataset.test}
        findings += check_examples(task, test, path)
    return _Inspection(task, dataset, findings)


def _examples_path(task: Task, plugin: Plugin) -> Path | None:
    """The examples file beside the plugin's code; None if that code is unknown, or not the task's own."""
    if plugin.folder is not None:
        return plugin.folder / EXAMPLES
    if task.prompts.render is not None:
        return None  # a task of another harness, built by code that is not its own
    file = getattr(sys.modules.get(plugin.source.partition(":")[0]), "__file__", None)
    return None if file is None else Path(file).parent / EXAMPLES


def _check_fit(sweep: Sweep, inspection: _Inspection, place: str) -> list[Finding]:
    """What a sweep requests that the task does not have."""
    task, dataset = inspection.task, inspection.dataset
    if task is None:
        return []
    findings = []
    for key, names in (("templates", sweep.templates), ("train_templates", sweep.train_templates)):
        try:
            choose_templates(task.prompts, names, where=key)
        except UserError as error:
            findings.append(Finding("error", place, str(error)))
    methods = set().union(*(candidate.methods for candidate in sweep.candidates))
    few_shot = any(METHOD_TABLE[method].demonstrations for method in methods)
    if few_shot and sweep.demonstrations == "fixed" and not task.prompts.fixed:
        findings.append(
            Finding(
                "error",
                place,
                "demonstrations is 'fixed', and the task names none; give prompts.fixed the ids of some",
            )
        )
    if sweep.test_seed is not None and not isinstance(task.data, Generated):
        findings.append(
            Finding(
                "warning",
                place,
                "test_seed changes nothing: the task's data is not generated, so its test set stays",
            )
        )
    if dataset is None:
        return findings
    if few_shot:
        unrenderable = _demonstrations(inspection, place, "error")
        findings += unrenderable or _check_length(sweep, task, dataset, place)
    return findings + [Finding("warning", place, text) for text in shortages(sweep, task, dataset)]


def _check_length(sweep: Sweep, task: Task, dataset: Dataset, place: str) -> list[Finding]:
    """Whether few-shot prompts are likely to fit into the context, judged by the length of one."""
    prompts = task.prompts
    if sweep.demonstrations is not None:
        prompts = dataclasses.replace(prompts, demonstrations=sweep.demonstrations)
    count = sweep.num_fewshot or prompts.num_fewshot
    try:
        (demonstrations,) = choose_demonstrations(
            prompts, dataset.originals, dataset.test[:1], count=count, seed=0
        )
    except UserError:  # reported elsewhere
        return []
    template = choose_templates(prompts, None, where=place)[0]
    prompt = render(prompts, dataset.test[0], template=template, demonstrations=demonstrations)
    tokens = len(prompt.text) // CHARACTERS_PER_TOKEN
    limit = sweep.generation.max_model_len or MAX_MODEL_LEN
    if tokens <= limit:
        return []
    shots = count_of(len(demonstrations), "demonstration")
    message = (
        f"a few-shot prompt of {shots} takes about {tokens:,} tokens, and "
        f"{limit:,} fit; lower num_fewshot, or raise max_model_len if the models take more"
    )
    return [Finding("warning", place, message)]


def _without(place: str, error: UserError) -> str:
    """The error's sentence without the place, which the finding itself names."""
    return str(error).removeprefix(place).removeprefix(",").removeprefix(":").strip()


def _check_samples(task: Task, dataset: Dataset, place: str) -> list[Finding]:
    trial = MetricTrial(task, dataset)
    errors = [*_unsteady_draws(task, dataset), *_fixed_demonstrations(task, dataset), *trial.errors()]
    warnings = lint(task, dataset)
    if not errors:
        warnings += lint_levels(task, dataset)
        # The filters of another harness are made for what models write, which may look unlike its targets.
        if task.prompts.render is None:
            warnings += trial.shortfalls()
    findings = [Finding("error", place, text) for text in errors]
    findings += [Finding("warning", place, text) for text in warnings]
    return findings if errors else findings + _levels(task, dataset, place)


def _levels(task: Task, dataset: Dataset, place: str) -> list[Finding]:
    """What each metric gives without any skill, and a warning where that is much."""
    levels = metric_levels(task, dataset)
    if not levels:
        return []
    primary = next(level for level in levels if level.metric.name == task.primary_metric)
    fault = primary.fault(task.chance)
    drawn = f" ({primary.samples} test samples drawn)" if primary.samples < len(dataset.test) else ""
    return [
        *([Finding("warning", place, fault)] if fault else []),
        Finding("note", place, f"{LEVELS_LEDE}{drawn}: {'; '.join(level.sentence for level in levels)}"),
    ]


def _unsteady_draws(task: Task, dataset: Dataset) -> list[str]:
    """A fault if drawing the data twice gives different samples: no two results would be comparable."""
    if not isinstance(task.data, Generated) or load_dataset(task).fingerprint == dataset.fingerprint:
        return []
    return ["two draws of one seed differ; use only the Random that is passed"]


def _fixed_demonstrations(task: Task, dataset: Dataset) -> list[str]:
    if task.prompts.demonstrations != "fixed":
        return []
    try:
        choose_demonstrations(task.prompts, dataset.originals, [], count=task.prompts.num_fewshot, seed=0)
    except UserError as error:
        return [str(error)]
    return []
