"""What counts as a word, in any script."""

import pytest

from harness.task.words import WORD_AND_SPACE, spaced, unspaced_share, without_punctuation, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3 + 1, Mr_X!", ["It", "s", "3", "1", "Mr_X"]),
        ("Cafe\u0301 Köln", ["Café", "Köln"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("العربية لغة", ["العربية", "لغة"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("我爱 Python3。", ["我", "爱", "Python3"]),
        ("カード払い", ["カ", "ー", "ド", "払", "い"]),
        ("น้ำดี", ["น้", "ำ", "ดี"]),
        ("", []),
    ],
)
def test_words_are_those_of_the_script(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_text_of_latin_letters_is_left_as_it_is() -> None:
    assert spaced("a  b\nc") == "a  b\nc"
    assert spaced("Zoë says") == "Zoë says"


def test_punctuation_of_any_script_is_dropped() -> None:
    assert without_punctuation("“好的”，a.b") == "好的ab"


@pytest.mark.parametrize(("text", "share"), [("abc", 0), ("我爱", 1), ("我a", 0.5), ("123", 0)])
def test_the_share_of_letters_without_spaces(text: str, share: float) -> None:
    assert unspaced_share(text) == share


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's  so, \nMr_X!", ["It's  ", "so, \n", "Mr_X!"]),
        ("我爱 Python3。", ["我", "爱 ", "Python3。"]),
        ("น้ำดี", ["น้", "ำ", "ดี"]),
        ("العربية لغة", ["العربية ", "لغة"]),
    ],
)
def test_a_text_is_parted_into_words_with_what_follows_them(text: str, words: list[str]) -> None:
    assert WORD_AND_SPACE.findall(text) == words
