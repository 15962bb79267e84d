"""Text of others, made harmless to look at: nothing in it may change how a page or a terminal reads."""

import unicodedata

# Joiners are invisible too, but words of many scripts need them and they cannot reorder what a reader sees.
_HARMLESS = {"\n", "\t", "\u200c", "\u200d"}
_WITHOUT_HARMLESS = dict.fromkeys(map(ord, _HARMLESS))
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def visible(text: str) -> str:
    """Text with control, bidirectional and unassigned characters spelt out, `⟨U+001B⟩` for escape."""
    if text.isprintable():  # nothing of these kinds is
        return text
    unified = text.replace("\r\n", "\n")
    if unified.translate(_WITHOUT_HARMLESS).isprintable():  # lines of such text: as quickly as one
        return unified
    return "".join(
        character
        if character in _HARMLESS or unicodedata.category(character) not in _INVISIBLE
        else f"⟨U+{ord(character):04X}⟩"
        for character in unified
    )


def is_whole(text: str) -> bool:
    """Whether no half of a surrogate pair is in a text: JSON allows one, and no file can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
