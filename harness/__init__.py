"""GainBoard: which language model to fine-tune for a task, with which recipe, and whether it is worth it.

These are the names that a task plugin or a notebook needs; everything else is an implementation detail. The
import is quick: pydantic, pandas and the data set library are loaded by the functions that use them.
"""

from typing import TYPE_CHECKING, Any

from harness.data.augment import noise, paraphrase, swap_entities
from harness.data.chats import chat_sample, chat_splits, read_chats
from harness.data.sources import generated, hub_splits, table_splits
from harness.data.splits import cut_rows
from harness.data.steps import deduplicate, drop_conflicts, normalise_whitespace
from harness.errors import UserError
from harness.jsonl import read_jsonl
from harness.metrics import (
    METRICS,
    DateFormat,
    LabelSet,
    NumberFormat,
    NumberRange,
    OrderedLabels,
    first_json,
    first_json_object,
    last_number,
)
from harness.task import (
    AnalysedSample,
    Analysis,
    AnalysisTable,
    Metric,
    PromptSet,
    Rendered,
    Reply,
    Row,
    Sample,
    Splits,
    Task,
    task,
)
from harness.task.step import Step
from harness.task.tool_calls import ToolCall, calls_text

if TYPE_CHECKING:
    from harness.records.frame import load_results

__all__ = [
    "METRICS",
    "AnalysedSample",
    "Analysis",
    "AnalysisTable",
    "DateFormat",
    "LabelSet",
    "Metric",
    "NumberFormat",
    "NumberRange",
    "OrderedLabels",
    "PromptSet",
    "Rendered",
    "Reply",
    "Row",
    "Sample",
    "Splits",
    "Step",
    "Task",
    "ToolCall",
    "UserError",
    "calls_text",
    "chat_sample",
    "chat_splits",
    "cut_rows",
    "deduplicate",
    "drop_conflicts",
    "first_json",
    "first_json_object",
    "generated",
    "hub_splits",
    "last_number",
    "load_results",
    "noise",
    "normalise_whitespace",
    "paraphrase",
    "read_chats",
    "read_jsonl",
    "swap_entities",
    "table_splits",
    "task",
]


def __getattr__(name: str) -> Any:
    # Reading results needs pydantic; a plugin that only declares a task must not pay for it.
    if name == "load_results":
        from harness.records.frame import load_results

        return load_results
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
