"""Turn a task's rows into samples, once, checked; and cut the training budget from them."""

import csv
import dataclasses
import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError, suggest
from harness.prompts import fields_of
from harness.task import Row, Sample, Splits, Task


class UnreachableData(UserError):
    """A data set that cannot be had here and now (no network, no library); the task itself may be in order."""


@dataclass(frozen=True)
class Dataset:
    """A task's samples, ready to render."""

    train: list[Sample]
    dev: list[Sample]
    test: list[Sample]
    fingerprint: str
    """Changes when a sample or a prompt does. Metrics may change without: `gainboard score` judges again."""


def load_dataset(task: Task) -> Dataset:
    """Call the task's `data` and check every sample. Raises `UserError` naming the task, the split and the row."""
    try:
        splits = task.data()
    except UserError:
        raise
    except Exception as error:  # whatever a plugin raises is the plugin's fault, to be named as such
        raise UserError(f"task '{task.name}': its data function raised {type(error).__name__}: {error}") from error
    if not isinstance(splits, Splits):
        raise UserError(f"task '{task.name}': its data function returned {type(splits).__name__}, expected Splits")
    for name, template in task.prompts.templates.items():
        try:
            fields_of(template)
        except ValueError as error:
            raise UserError(
                f"task '{task.name}': template '{name}' is not a format string: {error} (a brace that is meant is doubled)"
            ) from None
    train, dev, test = (_samples(task, name, getattr(splits, name)) for name in ("train", "dev", "test"))
    return Dataset(train, dev, test, _fingerprint(task, train, dev, test))


def _samples(task: Task, split: str, rows: Sequence[Row]) -> list[Sample]:
    where = f"task '{task.name}', split '{split}'"
    if not isinstance(rows, Sequence):
        raise UserError(f"{where}: a {type(rows).__name__}, expected a list of rows")
    if len(rows) == 0:
        raise UserError(f"{where}: no samples; a task needs at least one in each of train, dev and test")
    samples = []
    seen: set[str] = set()
    for index, row in enumerate(rows):
        try:
            sample = task.to_sample(row, index)
        except Exception as error:  # as above: the plugin's fault
            raise UserError(f"{where}, row {index}: to_sample raised {type(error).__name__}: {error}") from error
        if not isinstance(sample, Sample):
            raise UserError(f"{where}, row {index}: to_sample returned {type(sample).__name__}, expected a Sample")
        fault = _fault(task, sample)
        if sample.id in seen:
            fault = f"the id '{sample.id}' is used twice"
        if fault:
            raise UserError(f"{where}, row {index}: {fault}")
        seen.add(sample.id)
        samples.append(sample)
    return samples


def _fault(task: Task, sample: Sample) -> str | None:
    """What is wrong with a sample, in words, or None."""
    if not isinstance(sample.id, str) or not sample.id:
        return f"the id {sample.id!r} is not a non-empty text"
    if not all(isinstance(text, str) for item in dict(sample.fields).items() for text in item):
        return f"sample '{sample.id}' has a field that is not a text; templates take texts only"
    if not isinstance(sample.choices, tuple) or not all(isinstance(choice, str) and choice for choice in sample.choices):
        return f"sample '{sample.id}' has the choices {sample.choices!r}; choices are a tuple of non-empty texts"
    targets = sample.target if isinstance(sample.target, tuple) else (sample.target,)
    if not targets or not all(isinstance(target, str) and target for target in targets):
        return f"sample '{sample.id}' has the target {sample.target!r}; a target is a non-empty text or a tuple of them"
    for name, template in task.prompts.templates.items():
        for asked in sorted(fields_of(template) - set(sample.fields)):
            known = ", ".join(sorted(sample.fields))
            return f"template '{name}' asks for field '{asked}', the sample has {known}.{suggest(asked, sample.fields)}"
    if task.output != "choice":
        return None
    if len(set(sample.choices)) < 2 or len(set(sample.choices)) != len(sample.choices):
        return f"sample '{sample.id}' needs at least two choices, all different; it has {list(sample.choices)}"
    for target in sample.targets:
        if target not in sample.choices:
            allowed = ", ".join(repr(choice) for choice in sample.choices)
            return f"target '{target}' of sample '{sample.id}' is not among its choices {allowed}"
    return None


def _fingerprint(task: Task, *splits: list[Sample]) -> str:
    digest = hashlib.sha256()
    declared: dict[str, Any] = {
        "prompts": dataclasses.asdict(task.prompts),
        "output": task.output,
        "max_tokens": task.max_tokens,
        "stop": task.stop,
    }
    digest.update(json.dumps(declared, sort_keys=True).encode())
    for samples in splits:
        for sample in samples:
            digest.update(
                json.dumps([sample.id, dict(sample.fields), sample.targets, sample.choices], sort_keys=True).encode()
            )
        digest.update(b"|")
    return digest.hexdigest()[:16]


def training_subset(train: Sequence[Sample], n_train: int | None) -> list[Sample]:
    """The first `n_train` of a fixed shuffle, so that a larger budget contains every smaller one. None: all."""
    order = random.Random(0).sample(range(len(train)), len(train))
    return [train[index] for index in order[: n_train or len(train)]]


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """One JSON object a line, empty lines aside. Raises `UserError` naming the file and the line."""
    rows = []
    with path.open(encoding="utf-8") as file:
        # Not str.splitlines, which also cuts at the separators that a JSON string may hold, such as U+2028.
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}, line {number}: not valid JSON: {error}") from None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: expected a JSON object, got {line.strip()[:40]}")
            rows.append(row)
    return rows


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV, TSV or JSONL file, every cell as stripped text. Raises `UserError` naming the file and row."""
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        rows = read_jsonl(path) if path.suffix.lower() == ".jsonl" else _read_delimited(path)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text: {error}; save it as UTF-8") from None
    if not rows:
        raise UserError(f"{path}: no rows; a task needs at least three, one for each of train, dev and test")
    return [_cells(path, number, row) for number, row in enumerate(rows, 1)]


def _read_delimited(path: Path) -> list[dict[str, Any]]:
    delimiters = {".csv": ",", ".tsv": "\t"}
    suffix = path.suffix.lower()
    if suffix not in delimiters:
        raise UserError(f"{path}: '{path.suffix}' is not a known kind of table; use .csv, .tsv or .jsonl")
    # utf-8-sig: spreadsheets put a byte order mark before the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            return list(csv.DictReader(file, delimiter=delimiters[suffix], strict=True))
        except csv.Error as error:
            raise UserError(f"{path}: not a valid {path.suffix} file: {error}") from None


def _cells(path: Path, number: int, row: dict[str, Any]) -> dict[str, str]:
    if None in row:
        raise UserError(f"{path}, row {number}: more cells than the header has columns; quote cells that hold the separator")
    return {name: "" if cell is None else str(cell).strip() for name, cell in row.items()}


def table_splits(path: Path, *, input_column: str, target_column: str, share: float = 0.1) -> Splits:
    """Cut a CSV, TSV or JSONL file into train, dev and test: `share` of the distinct inputs each for dev and test.

    Inputs are ordered by their hash, so the cut is the same on every machine, hardly moves when rows are added, and
    never puts one input into two splits. Raises `UserError` for a missing column, an empty cell or too few rows.
    """
    rows = read_table(path)
    for number, row in enumerate(rows, 1):
        for column in (input_column, target_column):
            if column not in row:
                known = ", ".join(row)
                raise UserError(
                    f"{path}, row {number}: column '{column}' not found.{suggest(column, row)} There are {known}"
                )
            if not row[column]:
                raise UserError(f"{path}, row {number}: column '{column}' is empty; fill it or remove the row")
    inputs = sorted({row[input_column] for row in rows}, key=lambda text: hashlib.sha256(text.encode()).digest())
    if len(inputs) < 3:
        raise UserError(
            f"{path}: {len(inputs)} different inputs; a task needs at least three, one each for train, dev and test"
        )
    size = max(1, round(len(inputs) * share))
    test, dev = set(inputs[:size]), set(inputs[size : 2 * size])
    return Splits(
        train=[row for row in rows if row[input_column] not in test | dev],
        dev=[row for row in rows if row[input_column] in dev],
        test=[row for row in rows if row[input_column] in test],
    )


def hub_splits(path: str, name: str | None, *, revision: str | None, train: str, test: str, dev_size: int) -> Splits:
    """Load a Hugging Face data set by id (pinned by `revision`) or folder; dev is cut from train by a fixed shuffle.

    `name` is the configuration. Raises `UserError` for a data set that is not there or not like this, and its kind
    `UnreachableData` when the `datasets` library or the hub is not to be had.
    """
    try:
        import datasets
    except ImportError:
        raise UnreachableData(f"data set '{path}' needs the datasets library: pip install 'gainboard[train]'") from None
    if revision is None and not Path(path).is_dir():
        raise UserError(f"data set '{path}': a hub data set needs a pinned revision (its 40-hex commit)")
    try:
        loaded = datasets.load_dataset(path, name, revision=revision)
    except ConnectionError as error:
        raise UnreachableData(
            f"data set '{path}' at revision {revision} is not on this machine and the hub cannot be reached: "
            f"{str(error).splitlines()[0]}. Load it once with a network"
        ) from error
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"data set '{path}' at revision {revision} could not be loaded: {reason}") from error
    for split in (train, test):
        if split not in loaded:
            raise UserError(f"data set '{path}' has no split '{split}'; it has {', '.join(loaded)}")
    order = random.Random(0).sample(range(len(loaded[train])), len(loaded[train]))
    return Splits(
        train=loaded[train].select(order[dev_size:]).to_list(),
        dev=loaded[train].select(order[:dev_size]).to_list(),
        test=loaded[test].to_list(),
    )
