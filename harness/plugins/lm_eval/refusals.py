"""Why a task of lm-evaluation-harness cannot be used, as far as its YAML file alone tells: no data is
read."""

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

from harness.plugins.lm_eval.metrics import AGGREGATIONS

_UNMEASURED = {
    "acc_mutual_info": "compares choices with and without the prompt",
    "exact_match": "asks whether a choice is what the model would write",
}
"""Metrics of choices that need more than the choices' likelihoods, which is all that is measured here."""


def refusal_of(config: Mapping[str, Any]) -> str | None:
    """Why a task with these settings cannot be used, or None. Raises whatever lm-eval raises on the
    settings."""
    if "class" in config:
        return "it is a Python class of its own; only tasks that are declared in YAML can be used"
    lm_task = _without_data(config)
    return _of_its_requests(lm_task) or _of_its_splits(lm_task) or _of_its_metrics(lm_task)


class _DataIsNext(Exception):
    """All that the settings tell is known."""


def _without_data(config: Mapping[str, Any]) -> Any:
    """lm-eval's task object, as far as it is made before its data is loaded."""
    from lm_eval.api.task import ConfigurableTask

    class Declared(ConfigurableTask):  # type: ignore[misc]
        def download(self, dataset_kwargs: Any = None, **_: Any) -> None:
            raise _DataIsNext

    lm_task = Declared.__new__(Declared)
    with suppress(_DataIsNext):
        # Copied, because it writes into the settings.
        ConfigurableTask.__init__(lm_task, config=deepcopy(dict(config)))
    return lm_task


def _of_its_requests(lm_task: Any) -> str | None:
    """What it asks of a model that is not asked here."""
    if getattr(lm_task, "MULTIMODAL", False):
        return "it shows images or plays sound; only tasks of text can be used"
    if getattr(lm_task, "UNSAFE_CODE", False):
        return "it runs code that the model writes, which is not done here"
    repeats = lm_task.config.repeats
    if repeats > 1:
        return f"it asks for {repeats} answers to each prompt (repeats); only one is asked for here"
    return None


def _of_its_splits(lm_task: Any) -> str | None:
    if lm_task.config.test_split or lm_task.config.validation_split:
        return None
    return "it names neither a test_split nor a validation_split, so there is nothing to test on"


def _of_its_metrics(lm_task: Any) -> str | None:
    """Why there is nothing to judge it by."""
    unusable = unusable_metrics(lm_task)
    if not unusable or len(unusable) < len(lm_task.aggregation()):
        return None
    reasons = "; ".join(f"its metric '{name}' {reason}" for name, reason in unusable.items())
    return f"{reasons}. Mend that in a YAML file of your own that includes this one (--lm-eval-dir)"


def unusable_metrics(lm_task: Any) -> dict[str, str]:
    """The metrics of a task that cannot be had here, and why: the end of a sentence that begins with the
    metric."""
    reasons: dict[str, str] = {}
    for name in lm_task.aggregation():
        reason = _fault_of_metric(lm_task, name)
        if reason is not None:
            reasons[name] = reason
    return reasons


def _fault_of_metric(lm_task: Any, name: str) -> str | None:
    if lm_task.OUTPUT_TYPE == "multiple_choice" and name in _UNMEASURED:
        return f"{_UNMEASURED[name]}, which is not measured here"
    computed_by_name = lm_task.OUTPUT_TYPE == "generate_until" and lm_task.config.process_results is None
    if computed_by_name and lm_task._metric_fn_list[name] is None:
        return "is none of lm-eval's, and the evaluate library cannot load it here"
    if lm_task.higher_is_better()[name] is None:
        return (
            "does not say which way is better; write `higher_is_better: true` or `false` beside it in "
            "metric_list"
        )
    aggregation = lm_task.aggregation()[name]
    if aggregation_name(aggregation) is None:
        function = getattr(getattr(aggregation, "func", aggregation), "__name__", str(aggregation))
        return (
            f"is aggregated by '{function}', for which no intervals can be computed; known are "
            f"{', '.join(AGGREGATIONS)}"
        )
    return None


def aggregation_name(aggregation: Any) -> str | None:
    """lm-eval's name for the function that makes one value of all samples' scores, if it is known here; a
    task object only holds the function itself."""
    from lm_eval.api.registry import get_aggregation

    return next((name for name in AGGREGATIONS if aggregation is get_aggregation(name)), None)
