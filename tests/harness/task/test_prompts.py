"""What a model sees: system line, demonstrations as finished turns, question, and where the answer stands."""

import pytest

from harness.errors import UserError
from harness.task import PromptSet, Rendered, Sample
from harness.task.prompts import choose_templates, fields_of, render, slot_of

PROMPTS = PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."})
ONE = Sample("1", {"text": "1"}, "2")
FIVE = Sample("5", {"text": "5"}, ("6", "six"))


def test_a_question_ends_with_the_marker_on_its_own_line() -> None:
    assert render(PROMPTS, ONE, template="plain").messages == [{"role": "user", "content": "1 + 1\nAnswer:"}]


def test_plain_text_and_messages_say_the_same() -> None:
    rendered = render(PROMPTS, ONE, template="plain")
    assert rendered.text == rendered.messages[0]["content"]


def test_without_a_marker_the_question_stands_alone() -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, marker="")
    assert render(prompts, ONE, template="plain").text == "1 + 1"


def test_demonstrations_come_first_as_finished_turns_in_the_same_wording() -> None:
    rendered = render(PROMPTS, ONE, template="words", demonstrations=[FIVE])
    assert [(message["role"], message["content"]) for message in rendered.messages] == [
        ("user", "Add one to 5.\nAnswer:"),
        ("assistant", "6"),
        ("user", "Add one to 1.\nAnswer:"),
    ]


def test_plain_text_parts_turns_by_a_blank_line_and_puts_answers_after_a_space() -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, system="You add.")
    rendered = render(prompts, ONE, template="plain", demonstrations=[FIVE])
    assert rendered.text == "You add.\n\n5 + 1\nAnswer: 6\n\n1 + 1\nAnswer:"
    assert rendered.before == " "


def test_the_delimiters_of_plain_text_are_the_prompt_sets_own() -> None:
    prompts = PromptSet({"plain": "{text}"}, marker="A:", target_delimiter="", fewshot_delimiter="\n###\n")
    assert render(prompts, ONE, template="plain", demonstrations=[FIVE]).text == "5\nA:6\n###\n1\nA:"


def test_the_system_line_is_the_first_message() -> None:
    prompts = PromptSet({"plain": "{text}"}, system="You add.")
    assert render(prompts, ONE, template="plain").messages[0] == {"role": "system", "content": "You add."}


def test_braces_in_a_sample_are_left_as_they_are() -> None:
    sample = Sample("b", {"text": "{text} {0} {other} <mask>"}, "x")
    assert render(PROMPTS, sample, template="plain").text == "{text} {0} {other} <mask> + 1\nAnswer:"


@pytest.mark.parametrize("slot", ["[output]", "<mask>"])
def test_a_slot_puts_the_answer_inside_the_text(slot: str) -> None:
    prompts = PromptSet({"cloze": f"{{text}} plus one is {slot}, I think."})
    rendered = render(prompts, ONE, template="cloze", demonstrations=[FIVE])
    assert rendered.text == "5 plus one is 6, I think.\n\n1 plus one is"
    assert (rendered.before, rendered.after) == (" ", ", I think.")
    assert [message["content"] for message in rendered.messages] == [
        "5 plus one is",
        "6, I think.",
        "1 plus one is",
    ]


def test_a_slot_without_a_space_before_it_gets_none() -> None:
    assert render(PromptSet({"cloze": "1+{text}=[output]"}), ONE, template="cloze").before == ""


def test_white_space_that_ends_a_question_goes_with_the_answer_and_takes_the_delimiters_place() -> None:
    """As before a slot: `The colour is [output]`."""
    prompts = PromptSet({"bare": "{text} + 1 is "}, marker="")
    rendered = render(prompts, ONE, template="bare", demonstrations=[FIVE])
    assert rendered == render(
        PromptSet({"slot": "{text} + 1 is [output]"}), ONE, template="slot", demonstrations=[FIVE]
    )
    assert (rendered.text, rendered.before) == ("5 + 1 is 6\n\n1 + 1 is", " ")


@pytest.mark.parametrize(
    ("template", "marker", "text", "before"),
    [
        ("{text} is\n", "", "1 is", "\n"),
        ("{text}", "It is: ", "1\nIt is:", " "),
        ("{text} is:  ", "", "1 is:", "  "),
        ("{text} ", "Answer:", "1 \nAnswer:", " = "),
        ("{text}", "", "1", " = "),
    ],
)
def test_what_a_question_ends_in_stands_once_between_it_and_its_answer(
    template: str, marker: str, text: str, before: str
) -> None:
    prompts = PromptSet({"only": template}, marker=marker, target_delimiter=" = ")
    rendered = render(prompts, ONE, template="only")
    assert (rendered.text, rendered.before) == (text, before)


def test_a_slot_at_the_very_beginning_leaves_nothing_to_say_before_it() -> None:
    assert render(PromptSet({"bare": "<mask>"}), ONE, template="bare") == Rendered([], "", "", "")


def test_what_follows_a_slot_may_name_fields() -> None:
    assert (
        render(PromptSet({"cloze": "<mask> follows {text}."}), ONE, template="cloze").after == " follows 1."
    )


def test_a_template_has_one_slot_at_most() -> None:
    with pytest.raises(
        ValueError, match=r"it has 2 slots for the answer \(\[output\], <mask>\); one is the most"
    ):
        slot_of("<mask> and [output]")


def test_a_task_of_another_harness_brings_its_own_rendering() -> None:
    def rendered(sample: Sample, demonstrations: object) -> Rendered:
        return Rendered([], f"theirs {sample.id}")

    prompts = PromptSet({"theirs": "{text}"}, render=rendered)
    assert render(prompts, ONE, template="theirs").text == "theirs 1"


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (None, ("plain",)),
        ("words", ("words",)),
        (("words", "plain"), ("words", "plain")),
        ("all", ("plain", "words")),
    ],
)
def test_templates_are_chosen_by_name_by_list_or_all_and_the_first_is_the_default(
    names: str | tuple[str, ...] | None, chosen: tuple[str, ...]
) -> None:
    assert choose_templates(PROMPTS, names, where="here") == chosen


def test_an_unknown_template_says_which_there_are() -> None:
    with pytest.raises(
        UserError, match=r"here: template 'word' not found; there are plain, words\. Did you mean 'words'\?"
    ):
        choose_templates(PROMPTS, "word", where="here")


def test_doubled_braces_are_no_field() -> None:
    assert fields_of('{{"city": "{city}"}} {item}') == {"city", "item"}


def test_a_field_within_a_format_is_asked_for_too() -> None:
    assert fields_of("{item:>{width}} {city:>8}") == {"item", "width", "city"}
