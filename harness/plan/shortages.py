"""Say where a sweep asks for more training samples than a task has: all are used, and no more can be had."""

from harness.data.dataset import Dataset
from harness.data.loaded import LoadedTask
from harness.sweep.methods import METHOD_TABLE
from harness.sweep.sweep import Sweep
from harness.task import Task


def shortages(sweep: Sweep, task: Task, dataset: Dataset) -> list[str]:
    """A sentence for each setting that exceeds a task's training samples, without the task's name."""
    methods = set().union(*(candidate.methods for candidate in sweep.candidates))
    requested = [("n_train", budget) for budget in sweep.budgets if isinstance(budget, int)]
    if any(METHOD_TABLE[method].demonstrations for method in methods):
        requested.append(("num_fewshot", sweep.num_fewshot or task.prompts.num_fewshot))
    available = len(dataset.originals)
    return [
        f"{key} is {number:,}, there are {available:,} training samples; all are used"
        for key, number in requested
        if number > available
    ]


def shortages_of(sweep: Sweep, tasks: dict[str, LoadedTask]) -> list[str]:
    """A sentence for each setting and task of a sweep, with the task's name."""
    sentences = []
    for name in sweep.tasks:
        task_shortages = shortages(sweep, tasks[name].task, tasks[name].dataset)
        sentences += [f"task '{name}': {sentence}" for sentence in task_shortages]
    return sentences
