"""Answers that are sets of labels: how they are read and written, and scikit-learn's metrics of them."""

import random

import numpy
import pytest
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from harness.errors import UserError
from harness.metrics import LabelSet, contributions, evaluate, majority_level
from harness.task import Metric, Reply, Sample

LABELS = LabelSet(("account", "billing", "delivery", "hardware", "network"))
METRICS = {metric.name: metric for metric in LABELS.metrics}


def judge(name: str, answer: str, *targets: str) -> float:
    return evaluate(METRICS[name], [Reply(answer, targets)])


# Reading and writing


@pytest.mark.parametrize(
    "text",
    [
        "hardware; billing", "billing;hardware", "billing | hardware", "billing|hardware", "billing, hardware",
        "billing\nhardware", '["hardware", "billing"]', " hardware ;billing; ", "billing; hardware; billing",
    ],
)  # fmt: skip
def test_every_form_of_a_set_is_one_target(text: str) -> None:
    assert LABELS.target(text) == LABELS.extract(text) == "billing; hardware"


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "none", "None", "null", "[]", "N/A", "-"])
def test_a_cell_without_a_label_is_none(cell: str) -> None:
    assert LABELS.target(cell) == "none"


def test_a_cell_with_an_unknown_label_is_refused() -> None:
    with pytest.raises(UserError, match=r"'hardwear' is none of the labels\. Did you mean 'hardware'\?"):
        LABELS.target("billing; hardwear")


def test_an_invented_label_stays_in_the_answer_behind_the_others() -> None:
    assert LABELS.extract("weather; hardware; billing") == "billing; hardware; weather"


@pytest.mark.parametrize(
    ("answer", "has_form"),
    [("none", True), ("[]", True), ("billing", True), ("", False), ("billing; weather", False), ("Billing", False)],
)  # fmt: skip
def test_a_blank_answer_and_unknown_labels_are_faults_of_form(answer: str, has_form: bool) -> None:
    for metric in LABELS.metrics:
        assert metric.parses is not None
        assert metric.parses(Reply(answer, ("billing",))) is has_form


def test_a_label_may_hold_other_separators_than_its_own() -> None:
    labels = LabelSet(("Books", "Music, Film", "Toys, Games"))
    assert labels.target("Toys, Games; Books") == "Books; Toys, Games"


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (("a", "b; c"), "holds the separator"),
        (("a", "a"), "are different texts"),
        ((), "are different texts"),
        (("none", "b"), "says that there is none"),
        (("a", " b"), "white space around it"),
    ],
)
def test_labels_that_could_not_be_told_apart_are_refused(labels: tuple[str, ...], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        LabelSet(labels)


# Metrics


def test_order_does_not_matter() -> None:
    assert all(judge(name, "hardware; billing", "billing; hardware") == 1 for name in METRICS)


def test_none_against_none_is_right() -> None:
    for name in ("label_f1_samples", "label_jaccard", "subset_accuracy"):
        assert judge(name, "none", "none") == 1
        assert judge(name, "", "none") == 0


@pytest.mark.parametrize("name", ["label_f1_micro", "label_f1_macro"])
def test_only_samples_without_a_label_have_no_f1_over_labels(name: str) -> None:
    assert judge(name, "none", "none") == 0
    assert judge(name, "billing", "none") == 0


def test_the_closest_of_several_accepted_sets_counts() -> None:
    assert judge("label_f1_micro", "billing", "hardware", "billing; network") == pytest.approx(2 / 3)


def drawn_sets(generator: random.Random, *, invented: bool = False) -> frozenset[str]:
    names = [*LABELS.labels, *(["weather"] if invented else [])]
    return frozenset(generator.sample(names, generator.randrange(4)))


def indicator(sets: list[frozenset[str]], names: list[str]) -> numpy.ndarray:
    return numpy.array([[name in chosen for name in names] for chosen in sets], dtype=int)


def written(labels: frozenset[str]) -> str:
    return "; ".join(sorted(labels)) or "none"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("invented", [False, True])
def test_the_metrics_are_scikit_learn_s(seed: int, invented: bool) -> None:
    generator = random.Random(seed)
    targets = [drawn_sets(generator) for _ in range(30)]
    answers = [drawn_sets(generator, invented=invented) for _ in range(30)]
    replies = [
        Reply(written(answer), (written(target),)) for answer, target in zip(answers, targets, strict=True)
    ]
    names = [*LABELS.labels, "weather"]
    truth, guess = indicator(targets, names), indicator(answers, names)
    present = [place for place in range(len(names)) if truth[:, place].any()]
    expected = {
        "label_f1_micro": f1_score(truth, guess, average="micro", zero_division=0),
        "label_f1_macro": f1_score(truth, guess, average="macro", labels=present, zero_division=0),
        "label_f1_samples": f1_score(truth, guess, average="samples", zero_division=1),
        "label_jaccard": jaccard_score(truth, guess, average="samples", zero_division=1),
        "subset_accuracy": accuracy_score(truth, guess),
    }
    assert {name: evaluate(METRICS[name], replies) for name in METRICS} == pytest.approx(expected)


@pytest.mark.parametrize("name", ["label_f1_micro", "label_f1_macro"])
def test_the_parts_of_the_samples_average_to_the_value(name: str) -> None:
    generator = random.Random(1)
    metric: Metric = METRICS[name]
    assert metric.counts is not None
    replies = [Reply(written(drawn_sets(generator)), (written(drawn_sets(generator)),)) for _ in range(40)]
    value, parts = contributions(metric, [metric.counts(reply) for reply in replies])
    assert value == pytest.approx(evaluate(metric, replies))
    assert float(parts.mean()) == pytest.approx(value)


def test_precision_and_recall_of_each_label_are_told() -> None:
    metric = METRICS["label_f1_macro"]
    assert metric.details is not None
    details = metric.details({"samples": 2.0, "tp billing": 1.0, "fp billing": 1.0, "fn network": 1.0})
    assert details == {
        "precision billing": 0.5, "recall billing": 1.0, "f1 billing": pytest.approx(2 / 3),
        "precision network": 0.0, "recall network": 0.0, "f1 network": 0.0,
    }  # fmt: skip


def test_the_best_constant_set_is_the_level_of_a_constant_answer() -> None:
    """The most frequent set is one label; giving all three frequent labels has the better F1."""
    sets = ["billing", "billing", "billing; network", "network; delivery", "billing; network; delivery"] * 4
    samples = [Sample(str(place), {}, LABELS.target(text)) for place, text in enumerate(sets)]
    level = majority_level(METRICS["label_f1_micro"], samples, samples)
    # 3 labels for each of 5 samples, 9 of 15 right, none missed; billing and network: 7 of 10 right, 2 missed.
    assert level == pytest.approx(2 * 9 / (15 + 9))
    assert majority_level(METRICS["subset_accuracy"], samples, samples) == pytest.approx(2 / 5)
