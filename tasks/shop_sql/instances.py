"""Draw one database: which columns there are, what they are called, and all rows."""

import random
from dataclasses import dataclass

from .schemas import NAMES, Category, Database, Entity, Number

OWNERS = 9
PARTS = 16
"""Rows of the two tables."""

COLUMN_COUNTS = (2, 3)
"""How many columns a table may have besides ids and names."""


@dataclass(frozen=True)
class Column:
    """A column of one database, with its values."""

    table: str
    name: str
    about: Category | Number
    values: tuple[str | int, ...]

    @property
    def path(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True)
class Table:
    name: str
    noun: str
    columns: tuple[Column, ...]

    @property
    def categories(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if isinstance(column.about, Category))

    @property
    def numbers(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if isinstance(column.about, Number))


@dataclass(frozen=True)
class Instance:
    database: Database
    owners: Table
    parts: Table
    names: tuple[str, ...]
    """The owners' names; their ids are 1, 2, …"""

    belongs_to: tuple[int, ...]
    """For every part, the id of its owner."""

    @property
    def key(self) -> str:
        """The column of the parts that refers to the owners."""
        return f"{self.parts.name}.{self.database.key}"

    @property
    def joined(self) -> str:
        """Both tables, as a FROM clause."""
        return f"{self.parts.name} JOIN {self.owners.name} ON {self.key} = {self.owners.name}.id"

    @property
    def schema(self) -> str:
        """What the model sees: one line per table."""
        owners = ", ".join(["id", "name", *(column.name for column in self.owners.columns)])
        parts = ", ".join(["id", self.database.key, *(column.name for column in self.parts.columns)])
        return f"{self.owners.name}({owners})\n{self.parts.name}({parts})"

    @property
    def script(self) -> str:
        """SQL that creates and fills the tables."""
        owner_rows = zip(
            range(1, OWNERS + 1), self.names, *(column.values for column in self.owners.columns), strict=True
        )
        part_rows = zip(
            range(1, PARTS + 1),
            self.belongs_to,
            *(column.values for column in self.parts.columns),
            strict=True,
        )
        return "\n".join(
            [
                _create(self.owners, "name TEXT"),
                _create(self.parts, f"{self.database.key} INTEGER REFERENCES {self.owners.name}(id)"),
                _insert(self.owners, list(owner_rows)),
                _insert(self.parts, list(part_rows)),
            ]
        )


def draw_instance(generator: random.Random, database: Database) -> Instance:
    return Instance(
        database=database,
        owners=_draw_table(generator, database.owner, OWNERS),
        parts=_draw_table(generator, database.part, PARTS),
        names=tuple(generator.sample(NAMES, OWNERS)),
        # The last owner has no part, so that an inner join and an outer one differ.
        belongs_to=tuple(generator.randint(1, OWNERS - 1) for _ in range(PARTS)),
    )


def _draw_table(generator: random.Random, entity: Entity, rows: int) -> Table:
    """A table with at least one column of each kind, in any order."""
    drawn: list[Category | Number] = []
    while not {Category, Number} <= {type(about) for about in drawn}:
        drawn = generator.sample(entity.columns, generator.choice(COLUMN_COUNTS))
    table = generator.choice(entity.tables)
    columns = [
        Column(table, generator.choice(about.columns), about, _draw_values(generator, about, rows))
        for about in drawn
    ]
    return Table(table, entity.noun, tuple(columns))


def _draw_values(generator: random.Random, about: Category | Number, rows: int) -> tuple[str | int, ...]:
    if isinstance(about, Number):
        return tuple(generator.sample(range(about.low, about.high + 1), rows))
    values = generator.sample(about.values, min(4, len(about.values)))
    return tuple(generator.choice(values) for _ in range(rows))


def _create(table: Table, second: str) -> str:
    columns = [
        f"{column.name} {'TEXT' if column in table.categories else 'INTEGER'}" for column in table.columns
    ]
    return f"CREATE TABLE {table.name} ({', '.join(['id INTEGER PRIMARY KEY', second, *columns])});"


def _insert(table: Table, rows: list[tuple[str | int, ...]]) -> str:
    written = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
    return f"INSERT INTO {table.name} VALUES {written};"


def _literal(value: str | int) -> str:
    assert "'" not in str(value), "no text of ours needs escaping"
    return f"'{value}'" if isinstance(value, str) else str(value)
