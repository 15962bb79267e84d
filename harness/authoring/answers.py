"""Tell from a column of targets what kind of answer it asks for:
a label, several, a number, JSON or a text."""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, get_args

from harness.authoring.label_cells import LabelCells, find_label_cells
from harness.data.splits import MAX_FREQUENT_STRATA, MAX_STRATA, ROWS_PER_STRATUM
from harness.errors import UserError
from harness.metrics.answers import first_json, first_json_object, is_number, last_number
from harness.metrics.numbers import NumberRange
from harness.metrics.ordered_labels import OrderedLabels
from harness.task import Output
from harness.task.prompts import SLOTS
from harness.task.words import spaced, unspaced_share, words_of

MAX_CHOICES = MAX_FREQUENT_STRATA
"""More different targets than this are answers to be written, not labels to be chosen."""

FEW_CHOICES = MAX_STRATA
"""More labels than this must recur more often, and be no dates, codes or amounts."""

MAX_NUMBER_CHOICES = 10
"""More different numbers than this are results to be worked out, not ratings to be chosen."""

ROWS_PER_CHOICE = 3
"""Rows per label, on average, from which on few targets are labels: those recur, answers do not."""

ROWS_PER_MANY = ROWS_PER_STRATUM
"""Rows per label, on average, from which on many targets are labels."""

LONG_LABEL = 100
"""Characters of a target that is a text, not one of many labels."""

MAX_RARE = 0.2
"""Share of the labels that may occur only once, misspelt ones for instance."""

LISTED_LABELS = 200
"""The wordings list the labels if all of them take at most so many characters."""

LONG_ANSWER = 5
"""Targets that typically have so many words are judged by the words they share, not as a whole."""

FEWEST_ORDERED = 3
"""Labels that are called ordered: two have no middle."""

FEWEST_FRACTIONS = 3
"""Different decimals from which on large numbers with decimals are measured, and not amounts of half a
unit."""

TOLERANCES = 20
"""A new task's tolerance is the range of its targets divided by this, to one digit."""

BYTES_PER_TOKEN = 2
"""Fewer than most tokenizers reach in most scripts, so that no target is cut off."""


Shape = Literal["choice", "ordered", "labels", "number", "quantity", "json", "text"]
"""What an answer is: one label to be chosen, one of some in an order, several labels, a number that is right
or wrong, one that may be nearly right, JSON, or a text."""

SHAPES: tuple[Shape, ...] = get_args(Shape)


@dataclass(frozen=True)
class AnswerKind:
    """The kind of task that the targets make, and how it is written."""

    shape: Shape

    output: Output
    description: str
    metrics: tuple[str, ...]
    """The primary one first."""

    templates: dict[str, str]
    choices: tuple[str, ...] = ()
    """Sorted; empty for `generate`."""

    settings: tuple[str, ...] = ()
    """More fields of the task, as they are written."""

    imports: tuple[str, ...] = ()
    """Names of `harness` that its code needs besides those of every task."""

    definitions: tuple[str, ...] = ()
    """Lines before the task."""

    made_metrics: str = ""
    """The metrics as they are written, where names alone do not tell them."""

    read_by: str = ""
    """The function that puts a cell into the form of a target; empty: it is one as it stands."""

    empty_target: str | None = None
    """What an empty cell of the target's column stands for; None: a fault."""

    says: str = ""
    """What the user is told of it; empty: what `decision` says of all such targets."""


def answer_kind(targets: Sequence[str], shape: Shape | None = None) -> AnswerKind:
    """What the targets of a table, row by row, are, and so how they are asked for and judged.
    `shape`: as the user states it, which may be against the rules below. Raises `UserError`
    where the targets cannot be that."""
    if shape in (None, "labels"):
        cells = find_label_cells(targets, stated=shape == "labels")
        if cells is not None:
            return _label_set(cells)
    _refuse_misfits(targets, shape)
    # An empty cell, or a column that is missing, is refused where the rows are cut.
    targets = [target for target in targets if target] or [""]
    if shape == "json" or (shape is None and all(map(_is_json, targets))):
        return _json(targets)
    numbers = shape in ("number", "quantity") or (shape is None and all(map(is_number, targets)))
    if shape in ("choice", "ordered") or (shape is None and _are_labels(targets, numbers=numbers)):
        choices = tuple(sorted(set(targets)))
        run = _run_of_integers(choices)
        return _choice(choices) if shape == "choice" or run is None else _ordered(run)
    if shape == "quantity" or (shape is None and numbers and _are_measured(targets)):
        return _quantity(targets)
    return _written(targets, numbers=numbers)


def _refuse_misfits(targets: Sequence[str], shape: Shape | None) -> None:
    """Raises `UserError` for targets that are not of the shape that the user states."""
    if shape == "labels":
        raise UserError("--answers labels: no separator parts the labels without standing in one of them")
    if shape == "choice" and not 2 <= len(set(targets)) <= MAX_CHOICES:
        raise UserError(
            f"--answers choice: {len(set(targets)):,} different targets; a choice is among 2 to "
            f"{MAX_CHOICES:,}"
        )
    if shape == "ordered" and _run_of_integers(tuple(set(targets))) is None:
        raise UserError(
            "--answers ordered: the targets are no run of integers such as 1 to 5; take --answers choice, "
            "and give OrderedLabels the labels in their order in task.py"
        )
    has_shape = {"number": is_number, "quantity": is_number, "json": _is_json}.get(shape or "")
    if has_shape is None:
        return
    for number, target in enumerate(targets, 1):
        if target and not has_shape(target):
            raise UserError(f"--answers {shape}, row {number}: the target is {target[:40]!r}")


def _written(targets: Sequence[str], *, numbers: bool) -> AnswerKind:
    settings = [_max_tokens(targets)]
    if not any("\n" in target for target in targets):
        settings.append(r'stop=("\n",)')
    if numbers:
        return AnswerKind(
            "number",
            "generate",
            "Write the right number for a text.",
            ("numeric_match", "exact_match"),
            {
                "plain": "{text}",
                "instruction": (
                    "Work out the number that is asked for, and reply with nothing else.\n\n{text}"
                ),
                "question": "{text}\n\nWhich number is it?",
            },
            settings=tuple(settings),
        )
    by_words = _metric_of_words(targets)
    long = median(len(spaced(target).split()) for target in targets) >= LONG_ANSWER
    return AnswerKind(
        "text",
        "generate",
        "Write the right answer to a text.",
        (by_words, "exact_match") if long else ("exact_match", by_words),
        {
            "plain": "{text}",
            "instruction": "Read the input and write what belongs to it, and nothing else.\n\nInput: {text}",
            "question": "{text}\n\nWhat is the right reply to this?",
        },
        settings=tuple(settings),
    )


def decision(kind: AnswerKind, different: int) -> str:
    """A sentence for the user: what was made of so many different targets,
    with the metrics, primary first."""
    metrics = ", ".join(kind.metrics)
    if kind.says:
        alternative = {"ordered": "choice", "quantity": "number"}.get(kind.shape, "text or choice")
        return f"{different} different targets, {kind.says} ({metrics}); --answers {alternative} denies it"
    if kind.output == "choice":
        if _are_listed(kind.choices):
            return (
                f"{different} different targets: labels to be chosen ({metrics}); edit output to have them "
                "written"
            )
        return (
            f"{different} different targets: labels to be chosen ({metrics}), which the prompts do not list; "
            "edit templates to list them, or output to have them written"
        )
    if kind.shape == "json":
        form = "JSON objects" if kind.read_by == first_json_object.__name__ else "JSON"
        return (
            f"{different} different targets, all {form}: judged value by value, lists in any order "
            f"({metrics}); json_f1_ordered heeds their order"
        )
    if kind.shape == "number":
        return (
            f"{different} different targets, all numbers: to be worked out ({metrics}); edit output to "
            "choose among them"
        )
    return (
        f"{different} different targets: answers to be written ({metrics}); edit output to choose among them"
    )


def _metric_of_words(targets: Sequence[str]) -> str:
    """What tells how much of an answer is right: ROUGE compares words, chrF characters where a script parts
    none; short signs that are no words are compared whole."""
    if sum(map(unspaced_share, targets)) >= len(targets) / 2:
        return "chrf"
    return "rougeL" if all(map(words_of, targets)) else "token_f1"


def _json_value(text: str) -> object:
    """An object or a list; None for any other text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _is_json(text: str) -> bool:
    return _json_value(text) is not None


def _holds_list(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_list, value.values()))
    return isinstance(value, list)


def _json(targets: Sequence[str]) -> AnswerKind:
    values = [_json_value(target) for target in targets]
    only_objects = all(isinstance(value, dict) for value in values)
    noun, reader = ("JSON object", first_json_object) if only_objects else ("JSON", first_json)
    metrics = ("json_f1", "json_precision", "json_recall", "json_keys", "json_valid")
    return AnswerKind(
        "json",
        "generate",
        f"Write the right {noun} for a text.",
        # Lists may be right in any order, and then they are other texts.
        metrics if any(map(_holds_list, values)) else (*metrics, "exact_match"),
        {
            "plain": "{text}",
            "instruction": (
                f"Read the input and write the {noun} that belongs to it, and nothing else.\n\n"
                "Input: {text}"
            ),
            "question": f"{{text}}\n\nWhich {noun} says this?",
        },
        # Without a stop: what a prompted model writes over several lines is read, too.
        settings=(f"extract={reader.__name__}", _max_tokens([reader(target) for target in targets])),
        imports=(reader.__name__,),
        read_by=reader.__name__,
    )


def _max_tokens(targets: Sequence[str]) -> str:
    longest = max(len(target.encode()) for target in targets)
    return f"max_tokens={16 * math.ceil((longest / BYTES_PER_TOKEN + 1) / 16)}"


def _are_labels(targets: Sequence[str], *, numbers: bool) -> bool:
    """Whether the targets are few different ones for their number, nearly all of which recur."""
    counts = Counter(targets)
    limit = min(MAX_NUMBER_CHOICES if numbers else FEW_CHOICES, len(targets) // ROWS_PER_CHOICE)
    names = len(counts) - sum(map(_is_no_name, counts))
    if len(counts) > limit and not numbers and names > len(counts) / 2:
        limit = min(MAX_CHOICES, len(targets) // ROWS_PER_MANY)
    rare = sum(count == 1 for count in counts.values())
    return 2 <= len(counts) <= limit and rare <= MAX_RARE * len(counts)


def _is_no_name(target: str) -> bool:
    """Whether a target is a date, a code, an amount, or a text, which recur without being labels."""
    digits, letters = sum(map(str.isdigit, target)), sum(map(str.isalpha, target))
    return (digits > 0 and digits >= letters) or len(target) > LONG_LABEL


def _choice(choices: tuple[str, ...]) -> AnswerKind:
    listing, listed = _listing(choices), _are_listed(choices)
    wordings = {
        "plain": f"Choose one of: {listing}.\n{{text}}" if listed else "{text}",
        "instruction": "Read the text and reply with the label that fits it best"
        + (f": {listing}." if listed else ".")
        + "\n\nText: {text}",
        "question": "{text}\n\nWhich label would you give to this"
        + (f", out of these: {listing}?" if listed else "?"),
    }
    # A label that begins another would never be the less likely one. A full stop after it prevents that.
    if any(longer.startswith(label) for label, longer in itertools.permutations(choices, 2)):
        wordings = {name: f"{wording}\nAnswer: <mask>." for name, wording in wordings.items()}
    return AnswerKind(
        "choice",
        "choice",
        "Choose the right label for a text.",
        ("accuracy", "f1_macro"),
        wordings,
        choices,
        ("chance=1 / len(CHOICES)",),
        definitions=("CHOICES = (", *(f"    {literal(choice)}," for choice in choices), ")"),
    )


def _run_of_integers(choices: Sequence[str]) -> tuple[str, ...] | None:
    """The labels in order, if they are integers without a gap, such as stars from 1 to 5; else None."""
    if len(choices) < FEWEST_ORDERED or not all(re.fullmatch(r"-?\d{1,3}", choice) for choice in choices):
        return None
    ordered = sorted(choices, key=int)
    expected = range(int(ordered[0]), int(ordered[0]) + len(ordered))
    return tuple(ordered) if [int(choice) for choice in ordered] == list(expected) else None


def _ordered(choices: tuple[str, ...]) -> AnswerKind:
    """Labels that are chosen like any others, and whose misses have a size."""
    kind = _choice(choices)
    metrics = OrderedLabels(choices).metrics
    return replace(
        kind,
        shape="ordered",
        metrics=("accuracy", *(metric.name for metric in metrics), "f1_macro"),
        made_metrics='("accuracy", *OrderedLabels(CHOICES).metrics, "f1_macro")',
        imports=("OrderedLabels",),
        says=f"integers from {choices[0]} to {choices[-1]}: labels in an order, to be chosen",
    )


def _are_measured(targets: Sequence[str]) -> bool:
    """Whether numbers look measured or estimated: most have decimals, and these differ, or all are small."""
    fractions = [last_number(target).partition(".")[2] for target in targets]
    if 2 * sum(map(bool, fractions)) < len(targets):
        return False
    return (
        len(set(fractions)) >= FEWEST_FRACTIONS
        or max(abs(float(last_number(target))) for target in targets) <= 100
    )


def _quantity(targets: Sequence[str]) -> AnswerKind:
    """A number whose answers may be nearly right, on the scale of the targets."""
    numbers = sorted(float(last_number(target)) for target in targets)
    low, high = numbers[0], numbers[-1]
    if low == high:
        raise UserError(
            f"--answers quantity: all targets are {low:g}; without a difference no error has a size"
        )
    tolerance = float(f"{(high - low) / TOLERANCES:.1g}")
    metrics = NumberRange(low, high, tolerance=tolerance).metrics
    ends = f"{low:g} to {high:g}"
    settings = [_max_tokens(targets)]
    if not any("\n" in target for target in targets):
        settings.append(r'stop=("\n",)')
    return AnswerKind(
        "quantity",
        "generate",
        "Write the number that a text is given.",
        tuple(metric.name for metric in metrics),
        {
            "plain": f"Give a number, {ends}.\n{{text}}",
            "instruction": (
                f"Read the text and reply with the number it deserves, from {ends}, and nothing else.\n\n"
                "Text: {text}"
            ),
            "question": f"{{text}}\n\nWhich number would you give to this, from {ends}?",
        },
        settings=tuple(settings),
        imports=("NumberRange",),
        definitions=(
            "# The ends that targets may have: no error counts for more. Write those of the scale where you "
            "know them.",
            f"NUMBERS = NumberRange({low!r}, {high!r}, tolerance={tolerance!r})",
        ),
        made_metrics="NUMBERS.metrics",
        says=f"numbers from {ends}: judged by how far off an answer is",
    )


def _label_set(cells: LabelCells) -> AnswerKind:
    """Any number of labels: written in one order, and read in any."""
    labels = cells.labels
    mark = labels.separator.strip()
    listing = _listing(labels.labels, between=labels.separator if mark else ", ")
    listed, none = _are_listed((*labels.labels, labels.none)), _listing([labels.none])
    separated = f"separated by {mark!r}" if mark else "each on a line of its own"
    which = f": {listing}, or {none}" if listed else f", or {none}"
    longest = labels.separator.join(labels.labels)
    settings = ["extract=LABELS.extract", _max_tokens([longest, labels.none])]
    if mark:
        settings.append(r'stop=("\n",)')
    empty = f", {cells.empty:,} rows have none" if cells.empty else ""
    return AnswerKind(
        "labels",
        "generate",
        "Name all labels that fit a text.",
        tuple(metric.name for metric in labels.metrics),
        {
            "plain": f"Name all that fit{which}.\n{{text}}",
            "instruction": (
                f"Read the text and reply with every label that fits it, {separated}{which}.\n\n"
                "Text: {text}"
            ),
            "question": f"{{text}}\n\nWhich labels would you give to this{which}?",
        },
        settings=tuple(settings),
        imports=("LabelSet",),
        definitions=(
            "LABELS = LabelSet(",
            "    (",
            *(f"        {literal(label)}," for label in labels.labels),
            "    ),",
            f"    separator={literal(labels.separator)},",
            f"    none={literal(labels.none)},",
            ")",
        ),
        made_metrics="LABELS.metrics",
        read_by="LABELS.target",
        empty_target=labels.none,
        says=f"sets of {len(labels.labels)} labels: up to {cells.largest} a row{empty}, in any order",
    )


def literal(text: str) -> str:
    """A Python literal in double quotes: a JSON string is one as long as surrogate pairs stay unescaped."""
    return json.dumps(text, ensure_ascii=False)


def _listing(choices: Sequence[str], *, between: str = ", ") -> str:
    """The labels as a wording lists them."""
    return between.join(choices).replace("{", "{{").replace("}", "}}")


def _are_listed(choices: Sequence[str]) -> bool:
    """Whether wordings list the labels: all of them are short together, and none, such as `<mask>`, would be
    the place of the answer."""
    listing = _listing(choices)
    return len(listing) <= LISTED_LABELS and not any(slot in listing for slot in SLOTS)
