"""What a group or a tag of lm-evaluation-harness stands for: its tasks, each with what the group changes in
it.

A member that a group defines itself, or changes, is named after the group, as lm-eval names those that are
defined there: `openllm::gsm8k` is `gsm8k` with the five demonstrations that `openllm` gives it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError, suggest

SEPARATOR = "::"
"""Between a group and a member that is not what it is outside of the group."""

_OF_A_GROUP = frozenset({"task", "group", "group_alias", "task_alias", "tag", "aggregate_metric_list"})
"""Settings of a group, or of an entry in its list, that change nothing in what a member asks or how it is
judged."""

_STRUCTURE = frozenset({"include", "tag", "group", "task_list"})
"""Settings of a task's file that are none of the task."""

_DEFINING = frozenset({"include", "dataset_path", "custom_dataset"})
"""Settings of an entry that defines a task rather than naming one."""

Index = Mapping[str, Any]
"""Names → the entries of lm-eval's `TaskManager`."""


@dataclass(frozen=True)
class Member:
    """A task of a group or a tag."""

    name: str
    """As a sweep names it, without prefix."""

    entry: Any
    """lm-eval's entry of the task; None for one that the group defines itself."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    """What the group sets in it, or all of its settings."""

    folder: Path | None = None
    """Where a file lies that the group defines it with."""


def members(name: str, index: Index) -> list[Member]:
    """The tasks of a group or a tag, each once."""
    distinct: dict[str, Member] = {}
    for member in _of_name(name, index, path=name, changes={}):
        distinct.setdefault(member.name, member)
    return list(distinct.values())


def find_member(name: str, index: Index) -> Member | None:
    """The member `GROUP::TASK`; None where there is no such group. Raises `UserError` for a group without
    it."""
    group, separator, _ = name.partition(SEPARATOR)
    if not separator or group not in index or index[group].kind.name != "GROUP":
        return None
    by_name = {member.name: member for member in members(group, index)}
    if name not in by_name:
        raise UserError(
            f"the group '{group}' has no such member, or changes nothing in it.{suggest(name, by_name)} "
            f"There are {', '.join(by_name)}"
        )
    return by_name[name]


def named_elsewhere(name: str, index: Index) -> set[str]:
    """What a group names that `index` does not have, and may be another folder's."""
    entry = index.get(name)
    if entry is None:
        return {name}
    return _named_elsewhere(entry.cfg["task"], index) if entry.kind.name == "GROUP" else set()


def _named_elsewhere(items: Any, index: Index) -> set[str]:
    names: set[str] = set()
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, str):
            names |= named_elsewhere(item, index)
        elif isinstance(item.get("task"), list):  # a group that is defined here
            names |= _named_elsewhere(item["task"], index)
        elif not item.keys() & _DEFINING:
            names |= named_elsewhere(item.get("group") or item.get("task") or "", index)
    return names


def _of_name(name: str, index: Index, *, path: str, changes: Mapping[str, Any]) -> Iterator[Member]:
    """What a name in a group's list stands for. `path`: the groups that lead to it."""
    entry: Any = index.get(name)
    kind = "" if entry is None else entry.kind.name
    if kind == "TAG":
        for task in sorted(entry.tags):
            yield from _of_name(task, index, path=path, changes=changes)
    elif kind == "GROUP":
        # A group that nothing is changed in has the same members wherever it is named.
        inner = path + SEPARATOR + name if changes and path != name else name
        yield from _of_group(_whole(entry), entry, index, path=inner, changes=changes)
    elif changes:
        yield Member(path + SEPARATOR + name, entry, changes)
    else:
        yield Member(name, entry)


def _of_group(
    settings: Mapping[str, Any], entry: Any, index: Index, *, path: str, changes: Mapping[str, Any]
) -> Iterator[Member]:
    """The members of a group, or of one that stands in the list of another, whose file is that of `entry`."""
    inherited = {**_changes(settings, besides=("metadata",)), **changes}
    items: Any = settings.get("task")
    for item in items if isinstance(items, list) else [items]:
        if isinstance(item, str):
            yield from _of_name(item, index, path=path, changes=inherited)
        elif "group" in item and item["group"] not in index:
            inner = path + SEPARATOR + item["group"]
            yield from _of_group(item, entry, index, path=inner, changes=inherited)
        elif "group" in item or item.get("task") in index:
            named = item.get("group") or item["task"]
            yield from _of_name(named, index, path=path, changes={**inherited, **_changes(item)})
        elif "task" in item:
            settings_here = {**inherited, **_changes(item)}
            yield Member(path + SEPARATOR + item["task"], None, settings_here, entry.yaml_path.parent)
        else:
            raise UserError(
                f"the group '{path}' has a member without a name; write `task: NAME` into its entry, in a "
                "YAML file of your own (--lm-eval-dir)"
            )


def _whole(entry: Any) -> dict[str, Any]:
    """A group's settings, with the functions that its file names."""
    from lm_eval.tasks._yaml_loader import load_yaml

    settings: dict[str, Any] = load_yaml(entry.yaml_path, resolve_func=True)
    return settings


def _changes(settings: Mapping[str, Any], *, besides: Iterable[str] = ()) -> dict[str, Any]:
    left_out = _OF_A_GROUP.union(besides)
    return {name: setting for name, setting in settings.items() if name not in left_out}


def config_of(member: Member) -> dict[str, Any]:
    """All settings of a task, as lm-eval's `TaskConfig` takes them."""
    from lm_eval.tasks._yaml_loader import load_yaml

    if member.entry is not None:
        settings = load_yaml(member.entry.yaml_path, resolve_func=True)
    else:
        assert member.folder is not None, "a group that defines a task stands in a file"
        files = member.changes.get("include", ())
        settings = {}
        for file in [files] if isinstance(files, str) else files:
            settings |= load_yaml(member.folder / file, resolve_func=True)
    changed = {**settings, **member.changes, "task": member.name}
    return {name: setting for name, setting in changed.items() if name not in _STRUCTURE}
