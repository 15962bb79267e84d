"""Rows become samples once, checked; and a training budget is a beginning of one fixed order."""

import dataclasses
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_task import adding, rows

from harness.data.dataset import load_dataset, training_subset
from harness.errors import UserError
from harness.task import PromptSet, Row, Sample, Splits


def test_samples_keep_the_order_of_the_rows() -> None:
    assert [sample.fields["text"] for sample in load_dataset(adding()).train] == [
        "0",
        "1",
        "2",
        "3",
        "4",
        "5",
    ]


def raise_fault(*_: object) -> Any:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": raise_fault}, "task 'adding': its data function raised ZeroDivisionError: by zero"),
        ({"to_sample": raise_fault}, "split 'train', row 0: to_sample raised ZeroDivisionError: by zero"),
        ({"data": lambda: rows(0, 3)}, "its data function returned list, expected Splits"),
        ({"to_sample": lambda row, _: row}, "split 'train', row 0: to_sample returned dict, expected a Sample"),
        ({"data": lambda: Splits(rows(0, 3), [], rows(3, 4))}, "split 'dev': no samples"),
        ({"to_sample": lambda row, _: Sample("same", row, "1")}, "split 'train', row 1: the id 'same' is used twice"),
        ({"to_sample": lambda row, index: Sample(str(index), row, "")}, "sample '0' has the target ''"),
        ({"to_sample": lambda row, index: Sample(str(index), row, ())}, "sample '0' has the target ()"),
        ({"to_sample": lambda row, index: Sample(str(index), row, ("1", ""))}, "sample '0' has the target ('1', '')"),
        (
            {"to_sample": lambda row, index: Sample(str(index), row, 3)},
            "sample '0' has the target 3; a target is a non-empty text",
        ),
        ({"prompts": PromptSet({"plain": "{txt}"})}, "asks for field 'txt', the sample has text. Did you mean 'text'?"),
        ({"output": "choice"}, "two different choices"),
        ({"output": "choice", "to_sample": lambda row, _: Sample("0", row, "1", ("1", "1"))}, "two different choices"),
        ({"output": "choice", "to_sample": lambda row, _: Sample("0", row, "3", ("1", "2"))}, "target '3' of sample '0'"),
    ],
)  # fmt: skip
def test_a_fault_names_the_task_the_split_and_the_row(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match="task 'adding'") as raised:
        load_dataset(adding(**changes))
    assert says in str(raised.value)


def test_the_fingerprint_is_the_same_for_the_same_task() -> None:
    assert load_dataset(adding()).fingerprint == load_dataset(adding()).fingerprint


@pytest.mark.parametrize(
    "changes",
    [
        {"data": lambda: Splits(rows(0, 6), rows(6, 8), rows(8, 13))},
        {"data": lambda: Splits(rows(0, 7), rows(7, 8), rows(8, 12))},
        {"prompts": PromptSet({"plain": "{text} plus 1"})},
        {"max_tokens": 5},
    ],
)
def test_the_fingerprint_changes_with_samples_and_prompts(changes: dict[str, Any]) -> None:
    assert load_dataset(adding(**changes)).fingerprint != load_dataset(adding()).fingerprint


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{text:d}", "ValueError: Unknown format code 'd' for object of type 'str'"),
        ("{text!x}", "ValueError: Unknown conversion specifier"),
        ("{text:[output]}", "ValueError: unmatched '{' in format spec"),
        ("{text:{text:{text}}}", "ValueError: Max string recursion exceeded"),
        ("{a.b}", "KeyError: 'a'"),
    ],
)
def test_a_template_that_cannot_be_filled_is_one_sentence(template: str, says: str) -> None:
    def to_sample(row: Any, index: int) -> Sample:
        return Sample(str(index), {"text": "one", "a.b": "two"}, "1")

    with pytest.raises(UserError) as raised:
        load_dataset(adding(prompts=PromptSet({"good": "{text}", "bad": template}), to_sample=to_sample))
    message = str(raised.value)
    assert message.startswith(
        "task 'adding', split 'train', row 0: template 'bad' cannot be filled with the fields of sample"
    )
    assert says in message


@pytest.mark.parametrize(
    ("template", "field"), [("{text:{width}}", "width"), ("{text.foo}", "text.foo"), ("{text[0]}", "text[0]")]
)
def test_a_field_that_a_template_reaches_into_or_formats_with_is_looked_up(template: str, field: str) -> None:
    with pytest.raises(
        UserError, match=f"template 'plain' asks for field '{re.escape(field)}', the sample has text"
    ):
        load_dataset(adding(prompts=PromptSet({"plain": template})))


def test_what_fills_a_format_is_tried_on_every_sample() -> None:
    def to_sample(row: Any, index: int) -> Sample:
        return Sample(row["text"], {"text": row["text"], "width": "wide" if row["text"] == "7" else "3"}, "1")

    with pytest.raises(UserError, match=r"split 'dev', row 1: template 'plain' cannot be filled"):
        load_dataset(adding(prompts=PromptSet({"plain": "{text:{width}}"}), to_sample=to_sample))


LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=80)


def labelled(labels: list[str]) -> list[Sample]:
    return [Sample(str(index), {"text": str(index)}, label) for index, label in enumerate(labels)]


@given(labels=LABELS, budgets=st.lists(st.integers(1, 80), min_size=2, max_size=2))
def test_a_larger_training_budget_contains_every_smaller_one(labels: list[str], budgets: list[int]) -> None:
    small, large = (training_subset(labelled(labels), budget) for budget in sorted(budgets))
    assert large[: len(small)] == small


@given(labels=LABELS, budget=st.integers(1, 80))
def test_a_budget_holds_every_label_in_its_proportion(labels: list[str], budget: int) -> None:
    subset = training_subset(labelled(labels), budget)
    have = Counter(sample.targets[0] for sample in subset)
    for label, count in Counter(labels).items():
        assert abs(have[label] - count * len(subset) / len(labels)) <= 2


@given(labels=LABELS)
def test_no_budget_means_every_sample_once(labels: list[str]) -> None:
    train = labelled(labels)
    assert sorted(training_subset(train, None), key=lambda sample: int(sample.id)) == train


def test_a_budget_of_zero_is_no_sample() -> None:
    assert training_subset(labelled(["a", "b"]), 0) == []


def test_a_budget_is_a_shuffle_and_not_the_first_rows() -> None:
    train = load_dataset(adding(data=lambda: Splits(rows(0, 50), rows(50, 51), rows(51, 52)))).train
    assert [sample.id for sample in training_subset(train, 10)] != [str(index) for index in range(10)]


def test_metrics_may_change_without_making_old_answers_foreign() -> None:
    more = adding(metrics=("exact_match", "numeric_match"), primary_metric="numeric_match")
    assert load_dataset(more).fingerprint == load_dataset(adding()).fingerprint


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"prompts": PromptSet({"plain": "{text} {"})}, "template 'plain' is not a format string"),
        ({"prompts": PromptSet({"plain": "{text} {}"})}, "template 'plain' asks for field ''"),
        (
            {"data": lambda: Splits(rows(0, 6), (row for row in rows(6, 8)), rows(8, 12))},
            "split 'dev': a generator",
        ),
        (
            {"data": lambda: Splits(rows(0, 6), None, rows(8, 12))},
            "split 'dev': a NoneType, expected a list of rows",
        ),
        ({"to_sample": lambda row, index: Sample(index, row, "1")}, "the id 0 is not a non-empty text"),
        (
            {"to_sample": lambda row, index: Sample(str(index), {"text": index}, "1")},
            "has a field that is not a text",
        ),
        ({"to_sample": lambda row, index: Sample(str(index), row, "1", None)}, "has the choices None"),
    ],
)
def test_more_faults_of_a_task_are_one_sentence(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as raised:
        load_dataset(adding(**changes))
    assert says in str(raised.value)


def test_the_fingerprint_changes_with_the_metadata_that_metrics_read() -> None:
    def fingerprint(schema: str) -> str:
        def made(row: Row, index: int) -> Sample:
            return Sample(str(index), {"text": row["text"]}, row["answer"], metadata={"database": schema})

        return load_dataset(adding(to_sample=made)).fingerprint

    assert fingerprint("a") == fingerprint("a") != fingerprint("b")


def test_the_fingerprint_changes_with_the_version_of_another_harness_s_rendering() -> None:
    def fingerprint(version: str) -> str:
        return load_dataset(
            adding(prompts=PromptSet({"plain": "{text}"}, render_version=version))
        ).fingerprint

    assert fingerprint("1") != fingerprint("2")


def test_half_of_a_surrogate_pair_is_refused_before_any_training() -> None:
    broken = adding(to_sample=lambda row, index: Sample(str(index), {"text": "\ud800"}, "1"))
    with pytest.raises(UserError, match="sample '0' holds half of a surrogate pair, which is no text"):
        load_dataset(broken)


def test_nothing_may_follow_the_slot_of_a_measured_text() -> None:
    task = adding(output="perplexity", prompts=PromptSet({"tail": "{text} <mask>. Thanks."}))
    with pytest.raises(UserError, match="template 'tail' goes on after <mask>"):
        load_dataset(task)


def copied(sample: Sample, number: int) -> Sample:
    return dataclasses.replace(sample, id=f"{sample.id}~copy{number}", copy_of=sample.id)


def test_augmented_copies_come_with_their_sample_and_do_not_count_in_a_budget() -> None:
    train = [Sample(str(index), {}, "x") for index in range(10)]
    augmented = [*train, *(copied(sample, 1) for sample in train), *(copied(sample, 2) for sample in train)]
    for budget in (1, 4, 10):
        chosen = training_subset(augmented, budget)
        assert [sample.id for sample in chosen if not sample.copy_of] == [
            s.id for s in training_subset(train, budget)
        ]
        assert len(chosen) == 3 * budget


def test_a_copy_whose_original_was_taken_away_stands_for_itself() -> None:
    train = [Sample("0", {}, "x"), copied(Sample("1", {}, "x"), 1)]
    assert {sample.id for sample in training_subset(train, None)} == {"0", "1~copy1"}


def test_a_cluster_that_is_no_text_is_refused() -> None:
    task = adding(to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, "1", cluster=7))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="sample '0' has the cluster 7; a cluster is a text"):
        load_dataset(task)


def test_a_cluster_changes_no_fingerprint() -> None:
    alone, shared = (
        adding(
            to_sample=lambda row, index, name=name: Sample(
                str(index), {"text": row["text"]}, "1", cluster=name
            )
        )
        for name in ("", "all")
    )
    assert load_dataset(alone).fingerprint == load_dataset(shared).fingerprint
