"""A cut is the same everywhere, divides nothing that belongs together, and is as even as it can be."""

import itertools
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.splits import cut_rows
from harness.errors import UserError
from harness.task import Row, Splits


def make_rows(count: int, *, labels: int = 2, group_size: int = 5) -> list[Row]:
    return [
        {"text": f"question {index}", "label": str(index * 7 % labels), "user": str(index // group_size)}
        for index in range(count)
    ]


def cut(rows: list[Row], **options: Any) -> Splits:
    return cut_rows(rows, input_column="text", **{"target_column": "label", **options})


def parts(splits: Splits) -> list[list[str]]:
    return [[row["text"] for row in split] for split in (splits.train, splits.dev, splits.test)]


def values(splits: Splits, column: str) -> list[set[str]]:
    return [{row[column] for row in split} for split in (splits.train, splits.dev, splits.test)]


def drawn_rows(seed: int) -> list[Row]:
    """Rows with repeated inputs, and users that share inputs, though never across the four teams."""
    draws = random.Random(seed)
    teams = ["a", "b", "c", "d", *draws.choices("abcd", k=draws.randrange(100))]
    return [
        {
            "text": f"{team} {draws.randrange(15)}",
            "label": draws.choice("xyz"),
            "user": f"{team}{draws.randrange(4)}",
        }
        for team in teams
    ]


TABLES = st.integers(0, 10**6).map(drawn_rows)


@given(table=TABLES)
def test_every_row_is_in_one_split_and_in_the_order_given(table: list[Row]) -> None:
    rows = [{**row, "place": place} for place, row in enumerate(table)]
    places = [[row["place"] for row in split] for split in vars(cut(rows)).values()]
    assert sorted(itertools.chain(*places)) == list(range(len(rows)))
    assert all(part == sorted(part) for part in places)


@given(table=TABLES)
def test_the_same_input_is_never_in_two_splits(table: list[Row]) -> None:
    inputs = values(cut(table), "text")
    assert sum(map(len, inputs)) == len(set.union(*inputs))


@given(table=TABLES)
def test_rows_of_one_group_or_one_input_are_never_in_two_splits(table: list[Row]) -> None:
    splits = cut(table, group="user")
    for column in ("text", "user"):
        found = values(splits, column)
        assert sum(map(len, found)) == len(set.union(*found))


def test_groups_that_share_an_input_stay_together() -> None:
    rows = [*make_rows(100), {"text": "question 0", "label": "0", "user": "19"}]
    assert any({"0", "19"} <= users for users in values(cut(rows, group="user"), "user"))


def test_inputs_that_differ_in_case_and_white_space_stay_together() -> None:
    rows = [
        {"text": text, "label": "x"}
        for index in range(30)
        for text in (f"Question {index}", f"question\t {index} ")
    ]
    inputs = [{" ".join(text.casefold().split()) for text in part} for part in values(cut(rows), "text")]
    assert sum(map(len, inputs)) == 30


@given(table=TABLES, group=st.sampled_from([None, "user"]))
def test_the_cut_does_not_depend_on_the_order_of_the_rows(table: list[Row], group: str | None) -> None:
    turned = random.Random(0).sample(table, len(table))
    assert values(cut(table, group=group), "text") == values(cut(turned, group=group), "text")


@given(st.lists(st.integers(100, 10_000), min_size=5, max_size=5, unique=True))
def test_added_rows_hardly_move_the_cut(more: list[int]) -> None:
    rows = make_rows(100)
    added = [{"text": f"question {number}", "label": "0"} for number in more]
    train, dev, test = values(cut(rows), "text")
    train_after, dev_after, test_after = values(cut([*rows, *added]), "text")
    assert len(train & (dev_after | test_after)) + len(dev & test_after) + len(test & train_after) <= 5


def test_added_groups_hardly_move_the_cut() -> None:
    before, after = (cut(make_rows(count), group="user", stratify=False) for count in (500, 520))
    assert len(values(before, "user")[0] & values(after, "user")[2]) <= 2


@given(labels=st.lists(st.sampled_from("abcde"), min_size=10, max_size=200))
def test_every_split_has_the_labels_in_proportion(labels: list[str]) -> None:
    splits = cut([{"text": str(index), "label": label} for index, label in enumerate(labels)])
    have = Counter(row["label"] for row in splits.test)
    assert len(splits.test) == max(1, round(len(labels) / 10))
    assert all(abs(have[label] - count / 10) <= 1 for label, count in Counter(labels).items())


def test_rare_labels_do_not_leave_a_split_short() -> None:
    splits = cut(make_rows(200, labels=50))
    assert [len(part) for part in parts(splits)] == [160, 20, 20]
    assert max(Counter(row["label"] for row in splits.test).values()) == 1


def test_groups_with_mixed_labels_are_cut_nearly_in_proportion() -> None:
    splits = cut(make_rows(2000, labels=3, group_size=13), group="user")
    for split in (splits.dev, splits.test):
        counts = Counter(row["label"] for row in split)
        assert all(abs(count - 67) <= 7 for count in counts.values())


@pytest.mark.parametrize(("share", "size"), [(0.12, 12), (0.13, 12), (0.15, 16)])
def test_a_split_takes_as_many_groups_as_come_closest_to_its_share(share: float, size: int) -> None:
    assert len(cut(make_rows(100, group_size=4), group="user", stratify=False, test=share).test) == size


def test_groups_larger_than_a_split_leave_it_the_smallest() -> None:
    rows = [
        {"text": f"{user} {index}", "user": user}
        for user in "abcde"
        for index in range(25 if user == "c" else 30)
    ]
    assert values(cut(rows, target_column=None, group="user"), "user")[2] == {"c"}


def test_without_stratify_only_the_hash_decides() -> None:
    rows = make_rows(100)
    assert parts(cut(rows, stratify=False)) == parts(cut(rows, target_column=None))


def test_more_targets_than_labels_are_not_balanced() -> None:
    rows = make_rows(306, labels=51)
    assert parts(cut(rows)) == parts(cut(rows, target_column=None))


def test_many_targets_that_recur_are_balanced() -> None:
    have = Counter(row["label"] for row in cut(make_rows(600, labels=60)).test)
    assert len(have) == 60 and set(have.values()) == {1}


def test_three_inputs_make_one_row_each_whatever_the_shares() -> None:
    assert [len(part) for part in parts(cut(make_rows(3), dev=0.45, test=0.45))] == [1, 1, 1]


def test_train_keeps_a_row_when_the_shares_round_up() -> None:
    assert [len(part) for part in parts(cut(make_rows(4), dev=0.49, test=0.49))] == [1, 1, 2]


def test_a_frequent_input_larger_than_a_split_goes_to_train() -> None:
    rows = [*make_rows(70), *[{"text": "always", "label": "0"}] * 30]
    assert values(cut(rows), "text")[0] >= {"always"}


@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        (make_rows(9), {"dev": 0.0}, "the shares dev=0 and test=0.1 leave a split without rows"),
        (make_rows(9), {"test": -0.1}, "the shares dev=0.1 and test=-0.1"),
        (make_rows(9), {"dev": 0.5, "test": 0.5}, "each must be above 0 and their sum below 1"),
        (make_rows(2), {}, "mail: 2 different inputs; a task needs at least three"),
        (make_rows(10), {"group": "user"}, "mail: 2 groups in column 'user' that share no input"),
        (make_rows(9), {"group": "usr"}, "mail, row 1: column 'usr' not found. Did you mean 'user'?"),
        (make_rows(9), {"target_column": "lable"}, "column 'lable' not found. Did you mean 'label'?"),
        ([*make_rows(3), {"text": " ", "label": "1"}], {}, "mail, row 4: column 'text' is empty"),
        ([*make_rows(3), {"text": "x", "label": None}], {}, "mail, row 4: column 'label' is empty"),
    ],
)
def test_rows_that_cannot_be_cut_say_why(rows: list[Row], options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as raised:
        cut(rows, where="mail", **options)
    assert says in str(raised.value)
