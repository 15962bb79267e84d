"""Messages to tokens, as training and scoring both do it."""

from harness.encode import encode_answer, encode_prompt, plain_text
from harness.prompts import Message

MESSAGES: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "1 + 1\nAnswer:"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "2 + 2\nAnswer:"},
]


class Letters:
    """A tokenizer of one token a letter that marks the beginning of a text, and its end if told to, as some do."""

    bos_token_id, eos_token_id = -1, -2

    def __init__(self, *, adds_eos: bool = False) -> None:
        self._adds_eos = adds_eos

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        letters = [ord(letter) for letter in text]
        if not add_special_tokens:
            return {"input_ids": letters}
        return {"input_ids": [self.bos_token_id, *letters, *([self.eos_token_id] if self._adds_eos else [])]}

    def apply_chat_template(self, messages: list[Message], *, tokenize: bool, add_generation_prompt: bool) -> str:
        assert not tokenize
        assert add_generation_prompt
        return "^" + "".join(f"<{message['role']}>{message['content']}" for message in messages) + "<assistant>"


def test_plain_text_parts_turns_by_a_blank_line_and_puts_answers_after_a_space() -> None:
    assert plain_text(MESSAGES) == "Be brief.\n\n1 + 1\nAnswer: 2\n\n2 + 2\nAnswer:"


def test_a_plain_prompt_begins_with_one_bos() -> None:
    encoded = encode_prompt(Letters(), MESSAGES, chat=False)
    assert encoded.token_ids == [-1, *map(ord, encoded.text)]


def test_a_plain_prompt_is_left_open_even_if_the_tokenizer_closes_texts() -> None:
    assert encode_prompt(Letters(adds_eos=True), MESSAGES, chat=False).token_ids[-1] == ord(":")


def test_a_chat_prompt_gets_no_second_bos() -> None:
    encoded = encode_prompt(Letters(), MESSAGES, chat=True)
    assert encoded.text.endswith("<assistant>")
    assert encoded.token_ids == list(map(ord, encoded.text))


def test_an_answer_follows_a_plain_prompt_after_a_space_and_a_chat_prompt_directly() -> None:
    assert encode_answer(Letters(), "4", chat=False) == [ord(" "), ord("4")]
    assert encode_answer(Letters(), "4", chat=True) == [ord("4")]
