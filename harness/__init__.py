"""GainBoard: which language model to fine-tune for a task, with which recipe, and whether it is worth the cost.

These are the names a task plugin and a notebook need; everything else is an implementation detail. Importing them is
quick: pydantic, pandas and the data set library are loaded by the functions that use them.
"""

from typing import TYPE_CHECKING, Any

from harness.data import hub_splits, read_jsonl, table_splits
from harness.errors import UserError
from harness.metrics import METRICS, Metric, last_number
from harness.task import PromptSet, Row, Sample, Splits, Task, task

if TYPE_CHECKING:
    from harness.results import load_results

__all__ = [
    "METRICS",
    "Metric",
    "PromptSet",
    "Row",
    "Sample",
    "Splits",
    "Task",
    "UserError",
    "hub_splits",
    "last_number",
    "load_results",
    "read_jsonl",
    "table_splits",
    "task",
]


def __getattr__(name: str) -> Any:
    # Reading results needs pydantic; a plugin that only declares a task must not pay for it.
    if name == "load_results":
        from harness.results import load_results

        return load_results
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
