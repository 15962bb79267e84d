"""Predictions that would unpack to more than memory holds are refused before they are read."""

import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from harness.foreign import ForeignFileError
from harness.records.parquet import MOST_ROWS, MOST_UNPACKED, open_parquet

LONG = "x" * (4 << 20)
ROWS = 400


def write(path: Path, columns: Mapping[str, Any], **options: Any) -> Path:
    parquet.write_table(pyarrow.table(dict(columns)), path, **options)
    return path


def texts(count: int) -> pyarrow.Array:
    """So many times one long text, which takes memory once."""
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * count, pyarrow.int32()), [LONG])


def zeros(count: int) -> pyarrow.Array:
    return pyarrow.DictionaryArray.from_arrays(np.zeros(count, np.int8), ["label"])


def test_one_long_text_in_every_row_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", {"completion": texts(ROWS)}, compression="zstd")
    assert path.stat().st_size < 20_000
    with (
        pytest.raises(
            ForeignFileError, match=r"unpacks to 1,6\d\d MB; of a file of its size 512 MB are read"
        ),
        open_parquet(path, None),
    ):
        pass


def test_a_list_of_very_many_labels_in_one_row_is_refused(tmp_path: Path) -> None:
    count = 30_000_000
    labels = pyarrow.ListArray.from_arrays([0, count], zeros(count))
    path = write(tmp_path / "bomb.parquet", {"choices": labels})
    assert path.stat().st_size < 1_000_000
    with pytest.raises(ForeignFileError, match="unpacks to"), open_parquet(path, None):
        pass


def test_very_many_equal_rows_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "bomb.parquet", {"template": zeros(MOST_ROWS + 1)})
    with (
        pytest.raises(ForeignFileError, match="has 10,000,001 rows; 10,000,000 can be read"),
        open_parquet(path, None),
    ):
        pass


def test_texts_that_build_on_each_other_are_refused(tmp_path: Path) -> None:
    long = [LONG + str(number) for number in range(3)]
    encoding = {"column_encoding": {"completion": "DELTA_BYTE_ARRAY"}, "use_dictionary": False}
    path = write(tmp_path / "bomb.parquet", {"completion": long}, compression="zstd", **encoding)
    said = "is encoded as GainBoard writes no predictions"
    with pytest.raises(ForeignFileError, match=said), open_parquet(path, None):
        pass


def test_columns_that_are_not_read_may_be_as_large_as_they_like(tmp_path: Path) -> None:
    columns = {"completion": texts(ROWS), "draw": list(range(ROWS)), "target": [["a", "b"]] * ROWS}
    path = write(tmp_path / "bomb.parquet", columns)
    with open_parquet(path, ["draw", "target"]) as file:
        assert file.read(columns=["draw", "target"]).num_rows == ROWS


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zstd"}, {"compression": "gzip", "data_page_version": "2.0"}]
)
def test_what_people_write_is_read_as_it_was_written(tmp_path: Path, options: dict[str, Any]) -> None:
    """Long prompts with a common beginning, labels in lists, numbers, nothing at all: in 20,000 rows."""
    rows = 20_000
    columns = {
        "sample_id": [f"sample-{number}" for number in range(rows)],
        "prompt": [f"{'Examples come first. ' * 40}{number}" for number in range(rows)],
        "target": [["billing", "refund", str(number % 77)] for number in range(rows)],
        "choices": [[f"label {label}" for label in range(30)]] * rows,
        "error": pyarrow.nulls(rows),
        "score_accuracy": [float(number % 2) for number in range(rows)],
        "draw": [0] * rows,
    }
    path = write(tmp_path / "predictions.parquet", columns, row_group_size=7_000, **options)
    with open_parquet(path, None) as file:
        assert file.read().equals(pyarrow.table(columns))


@pytest.mark.parametrize("contents", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"\0" * 1000])
def test_what_is_no_parquet_raises_and_hangs_nothing(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "file").write_bytes(contents)
    with (
        pytest.raises((ForeignFileError, pyarrow.ArrowInvalid, OSError)),
        open_parquet(tmp_path / "file", None),
    ):
        pass


REFUSED = """
import sys
from harness.foreign import ForeignFileError
from harness.records.parquet import open_parquet
try:
    with open_parquet(sys.argv[1], None):
        pass
except ForeignFileError as error:
    print(error)
"""


def test_a_bomb_is_refused_in_little_memory(tmp_path: Path) -> None:
    assert ROWS * len(LONG) > MOST_UNPACKED
    path = write(tmp_path / "bomb.parquet", {"completion": texts(ROWS)})
    limit = 1 << 30

    def in_little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    command = [sys.executable, "-c", REFUSED, str(path)]
    output = subprocess.run(
        command, capture_output=True, text=True, check=True, preexec_fn=in_little_memory
    ).stdout
    assert output.startswith("unpacks to")
