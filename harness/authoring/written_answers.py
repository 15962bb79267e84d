"""Answers that are written: a text, a number, a date, or JSON."""

import json
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from harness.authoring.answer_shapes import AnswerKind, length_settings, literal, max_tokens
from harness.authoring.date_cells import DateCells
from harness.authoring.number_cells import NumberCells
from harness.errors import UserError
from harness.metrics.answers import first_json, first_json_object
from harness.metrics.number_format import PLAIN_NUMBERS, NumberFormat
from harness.metrics.numbers import NumberRange
from harness.metrics.overlap import MOST_DROPPED, dropped_by_rouge
from harness.task.words import spaced, unspaced_share, words_of

LONG_ANSWER = 5
"""Targets that typically have so many words are judged by the words they share, not as a whole."""

FEWEST_FRACTIONS = 3
"""Different decimals from which on large numbers with decimals are measured, and not amounts of half a
unit."""

TOLERANCES = 20
"""A new task's tolerance is the range of its targets divided by this, to one digit."""


def text_answer(targets: Sequence[str]) -> AnswerKind:
    """A text, judged as a whole or, if it is long, by what it shares with the target."""
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
        settings=length_settings(targets),
    )


def _metric_of_words(targets: Sequence[str]) -> str:
    """What tells how much of an answer is right: ROUGE compares words, chrF characters where a script parts
    none; short signs that are no words are compared whole, and so are words
    of which ROUGE drops many letters."""
    if sum(map(unspaced_share, targets)) >= len(targets) / 2:
        return "chrf"
    reads_words = all(map(words_of, targets)) and dropped_by_rouge(targets) <= MOST_DROPPED
    return "rougeL" if reads_words else "token_f1"


def json_value(text: str) -> object:
    """An object or a list; None for any other text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def is_json(text: str) -> bool:
    """Whether a text is a JSON object or list, and nothing else."""
    return json_value(text) is not None


def _holds_list(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_list, value.values()))
    return isinstance(value, list)


def json_answer(targets: Sequence[str]) -> AnswerKind:
    """JSON, judged value by value."""
    values = [json_value(target) for target in targets]
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
        # Without a stop: what a prompted model writes over several lines is read, too. A vocabulary may have
        # no more than a character of JSON in a token.
        settings=(
            f"extract={reader.__name__}",
            max_tokens([reader(target) for target in targets], bytes_per_token=1),
        ),
        imports=(reader.__name__,),
        read_by=reader.__name__,
    )


def are_measured(cells: NumberCells) -> bool:
    """Whether numbers look measured or estimated: most have decimals, and these differ, or all are small."""
    fractions = [number.partition(".")[2] for number in cells.numbers]
    if 2 * sum(map(bool, fractions)) < len(fractions):
        return False
    return (
        len(set(fractions)) >= FEWEST_FRACTIONS or max(abs(float(number)) for number in cells.numbers) <= 100
    )


def number_answer(targets: Sequence[str], cells: NumberCells) -> AnswerKind:
    """A number that is right or wrong."""
    written, how = cells.written, _how(cells)
    unit = f" in {written.unit}" if written.unit else ""
    kind = AnswerKind(
        "number",
        "generate",
        "Write the right number for a text.",
        ("numeric_match", "exact_match"),
        {
            "plain": "{text}",
            "instruction": (
                f"Work out the number that is asked for{unit}, and reply with nothing else.\n\n{{text}}"
            ),
            "question": f"{{text}}\n\nWhich number is it{unit}?",
        },
        settings=length_settings(targets),
    )
    if written == PLAIN_NUMBERS:
        return replace(kind, says=f"all numbers{how}: to be worked out") if cells.unsure else kind
    return replace(
        kind,
        metrics=(*(metric.name for metric in written.metrics), "exact_match"),
        imports=("NumberFormat",),
        definitions=(f"NUMBERS = {_format_source(written)}",),
        made_metrics='(*NUMBERS.metrics, "exact_match")',
        says=f"all numbers{how}: to be worked out",
    )


def quantity_answer(targets: Sequence[str], cells: NumberCells) -> AnswerKind:
    """A number whose answers may be nearly right, on the scale of the targets."""
    numbers, written = sorted(map(float, cells.numbers)), cells.written
    low, high = numbers[0], numbers[-1]
    if low == high:
        raise UserError(
            f"--answers quantity: all targets are {low:g}; without a difference no error has a size"
        )
    tolerance = float(f"{(high - low) / TOLERANCES:.1g}")
    number_range = NumberRange(low, high, tolerance=tolerance, written=written)
    ends = f"{written.write(low)} to {written.write(high)}"
    unit = f" in {written.unit}" if written.unit else ""
    is_plain = written == PLAIN_NUMBERS
    return AnswerKind(
        "quantity",
        "generate",
        "Write the number that a text is given.",
        tuple(metric.name for metric in number_range.metrics),
        {
            "plain": f"Give a number{unit}, {ends}.\n{{text}}",
            "instruction": (
                f"Read the text and reply with the number it deserves{unit}, from {ends}, and nothing else."
                "\n\nText: {text}"
            ),
            "question": f"{{text}}\n\nWhich number{unit} would you give to this, from {ends}?",
        },
        settings=length_settings(targets),
        imports=("NumberRange",) if is_plain else ("NumberFormat", "NumberRange"),
        definitions=(
            "# The ends that targets may have: no error counts for more. Write those of the scale where you "
            "know them.",
            f"NUMBERS = NumberRange({low!r}, {high!r}, tolerance={tolerance!r}"
            + (")" if is_plain else f", written={_format_source(written)})"),
        ),
        made_metrics="NUMBERS.metrics",
        says=f"numbers from {ends}{_how(cells)}: judged by how far off an answer is",
    )


def _how(cells: NumberCells) -> str:
    written = cells.written
    unit = f" in {written.unit}" if written.unit else ""
    marks = " with decimal commas" if written.decimal == "," else ""
    unsure = (
        f" ({cells.unsure!r} is read as {written.read(cells.unsure)}, which no target tells)"
        if cells.unsure
        else ""
    )
    return unit + marks + unsure


def _format_source(written: NumberFormat) -> str:
    pairs = (("decimal", written.decimal, "."), ("unit", written.unit, ""))
    arguments = [f"{name}={literal(text)}" for name, text, usual in pairs if text != usual]
    return f"NumberFormat({', '.join(arguments)})"


def date_answer(targets: Sequence[str], cells: DateCells) -> AnswerKind:
    """A date, which may be written in any way."""
    order, pattern = cells.written.order, cells.pattern
    short_years = ", short_years=True" if cells.written.short_years else ""
    as_written, ask = (f", written as {pattern}", f" Write it as {pattern}.") if pattern else ("", "")
    unsure = f"day and month in the order {order}, which no target tells" if cells.is_ambiguous else ""
    return AnswerKind(
        "date",
        "generate",
        "Write the right date for a text.",
        (*(metric.name for metric in cells.written.metrics), "exact_match"),
        {
            "plain": "{text}",
            "instruction": (
                f"Work out the date that is asked for{as_written}, and reply with nothing else.\n\n{{text}}"
            ),
            "question": f"{{text}}\n\nWhich date is it?{ask}",
        },
        settings=length_settings(targets),
        imports=("DateFormat",),
        definitions=(f"DATES = DateFormat({literal(order)}{short_years})",),
        made_metrics='(*DATES.metrics, "exact_match")',
        says="all dates" + (f" ({unsure})" if unsure else "") + ": right however an answer writes them",
    )
