"""Find task plugins by name and load one by path: bundled folders, folders the user names, and entry points.

Finding imports nothing, so a broken plugin cannot break the others. A plugin folder holds a `task.py` whose
one `@task` function is named like the folder; it may import its siblings relatively (`from .words import
WORDS`).
"""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from harness.errors import UserError, authors_line, one_line, raised, suggest
from harness.plugin_code import PluginFault, plugin_code
from harness.plugins.declaration import declaration_fault
from harness.task import Task, is_task_function

ENTRY_POINTS = "gainboard.tasks"
FILE = "task.py"
"""What holds a task in its folder."""


@dataclass(frozen=True)
class Plugin:
    """A task that is known by name but not yet imported."""

    name: str
    source: str
    """Where it comes from, for messages: a path, or `package:function`."""

    folder: Path | None
    """The folder of a path plugin; None for an entry point."""

    load_function: Callable[[], object]

    @property
    def can_be_loaded_elsewhere(self) -> bool:
        """Whether its source tells another process how to load it; see `plugin_at`."""
        return self.source.endswith(FILE) or ":" in self.source


def bundled_folder() -> Path:
    """The tasks shipped with GainBoard: inside the wheel, or beside the package in a checkout."""
    packaged = Path(__file__).parents[1] / "_bundled"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "tasks"


def find_plugins(tasks_dirs: Iterable[Path] = (), *, entry_points: bool = True) -> dict[str, Plugin]:
    """All plugins by name, sorted. Raises `UserError` when two share a name, or a folder does not exist."""
    plugins: list[Plugin] = []
    for folder in (bundled_folder(), *tasks_dirs):
        plugins += _in_folder(folder)
    if entry_points:
        plugins += map(_from_entry_point, importlib.metadata.entry_points(group=ENTRY_POINTS))
    by_name: dict[str, Plugin] = {}
    for plugin in plugins:
        namesake = by_name.setdefault(plugin.name, plugin)
        # A folder that is given twice is no conflict.
        if namesake.source != plugin.source:
            raise UserError(
                f"task '{plugin.name}' is defined twice: in {namesake.source} and in {plugin.source}; "
                "rename one of them"
            )
    return dict(sorted(by_name.items()))


def plugin_at(name: str, source: str) -> Plugin:
    """The plugin of a name that another process found at a source."""
    if source.endswith(FILE):
        return _from_file(Path(source))
    return _from_entry_point(importlib.metadata.EntryPoint(name, source, ENTRY_POINTS))


def _in_folder(folder: Path) -> list[Plugin]:
    if not folder.is_dir():
        raise UserError(
            f"tasks folder {folder} does not exist; give a folder whose subfolders hold a task.py each"
        )
    return [_from_file(file.resolve()) for file in sorted(folder.glob(f"*/{FILE}"))]


def _from_file(file: Path) -> Plugin:
    name = file.parent.name

    def load_function() -> object:
        functions = [value for value in vars(_import_file(file)).values() if is_task_function(value)]
        if len(functions) != 1:
            raise UserError(f"{file}: expected one function marked with @task, found {len(functions)}")
        return functions[0]

    return Plugin(name, str(file), file.parent, load_function)


def _import_file(file: Path) -> ModuleType:
    # Each plugin is a package with a name of its own, so that it may import its siblings and no task.py
    # replaces another in sys.modules.
    module_name = f"_gainboard_task_{file.parent.name}"
    spec = importlib.util.spec_from_file_location(
        module_name, file, submodule_search_locations=[str(file.parent)]
    )
    assert spec is not None and spec.loader is not None, "a .py file always has a loader"
    module = importlib.util.module_from_spec(spec)
    for stale in [name for name in sys.modules if name == module_name or name.startswith(f"{module_name}.")]:
        del sys.modules[stale]
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def _from_entry_point(entry: importlib.metadata.EntryPoint) -> Plugin:
    return Plugin(entry.name, entry.value, None, entry.load)


def load_task(name: str, plugins: Mapping[str, Plugin]) -> Task:
    """Import one plugin and call its function. Raises `UserError` for an unknown or a broken one."""
    if name not in plugins:
        raise UserError(
            f"task '{name}' not found.{suggest(name, plugins)} (`gainboard list tasks` shows all)"
        )
    plugin = plugins[name]
    try:
        with plugin_code(""):
            function = plugin.load_function()
            task = function() if callable(function) else function
    except PluginFault as end:
        reason = _reason(end.error)
        raise UserError(f"task '{name}' ({plugin.source}) is broken: {reason}") from end.error
    if not isinstance(task, Task):
        raise UserError(
            f"task '{name}' ({plugin.source}): its function returned {type(task).__name__}, expected a Task"
        )
    fault = declaration_fault(task, name)
    if fault:
        raise UserError(f"task '{name}' ({plugin.source}): {fault}")
    return task


def _reason(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it {raised(error)}"
    if isinstance(error, ModuleNotFoundError):
        remedy = f"install it, or import a file beside task.py with a dot (from .{error.name} import …)"
        return f"{one_line(error)}; {remedy}{authors_line(error)}"
    return one_line(error) + authors_line(error)
