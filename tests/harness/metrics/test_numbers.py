"""Answers that are numbers or ordered labels, against scikit-learn and scipy."""

import random
import time

import numpy
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, root_mean_squared_error

from harness.errors import UserError
from harness.metrics import NumberRange, OrderedLabels, contributions, evaluate, majority_level
from harness.task import Metric, Reply, Sample

SCORES = NumberRange(0.0, 10.0, tolerance=0.5)
NUMBERS = {metric.name: metric for metric in SCORES.metrics}
STARS = OrderedLabels(("1", "2", "3", "4", "5"))
ORDERED = {metric.name: metric for metric in STARS.metrics}


def replies(answers: list[object], targets: list[object]) -> list[Reply]:
    return [Reply(str(answer), (str(target),)) for answer, target in zip(answers, targets, strict=True)]


def judge(name: str, answer: str, *targets: str) -> float:
    return evaluate({**NUMBERS, **ORDERED}[name], [Reply(answer, targets)])


# Numbers


@pytest.mark.parametrize("seed", range(10))
def test_errors_and_correlations_are_those_of_the_libraries(seed: int) -> None:
    """Rounded answers have ties, which Spearman's ranks share."""
    generator = random.Random(seed)
    targets = [round(generator.uniform(0, 10), 2) for _ in range(60)]
    answers = [
        round(min(10, max(0, target + generator.gauss(0, 2))), generator.randrange(2)) for target in targets
    ]
    expected = {
        "mae": mean_absolute_error(targets, answers),
        "rmse": root_mean_squared_error(targets, answers),
        "pearson": pearsonr(targets, answers).statistic,
        "spearman": spearmanr(targets, answers).statistic,
        "within_tolerance": float(numpy.mean(numpy.abs(numpy.subtract(targets, answers)) <= 0.5 + 1e-9)),
    }
    pairs = replies(answers, targets)
    assert {name: evaluate(metric, pairs) for name, metric in NUMBERS.items()} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "target", "error"),
    [
        ("7.31", "7.32", 0.01),
        ("The score is 7.5.", "7", 0.5),
        ("none", "7", 7.0),
        ("", "2", 8.0),
        ("-1", "9", 9.0),
        ("11", "9", 2.0),
        ("1e300", "9", 9.0),
        ("-4", "2", 6.0),
    ],
    ids=["near", "in a text", "none", "blank", "below", "a little above", "absurd", "far below"],
)
def test_no_answer_is_worse_than_the_farther_end_of_the_range(answer: str, target: str, error: float) -> None:
    assert judge("mae", answer, target) == pytest.approx(error)
    assert judge("rmse", answer, target) == pytest.approx(error)


def test_an_answer_without_a_number_never_beats_one_with_a_number() -> None:
    for target in ("0", "3", "5", "10", "12"):
        assert judge("mae", "", target) >= max(judge("mae", str(number), target) for number in range(-5, 16))


def test_the_form_of_a_number_is_told_from_its_value() -> None:
    for metric in NUMBERS.values():
        assert metric.parses is not None
        assert [metric.parses(Reply(text, ("1",))) for text in ("9", "nine")] == [True, False]


def test_a_target_without_a_number_is_said() -> None:
    with pytest.raises(UserError, match="the target 'x' holds no number"):
        judge("mae", "1", "x")


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf"))])
def test_a_range_has_two_ends(ends: tuple[float, float]) -> None:
    with pytest.raises(UserError, match="is empty; its ends are finite numbers"):
        NumberRange(*ends)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("answers", [["3.3"] * 4, ["0.1"] * 4, [""] * 4])
def test_one_answer_to_everything_correlates_with_nothing(name: str, answers: list[object]) -> None:
    value = evaluate(NUMBERS[name], replies(answers, [1.1, 2.2, 9.9, 4.4]))
    assert value == pytest.approx(0.0) if answers[0] else value <= 0


@pytest.mark.parametrize("name", ["rmse", "pearson", "spearman"])
def test_the_value_without_a_sample_is_that_of_the_other_samples(name: str) -> None:
    generator = random.Random(1)
    pairs = replies(*([round(generator.uniform(0, 10), 1) for _ in range(25)] for _ in "xy"))
    metric: Metric = NUMBERS[name]
    assert metric.counts is not None
    value, parts = contributions(metric, [metric.counts(reply) for reply in pairs])
    without = numpy.array([evaluate(metric, pairs[:at] + pairs[at + 1 :]) for at in range(len(pairs))])
    assert parts == pytest.approx(value + 24 * (without.mean() - without))


def test_spearman_of_thousands_of_samples_takes_seconds() -> None:
    generator = random.Random(1)
    metric = NUMBERS["spearman"]
    assert metric.counts is not None
    rows = [
        metric.counts(Reply(f"{generator.random():.4f}", (f"{generator.random():.4f}",))) for _ in range(2000)
    ]
    start = time.process_time()
    contributions(metric, rows)
    assert time.process_time() - start < 10


def test_the_median_is_the_constant_answer_with_the_least_error() -> None:
    samples = [Sample(str(place), {}, number) for place, number in enumerate(["0", "1", "2", "9", "10"])]
    assert majority_level(NUMBERS["mae"], samples, samples) == pytest.approx((2 + 1 + 0 + 7 + 8) / 5)
    assert majority_level(NUMBERS["rmse"], samples, samples) == pytest.approx(numpy.std([0, 1, 2, 9, 10]))


# Ordered labels


@pytest.mark.parametrize("seed", range(10))
def test_kappa_and_steps_are_scikit_learn_s(seed: int) -> None:
    generator = random.Random(seed)
    targets = [generator.randrange(1, 6) for _ in range(50)]
    answers = [min(5, max(1, target + generator.randrange(-2, 3))) for target in targets]
    pairs = replies(answers, targets)
    kappa = cohen_kappa_score(targets, answers, labels=[1, 2, 3, 4, 5], weights="quadratic")
    assert evaluate(ORDERED["quadratic_kappa"], pairs) == pytest.approx(kappa)
    assert evaluate(ORDERED["label_mae"], pairs) == pytest.approx(mean_absolute_error(targets, answers))


def test_an_answer_that_is_no_label_is_as_far_off_as_can_be() -> None:
    assert [judge("label_mae", "none", target) for target in "12345"] == [4, 3, 2, 3, 4]


def test_one_label_for_everything_has_no_kappa() -> None:
    assert evaluate(ORDERED["quadratic_kappa"], replies(["3"] * 4, [1, 2, 3, 5])) == pytest.approx(0)
    assert evaluate(ORDERED["quadratic_kappa"], replies(["3"] * 4, ["3"] * 4)) == 0


def test_labels_are_in_the_order_that_is_given() -> None:
    levels = OrderedLabels(("low", "medium", "high"))
    (_, steps) = levels.metrics
    assert evaluate(steps, [Reply("low", ("high",))]) == 2
    with pytest.raises(UserError, match="none of the ordered labels"):
        evaluate(steps, [Reply("low", ("higher",))])
