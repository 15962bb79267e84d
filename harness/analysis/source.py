"""What a task adds to its predictions: the fields of its samples, and analyses of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.data.dataset import Dataset, load_dataset
from harness.data.loaded import LoadedTask
from harness.errors import UserError
from harness.plugins.registry import Plugin, load_task
from harness.records.result import Result
from harness.sweep.run import Run
from harness.task import Task
from harness.task.analysis import Analysis

Fields = Mapping[str, Mapping[str, str]]
"""The fields of samples, by id."""


@dataclass(frozen=True)
class TaskSource:
    """What a task adds; nothing, where it is not at hand or has changed since the run."""

    fields: Fields = field(default_factory=dict)
    analyses: tuple[Analysis, ...] = ()
    loaded: LoadedTask | None = None
    """The task with its samples, to be read with the weights of an arm."""


NOTHING = TaskSource()


class TaskSources:
    """Of many runs what their tasks add; each task's data is loaded once."""

    def __init__(self, plugins: Mapping[str, Plugin]) -> None:
        self._plugins = plugins
        self._loaded: dict[tuple[str, int | None], tuple[Task, Dataset] | None] = {}

    def of(self, result: Result) -> TaskSource:
        """What the task of a result adds. Where its data is out of reach, predictions alone are analysed."""
        run = result.run
        key = run.task, run.test_seed
        if key not in self._loaded:
            self._loaded[key] = self._load(run)
        loaded = self._loaded[key]
        return NOTHING if loaded is None else source_of(*loaded, run)

    def _load(self, run: Run) -> tuple[Task, Dataset] | None:
        if run.task not in self._plugins:
            return None
        try:
            task = load_task(run.task, self._plugins)
            return task, load_dataset(task, test_seed=run.test_seed)
        except UserError:
            return None


def source_of(task: Task, dataset: Dataset, run: Run) -> TaskSource:
    """What a loaded task adds to a run of it; nothing if its samples or prompts have changed since."""
    if (task.version, dataset.fingerprint) != (run.task_version, run.task_fingerprint):
        return NOTHING
    fields = {sample.id: sample.fields for sample in dataset.test}
    return TaskSource(fields, task.analyses, LoadedTask(task, dataset))
