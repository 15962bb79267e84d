"""What a model thinks is told from what it answers, whatever its marks,
and also where one of them is missing."""

import pytest

from harness.sweep.thoughts import THOUGHT_MARKS, begins_thought, cut_at, ends_thought, part_thought

ANALYSIS = ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>")
SEED = ("<seed:think>", "</seed:think>")
TRIED = ("[THINK]", "[/THINK]")


@pytest.mark.parametrize(
    ("written", "marks", "thought", "answer"),
    [
        ("red", THOUGHT_MARKS, None, "red"),
        (" red\n", THOUGHT_MARKS, None, " red\n"),
        ("<think>\nOkay.\nIt is red.\n</think>\n\nred", THOUGHT_MARKS, "Okay.\nIt is red.", "red"),
        ("\n <think>Okay</think>red", THOUGHT_MARKS, "Okay", "red"),
        ("<think>\n\n</think>\n\nred", THOUGHT_MARKS, "", "red"),
        ("Okay.\n</think>\n\nred", THOUGHT_MARKS, "Okay.", "red"),
        ("</think>red", THOUGHT_MARKS, "", "red"),
        ("<think>a</think>\n<think>b</think>\nred", THOUGHT_MARKS, "a\n\nb", "red"),
        ("<think>a</think>red, not </think>", THOUGHT_MARKS, "a", "red, not </think>"),
        ("<think>a</think>The mark <think> begins one.", THOUGHT_MARKS, "a", "The mark <think> begins one."),
        ("The mark <think> begins one.", THOUGHT_MARKS, None, "The mark <think> begins one."),
        ("<think>a</think>", THOUGHT_MARKS, "a", ""),
        ("[THINK]a[/THINK]red", TRIED, "a", "red"),
        ("<seed:think>a</seed:think>red", SEED, "a", "red"),
        (f"{ANALYSIS[0]}a{ANALYSIS[1]}red", ANALYSIS, "a", "red"),
        ("<think>a</think>red", TRIED, None, "<think>a</think>red"),
        ("<think>a</think>red", (), None, "<think>a</think>red"),
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_a_thought_is_told_from_the_answer(
    written: str, marks: tuple[str, ...], thought: str | None, answer: str, cut: bool
) -> None:
    parted = part_thought(written, marks, begun=False, cut=cut)
    assert (parted.thought, parted.answer, parted.closed) == (thought, answer, True)


@pytest.mark.parametrize(
    ("written", "begun", "cut", "thought"),
    [
        ("<think>\nOkay, the", False, True, "Okay, the"),
        ("<think>\nOkay, the", False, False, "Okay, the"),
        ("Okay, the", True, True, "Okay, the"),
        ("<think>a</think> <think>b", False, True, "a\n\nb"),
        ("<thi", False, True, ""),
        ("", True, True, ""),
    ],
)
def test_a_thought_without_end_leaves_no_answer(written: str, begun: bool, cut: bool, thought: str) -> None:
    parted = part_thought(written, THOUGHT_MARKS, begun=begun, cut=cut)
    assert (parted.thought, parted.answer, parted.closed) == (thought, "", False)


def test_what_a_model_ends_by_itself_without_any_mark_is_its_answer() -> None:
    assert part_thought("red", THOUGHT_MARKS, begun=True, cut=False).answer == "red"
    assert part_thought("red", THOUGHT_MARKS, begun=True, cut=False).thought is None


def test_an_answer_that_was_cut_after_its_thought_is_the_answer_as_far_as_it_goes() -> None:
    parted = part_thought("Okay</think>\nThe grey", THOUGHT_MARKS, begun=True, cut=True)
    assert (parted.thought, parted.answer, parted.closed) == ("Okay", "The grey", True)


@pytest.mark.parametrize(
    ("ending", "begun", "ended"),
    [
        ("<|im_end|>\n<|im_start|>assistant\n", False, False),
        ("<|im_end|>\n<|im_start|>assistant\n<think>\n", True, False),
        ("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", False, True),
        ("<|Assistant|></think>", False, True),
        ("<think></think><|Assistant|><think>", True, False),
    ],
)
def test_the_end_of_a_prompt_says_whether_a_thought_is_begun_or_behind(
    ending: str, begun: bool, ended: bool
) -> None:
    assert (begins_thought(ending, THOUGHT_MARKS), ends_thought(ending, THOUGHT_MARKS)) == (begun, ended)
    assert not begins_thought(ending, ()) and not ends_thought(ending, ())


def test_an_answer_ends_at_the_first_of_its_stop_strings() -> None:
    assert cut_at("red\nblue. And", (".", "\n")) == "red"
    assert cut_at("red", (".", "\n")) is None
    assert cut_at("red", ()) is None
