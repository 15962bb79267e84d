"""What every metric counts as right, wrong and in between, by example."""

import json
import math
import random
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest

from harness.errors import UserError
from harness.metrics import (
    METRICS,
    answer_of,
    chance_level,
    check_constraints,
    contributions,
    evaluate,
    find_metric,
    last_number,
    majority_level,
    sums_of,
    total,
)
from harness.metrics.answers import first_json_object, is_number
from harness.metrics.overlap import _edits_of_long_texts
from harness.task import Metric, PromptSet, Reply, Sample, Splits, Task
from harness.task.metric import Leaving


def judge(name: str, answer: str, *targets: str, **fields: object) -> float:
    """One answer's score."""
    return evaluate(METRICS[name], [Reply(answer, targets, **fields)])


def choice(answer: str, target: str, probabilities: dict[str, float]) -> Reply:
    logprobs = tuple(math.log(probability) for probability in probabilities.values())
    return Reply(answer, (target,), choices=tuple(probabilities), choice_logprobs=logprobs)


# The registry


def test_a_metric_is_found_by_its_name() -> None:
    assert find_metric("f1_macro") is METRICS["f1_macro"]


def test_a_metric_of_a_task_s_own_is_taken_as_it_is() -> None:
    metric = Metric("own", "nothing", lambda reply: 0.0)
    assert find_metric(metric) is metric


def test_a_misspelt_metric_is_answered_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"metric 'f1_marco' not found\. Did you mean 'f1_macro'\?"):
        find_metric("f1_marco")


def test_every_metric_is_entered_by_its_own_name_and_says_what_it_measures() -> None:
    assert all(name == metric.name and metric.description for name, metric in METRICS.items())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("accuracy", "0 to 1, higher is better"),
        ("mcc", "-1 to 1, higher is better"),
        ("ter", "0 to ∞, lower is better"),
        ("perplexity", "1 to ∞, lower is better"),
        ("brier", "0 to 2, lower is better"),
    ],
)
def test_a_metric_states_its_range_and_direction(name: str, text: str) -> None:
    assert METRICS[name].range_text == text


def test_a_board_cannot_rank_by_what_has_no_two_ends() -> None:
    unrankable = {name for name, metric in METRICS.items() if not metric.rankable}
    assert unrankable == {"ter", "perplexity", "bits_per_byte"}


# Replies and answers


@pytest.mark.parametrize(
    ("answer", "text"), [(None, ""), (3, "3"), (2.5, "2.5"), (b"x", "b'x'"), (["a"], "['a']")]
)
def test_an_answer_that_is_no_text_counts_as_its_text(answer: object, text: str) -> None:
    assert Reply(answer, ("a",)).answer == text  # type: ignore[arg-type]


def task_with(**changes: object) -> Task:
    settings = {
        "name": "toy",
        "version": 1,
        "description": "Nothing.",
        "data": lambda: Splits([], [], []),
        "to_sample": lambda row, index: Sample("0", {}, "x"),
        "prompts": PromptSet({"plain": "x"}),
        "output": "generate",
        "metrics": ("exact_match",),
        "primary_metric": "exact_match",
    }
    return Task(**settings | changes)  # type: ignore[arg-type]


def test_the_answer_is_what_the_task_extracts() -> None:
    assert answer_of(task_with(extract=last_number), "It is 7.") == "7"


def test_a_choice_is_its_own_answer() -> None:
    assert answer_of(task_with(output="choice", extract=last_number), "room 7") == "room 7"


def test_an_extractor_that_raises_is_the_user_s_mistake() -> None:
    with pytest.raises(UserError, match="extract raised IndexError"):
        answer_of(task_with(extract=lambda text: text.split()[5]), "a")


def test_an_extractor_that_gives_no_text_is_the_user_s_mistake() -> None:
    with pytest.raises(UserError, match="extract returned NoneType, expected a text"):
        answer_of(task_with(extract=lambda text: None), "a")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5 and 7", "7"),
        ("$1,234.50 in all.", "1234.50"),
        ("-3", "-3"),
        ("−3 degrees", "-3"),
        ("10-12", "12"),
        ("it ends with 12.", "12"),
        ("1,234,567", "1234567"),
        ("4,5", "5"),
        ("1, 2,3", "3"),
        ("1,2345", "2345"),
        ("12345,678", "678"),
        ("1,234,5678", "5678"),
        ("none", ""),
        ("", ""),
        (".5", "0.5"),
        ("$.50", "0.50"),
        ("-.5", "-0.5"),
        ("No.5", "5"),
        ("-$5.10", "-5.10"),
        ("-€ 5", "-5"),
        ("EUR100", "100"),
        ("-EUR 100", "100"),
        ("Rs500", "500"),
        ("1e-3", "0.001"),
        ("6.0e2", "600"),
        ("2E+3", "2000"),
        ("1.5 × 10^3", "1500"),
        ("1.5x10^{-3}", "0.0015"),
        ("2·10⁻²", "0.02"),
        ("5 x 10", "10"),
        ("10^3", "1000"),
        ("10⁻²", "0.01"),
        ("2^10", "2"),
        ("1 000", "1000"),
        ("1\u202f234\u202f567.5 in all", "1234567.5"),
        ("1'000", "1000"),
        ("in 2020 300 people", "300"),
        ("15 m2", "15"),
        ("15 m²", "15"),
        ("15 m^2", "15"),
        ("12 kg CO2", "12"),
        ("CO2", ""),
        ("covid-19", "19"),
        ("–5", "-5"),
        ("3–5", "5"),
        ("pages 3 – 5", "5"),
        ("答えは5です", "5"),
        ("x=5", "5"),
        ("\\boxed{7}", "7"),
        ("1e99999999", "1"),
    ],
)
def test_last_number_is_the_last_one_without_thousands_separators(text: str, number: str) -> None:
    assert last_number(text) == number


def test_a_json_object_keeps_the_letters_of_any_script() -> None:
    assert first_json_object('{"to": "K\\u00f6ln", "by": "Ямщик"}') == '{"by": "Ямщик", "to": "Köln"}'


def test_half_a_surrogate_pair_in_a_json_object_stays_escaped() -> None:
    assert first_json_object('{"to": "\\ud800"}') == '{"to": "\\ud800"}'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Set {x}: {"a": 1}', '{"a": 1}'),
        ('f{} = {"b": 2, "a": 1.0} {"c": 3}', "{}"),
        ('{x {y} {"a": 5.0, "b": 1e2} and more', '{"a": 5, "b": 100}'),
        ('{"a": {"b": 1}', '{"a": {"b": 1}'),  # cut off: what lies within is not the answer
        ('{"a": 1e999}', '{"a": Infinity}'),
        ("{" * 100_000, "{" * 100_000),
        ('{"a":' * 50_000, '{"a":' * 50_000),
        (" no object ", "no object"),
    ],
)
def test_the_first_json_object_of_an_answer_is_found_behind_other_braces(text: str, found: str) -> None:
    assert first_json_object(text) == found


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("7", True),
        ("-1,234.50", True),
        ("4,5", False),
        ("12,34", False),
        ("7 apples", False),
        ("", False),
        ("00037", False),
        ("0", True),
        ("0.5", True),
        (".5", True),
        ("1e-3", True),
    ],
)
def test_a_number_is_a_text_that_the_last_number_takes_whole(text: str, whole: bool) -> None:
    assert is_number(text) is whole


# Matching


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
@pytest.mark.parametrize("name", ["exact_match", "accuracy"])
def test_exact_match_compares_whole_answers_outer_space_aside(
    name: str, answer: str, targets: list[str], score: float
) -> None:
    assert judge(name, answer, *targets) == score


@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("1,000", "#### 1000", 1),
        ("42.0", "42", 1),
        ("41 or 42", "42", 1),
        ("45", "4,5", 0),
        ("42 or 41", "42", 0),
        ("9" * 400, "9" * 401, 0),
        ("", "42", 0),
        ("42", "", 0),
    ],
)
def test_numeric_match_compares_values_not_spellings(answer: str, target: str, score: float) -> None:
    assert judge("numeric_match", answer, target) == score


@pytest.mark.parametrize(
    ("answer", "targets", "score"),
    [
        ("", ["A"], 0),
        ("-", ["+"], 0),
        ("The", ["A"], 0),
        ("the", ["The"], 1),
        ("+", ["+ "], 1),
        ("the", ["a cat"], 0),
        ("The Eiffel Tower!", ["eiffel tower"], 1),
        ("tower", ["Eiffel tower"], 2 / 3),
        ("tower tower", ["Eiffel tower"], 1 / 2),
        ("Paris", ["London", "in Paris"], 2 / 3),
        ("", ["Paris"], 0),
    ],
)
def test_token_f1_counts_shared_words_as_squad_does(answer: str, targets: list[str], score: float) -> None:
    assert judge("token_f1", answer, *targets) == pytest.approx(score)


def test_accuracy_norm_divides_by_bytes_so_that_long_choices_have_a_chance() -> None:
    reply = Reply("no", ("naturally",), choices=("no", "naturally"), choice_logprobs=(-2.0, -3.0))
    assert evaluate(METRICS["accuracy"], [reply]) == 0
    assert evaluate(METRICS["accuracy_norm"], [reply]) == 1


# Classes


def test_class_metrics_keep_their_counts_by_class() -> None:
    counts = METRICS["f1_macro"].counts
    assert counts is not None
    assert counts(Reply("shipping", ("billing",))) == {"fn billing": 1, "fp shipping": 1}
    assert counts(Reply("billing", ("billing",))) == {"tp billing": 1}


def test_of_several_accepted_classes_the_answer_counts_if_it_is_one() -> None:
    counts = METRICS["f1_macro"].counts
    assert counts is not None
    assert counts(Reply("b", ("a", "b"))) == {"tp b": 1}
    assert counts(Reply("c", ("a", "b"))) == {"fn a": 1, "fp c": 1}


def test_invented_answers_do_not_dilute_the_mean_over_classes() -> None:
    replies = [Reply("a", ("a",)), Reply("b", ("b",))] + [
        Reply(f"text {number}", ("b",)) for number in range(8)
    ]
    assert evaluate(METRICS["f1_macro"], replies) == pytest.approx((1 + 2 / 10) / 2)


def test_details_name_the_parts_of_every_class() -> None:
    metric = METRICS["f1_macro"]
    assert metric.counts is not None and metric.details is not None
    replies = [Reply("a", ("a",)), Reply("a", ("b",)), Reply("x", ("b",)), Reply("b", ("b",))]
    assert metric.details(sums_of([metric.counts(reply) for reply in replies])) == pytest.approx(
        {
            "precision a": 1 / 2,
            "precision b": 1,
            "recall a": 1,
            "recall b": 1 / 3,
            "f1 a": 2 / 3,
            "f1 b": 1 / 2,
        }
    )


# Overlap


def test_rouge_takes_the_best_target_and_stems() -> None:
    assert judge("rouge1", "cats running", "dogs", "cat runs") == 1


def test_bleu_is_of_the_corpus_and_not_the_mean_of_its_sentences() -> None:
    whole, none = Reply("one two three four five", ("one two three four five",)), Reply("x", ("y",))
    assert evaluate(METRICS["bleu"], [whole, none]) == pytest.approx((5 / 6 * 4 / 4 * 3 / 3 * 2 / 2) ** 0.25)


def test_ter_counts_the_edits_by_word_of_the_target_and_may_exceed_one() -> None:
    assert judge("ter", "a b c d", "x") == 4


def test_ter_of_texts_of_thousands_of_words_is_counted_in_seconds_and_without_shifts() -> None:
    draws = random.Random(0)

    def text(words: int) -> str:
        return " ".join(str(draws.randrange(30)) for _ in range(words))

    started = time.process_time()
    assert judge("ter", text(6000), text(2000)) >= 2
    first, second = text(1500), text(1500)
    # Two halves that changed places are one shift, and as many words deleted and inserted.
    assert judge("ter", f"{second} {first}", f"{first} {second}") < 1
    assert time.process_time() - started < 10
    for _ in range(20):
        answer, target = text(20), text(15)
        edits = _edits_of_long_texts(answer, [target])[0]
        assert len(target.split()) * judge("ter", answer, target) <= edits + 1e-9
        assert edits == levenshtein(answer.split(), target.split())


def levenshtein(words: list[str], target: list[str]) -> int:
    """By the definition."""
    table = [[row] + [0] * len(target) for row in range(len(words) + 1)]
    table[0] = list(range(len(target) + 1))
    for row, word in enumerate(words, start=1):
        for column, wanted in enumerate(target, start=1):
            replaced = table[row - 1][column - 1] + (word != wanted)
            table[row][column] = min(replaced, table[row - 1][column] + 1, table[row][column - 1] + 1)
    return table[-1][-1]


# Likelihood


def test_perplexity_and_bits_per_byte_pool_the_samples() -> None:
    replies = [
        Reply("", ("é",), logprob=-2 * math.log(2), target_tokens=1),
        Reply("", ("abcdef",), logprob=-6 * math.log(2), target_tokens=3),
    ]
    assert evaluate(METRICS["perplexity"], replies) == pytest.approx(4)
    assert evaluate(METRICS["bits_per_byte"], replies) == pytest.approx(1)
    assert evaluate(METRICS["byte_probability"], replies) == pytest.approx(0.5)


def test_a_hopeless_likelihood_is_a_large_finite_perplexity() -> None:
    assert math.isfinite(evaluate(METRICS["perplexity"], [Reply("", ("a",), logprob=-1e6, target_tokens=1)]))


@pytest.mark.parametrize("name", ["perplexity", "bits_per_byte", "byte_probability"])
def test_a_likelihood_that_is_not_there_is_the_user_s_mistake(name: str) -> None:
    with pytest.raises(UserError, match="needs output = 'perplexity'"):
        judge(name, "a", "a")


@pytest.mark.parametrize(
    ("logprob", "tokens", "target"), [(-math.inf, 1, "a"), (math.nan, 1, "a"), (0.0, 1, ""), (0.0, 0, "a")]
)
@pytest.mark.parametrize("name", ["perplexity", "bits_per_byte", "byte_probability"])
def test_a_likelihood_that_no_average_bears_is_the_sample_s_error(
    name: str, logprob: float, tokens: int, target: str
) -> None:
    with pytest.raises(UserError, match="a target that is not empty and has a probability above 0"):
        judge(name, "", target, logprob=logprob, target_tokens=tokens)


@pytest.mark.parametrize("name", ["accuracy_norm", "brier", "ece"])
def test_probabilities_of_choices_that_are_not_there_are_the_user_s_mistake(name: str) -> None:
    with pytest.raises(UserError, match="needs output = 'choice'"):
        judge(name, "a", "a")


@pytest.mark.parametrize("logprobs", [(math.nan, -1.0), (-math.inf, -math.inf), (math.inf, 0.0)])
@pytest.mark.parametrize("name", ["accuracy_norm", "brier", "ece"])
def test_log_probabilities_that_are_none_are_the_sample_s_error(
    name: str, logprobs: tuple[float, ...]
) -> None:
    with pytest.raises(UserError, match="needs log-probabilities of choices"):
        judge(name, "a", "a", choices=("a", "b"), choice_logprobs=logprobs)


def test_an_impossible_choice_beside_a_possible_one_is_judged() -> None:
    assert judge("brier", "a", "a", choices=("a", "b"), choice_logprobs=(-3.0, -math.inf)) == 0


@pytest.mark.parametrize(
    ("target", "score"), [("a", 0.25**2 + 0.2**2 + 0.05**2), ("b", 0.75**2 + 0.8**2 + 0.05**2)]
)
def test_brier_is_the_squared_distance_from_certainty(target: str, score: float) -> None:
    assert evaluate(
        METRICS["brier"], [choice("a", target, {"a": 0.75, "b": 0.2, "c": 0.05})]
    ) == pytest.approx(score)


def test_ece_is_the_distance_of_confidence_and_accuracy_by_bin() -> None:
    sure = [choice("a", target, {"a": 0.95, "b": 0.05}) for target in "aaab"]
    unsure = [choice("a", target, {"a": 0.55, "b": 0.45}) for target in "ab"]
    assert evaluate(METRICS["ece"], sure + unsure) == pytest.approx(
        (4 * abs(0.75 - 0.95) + 2 * abs(0.5 - 0.55)) / 6
    )


def test_ece_details_say_how_often_each_confidence_is_right() -> None:
    metric = METRICS["ece"]
    assert metric.counts is not None and metric.details is not None
    rows = [metric.counts(choice("a", target, {"a": 0.95, "b": 0.05})) for target in "aaab"]
    assert metric.details(sums_of(rows)) == {"right at 0.9 to 1": 0.75}


# JSON

WANTED = json.dumps({"city": "Oslo", "item": "lamp", "quantity": 3})


@pytest.mark.parametrize(
    ("answer", "precision", "recall", "f1"),
    [
        (WANTED, 1, 1, 1),
        ('{"quantity": 3, "city": "Oslo", "item": "lamp"}', 1, 1, 1),
        ('{"city": "Oslo", "item": "lamp"}', 1, 2 / 3, 0.8),
        ('{"city": "Oslo", "item": "lamp", "quantity": "3"}', 2 / 3, 2 / 3, 2 / 3),
        ('{"city": "Oslo", "item": "lamp", "quantity": 3, "colour": "red"}', 3 / 4, 1, 6 / 7),
        ("{}", 0, 0, 0),
        ("lamp", 0, 0, 0),
        (WANTED[:-1], 0, 0, 0),
        (f"[{WANTED}]", 0, 0, 0),
    ],
)
def test_json_metrics_count_pairs_of_field_and_value(
    answer: str, precision: float, recall: float, f1: float
) -> None:
    scores = [judge(name, answer, WANTED) for name in ("json_precision", "json_recall", "json_f1")]
    assert scores == pytest.approx([precision, recall, f1])


@pytest.mark.parametrize("name", ["json_precision", "json_recall", "json_f1"])
@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("{}", "{}", 1),
        ('{"a": true}', '{"a": 1}', 0),
        ('{"a": {"x": 1, "y": 2}}', '{"a": {"y": 2, "x": 1}}', 1),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', 1),
        ('{"a": 5.0, "b": [1e2]}', '{"a": 5, "b": [100]}', 1),
        ('{"a": 5.5}', '{"a": 5.50}', 1),
        ('{"a": 1.0}', '{"a": true}', 0),
        ('{"a": "5.0"}', '{"a": 5}', 0),
    ],
)
def test_json_values_are_equal_as_json(name: str, answer: str, target: str, score: float) -> None:
    assert judge(name, answer, target) == score


def test_json_f1_takes_the_best_of_several_targets() -> None:
    assert judge("json_f1", '{"a": 1}', '{"a": 2}', '{"a": 1}', "not JSON") == 1


@pytest.mark.parametrize("depth", range(100, 3000, 50))
def test_json_of_any_depth_is_judged(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    assert judge("json_f1", nested, nested) in (0.0, 1.0)


# SQL

DATABASE = """
CREATE TABLE item (name TEXT, price REAL, stock INTEGER);
INSERT INTO item VALUES ('lamp', 0.1, 3), ('pen', 0.2, 0), ('cup', NULL, 5);
"""


def sql(answer: str, *targets: str, database: str = DATABASE) -> float:
    return judge("sql_execution", answer, *targets, metadata={"database": database})


@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("select NAME as n from item -- all of them", "SELECT name FROM item", 1),
        ("SELECT name FROM item;", "SELECT name FROM item", 1),
        ("WITH x AS (SELECT name FROM item) SELECT * FROM x", "SELECT name FROM item", 1),
        ("SELECT stock * 1.0 FROM item", "SELECT stock FROM item", 1),
        ("SELECT 0.1 + 0.2", "SELECT 0.3", 1),
        ("SELECT price FROM item WHERE name = 'cup'", "SELECT NULL", 1),
        ("SELECT name FROM item WHERE stock > 0", "SELECT name FROM item", 0),
        ("SELECT 'lamp' UNION ALL SELECT 'lamp'", "SELECT 'lamp'", 0),
        (
            "SELECT 'a' UNION ALL SELECT 'a' UNION ALL SELECT 'b'",
            "SELECT 'a' UNION ALL SELECT 'b' UNION ALL SELECT 'b'",
            0,
        ),
        ("SELECT name, stock FROM item", "SELECT name FROM item", 0),
        ("SELECT '3'", "SELECT 3", 0),
    ],
)
def test_sql_execution_compares_the_rows_that_come_back(answer: str, target: str, score: float) -> None:
    assert sql(answer, target) == score


@pytest.mark.parametrize(
    ("target", "score"),
    [
        ("SELECT name FROM item ORDER BY name", 0),
        ("SELECT name FROM item order\n by name", 0),
        ("SELECT name FROM item", 1),
        ("SELECT name FROM (SELECT name FROM item ORDER BY name)", 1),
        ("SELECT name FROM item WHERE name <> 'order by'", 1),
    ],
)
def test_the_order_of_rows_counts_where_the_accepted_query_asks_for_one(target: str, score: float) -> None:
    assert sql("SELECT name FROM item ORDER BY name DESC", target) == score


@pytest.mark.parametrize(
    ("answer", "target", "score"),
    [
        ("SELECT printf('%.*c', 1000000000, 'x')", "SELECT 'x'", 0),
        ("SELECT format('%1000000000d', 1)", "SELECT 1", 0),
        ("SELECT printf('%.2f|%5s|%d', 3.14159, 'e', 20000)", "SELECT '3.14|    e|20000'", 1),
        ("SELECT printf('%s', NULL), printf(NULL), printf()", "SELECT '', NULL, NULL", 1),
    ],
)
def test_sql_execution_formats_values_and_fills_no_width_that_none_may_have(
    answer: str, target: str, score: float
) -> None:
    started = time.process_time()
    assert sql(answer, target) == score
    assert time.process_time() - started < 2


def test_sql_execution_accepts_any_of_several_queries() -> None:
    assert sql("SELECT 2", "SELECT 1", "SELECT 2") == 1


@pytest.mark.parametrize(
    "answer",
    [
        "DELETE FROM item",
        "INSERT INTO item VALUES ('x', 1, 1) RETURNING 1",
        "CREATE TABLE other AS SELECT 1",
        "DROP TABLE item",
        "PRAGMA user_version",
        "ATTACH ':memory:' AS other",
        "SELECT 1; SELECT 1",
        "SELECT abs(random()) > -1",
        "SELECT load_extension('x')",
    ],
)
def test_only_one_reading_statement_is_an_answer(answer: str) -> None:
    assert sql(answer, "SELECT 1") == 0


@pytest.mark.parametrize(
    "answer", ["", ";", "-- nothing", "SELECT", "SELECT name FROM nowhere", "\ud800", "SELECT '\0'", "("]
)
def test_what_is_no_query_is_wrong_even_where_no_row_is_wanted(answer: str) -> None:
    assert sql(answer, "SELECT name FROM item WHERE 0") == 0


@pytest.mark.parametrize(
    "answer",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "SELECT length(hex(zeroblob(900000000)))",
        "SELECT CAST(x'ff' AS TEXT)",
        f"SELECT {'1 + ' * 100_000} 1",
    ],
)
def test_a_query_without_end_or_measure_is_stopped(answer: str) -> None:
    assert sql(answer, "SELECT 1") == 0


@pytest.mark.parametrize("target", ["SELECT name FROM nowhere", "DELETE FROM item", "SELECT 1; SELECT 2", ""])
def test_an_accepted_query_that_does_not_run_is_the_user_s_mistake(target: str) -> None:
    with pytest.raises(UserError, match="does not run on metadata"):
        sql("SELECT 1", "SELECT 1", target)


@pytest.mark.parametrize("database", ["CREATE TABEL x", "\ud800", "SELECT \0"])
def test_a_database_that_cannot_be_made_is_the_user_s_mistake(database: str) -> None:
    with pytest.raises(UserError, match=r"metadata\['database'\] is no SQL script"):
        sql("SELECT 1", "SELECT 1", database=database)


def test_a_database_is_made_once_for_all_that_is_judged_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **named: opened.append(given) or connect(*given, **named)
    )
    metric = METRICS["sql_execution"]
    schema = f"{DATABASE}-- of a test of its own"
    verdicts = []
    for answer in (
        "SELECT 3",
        "SELECT name FROM item",
        "DELETE FROM item",
        "SELECT count(*) FROM item",
        "nonsense",
    ):
        reply = Reply(answer, ("SELECT count(*) FROM item",), metadata={"database": schema})
        verdicts.append((metric.score(reply), metric.parses(reply)))
    assert verdicts == [(1, True), (0, True), (0, False), (1, True), (0, False)]
    assert len(opened) == 1


def test_a_query_that_is_stopped_leaves_the_database_to_the_next() -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    assert [
        sql(answer, "SELECT count(*) FROM item") for answer in (endless, "SELECT 3", endless, "SELECT 4")
    ] == [
        0,
        1,
        0,
        0,
    ]


def test_tables_of_a_temporary_schema_are_there_for_every_judgement() -> None:
    temporary = "CREATE TEMP TABLE note (text TEXT); INSERT INTO note VALUES ('a');"
    assert [
        sql(answer, "SELECT text FROM note", database=temporary) for answer in ("SELECT 'a'", "SELECT 'b'")
    ] == [1, 0]


def test_threads_may_judge_on_one_database_at_once() -> None:
    answers = ["SELECT 3", "SELECT 4", "SELECT count(*) FROM item"] * 40
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda answer: sql(answer, "SELECT count(*) FROM item"), answers))
    assert scores == [1, 0, 1] * 40


def test_a_missing_database_is_the_user_s_mistake() -> None:
    with pytest.raises(UserError, match=r"needs metadata\['database'\]"):
        judge("sql_execution", "SELECT 1", "SELECT 1")


# Constraints


def constrained(name: str, answer: str, *constraints: dict[str, object]) -> float:
    return judge(name, answer, "", metadata={"constraints": json.dumps(constraints)})


@pytest.mark.parametrize(
    ("constraint", "met", "not_met"),
    [
        ({"kind": "words", "min": 2, "max": 3}, "It's well-made.", "One - two - three - four."),
        ({"kind": "sentences", "min": 2, "max": 2}, 'It cost 3.50. "Really?" ', "It cost 3.50 now"),
        ({"kind": "lines", "max": 2}, "a\n\nb", "a\nb\nc"),
        ({"kind": "paragraphs", "min": 2}, "a\nb\n \nc", "a\nb"),
        ({"kind": "characters", "max": 3}, "abc", "abcd"),
        ({"kind": "include", "words": ["Red", "big cat"]}, "a BIG CAT, red", "a big cat, redder"),
        ({"kind": "exclude", "words": ["red", "c++"]}, "redder", "I write C++."),
        ({"kind": "frequency", "word": "la", "min": 2, "max": 2}, "La la lala", "la la la"),
        ({"kind": "case", "case": "upper"}, "ALL 3 LOUD!", "Not Loud"),
        ({"kind": "case", "case": "lower"}, "all quiet.", "Not quiet"),
        ({"kind": "case", "case": "title"}, "Don't Stop 3 Times", "Don't stop"),
        ({"kind": "start", "text": "Dear"}, "\nDear all", "My dear"),
        ({"kind": "end", "text": "Bye."}, "So long. Bye.\n", "Bye. So long"),
        ({"kind": "bullets", "count": 2}, "Two:\n- a\n* b", "- a\n-b\nc - d"),
        ({"kind": "json"}, ' {"a": [1]} ', 'Here: {"a": 1}'),
        ({"kind": "json"}, "[]", "3"),
        ({"kind": "quoted"}, '"All of it."', '"Part" of it'),
        ({"kind": "no_commas"}, "a and b", "a, b"),
    ],
)
def test_a_constraint_tells_what_meets_it_from_what_does_not(
    constraint: dict[str, object], met: str, not_met: str
) -> None:
    assert constrained("constraints_strict", met, constraint) == 1
    assert constrained("constraints_strict", not_met, constraint) == 0


def test_strict_wants_all_constraints_and_loose_gives_their_share() -> None:
    constraints = [{"kind": "no_commas"}, {"kind": "case", "case": "upper"}]
    assert constrained("constraints_strict", "quiet", *constraints) == 0
    assert constrained("constraints_loose", "quiet", *constraints) == 0.5


def test_an_empty_answer_meets_no_constraint() -> None:
    assert (
        constrained("constraints_loose", " \n", {"kind": "no_commas"}, {"kind": "exclude", "words": ["a"]})
        == 0
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("{}", "a JSON list of at least one"),
        ("[]", "a JSON list of at least one"),
        ("[3]", "constraint 1 must be an object"),
        ('[{"kind": "json"}, {}]', "constraint 2 must be an object"),
        ('[{"kind": "word"}]', "kind 'word' not found. Did you mean 'words'?"),
        ('[{"kind": "words", "minimum": 1}]', "option 'minimum' is unknown. Allowed: min, max"),
        ('[{"kind": "json", "min": 1}]', "option 'min' is unknown. Allowed: none"),
        ('[{"kind": "words"}]', "'min' or 'max' is missing"),
        ('[{"kind": "frequency", "min": 1}]', "'word' is missing"),
        ('[{"kind": "words", "min": 5, "max": 2}]', "'min' is above 'max'"),
        ('[{"kind": "words", "min": true}]', "'min' must be a whole number from 0, not True"),
        ('[{"kind": "words", "min": -1}]', "'min' must be a whole number from 0, not -1"),
        (
            '[{"kind": "include", "words": "cat"}]',
            "'words' must be a list of texts that are not blank, not 'cat'",
        ),
        ('[{"kind": "include", "words": []}]', "'words' must be a list of texts"),
        ('[{"kind": "start", "text": " "}]', "'text' must be a text that is not blank"),
        ('[{"kind": "case", "case": ["upper"]}]', "'case' must be upper, lower or title"),
    ],
)
def test_malformed_constraints_are_the_user_s_mistake(text: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        check_constraints(text)
    assert message in str(raised.value)


@pytest.mark.parametrize("name", ["constraints_strict", "constraints_loose"])
def test_missing_constraints_are_the_user_s_mistake(name: str) -> None:
    with pytest.raises(UserError, match=r"metadata\['constraints'\]"):
        judge(name, "a", "a")


# Contributions


@pytest.mark.parametrize(("name", "different"), [("f1_macro", 3), ("mcc", 4)])
def test_a_hundred_thousand_invented_answers_are_counted_in_seconds(name: str, different: int) -> None:
    metric, size = METRICS[name], 100_000
    assert metric.counts is not None
    rows = [
        metric.counts(Reply(f"text {number}" if number % 3 else "a", ("ab"[number % 2],)))
        for number in range(size)
    ]
    started = time.process_time()
    value, parts = contributions(metric, rows)
    assert time.process_time() - started < 10  # all answers by all samples would take half an hour
    assert parts.mean() == pytest.approx(value)
    # Samples of one target whose answers nobody else gave weigh the same.
    assert len(numpy.unique(parts)) == different


def test_a_metric_may_say_itself_what_its_sums_lose_without_a_sample() -> None:
    first = Metric(
        "first",
        "the share of a",
        counts=lambda reply: {reply.answer: 1.0, "n": 1.0},
        value=lambda sums: sums["a"] / numpy.maximum(sums["n"], 1),
        leaving=lambda rows: Leaving(
            {"a": 2.0, "n": 3.0}, [{"a": row.get("a", 0.0), "n": 1.0} for row in rows]
        ),
    )
    value, parts = contributions(first, [{"a": 1.0, "n": 1.0}, {"a": 1.0, "n": 1.0}, {"b": 1.0, "n": 1.0}])
    assert value == pytest.approx(2 / 3)
    assert parts.tolist() == pytest.approx([1, 1, 0])


def test_samples_that_count_nothing_contribute_the_value_of_nothing() -> None:
    nothing = Metric(
        "nothing", "counts nothing", counts=lambda reply: {}, value=lambda sums: numpy.asarray(0.5)
    )
    value, parts = contributions(nothing, [{}, {}])
    assert (value, parts.tolist()) == (0.5, [0.5, 0.5])


def test_one_sample_contributes_the_whole_value() -> None:
    value, parts = contributions(METRICS["mcc"], [{"tp a": 1}])
    assert (value, parts.tolist()) == (0.0, [0.0])


def test_total_lays_counts_out_by_sample_with_absent_ones_zero() -> None:
    columns = total([{"tp a": 1}, {"fn b": 1, "fp a": 2}])
    assert {name: column.tolist() for name, column in columns.items()} == {
        "fn b": [0, 1],
        "fp a": [0, 2],
        "tp a": [1, 0],
    }


# Levels


def samples(targets: str, choices: tuple[str, ...] = ("a", "b", "c")) -> list[Sample]:
    return [Sample(str(number), {}, target, choices) for number, target in enumerate(targets)]


def test_chance_is_one_in_the_number_of_choices() -> None:
    mixed = samples("aab") + samples("a", ("a", "b"))
    assert chance_level(METRICS["accuracy"], mixed) == pytest.approx((3 / 3 + 1 / 2) / 4)


def test_chance_of_a_sample_with_several_accepted_choices_is_their_share() -> None:
    assert chance_level(METRICS["accuracy"], [Sample("0", {}, ("a", "b"), ("a", "b", "c", "d"))]) == 0.5


def test_chance_of_a_class_metric_is_found_by_guessing() -> None:
    skewed = samples("a" * 300 + "b" * 60 + "c" * 40)
    guesses = numpy.array([2 * share / (3 * share + 1) for share in (0.75, 0.15, 0.1)])
    assert chance_level(METRICS["f1_macro"], skewed) == pytest.approx(float(guesses.mean()), abs=0.02)


def test_chance_gives_every_choice_the_same_probability() -> None:
    assert chance_level(METRICS["brier"], samples("abc")) == pytest.approx(2 / 3)


def test_chance_of_a_metric_that_takes_the_likeliest_choice_does_not_depend_on_where_the_right_one_stands() -> (
    None
):
    """Equally likely choices would all be read as the first."""

    def first_of_the_likeliest(reply: Reply) -> float:
        likeliest = reply.choice_logprobs.index(max(reply.choice_logprobs))
        return float(reply.choices[likeliest] in reply.targets)

    metric = Metric("acc", "of lm-eval", first_of_the_likeliest, binary=True)
    uneven = samples("aaaaaaab", ("a", "b"))
    several = [Sample("0", {}, ("a", "c"), ("a", "b", "c")), *samples("bb")]
    assert chance_level(metric, uneven) == 0.5
    assert chance_level(metric, several) == pytest.approx((2 + 1 + 1) / 9)


def test_a_written_answer_has_no_chance_level() -> None:
    assert chance_level(METRICS["rouge1"], samples("abc", ())) is None


def test_a_metric_that_needs_a_likelihood_has_no_levels() -> None:
    assert chance_level(METRICS["perplexity"], samples("abc")) is None
    assert majority_level(METRICS["perplexity"], samples("aab"), samples("abc")) is None


def test_the_majority_level_always_gives_the_commonest_training_answer() -> None:
    assert majority_level(METRICS["accuracy"], samples("bbac"), samples("bbba")) == 0.75
    assert majority_level(METRICS["f1_macro"], samples("bbac"), samples("bbba")) == pytest.approx(6 / 7 / 2)


def test_the_majority_level_is_certain_of_its_answer() -> None:
    assert majority_level(METRICS["brier"], samples("aab"), samples("aaab")) == pytest.approx(2 / 4)


def test_answers_that_all_differ_have_no_majority() -> None:
    assert majority_level(METRICS["exact_match"], samples("abc", ()), samples("abc", ())) is None


def raises(_: Reply) -> float:
    raise ValueError("no number")


@pytest.mark.parametrize(
    "metric",
    [
        Metric("own", "raises", raises),
        Metric("own", "raises", counts=lambda reply: {"a": 1.0}, value=lambda sums: sums["b"]),
        Metric("own", "gives no number", lambda reply: None),  # type: ignore[arg-type, return-value]
    ],
    ids=["score", "value", "none"],
)
def test_a_metric_of_a_task_s_own_that_raises_has_no_levels(metric: Metric) -> None:
    assert chance_level(metric, samples("abc")) is None
    assert majority_level(metric, samples("aab"), samples("abc")) is None


def test_levels_of_many_samples_are_found_on_some_of_them() -> None:
    many = samples("aabc" * 15_000)
    assert chance_level(METRICS["f1_micro"], many) == pytest.approx(1 / 3, abs=0.02)
    assert majority_level(METRICS["f1_micro"], many, many) == pytest.approx(1 / 2, abs=0.03)


@pytest.mark.parametrize(
    "script", ["ATTACH '{path}' AS e; CREATE TABLE e.x (a)", "CREATE TABLE t (a); VACUUM INTO '{path}'"]
)
def test_a_database_script_writes_no_file(tmp_path: Path, script: str) -> None:
    path = tmp_path / "written.db"
    reply = Reply("SELECT 1", ("SELECT 1",), metadata={"database": script.format(path=path)})
    with pytest.raises(UserError, match="no SQL script that makes tables in memory"):
        evaluate(METRICS["sql_execution"], [reply])
    assert not path.exists()


def test_a_database_script_comes_to_an_end() -> None:
    endless = (
        "CREATE TABLE t AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    )
    with pytest.raises(UserError, match="within 5,000,000 steps"):
        evaluate(METRICS["sql_execution"], [Reply("SELECT 1", ("SELECT 1",), metadata={"database": endless})])


# Scripts


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL", "token_f1", "chrf"])
@pytest.mark.parametrize(
    ("target", "half"),
    [
        ("他在北京工作", "他在上海"),
        ("Он работает в Москве", "Он живёт в Москве"),
        ("मैं दिल्ली में रहता हूँ", "मैं मुंबई में रहता हूँ"),
        ("他2024年到北京", "2024"),
    ],
)
def test_a_text_of_any_script_is_compared_by_its_words(name: str, target: str, half: str) -> None:
    assert judge(name, target, target) == pytest.approx(1)
    assert 0 <= judge(name, half, target) < 0.95
    assert judge(name, "", target) == 0


def test_digits_alone_are_not_the_whole_of_an_answer_in_another_script() -> None:
    assert judge("rougeL", "2024", "他2024年到北京工作") < 0.3


def test_bleu_of_a_perfect_chinese_answer_is_one_where_its_characters_are_read() -> None:
    target = "他在北京的一家银行工作"
    assert judge("bleu", target, target) == 0  # one word: no pair of words to compare
    assert judge("bleu_zh", target, target) == pytest.approx(1)
    assert judge("bleu_char", target, target) == pytest.approx(1)
