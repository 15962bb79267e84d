"""What is said of a test set and of seeds before anything is trained."""

import dataclasses

import pytest
from toy_task import adding

from harness.plan.power import Power, power_of, power_on
from harness.task import Metric, Sample

ALONE = "Assumed: two arms differ on 20 % of the samples; 80 % of such gaps would be found."
WITH_SEEDS = (
    "Assumed: two arms differ on 20 % of the samples, a fine-tune's seeds by 2 points (SD); "
    "80 % of such gaps would be found."
)


@pytest.mark.parametrize(
    ("samples", "seeds", "sentence", "coarse"),
    [
        (
            30,
            None,
            "30 test samples: only gaps above about 23 points show; 5 points would take about 630.",
            True,
        ),
        (1, None, "1 test sample: no gap can show; 5 points would take about 630.", True),
        (
            8,
            None,
            "8 test samples: only gaps above about 44 points show; 5 points would take about 630.",
            True,
        ),
        (
            300,
            None,
            "300 test samples: only gaps above about 7.2 points show; 5 points would take about 630.",
            False,
        ),
        (1000, None, "1,000 test samples: gaps above about 4 points show.", False),
        (
            300,
            3,
            "300 test samples and 3 seeds: only gaps above about 8.6 points show; 5 points would take 6 "
            "seeds and about 1,100 samples.",
            False,
        ),
        (
            300,
            6,
            "300 test samples and 6 seeds: only gaps above about 7.9 points show; 5 points would take about 1,100.",
            False,
        ),
        (
            2000,
            2,
            "2,000 test samples and 2 seeds: only gaps above about 6.3 points show; 5 points would take 6 seeds.",
            False,
        ),
        (5000, 3, "5,000 test samples and 3 seeds: gaps above about 4.9 points show.", False),
        (
            300,
            1,
            "300 test samples and 1 seed: one seed can never show a gain; two would show gaps above about "
            "9.1 points; 5 points would take 6 seeds and about 1,100 samples.",
            True,
        ),
        (
            1,
            1,
            "1 test sample and 1 seed: one seed can never show a gain; 5 points would take 6 seeds and about "
            "1,100 samples.",
            True,
        ),
    ],
)
def test_what_samples_and_seeds_can_show_is_a_sentence(
    samples: int, seeds: int | None, sentence: str, coarse: bool
) -> None:
    power = power_of([""] * samples, seeds=seeds)
    assert (power.sentence, power.is_coarse) == (sentence, coarse)
    assert power.assumptions == (ALONE if seeds is None else WITH_SEEDS)


def test_clusters_count_by_what_they_are_worth() -> None:
    power = power_of(["a", "b", "c", "d", "e", "f"] * 5)
    assert power == Power(samples=30, independent=6.0, seeds=None)
    assert power.sentence == (
        "30 test samples (worth 6 independent ones): only gaps above about 51 points show; 5 points would "
        "take about 3,100."
    )


def test_the_clusters_of_a_task_are_those_of_its_samples() -> None:
    test = [Sample(str(place), {"text": "1"}, "2", cluster="ab"[place % 2]) for place in range(10)]
    assert power_on(adding(), test, seeds=3) == Power(samples=10, independent=2.0, seeds=3)


def test_nothing_is_said_of_a_metric_that_has_no_scale_from_0_to_1() -> None:
    length = Metric("length", "letters", lambda reply: float(len(reply.answer)), high=1000.0)
    task = dataclasses.replace(adding(), metrics=("exact_match", length), primary_metric="length")
    sample = Sample("0", {"text": "1"}, "2")
    assert power_on(task, [sample]) is None
    assert power_on(dataclasses.replace(task, primary_metric="exact_match"), [sample]) is not None
