"""The rows of a run's predictions as matrices: draws × templates × samples."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.sweep.run import Run

Matrix = NDArray[np.float64]
"""Draws × templates × samples; NaN where there is no score."""

ROW_COLUMNS = ("sample_id", "template", "draw")
"""What says which sample a row answers, in which template and draw."""

_MOST_CELLS = 4
"""Places per row. A run has one: it answers every sample in every template and draw, or says why not."""


class AnswerTable:
    """Where each row of a run's predictions stands among draws, templates and samples."""

    def __init__(self, table: Any, run: Run) -> None:
        """`table`: an Arrow table with at least `ROW_COLUMNS`. Raises `ValueError` for rows that no run of
        these templates and draws can have."""
        self.places, ids = _coded(table["sample_id"])
        codes, templates = _coded(table["template"])
        if set(templates) != set(run.templates):
            raise ValueError(f"the templates {', '.join(sorted(templates))} are not those of the run")
        wordings = np.asarray([run.templates.index(name) for name in templates])[codes]
        draws = table["draw"].to_numpy()
        # Before there is room for them: one damaged number could ask for more memory than there is.
        if not (draws.min() >= 0 and draws.max() < min(run.generation.n, len(draws))):
            raise ValueError(f"there is a draw that is none of the {run.generation.n} of the run")
        self.ids = tuple(ids)
        """Every sample, in the order they first appear."""

        self.rows = len(draws)
        self._shape = int(draws.max()) + 1, len(run.templates), len(ids)
        if math.prod(self._shape) > _MOST_CELLS * self.rows:
            raise ValueError(f"its rows are of {self._shape[0]:,} draws, and most samples lack most of them")
        self._cells = draws, wordings, self.places
        cells = np.ravel_multi_index(self._cells, self._shape)
        if len(np.unique(cells)) < self.rows:
            raise ValueError("a sample id appears twice")
        one_draw = self._shape[1] * self._shape[2]
        self.answered = self.rows if self._shape[0] == 1 else len(np.unique(cells % one_draw))
        """Samples, counted once per template."""

    def matrix(self, scores: NDArray[np.float64]) -> Matrix:
        """Scores, one per row, each in the place of its row."""
        values = np.full(self._shape, np.nan)
        values[self._cells] = scores
        return values


def _coded(column: Any) -> tuple[NDArray[np.int64], list[str]]:
    """A column of words as numbers, with the word of each, in the order they first appear."""
    coded = column.combine_chunks().dictionary_encode()
    if coded.null_count:
        raise ValueError("a sample without an id, or without a template")
    return coded.indices.to_numpy().astype(np.int64), [str(word) for word in coded.dictionary.to_pylist()]


def mean_of_complete(values: Matrix) -> tuple[int, float | None]:
    """How many samples are scored in every template and draw, and the mean over these; None without any."""
    missing = np.isnan(values).any(axis=(0, 1))
    count = values.shape[2] - int(missing.sum())
    if not count:
        return 0, None
    return count, float((values[:, :, ~missing] if missing.any() else values).mean())
