"""JSON answers are judged leaf by leaf, and lists item by item."""

import itertools
import json
import random
import time

import pytest

from harness.metrics import METRICS, evaluate, first_json
from harness.task import Reply


def judge(name: str, answer: object, target: object) -> float:
    return evaluate(METRICS[name], [Reply(json.dumps(answer), (json.dumps(target),))])


ORDER = {"id": 1, "items": [{"sku": "A13", "qty": 1}, {"sku": "A27", "qty": 2}]}
"""Five leaves."""


@pytest.mark.parametrize(
    ("answer", "f1"),
    [
        (ORDER, 1),
        ({"items": ORDER["items"][::-1], "id": 1.0}, 1),
        ({"id": 1, "items": ORDER["items"][:1]}, 2 * 3 / (3 + 5)),
        ({"id": 1, "items": [*ORDER["items"], {"sku": "A1", "qty": 9}]}, 2 * 5 / (7 + 5)),
        ({"id": 1, "items": [{"sku": "A27", "qty": 3}, {"sku": "A13", "qty": 1}]}, 2 * 4 / (5 + 5)),
        ({"id": "1", "items": []}, 0),
        (ORDER["items"], 0),
    ],
    ids=[
        "equal",
        "another order",
        "an item less",
        "an item more",
        "a value wrong",
        "nothing",
        "the list alone",
    ],
)
def test_a_nested_object_is_judged_by_its_leaves(answer: object, f1: float) -> None:
    assert judge("json_f1", answer, ORDER) == pytest.approx(f1)


def test_a_list_at_the_top_is_judged_like_any_other() -> None:
    assert judge("json_f1", [1, 2], [2, 1]) == 1
    assert judge("json_f1", ORDER["items"], ORDER["items"][:1]) == pytest.approx(2 * 2 / (4 + 2))
    assert judge("json_recall", ORDER["items"][:1], ORDER["items"]) == 0.5
    assert judge("json_precision", ORDER["items"][:1], ORDER["items"]) == 1


def test_the_order_of_lists_counts_where_the_task_says_so() -> None:
    items = [1, 2, 3, 4]
    assert judge("json_f1_ordered", items, items) == 1
    assert judge("json_f1_ordered", [1, 3, 4], items) == pytest.approx(2 * 3 / (3 + 4)), (
        "one is missing, none moved"
    )
    assert judge("json_f1_ordered", [2, 1, 3, 4], items) == 0.75, (
        "two are swapped, so one of them is out of order"
    )


def test_items_are_matched_for_the_best_total() -> None:
    """Each target alone would take the first answer; together they agree in three leaves only the other way round."""
    answers = [{"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 0, "c": 0}]
    targets = [{"a": 1, "b": 9, "c": 9}, {"a": 1, "b": 2, "c": 9}]
    assert judge("json_recall", answers, targets) == 3 / 6


def shared_by_trying_all(first: list[dict[str, int]], second: list[dict[str, int]]) -> int:
    shorter, longer = sorted((first, second), key=len)
    return max(
        sum(len(one.items() & other.items()) for one, other in zip(shorter, order, strict=True))
        for order in itertools.permutations(longer, len(shorter))
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_match_is_as_good_as_any(seed: int) -> None:
    generator = random.Random(seed)
    lists = [
        [{name: generator.randrange(3) for name in "abc"} for _ in range(generator.randrange(1, 6))]
        for _ in "xy"
    ]
    expected = shared_by_trying_all(*lists) / (3 * len(lists[0]))
    assert judge("json_precision", *lists) == pytest.approx(expected)


def test_right_keys_are_told_from_right_values() -> None:
    wrong_values = {"id": 7, "items": [{"sku": "B", "qty": 3}, {"sku": "C", "qty": 8}]}
    assert (judge("json_keys", wrong_values, ORDER), judge("json_f1", wrong_values, ORDER)) == (1, 0)
    assert judge("json_keys", {"id": 1, "item": ORDER["items"]}, ORDER) == pytest.approx(2 * 1 / (5 + 5))
    assert judge("json_valid", {}, ORDER) == 1
    assert evaluate(METRICS["json_valid"], [Reply('{"id": 1', (json.dumps(ORDER),))]) == 0


@pytest.mark.parametrize(
    ("answer", "target", "has_form"),
    [
        ("[1]", "[2]", True),
        ("{}", "[2]", True),
        ("[1]", "{}", False),
        ("1", "{}", False),
        ("[1", "[2]", False),
    ],
)
def test_a_list_has_the_form_of_an_answer_where_the_target_is_one(
    answer: str, target: str, has_form: bool
) -> None:
    parses = METRICS["json_f1"].parses
    assert parses is not None
    assert parses(Reply(answer, (target,))) is has_form


def test_flat_objects_score_what_they_scored_before_leaves_were_counted() -> None:
    generator = random.Random(5)
    for _ in range(200):
        first, second = (
            {name: generator.choice([1, "1", True, None, 2.5]) for name in generator.sample("abcd", 3)}
            for _ in "xy"
        )
        pairs = [{(name, json.dumps(value)) for name, value in flat.items()} for flat in (first, second)]
        assert judge("json_f1", first, second) == pytest.approx(2 * len(pairs[0] & pairs[1]) / 6)


def test_long_lists_are_judged_in_seconds() -> None:
    first, second = ([{"id": (7 * row) % 4000, "n": row + step} for row in range(4000)] for step in (0, 1))
    start = time.process_time()
    assert 0 < judge("json_f1", first, second) <= 1
    assert judge("json_f1_ordered", first, second) <= 1
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("completion", "found"),
    [
        ('Here: [{"b": 1, "a": 2.0}] Done', '[{"a": 2, "b": 1}]'),
        ('{"a": [1]} [2]', '{"a": [1]}'),
        ("[x] [1, 2]", "[1, 2]"),
        (" nothing ", "nothing"),
    ],
)
def test_the_first_object_or_list_of_a_completion_is_found(completion: str, found: str) -> None:
    assert first_json(completion) == found
