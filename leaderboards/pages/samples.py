"""Single predictions, as far as a page shows them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow

from harness.records.predictions import UNREADABLE, read_prediction_table
from harness.records.result import Result
from harness.records.scores import MetricCard
from leaderboards.pages.grid import Tone
from leaderboards.text import in_units, shortened

SHOWN_RIGHT, SHOWN_WRONG = 3, 5
"""Sample predictions on a run's page."""


@dataclass(frozen=True)
class ShownPrediction:
    """One prediction, ready to be shown."""

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


def load_predictions(folder: Path, result: Result) -> list[ShownPrediction]:
    """Every prediction of a run; none when the file cannot be read, which the table has said already.

    `folder`: the results.
    """
    return _load(folder, result)[0]


def load_excerpt(folder: Path, result: Result) -> Excerpt:
    """The first few right and the first few other predictions, in the order of the data set, cut to a
    readable length.

    Only these are made, for a board has a page for each of its runs.
    """
    samples, total = _load(folder, result, _first_few)
    if not total:
        return Excerpt((), "The predictions of this run cannot be read.")
    right = sum(sample.score == 1.0 for sample in samples)
    parts = f"the first {right} right ones and the first {len(samples) - right} others"
    note = f"{len(samples)} of {total:,}: {parts}."
    return Excerpt(tuple(map(_cut, samples)), note)


def _load(
    folder: Path, result: Result, choose: Callable[[list[Any]], list[int]] | None = None
) -> tuple[list[ShownPrediction], int]:
    """A run's predictions, or those chosen by their scores, and how many there are; none when the file cannot
    be read."""
    column, card = f"score_{result.task.primary_metric}", result.task.metrics[result.task.primary_metric]
    try:
        table = read_prediction_table(folder, result.run)
        total = table.num_rows
        if choose is not None:
            scores = table[column].to_pylist() if column in table.column_names else [None] * total
            shares = [None if score is None else card.scale.share(score) for score in scores]
            table = table.take(_places(choose(shares)))
        return [_sample(record, column, card) for record in table.to_pylist()], total
    except UNREADABLE:
        return [], 0


def _places(places: list[int]) -> pyarrow.Array:
    """Row numbers. Not by `pyarrow.array`, which imports pandas first: a quarter of a second for the page of
    one run."""
    numbers = pyarrow.py_buffer(np.array(places, dtype=np.int64))
    return pyarrow.Array.from_buffers(pyarrow.int64(), len(places), [None, numbers])


def _first_few(scores: list[Any]) -> list[int]:
    right_places = [place for place, score in enumerate(scores) if score == 1.0][:SHOWN_RIGHT]
    other_places = [place for place, score in enumerate(scores) if score != 1.0][:SHOWN_WRONG]
    return sorted([*right_places, *other_places])


def _sample(record: dict[Any, Any], column: str, card: MetricCard) -> ShownPrediction:
    answer, completion = _words(record.get("answer")), _words(record.get("completion"))
    score = record.get(column)
    score = None if score is None or score != score else float(score)
    return ShownPrediction(
        id=_words(record.get("sample_id")),
        template=_words(record.get("template")),
        draw=int(record.get("draw") or 0),
        truncated=int(record.get("truncated") or 0),
        prompt=_words(record.get("prompt")),
        target=_words(record.get("target")),
        answer=answer,
        completion="" if completion.strip() == answer.strip() else completion,
        thought=_words(record.get("thought")),
        score=None if score is None else card.scale.share(score),
        score_text="" if score is None else in_units(card, score),
        error=_words(record.get("error")),
    )


def _words(value: Any) -> str:
    """A field of a prediction as text; several accepted targets are joined."""
    if value is None or value != value if isinstance(value, float | None) else False:
        return ""
    if isinstance(value, str):
        return value
    return " | ".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def _cut(sample: ShownPrediction) -> ShownPrediction:
    """Its texts, cut to a readable length."""
    texts: dict[str, Any] = {
        name: shortened(getattr(sample, name))
        for name in ("prompt", "target", "answer", "completion", "thought", "error")
    }
    return replace(sample, **texts)
