"""Find what would spoil a sweep before any GPU minute is spent: offline, and without loading a model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.config import Sweep, load_sweep
from harness.data import Dataset, UnreachableData, load_dataset, read_jsonl
from harness.errors import UserError
from harness.metrics import METRICS, answer_of
from harness.models import check_model
from harness.plugins import Plugin, find_plugins, load_task
from harness.prompts import choose_template, render
from harness.task import Sample, Task

EXAMPLES = "examples.jsonl"

_LINE_KEYS = {"row", "sample", "prompt", "answers"}


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    level: Literal["error", "warning", "ok"]
    """`error`: scores would be wrong or missing. `warning`: they would need explaining."""

    where: str
    message: str


def check_task(name: str, plugins: dict[str, Plugin]) -> list[Finding]:
    """Load one task and its data, and check its prompts, choices, splits and examples. Never raises `UserError`."""
    return _inspect_task(name, plugins).findings


def check_sweep(path: Path, tasks_dirs: Iterable[Path] = ()) -> list[Finding]:
    """Check a sweep file, every task it names and every model it can look at. Never raises `UserError`."""
    try:
        sweep = load_sweep(path)
        plugins = find_plugins(tasks_dirs)
    except UserError as error:
        return [Finding("error", str(path), _without(str(path), error))]
    findings = []
    for name in sweep.tasks:
        inspection = _inspect_task(name, plugins)
        findings += inspection.findings
        findings += _check_fit(sweep, inspection, where=f"{path}, task '{name}'")
    for candidate in sweep.candidates:
        where = f"{path}, candidate '{candidate.name}'"
        try:
            check_model(candidate.model, candidate.revision, where)
            findings.append(Finding("ok", where, f"model {candidate.model}"))
        except UserError as error:
            findings.append(Finding("error", where, _without(where, error)))
    return findings


@dataclass(frozen=True)
class _Inspection:
    task: Task | None
    """None when the plugin could not be loaded."""

    dataset: Dataset | None
    """None when the data could not be loaded."""

    findings: list[Finding]


def _inspect_task(name: str, plugins: dict[str, Plugin]) -> _Inspection:
    where = f"task '{name}'"
    try:
        task = load_task(name, plugins)
    except UserError as error:
        return _Inspection(None, None, [Finding("error", where, _without(where, error))])
    dataset: Dataset | None = None
    findings = []
    try:
        dataset = load_dataset(task)
        sizes = f"{len(dataset.train)} train, {len(dataset.dev)} dev and {len(dataset.test)} test samples"
        findings.append(Finding("ok", where, sizes))
        findings += _check_samples(task, dataset, where)
    except UnreachableData as error:
        findings.append(Finding("warning", where, f"its samples were not checked: {_without(where, error)}"))
    except UserError as error:
        findings.append(Finding("error", where, _without(where, error)))
    folder = plugins[name].folder
    if folder is not None:  # an entry point has no folder to hold examples
        findings += _check_examples(task, dataset, folder / EXAMPLES)
    return _Inspection(task, dataset, findings)


def _check_fit(sweep: Sweep, inspection: _Inspection, where: str) -> list[Finding]:
    """What a sweep asks of a task that the task does not have."""
    findings = []
    if inspection.task is not None:
        try:
            choose_template(inspection.task.prompts, sweep.template, where=where)
        except UserError as error:
            findings.append(Finding("error", where, _without(where, error)))
    if inspection.dataset is not None and isinstance(sweep.n_train, int) and sweep.n_train > len(inspection.dataset.train):
        there = len(inspection.dataset.train)
        findings.append(
            Finding("warning", where, f"n_train is {sweep.n_train}, there are {there} training samples; all are used")
        )
    return findings


def _without(where: str, error: UserError) -> str:
    """The error's sentence without the place that the finding names already."""
    return str(error).removeprefix(where).removeprefix(",").removeprefix(":").strip()


def _check_samples(task: Task, dataset: Dataset, where: str) -> list[Finding]:
    faults = [
        *_same_wording(task, dataset.test),
        *_overlaps(task, dataset),
        *_conflicts(task, [*dataset.train, *dataset.dev, *dataset.test]),
        *_unfair_choices(task, dataset.test),
    ]
    return [Finding("warning", where, fault) for fault in faults]


def _question(task: Task, sample: Sample, template: str | None = None) -> str:
    """The user turn of a sample without demonstrations, in the default wording unless another is named."""
    chosen = choose_template(task.prompts, template, where=f"task '{task.name}'")
    return render(task.prompts, sample, template=chosen)[-1]["content"]


def _same_wording(task: Task, samples: Sequence[Sample]) -> list[str]:
    names: dict[tuple[str, ...], list[str]] = {}
    for name in task.prompts.templates:
        names.setdefault(tuple(_question(task, sample, name) for sample in samples), []).append(name)
    return [
        f"templates {_listed(same)} render the same text; keep one, or word them differently"
        for same in names.values()
        if len(same) > 1
    ]


def _overlaps(task: Task, dataset: Dataset) -> list[str]:
    seen = {_question(task, sample) for sample in dataset.train}
    faults = []
    for split, samples in (("dev", dataset.dev), ("test", dataset.test)):
        count = sum(_question(task, sample) in seen for sample in samples)
        if count:
            faults.append(
                f"{count} of {len(samples)} {split} samples read like a training sample; their answers can be memorised"
            )
    return faults


def _conflicts(task: Task, samples: Sequence[Sample]) -> list[str]:
    targets: dict[str, set[tuple[str, ...]]] = {}
    for sample in samples:
        targets.setdefault(_question(task, sample), set()).add(sample.targets)
    conflicting = [text for text, answers in targets.items() if len(answers) > 1]
    if not conflicting:
        return []
    return [f"{len(conflicting)} prompts have different targets in different samples, the first is {_short(conflicting[0])}"]


def _unfair_choices(task: Task, samples: Sequence[Sample]) -> list[str]:
    if task.output != "choice":
        return []
    faults = []
    for choices in dict.fromkeys(sample.choices for sample in samples):
        for choice in choices:
            longer = [other for other in choices if other != choice and other.startswith(choice)]
            if longer:
                # p("part") counts every continuation of "part", that of "parts" included.
                faults.append(f"choice '{choice}' begins '{longer[0]}' and is never less likely; rename one of them")
    guess = sum(1 / len(sample.choices) for sample in samples) / len(samples)
    if abs(task.chance - guess) > 0.005:
        faults.append(f"chance is {task.chance:.3g}, guessing evenly among the choices scores {guess:.3g}")
    return list(dict.fromkeys(faults))


def _check_examples(task: Task, dataset: Dataset | None, path: Path) -> list[Finding]:
    """Hold a task to its examples: prompts as they are rendered, completions as they are scored."""
    where = str(path)
    if not path.is_file():
        return [
            Finding(
                "warning", where, "no such file; a few scored completions would show that extract and metrics do as meant"
            )
        ]
    try:
        lines = read_jsonl(path)
    except (UserError, UnicodeDecodeError) as error:
        return [Finding("error", where, _without(where, UserError(error)))]
    by_id = {sample.id: sample for sample in dataset.test} if dataset is not None else {}
    findings = []
    scores: list[float] = []
    for number, line in enumerate(lines):
        if dataset is None and "row" not in line:
            continue  # the sample is in data that could not be loaded, which is a finding already
        try:
            sample = _example_sample(task, line, number, by_id)
            _hold_example(task, sample, line)
            scores += [answer["scores"][task.primary_metric] for answer in line["answers"]]
        except UserError as error:
            findings.append(Finding("error", f"{where}, example {number + 1}", str(error)))
    if findings:
        return findings
    if scores and len(set(scores)) == 1:
        return [Finding("warning", where, "every completion scores the same; add a right or a wrong one")]
    return [Finding("ok", where, f"{len(scores)} completions score as they should")]


def _example_sample(task: Task, line: Mapping[str, Any], number: int, by_id: Mapping[str, Sample]) -> Sample:
    """The sample of one example: made from its `row`, or looked up in test. Raises `UserError` for a malformed line."""
    unknown = sorted(set(line) - _LINE_KEYS)
    if unknown:
        raise UserError(f"unknown key '{unknown[0]}'; allowed are {', '.join(sorted(_LINE_KEYS))}")
    stated, answers = line.get("sample"), line.get("answers")
    if not isinstance(stated, dict) or set(stated) != {"id", "target"}:
        raise UserError('\'sample\' must be an object {"id": …, "target": …}')
    if not isinstance(answers, list) or not answers or not all(_is_answer(task, answer) for answer in answers):
        raise UserError(
            '\'answers\' must be a list of {"completion": text, "scores": {metric: number}} with at least '
            f"the primary metric '{task.primary_metric}' and no others than {', '.join(task.metrics)}"
        )
    if "row" in line:
        try:
            sample = task.to_sample(line["row"], number)
        except Exception as error:  # whatever a plugin raises is the plugin's fault, to be named as such
            raise UserError(f"to_sample raised {type(error).__name__}: {error}") from error
    elif stated["id"] in by_id:
        sample = by_id[stated["id"]]
    else:
        raise UserError(f"sample '{stated['id']}' is not in test")
    targets = [sample.target] if isinstance(sample.target, str) else [list(sample.target)]
    if sample.id != stated["id"] or stated["target"] not in targets:
        raise UserError(f"the sample has id '{sample.id}' and target {_short(targets[0])}; the example states otherwise")
    return sample


def _is_answer(task: Task, answer: object) -> bool:
    if not isinstance(answer, dict) or set(answer) != {"completion", "scores"} or not isinstance(answer["completion"], str):
        return False
    scores = answer["scores"]
    return (
        isinstance(scores, dict)
        and task.primary_metric in scores
        and all(metric in task.metrics and isinstance(score, int | float) for metric, score in scores.items())
    )


def _hold_example(task: Task, sample: Sample, line: Mapping[str, Any]) -> None:
    """Raise `UserError` for a prompt that is rendered, or a completion that is scored, differently than stated."""
    prompt = _question(task, sample)
    if prompt != line.get("prompt"):
        raise UserError(f"the prompt is rendered as {json.dumps(prompt)}; the example states otherwise")
    for answer in line["answers"]:
        completion = answer["completion"]
        try:
            found = answer_of(task, completion)
        except UserError as error:
            raise UserError(f"{error} on {_short(completion)}") from error
        for metric, stated in answer["scores"].items():
            score = METRICS[metric].score(found, sample.targets)
            if abs(score - stated) > 1e-6:
                raise UserError(
                    f"completion {_short(completion)} scores {score:.6g} on {metric}; the example states {stated:.6g}"
                )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:79]}…"
