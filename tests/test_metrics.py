"""Metrics judge any text, from 0 to 1, and never raise."""

import json
import random

import pytest

from harness.metrics import METRICS, last_number

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
    "{" * 100_000,
    "[" * 100_000,
    '{"a":' * 100_000,
    '{"a":' * 300 + "1" + "}" * 300,
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": ' + "9" * 10_000 + "}",
    '{"\\ud800": "\\udfff"}',
]


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_takes_hostile_text_as_answer_and_as_target(name: str) -> None:
    for answer in HOSTILE:
        for target in HOSTILE:
            assert 0.0 <= METRICS[name].score(answer, [target]) <= 1.0


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_takes_random_text(name: str) -> None:
    generator = random.Random(0)
    for _ in range(300):
        text = "".join(generator.choices('{}[]",:0123456789.-+eE \\\nabc٣½', k=generator.randint(0, 30)))
        assert 0.0 <= METRICS[name].score(text, [text, "3"]) <= 1.0


@pytest.mark.parametrize("depth", range(100, 3000, 50))
def test_json_of_any_depth_is_judged(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    assert 0.0 <= METRICS["json_f1"].score(nested, [nested]) <= 1.0


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_without_targets_gives_nothing(name: str) -> None:
    assert METRICS[name].score("3", []) == 0.0


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.binary])
def test_a_binary_metric_gives_zero_or_one(name: str) -> None:
    assert {METRICS[name].score(answer, ["3"]) for answer in (*HOSTILE, "3")} <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("answer", "targets", "score"),
    [
        (" blue\n", ["blue"], 1),
        ("Blue", ["blue"], 0),
        ("navy", ["blue", "navy"], 1),
        ("blue.", ["blue"], 0),
        ("", ["blue"], 0),
    ],
)
def test_exact_match_compares_whole_answers_outer_space_aside(answer: str, targets: list[str], score: float) -> None:
    assert METRICS["exact_match"].score(answer, targets) == METRICS["accuracy"].score(answer, targets) == score


@pytest.mark.parametrize(
    ("text", "number"),
    [("5 and 7", "7"), ("$1,234.50 in all.", "1234.50"), ("-3", "-3"), ("it ends with 12.", "12"), ("none", ""), ("", "")],
)
def test_last_number_is_the_last_one_without_thousands_separators(text: str, number: str) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("1,000", "#### 1000", 1),
        ("42.0", "42", 1),
        ("41 or 42", "42", 1),
        ("42 or 41", "42", 0),
        ("", "42", 0),
        ("42", "", 0),
    ],
)
def test_numeric_match_compares_values_not_spellings(answer: str, target: str, score: float) -> None:
    assert METRICS["numeric_match"].score(answer, [target]) == score


WANTED = json.dumps({"city": "Oslo", "item": "lamp", "quantity": 3})


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (WANTED, 1.0),
        ('{"quantity": 3, "city": "Oslo", "item": "lamp"}', 1.0),
        ('{"city": "Oslo", "item": "lamp"}', 0.8),
        ('{"city": "Oslo", "item": "lamp", "quantity": "3"}', 2 / 3),
        ('{"city": "Oslo", "item": "lamp", "quantity": 3, "colour": "red"}', 6 / 7),
        ("{}", 0.0),
        ("lamp", 0.0),
        (WANTED[:-1], 0.0),
        (f"[{WANTED}]", 0.0),
    ],
)
def test_json_f1_counts_pairs_of_field_and_value(answer: str, score: float) -> None:
    assert METRICS["json_f1"].score(answer, [WANTED]) == pytest.approx(score)


def test_json_f1_tells_true_from_one() -> None:
    assert METRICS["json_f1"].score('{"a": true}', ['{"a": 1}']) == 0.0


def test_json_f1_takes_the_best_of_several_targets() -> None:
    assert METRICS["json_f1"].score('{"a": 1}', ['{"a": 2}', '{"a": 1}', "not JSON"]) == 1.0
