"""Write the files of a new task plugin: `gainboard new NAME [--from data.csv --input COL --target COL]`.

What is written passes `gainboard check` at once and is meant to be read and edited: it is the shortest complete task.
"""

import json
import keyword
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness.check import EXAMPLES
from harness.data import load_dataset, table_splits
from harness.errors import UserError
from harness.plugins import find_plugins, load_task
from harness.prompts import choose_template, render
from harness.task import Output, Row, Sample, Splits, Task

MAX_CHOICES = 10
"""More different targets than this are answers to be written, not labels to be chosen."""

_GENERATED_NAMES = frozenset(
    {"CHOICES", "DATA", "Path", "PromptSet", "Row", "Sample", "Splits", "Task", "load", "table_splits", "task", "to_sample"}
)

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
class _Table:
    """What the new task knows of its data file."""

    file_name: str
    input_column: str
    target_column: str
    output: Output
    choices: tuple[str, ...]
    """Sorted; empty for `generate`."""


def new_task(
    name: str,
    folder: Path,
    *,
    source: Path | None = None,
    input_column: str | None = None,
    target_column: str | None = None,
) -> Path:
    """Write the task `name` into the tasks folder `folder`, and return its own folder.

    With `source`, a CSV, TSV or JSONL file, its two columns become prompts and targets; without, a small table to edit
    is written. Raises `UserError` for a name that is taken or no identifier, and for faults of the table.
    """
    _check_name(name, folder)
    if source is None:
        if input_column is not None or target_column is not None:
            raise UserError("--input and --target name columns of a data file; give it with --from")
        input_column, target_column = "text", "label"
    elif input_column is None or target_column is None:
        raise UserError(f"--from {source} needs --input COLUMN and --target COLUMN, the columns of questions and of answers")
    else:
        # Every fault of the user's table comes out here, before anything is written.
        table_splits(source, input_column=input_column, target_column=target_column)
    written = folder / name
    written.mkdir(parents=True)
    try:
        data = _write_data(written, source)
        splits = table_splits(data, input_column=input_column, target_column=target_column)
        table = _describe(data.name, splits, input_column, target_column)
        (written / "task.py").write_text(_task_source(name, table), encoding="utf-8")
        task = load_task(name, find_plugins([folder], entry_points=False))
        (written / EXAMPLES).write_text(_examples(task), encoding="utf-8")
    except BaseException:
        shutil.rmtree(written)  # a half-written task would block the next attempt
        raise
    return written


def _check_name(name: str, folder: Path) -> None:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise UserError(f"'{name}' cannot name a task: use letters, digits and underscores, and begin with a letter")
    if name in _GENERATED_NAMES:
        raise UserError(f"'{name}' cannot name a task: the generated file uses that name itself; choose another")
    if (folder / name).exists():
        raise UserError(f"{folder / name} exists already; choose another name or remove it")
    plugins = find_plugins([folder] if folder.is_dir() else [])
    if name in plugins:
        raise UserError(f"task '{name}' exists already, in {plugins[name].source}; choose another name")


def _write_data(folder: Path, source: Path | None) -> Path:
    if source is not None:
        return Path(shutil.copyfile(source, folder / f"data{source.suffix}"))
    path = folder / "data.csv"
    path.write_text("".join(f'"{text}",{label}\n' for text, label in (("text", "label"), *EXAMPLE_ROWS)), encoding="utf-8")
    return path


def _describe(file_name: str, splits: Splits, input_column: str, target_column: str) -> _Table:
    rows: list[Row] = [*splits.train, *splits.dev, *splits.test]
    counts = Counter(row[target_column] for row in rows)
    few_labels = 2 <= len(counts) <= MAX_CHOICES and min(counts.values()) >= 2
    choices = tuple(sorted(counts)) if few_labels else ()
    return _Table(file_name, input_column, target_column, "choice" if choices else "generate", choices)


def _task_source(name: str, table: _Table) -> str:
    is_choice = table.output == "choice"
    input_column, target_column = _python(table.input_column), _python(table.target_column)
    lines = [
        '"""Say here what the task measures, where its data comes from, and show one row."""',
        "",
        "from pathlib import Path",
        "",
        "from harness import PromptSet, Row, Sample, Splits, Task, table_splits, task",
        "",
        f'DATA = Path(__file__).parent / "{table.file_name}"',
        *([f"CHOICES = {_python(table.choices)}"] if is_choice else []),
        "",
        "",
        "@task",
        f"def {name}() -> Task:",
        "    return Task(",
        f'        name="{name}",',
        "        version=1,",
        f'        description="{_description(table)}",',
        "        data=load,",
        "        to_sample=to_sample,",
        "        prompts=PromptSet(",
        "            # Add wordings: how far scores depend on them is worth knowing.",
        f"            templates={_templates(table)},",
        "        ),",
        f'        output="{table.output}",',
        '        metrics=("accuracy",),' if is_choice else '        metrics=("exact_match",),',
        '        primary_metric="accuracy",' if is_choice else '        primary_metric="exact_match",',
        *(["        chance=1 / len(CHOICES),"] if is_choice else []),
        "    )",
        "",
        "",
        "def load() -> Splits:",
        '    """A tenth of the rows each for dev and test, the same ones every time."""',
        f"    return table_splits(DATA, input_column={input_column}, target_column={target_column})",
        "",
        "",
        "def to_sample(row: Row, index: int) -> Sample:",
        f'    fields = {{"text": row[{input_column}]}}',
        f"    return Sample(id=str(index), fields=fields, target=row[{target_column}]"
        + (", choices=CHOICES)" if is_choice else ")"),
    ]
    return "\n".join(lines) + "\n"


def _description(table: _Table) -> str:
    return "Choose the right label for a text." if table.output == "choice" else "Write the right answer to a text."


def _templates(table: _Table) -> str:
    if table.output == "generate":
        return '{"plain": "{text}"}'
    labels = ", ".join(table.choices).replace("{", "{{").replace("}", "}}")
    wording = f"Choose one of: {labels}.\n{{text}}"
    return f'{{"plain": {_python(wording)}}}'


def _python(value: str | tuple[str, ...]) -> str:
    """A literal in double quotes. JSON's strings are valid in Python, surrogate pairs aside, which are not escaped."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return "(" + ", ".join(_python(part) for part in value) + ")"


def _examples(task: Task) -> str:
    """The first test samples with a right and a wrong completion each, as the examples contract has them."""
    return "".join(json.dumps(_example(task, sample), ensure_ascii=False) + "\n" for sample in load_dataset(task).test[:3])


def _example(task: Task, sample: Sample) -> dict[str, object]:
    messages = render(task.prompts, sample, template=choose_template(task.prompts, None, where=task.name))
    wrong = next((choice for choice in sample.choices if choice != sample.targets[0]), "")
    return {
        "sample": {"id": sample.id, "target": sample.target},
        "prompt": messages[-1]["content"],
        "answers": [
            {"completion": sample.targets[0], "scores": {task.primary_metric: 1.0}},
            {"completion": wrong, "scores": {task.primary_metric: 0.0}},
        ],
    }
