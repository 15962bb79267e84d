"""A rendered prompt to tokens, as training and scoring both do it."""

from typing import Any

import pytest

from harness.engines.encode import Encoded, PromptEncoder
from harness.errors import UserError
from harness.task import PromptSet, Rendered, Sample
from harness.task.prompts import render

PROMPT = render(
    PromptSet({"plain": "{text}"}, system="Be brief."),
    Sample("2", {"text": "2 + 2"}, "4"),
    template="plain",
    demonstrations=[Sample("1", {"text": "1 + 1"}, "2")],
)
CLOZE = render(
    PromptSet({"cloze": "{text} is <mask>."}), Sample("2", {"text": "2 + 2"}, "4"), template="cloze"
)


class Letters:
    """A tokenizer of one token a letter that marks the beginning of a text, and its end if told to, as some
    do."""

    bos_token_id, eos_token_id, chat_template = -1, -2, None

    def __init__(self, *, adds_eos: bool = False) -> None:
        self._adds_eos = adds_eos

    def __call__(self, text: str | list[str], add_special_tokens: bool = True) -> dict[str, Any]:
        if isinstance(text, list):
            return {"input_ids": [self(one, add_special_tokens)["input_ids"] for one in text]}
        letters = [ord(letter) for letter in text]
        if not add_special_tokens:
            return {"input_ids": letters}
        return {"input_ids": [self.bos_token_id, *letters, *([self.eos_token_id] if self._adds_eos else [])]}


class Chatting(Letters):
    """The same with a chat template."""

    chat_template = "a template"  # type: ignore[assignment]

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str:
        assert not tokenize
        assert add_generation_prompt
        return (
            "^" + "".join(f"<{message['role']}>{message['content']}" for message in messages) + "<assistant>"
        )


def prompt_of(tokenizer: Any, prompt: Rendered, *, chat: bool) -> Encoded:
    (encoded,) = PromptEncoder(tokenizer, chat).prompts([prompt])
    return encoded


def answer_of(tokenizer: Any, prompt: Rendered, answer: str, *, chat: bool) -> list[int]:
    encoder = PromptEncoder(tokenizer, chat)
    (token_ids,) = encoder.answers([(encoder.prompts([prompt])[0], answer)])
    return token_ids


def test_a_plain_prompt_begins_with_one_bos() -> None:
    encoded = prompt_of(Letters(), PROMPT, chat=False)
    assert encoded.token_ids == [-1, *map(ord, encoded.text)]


def test_a_plain_prompt_is_left_open_even_if_the_tokenizer_closes_texts() -> None:
    assert prompt_of(Letters(adds_eos=True), PROMPT, chat=False).token_ids[-1] == ord(":")


def test_a_chat_prompt_gets_no_second_bos() -> None:
    encoded = prompt_of(Chatting(), PROMPT, chat=True)
    assert encoded.text.endswith("<assistant>")
    assert encoded.token_ids == list(map(ord, encoded.text))


def test_an_answer_follows_a_plain_prompt_after_a_space_and_a_chat_prompt_directly() -> None:
    assert answer_of(Letters(), PROMPT, "4", chat=False) == [ord(" "), ord("4")]
    assert answer_of(Chatting(), PROMPT, "4", chat=True) == [ord("4")]


def test_what_follows_the_slot_belongs_to_the_answer() -> None:
    assert answer_of(Letters(), CLOZE, "4", chat=False) == list(map(ord, " 4."))
    assert answer_of(Chatting(), CLOZE, "4", chat=True) == list(map(ord, "4."))


class NoBeginning(Letters):
    """A tokenizer that marks no beginning, as GPT-2's."""

    bos_token_id = None  # type: ignore[assignment]

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return super().__call__(text, add_special_tokens=False)


def test_an_empty_prompt_is_one_token_to_predict_from() -> None:
    empty = Rendered([], "")
    assert prompt_of(Letters(), empty, chat=False).token_ids == [Letters.bos_token_id]
    assert prompt_of(NoBeginning(), empty, chat=False).token_ids == [Letters.eos_token_id]


def test_a_text_with_nothing_before_it_gets_no_chat_template() -> None:
    assert prompt_of(Chatting(), Rendered([], ""), chat=True).text == ""


def test_a_tokenizer_without_a_chat_template_is_said_and_not_guessed() -> None:
    with pytest.raises(
        UserError, match="chat = true, but the tokenizer has no chat template; set chat = false"
    ):
        PromptEncoder(Letters(), True)
    assert not PromptEncoder(Letters(), None).chat
