"""Scores that another program gave: a record of their own below the results, shown apart, neither ranked nor
paired."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from harness.errors import UserError
from harness.foreign import naming_what_is_read
from harness.records.fields import Amount, Count, Finite
from harness.records.store import find_files, read_record
from harness.toml import Frozen
from leaderboards.text import slug

IMPORTED, FOLDER = "imported.json", "imported"

LM_EVAL = "lm_eval:"
"""How a sweep calls a task of lm-evaluation-harness."""


class ImportedMetric(Frozen):
    """One metric as the other program reports it."""

    name: str
    filter: str
    """What was done to the answers before they were judged; `none`: nothing."""

    value: Finite
    stderr: Amount | None
    """None where it was not reported."""

    higher_is_better: bool
    low: Finite | None = None
    high: Finite | None = None
    """95 % interval over the samples, whose scores lay beside; None where they did not."""

    @property
    def label(self) -> str:
        """`exact_match,strict-match`, or the name alone where nothing was filtered."""
        return self.name if self.filter == "none" else f"{self.name},{self.filter}"


class Source(Frozen):
    """Where imported scores come from."""

    program: str
    version: str | None
    git_hash: str | None
    file: str
    """Its name, without the folder."""

    sha256: str
    date: str | None
    """UTC, ISO 8601."""

    settings: dict[str, str]
    """How the program was called, as far as it says."""


UNKNOWN = "unknown"
"""The version of a task where none is told."""


class Imported(Frozen):
    """One task of one results file."""

    import_version: Literal[1] = 1
    candidate: str
    model: str
    task: str
    task_version: str
    num_fewshot: Count | None
    n: Count | None
    """Samples that were scored; None where it is not said."""

    metrics: tuple[ImportedMetric, ...]
    source: Source

    @property
    def folder(self) -> Path:
        """Where it lies, relative to the results folder."""
        shots = "shots" if self.num_fewshot is None else f"shots-{self.num_fewshot}"
        return Path(FOLDER, slug(self.candidate), slug(self.task), shots)

    def shown(self, wanted: str) -> tuple[ImportedMetric, ...]:
        """The metric of that name, as the board ranks by it; all of them where it is not there."""
        exact = [metric for metric in self.metrics if metric.label == wanted]
        alike = [metric for metric in self.metrics if metric.name == wanted.partition(",")[0]]
        return tuple(exact or alike or self.metrics)

    def is_of(self, task: str) -> bool:
        """Whether this is the task that a board calls so."""
        return self.task == task.removeprefix(LM_EVAL)


class ImportedScores(NamedTuple):
    """Everything that was imported."""

    records: list[Imported]
    """Sorted by path."""

    skipped: list[str]
    """Files that cannot be read, and why: a sentence each."""


def read_imported(results: Path) -> ImportedScores:
    """Everything that was imported into a results folder."""
    root = results / FOLDER
    if root.is_symlink():
        return ImportedScores([], [f"skipped: {root} is a link, and is not followed"])
    records, skipped = [], []
    for place in find_files(root, IMPORTED).folders[IMPORTED]:
        path = root.joinpath(*place, IMPORTED)
        try:
            record = read_record(path, Imported, inside=results)
            with naming_what_is_read(path):
                if path.parent != results / record.folder:
                    raise UserError(
                        f"{path}: it belongs in {record.folder}; a copy or a moved file is not read"
                    )
            records.append(record)
        except UserError as error:
            skipped.append(f"skipped: {error}")
    return ImportedScores(records, skipped)


def candidate_name(model: str) -> str:
    """What to call a model that no sweep has named: the last part of its id or path, in letters that a name
    may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(model).name).strip(".-") or "unnamed"
