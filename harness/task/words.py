"""The words of a text in any script.

Chinese, Japanese, Thai, Khmer, Lao, Burmese and Tibetan are written without spaces between
words: each of their characters, with its marks, counts as a word. Marks (accents, vowel signs)
belong to the letter they stand on.
"""

import unicodedata

import regex

_HAN_AND_KANA = r"\p{Han}\p{Hiragana}\p{Katakana}ー"
_UNSPACED_LETTER = rf"[{_HAN_AND_KANA}\p{{Thai}}\p{{Khmer}}\p{{Lao}}\p{{Myanmar}}\p{{Tibetan}}]"
_UNSPACED = regex.compile(rf"{_UNSPACED_LETTER}\p{{M}}*")
WORD_AND_SPACE = regex.compile(rf"(?:{_UNSPACED_LETTER}\p{{M}}*|(?:(?!{_UNSPACED_LETTER})\S)+)\s*")
"""A word as it stands in a text, with the signs on it and the white space behind it."""

_OTHER_WIDTH = regex.compile(r"[\u3000\uFF00-\uFFEF]+")
"""The ideographic space, and Unicode's block of half- and full-width forms."""

_HAN_OR_KANA = regex.compile(rf"[{_HAN_AND_KANA}]")
_WORD = regex.compile(r"[\w\p{M}]+")
_NOT_LATIN = regex.compile(r"(?!\p{Latin})\p{L}")
_PUNCTUATION = regex.compile(r"[\p{P}\p{S}]")


def composed(text: str) -> str:
    """The text in composed form (Unicode NFC), so that an é is equal to an e with its accent."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def of_one_width(text: str) -> str:
    """The text in composed form, with full-width letters, digits, signs and spaces in their usual form, and
    half-width Katakana in its: an East Asian keyboard writes either."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _OTHER_WIDTH.sub(_usual_form, text))


def _usual_form(match: regex.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match.group())


def spaced(text: str) -> str:
    """The text in composed form (NFC), with spaces around each character of a script that has none."""
    if text.isascii():
        return text
    parted: str = _UNSPACED.sub(r" \g<0> ", unicodedata.normalize("NFC", text))
    return parted


def has_unspaced(text: str) -> bool:
    """Whether any character is of a script without spaces."""
    return not text.isascii() and _UNSPACED.search(text) is not None


def is_han_or_kana(character: str) -> bool:
    """Whether a character is Chinese or Japanese, where one or two of them are a word."""
    return _HAN_OR_KANA.match(character) is not None


def words_of(text: str) -> list[str]:
    """Runs of letters, digits and underscores; each character of a script without spaces is a word."""
    words: list[str] = _WORD.findall(spaced(text))
    return words


def has_other_letters(text: str) -> bool:
    """Whether any letter is of another script than the Latin one."""
    return not text.isascii() and _NOT_LATIN.search(text) is not None


def without_punctuation(text: str) -> str:
    """The text without the punctuation and symbols of any script."""
    stripped: str = _PUNCTUATION.sub("", text)
    return stripped


def unspaced_share(text: str) -> float:
    """The share of a text's letters that belong to a script without spaces, from 0 to 1."""
    letters = sum(map(str.isalpha, text))
    return len(_UNSPACED.findall(text)) / letters if letters else 0.0
