"""The rows and cells of a board as a Parquet table, with the types of `leaderboards.download.figures`."""

from typing import IO, Any, Literal, get_args, get_origin

import pyarrow
import pyarrow.parquet

from harness.visible import visible
from leaderboards.download.figures import RowFigures


def write_parquet(figures: dict[str, Any], file: IO[bytes]) -> None:
    """Write rows, then cells, whose columns of the whole board are null. The same figures give the same
    bytes."""
    names = list(figures["rows"][0])
    fields = [pyarrow.field(name, _type(RowFigures.model_fields[name].annotation)) for name in names]
    lines = [{name: _value(row.get(name)) for name in names} for row in (*figures["rows"], *figures["cells"])]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(lines, schema=pyarrow.schema(fields)), file)


def _type(annotation: Any) -> Any:
    """The column type of a field: of `float | None` and the like, of what is not None."""
    kinds = (
        [kind for kind in get_args(annotation) if kind is not type(None)]
        if _is_union(annotation)
        else [annotation]
    )
    types = {bool: pyarrow.bool_(), int: pyarrow.int64(), float: pyarrow.float64()}
    return types.get(kinds[0], pyarrow.string())


def _is_union(annotation: Any) -> bool:
    return bool(get_args(annotation)) and get_origin(annotation) is not Literal


def _value(value: Any) -> Any:
    """Text without what no file of text can hold, such as half a surrogate pair."""
    return visible(value) if isinstance(value, str) else value
