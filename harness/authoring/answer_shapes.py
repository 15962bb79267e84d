"""What a new task's answers are: their shape, and how they are asked for and judged."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from harness.task import Output

BYTES_PER_TOKEN = 2
"""Fewer than most tokenizers reach in most scripts, so that no target is cut off."""

Shape = Literal["choice", "ordered", "labels", "number", "quantity", "date", "json", "text"]
"""What an answer is: one label to be chosen, one of some in an order, several labels, a number that is right
or wrong, one that may be nearly right, a date, JSON, or a text."""

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

    remarks: tuple[str, ...] = ()
    """More sentences for the user: what else the targets nearly are."""


def max_tokens(targets: Sequence[str], *, bytes_per_token: int = BYTES_PER_TOKEN) -> str:
    """The setting that leaves room for the longest target."""
    longest = max(len(target.encode()) for target in targets)
    return f"max_tokens={16 * math.ceil((longest / bytes_per_token + 1) / 16)}"


def length_settings(targets: Sequence[str]) -> tuple[str, ...]:
    """The settings that end a written answer:
    its length, and the end of its line where no target has several."""
    settings = [max_tokens(targets)]
    if not any("\n" in target for target in targets):
        settings.append(r'stop=("\n",)')
    return tuple(settings)


def literal(text: str) -> str:
    """A Python literal in double quotes: a JSON string is one as long as surrogate pairs stay unescaped."""
    return json.dumps(text, ensure_ascii=False)
