"""Read a data set of the hub as tables, one for each split: `hub:org/name@revision`."""

import re
from typing import Any

from harness.data.sources import TableRows, load_pinned
from harness.data.tables import frame_rows
from harness.errors import UserError

PREFIX = "hub:"

_SPLITS = {"train": ("train",), "dev": ("validation", "dev", "valid"), "test": ("test",)}
"""What the splits of a task are called on the hub."""


def hub_tables(source: str) -> dict[str, TableRows]:
    """The tables of `hub:org/name@revision`, or of its configuration `hub:org/name:config@revision`, by
    split; train among them.

    Raises `UserError` for a source of another form and for a data set without such splits, and
    `UnreachableData` where it is not on this machine and the hub cannot be reached.
    """
    match = re.fullmatch(r"hub:([^:@]+)(?::([^@]+))?(?:@(.+))?", source)
    if match is None:
        raise UserError(
            f"--from {source}: write hub:org/name@revision, or hub:org/name:configuration@revision"
        )
    path, name, revision = match.groups()
    loaded = load_pinned(path, name, revision)
    tables = {}
    for split, names in _SPLITS.items():
        split_name = next((each for each in names if each in loaded), None)
        if split_name is not None:
            tables[split] = TableRows(f"{source}, split '{split_name}'", _rows(loaded[split_name]))
    if "train" not in tables:
        raise UserError(f"{source} has no split 'train'; it has {', '.join(loaded)}")
    return tables


def _rows(split: Any) -> list[dict[str, str]]:
    """The rows as texts: of a class its name, where the data set numbers them, and of truth values JSON's."""
    frame = split.to_pandas()
    for column, feature in split.features.items():
        if hasattr(feature, "int2str"):  # a ClassLabel of `datasets`
            names = dict(enumerate(feature.names))
            frame[column] = [names.get(number) for number in frame[column]]
        elif getattr(feature, "dtype", None) == "bool":
            frame[column] = frame[column].map({True: "true", False: "false"})
    return frame_rows(frame)
