"""Answers and predictions: what an engine said to a run's prompts, and what its task made of that, row by
row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.foreign import naming_what_is_read
from harness.jsonl import each_jsonl
from harness.records.parquet import open_parquet
from harness.sweep.run import Run
from harness.task import Metric
from harness.task.metric import Counts

if TYPE_CHECKING:
    import pandas
    import pyarrow

PREDICTIONS = "predictions.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineAnswer:
    """What an engine said to one prompt, or why it said nothing: a line of a run's completions file."""

    place: int
    """The prompt's, among those of its run."""

    id: str
    """The sample's."""

    template: str
    prompt: str
    prompt_tokens: int
    truncated: int
    """Tokens cut off the prompt to fit the context."""

    draw: int = 0
    """Which of several sampled answers to the same prompt."""

    completion: str | None = None
    """Without the thought before it; None only beside an `error`."""

    completion_tokens: int | None = None
    """Tokens that were written, those of a thought among them."""

    thought: str | None = None
    """What the model thought before it answered; None where it did not."""

    thought_tokens: int | None = None
    """The completion's tokens up to the end of its thought; None where there is none."""

    finish_reason: str | None = None
    choice_logprobs: Sequence[float] | None = None
    """Natural-log probability of each choice, where choices are weighed."""

    logprob: float | None = None
    """Natural-log probability of the target, where its likelihood is measured."""

    target_tokens: int | None = None
    """Tokens of the target, where `logprob` is known."""

    greedy: bool | None = None
    """Whether every token of the target was the most likely one, where `logprob` is known."""

    error: str | None = None

    def line(self) -> str:
        """The answer as one line of JSON, without the fields that do not apply."""
        present = {name: value for name in _ANSWER_FIELDS if (value := getattr(self, name)) is not None}
        return json.dumps(present, allow_nan=False) + "\n"


_ANSWER_FIELDS = tuple(column.name for column in fields(EngineAnswer))


def read_answers(path: Path) -> list[EngineAnswer]:
    """The answers in a completions file, in the order they were written. Raises
    `UserError` for a file that is damaged."""
    with naming_what_is_read(path):
        return [EngineAnswer(**row) for row in each_jsonl(path)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One sample answered in one template and draw: a row of `predictions.parquet`, whose columns are these
    fields."""

    sample_id: str
    cluster: str
    """Samples with the same name share something, a passage say; empty for a sample that stands alone."""

    template: str
    draw: int
    """Which of several sampled answers to the same prompt."""

    prompt: str
    prompt_tokens: int
    truncated: int
    """Tokens cut off the prompt to fit the context."""

    target: Sequence[str]
    """Every accepted answer."""

    choices: Sequence[str]
    metadata: str
    """The sample's, as JSON."""

    completion: str | None
    """Without the thought before it."""

    completion_tokens: int | None
    """Tokens that were written, those of a thought among them."""

    thought: str | None = None
    """What the model thought before it answered; None where it did not."""

    thought_tokens: int | None = None
    """The completion's tokens up to the end of its thought; None where there is none."""

    finish_reason: str | None
    choice_logprobs: Sequence[float] | None
    logprob: float | None
    target_tokens: int | None
    greedy: bool | None
    overlap: bool
    """Whether the sample stands, exactly or nearly, in the training data."""

    error: str | None
    """Why there is no answer, or why it could not be judged."""

    answer: str | None = None
    """What the task took from the completion; None where it is not judged."""

    parsed: bool | None = None
    """Whether the answer has the form that the task wants; None where it is not judged."""

    scores: Mapping[str, float] = field(default_factory=dict)
    """By metric; empty where the sample is not scored. On disk a column `score_<metric>` each."""

    counts: Mapping[str, Counts] = field(default_factory=dict)
    """By corpus metric, what the sample adds to its sums. On disk a column `counts_<metric>` each, as
    JSON."""

    @property
    def only_thinks(self) -> bool:
        """Whether all that was written is a thought without end."""
        return self.thought is not None and self.thought_tokens == self.completion_tokens

    def unjudged(self) -> "Prediction":
        """As the engine left it: an error beside a completion came from judging it."""
        error = self.error if self.completion is None else None
        return replace(self, error=error, answer=None, parsed=None, scores={}, counts={})


COLUMNS = tuple(column.name for column in fields(Prediction) if column.name not in ("scores", "counts"))
"""The columns of every `predictions.parquet`; those of the task's metrics follow."""

LATER_COLUMNS: dict[str, str | None] = {
    "cluster": "",
    "parsed": None,
    "thought": None,
    "thought_tokens": None,
}
"""Columns that older predictions lack, and what stands in them until `gainboard score` has judged these
again."""

UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError, ArithmeticError,
    RecursionError, MemoryError,
)  # fmt: skip
"""What pyarrow and numpy raise for predictions that are damaged, or whose columns are of other types."""


def prediction_frame(predictions: Sequence[Prediction], metrics: Sequence[Metric]) -> "pandas.DataFrame":
    """Predictions as they are written to disk: `COLUMNS`, then for each metric its scores, and for corpus
    metrics its counts; without predictions, no columns."""
    import pandas

    if not predictions:
        return pandas.DataFrame()
    columns: dict[str, list[Any]] = {
        name: [getattr(prediction, name) for prediction in predictions] for name in COLUMNS
    }
    for metric in metrics:
        name = metric.name
        columns[f"score_{name}"] = [prediction.scores.get(name) for prediction in predictions]
        if metric.counts is not None:
            columns[f"counts_{name}"] = [
                _counts_text(prediction.counts.get(name)) for prediction in predictions
            ]
    return pandas.DataFrame(columns)


def _counts_text(counts: Counts | None) -> str | None:
    return None if counts is None else json.dumps(counts, sort_keys=True)


def load_predictions(results: Path, run: Run) -> list[Prediction]:
    """A finished run's predictions, without scores and counts. Raises one of `UNREADABLE` for a damaged
    file."""
    table = read_prediction_table(results, run, list(COLUMNS))
    return [_prediction(row) for row in table.to_pylist()]


def _prediction(row: Mapping[str, Any]) -> Prediction:
    """A row of a file, where integers are floats in a column that lacks some, and tuples are lists."""
    changes = {
        "draw": _whole(row["draw"]) or 0,
        "prompt_tokens": _whole(row["prompt_tokens"]),
        "truncated": _whole(row["truncated"]) or 0,
        "target": tuple(row["target"]),
        "choices": tuple(row["choices"]),
        "completion_tokens": _whole(row["completion_tokens"]),
        "thought_tokens": _whole(row["thought_tokens"]),
        "target_tokens": _whole(row["target_tokens"]),
    }
    return Prediction(**{**row, **changes})


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def read_predictions(results: Path, run: Run, columns: list[str] | None = None) -> "pandas.DataFrame":
    """A finished run's predictions as a frame, one row a sample, in data set order; `score_<metric>` is None
    where unscored.

    `columns`: only these. Those of `LATER_COLUMNS` that an earlier schema lacks are filled in. Raises
    `KeyError` for other columns that are not there.
    """
    frame: pandas.DataFrame = read_prediction_table(results, run, columns).to_pandas()
    return frame


def read_prediction_table(
    results: Path, run: Run, columns: list[str] | None = None, *, if_any: Sequence[str] = ()
) -> "pyarrow.Table":
    """A finished run's predictions as an Arrow table, which is made several times faster than a frame.

    `if_any`: columns that are read besides `columns` where they are there.
    """
    import pyarrow

    wanted = columns if columns is None else [*columns, *if_any]
    with open_parquet(results / run.folder / PREDICTIONS, wanted, inside=results) as file:
        stored = file.schema_arrow.names
        later = [name for name in LATER_COLUMNS if name not in stored and (wanted is None or name in wanted)]
        missing = [name for name in columns or () if name not in stored and name not in later]
        if missing:
            raise KeyError(f"there is no column '{missing[0]}'")
        table = file.read(columns=wanted and [name for name in wanted if name in stored], use_threads=False)
    for name in later:
        value = LATER_COLUMNS[name]
        rows = table.num_rows
        table = table.append_column(
            name, pyarrow.nulls(rows) if value is None else pyarrow.array([value] * rows)
        )
    return table
