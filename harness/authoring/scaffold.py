"""Write the files of a new task plugin: `gainboard new NAME [--from data.csv --input COL --target COL
[--group COL]]`.

What is written passes `gainboard check` at once and is meant to be read and edited: it is the shortest
complete task.
"""

import builtins
import json
import keyword
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.authoring.answers import AnswerKind, Shape, answer_kind, decision, literal
from harness.authoring.examples import EXAMPLES, certain_reply, score_of
from harness.data.dataset import make_sample
from harness.data.sources import table_splits
from harness.data.tables import read_table
from harness.errors import UserError, naming_what_is_written
from harness.plan.power import Power, power_of
from harness.plugins.registry import find_plugins, load_task
from harness.score.judging import metrics_of
from harness.task import Row, Splits, Task
from harness.task.prompts import render

_GENERATED_NAMES = frozenset(
    {
        "CHOICES", "DATA", "LABELS", "LabelSet", "NUMBERS", "NumberRange", "OrderedLabels", "Path", "PromptSet", "Row",
        "Sample", "Splits", "Task", "chat_sample", "chat_splits", "first_json", "first_json_object", "load",
        "table_splits", "task", "to_sample",
    }
)  # fmt: skip

COPIED = frozenset({".csv", ".tsv", ".jsonl", ".json", ".parquet"})
"""Suffixes of tables that become part of a new task as they are."""

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


@dataclass(frozen=True)
class _Columns:
    """The columns of the table that the user named."""

    input: str
    target: str
    group: str | None


@dataclass(frozen=True)
class NewTask:
    """A task that was written."""

    folder: Path
    decision: str
    """A sentence for the user: what was made of the targets and why, with the metrics, primary first."""

    power: Power | None
    """What the test split can show; None where the primary metric is no share."""


def new_task(
    name: str,
    folder: Path,
    *,
    source: Path | None = None,
    input_column: str | None = None,
    target_column: str | None = None,
    group_column: str | None = None,
    sheet: str | None = None,
    shape: Shape | None = None,
) -> NewTask:
    """Write the task `name` into a folder of its own in the tasks folder `folder`.

    With `source`, a table that `read_table` knows (a `sheet` of a workbook), two of its columns become
    prompts and targets, and rows of the same `group_column` stay in one split; without, a small table to edit
    is written. `shape`: what the answers are, where the targets do not tell. Raises `UserError` for a name
    that is taken or no identifier, for columns that cannot be those of a task, and for faults of the table.
    """
    check_name(name, folder)
    if source is None:
        if (input_column, target_column, group_column) != (None, None, None):
            raise UserError("--input, --target and --group name columns of a data file; give it with --from")
        columns = _Columns("text", "label", None)
    elif input_column is None or target_column is None:
        raise UserError(
            f"--from {source} needs --input COLUMN and --target COLUMN, the columns of questions and of "
            "answers"
        )
    else:
        columns = _Columns(input_column, target_column, group_column)
        _check_columns(columns)
        # Every fault of the user's table is raised here, before anything is written.
        kind = answer_kind(_cells(source, columns.target, sheet), shape)
        _cut(source, columns, kind, sheet)
    written = folder / name
    with naming_what_is_written(written.parent):
        written.mkdir(parents=True)
    try:
        data = _write_data(written, source, sheet)
        targets = _cells(data, columns.target)
        kind = answer_kind(targets, shape)
        splits = _cut(data, columns, kind)
        (written / "task.py").write_text(_task_source(name, data.name, columns, kind), encoding="utf-8")
        task = load_task(name, find_plugins([folder], entry_points=False))
        (written / EXAMPLES).write_text(_examples(task, columns, splits.test), encoding="utf-8")
    except BaseException:
        shutil.rmtree(written)  # a half-written task would block the next attempt
        raise
    clusters = ["" if columns.group is None else row[columns.group] for row in splits.test]
    power = None if kind.shape == "quantity" else power_of(clusters)
    return NewTask(written, decision(kind, len(set(targets))), power)


def check_name(name: str, folder: Path) -> None:
    """Raises `UserError` for a name that cannot be a new task's in this tasks folder."""
    if not name.isidentifier() or name.startswith("_") or keyword.iskeyword(name):
        raise UserError(
            f"'{name}' cannot name a task: use letters, digits and underscores, and begin with a letter"
        )
    if hasattr(builtins, name):
        raise UserError(
            f"'{name}' cannot name a task: Python itself has something of that name; choose another"
        )
    if name in _GENERATED_NAMES:
        raise UserError(
            f"'{name}' cannot name a task: the generated file uses that name itself; choose another"
        )
    if (folder / name).exists():
        raise UserError(f"{folder / name} exists already; choose another name or remove it")
    plugins = find_plugins([folder] if folder.is_dir() else [])
    if name in plugins:
        raise UserError(f"task '{name}' exists already, in {plugins[name].source}; choose another name")


def _check_columns(columns: _Columns) -> None:
    if columns.input == columns.target:
        raise UserError(
            f"--input and --target are both '{columns.input}', so every prompt would hold its answer; "
            "name two"
        )
    if columns.group == columns.target:
        raise UserError(
            f"--group and --target are both '{columns.target}', so no answer that is tested would be in "
            "training; "
            "group by another column, an author or a document, say"
        )


def _cells(table: Path, column: str, sheet: str | None = None) -> list[str]:
    """A column from top to bottom; of rows without it, which `_cut` refuses, empty cells."""
    return [row.get(column) or "" for row in read_table(table, sheet=sheet)]


def _cut(table: Path, columns: _Columns, kind: AnswerKind, sheet: str | None = None) -> Splits:
    return table_splits(
        table,
        input_column=columns.input,
        target_column=columns.target,
        group=columns.group,
        sheet=sheet,
        empty_target=kind.empty_target,
    )


def _write_data(folder: Path, source: Path | None, sheet: str | None) -> Path:
    """The table beside `task.py`: as it is where that is a plain file, else its rows as JSONL, which anybody
    can read and compare."""
    if source is not None and source.is_file() and source.suffix.lower() in COPIED:
        return Path(shutil.copyfile(source, folder / f"data{source.suffix}"))
    if source is not None:
        path = folder / "data.jsonl"
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in read_table(source, sheet=sheet))
        path.write_text("".join(lines), encoding="utf-8")
        return path
    path = folder / "data.csv"
    path.write_text(
        "".join(f'"{text}",{label}\n' for text, label in (("text", "label"), *EXAMPLE_ROWS)), encoding="utf-8"
    )
    return path


# The files


def _task_source(name: str, file_name: str, columns: _Columns, kind: AnswerKind) -> str:
    is_choice = kind.output == "choice"
    names = sorted({"PromptSet", "Row", "Sample", "Splits", "Task", "table_splits", "task", *kind.imports})
    cell = f"row[{literal(columns.target)}]"
    target = f"{kind.read_by}({cell})" if kind.read_by else cell  # in the form that answers are put into
    cut = [f"input_column={literal(columns.input)}", f"target_column={literal(columns.target)}"]
    if columns.group is not None:
        cut.append(f"group={literal(columns.group)}")
    if kind.empty_target is not None:
        cut.append(f"empty_target={literal(kind.empty_target)}")
    sample_options = ", choices=CHOICES" if is_choice else ""
    if columns.group is not None:
        sample_options += f", cluster=row[{literal(columns.group)}]"
    lines = [
        '"""Say here what the task measures, where its data comes from and under which licence, and show one row."""',
        "",
        "from pathlib import Path",
        "",
        f"from harness import {', '.join(names)}",
        "",
        f'DATA = Path(__file__).parent / "{file_name}"',
        *kind.definitions,
        "",
        "",
        "@task",
        f"def {name}() -> Task:",
        "    return Task(",
        f'        name="{name}",',
        "        version=1,",
        f'        description="{kind.description}",',
        "        data=load,",
        "        to_sample=to_sample,",
        "        prompts=PromptSet(",
        "            # Say it in your own words: how far scores depend on the wording is worth knowing.",
        "            templates={",
        *(f"                {literal(key)}: {literal(wording)}," for key, wording in kind.templates.items()),
        "            },",
        "        ),",
        f'        output="{kind.output}",',
        f"        metrics={kind.made_metrics or _tuple(kind.metrics)},",
        f"        primary_metric={literal(kind.metrics[0])},",
        *(f"        {setting}," for setting in kind.settings),
        "    )",
        "",
        "",
        "def load() -> Splits:",
        '    """A tenth of the rows each for dev and test, the same ones every time."""',
        f"    return table_splits(DATA, {', '.join(cut)})",
        "",
        "",
        "def to_sample(row: Row, index: int) -> Sample:",
        f'    fields = {{"text": row[{literal(columns.input)}]}}',
        f"    return Sample(id=str(index), fields=fields, target={target}{sample_options})",
    ]
    return "\n".join(lines) + "\n"


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(map(literal, texts))})"


def _examples(task: Task, columns: _Columns, rows: Sequence[Row]) -> str:
    """The first test rows with a right and a wrong completion each, as the examples contract has them."""
    named = [name for name in (columns.input, columns.target, columns.group) if name is not None]
    lines = [
        example_line(task, index, {name: row[name] for name in named}) for index, row in enumerate(rows[:3])
    ]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def example_line(task: Task, index: int, row: Row) -> dict[str, object]:
    """A line of the examples file: a row with the scores of its right answer and of a wrong one."""
    sample = make_sample(task, row, index)
    prompt = render(task.prompts, sample, template=next(iter(task.prompts.templates)))
    wrong = next((choice for choice in sample.choices if choice not in sample.targets), "")
    scored = [metric for metric in metrics_of(task) if metric.score is not None]
    answers = []
    for completion in (sample.targets[0], wrong):
        reply = certain_reply(task, sample, completion)
        answers.append(
            {"completion": completion, "scores": {metric.name: score_of(metric, reply) for metric in scored}}
        )
    return {
        "row": row,
        "sample": {"id": sample.id, "target": sample.target},
        "prompt": prompt.question,
        "answers": answers,
    }
