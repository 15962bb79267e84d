"""What an answer looks at, layer by layer: a map with a row for each layer and a column for each part of the prompt."""

import itertools
from collections.abc import Sequence

from harness.records.attention import ArmLook, SegmentLook
from leaderboards.chart.frame import LETTER
from leaderboards.chart.matrix import Matrix, MatrixCell, MatrixLabel
from leaderboards.text import letters_wide, points

MOST_ROWS = 12
"""Of a map; of a model with more layers, neighbours share a row."""

SIDE = 38
LONGEST_NAME = 18

Band = tuple[int, int]
"""The first and the last of some layers."""


def looks_map(look: ArmLook, title: str) -> Matrix | None:
    """Draw the attention of an arm; None of a model that tells none."""
    segments = [segment for segment in look.segments if segment.by_layer]
    if not segments:
        return None
    bands = _bands(look.layers)
    names = [_band_name(band) for band in bands]
    columns = [_short(segment.name) for segment in segments]
    left = round(LETTER * max(map(letters_wide, names))) + 14
    # Names of columns rise at 45 degrees below the map.
    foot = 0.72 * LETTER * max(map(letters_wide, columns)) + 26
    bottom = 8 + SIDE * len(bands)
    return Matrix(
        round(left + SIDE * len(columns) + 10),
        round(bottom + foot),
        left,
        bottom,
        SIDE,
        tuple(MatrixLabel(8 + SIDE * (row + 0.5), name) for row, name in enumerate(names)),
        tuple(MatrixLabel(left + SIDE * (column + 0.5), name) for column, name in enumerate(columns)),
        tuple(
            _cell(segment, band, left + SIDE * column, 8 + SIDE * row)
            for row, band in enumerate(bands)
            for column, segment in enumerate(segments)
        ),
        f"Shares of the attention of {title}, by layer and part of the prompt; the table below has them for all layers",
    )


def _bands(layers: int) -> list[Band]:
    """The last layer on top, as answers are read from it."""
    rows = min(layers, MOST_ROWS)
    edges = [round(row * layers / rows) for row in range(rows + 1)]
    return [(first, last - 1) for first, last in itertools.pairwise(edges)][::-1]


def _band_name(band: Band) -> str:
    first, last = band
    return f"layer {first + 1}" if first == last else f"layers {first + 1}–{last + 1}"


def _cell(segment: SegmentLook, band: Band, x: float, y: float) -> MatrixCell:
    first, last = band
    share = _mean(segment.by_layer[first : last + 1])
    return MatrixCell(
        x,
        y,
        round(share, 3),
        f"{100 * share:.0f}",
        True,
        f"{_band_name(band)}, {segment.name}: {points(share)} %",
        "",
    )


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares)
