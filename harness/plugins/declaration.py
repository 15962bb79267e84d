"""Check what a task plugin declares about itself, before any of its functions is called."""

import inspect
import json
from collections.abc import Mapping, Sequence
from typing import get_args

from harness.errors import UserError, short_repr, suggest
from harness.metrics import METRICS, find_metric
from harness.task import Demonstrations, Metric, Output, PromptSet, Task
from harness.task.analysis import Analysis, Need
from harness.task.step import SPLITS, Step

OUTPUTS: tuple[Output, ...] = get_args(Output)
DEMONSTRATIONS: tuple[Demonstrations, ...] = get_args(Demonstrations)

NEEDS: tuple[Need, ...] = get_args(Need)

FIELD_TYPES: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("name", str, "a text"),
    ("version", int, "a whole number"),
    ("description", str, "a text"),
    ("prompts", PromptSet, "a PromptSet"),
    ("metrics", tuple, "a tuple of metric names"),
    ("primary_metric", str, "a metric's name"),
    ("chance", (int, float), "a number"),
    ("max_tokens", int, "a whole number"),
    ("stop", tuple, "a tuple of texts"),
    ("steps", tuple, "a tuple of steps"),
    ("analyses", tuple, "a tuple of analyses"),
    ("license", str, "a text"),
    ("reference", (str, type(None)), "a text or None"),
)
"""Fields of a task whose types Python does not check: name, type, and the type in words."""

PROMPT_TYPES: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("marker", str, "a text"),
    ("system", (str, type(None)), "a text or None"),
    ("fixed", tuple, "a tuple of training samples' ids"),
    ("target_delimiter", str, "a text"),
    ("fewshot_delimiter", str, "a text"),
)
"""Likewise the fields of its prompt set."""

CALLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("data", ()),
    ("to_sample", ("row", "index")),
    ("extract", ("completion",)),
)
"""A task's functions and the arguments they are called with."""


def declaration_fault(task: Task, name: str) -> str | None:
    """What is wrong with a task's declaration, as the end of a sentence, or None."""
    if task.name != name:
        return f"the task calls itself '{task.name}'; the name must be that of its folder or entry point"
    for field, kind, expected in FIELD_TYPES:
        value = getattr(task, field)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{field} is {short_repr(value)}; it must be {expected}"
    for field, called_with in CALLS:
        fault = _call_fault(getattr(task, field), called_with)
        if fault:
            return f"{field} {fault}"
    return (
        _values_fault(task)
        or _prompts_fault(task.prompts)
        or _metrics_fault(task)
        or _steps_fault(task.steps)
        or _analyses_fault(task.analyses)
    )


def _call_fault(function: object, called_with: Sequence[str]) -> str | None:
    if not callable(function):
        return f"is {short_repr(function)}; it must be a function of ({', '.join(called_with)})"
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None  # a function written in C may not tell its parameters
    try:
        signature.bind(*called_with)
    except TypeError as error:
        return f"takes {signature}; it is called with ({', '.join(called_with)}): {error}"
    return None


def _values_fault(task: Task) -> str | None:
    if task.output not in OUTPUTS:
        hint = suggest(str(task.output), OUTPUTS)
        return f"output '{task.output}' is not known.{hint} It is one of {', '.join(OUTPUTS)}"
    if not 0 <= task.chance < 1:
        return f"chance is {task.chance}; it must be at least 0 and below 1"
    for field, number in (("version", task.version), ("max_tokens", task.max_tokens)):
        if number < 1:
            return f"{field} is {number}; it must be 1 or more"
    if task.truncation_side not in (None, "left", "right"):
        return f"truncation_side is {short_repr(task.truncation_side)}; it is 'left', 'right' or None"
    fault = _structured_fault(task)
    if fault:
        return fault
    if not task.description.strip():
        return "description is empty; say in one sentence what the task measures"
    for text in task.stop:
        if not isinstance(text, str) or not text:
            return f"stop holds {short_repr(text)}; each is a non-empty text"
    return None


def _structured_fault(task: Task) -> str | None:
    schema = task.structured_outputs
    if schema is None:
        return None
    if task.output != "generate":
        return (
            f"structured_outputs holds answers that are written; with output '{task.output}' none is, "
            "so leave it out"
        )
    if schema == "choice":
        return None
    if not isinstance(schema, Mapping):
        return f"structured_outputs is {short_repr(schema)}; it is 'choice' or a JSON schema, as a dict"
    try:
        json.dumps(schema)
    except (TypeError, ValueError) as error:
        return f"structured_outputs is no JSON schema: {error}"
    if not schema.keys() & {"type", "properties", "anyOf", "oneOf", "allOf", "enum", "const", "$ref"}:
        return (
            f"structured_outputs is {short_repr(schema)}, which says nothing of an answer; "
            "give a JSON schema with a 'type'"
        )
    return None


def _prompts_fault(prompts: PromptSet) -> str | None:
    if not isinstance(prompts.templates, Mapping):
        return (
            f"prompts.templates is {short_repr(prompts.templates)}; it must be a dict from names to wordings"
        )
    if not prompts.templates:
        return "prompts.templates is empty; give at least one template"
    for name, template in prompts.templates.items():
        if not isinstance(template, str):
            return (
                f"template '{name}' is {short_repr(template)}; it must be a text with the sample's fields in "
                "braces"
            )
    for field, kind, expected in PROMPT_TYPES:
        if not isinstance(getattr(prompts, field), kind):
            return f"prompts.{field} is {short_repr(getattr(prompts, field))}; it must be {expected}"
    if prompts.demonstrations not in DEMONSTRATIONS:
        hint = suggest(str(prompts.demonstrations), DEMONSTRATIONS)
        return (
            f"demonstrations '{prompts.demonstrations}' is not known.{hint} "
            f"It is one of {', '.join(DEMONSTRATIONS)}"
        )
    if (prompts.demonstrations == "fixed") != bool(prompts.fixed):
        return (
            "prompts.fixed and demonstrations = 'fixed' belong together: the one names the samples the other "
            "shows"
        )
    count = prompts.num_fewshot
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        return f"num_fewshot is {short_repr(count)}; it must be a number, 0 or more"
    if prompts.render is not None:
        fault = _call_fault(prompts.render, ("sample", "demonstrations"))
        if fault:
            return f"prompts.render {fault}"
    return _fixed_fault(prompts.fixed)


def _fixed_fault(fixed: Sequence[object]) -> str | None:
    for name in fixed:
        if not isinstance(name, str):
            return f"prompts.fixed holds {short_repr(name)}; each is a training sample's id, a text"
        if fixed.count(name) > 1:
            return f"prompts.fixed names '{name}' twice; a demonstration is shown once"
    return None


def _metrics_fault(task: Task) -> str | None:
    if not task.metrics:
        return "metrics is empty; name at least one (`gainboard list metrics` shows all)"
    metrics: dict[str, Metric] = {}
    for entry in task.metrics:
        if not isinstance(entry, str | Metric):
            return f"metrics holds {short_repr(entry)}; each is a metric's name or a Metric"
        try:
            metric = find_metric(entry)
        except UserError as error:
            return str(error)
        fault = _metric_fault(task, metric)
        if fault:
            return fault
        if metric.name in metrics:
            return f"metrics holds '{metric.name}' twice; a metric's name is that of its score"
        metrics[metric.name] = metric
    if task.primary_metric not in metrics:
        return f"primary_metric '{task.primary_metric}' is not among its metrics ({', '.join(metrics)})"
    primary = metrics[task.primary_metric]
    if not primary.rankable:
        return (
            f"primary_metric '{primary.name}' runs from {primary.range_text}; a board ranks by one whose "
            "range has two ends. Keep it among `metrics`, and choose another to rank by"
        )
    return None


def _metric_fault(task: Task, metric: Metric) -> str | None:
    if not isinstance(metric.name, str) or not metric.name:
        return f"metrics holds a Metric with the name {short_repr(metric.name)}; a name is a non-empty text"
    # A task of another harness keeps the metric names of that harness, which may be built-in names here.
    if task.prompts.render is None and METRICS.get(metric.name, metric) is not metric:
        return (
            f"metrics holds a Metric of its own named '{metric.name}', as a built-in one is; "
            "give it another name"
        )
    if task.output not in metric.outputs:
        fitting = ", ".join(builtin.name for builtin in METRICS.values() if task.output in builtin.outputs)
        return (
            f"metric '{metric.name}' does not fit output '{task.output}', which takes {fitting}, "
            "or a Metric of your own"
        )
    return None


def _steps_fault(steps: Sequence[object]) -> str | None:
    for step in steps:
        if not isinstance(step, Step):
            call = (
                f"; call it: {step.__name__}()"
                if inspect.isfunction(step)
                else "; each is a Step, such as deduplicate()"
            )
            return f"steps holds {short_repr(step)}{call}"
        if not isinstance(step.name, str) or not step.name:
            return f"steps holds a Step with the name {short_repr(step.name)}; a name is a non-empty text"
        if not isinstance(step.splits, tuple) or not step.splits or not set(step.splits) <= set(SPLITS):
            return (
                f"step '{step.name}' has the splits {short_repr(step.splits)}; "
                f"splits must be a tuple of split names ({', '.join(SPLITS)})"
            )
        fault = _call_fault(step.apply, ("samples", "draws"))
        if fault:
            return f"step '{step.name}': apply {fault}"
    return None


def _analyses_fault(analyses: Sequence[object]) -> str | None:
    names: set[str] = set()
    for analysis in analyses:
        if not isinstance(analysis, Analysis):
            return f"analyses holds {short_repr(analysis)}; each is an Analysis"
        if not isinstance(analysis.name, str) or not analysis.name:
            return (
                f"analyses holds an Analysis with the name {short_repr(analysis.name)}; a name is a "
                "non-empty text"
            )
        if analysis.name in names:
            return f"analyses holds '{analysis.name}' twice; each needs a name of its own"
        names.add(analysis.name)
        unknown = [need for need in analysis.needs if need not in NEEDS]
        if unknown:
            return (
                f"analysis '{analysis.name}' needs {short_repr(unknown[0])}; what it may need is "
                f"{', '.join(NEEDS)}"
            )
        fault = _call_fault(analysis.make, ("samples", "judged"))
        if fault:
            return f"analysis '{analysis.name}': make {fault}"
    return None
