"""Wordings that the user of `gainboard new` gives: texts that name columns in braces."""

import string
from collections.abc import Mapping, Sequence

from harness.errors import UserError, suggest


def own_templates(texts: Sequence[str], fields: Mapping[str, str]) -> dict[str, str]:
    """The texts as templates of a task, by name. `fields`: column → the field that templates name; both may
    stand in the braces. `\\n` is a line break, as shells pass it on.

    Raises `UserError` for a text that names another column, or none.
    """
    names = {**{field: field for field in fields.values()}, **fields}
    templates = [_template(text.replace("\\n", "\n"), names, columns=tuple(fields)) for text in texts]
    return {
        f"own_{number}" if len(templates) > 1 else "own": each for number, each in enumerate(templates, 1)
    }


def _template(text: str, names: Mapping[str, str], *, columns: Sequence[str]) -> str:
    try:
        parts = [(literal, name) for literal, name, *_ in string.Formatter().parse(text)]
    except ValueError as error:
        raise UserError(f"--template {text!r}: {error}; write {{{{ and }}}} for braces of its own") from None
    listing = ", ".join(f"{{{column}}}" for column in columns)
    if all(name is None for _, name in parts):
        raise UserError(
            f"--template {text!r} names no column, so every prompt would be the same; there are {listing}"
        )
    written = []
    for literal, name in parts:
        written.append(literal.replace("{", "{{").replace("}", "}}"))
        if name is None:
            continue
        if name not in names:
            raise UserError(
                f"--template {text!r}: '{name}' is no --input column.{suggest(name, names)} There are "
                f"{listing}"
            )
        written.append(f"{{{names[name]}}}")
    return "".join(written)
