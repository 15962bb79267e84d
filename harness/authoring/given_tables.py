"""The tables that a new task is made of: one that is cut into splits, or one for each."""

import json
import shutil
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from harness.counts import agreeing, count_of
from harness.data.cleaning import CellChange
from harness.data.hub import PREFIX, hub_tables
from harness.data.sources import TableRows, cut_tables, read_rows
from harness.data.splits import question_key
from harness.errors import UserError
from harness.plan.power import WANTED_GAP
from harness.statistics.planning import samples_for
from harness.task import Row, Splits

COPIED = frozenset({".csv", ".tsv", ".jsonl", ".json", ".parquet"})
"""Suffixes of tables that become part of a new task as they are."""

LEAST_SHARE, LARGEST_TEST_SHARE = 0.1, 0.4
"""Of the rows, for dev and at least for test, and at most for test."""

EXAMPLE_ROWS = (
    ("The soup was cold and the waiter rude.", "bad"),
    ("Wonderful evening, we will come again.", "good"),
    ("I waited an hour for a dry sandwich.", "bad"),
    ("Fresh fish and friendly people.", "good"),
    ("Too loud, too dear, too salty.", "bad"),
    ("The best cake in town.", "good"),
    ("They lost our booking and laughed about it.", "bad"),
    ("A quiet place with a lovely garden.", "good"),
    ("My plate was dirty.", "bad"),
    ("The dessert alone is worth the trip.", "good"),
)


def shares_of(count: int, *, given: Container[str]) -> dict[str, float]:
    """What is cut from so many rows or conversations for dev and test, unless
    they are given by tables of their own.

    Test gets what it takes to show a gap of 5 points, from a tenth up to 40 %, and dev a tenth.
    """
    wanted = samples_for(WANTED_GAP)
    assert wanted is not None, "without seeds there is a number"
    needed = round(min(LARGEST_TEST_SHARE, max(LEAST_SHARE, wanted / count)), 2)
    return {name: share for name, share in (("dev", LEAST_SHARE), ("test", needed)) if name not in given}


@dataclass(frozen=True)
class Columns:
    """The columns of the tables that the user named."""

    inputs: tuple[str, ...]
    target: str
    group: str | None

    @property
    def named(self) -> list[str]:
        """All of them."""
        return [name for name in (*self.inputs, self.target, self.group) if name is not None]

    def check(self) -> None:
        """Raise `UserError` for columns that cannot be those of a task."""
        if self.target in self.inputs:
            raise UserError(
                f"--input and --target are both '{self.target}', so every prompt would hold its answer; name "
                "two"
            )
        if self.group == self.target:
            raise UserError(
                f"--group and --target are both '{self.target}', so no answer that is tested would be in "
                "training; group by another column, an author or a document, say"
            )
        if len(set(self.inputs)) < len(self.inputs):
            raise UserError(f"--input names a column twice: {', '.join(self.inputs)}")


@dataclass(frozen=True)
class GivenTables:
    """The tables by split, train among them, as they were read."""

    tables: Mapping[str, TableRows]
    files: Mapping[str, Path] = field(default_factory=dict)
    """Those that can be copied as they are."""

    is_example: bool = False
    """Whether it is the small table to edit."""

    @property
    def shares(self) -> dict[str, float]:
        """What is cut from the training table for the splits that have none of their own."""
        return shares_of(len(self.tables["train"].rows), given=self.tables)

    def targets(self, column: str) -> list[str]:
        """The cells of a column in all tables; of rows without it, which `cut` refuses, empty ones."""
        rows = chain.from_iterable(table.rows for table in self.tables.values())
        return [row.get(column) or "" for row in rows]

    def place_of(self, index: int) -> str:
        """Where the target of this index among `targets` stands."""
        for table in self.tables.values():
            if index < len(table.rows):
                break
            index -= len(table.rows)
        row = f"row {index + 1}"
        return row if len(self.tables) == 1 else f"{table.name}, {row},"

    def cut(self, columns: Columns, empty_target: str | None) -> Splits:
        """The splits. Raises `UserError` for whatever is wrong with the rows."""
        parts: dict[str, float | TableRows] = {**self.shares, **self.tables}
        return cut_tables(
            self.tables["train"],
            dev=parts["dev"],
            test=parts["test"],
            inputs=columns.inputs,
            target_column=columns.target,
            group=columns.group,
            empty_target=empty_target,
        )

    def write(self, folder: Path) -> dict[str, str]:
        """Put the tables beside `task.py`: a plain file as it is, others as JSONL, which anybody can read and
        compare. Returns the names of the files by split."""
        names = {}
        for split, table in self.tables.items():
            stem = "data" if len(self.tables) == 1 else split
            file = self.files.get(split)
            path = folder / f"{stem}{'.jsonl' if file is None else file.suffix}"
            if file is not None:
                shutil.copyfile(file, path)
            elif self.is_example:
                path = path.with_suffix(".csv")
                lines = (f'"{text}",{label}\n' for text, label in (("text", "label"), *EXAMPLE_ROWS))
                path.write_text("".join(lines), encoding="utf-8")
            else:
                lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in table.rows)
                path.write_text("".join(lines), encoding="utf-8")
            names[split] = path.name
        return names

    def changes(self, columns: Columns) -> Iterator[tuple[str, CellChange]]:
        """The cells that are read in another form, with their table's name."""
        for table in self.tables.values():
            for change in table.cleaning.among(columns.named):
                yield table.name, change


def read_given(
    source: Path | str | None, *, dev: Path | None, test: Path | None, sheet: str | None
) -> GivenTables:
    """Read the tables; without a `source`, a small one to edit. Raises `UserError` for faults in the
    files."""
    if source is None:
        rows = [{"text": text, "label": label} for text, label in EXAMPLE_ROWS]
        return GivenTables({"train": TableRows("data.csv", rows)}, is_example=True)
    if isinstance(source, str) and source.startswith(PREFIX):
        if dev is not None or test is not None:
            raise UserError(f"--from {source} brings its own splits; leave --dev and --test out")
        return GivenTables(hub_tables(source))
    paths_by_split = files_by_split(Path(source), dev=dev, test=test)
    tables = {split: read_rows(path, sheet=sheet) for split, path in paths_by_split.items()}
    copied = {
        split: path
        for split, path in paths_by_split.items()
        if path.is_file() and path.suffix.lower() in COPIED
    }
    return GivenTables(tables, copied)


def files_by_split(source: Path, *, dev: Path | None, test: Path | None) -> dict[str, Path]:
    """The files that were given, train first. Raises `UserError` where two of them are one."""
    paths = {"train": source, "dev": dev, "test": test}
    paths_by_split = {split: path for split, path in paths.items() if path is not None}
    by_file: dict[Path, str] = {}
    for split, path in paths_by_split.items():
        earlier_split = by_file.setdefault(path.resolve(), split)
        if earlier_split != split:
            raise UserError(
                f"--{earlier_split} and --{split} are both {path}; what is trained on cannot be tested on"
            )
    return paths_by_split


def remarks_on(splits: Splits, columns: Columns, given_tables: GivenTables) -> list[str]:
    """What the user should know of the splits: their sizes, and of tables that were given what they share."""
    sizes = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    remarks = [", ".join(f"{len(rows):,} {split}" for split, rows in sizes.items()) + " rows"]
    trained = {question_key(row, columns.inputs) for row in splits.train}
    for split in given_tables.tables.keys() - {"train"}:
        remarks += _shared(split, sizes[split], trained, columns)
    return [*remarks, *splits.remarks]


def _shared(split: str, rows: Sequence[Row], trained: set[str], columns: Columns) -> list[str]:
    alike = [number for number, row in enumerate(rows, 1) if question_key(row, columns.inputs) in trained]
    if not alike:
        return []
    return [
        f"{len(alike):,} of {count_of(len(rows), f'{split} row')} (the first is row {alike[0]}) "
        f"{agreeing('ask', len(alike))} what a training row asks, so their answers can be "
        "memorised; remove them from one of the two tables"
    ]
