"""Answers and predictions on disk: what is written is what is read."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import make_run, task_card
from toy_task import adding

from harness.records.predictions import (
    COLUMNS,
    PREDICTIONS,
    EngineAnswer,
    Prediction,
    load_predictions,
    prediction_frame,
    read_answers,
)
from harness.score.judging import metrics_of, score_predictions

PROMPT = EngineAnswer(place=0, id="a", template="plain", prompt="1 + 1", prompt_tokens=3, truncated=0)

ANSWERS = {
    "written": replace(PROMPT, completion="2\u2028", completion_tokens=1, finish_reason="stop", draw=2),
    "chosen": replace(PROMPT, completion="2", completion_tokens=1, choice_logprobs=[-0.5, -1.5]),
    "measured": replace(PROMPT, completion="2", logprob=-0.5, target_tokens=1, greedy=False),
    "failed": replace(PROMPT, error="too long"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read_as_it_was_written(tmp_path: Path, answer: EngineAnswer) -> None:
    path = tmp_path / "completions.jsonl"
    path.write_text(answer.line() * 2, encoding="utf-8")
    assert read_answers(path) == [answer, answer]


def test_a_line_holds_only_the_fields_that_apply() -> None:
    prompt = {"place": 0, "id": "a", "template": "plain", "prompt": "1 + 1", "prompt_tokens": 3}
    expected = prompt | {"truncated": 0, "draw": 0, "error": "too long"}
    assert json.loads(ANSWERS["failed"].line()) == expected


def test_a_number_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        replace(ANSWERS["measured"], logprob=float("nan")).line()


def prediction(answer: EngineAnswer) -> Prediction:
    said = {name: getattr(answer, name) for name in COLUMNS if hasattr(answer, name)}
    of_sample = {"sample_id": answer.id, "cluster": "", "target": ("2",), "choices": (), "metadata": "{}"}
    return Prediction(**said, **of_sample, overlap=False)


def test_predictions_are_loaded_as_they_were_judged_though_without_scores(tmp_path: Path) -> None:
    task = adding(metrics=("exact_match", "f1_macro"))
    unjudged = [prediction(answer) for answer in ANSWERS.values()]
    judged = score_predictions(task, unjudged).predictions
    assert [row.error for row in judged] == [None, None, None, "too long"]
    run = make_run("toy", "full", task_card(task.name), 0)
    (tmp_path / run.folder).mkdir(parents=True)
    prediction_frame(judged, metrics_of(task)).to_parquet(tmp_path / run.folder / PREDICTIONS, index=False)
    loaded = load_predictions(tmp_path, run)
    assert [replace(row, choice_logprobs=None) for row in loaded] == [
        replace(row, choice_logprobs=None, scores={}, counts={}) for row in judged
    ]
    assert [row.choice_logprobs for row in loaded] == [row.choice_logprobs for row in judged]
    assert [row.unjudged() for row in loaded] == unjudged


def test_judging_leaves_the_predictions_it_is_given_as_they_were() -> None:
    task = adding(metrics=("exact_match", "f1_macro"))
    given = [prediction(ANSWERS["written"]), prediction(ANSWERS["failed"])]
    judged = score_predictions(task, given).predictions
    again = score_predictions(task, judged).predictions
    assert judged[0].scores.keys() == {"exact_match", "f1_macro"}
    assert given == [prediction(ANSWERS["written"]), prediction(ANSWERS["failed"])]
    assert again == judged


def test_without_predictions_there_are_no_columns() -> None:
    assert prediction_frame([], metrics_of(adding())).columns.empty
