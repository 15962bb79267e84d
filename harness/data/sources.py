"""Where a task's rows come from: tables, hub data sets and generators."""

import json
import random
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.data.cleaning import Cleaning
from harness.data.splits import check_columns, cut_rows
from harness.data.tables import frame_rows, read_table
from harness.errors import UserError, first_line
from harness.task import Row, Splits

if TYPE_CHECKING:
    import pandas

Table: TypeAlias = "Path | pandas.DataFrame"
"""A file that `read_table` knows, or a data frame."""

TRIES = 1000
"""Draws in a row that may repeat an earlier row before a generator counts as exhausted."""


class UnreachableData(UserError):
    """A data set that cannot be loaded here and now (no network, no library); the task itself may be fine."""


@dataclass(frozen=True)
class Generated:
    """Rows drawn from a seed. Called as `Task.data`, it can also draw another test set, which no model can
    have seen."""

    compose: Callable[[random.Random, int, str], Row]
    train: int
    dev: int
    test: int
    seed: int
    key: Callable[[Row], Hashable]

    def __call__(self, test_seed: int = 0) -> Splits:
        """Train and dev depend on `seed` alone, test also on `test_seed`. No row occurs twice, in one split
        or in two."""
        used_keys: set[Hashable] = set()
        draws = random.Random(self.seed)
        train = self._draw(draws, "train", self.train, used_keys)
        dev = self._draw(draws, "dev", self.dev, used_keys)
        test_draws = random.Random(f"{self.seed}/{test_seed}")
        return Splits(train, dev, self._draw(test_draws, "test", self.test, used_keys))

    def _draw(self, draws: random.Random, split: str, size: int, used_keys: set[Hashable]) -> list[Row]:
        rows: list[Row] = []
        for index in range(size):
            for _ in range(TRIES):
                row = self.compose(draws, index, split)
                if self.key(row) not in used_keys:
                    break
            else:
                raise UserError(
                    f"split '{split}': no new row in {TRIES} draws after {index} rows; "
                    "ask for fewer, or vary them"
                )
            used_keys.add(self.key(row))
            rows.append(row)
        return rows


def generated(
    compose: Callable[[random.Random, int, str], Row],
    *,
    train: int,
    dev: int,
    test: int,
    seed: int,
    key: Callable[[Row], Hashable] | None = None,
) -> Generated:
    """Data drawn by `compose(random, index, split)`; a row whose `key` (default: the whole row) has occurred
    is drawn again.

    `index` counts from 0 within a split, so that `LABELS[index % len(LABELS)]` is balanced.
    """
    return Generated(compose, train, dev, test, seed, key or _whole_row)


def _whole_row(row: Row) -> str:
    return json.dumps(row, sort_keys=True)


def table_splits(
    table: Table,
    *,
    input_column: str | Sequence[str],
    target_column: str,
    group: str | None = None,
    stratify: bool = True,
    dev: "float | Table" = 0.1,
    test: "float | Table" = 0.1,
    sheet: str | None = None,
    empty_target: str | None = None,
) -> Splits:
    """Cut a table, a file that `read_table` knows (a `sheet` of a workbook) or a data frame, into train, dev
    and test. Every cell becomes stripped text. `dev` and `test` are shares of its rows, or tables of their
    own.

    The cut is the same on every machine and never puts one input into two splits;
    `harness.data.splits.cut_rows` explains `group`, `stratify` and the shares. Rows of one group are not
    independent draws: give their samples `cluster=row[group]`, as `gainboard new --group` does.
    `empty_target` is what an empty cell of the target's column stands for: that a row has none of several
    labels, say. Raises `UserError` for a missing column, any other empty cell or too few rows.
    """
    return cut_tables(
        read_rows(table, sheet=sheet),
        dev=dev if isinstance(dev, (int, float)) else read_rows(dev),
        test=test if isinstance(test, (int, float)) else read_rows(test),
        inputs=(input_column,) if isinstance(input_column, str) else tuple(input_column),
        target_column=target_column,
        group=group,
        stratify=stratify,
        empty_target=empty_target,
    )


@dataclass(frozen=True)
class TableRows:
    """A table that has been read."""

    name: str
    """Where it lies, for messages."""

    rows: list[dict[str, str]]
    cleaning: Cleaning = field(default_factory=Cleaning)


def read_rows(table: Table, *, sheet: str | None = None) -> TableRows:
    """Read a file or a data frame, and note the cells that are read in another form."""
    if not isinstance(table, Path):
        return TableRows("data frame", frame_rows(table))
    cleaning = Cleaning()
    return TableRows(str(table), read_table(table, sheet=sheet, cleaning=cleaning), cleaning)


def cut_tables(
    train: TableRows,
    *,
    dev: float | TableRows,
    test: float | TableRows,
    inputs: Sequence[str],
    target_column: str,
    group: str | None = None,
    stratify: bool = True,
    empty_target: str | None = None,
) -> Splits:
    """The splits of tables that have been read; see `table_splits`."""
    columns = [column for column in (*inputs, target_column, group) if column is not None]
    remarks: list[str] = []

    def rows_of(table: TableRows) -> list[dict[str, str]]:
        rows = table.rows
        if empty_target is not None:
            rows = [_filled(row, target_column, empty_target) for row in rows]
        check_columns(rows, columns, table.name)
        if sentence := table.cleaning.sentence(columns):
            remarks.append(f"{table.name}: {sentence}")
        return rows

    cut = cut_rows(
        rows_of(train),
        input_column=inputs,
        target_column=target_column,
        group=group,
        stratify=stratify,
        dev=None if isinstance(dev, TableRows) else dev,
        test=None if isinstance(test, TableRows) else test,
        where=train.name,
    )
    dev_rows = rows_of(dev) if isinstance(dev, TableRows) else cut.dev
    test_rows = rows_of(test) if isinstance(test, TableRows) else cut.test
    return Splits(cut.train, dev_rows, test_rows, tuple(remarks))


def _filled(row: dict[str, str], column: str, empty: str) -> dict[str, str]:
    return {**row, column: empty} if row.get(column) == "" else row


def hub_splits(
    path: str,
    name: str | None,
    *,
    revision: str | None,
    train: str = "train",
    test: str = "test",
    dev: str | None = None,
    dev_size: int = 0,
) -> Splits:
    """Load a Hugging Face data set: from the hub, by its id and pinned by `revision`, or from a local folder,
    which needs no revision.

    `name` is the configuration; `train`, `test` and `dev` name its splits. Without `dev`, `dev_size` rows are
    cut from train by a fixed shuffle. Raises `UserError` for a data set that does not exist or lacks a split,
    and its subclass `UnreachableData` when the `datasets` library is missing or the hub cannot be reached.
    """
    subject = f"data set '{path}'"
    _check_pinned(path, revision)
    if (dev is None) == (dev_size == 0):
        raise UserError(
            f"{subject}: give either dev, the name of a split, or dev_size, a number of rows to cut from "
            f"{train}"
        )
    loaded = load_pinned(path, name, revision)
    names = [train, test] if dev is None else [train, dev, test]
    for split in names:
        if split not in loaded:
            raise UserError(f"{subject} has no split '{split}'; it has {', '.join(loaded)}")
        if names.count(split) > 1:
            raise UserError(
                f"{subject}: split '{split}' is named twice; what is trained on cannot be tested on"
            )
    if dev is not None:
        return Splits(train=loaded[train].to_list(), dev=loaded[dev].to_list(), test=loaded[test].to_list())
    size = len(loaded[train])
    if not 0 < dev_size < size:
        raise UserError(
            f"{subject}: dev_size is {dev_size}; split '{train}' has {size} rows and must keep some"
        )
    order = random.Random(0).sample(range(size), size)
    return Splits(
        train=loaded[train].select(order[dev_size:]).to_list(),
        dev=loaded[train].select(order[:dev_size]).to_list(),
        test=loaded[test].to_list(),
    )


def _check_pinned(path: str, revision: str | None) -> None:
    """Raise `UserError` for a data set of the hub whose revision may come to mean another."""
    if Path(path).is_dir():
        return
    subject = f"data set '{path}'"
    if revision is None:
        raise UserError(f"{subject}: a hub data set needs a pinned revision (its 40-hex commit)")
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise UserError(
            f"{subject}: revision '{revision}' is not pinned; a branch moves and a short hash may become "
            "ambiguous, so give the whole 40-hex commit"
        )


def load_pinned(path: str, name: str | None, revision: str | None) -> Any:
    """The `datasets.DatasetDict` of a local folder, or of a data set of the hub, which needs a revision."""
    _check_pinned(path, revision)
    try:
        import datasets
    except ImportError:
        raise UnreachableData(
            f"data set '{path}' needs the datasets library: pip install 'gainboard[train]'"
        ) from None
    try:
        return datasets.load_dataset(path, name, revision=revision)
    except ConnectionError as error:
        raise UnreachableData(
            f"data set '{path}' at revision {revision} is not on this machine and the hub cannot be reached: "
            f"{first_line(error)}. Load it once with a network"
        ) from error
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        # A fault in a file's content comes wrapped in an error that says nothing; its cause tells the user
        # what to mend.
        wrapped = (
            isinstance(error, datasets.exceptions.DatasetGenerationError) and error.__cause__ is not None
        )
        reason = (str(error.__cause__ if wrapped else error) or type(error).__name__).splitlines()[0]
        pinned = f" at revision {revision}" if revision else ""
        raise UserError(f"data set '{path}'{pinned} could not be loaded: {reason}") from error
