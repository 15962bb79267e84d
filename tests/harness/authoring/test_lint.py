"""What blurs scores is found in samples, choices and wordings, and what does not is left alone."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from toy_task import adding, rows

from harness.authoring.lint import MAX_WORDS, lint, lint_levels, spread
from harness.data.dataset import load_dataset
from harness.task import PromptSet, Row, Sample, Splits, Task

LABELS = ("good", "bad")


def task_of(train: Sequence[Row], test: Sequence[Row], **changes: Any) -> Task:
    return adding(data=lambda: Splits(train, rows(50, 51), test), **changes)


def faults(task: Task) -> list[str]:
    return lint(task, load_dataset(task))


def level_faults(task: Task) -> list[str]:
    return lint_levels(task, load_dataset(task))


def choosing(
    texts: Sequence[str],
    targets: Sequence[str],
    choices: tuple[str, ...] = LABELS,
    *,
    test: int | None = None,
    **changes: Any,
) -> Task:
    """A task of these samples, the last `test` of them (default: as many again as there are) the test set."""
    all_rows = [{"text": text, "answer": answer} for text, answer in zip(texts, targets, strict=True)]
    cut = len(all_rows) // 2 if test is None else len(all_rows) - test
    return adding(
        data=lambda: Splits(all_rows[:cut], [{"text": "for dev", "answer": choices[0]}], all_rows[cut:]),
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, row["answer"], choices),
        output="choice",
        metrics=("accuracy",),
        primary_metric="accuracy",
        **{"chance": 1 / len(choices), "prompts": PromptSet({"plain": "What is {text} like?"}), **changes},
    )


def numbered(count: int) -> list[str]:
    return [f"case {number}" for number in range(count)]


def test_a_clean_task_has_no_fault() -> None:
    assert faults(adding()) == []
    assert level_faults(adding()) == []


def test_repeated_samples_of_a_split_are_counted() -> None:
    assert faults(task_of([*rows(0, 3), *rows(1, 3)], rows(8, 12))) == [
        "2 of 5 train samples (the first is '3') repeat an earlier one of the split; keep one of each"
    ]


def test_one_prompt_with_two_targets_is_a_conflict() -> None:
    both = [{"text": "1", "answer": "2"}, {"text": "1", "answer": "3"}]
    assert faults(task_of(both, rows(8, 12))) == [
        "1 prompt has different targets in different samples, the first in train sample '0' and train "
        "sample '1'; keep one target"
    ]


def test_two_sets_of_accepted_answers_that_share_one_are_no_conflict() -> None:
    def to_sample(row: Row, index: int) -> Sample:
        return Sample(str(index), {"text": row["text"]}, (f"variant {index}", row["answer"]))

    same = [{"text": "1", "answer": "2"}, {"text": "1", "answer": "2"}]
    assert faults(task_of(same, rows(8, 12), to_sample=to_sample)) == []


def test_two_targets_are_no_conflict_where_many_texts_are_right() -> None:
    both = [{"text": "1", "answer": "one text"}, {"text": "1", "answer": "another"}]
    assert faults(task_of(both, rows(8, 12), metrics=("rougeL",), primary_metric="rougeL")) == []


def test_two_texts_of_a_perplexity_task_are_no_conflict() -> None:
    texts = PromptSet({"text": "<mask>"}, marker="")
    task = task_of(
        rows(0, 6),
        rows(8, 12),
        prompts=texts,
        output="perplexity",
        metrics=("byte_probability",),
        primary_metric="byte_probability",
    )
    assert faults(task) == []


def test_the_same_question_with_other_choices_is_another_question() -> None:
    def to_sample(row: Row, index: int) -> Sample:
        return Sample(str(index), {"text": "always this"}, row["answer"], (row["answer"], "none of these"))

    task = dataclasses.replace(choosing(numbered(4), numbered(4)), to_sample=to_sample)
    assert not any("different targets" in fault or "repeat" in fault for fault in faults(task))


def test_test_samples_that_read_like_training_samples_are_counted() -> None:
    task = adding(data=lambda: Splits(rows(0, 6), rows(5, 7), rows(3, 10)))
    assert faults(task) == [
        "1 of 2 dev samples (the first is '0') reads like a training sample; their answers can be memorised",
        "3 of 7 test samples (the first is '0') read like a training sample; their answers can be memorised",
    ]


def test_a_measured_text_that_was_trained_on_is_counted() -> None:
    texts = PromptSet({"text": "<mask>"}, marker="")
    metric = {"metrics": ("byte_probability",), "primary_metric": "byte_probability"}
    task = task_of(rows(0, 6), rows(5, 9), prompts=texts, output="perplexity", **metric)
    assert any(
        fault.startswith("1 of 4 test samples (the first is '0') reads like") for fault in faults(task)
    )


def long_text(last: str) -> Row:
    return {"text": " ".join([*(f"word{number}" for number in range(60)), last]), "answer": "1"}


def test_test_samples_that_nearly_read_like_training_samples_are_counted() -> None:
    assert faults(task_of([long_text("first"), *rows(0, 3)], [*rows(8, 9), long_text("last")])) == [
        "1 of 2 test samples (the first is '1') reads nearly like a training sample; "
        "a result gives its score without such test samples too"
    ]


def test_a_single_near_duplicate_of_many_is_not_mentioned() -> None:
    assert faults(task_of([long_text("first"), *rows(0, 3)], [*rows(100, 300), long_text("last")])) == []


def test_a_shown_field_of_white_space_is_counted() -> None:
    assert faults(task_of(rows(0, 3), [*rows(8, 9), {"text": " ", "answer": "99"}])) == [
        "1 of 2 test samples (the first is '1') has only white space in the field 'text', which a template "
        "shows; fill it or leave them out"
    ]


def test_an_empty_field_that_no_template_shows_is_no_fault() -> None:
    task = adding(
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"], "note": ""}, row["answer"])
    )
    assert faults(task) == []


def test_a_target_of_white_space_is_counted() -> None:
    assert faults(task_of(rows(0, 3), [*rows(8, 9), {"text": "1", "answer": " "}]))[-1].startswith(
        "1 of 2 test samples (the first is '1') has a target of only white space"
    )


def test_long_samples_are_counted_and_the_longest_is_told() -> None:
    long = {"text": "word " * 2 * MAX_WORDS, "answer": "1"}
    (fault,) = faults(task_of([*rows(0, 3), long], rows(8, 12)))
    assert fault.startswith(
        f"1 of 4 train samples (the first is '3') has more than {MAX_WORDS} words with the prompt "
        "(the longest of all splits has 1,404)"
    )


def test_targets_that_max_tokens_cuts_off_are_counted() -> None:
    long = {"text": "1", "answer": "one two three four"}
    assert faults(task_of(rows(2, 5), [long, *rows(8, 9)], max_tokens=3)) == [
        "1 of 2 test samples (the first is '0') has targets of more words than max_tokens = 3; raise it"
    ]


def test_wordings_that_render_the_same_are_named() -> None:
    prompts = PromptSet({"plain": "{text} + 1", "other": "Add one to {text}", "again": "{text} + 1"})
    assert faults(adding(prompts=prompts)) == [
        "templates 'plain', 'again' render the same text; keep one, or word them differently"
    ]


def test_wordings_that_differ_in_punctuation_only_are_named() -> None:
    prompts = PromptSet(
        {"plain": "Add one to {text}", "other": "{text} and one is", "dotted": "add  one to: {text}."}
    )
    assert faults(adding(prompts=prompts)) == [
        "templates 'plain', 'dotted' differ in punctuation, case or white space only; word them differently"
    ]


def test_a_wording_without_the_samples_fields_is_named() -> None:
    prompts = PromptSet({"plain": "{text} + 1", "forgot": "Add one to it"})
    assert faults(adding(prompts=prompts)) == [
        "template 'forgot' reads the same for all 4 test samples; name their fields in it"
    ]


def test_prompts_that_end_with_their_target_are_counted() -> None:
    leaking = [{"text": f"{number} is {number}00", "answer": f"{number}00"} for number in range(1, 6)]
    prompts = PromptSet({"leaks": "Which hundred is {text}", "safe": "{text}, is it not?"})
    assert faults(task_of(rows(10, 13), leaking, prompts=prompts)) == [
        "the prompts of 5 of 5 test samples (the first is '0') end with their target in template 'leaks'; "
        "leave the answer out of the fields"
    ]


def test_an_answer_inside_a_text_is_no_leak() -> None:
    reading = [
        {"text": f"Anna has {number}00 coins. How many?", "answer": f"{number}00"} for number in range(1, 6)
    ]
    assert faults(task_of(rows(10, 13), reading, prompts=PromptSet({"plain": "{text}"}))) == []


def test_labels_that_every_prompt_ends_with_are_no_leak() -> None:
    task = choosing(numbered(8), ["good", "bad"] * 4, prompts=PromptSet({"plain": "{text}: bad or good"}))
    assert faults(task) == []


def test_a_wording_that_names_the_answer_of_most_samples_only_is_named() -> None:
    targets = ["often", "often", "often", "seldom"]
    test = [{"text": str(number), "answer": target} for number, target in enumerate(targets, 20)]
    assert faults(task_of(rows(0, 3), test, prompts=PromptSet({"biased": "Say often if {text} is"}))) == [
        "template 'biased' names the target of 3 of 4 test samples (the first is '0') and not of the others; "
        "name all or none"
    ]


def test_a_wording_that_names_every_answer_is_fair() -> None:
    test = [{"text": str(number), "answer": ("often", "seldom")[number % 2]} for number in range(20, 26)]
    assert (
        faults(task_of(rows(0, 3), test, prompts=PromptSet({"fair": "Is {text} often or seldom so?"}))) == []
    )


def test_fields_that_hold_the_right_choice_and_no_other_are_counted() -> None:
    texts = [f"case {number}, Label: {('GOOD', 'bad')[number % 2]}" for number in range(8)]
    assert faults(choosing(texts, ["good", "bad"] * 4)) == [
        "the fields of 4 of 4 test samples (the first is '0') hold the right choice and no other; a model need only copy it"
    ]


@pytest.mark.parametrize(
    "text",
    ["case {}: good or bad?", "goodness {}", "a case {}"],
    ids=["both choices", "part of a word", "neither"],
)
def test_fields_that_do_not_single_out_a_choice_are_no_leak(text: str) -> None:
    assert faults(choosing([text.format(number) for number in range(8)], ["good", "bad"] * 4)) == []


def test_a_choice_that_begins_another_is_unfair() -> None:
    choices = ("part", "parts", "whole")
    assert faults(choosing(numbered(6), choices * 2, choices)) == [
        "choice 'part' begins 'parts' and is never less likely (1 such pair, the first in test sample '0'); "
        "rename one of them, or end the template in a <mask> slot and a full stop"
    ]


def test_a_choice_that_is_offered_twice_is_counted() -> None:
    choices = ("left", "right", "left")
    assert faults(choosing(numbered(4), ["left", "right"] * 2, choices)) == [
        "2 of 2 test samples offer the same choice twice, the first is sample '0'; keep one of each"
    ]


def test_choices_that_differ_in_case_or_outer_white_space_are_named() -> None:
    choices = ("Good", "bad", "good ")
    assert faults(choosing(numbered(12), choices * 4, choices)) == [
        "choices 'Good' and 'good ' differ only in case or outer white space (1 such pair, the first in "
        "test sample '0'); make them one"
    ]


def test_choices_that_only_share_letters_are_fair() -> None:
    assert faults(choosing(numbered(4), ["parting", "parts"] * 2, ("parting", "parts"))) == []


def test_a_full_stop_after_the_slot_makes_such_choices_fair() -> None:
    prompts = PromptSet({"cloze": "{text} is <mask>."})
    assert faults(choosing(numbered(4), ["part", "parts"] * 2, ("part", "parts"), prompts=prompts)) == []


def test_a_class_with_few_training_samples_is_named() -> None:
    targets = ["good"] * 19 + ["bad"] + ["good", "bad"] * 10
    assert faults(choosing(numbered(40), targets)) == [
        "1 of 2 classes has under a fifth of an even share of the training samples, the first is 'bad' with "
        "1 of 20; a metric such as f1_macro shows how they fare"
    ]


def test_classes_that_are_merely_uneven_are_no_fault() -> None:
    assert faults(choosing(numbered(40), ["good"] * 15 + ["bad"] * 5 + ["good", "bad"] * 10)) == []


def test_a_wrong_chance_level_is_named() -> None:
    choices = ("a", "b", "c", "d")
    assert level_faults(choosing(numbered(16), choices * 4, choices, chance=0.0)) == [
        "chance is 0, guessing evenly among the choices scores 0.25"
    ]


def test_a_constant_answer_that_leaves_little_to_learn_is_told() -> None:
    assert level_faults(choosing(numbered(40), (["good"] * 9 + ["bad"]) * 4)) == [
        "always giving the most frequent training target scores 0.9 on accuracy, chance is 0.5: little is "
        "left to learn; balance the samples or rank by another metric"
    ]


def test_samples_are_taken_evenly_from_first_to_last() -> None:
    samples = [Sample(str(number), {}, "1") for number in range(10)]
    assert [sample.id for sample in spread(samples, 4)] == ["0", "2", "5", "7"]
    assert spread(samples, 10) == samples


def test_training_targets_that_hold_a_stop_string_are_counted() -> None:
    stopped = task_of(rows(0, 20), rows(30, 34), stop=("0",))
    assert (
        "2 of 20 train samples (the first is '9') have a target that contains the stop string '0', where a "
        "model's answer ends; choose another" in faults(stopped)
    )


def test_a_stop_string_that_no_target_holds_is_no_fault() -> None:
    assert faults(adding(stop=("\n",))) == []


def test_a_field_shown_only_after_the_answer_is_a_fault() -> None:
    assert faults(adding(prompts=PromptSet({"plain": "{text} + 1", "late": "[output] follows {text}"}))) == [
        "template 'late' shows {text} only after [output], so a model answers before it reads that",
    ]


def test_a_field_shown_before_the_answer_too_is_no_fault() -> None:
    assert (
        faults(adding(prompts=PromptSet({"both": "After {text} comes [output], as {text} is before it"})))
        == []
    )


def test_white_space_at_the_end_of_a_question_is_a_fault_since_an_answer_brings_its_own() -> None:
    open_ended = PromptSet({"plain": "{text} + 1 is ", "slot": "{text} + 1 = [output]"}, marker="")
    (fault,) = faults(adding(prompts=open_ended))
    assert fault == (
        "template 'plain' ends in white space, which goes with the answer and takes the place of "
        "target_delimiter (' '); leave it out, or mark the answer's place with a slot"
    )
    (fault,) = faults(
        adding(prompts=PromptSet({"plain": "{text} + 1", "words": "Add 1 to {text}."}, marker="A: "))
    )
    assert fault.startswith("marker ends in white space")


def test_fixed_demonstrations_that_are_not_shown_are_a_fault() -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, demonstrations="fixed", fixed=("0", "1", "2"), num_fewshot=2)
    assert faults(adding(prompts=prompts)) == [
        "num_fewshot is 2, prompts.fixed names 3, and only the first 2 are shown; make them agree"
    ]
