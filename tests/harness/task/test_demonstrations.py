"""Demonstrations: which training samples a few-shot prompt shows."""

from collections import Counter
from collections.abc import Sequence

import pytest

from harness.errors import UserError
from harness.task import PromptSet, Sample
from harness.task.demonstrations import choose_demonstrations

TEMPLATES = {"plain": "{text}"}


def labelled(count: int) -> list[Sample]:
    labels = ("a", "b", "c")
    return [Sample(str(index), {}, labels[index % 3 if index % 5 else 0], labels) for index in range(count)]


def drawn(train: Sequence[Sample], *, count: int, seed: int, how: str = "balanced") -> list[Sample]:
    """What the prompt of some one sample shows."""
    prompts = PromptSet(TEMPLATES, demonstrations=how)  # type: ignore[arg-type]
    return choose_demonstrations(prompts, train, [Sample("asked", {}, "a")], count=count, seed=seed)[0]


@pytest.mark.parametrize("how", ["random", "balanced"])
def test_demonstrations_are_the_same_for_the_same_seed_and_others_for_another(how: str) -> None:
    ids = [[sample.id for sample in drawn(labelled(50), count=6, seed=seed, how=how)] for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("seed", range(5))
def test_balanced_demonstrations_are_even_over_the_labels(seed: int) -> None:
    counts = Counter(sample.target for sample in drawn(labelled(50), count=7, seed=seed))
    assert sorted(counts.values()) == [2, 2, 3]


def test_random_demonstrations_follow_the_frequency_of_the_labels() -> None:
    counts = Counter(
        sample.target
        for seed in range(50)
        for sample in drawn(labelled(50), count=7, seed=seed, how="random")
    )
    assert counts["a"] > 1.4 * counts["b"]


def test_no_demonstration_is_drawn_twice() -> None:
    assert len({sample.id for sample in drawn(labelled(9), count=9, seed=0)}) == 9


def test_fewer_training_samples_than_wanted_are_all_drawn() -> None:
    assert len(drawn(labelled(3), count=8, seed=0)) == 3


def test_no_demonstrations_are_drawn_when_none_are_wanted() -> None:
    assert drawn(labelled(3), count=0, seed=0) == []


def test_fixed_demonstrations_are_those_named_in_that_order_for_every_seed() -> None:
    prompts = PromptSet(TEMPLATES, demonstrations="fixed", fixed=("7", "2"))
    for seed in (0, 1):
        demonstrations = choose_demonstrations(prompts, labelled(9), labelled(2), count=2, seed=seed)
        assert [[sample.id for sample in row] for row in demonstrations] == [["7", "2"], ["7", "2"]]


def test_a_fixed_demonstration_that_is_no_training_sample_is_named() -> None:
    prompts = PromptSet(TEMPLATES, demonstrations="fixed", fixed=("nine",))
    with pytest.raises(UserError, match=r"prompts\.fixed names 'nine', which is no training sample"):
        choose_demonstrations(prompts, labelled(3), labelled(1), count=1, seed=0)


def test_the_nearest_demonstrations_share_the_question_s_words_and_the_nearest_stands_last() -> None:
    texts = (
        "the red car stopped",
        "a cat slept on the sofa",
        "the cat sat on the red mat",
        "rain fell in May",
    )
    train = [Sample(str(index), {"text": text}, "x") for index, text in enumerate(texts)]
    questions = [Sample("q", {"text": "my cat sat on a mat"}, "x"), Sample("r", {"text": "May rain"}, "x")]
    demonstrations = choose_demonstrations(
        PromptSet(TEMPLATES, demonstrations="nearest"), train, questions, count=2, seed=0
    )
    assert [sample.id for sample in demonstrations[0]] == ["1", "2"]
    assert demonstrations[1][-1].id == "3"


def nearest(train: Sequence[str], questions: Sequence[str], *, count: int) -> list[list[str]]:
    """The ids of what is shown to each question; an empty text is a sample without fields."""
    prompts = PromptSet(TEMPLATES, demonstrations="nearest")
    train_samples, question_samples = (
        [Sample(str(index), {"text": text} if text else {}, "x") for index, text in enumerate(texts)]
        for texts in (train, questions)
    )
    return [
        [sample.id for sample in row]
        for row in choose_demonstrations(prompts, train_samples, question_samples, count=count, seed=0)
    ]


def test_nearest_reads_words_of_one_character() -> None:
    assert nearest(["4 + 2", "3 + 1", "5 + 5"], ["7 + 1", "5 + 9"], count=1) == [["1"], ["2"]]


def test_nearest_reads_scripts_without_spaces() -> None:
    train = ["我想取消我的订单", "包裹还没有到", "怎么修改密码"]
    assert nearest(train, ["我的包裹在哪里，还没有到", "密码忘了怎么办"], count=1) == [["1"], ["2"]]


@pytest.mark.parametrize("text", ["", "+ ?"])
def test_nearest_shows_the_first_training_samples_where_none_has_a_word(text: str) -> None:
    assert nearest([text] * 3, [text, "a word"], count=2) == [["0", "1"], ["0", "1"]]


def test_nearest_finds_the_one_training_sample_with_words() -> None:
    assert nearest(["", "red car", ""], ["a red bus"], count=1) == [["1"]]


def test_nearest_of_no_samples_is_none() -> None:
    assert nearest(["a word"], [], count=1) == []


def test_nearest_takes_questions_without_a_known_word() -> None:
    train = [Sample("0", {"text": "one two"}, "x"), Sample("1", {"text": "three four"}, "x")]
    questions = [Sample("q", {"text": "?!"}, "x"), Sample("r", {"text": ""}, "x")]
    demonstrations = choose_demonstrations(
        PromptSet(TEMPLATES, demonstrations="nearest"), train, questions, count=1, seed=0
    )
    assert [len(row) for row in demonstrations] == [1, 1]
