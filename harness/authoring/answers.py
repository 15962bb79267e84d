"""Tell from a column of targets what kind of answer it asks for:
a label, several, a number, a date, JSON or a text."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from harness.authoring.answer_shapes import AnswerKind, Shape
from harness.authoring.date_cells import find_date_cells, is_date, is_time
from harness.authoring.label_answers import (
    MAX_CHOICES,
    are_labels,
    are_listed,
    chosen_label,
    label_set,
    ordered_label,
    run_of_integers,
)
from harness.authoring.label_cells import find_label_cells
from harness.authoring.number_cells import (
    NumberCells,
    are_amounts,
    find_number_cells,
    number_cell,
    number_fault,
)
from harness.authoring.written_answers import (
    are_measured,
    date_answer,
    is_json,
    json_answer,
    number_answer,
    quantity_answer,
    text_answer,
)
from harness.errors import UserError
from harness.metrics.answers import first_json_object

NEARLY_ALL = 0.8
"""Share of the targets that have a form from which on the others look like mistakes."""

TOLD = 3
"""Targets without it that are named; the others are counted."""

PlaceOf = Callable[[int], str]
"""Where a target stands, by its index: `row 3`."""


def row_of(index: int) -> str:
    """As a single table counts its rows."""
    return f"row {index + 1}"


def answer_kind(
    targets: Sequence[str], shape: Shape | None = None, *, place_of: PlaceOf = row_of
) -> AnswerKind:
    """What the targets of a table, row by row, are, and so how they are asked for and judged.

    `shape`: as the user states it, which may be against the rules below. `place_of`: how messages name a
    target. Raises `UserError` where the targets cannot be that.
    """
    if shape in (None, "labels"):
        cells = find_label_cells(targets, stated=shape == "labels")
        if cells is not None:
            return label_set(cells)
        if shape == "labels":
            raise UserError("--answers labels: no separator parts the labels without standing in one of them")
    # An empty cell, or a column that is missing, is refused where the rows are cut.
    filled = [target for target in targets if target] or [""]
    if shape is None:
        return _told(targets, filled, place_of)
    _refuse_misfits(targets, shape, place_of)
    return _stated(filled, shape)


def _told(targets: Sequence[str], filled: Sequence[str], place_of: PlaceOf) -> AnswerKind:
    """As the targets themselves tell it."""
    if all(map(is_json, filled)):
        return json_answer(filled)
    numbers = find_number_cells(filled)
    if are_labels(filled, numbers=numbers is not None):
        return replace(_label(filled), remarks=(*_once(targets, place_of), *_in_other_case(filled)))
    if numbers is not None:
        return quantity_answer(filled, numbers) if are_measured(numbers) else number_answer(filled, numbers)
    dates = find_date_cells(filled)
    if dates is not None:
        return date_answer(filled, dates)
    return replace(text_answer(filled), remarks=(*_alike(filled), *_nearly(targets, filled, place_of)))


def _stated(filled: Sequence[str], shape: Shape) -> AnswerKind:
    """As the user says, of targets that can be that."""
    if shape == "json":
        return json_answer(filled)
    if shape == "date":
        dates = find_date_cells(filled)
        assert dates is not None, "others are refused"
        return date_answer(filled, dates)
    if shape in ("number", "quantity"):
        numbers = _number_cells(filled, shape)
        return number_answer(filled, numbers) if shape == "number" else quantity_answer(filled, numbers)
    if shape == "ordered":
        return _label(filled)
    return chosen_label(tuple(sorted(set(filled)))) if shape == "choice" else text_answer(filled)


def _label(targets: Sequence[str]) -> AnswerKind:
    choices = tuple(sorted(set(targets)))
    run = run_of_integers(choices)
    return chosen_label(choices) if run is None else ordered_label(run)


def _number_cells(filled: Sequence[str], shape: Shape) -> NumberCells:
    cells = find_number_cells(filled)
    if cells is None:
        reason = number_fault(filled) or "they have too many different units"
        raise UserError(f"--answers {shape}: {reason}")
    return cells


def _once(targets: Sequence[str], place_of: PlaceOf) -> tuple[str, ...]:
    """Labels that may be misspelt, or too few to be learnt."""
    counts = Counter(targets)
    rare = [index for index, target in enumerate(targets) if target and counts[target] == 1]
    if not rare:
        return ()
    stand = "stands in one row only" if len(rare) == 1 else "stand in one row each"
    return (
        f"{len(rare):,} of {len(counts) - ('' in counts):,} labels {stand}: "
        f"{_listed(targets, rare, place_of)}; correct or remove what is misspelt",
    )


def _in_other_case(targets: Sequence[str]) -> tuple[str, ...]:
    """Labels that people may have meant as one."""
    spellings: dict[str, list[str]] = {}
    for target in sorted(set(targets)):
        spellings.setdefault(target.casefold(), []).append(target)
    alike = [labels for labels in spellings.values() if len(labels) > 1]
    if not alike:
        return ()
    named = ", ".join(" and ".join(f"{label[:40]!r}" for label in labels) for labels in alike[:TOLD])
    more = f" and {len(alike) - TOLD:,} more" if len(alike) > TOLD else ""
    return (
        f"labels that differ in upper and lower case alone count as different: {named}{more}; write each "
        "label in one way if that is not meant",
    )


def _alike(targets: Sequence[str]) -> tuple[str, ...]:
    if len(targets) == 1 or len(set(targets)) > 1:
        return ()
    return (
        f"all {len(targets):,} targets are {targets[0][:40]!r}, so there is nothing to learn; "
        "name another column",
    )


class _Form(NamedTuple):
    """A form that targets have."""

    holds: Callable[[str], bool]
    """Whether one target has it."""

    name: str
    remedy: str
    """Why to have all targets in it."""

    is_meant: Callable[[Sequence[str]], bool] = lambda _: True
    """Whether targets that all have it are of that kind, and not texts that happen to look so."""


_JSON = _Form(is_json, "JSON objects or lists", "correct them, for JSON is judged value by value")
_NUMBERS = _Form(
    lambda target: number_cell(target) is not None,
    "numbers",
    "correct or remove them to have numbers judged by their value",
    is_meant=are_amounts,
)
_DATES = _Form(is_date, "dates", "correct or remove them to have dates judged however they are written")


def _nearly(targets: Sequence[str], filled: Sequence[str], place_of: PlaceOf) -> tuple[str, ...]:
    """Why texts are judged as such that nearly all have another form, or all of them, in different ways."""
    if fault := number_fault(filled):
        return (f"the targets are judged as texts, for {fault}",)
    if all(map(is_date, filled)):
        return (
            "the targets are judged as texts, for day and month change places in these dates; write all in "
            "one order",
        )
    timed = sum(map(is_time, filled))
    if timed and all(is_time(target) or is_date(target) for target in filled):
        return (
            f"{timed:,} of {len(filled):,} targets have a time of day beside their date, and all are judged "
            "as texts, letter by letter; leave the time out to have the days judged however they are written",
        )
    for form in (_JSON, _NUMBERS, _DATES):
        most = int((1 - NEARLY_ALL) * len(filled))
        misfits = (index for index, target in enumerate(targets) if target and not form.holds(target))
        others = list(islice(misfits, most + 1))  # one more is enough to know that they are no mistakes
        if 0 < len(others) <= most and form.is_meant(list(filter(form.holds, filled))):
            return (
                f"{len(filled) - len(others):,} of {len(filled):,} targets are {form.name} and all are "
                f"judged as texts, for {_listed(targets, others, place_of)}; {form.remedy}",
            )
    return ()


def _listed(targets: Sequence[str], indices: Sequence[int], place_of: PlaceOf) -> str:
    """`row 3 has 'none', row 7 has 'n/a' and 4 more`."""
    named = ", ".join(f"{place_of(index)} has {targets[index][:40]!r}" for index in indices[:TOLD])
    return named + (f" and {len(indices) - TOLD:,} more" if len(indices) > TOLD else "")


def _refuse_misfits(targets: Sequence[str], shape: Shape, place_of: PlaceOf) -> None:
    """Raises `UserError` for targets that are not of the shape that the user states."""
    different = set(targets)
    if shape == "choice" and not 2 <= len(different) <= MAX_CHOICES:
        raise UserError(
            f"--answers choice: {len(different):,} different targets; a choice is among 2 to {MAX_CHOICES:,}"
        )
    if shape == "ordered" and run_of_integers(tuple(different)) is None:
        raise UserError(
            "--answers ordered: the targets are no run of integers such as 1 to 5; take --answers choice, "
            "and give OrderedLabels the labels in their order in task.py"
        )
    forms = {"number": _NUMBERS, "quantity": _NUMBERS, "json": _JSON, "date": _DATES}
    if shape not in forms:
        return
    form = forms[shape]
    others = [index for index, target in enumerate(targets) if target and not form.holds(target)]
    if others:
        raise UserError(
            f"--answers {shape}: {len(others):,} of {len(targets):,} targets are no {form.name}: "
            f"{_listed(targets, others, place_of)}"
        )
    if shape == "date" and find_date_cells([target for target in targets if target]) is None:
        raise UserError("--answers date: day and month change places in these dates; write all in one order")


def decision(kind: AnswerKind, different: int) -> str:
    """A sentence for the user: what was made of so many different targets,
    with the metrics, primary first."""
    metrics = ", ".join(kind.metrics)
    number = f"{different:,} different targets" if different != 1 else "a single target"
    if kind.says:
        denials = {
            "ordered": "choice",
            "quantity": "number or text",
            "number": "quantity or text",
            "date": "text",
        }
        denial = denials.get(kind.shape, "text or choice")
        return f"{number}, {kind.says} ({metrics}); --answers {denial} denies it"
    if kind.output == "choice":
        if are_listed(kind.choices):
            return f"{number}: labels to be chosen ({metrics}); edit output to have them written"
        return (
            f"{number}: labels to be chosen ({metrics}), which the prompts do not list; "
            "edit templates to list them, or output to have them written"
        )
    if kind.shape == "json":
        form = "JSON objects" if kind.read_by == first_json_object.__name__ else "JSON"
        return (
            f"{number}, all {form}: judged value by value, lists in any order "
            f"({metrics}); json_f1_ordered heeds their order"
        )
    if kind.shape == "number":
        return (
            f"{number}, all numbers: to be worked out ({metrics}); --answers quantity "
            "judges by how far off they are, choice has them chosen"
        )
    return f"{number}: answers to be written ({metrics}); edit output to choose among them"
