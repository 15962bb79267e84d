"""Write a document of lm-evaluation-harness as a text, and read it again: JSON, with what JSON has no form
for."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_KIND, _TEXT = "__gainboard__", "text"
"""Keys of what stands for an object of another kind."""

_MICROSECOND = timedelta(microseconds=1)

_WRITERS: dict[type, Callable[[Any], str]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda span: str(span // _MICROSECOND),
    Decimal: str,
    bytes: lambda content: base64.b64encode(content).decode(),
}

_READERS: dict[str, Callable[[str], object]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda text: int(text) * _MICROSECOND,
    "Decimal": Decimal,
    "bytes": base64.b64decode,
}


def text_of(document: Mapping[str, Any]) -> str:
    """The document as a text that `document_of` reads, without the columns that hold images, sounds and the
    like: a task of text has no use for them."""
    columns = dict(document)
    try:
        return json.dumps(columns, default=_written)
    except TypeError:
        return json.dumps(
            {name: cell for name, cell in columns.items() if _is_writable(cell)}, default=_written
        )


def document_of(text: str) -> Any:
    """The document whose text it is."""
    return json.loads(text, object_hook=_read)


def _is_writable(cell: object) -> bool:
    try:
        json.dumps(cell, default=_written)
    except TypeError:
        return False
    return True


def _written(value: Any) -> object:
    for kind, write in _WRITERS.items():
        if type(value) is kind:
            return {_KIND: kind.__name__, _TEXT: write(value)}
    if hasattr(value, "tolist"):  # numbers and arrays of numpy
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no text")


def _read(mapping: dict[str, Any]) -> object:
    if mapping.keys() != {_KIND, _TEXT}:
        return mapping
    return _READERS[mapping[_KIND]](mapping[_TEXT])
