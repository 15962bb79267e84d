"""Turn the tokens that a model wrote into the text of its answer, in the same way for every engine."""

from functools import lru_cache
from typing import Any

from harness.engines.engine import Sampling

READ_ALONG = 8
"""Tokens of a prompt that are decoded with its answer:
characters of up to four bytes may be as many tokens."""


def written_text(tokenizer: Any, prompt: list[int], token_ids: list[int], sampling: Sampling) -> str:
    """The text of an answer's tokens up to the first of its stop strings. `token_ids`: without the token that
    ended it.

    It is what the tokens add to the text of their prompt: a tokenizer that has spaces in front of words
    leaves out that of the first word of a text. Only the answer is searched for stop strings.
    """
    if sampling.skip_special_tokens:
        text: str = tokenizer.decode(token_ids, skip_special_tokens=True)
    else:
        text = answer_text(tokenizer, prompt, token_ids)
    places = [text.find(string) for string in sampling.stop]
    return text[: min((place for place in places if place >= 0), default=len(text))]


def answer_text(tokenizer: Any, prompt: list[int], token_ids: list[int]) -> str:
    """The text that has these tokens after a prompt: without the spaces that the tokenizer puts behind
    special tokens when it encodes one."""
    text = text_after(tokenizer, prompt, token_ids)
    written = set(token_ids)
    special = [content for content, token_id in tokenizer.get_added_vocab().items() if token_id in written]
    if special and _adds_spaces(tokenizer):
        for content in special:
            text = text.replace(f"{content} ", content)
    return text


def text_after(tokenizer: Any, prompt: list[int], token_ids: list[int]) -> str:
    """What tokens add to the text of a prompt."""
    end = prompt[-READ_ALONG:]
    before, text = tokenizer.decode(end), tokenizer.decode([*end, *token_ids])
    return str(text[len(before) :] if text.startswith(before) else tokenizer.decode(token_ids))


@lru_cache(maxsize=4)
def _adds_spaces(tokenizer: Any) -> bool:
    """Whether the tokenizer begins what follows a special token as it begins a text, with a space: `<s>a`
    comes back as `<s> a`, and `<s> a` with two."""
    for special in tokenizer.all_special_tokens:
        texts = [special + follows for follows in ("a", " a")]
        back = [tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
        return back == [f"{special} a", f"{special}  a"]
    return False
