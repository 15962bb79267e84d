"""The code of a new task: the shortest complete one, meant to be read and edited."""

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence

from harness.authoring.answer_shapes import AnswerKind, literal
from harness.authoring.given_tables import LEAST_SHARE, Columns

NAMES = frozenset(
    {
        "CHOICES", "DATA", "DATES", "DEV", "DateFormat", "LABELS", "LabelSet",
        "NUMBERS", "NumberFormat", "NumberRange", "OrderedLabels", "Path",
        "PromptSet", "Row", "Sample", "Splits", "TEST", "Task", "chat_sample", "chat_splits", "first_json",
        "first_json_object", "load", "table_splits", "task", "to_sample",
    }
)  # fmt: skip
"""What the code may call by name, and so no task can be called."""

CONSTANTS = {"train": "DATA", "dev": "DEV", "test": "TEST"}
"""Split → what the code calls its file."""


def task_source(
    name: str,
    files: Mapping[str, str],
    shares: Mapping[str, float],
    columns: Columns,
    kind: AnswerKind,
    *,
    templates: Mapping[str, str] | None = None,
) -> str:
    """The text of `task.py`. `files`: names of the tables beside it by split; `shares`: what is cut for the
    others; `templates`: the user's own, in place of those of the kind."""
    fields = field_names(columns.inputs)
    cell = f"row[{literal(columns.target)}]"
    target = f"{kind.read_by}({cell})" if kind.read_by else cell  # in the form that answers are put into
    sample_options = ", choices=CHOICES" if kind.output == "choice" else ""
    if columns.group is not None:
        sample_options += f", cluster=row[{literal(columns.group)}]"
    templates = templates or {key: _worded(wording, fields) for key, wording in kind.templates.items()}
    filled = ", ".join(f'"{field}": row[{literal(column)}]' for column, field in fields.items())
    return source_of(
        name,
        kind,
        imports=("table_splits",),
        constants=[f'{CONSTANTS[split]} = Path(__file__).parent / "{file}"' for split, file in files.items()],
        prompts=[
            "# Say it in your own words: how far scores depend on the wording is worth knowing.",
            "templates={",
            *(f"    {literal(key)}: {literal(wording)}," for key, wording in templates.items()),
            "},",
        ],
        load=[
            f'"""{what_is_cut(shares, parts="rows", given="table")}"""',
            f"return table_splits(DATA, {', '.join(_cut(files, shares, columns, kind))})",
        ],
        to_sample=[
            f"fields = {{{filled}}}",
            f"return Sample(id=str(index), fields=fields, target={target}{sample_options})",
        ],
    )


def source_of(
    name: str,
    kind: AnswerKind,
    *,
    imports: Iterable[str],
    constants: Iterable[str],
    prompts: Iterable[str],
    load: Iterable[str],
    to_sample: Iterable[str],
) -> str:
    """The text of any new `task.py`. `imports`: of harness, besides what all take; the others are lines:
    `constants` of the module, `prompts` inside `PromptSet(…)`, and the bodies of the two functions."""
    names = sorted({"PromptSet", "Row", "Sample", "Splits", "Task", "task", *imports, *kind.imports})
    lines = [
        '"""Say here what the task measures, where its data comes from and under which licence, and show one '
        'row."""',
        "",
        "from pathlib import Path",
        "",
        f"from harness import {', '.join(names)}",
        "",
        *constants,
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
        *(f"            {line}" for line in prompts),
        "        ),",
        f'        output="{kind.output}",',
        f"        metrics={kind.made_metrics or _tuple(kind.metrics)},",
        f"        primary_metric={literal(kind.metrics[0])},",
        *(f"        {setting}," for setting in kind.settings),
        "    )",
        "",
        "",
        "def load() -> Splits:",
        *(f"    {line}" for line in load),
        "",
        "",
        "def to_sample(row: Row, index: int) -> Sample:",
        *(f"    {line}" for line in to_sample),
    ]
    return "\n".join(lines) + "\n"


def field_names(inputs: Sequence[str]) -> dict[str, str]:
    """Column → the field that templates name: `text` for a single one, else its own name as an identifier."""
    if len(inputs) == 1:
        return {inputs[0]: "text"}
    fields: dict[str, str] = {}
    for place, column in enumerate(inputs, 1):
        field = re.sub(r"\W+", "_", column).strip("_").lower()
        usable = field.isidentifier() and not keyword.iskeyword(field) and field not in fields.values()
        fields[column] = field if usable else f"input_{place}"
    return fields


def _worded(wording: str, fields: Mapping[str, str]) -> str:
    """A wording of `{text}` with each field on a line of its own, after its column's name."""
    if len(fields) == 1:
        return wording
    field_lines = "\n".join(
        f"{column.replace('{', '{{').replace('}', '}}')}: {{{field}}}" for column, field in fields.items()
    )
    return re.sub(r"(?:(?:Text|Input): )?\{text\}", lambda _: field_lines, wording)


def _cut(
    files: Mapping[str, str], shares: Mapping[str, float], columns: Columns, kind: AnswerKind
) -> list[str]:
    """The arguments of `table_splits` after the table."""
    several = len(columns.inputs) > 1
    inputs = _tuple(columns.inputs) if several else literal(columns.inputs[0])
    arguments = [f"input_column={inputs}", f"target_column={literal(columns.target)}"]
    if columns.group is not None:
        arguments.append(f"group={literal(columns.group)}")
    arguments += split_arguments(files, shares)
    if kind.empty_target is not None:
        arguments.append(f"empty_target={literal(kind.empty_target)}")
    return arguments


def what_is_cut(shares: Mapping[str, float], *, parts: str, given: str) -> str:
    """The sentence on `load`. `parts`: what is cut, `rows`; `given`:
    what there is for each split where nothing is."""
    if not shares:
        return f"A {given} for each split."
    listing = " and ".join(f"{100 * share:.0f} % for {split}" for split, share in shares.items())
    return f"Cut {listing} from the {parts} of DATA, the same ones every time."


def split_arguments(files: Mapping[str, str], shares: Mapping[str, float]) -> list[str]:
    """Where dev and test come from: shares other than a tenth, and files by split."""
    cut = [f"{split}={share}" for split, share in shares.items() if share != LEAST_SHARE]
    return cut + [f"{split}={CONSTANTS[split]}" for split in files if split != "train"]


def _tuple(texts: Sequence[str]) -> str:
    return f"({', '.join(map(literal, texts))})"
