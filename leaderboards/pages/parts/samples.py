"""Single predictions, as far as a page shows them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from harness.records.binding import why_changed
from harness.records.predictions import UNREADABLE, read_prediction_table
from harness.records.result import Result
from harness.records.scores import MetricCard
from leaderboards.pages.parts.grid import Tone
from leaderboards.text import in_units, listed, shortened

SHOWN_RIGHT, SHOWN_WRONG = 3, 5
"""Sample predictions on a run's page."""


@dataclass(frozen=True, slots=True)
class ShownPrediction:
    """One prediction, ready to be shown. A task may have millions."""

    id: str
    template: str
    draw: int
    """Which of several answers to the prompt."""

    truncated: int
    """Tokens cut off the prompt."""

    prompt: str
    target: str
    answer: str
    completion: str
    """What the model wrote, where it differs from the answer taken from it."""

    thought: str
    """What the model thought before it answered; empty where it did not."""

    score: float | None
    """On the scale of its metric, from 0, worst, to 1, best."""

    score_text: str
    """In the unit of the metric."""

    error: str

    @property
    def verdict(self) -> str:
        """Right or wrong, in a word; part of a score in points, or in the metric's own unit."""
        if self.score is None:
            return "not scored"
        return {1.0: "right", 0.0: "wrong"}.get(self.score, f"score {self.score_text}")

    @property
    def tone(self) -> Tone:
        """How the word is set."""
        tones: dict[float | None, Tone] = {None: "muted", 1.0: "good", 0.0: "bad"}
        return tones.get(self.score, "")


@dataclass(frozen=True)
class Excerpt:
    """What a run's page shows of its predictions."""

    samples: tuple[ShownPrediction, ...]
    note: str
    """Which ones these are."""


SHOWN = (
    "sample_id",
    "template",
    "draw",
    "truncated",
    "prompt",
    "target",
    "answer",
    "completion",
    "thought",
    "error",
)
"""The columns that pages show, besides the score."""

ANSWERED = ("sample_id", "template", "draw", "answer", "completion", "thought", "error")
"""Those of them that differ from arm to arm."""


def load_predictions(
    folder: Path, result: Result, template: str, columns: Sequence[str] = SHOWN
) -> list[ShownPrediction]:
    """Every prediction of a run in one wording; none when the file cannot be read, which the table has said
    already.

    `folder`: the results. `columns`: what of `SHOWN` is read; all else is empty.
    """

    def choose(table: pyarrow.Table) -> NDArray[np.int64]:
        codes, templates = _templates(table)
        return np.flatnonzero(codes == (templates.index(template) if template in templates else -1))

    return _load(folder, result, choose, columns)[0]


def load_first(folder: Path, result: Result) -> dict[str, ShownPrediction]:
    """The first prediction of a run in each of its wordings, by their names; none when the file cannot be
    read."""

    def choose(table: pyarrow.Table) -> NDArray[np.int64]:
        return np.sort(np.unique(_templates(table)[0], return_index=True)[1])

    return {sample.template: sample for sample in _load(folder, result, choose)[0]}


def load_excerpt(folder: Path, result: Result) -> Excerpt:
    """The first few right and the first few other predictions, in the order of the data set, cut to a
    readable length.

    Only these are made, for a board has a page for each of its runs.
    """
    column, scale = f"score_{result.task.primary_metric}", _card(result).scale

    def choose(table: pyarrow.Table) -> NDArray[np.int64]:
        scores = table[column].to_pylist() if column in table.column_names else [None] * table.num_rows
        return _first_few([None if score is None else scale.share(score) for score in scores])

    samples, total = _load(folder, result, choose)
    if not total:
        return Excerpt((), "The predictions of this run cannot be read.")
    changed = why_changed(folder, result)
    if changed:
        return Excerpt((), f"The predictions of this run do not fit its result: {changed}.")
    right = sum(sample.score == 1.0 for sample in samples)
    return Excerpt(
        tuple(map(_cut, samples)), f"{len(samples)} of {total:,}: {_which(right, len(samples) - right)}."
    )


def _which(right: int, others: int) -> str:
    """`the first right one and the first 5 others`; a kind that does not occur is not spoken of."""
    parts = []
    if right:
        parts.append("the first right one" if right == 1 else f"the first {right} right ones")
    if others:
        parts.append("the first other" if others == 1 else f"the first {others} others")
    return listed(parts)


def _card(result: Result) -> MetricCard:
    return result.task.metrics[result.task.primary_metric]


def _load(
    folder: Path,
    result: Result,
    choose: Callable[[pyarrow.Table], NDArray[np.int64]],
    columns: Sequence[str] = SHOWN,
) -> tuple[list[ShownPrediction], int]:
    """A run's predictions in the chosen rows, and how many there are; none when the file cannot be read."""
    rows = _RowReader(result)
    try:
        table = read_prediction_table(folder, result.run, [], if_any=(*columns, rows.column))
        samples: list[ShownPrediction] = []
        # As Python's objects a row takes many times its bytes: never all at once.
        for batch in _rows(table, choose(table)).to_batches(max_chunksize=ROWS_AT_ONCE):
            samples += map(rows.sample, batch.to_pylist())
        return samples, table.num_rows
    except UNREADABLE:
        return [], 0


ROWS_AT_ONCE = 10_000


def _templates(table: pyarrow.Table) -> tuple[NDArray[np.int64], list[str]]:
    """The wording of each row as a number, and the names of these."""
    coded = table["template"].combine_chunks().dictionary_encode()
    if coded.indices.null_count:  # of a damaged file alone, for filling in imports pandas first
        return coded.indices.fill_null(-1).to_numpy(), coded.dictionary.to_pylist()
    return np.asarray(np.from_dlpack(coded.indices), dtype=np.int64), coded.dictionary.to_pylist()


def _rows(table: pyarrow.Table, places: NDArray[np.int64]) -> pyarrow.Table:
    """Some rows of a table. Not by `pyarrow.array`, which imports pandas first: a quarter of
    a second for the page of one run."""
    if len(places) == table.num_rows:
        return table
    numbers = pyarrow.py_buffer(np.ascontiguousarray(places, dtype=np.int64))
    return table.take(pyarrow.Array.from_buffers(pyarrow.int64(), len(places), [None, numbers]))


def _first_few(scores: list[Any]) -> NDArray[np.int64]:
    right_places = [place for place, score in enumerate(scores) if score == 1.0][:SHOWN_RIGHT]
    other_places = [place for place, score in enumerate(scores) if score != 1.0][:SHOWN_WRONG]
    return np.array(sorted([*right_places, *other_places]), dtype=np.int64)


class _RowReader:
    """Makes predictions of a run's rows: texts that many of them share are one object, and each score is
    written once."""

    def __init__(self, result: Result) -> None:
        self.column = f"score_{result.task.primary_metric}"
        self._card = _card(result)
        self._scale = self._card.scale
        self._words: dict[str, str] = {}
        self._score_texts: dict[float | None, str] = {None: ""}

    def sample(self, record: dict[Any, Any]) -> ShownPrediction:
        """The prediction of a row; columns that are not there are empty."""
        answer, completion = _words(record.get("answer")), _words(record.get("completion"))
        score = record.get(self.column)
        score = None if score is None or score != score else float(score)
        return ShownPrediction(
            id=_words(record.get("sample_id")),
            template=self._once(_words(record.get("template"))),
            draw=int(record.get("draw") or 0),
            truncated=int(record.get("truncated") or 0),
            prompt=_words(record.get("prompt")),
            target=self._once(_words(record.get("target"))),
            answer=self._once(answer),
            completion="" if completion.strip() == answer.strip() else completion,
            thought=_words(record.get("thought")),
            score=None if score is None else self._scale.share(score),
            score_text=self._score_text(score),
            error=_words(record.get("error")),
        )

    def _once(self, text: str) -> str:
        return self._words.setdefault(text, text) if len(text) <= SHORT else text

    def _score_text(self, score: float | None) -> str:
        text = self._score_texts.get(score)
        if text is None:
            text = self._score_texts[score] = in_units(self._card, score)
        return text


SHORT = 40
"""Characters of a text that is likely to be that of other samples, too: a label, a wording, a score."""


def _words(value: Any) -> str:
    """A field of a prediction as text; several accepted targets are joined."""
    if isinstance(value, str):
        return value
    if value is None or (isinstance(value, float) and value != value):
        return ""
    return " | ".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def _cut(sample: ShownPrediction) -> ShownPrediction:
    """Its texts, cut to a readable length."""
    texts: dict[str, Any] = {
        name: shortened(getattr(sample, name))
        for name in ("prompt", "target", "answer", "completion", "thought", "error")
    }
    return replace(sample, **texts)
