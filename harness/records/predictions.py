"""Read the saved predictions of runs."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.sweep.run import Run

if TYPE_CHECKING:
    import pandas
    import pyarrow


PREDICTIONS = "predictions.parquet"

LATER_COLUMNS: dict[str, str | None] = {"cluster": "", "parsed": None}
"""Columns that predictions of schema 4 lack, and what stands in them until `gainboard score` has judged these
again."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, NotImplementedError, ArithmeticError)
"""What pyarrow and numpy raise for predictions that are damaged, or whose columns are of other types."""


def read_predictions(results: Path, run: Run, columns: list[str] | None = None) -> "pandas.DataFrame":
    """A finished run's predictions, one row a sample, in data set order; `score_<metric>` is None where
    unscored.

    `columns`: only these. What those of an earlier schema lack of `LATER_COLUMNS` is filled in. Raises
    `KeyError` for other columns that are not there.
    """
    frame: pandas.DataFrame = read_prediction_table(results, run, columns).to_pandas()
    return frame


def read_prediction_table(results: Path, run: Run, columns: list[str] | None = None) -> "pyarrow.Table":
    """The same as an Arrow table, which is made several times faster."""
    import pyarrow
    from pyarrow import parquet

    # One small file of many: threads and read-ahead would take longer than the reading.
    with parquet.ParquetFile(results / run.folder / PREDICTIONS, memory_map=True, pre_buffer=False) as file:
        there = file.schema_arrow.names
        later = [name for name in LATER_COLUMNS if name not in there and (columns is None or name in columns)]
        missing = [name for name in columns or () if name not in there and name not in later]
        if missing:
            raise KeyError(f"there is no column '{missing[0]}'")
        table = file.read(columns=columns and [name for name in columns if name in there], use_threads=False)
    for name in later:
        value = LATER_COLUMNS[name]
        rows = table.num_rows
        table = table.append_column(
            name, pyarrow.nulls(rows) if value is None else pyarrow.array([value] * rows)
        )
    return table
