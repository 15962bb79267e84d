"""Open a Parquet file that somebody else may have made, once its pages say that it fits into memory.

Parquet packs well: ten kilobytes hold a hundred million equal rows, or one text of a hundred megabytes to
which every row points. What a column takes when it is read is therefore added up first. The footer tells the
rows; all else is told by the header of each page, by which pages are unpacked, while the sizes in the footer
are only claims. The format: https://github.com/apache/parquet-format.
"""

import itertools
import math
import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.foreign import MOST_PREDICTIONS, ForeignFileError, open_regular

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ColumnChunkMetaData, ColumnSchema, ParquetFile

MOST_ROWS = 10_000_000
"""Of a million samples in ten wordings; reading the scores of as many takes half a gigabyte."""

MOST_UNPACKED = 512 << 20
"""Bytes that the columns which are read may take; for a large file, as many more as it is large."""

MOST_RATIO = 64
"""How many times as large as the file they may be. Plain texts are packed to a twentieth at most by what
GainBoard writes, and columns of few different labels are small anyway."""

MOST_PACKED = 22
"""Times that Snappy, which GainBoard writes, makes anything smaller: three bytes stand for up to 64."""

_WIDEST = 16
"""Bytes of a number, at most."""

_PLAIN, _DICTIONARY_CODES = 0, (2, 8)
_HARMLESS = frozenset({_PLAIN, *_DICTIONARY_CODES, 3, 4, 9})
"""Encodings whose size can be told. Others build each text on the one before."""

_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3


@contextmanager
def open_parquet(
    path: Path, columns: Sequence[str] | None, *, inside: Path | None = None
) -> Iterator["ParquetFile"]:
    """A Parquet file of which these columns, those that are there, or all can be read.

    `inside`: the folder that no link may lead out of. Raises `ForeignFileError` for a file that is none, or
    would take more memory than predictions do, and whatever pyarrow raises for a damaged one.
    """
    import pyarrow
    from pyarrow import parquet

    with open_regular(path, inside=inside, max_bytes=MOST_PREDICTIONS) as file:
        if not os.fstat(file.fileno()).st_size:
            raise ForeignFileError("is empty")
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    contents = pyarrow.py_buffer(mapped)
    # One small file of many: threads and read-ahead would take longer than the reading.
    with parquet.ParquetFile(pyarrow.BufferReader(contents), pre_buffer=False) as opened:
        _check_size(opened, columns, memoryview(mapped), contents)
        yield opened


def _check_size(
    file: "ParquetFile", columns: Sequence[str] | None, view: memoryview, contents: "pyarrow.Buffer"
) -> None:
    """Raise `ForeignFileError` where the columns would take too much memory."""
    rows = file.metadata.num_rows
    if rows > MOST_ROWS:
        raise ForeignFileError(f"has {rows:,} rows; {MOST_ROWS:,} can be read")
    limit = max(MOST_UNPACKED, MOST_RATIO * len(view))
    claims = list(_claims(file, columns))
    if sum(claim.most_bytes for claim in claims) <= limit:  # as of nearly all
        return
    large = limit / len(claims)
    total, texts = 0.0, []
    for claim in claims:
        size = claim.most_bytes
        if size > large:
            pages = _Pages()
            for chunk in claim.chunks:
                pages.add(chunk, view)
            size = pages.plain + pages.coded
            if size > large and pages.coded:
                texts.append(claim.path)
                size = pages.plain
        total += size
    if total <= limit and texts:
        total += _size_of_texts(contents, texts)
    if total > limit:
        raise ForeignFileError(
            f"unpacks to {int(total) >> 20:,} MB; of a file of its size {limit >> 20:,} MB are read"
        )


@dataclass(frozen=True)
class _Claim:
    """What the footer says of a column."""

    path: str
    """Its place in the schema, such as `target.list.element`."""

    most_bytes: float
    """What it may take when it is read, as far as the footer can be believed; infinite where it cannot."""

    chunks: list["ColumnChunkMetaData"]


def _claims(file: "ParquetFile", columns: Sequence[str] | None) -> Iterator[_Claim]:
    footer = file.metadata
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    if any(not 0 <= group.num_rows <= footer.num_rows for group in groups):
        raise ForeignFileError("has more rows in a part than in all")
    for number in range(footer.num_columns):
        column = footer.schema.column(number)
        if columns is not None and not _is_among(column.path, columns):
            continue
        chunks = [group.column(number) for group in groups]
        rows = zip(chunks, (group.num_rows for group in groups), strict=True)
        yield _Claim(column.path, sum(_most_bytes(chunk, column, count) for chunk, count in rows), chunks)


def _is_among(path: str, columns: Sequence[str]) -> bool:
    """Whether a place in the schema, such as `target.list.element`, is in one of the columns."""
    return path in columns or path.partition(".")[0] in columns


def _most_bytes(chunk: "ColumnChunkMetaData", column: "ColumnSchema", rows: int) -> float:
    if column.max_repetition_level:  # a row may hold any number of values
        return math.inf
    if column.physical_type not in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"):
        return rows * _WIDEST
    if chunk.compression not in ("SNAPPY", "UNCOMPRESSED"):
        return math.inf
    # Every row may be all that the part unpacks to.
    packed: int = chunk.total_compressed_size
    return rows * (_WIDEST + MOST_PACKED * packed)


@dataclass
class _Pages:
    """What the pages of a column say of its size."""

    plain: int = 0
    """Bytes of values that are written out."""

    coded: int = 0
    """Bytes of values that are numbers of entries, if each were the whole dictionary."""

    def add(self, chunk: "ColumnChunkMetaData", view: memoryview) -> None:
        """Go through the pages of a part of the column."""
        start = chunk.data_page_offset
        if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
            start = min(start, chunk.dictionary_page_offset)
        end = start + chunk.total_compressed_size
        if not 0 <= start <= end <= len(view):
            raise ForeignFileError("has a column that lies outside of the file")
        dictionary = 0
        while start < end:
            header, start = _thrift_struct(view, start)
            kind, unpacked = header[1], header[2]
            start += header[3]
            if min(unpacked, header[3]) < 0:
                raise ForeignFileError("has a page of negative size")
            if kind == _DICTIONARY_PAGE:
                dictionary = unpacked
                self.plain += unpacked
            elif kind in (_DATA_PAGE, _DATA_PAGE_V2):
                data = header[5 if kind == _DATA_PAGE else 8]
                values, encoding = data[1], data[2 if kind == _DATA_PAGE else 4]
                if encoding not in _HARMLESS or values < 0:
                    raise ForeignFileError("is encoded as GainBoard writes no predictions; write it anew")
                self.plain += unpacked + values * _WIDEST
                if encoding in _DICTIONARY_CODES:
                    self.coded += values * dictionary


def _size_of_texts(contents: "pyarrow.Buffer", paths: Sequence[str]) -> int:
    """Bytes of all values of columns that have dictionaries, which are read without writing them out."""
    import pyarrow
    from pyarrow import compute, parquet

    total = 0
    with parquet.ParquetFile(
        pyarrow.BufferReader(contents), pre_buffer=False, read_dictionary=list(paths)
    ) as file:
        # One by one: each part has a dictionary of its own.
        for group, path in itertools.product(range(file.num_row_groups), paths):
            for array in file.read_row_group(group, columns=[path], use_threads=False).column(0).chunks:
                while pyarrow.types.is_list(array.type) or pyarrow.types.is_large_list(array.type):
                    array = array.flatten()
                if pyarrow.types.is_dictionary(array.type):
                    lengths = compute.binary_length(array.dictionary)
                    total += compute.sum(lengths.take(array.indices)).as_py() or 0
                else:  # numbers
                    total += array.nbytes
    return total


# Thrift's compact protocol, in which page headers are written


def _thrift_struct(view: memoryview, at: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct by their numbers, without texts, and where it ends."""
    fields: dict[int, Any] = {}
    number = 0
    while True:
        head = view[at]
        at += 1
        if head == 0:
            return fields, at
        if head >> 4:
            number += head >> 4
        else:
            number, at = _thrift_number(view, at)
        fields[number], at = _thrift_value(view, at, head & 15)


def _thrift_value(view: memoryview, at: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, at
    if kind == 3:
        return view[at], at + 1
    if kind in (4, 5, 6):
        return _thrift_number(view, at)
    if kind == 7:
        return None, at + 8
    if kind == 8:
        length, at = _varint(view, at)
        return None, at + length
    if kind == 12:
        return _thrift_struct(view, at)
    # Page headers have neither lists nor maps.
    raise ForeignFileError("has a page whose header cannot be read")


def _thrift_number(view: memoryview, at: int) -> tuple[int, int]:
    coded, at = _varint(view, at)
    return (coded >> 1) ^ -(coded & 1), at


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = view[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7
        if shift > 63:
            raise ForeignFileError("has a page whose header cannot be read")
