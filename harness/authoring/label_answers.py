"""Labels as answers: one that is chosen, one of some in an order, or several."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from harness.authoring.answer_shapes import AnswerKind, literal, max_tokens
from harness.authoring.label_cells import LabelCells
from harness.authoring.number_cells import find_number_cells
from harness.data.splits import MAX_FREQUENT_STRATA, MAX_STRATA, ROWS_PER_STRATUM
from harness.metrics.ordered_labels import OrderedLabels
from harness.task.prompts import SLOTS

MAX_CHOICES = MAX_FREQUENT_STRATA
"""More different targets than this are answers to be written, not labels to be chosen."""

FEW_CHOICES = MAX_STRATA
"""More labels than this must recur more often, and be no dates, codes or amounts."""

MAX_NUMBER_CHOICES = 11
"""More different numbers than this are results to be worked out, not ratings to be chosen: those go from 0 to
10 at most."""

ROWS_PER_CHOICE = 3
"""Rows per label, on average, from which on few targets are labels: those recur, answers do not."""

ROWS_PER_MANY = ROWS_PER_STRATUM
"""Rows per label, on average, from which on many targets are labels."""

LONG_LABEL = 100
"""Characters of a target that is a text, not one of many labels."""

MAX_RARE = 0.2
"""Share of the labels that may occur only once, misspelt ones for instance."""

MAX_RARE_ROWS = 0.02
"""Share of the rows that may have such a label: of three labels one may be a misspelt one."""

LISTED_LABELS = 200
"""The wordings list the labels if all of them take at most so many characters."""

FEWEST_ORDERED = 3
"""Labels that are called ordered: two have no middle."""


def are_labels(targets: Sequence[str], *, numbers: bool) -> bool:
    """Whether the targets are few different ones for their number, nearly all of which recur."""
    counts = Counter(targets)
    limit = min(MAX_NUMBER_CHOICES if numbers else FEW_CHOICES, len(targets) // ROWS_PER_CHOICE)
    names = len(counts) - sum(map(_is_no_name, counts))
    if len(counts) > limit and not numbers and names > len(counts) / 2:
        limit = min(MAX_CHOICES, len(targets) // ROWS_PER_MANY)
    rare = sum(count == 1 for count in counts.values())
    few_rare = rare <= max(MAX_RARE * len(counts), MAX_RARE_ROWS * len(targets))
    return len(counts) <= limit and len(counts) - rare >= 2 and few_rare


def _is_no_name(target: str) -> bool:
    """Whether a target is a date, a code, an amount, or a text, which recur without being labels."""
    digits, letters = sum(map(str.isdigit, target)), sum(map(str.isalpha, target))
    return (digits > 0 and digits >= letters) or len(target) > LONG_LABEL


def chosen_label(choices: tuple[str, ...]) -> AnswerKind:
    listing, listed = _listing(choices), are_listed(choices)
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


def run_of_integers(choices: Sequence[str]) -> tuple[str, ...] | None:
    """The labels in order, if they are integers without a gap, such as 1 to 5, or `1 star` to `5 stars`; else
    None."""
    cells = find_number_cells(choices)
    if cells is None or len(choices) < FEWEST_ORDERED:
        return None
    if not all(re.fullmatch(r"-?\d{1,3}", number) for number in cells.numbers):
        return None
    ordered = sorted(zip(map(int, cells.numbers), choices, strict=True))
    numbers = [number for number, _ in ordered]
    is_run = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    return tuple(choice for _, choice in ordered) if is_run else None


def ordered_label(choices: tuple[str, ...]) -> AnswerKind:
    """Labels that are chosen like any others, and whose misses have a size."""
    kind = chosen_label(choices)
    metrics = OrderedLabels(choices).metrics
    return replace(
        kind,
        shape="ordered",
        metrics=("accuracy", *(metric.name for metric in metrics), "f1_macro"),
        made_metrics='("accuracy", *OrderedLabels(CHOICES).metrics, "f1_macro")',
        imports=("OrderedLabels",),
        says=f"integers from {choices[0]} to {choices[-1]}: labels in an order, to be chosen",
    )


def label_set(cells: LabelCells) -> AnswerKind:
    """Any number of labels: written in one order, and read in any."""
    labels = cells.labels
    mark = labels.separator.strip()
    listing = _listing(labels.labels, between=labels.separator if mark else ", ")
    listed, none = are_listed((*labels.labels, labels.none)), _listing([labels.none])
    separated = f"separated by {mark!r}" if mark else "each on a line of its own"
    which = f": {listing}, or {none}" if listed else f", or {none}"
    longest = labels.separator.join(labels.labels)
    settings = ["extract=LABELS.extract", max_tokens([longest, labels.none])]
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


def _listing(choices: Sequence[str], *, between: str = ", ") -> str:
    """The labels as a wording lists them."""
    return between.join(choices).replace("{", "{{").replace("}", "}}")


def are_listed(choices: Sequence[str]) -> bool:
    """Whether wordings list the labels: all of them are short together, and none, such as `<mask>`, would be
    the place of the answer."""
    listing = _listing(choices)
    return len(listing) <= LISTED_LABELS and not any(slot in listing for slot in SLOTS)
