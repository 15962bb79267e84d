"""What a task's author declares: samples, prompts, metrics, steps and the task itself."""

from harness.task.analysis import AnalysedSample, Analysis, AnalysisTable
from harness.task.definition import Task, TaskFunction, is_task_function, task
from harness.task.metric import Metric, Reply
from harness.task.output import Output
from harness.task.prompts import FEW_SHOT, Demonstrations, PromptSet, Rendered
from harness.task.samples import Row, Sample, Splits
from harness.task.step import Step

__all__ = [
    "FEW_SHOT",
    "AnalysedSample",
    "Analysis",
    "AnalysisTable",
    "Demonstrations",
    "Metric",
    "Output",
    "PromptSet",
    "Rendered",
    "Reply",
    "Row",
    "Sample",
    "Splits",
    "Step",
    "Task",
    "TaskFunction",
    "is_task_function",
    "task",
]
