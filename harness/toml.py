"""Read a file that a person wrote into a frozen model; its first fault becomes one sentence."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UserError, short_repr, suggest
from harness.foreign import MOST_SETTINGS, naming_what_is_read, read_bounded, strict_toml

ModelT = TypeVar("ModelT", bound=BaseModel)

LARGEST_COUNT = 10**15
"""Nothing that is counted, and no setting, comes near. A number beyond it comes from damage: it is refused
where it is read, and overflows nowhere."""


class Frozen(BaseModel):
    """Data that touches disk: unknown fields are errors, values never change, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def load_toml(path: Path, model: type[ModelT]) -> ModelT:
    """Read a TOML file into a model. Raises `UserError` with its first fault as one sentence."""
    if path.is_dir() or not os.path.lexists(path):
        raise UserError(f"{path}: no such file")
    with naming_what_is_read(path):
        contents = read_bounded(path, MOST_SETTINGS)
    try:
        table = strict_toml(contents)
        # Through JSON: reading it strictly still accepts a list for a tuple, but no text for a number.
        return model.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error, model)}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None


def first_fault(error: ValidationError, model: type[BaseModel]) -> str:
    """The first validation error as a sentence that names the key and what is allowed."""
    faults = error.errors()
    # A misspelt required key is both missing and unknown; only the second says what to correct.
    fault = next((fault for fault in faults if fault["type"] in _UNKNOWN_KEY), faults[0])
    context = fault.get("ctx", {})
    parts = list(fault["loc"])
    if "key" in context:  # a mapping that checks its own keys says which of them is at fault
        parts.append(context["key"])
    location = ".".join(map(str, parts))
    if fault["type"] == "unknown_key":
        return f"unknown key '{location}'.{context['hint']} Allowed here: {context['allowed']}"
    if fault["type"] == "setting":
        fault = context["fault"]
    if fault["type"] in _UNKNOWN_KEY:
        allowed = sorted(_fields_at(model, fault["loc"][:-1]))
        key = str(fault["loc"][-1])
        return f"unknown key '{location}'.{suggest(key, allowed)} Allowed here: {', '.join(allowed)}"
    if fault["type"] == "missing":
        return f"'{location}' is missing"
    message = _PLAIN_WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "string_pattern_mismatch":
        is_commit = "0-9a-f" in fault["ctx"]["pattern"]
        message = (
            "must be a commit, 40 hexadecimal digits"
            if is_commit
            else "may hold letters, digits, '.', '_' and '-'"
        )
    got = "" if isinstance(fault["input"], dict) else f" (got {short_repr(fault['input'])})"
    return f"'{location}': {message}{got}" if location else message


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> Mapping[str, Any]:
    """The fields allowed at a location in `model`, followed through records, lists and mappings."""
    kind: Any = model
    for part in location:
        kind = _inside(kind, str(part))
    return _fields_of(kind)


def _inside(kind: Any, part: str) -> Any:
    """The type of one part: a field of a record, or the items of a list, tuple or mapping."""
    if fields := _fields_of(kind):
        kind = fields[part].annotation
    elif get_origin(kind) in _UNIONS:  # the alternative that was tried; only a record has unknown keys
        kind = next(member for member in get_args(kind) if _fields_of(member))
    else:  # the last argument: `tuple[Item, ...]`, `dict[str, Item]`
        kind = next(item for item in reversed(get_args(kind)) if item is not Ellipsis)
    return _without_none(kind)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) not in _UNIONS:
        return kind
    members = tuple(member for member in get_args(kind) if member is not type(None))
    return Union[members]  # noqa: UP007 - `|` cannot join a tuple of types


def _fields_of(kind: Any) -> Mapping[str, Any]:
    """The fields of a model or a pydantic dataclass; empty for any other type."""
    fields: Mapping[str, Any] = getattr(kind, "__pydantic_fields__", {})
    return fields


_UNIONS = (Union, UnionType)
_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls a key that a model, or a dataclass, does not have."""

_PLAIN_WORDS = {
    "tuple_type": "must be a list",
    "too_short": "must name at least one",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "dataclass_type": "must hold keys and values",
}
"""pydantic's kinds of fault, in the words of a person who wrote the file."""
