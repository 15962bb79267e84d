"""What reading a table changes in its cells: told as counts, and cell by cell."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

_IN_WORDS = {
    "composed": "composed (Unicode NFC)",
    "invisible": "without invisible characters",
    "spaces": "with plain spaces, none around the text",
}


@dataclass(frozen=True, slots=True)
class CellChange:
    """A cell before and after."""

    row: int
    """From 1, without the header."""

    column: str
    before: str
    after: str

    @property
    def kind(self) -> str:
        """The first that holds of: composed, invisible, spaces."""
        if unicodedata.normalize("NFC", self.before) != self.before:
            return "composed"
        same_but_for_spaces = "".join(self.before.split()) == "".join(self.after.split())
        return "spaces" if same_but_for_spaces else "invisible"

    @property
    def line(self) -> str:
        """`row 3, column 'label': 'caf\\u00e9\\u200b' became 'caf\\u00e9': …`, in which everything can be
        seen."""
        return (
            f"row {self.row}, column '{self.column}': {self.before!a} became {self.after!a}: "
            f"{_IN_WORDS[self.kind]}"
        )


@dataclass
class Cleaning:
    """The cells of a table that reading it has changed."""

    changes: list[CellChange] = field(default_factory=list)

    def note(self, row: int, column: str, before: object, after: str) -> None:
        """Note a cell, if it is a text and was changed."""
        if isinstance(before, str) and before != after:
            self.changes.append(CellChange(row, column, before, after))

    def among(self, columns: Collection[str]) -> Iterator[CellChange]:
        """The changes in some of the columns."""
        return (change for change in self.changes if change.column in columns)

    def sentence(self, columns: Collection[str]) -> str | None:
        """How many cells of these columns were changed, and the first of them; None where none was."""
        changes = list(self.among(columns))
        if not changes:
            return None
        counts = Counter(change.kind for change in changes)
        kinds = ", ".join(f"{counts[kind]:,} {words}" for kind, words in _IN_WORDS.items() if counts[kind])
        first_change = changes[0]
        cells = "cell" if len(changes) == 1 else "cells"
        place = f"row {first_change.row}, column '{first_change.column}'"
        return f"{len(changes):,} {cells} read in another form: {kinds} (the first in {place})"
