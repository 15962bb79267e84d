"""Steps do what they say to the splits they name, and a result can tell what they did."""

import random
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.steps import StepCount, apply_steps, deduplicate, drop_conflicts, normalise_whitespace
from harness.errors import UserError
from harness.task import Sample
from harness.task.step import Step


def asked(*pairs: tuple[str, Any], **rest: Any) -> list[Sample]:
    return [Sample(str(index), {"text": text}, target, **rest) for index, (text, target) in enumerate(pairs)]


def taken(step: Step, samples: list[Sample]) -> list[Sample]:
    return step.apply(samples, random.Random(0))


def ids(samples: list[Sample]) -> list[str]:
    return [sample.id for sample in samples]


def in_every_split(samples: list[Sample]) -> dict[str, list[Sample]]:
    return {"train": samples, "dev": samples, "test": samples}


def test_duplicates_go_and_the_first_stays() -> None:
    assert ids(taken(deduplicate(), asked(("a", "1"), ("b", "1"), ("a", "1"), ("a", "2")))) == ["0", "1", "3"]


def test_the_same_text_with_other_choices_is_no_duplicate() -> None:
    samples = [Sample("0", {"text": "a"}, "x", ("x", "y")), Sample("1", {"text": "a"}, "x", ("x", "z"))]
    assert taken(deduplicate(), samples) == samples


def test_all_samples_of_a_conflict_go() -> None:
    assert ids(taken(drop_conflicts(), asked(("a", "1"), ("b", "1"), ("a", "2"), ("b", "1")))) == ["1", "3"]


def test_accepted_answers_in_another_order_are_no_conflict() -> None:
    samples = asked(("a", ("1", "one")), ("a", ("one", "1")))
    assert taken(drop_conflicts(), samples) == samples


def test_texts_without_a_question_do_not_conflict() -> None:
    samples = [Sample("0", {}, "one text"), Sample("1", {}, "another")]
    assert taken(drop_conflicts(), samples) == samples


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  two\u00a0 words\t", "two words"),
        ("one \r\n\n  two", "one\ntwo"),
        ("\n", ""),
        ("as it is\nhere", "as it is\nhere"),
    ],
)
def test_white_space_becomes_one_space_or_one_line_break(text: str, clean: str) -> None:
    assert taken(normalise_whitespace(), asked((text, "x")))[0].fields == {"text": clean}


@given(text=st.text())
def test_clean_white_space_stays_clean(text: str) -> None:
    once = taken(normalise_whitespace(), asked((text, "x")))
    assert taken(normalise_whitespace(), once) == once


def test_white_space_in_answers_is_left_alone() -> None:
    samples = asked(("a", "  x\n"), choices=("  x\n", " y"))
    assert taken(normalise_whitespace(), samples) == samples


def test_steps_are_taken_in_order_and_counted() -> None:
    task = adding(steps=(normalise_whitespace(), deduplicate()))
    samples, counts = apply_steps(task, in_every_split(asked(("a", "1"), (" a ", "1"), ("b ", "2"))))
    assert ids(samples["train"]) == ["0", "2"]
    assert counts == (
        StepCount("normalise_whitespace", "train", 3, 3, 1),
        StepCount("deduplicate", "train", 3, 2, 0),
    )


@pytest.mark.parametrize("step", [deduplicate, drop_conflicts, normalise_whitespace])
def test_a_step_changes_training_data_only_unless_it_says_otherwise(step: Any) -> None:
    assert step().splits == ("train",)
    assert step(splits=("train", "test")).splits == ("train", "test")


def test_other_splits_stay_as_they_are() -> None:
    samples, _ = apply_steps(
        adding(steps=(deduplicate(splits=["test"]),)), in_every_split(asked(("a", "1"), ("a", "1")))
    )
    assert [len(samples[split]) for split in ("train", "dev", "test")] == [2, 2, 1]


def test_the_same_step_taken_twice_is_counted_under_two_names() -> None:
    _, counts = apply_steps(adding(steps=(deduplicate(), deduplicate())), in_every_split(asked(("a", "1"))))
    assert [count.step for count in counts] == ["deduplicate", "deduplicate (2)"]


def test_a_data_set_carries_the_counts_of_its_steps() -> None:
    assert load_dataset(adding(steps=(deduplicate(),))).steps == (StepCount("deduplicate", "train", 6, 6, 0),)


def step(apply: Any) -> Step:
    return Step("mine", apply)


def leave(*_: Any) -> Any:
    sys.exit(0)


def raise_fault(*_: Any) -> Any:
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (
            Step("mine", raise_fault, ("tests",)),
            "step 'mine' names split 'tests'; there are train, dev, test",
        ),
        (
            step(raise_fault),
            "step 'mine', split 'train': it raised ZeroDivisionError: by zero (test_steps.py, line",
        ),
        (step(leave), "step 'mine', split 'train': it called exit(0) (test_steps.py, line"),
        (step(lambda samples, _: []), "step 'mine', split 'train': it leaves no sample"),
        (step(lambda samples, _: None), "it returned NoneType, expected a list of samples"),
        (step(lambda samples, _: ["a"]), "it returned list, expected a list of samples"),
        (
            step(lambda samples, _: samples * 2),
            "it leaves two samples with the id '0'; copies need ids of their own",
        ),
    ],
)
def test_a_faulty_step_is_named(step: Step, says: str) -> None:
    with pytest.raises(UserError, match="task 'adding': step 'mine'") as raised:
        apply_steps(adding(steps=(step,)), in_every_split(asked(("a", "1"))))
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("new_sample", "says"),
    [
        (Sample("new", {"text": "a"}, ""), "sample 'new' has the target ''; a target is a non-empty text"),
        (Sample("new", {"txt": "a"}, "1"), "template 'plain' asks for field 'text', the sample has txt"),
        (Sample(7, {"text": "a"}, "1"), "the id 7 is not a non-empty text"),  # type: ignore[arg-type]
    ],
)
def test_a_sample_that_a_step_made_is_checked_as_one_of_a_row_is(new_sample: Sample, says: str) -> None:
    with pytest.raises(UserError) as raised:
        load_dataset(adding(steps=(step(lambda samples, _: [*samples, new_sample]),)))
    assert "step 'mine', split 'train': it makes a sample that cannot be used: " in str(raised.value)
    assert says in str(raised.value)
