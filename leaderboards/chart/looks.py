"""What an answer looks at, layer by layer:
a map with a row for each layer and a column for each part of the prompt."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

from harness.records.analysis.attention import ArmLook, SegmentLook
from leaderboards.chart.matrix import Matrix, MatrixCell, empty_matrix
from leaderboards.text import points

MOST_ROWS = 12
"""Of a map; of a model with more layers, neighbours share a row."""

LONGEST_NAME = 18

Band = tuple[int, int]
"""The first and the last of some layers."""


def looks_map(look: ArmLook, title: str) -> Matrix | None:
    """Draw the attention of an arm; None of a model that tells none."""
    segments = [segment for segment in look.segments if segment.by_layer]
    if not segments:
        return None
    bands = _bands(look.layers)
    empty = empty_matrix(
        [_band_name(band) for band in bands],
        [segment.name for segment in segments],
        f"Shares of the attention of {title}, by layer and part of the prompt; the table below has them for "
        "all layers",
        longest=LONGEST_NAME,
    )
    cells = [
        _cell(segment, band, empty.corner(row, column))
        for row, band in enumerate(bands)
        for column, segment in enumerate(segments)
    ]
    return replace(empty, cells=tuple(cells))


def _bands(layers: int) -> list[Band]:
    """The last layer on top, as answers are read from it."""
    rows = min(layers, MOST_ROWS)
    edges = [round(row * layers / rows) for row in range(rows + 1)]
    return [(first, last - 1) for first, last in itertools.pairwise(edges)][::-1]


def _band_name(band: Band) -> str:
    first, last = band
    return f"layer {first + 1}" if first == last else f"layers {first + 1}–{last + 1}"


def _cell(segment: SegmentLook, band: Band, corner: tuple[float, float]) -> MatrixCell:
    first, last = band
    share = _mean(segment.by_layer[first : last + 1])
    return MatrixCell(
        *corner,
        round(share, 3),
        f"{100 * share:.0f}",
        True,
        f"{_band_name(band)}, {segment.name}: {points(share)} %",
        "",
    )


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares)
