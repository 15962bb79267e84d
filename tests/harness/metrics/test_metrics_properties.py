"""Metrics equal the libraries they follow on random inputs, and no answer, however malformed, makes one
raise."""

import json
import math
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.metrics import METRICS, contributions, evaluate, sums_of
from harness.metrics.classes import CLASSES
from harness.metrics.constraints import KINDS
from harness.task import Metric, Reply
from harness.task.words import has_other_letters

repeatably = settings(deadline=None, max_examples=60, derandomize=True, database=None)

CORPUS = [name for name, metric in METRICS.items() if metric.counts is not None]
LABELS = st.sampled_from(["cat", "dog", "bird", "no such class", ""])
WORDS = st.sampled_from(
    ["the", "a", "cat", "cats", "running", "ran", "Ünïcode", "漢字", "3.5", "(hi)", "it's", ".", "!", "🙂"]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.text(max_size=20))
TARGETS = st.lists(TEXTS, min_size=1, max_size=3).map(tuple)
CORPORA = st.lists(st.tuples(TEXTS, TARGETS), min_size=1, max_size=6)

HOSTILE = [
    "",
    " \n\t ",
    "\x00\x01",
    "\ud800",
    "🙂" * 1000,
    "-",
    "--1",
    "1,,,2",
    "١٢٣",
    "9" * 10_000,
    "1e999",
    "NaN",
    "Infinity",
    "null",
    "[]",
    "{}",
    "{" * 30_000,
    "y" * 30_000,
    "!." * 30_000,
    "a-" * 30_000,
    "\n" * 30_000,
    "spam and eggs " * 500,
    '{"a":' * 10_000,
    '{"a":' * 300 + "1" + "}" * 300,
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": ' + "9" * 10_000 + "}",
    '{"\\ud800": "\\udfff"}',
    "SELECT " + "(" * 30_000,
    None,
    b"\xff",
    17,
    math.nan,
    {"a": 1},
]

OPTIONS: dict[str, Any] = {
    "min": 1, "max": 9, "count": 2, "text": "x", "word": "and", "words": ["eggs", "("], "case": "title",
}  # fmt: skip


def reply(answer: Any, targets: Sequence[str], *, logprobs: tuple[float, ...] = (-1.0, -2.0, -3.0)) -> Reply:
    """A reply that lacks nothing, whichever metric judges it."""
    constraints = [
        {"kind": name, **{option: OPTIONS[option] for option in kind.options}} for name, kind in KINDS.items()
    ]
    return Reply(
        answer,
        tuple(targets),
        choices=("cat", "dog", "漢字"),
        choice_logprobs=logprobs,
        logprob=sum(logprobs),
        target_tokens=3,
        metadata={"database": "CREATE TABLE t (a)", "constraints": json.dumps(constraints)},
    )


def rows_of(metric: Metric, replies: Sequence[Reply]) -> list[Any]:
    assert metric.counts is not None
    return [metric.counts(item) for item in replies]


def arrays(sums: dict[str, float]) -> dict[str, Any]:
    return {name: numpy.asarray(number) for name, number in sums.items()}


# Anything is answered


def assert_in_range(metric: Metric, replies: Sequence[Reply]) -> None:
    value = evaluate(metric, replies)
    assert metric.low - 1e-9 <= value <= metric.high + 1e-9, f"{replies[0].answer[:60]!r} scores {value}"


@pytest.mark.parametrize("name", METRICS)
def test_a_hostile_answer_gets_a_score_within_the_range(name: str) -> None:
    targets = ["SELECT 1"] if name == "sql_execution" else ["spam and eggs", "y"]
    for answer in HOSTILE:
        assert_in_range(METRICS[name], [reply(answer, targets)])


@pytest.mark.parametrize("name", [name for name in METRICS if name != "sql_execution"])
def test_a_hostile_target_gets_a_score_within_the_range(name: str) -> None:
    for target in HOSTILE:
        if isinstance(target, str) and target:  # what the data checks let through
            assert_in_range(METRICS[name], [reply(target, [target]), reply("spam and eggs", [target])])


@pytest.mark.parametrize("name", METRICS)
def test_any_text_gets_a_score_within_the_range(name: str) -> None:
    alphabet = '{}[]",:0123456789.-+eE \\\nabc٣½selct*()'
    generator = random.Random(0)
    for _ in range(50):
        text = "".join(generator.choices(alphabet, k=generator.randint(0, 30)))
        assert_in_range(
            METRICS[name], [reply(text, ["SELECT 1"] if name == "sql_execution" else [text or "3", "3"])]
        )


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.binary])
def test_a_binary_metric_gives_zero_or_one(name: str) -> None:
    target = "SELECT 1" if name == "sql_execution" else "1"
    scores = {
        evaluate(METRICS[name], [reply(answer, [target])]) for answer in (*HOSTILE[:16], "1", "SELECT 1")
    }
    assert scores <= {0.0, 1.0}


# Classes equal scikit-learn


@st.composite
def classified(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    pairs = draw(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
    targets, answers = zip(*pairs, strict=True)
    return list(targets), list(answers)


def expected_of_classes(name: str, targets: list[str], answers: list[str]) -> float:
    from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

    if name == "mcc":
        return float(matthews_corrcoef(targets, answers))
    part, _, average = name.partition("_")
    score = {"precision": precision_score, "recall": recall_score, "f1": f1_score}[part]
    return float(score(targets, answers, labels=sorted(set(targets)), average=average, zero_division=0))


@pytest.mark.filterwarnings("ignore:A single label was found")
@pytest.mark.parametrize("name", [metric.name for metric in CLASSES])
@repeatably
@given(data=classified())
def test_class_metrics_equal_scikit_learn(name: str, data: tuple[list[str], list[str]]) -> None:
    targets, answers = data
    replies = [Reply(answer, (target,)) for target, answer in zip(targets, answers, strict=True)]
    assert evaluate(METRICS[name], replies) == pytest.approx(
        expected_of_classes(name, targets, answers), abs=1e-12
    )


@repeatably
@given(data=classified())
def test_details_equal_scikit_learn_by_class(data: tuple[list[str], list[str]]) -> None:
    from sklearn.metrics import precision_recall_fscore_support

    targets, answers = data
    metric, labels = METRICS["f1_macro"], sorted(set(targets))
    replies = [Reply(answer, (target,)) for target, answer in zip(targets, answers, strict=True)]
    parts = precision_recall_fscore_support(targets, answers, labels=labels, zero_division=0)
    expected = {
        f"{part} {label}": float(value)
        for part, values in zip(("precision", "recall", "f1"), parts, strict=False)
        for label, value in zip(labels, values, strict=True)
    }
    assert metric.details is not None
    assert metric.details(sums_of(rows_of(metric, replies))) == pytest.approx(expected)


# Overlap equals sacrebleu and rouge-score


@cache
def corpus_scorers() -> dict[str, Any]:
    import sacrebleu

    return {"bleu": sacrebleu.corpus_bleu, "chrf": sacrebleu.corpus_chrf, "ter": sacrebleu.corpus_ter}


@pytest.mark.parametrize("name", ["bleu", "chrf", "ter"])
@repeatably
@given(corpus=CORPORA)
def test_corpus_metrics_equal_sacrebleu(name: str, corpus: list[tuple[str, tuple[str, ...]]]) -> None:
    longest = max(len(targets) for _, targets in corpus)
    # sacrebleu takes the first references of all texts, then the second ones; None where a text has fewer.
    references = [
        [targets[place] if place < len(targets) else None for _, targets in corpus]
        for place in range(longest)
    ]
    expected = corpus_scorers()[name]([answer for answer, _ in corpus], references).score / 100
    assert evaluate(METRICS[name], [Reply(*pair) for pair in corpus]) == pytest.approx(expected, abs=1e-12)


@cache
def rouge_scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
@repeatably
@given(answer=TEXTS, targets=TARGETS)
def test_rouge_equals_rouge_score(name: str, answer: str, targets: tuple[str, ...]) -> None:
    """On texts of Latin letters: it drops all others."""
    assume(not any(map(has_other_letters, (answer, *targets))))
    expected = rouge_scorer().score_multi(targets, answer)[name].fmeasure
    assert evaluate(METRICS[name], [Reply(answer, targets)]) == pytest.approx(expected)


# Probabilities equal scikit-learn


@repeatably
@given(
    data=st.lists(
        st.tuples(st.lists(st.floats(-30, 0), min_size=3, max_size=3), st.integers(0, 2)),
        min_size=1,
        max_size=10,
    )
)
def test_brier_equals_scikit_learn(data: list[tuple[list[float], int]]) -> None:
    from scipy.special import softmax
    from sklearn.metrics import brier_score_loss

    choices = ("a", "b", "c")
    replies = [
        Reply("a", (choices[right],), choices=choices, choice_logprobs=tuple(logprobs))
        for logprobs, right in data
    ]
    probabilities = softmax(numpy.array([logprobs for logprobs, _ in data]), axis=1)
    expected = brier_score_loss(
        [choices[right] for _, right in data], probabilities, labels=choices, scale_by_half=False
    )
    assert evaluate(METRICS["brier"], replies) == pytest.approx(expected)


# Counts add up


@st.composite
def replies_of_all_kinds(draw: st.DrawFn, *, least: int = 1) -> list[Reply]:
    def one() -> Reply:
        logprobs = tuple(draw(st.floats(-20, -0.01)) for _ in range(3))
        return reply(draw(LABELS), [draw(LABELS.filter(bool))], logprobs=logprobs)

    return [one() for _ in range(draw(st.integers(least, 8)))]


@pytest.mark.parametrize("name", CORPUS)
@repeatably
@given(replies=replies_of_all_kinds())
def test_contributions_average_to_the_value(name: str, replies: list[Reply]) -> None:
    metric = METRICS[name]
    value, parts = contributions(metric, rows_of(metric, replies))
    assert value == pytest.approx(evaluate(metric, replies))
    assert parts.shape == (len(replies),)
    assert parts.mean() == pytest.approx(value, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("name", [metric.name for metric in CLASSES])
@repeatably
@given(data=classified())
def test_contributions_to_class_metrics_are_those_of_scoring_again_without_each_sample(
    name: str, data: tuple[list[str], list[str]]
) -> None:
    replies = [Reply(answer, (target,)) for target, answer in zip(*data, strict=True)]
    value, parts = contributions(METRICS[name], rows_of(METRICS[name], replies))
    if len(replies) == 1:
        assert parts.tolist() == [value]
        return
    without = [evaluate(METRICS[name], replies[:at] + replies[at + 1 :]) for at in range(len(replies))]
    expected = value + (len(replies) - 1) * (numpy.mean(without) - numpy.array(without))
    assert parts == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", CORPUS)
@repeatably
@given(replies=replies_of_all_kinds(least=2), data=st.data())
def test_the_counts_of_any_split_add_up_to_those_of_the_whole(
    name: str, replies: list[Reply], data: st.DataObject
) -> None:
    metric = METRICS[name]
    rows = rows_of(metric, replies)
    cut = data.draw(st.integers(1, len(rows) - 1))
    assert sums_of([sums_of(rows[:cut]), sums_of(rows[cut:])]) == pytest.approx(sums_of(rows))


@pytest.mark.parametrize("name", CORPUS)
@repeatably
@given(replies=replies_of_all_kinds(least=2))
def test_values_of_arrays_are_those_of_their_elements(name: str, replies: list[Reply]) -> None:
    metric = METRICS[name]
    assert metric.value is not None
    rows = rows_of(metric, replies)
    halves = [sums_of(rows), sums_of(rows[:1])]
    names = {count for sums in halves for count in sums}
    together = metric.value(
        {count: numpy.array([[sums.get(count, 0.0) for sums in halves]]) for count in names}
    )
    assert together.shape == (1, 2)
    assert together[0].tolist() == pytest.approx([float(metric.value(arrays(sums))) for sums in halves])
