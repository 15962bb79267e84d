"""What a task plugin may get wrong in declaring itself, found before any of its functions is called."""

import inspect
from collections.abc import Mapping, Sequence
from typing import get_args

from harness.errors import UserError, suggest
from harness.metrics import find_metric
from harness.task import Demonstrations, Output, PromptSet, Task

OUTPUTS: tuple[Output, ...] = get_args(Output)
DEMONSTRATIONS: tuple[Demonstrations, ...] = get_args(Demonstrations)

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
    ("license", str, "a text"),
)
"""What a plugin may get wrong without Python saying so: field, type, and how to say it."""

PROMPT_TYPES: tuple[tuple[str, type | tuple[type, ...], str], ...] = (
    ("marker", str, "a text"),
    ("system", (str, type(None)), "a text or None"),
    ("fixed", tuple, "a tuple of training samples' ids"),
    ("target_delimiter", str, "a text"),
    ("fewshot_delimiter", str, "a text"),
)
"""The same of its prompt set."""

CALLS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("data", ()),
    ("to_sample", ("row", "index")),
    ("extract", ("completion",)),
)
"""The functions of a task, and what they are called with."""


def declaration_fault(task: Task, name: str) -> str | None:
    """What is wrong with a declaration, in words, or None."""
    if task.name != name:
        return f"the task calls itself '{task.name}'; the name must be that of its folder or entry point"
    for field, kind, expected in FIELD_TYPES:
        value = getattr(task, field)
        if not isinstance(value, kind) or isinstance(value, bool):
            return f"{field} is {value!r}; it must be {expected}"
    for field, called_with in CALLS:
        fault = _call_fault(getattr(task, field), called_with)
        if fault:
            return f"{field} {fault}"
    if task.output not in OUTPUTS:
        return f"output '{task.output}' is not known.{suggest(str(task.output), OUTPUTS)} It is one of {', '.join(OUTPUTS)}"
    if not 0 <= task.chance < 1:
        return f"chance is {task.chance}; it must be at least 0 and below 1"
    return _prompts_fault(task.prompts) or _metrics_fault(task)


def _call_fault(function: object, called_with: Sequence[str]) -> str | None:
    if not callable(function):
        return f"is {function!r}; it must be a function of ({', '.join(called_with)})"
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None  # a function written in C that does not say what it takes
    try:
        signature.bind(*called_with)
    except TypeError as error:
        return f"takes {signature}; it is called with ({', '.join(called_with)}): {error}"
    return None


def _prompts_fault(prompts: PromptSet) -> str | None:
    if not isinstance(prompts.templates, Mapping):
        return f"prompts.templates is {prompts.templates!r}; it must be a dict from names to wordings"
    if not prompts.templates:
        return "prompts.templates is empty; give at least one template"
    for name, template in prompts.templates.items():
        if not isinstance(template, str):
            return f"template '{name}' is {template!r}; it must be a text with the sample's fields in braces"
    for field, kind, expected in PROMPT_TYPES:
        if not isinstance(getattr(prompts, field), kind):
            return f"prompts.{field} is {getattr(prompts, field)!r}; it must be {expected}"
    if prompts.demonstrations not in DEMONSTRATIONS:
        close = suggest(str(prompts.demonstrations), DEMONSTRATIONS)
        return f"demonstrations '{prompts.demonstrations}' is not known.{close} It is one of {', '.join(DEMONSTRATIONS)}"
    if (prompts.demonstrations == "fixed") != bool(prompts.fixed):
        return "prompts.fixed and demonstrations = 'fixed' belong together: the one names the samples the other shows"
    if isinstance(prompts.num_fewshot, bool) or not isinstance(prompts.num_fewshot, int) or prompts.num_fewshot < 0:
        return f"num_fewshot is {prompts.num_fewshot!r}; it must be a number, 0 or more"
    return None


def _metrics_fault(task: Task) -> str | None:
    try:
        metrics = {metric.name: metric for metric in map(find_metric, task.metrics)}
    except UserError as error:
        return str(error)
    if task.primary_metric not in metrics:
        return f"primary_metric '{task.primary_metric}' is not among its metrics ({', '.join(metrics)})"
    if not metrics[task.primary_metric].rankable:
        return (
            f"primary_metric '{task.primary_metric}' runs from {metrics[task.primary_metric].range_text}; a board ranks by "
            "one that ends at 1 and is better when higher. Keep it among `metrics`, and choose another to rank by"
        )
    return None
