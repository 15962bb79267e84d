"""What a model sees: system line, demonstrations as finished turns, question, marker."""

from collections import Counter

import pytest

from harness.errors import UserError
from harness.prompts import choose_template, draw_demonstrations, fields_of, render
from harness.task import PromptSet, Sample

PROMPTS = PromptSet({"plain": "{text} + 1", "words": "Add one to {text}."})
ONE = Sample("1", {"text": "1"}, "2")
FIVE = Sample("5", {"text": "5"}, ("6", "six"))


def test_a_question_ends_with_the_marker_on_its_own_line() -> None:
    assert render(PROMPTS, ONE, template="plain") == [{"role": "user", "content": "1 + 1\nAnswer:"}]


def test_without_a_marker_the_question_stands_alone() -> None:
    prompts = PromptSet({"plain": "{text} + 1"}, marker="")
    assert render(prompts, ONE, template="plain")[0]["content"] == "1 + 1"


def test_demonstrations_come_first_as_finished_turns_in_the_same_wording() -> None:
    messages = render(PROMPTS, ONE, template="words", demonstrations=[FIVE])
    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "Add one to 5.\nAnswer:"),
        ("assistant", "6"),
        ("user", "Add one to 1.\nAnswer:"),
    ]


def test_the_system_line_is_the_first_message() -> None:
    prompts = PromptSet({"plain": "{text}"}, system="You add.")
    assert render(prompts, ONE, template="plain")[0] == {"role": "system", "content": "You add."}


def test_braces_in_a_sample_are_left_as_they_are() -> None:
    sample = Sample("b", {"text": "{text} {0} {other}"}, "x")
    assert render(PROMPTS, sample, template="plain")[0]["content"] == "{text} {0} {other} + 1\nAnswer:"


def test_the_first_template_is_the_default() -> None:
    assert choose_template(PROMPTS, None, where="here") == "plain"


def test_an_unknown_template_says_which_there_are() -> None:
    with pytest.raises(UserError, match=r"here: template 'word' not found; there are plain, words\. Did you mean 'words'\?"):
        choose_template(PROMPTS, "word", where="here")


def test_doubled_braces_are_no_field() -> None:
    assert fields_of('{{"city": "{city}"}} {item}') == {"city", "item"}


def labelled(count: int) -> list[Sample]:
    labels = ("a", "b", "c")
    return [Sample(str(index), {}, labels[index % 3 if index % 5 else 0], labels) for index in range(count)]


def test_demonstrations_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    train = labelled(50)
    drawn = [[sample.id for sample in draw_demonstrations(train, count=6, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize("seed", range(5))
def test_demonstrations_of_a_choice_task_are_even_over_the_labels(seed: int) -> None:
    counts = Counter(sample.target for sample in draw_demonstrations(labelled(50), count=7, seed=seed))
    assert sorted(counts.values()) == [2, 2, 3]


def test_no_demonstration_is_drawn_twice() -> None:
    drawn = draw_demonstrations(labelled(9), count=9, seed=0)
    assert len({sample.id for sample in drawn}) == 9


def test_fewer_training_samples_than_wanted_are_all_drawn() -> None:
    assert len(draw_demonstrations(labelled(3), count=8, seed=0)) == 3


def test_no_demonstrations_are_drawn_when_none_are_wanted() -> None:
    assert draw_demonstrations(labelled(3), count=0, seed=0) == []
