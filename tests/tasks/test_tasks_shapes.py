"""Tasks whose answers are sets, nested JSON, numbers or ordered labels, from their data to what a result says."""

from collections.abc import Callable
from functools import cache

import pytest

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.plugins.registry import find_plugins, load_task
from harness.records.predictions import EngineAnswer
from harness.records.scores import TaskCard
from harness.score.card import task_card
from harness.score.finish import collapse
from harness.score.judging import Scored, collect, score_predictions
from harness.task import Sample

CONSTANTS = {
    "delivery_note": '{"customer": "Ada", "items": [], "town": "Oslo"}',
    "message_topics": "none",
    "review_stars": "3",
    "walking_time": "3.64",
}
"""An answer to everything, that has the form of one."""


@cache
def loaded(name: str) -> LoadedTask:
    task = load_task(name, find_plugins(entry_points=False))
    return LoadedTask(task, load_dataset(task))


@cache
def card(name: str) -> TaskCard:
    return task_card(loaded(name))


def scored(name: str, completion: Callable[[Sample], str]) -> Scored:
    """What these answers to the test samples come to, as a run's are judged."""
    task, samples = loaded(name).task, loaded(name).dataset.test
    answers = [
        EngineAnswer(
            place=place,
            id=sample.id,
            template="plain",
            prompt="?",
            prompt_tokens=1,
            truncated=0,
            completion=completion(sample),
            completion_tokens=1,
            finish_reason="stop",
        )
        for place, sample in enumerate(samples)
    ]
    return score_predictions(task, collect(samples, answers))


@pytest.mark.parametrize("name", CONSTANTS)
def test_targets_score_best_on_every_metric_and_have_the_form_of_answers(name: str) -> None:
    outcome = scored(name, lambda sample: sample.targets[0])
    assert {metric: value.value for metric, value in outcome.metrics.items()} == pytest.approx(
        {metric.name: metric.scale.best for metric in outcome.judges}
    )
    assert outcome.parsed is not None and outcome.parsed.share.value == 1


@pytest.mark.parametrize("name", [name for name in CONSTANTS if name != "review_stars"])
def test_text_that_cannot_be_read_is_a_fault_of_form_and_scores_least(name: str) -> None:
    outcome = scored(name, lambda _: "I cannot tell")
    assert outcome.parsed is not None and outcome.parsed.share.value == 0
    primary = next(metric for metric in outcome.judges if metric.name == card(name).primary_metric)
    assert primary.scale.share(outcome.metrics[primary.name].value) < 0.3
    assert outcome.samples.failed == 0, "a model's answer is judged, and no error"


@pytest.mark.parametrize("name", CONSTANTS)
def test_one_answer_to_everything_has_collapsed_whichever_way_is_better(name: str) -> None:
    metric = card(name).metrics[card(name).primary_metric]
    outcome = scored(name, lambda _: CONSTANTS[name])
    collapsed = collapse(outcome, card(name))
    if metric.majority is None:  # no constant answer was known, so any score is above it
        assert collapsed == ""
    else:
        assert collapsed.startswith(f"300 of 300 answers are {CONSTANTS[name]!r}")
    assert collapse(scored(name, lambda sample: sample.targets[0]), card(name)) == ""
