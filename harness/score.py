"""Judge a run's completions with its task's metrics. Needs no model, so scoring again is free."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.metrics import METRICS, answer_of
from harness.results import MetricValue, SampleCounts
from harness.statistics import score
from harness.task import Sample, Task

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "sample_id", "prompt", "prompt_tokens", "target", "choices", "completion", "completion_tokens", "finish_reason",
    "choice_logprobs", "error",
)  # fmt: skip
"""A row of predictions, before the answer and its scores."""


@dataclass(frozen=True)
class Scored:
    """A run's predictions with answers and scores, and the means over them."""

    predictions: "pandas.DataFrame"
    """`COLUMNS`, then `answer` and a `score_<metric>` for each metric; None where a sample was not scored."""

    metrics: dict[str, MetricValue]
    samples: SampleCounts


def collect(samples: Sequence[Sample], completions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join samples with an engine's answers, in data set order, as rows of `COLUMNS`."""
    answers = {row["id"]: row for row in completions}
    assert len(answers) == len(samples), "an engine answers every prompt once, with an error if need be"
    rows = []
    for sample in samples:
        answer = answers[sample.id]
        rows.append(
            {
                "sample_id": sample.id,
                "target": list(sample.targets),
                "choices": list(sample.choices),
                **{name: answer.get(name) for name in COLUMNS if name not in ("sample_id", "target", "choices")},
            }
        )
    return rows


def score_rows(task: Task, rows: Sequence[dict[str, Any]]) -> Scored:
    """Extract each row's answer and judge it with every metric of the task.

    A task whose `extract` raises on a completion gets that sample's error recorded. A sample with an error has no
    score and is not part of the means.
    """
    import pandas

    judged = [_judge(task, row) for row in rows]
    table = pandas.DataFrame(judged, columns=[*COLUMNS, "answer", *(f"score_{name}" for name in task.metrics)])
    good = table[table["error"].isna()]
    counts = SampleCounts(total=len(table), scored=len(good), failed=len(table) - len(good))
    if good.empty:
        return Scored(table, {}, counts)
    return Scored(table, {name: _mean(name, good[f"score_{name}"].to_numpy(dtype=float)) for name in task.metrics}, counts)


def _judge(task: Task, row: dict[str, Any]) -> dict[str, Any]:
    unscored = {"answer": None, **{f"score_{name}": None for name in task.metrics}}
    if row["error"] is not None:
        return {**row, **unscored}
    try:
        answer = answer_of(task, row["completion"])
    except UserError as error:  # the sample carries it
        return {**row, **unscored, "error": str(error)}
    scores = {f"score_{name}": METRICS[name].score(answer, row["target"]) for name in task.metrics}
    return {**row, "answer": answer, **scores}


def _mean(name: str, scores: Any) -> MetricValue:
    estimate = score(scores, binary=METRICS[name].binary)
    return MetricValue(value=estimate.value, stderr=estimate.stderr, low=estimate.low, high=estimate.high, n=estimate.n)
