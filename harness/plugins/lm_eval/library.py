"""Ask lm-evaluation-harness for one of its tasks: find it by name, build it with its data, or say why not."""

import logging
import re
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from harness.data.sources import UnreachableData
from harness.errors import UserError, first_line, raised, suggest
from harness.plugins.lm_eval.members import (
    SEPARATOR,
    Member,
    config_of,
    find_member,
    members,
    named_elsewhere,
)
from harness.plugins.lm_eval.refusals import refusal_of
from harness.plugins.lm_eval.waiting import bounded_time, keep_evaluate_offline, looked_for_once

PREFIX = "lm_eval:"
"""Begins the name of every task that is one of lm-eval's."""


@cache
def prepare() -> None:
    """Import lm-eval, once, and make it quiet and quick."""
    try:
        import lm_eval.api.task
        import lm_eval.tasks
        import lm_eval.utils
    except ImportError as error:
        raise UserError(f"it needs lm-eval: pip install 'gainboard[lm-eval]' ({error})") from error
    # It warns about every default a task relies on; where something is wrong it also raises, and we report
    # that in our own words. Some of its tasks log under the name with a hyphen.
    for logger in ("lm_eval", "lm-eval"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    # It compiles a task's templates anew for every document, which takes nearly all the time of rendering.
    environment = lm_eval.utils.env
    environment.from_string = lru_cache(maxsize=1000)(environment.from_string)
    lm_eval.api.task.get_metric = looked_for_once(lm_eval.api.task.get_metric)


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep `datasets` from drawing progress bars between the lines of a command that only wants the data."""
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def build(name: str, folders: tuple[Path, ...]) -> Any:
    """lm-eval's own task object (a `ConfigurableTask`) of a name without prefix, its data loaded.

    Raises `UserError` for a name that is unknown or a group's and for a task that cannot be loaded or used,
    which is mostly known without its data, and `UnreachableData` when its data cannot be had.
    """
    config = declared(name, folders)
    with _in_our_words():
        (lm_task,) = _manager_of(name, folders).load([config])["tasks"].values()
    return lm_task


def declared(name: str, folders: tuple[Path, ...]) -> dict[str, Any]:
    """All that the YAML files say of a task, whose data is not looked for. Raises `UserError` as `build`
    does."""
    manager = _manager_of(name, folders)
    keep_evaluate_offline()
    with _in_our_words(), bounded_time():
        config = _config(name, manager)
        if refusal := refusal_of(config):
            raise UserError(refusal)
    return config


def _config(name: str, manager: Any) -> dict[str, Any]:
    """All settings of a task. Raises `UserError` for a group and a tag, which are several."""
    index = manager.task_index
    entry = index.get(name)
    if entry is None:
        member = find_member(name, index)
        if member is None:
            raise UserError(f"'{name.partition(SEPARATOR)[0]}' is no group of lm-eval, and has no members")
    elif entry.kind.name in ("GROUP", "TAG"):
        names = ", ".join(PREFIX + member.name for member in members(name, index))
        raise UserError(
            f"'{name}' is a {entry.kind.name.lower()} of lm-eval; name its tasks instead: {names}"
        )
    else:
        member = Member(name, entry)
    return config_of(member)


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Whatever lm-eval raises on a task, as a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except ConnectionError as error:
        raise UnreachableData(
            f"its data cannot be reached: {first_line(error)}. Load it once with a network"
        ) from error
    except FileNotFoundError as error:
        raise UserError(
            _missing_metric(error)
            or f"lm-eval cannot load it: {first_line(error)} "
            "(it takes relative `data_files` from the folder you are in)"
        ) from error
    except ImportError as error:
        raise UserError(f"its own code needs what is not installed here: {first_line(error)}") from error
    except KeyError as error:
        raise UserError(
            _missing_split(error)
            or _missing_aggregation(error)
            or f"lm-eval cannot load it: KeyError: {error}"
        ) from error
    except SystemExit as error:
        raise UserError(f"lm-eval cannot load it: its own code {raised(error)}") from error
    except Exception as error:  # a YAML file may name any file, field or function
        raise UserError(
            _missing_metric(error) or f"lm-eval cannot load it: {type(error).__name__}: {first_line(error)}"
        ) from error


def _missing_metric(error: Exception) -> str | None:
    """The sentence for what the `evaluate` library does not find, which a task's code may put
    into an error of its own; else None."""
    name = re.search(r"Module '([^']*)' doesn't exist on the Hugging Face Hub", str(error))
    if name is None:
        return None
    return (
        f"its own code needs '{name[1]}' of the evaluate library, which cannot be had here; "
        "load it once with a network"
    )


def _manager_of(name: str, folders: tuple[Path, ...]) -> Any:
    """The `TaskManager` that knows a task, or the group that a member is named after. Raises `UserError` if
    none does."""
    # The user's folders come first, as in lm-eval. Indexing its own tasks takes seconds, so that is left
    # until they are needed.
    name = name.partition(SEPARATOR)[0]
    hint = ""
    if folders:
        manager = _manager(folders)
        if name in manager.task_index:
            # A group may list tasks of lm-eval's own.
            elsewhere = named_elsewhere(name, manager.task_index)
            return _manager(folders, own_tasks=True) if any(map(_may_be_its_own, elsewhere)) else manager
        hint = suggest(name, manager.all_tasks)
        if hint and not _may_be_its_own(name):
            raise _unknown(hint, folders)
    manager = _manager(())
    if name not in manager.task_index:
        raise _unknown(hint or suggest(name, manager.all_tasks), folders)
    return manager


@cache
def _manager(folders: tuple[Path, ...], *, own_tasks: bool = False) -> Any:
    """A `TaskManager` with an index of the tasks in `folders`, and of lm-eval's own where there are none or
    `own_tasks` says so."""
    from lm_eval.tasks import TaskManager

    include_defaults = own_tasks or not folders
    return TaskManager(include_path=[str(folder) for folder in folders], include_defaults=include_defaults)


def _may_be_its_own(name: str) -> bool:
    """Whether a file of lm-eval's own tasks mentions the name; far quicker to read than to index."""
    import lm_eval.tasks

    # Not only `*.yaml`: part of a name may stand in a file that others include, such as `_default_yaml`.
    files = Path(lm_eval.tasks.__file__).parent.rglob("*yaml")
    pattern = re.compile(rb"(?<![\w-])" + re.escape(name.encode()) + rb"(?![\w-])")
    return any(pattern.search(file.read_bytes()) for file in files)


def _unknown(hint: str, folders: tuple[Path, ...]) -> UserError:
    """The error for a name that no index has; `hint` suggests a similar one, or is empty."""
    where_to_look = (
        "of --lm-eval-dir it skips the YAML files that it cannot read"
        if folders
        else "with --lm-eval-dir DIR it finds yours, too"
    )
    return UserError(
        f"lm-eval has no such task.{hint} (`lm-eval ls subtasks` shows its own; {where_to_look})"
    )


def _missing_split(error: KeyError) -> str | None:
    """Which splits the data has, if the error came from asking it for another; else None."""
    import datasets

    # lm-eval hands out a task object only when all has gone well, so the data is taken from the frame in
    # which the error was raised.
    for frame, _ in traceback.walk_tb(error.__traceback__):
        data = frame.f_locals.get("self")
        if isinstance(data, datasets.DatasetDict):
            return no_split(str(error.args[0]), data)
    return None


def _missing_aggregation(error: KeyError) -> str | None:
    """Which metric does not say how samples make one value,
    if lm-eval stumbled over its default; else None."""
    from lm_eval.api.task import ConfigurableTask

    for frame, _ in traceback.walk_tb(error.__traceback__):
        if error.args == (None,) and frame.f_code is ConfigurableTask.__init__.__code__:
            return (
                f"its metric '{frame.f_locals.get('metric_name')}' has no aggregation, and lm-eval has none "
                "for it; write `aggregation: mean`, say, and `higher_is_better: true` or `false` beside it "
                "in metric_list"
            )
    return None


def no_split(split: str, data: Iterable[str]) -> str:
    """The sentence that a task's data has no such split, but those of `data`."""
    names = list(data)
    return f"its data has no split '{split}'; there are {', '.join(names)}.{suggest(split, names)}"
