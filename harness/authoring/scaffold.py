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

from harness.authoring.answer_shapes import Shape
from harness.authoring.answers import answer_kind, decision
from harness.authoring.examples import EXAMPLES, certain_reply, score_of
from harness.authoring.given_tables import Columns, read_given, remarks_on
from harness.authoring.own_templates import own_templates
from harness.authoring.task_source import NAMES, field_names, task_source
from harness.data.dataset import make_sample
from harness.data.tables import read_table
from harness.errors import UserError, naming_what_is_written
from harness.plan.power import Power, power_of
from harness.plugins.registry import find_plugins, load_task
from harness.score.judging import metrics_of
from harness.task import Row, Task
from harness.task.prompts import render


@dataclass(frozen=True)
class NewTask:
    """A task that was written."""

    folder: Path
    decision: str
    """A sentence for the user: what was made of the targets and why, with the metrics, primary first."""

    power: Power | None
    """What the test split can show; None where the primary metric is no share."""

    remarks: tuple[str, ...] = ()
    """More sentences for the user: the sizes of the splits, what they share, which cells were read in another
    form."""

    cleaned: tuple[str, ...] = ()
    """A line for each cell that was read in another form."""


def new_task(
    name: str,
    folder: Path,
    *,
    source: Path | str | None = None,
    dev: Path | None = None,
    test: Path | None = None,
    input_column: str | Sequence[str] | None = None,
    target_column: str | None = None,
    group_column: str | None = None,
    sheet: str | None = None,
    shape: Shape | None = None,
    templates: Sequence[str] = (),
) -> NewTask:
    """Write the task `name` into a folder of its own in the tasks folder `folder`.

    With `source`, a table that `read_table` knows (a `sheet` of a workbook) or `hub:org/name@revision`, some
    of its columns become prompts and one the targets, and rows of the same `group_column` stay in one split;
    `dev` and `test` are tables of their own, else cut from it. Without a source, a small table to edit is
    written. `shape`: what the answers are, where the targets do not tell. `templates`: wordings that name
    input columns in braces. Raises `UserError` for a name that is taken or no identifier, for columns that
    cannot be those of a task, and for faults of the tables.
    """
    check_name(name, folder)
    named = input_column, target_column, group_column, dev, test, *templates
    if source is None and any(each is not None for each in named):
        raise UserError(
            "--input, --target, --group, --dev, --test and --template belong to a data file; give it with "
            "--from or --train"
        )
    columns = _columns(source, input_column, target_column, group_column, sheet=sheet)
    wordings = own_templates(templates, field_names(columns.inputs))
    # Every fault of the user's tables is raised here, before anything is written.
    given_tables = read_given(source, dev=dev, test=test, sheet=sheet)
    targets = given_tables.targets(columns.target)
    kind = answer_kind(targets, shape, place_of=given_tables.place_of)
    splits = given_tables.cut(columns, kind.empty_target)
    written = folder / name
    with naming_what_is_written(written.parent):
        written.mkdir(parents=True)
    try:
        files = given_tables.write(written)
        code = task_source(name, files, given_tables.shares, columns, kind, templates=wordings)
        (written / "task.py").write_text(code, encoding="utf-8")
        task = load_task(name, find_plugins([folder], entry_points=False))
        (written / EXAMPLES).write_text(_examples(task, columns, splits.test), encoding="utf-8")
    except BaseException:
        shutil.rmtree(written)  # a half-written task would block the next attempt
        raise
    clusters = ["" if columns.group is None else row[columns.group] for row in splits.test]
    power = None if kind.shape == "quantity" else power_of(clusters)
    return NewTask(
        written,
        decision(kind, len(set(targets))),
        power,
        (*kind.remarks, *remarks_on(splits, columns, given_tables)),
        tuple(f"{table}, {change.line}" for table, change in given_tables.changes(columns)),
    )


def _columns(
    source: Path | str | None,
    input_column: str | Sequence[str] | None,
    target_column: str | None,
    group_column: str | None,
    *,
    sheet: str | None,
) -> Columns:
    """The columns that were named; those of the small table where there is no source."""
    if source is None:
        return Columns(("text",), "label", None)
    if not input_column or target_column is None:
        raise UserError(
            f"{source} needs --input COLUMN and --target COLUMN, the columns of questions and of "
            f"answers{_columns_of(source, sheet)}"
        )
    inputs = (input_column,) if isinstance(input_column, str) else tuple(input_column)
    columns = Columns(inputs, target_column, group_column)
    columns.check()
    return columns


def _columns_of(source: Path | str, sheet: str | None) -> str:
    """Which columns a file has, as the end of a sentence; a hub's data set is not fetched for that. Raises
    `UserError` for a file that cannot be read."""
    rows = read_table(source, sheet=sheet) if isinstance(source, Path) else []
    return f". There are {', '.join(rows[0])}" if rows else ""


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
    if name in NAMES:
        raise UserError(
            f"'{name}' cannot name a task: the generated file uses that name itself; choose another"
        )
    if (folder / name).exists():
        raise UserError(f"{folder / name} exists already; choose another name or remove it")
    plugins = find_plugins([folder] if folder.is_dir() else [])
    if name in plugins:
        raise UserError(f"task '{name}' exists already, in {plugins[name].source}; choose another name")


def _examples(task: Task, columns: Columns, rows: Sequence[Row]) -> str:
    """The first test rows with a right and a wrong completion each, as the examples contract has them."""
    lines = [
        example_line(task, index, {name: row[name] for name in columns.named})
        for index, row in enumerate(rows[:3])
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
