"""A rendered prompt to tokens, as training and scoring both do it."""

import random
from typing import Any

import pytest
from home_made_tokenizers import BOS, KINDS, home_made

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
    tokenizer = home_made("SentencePiece, first")
    encoded = prompt_of(tokenizer, PROMPT, chat=True)
    assert encoded.text.endswith("<|assistant|>\n")
    assert encoded.token_ids == tokenizer(encoded.text, add_special_tokens=False)["input_ids"]
    assert encoded.token_ids.count(tokenizer.bos_token_id) == 1


def test_an_answer_follows_a_plain_prompt_after_a_space_and_a_chat_prompt_directly() -> None:
    assert answer_of(Letters(), PROMPT, "4", chat=False) == [ord(" "), ord("4")]
    tokenizer = home_made("bytes, GPT-2")
    assert tokenizer.decode(answer_of(tokenizer, PROMPT, "4", chat=True)) == "4"


def test_what_follows_the_slot_belongs_to_the_answer() -> None:
    assert answer_of(Letters(), CLOZE, "4", chat=False) == list(map(ord, " 4."))
    tokenizer = home_made("bytes, GPT-2")
    assert tokenizer.decode(answer_of(tokenizer, CLOZE, "4", chat=True)) == "4."


MERGING = ("SentencePiece, over spaces", "bytes, Llama 3")
"""Kinds of tokenizers with tokens that begin with the end of a prompt and go on into its answer."""


def whole(tokenizer: Any, prompt: Encoded, answer: str) -> list[int]:
    """The tokens of prompt and answer as one text."""
    special = not prompt.text.startswith(BOS)
    return list(
        tokenizer(prompt.text + prompt.before + answer + prompt.after, add_special_tokens=special)[
            "input_ids"
        ]
    )


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(MERGING)))
def test_the_tokens_of_an_answer_are_those_that_follow_the_prompt_in_the_text_as_a_whole(
    kind: str, chat: bool
) -> None:
    encoder = PromptEncoder(home_made(kind), chat)
    long = "Is the lamp in London red, blue or green? " * 9
    asked = [
        Rendered([{"role": "user", "content": f"{lead}{text}"}], f"{lead}{text}", before, after)
        for lead in ("", long)
        for text, before, after in (
            ("What is the capital of France?\nAnswer:", " ", ""),
            ("Word:", "", ""),
            ("The answer (", "", ")"),
            ("The colour is", " ", ", no."),
            ("no yes", "\n", ""),
        )
    ]
    for prompt in encoder.prompts(asked):
        for answer in ("Paris", "no", "A", "green lamp"):
            (token_ids,) = encoder.answers([(prompt, answer)])
            assert prompt.token_ids + token_ids == whole(encoder.tokenizer, prompt, answer)


@pytest.mark.parametrize("kind", KINDS)
def test_the_end_of_a_prompt_decides_alone_how_its_answer_is_encoded(kind: str) -> None:
    """Else labels times long prompts would have to be encoded."""
    encoder = PromptEncoder(home_made(kind), False)
    draws = random.Random(0)
    pieces = [
        "lamp",
        "(A)",
        "no",
        " ",
        " ",
        " ",
        "\n",
        "  ",
        "12345",
        ":",
        "?",
        "é",
        "<|user|>",
        "\t",
        "'s",
        ".",
    ]
    for _ in range(300):
        text = "".join(draws.choices(pieces, k=draws.choice((5, 120, 300)))).strip() or "lamp"
        answer = "".join(draws.choices(pieces, k=4)).strip() or "no"
        (prompt,) = encoder.prompts([Rendered([], text, draws.choice(["", " "]))])
        (token_ids,) = encoder.answers([(prompt, answer)])
        joined = whole(encoder.tokenizer, prompt, answer)
        if joined[: len(prompt.token_ids)] == prompt.token_ids:
            assert prompt.token_ids + token_ids == joined


class Counting:
    """A tokenizer that counts what it encodes."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.characters = 0

    def __call__(self, texts: list[str], **options: Any) -> Any:
        self.characters += sum(map(len, texts))
        return self._tokenizer(texts, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def test_dozens_of_labels_after_many_long_prompts_are_encoded_with_little_of_them() -> None:
    """Else the same prompts would be encoded once for each label,
    and the tokens of labels kept for each prompt."""
    encoder = PromptEncoder(home_made("SentencePiece, first"), False)
    prompts = [Rendered([], f"{'lamp red blue ' * 300}{number} London\nAnswer:") for number in range(20)]
    labels = [f"label {number}" for number in range(50)]
    encoded = encoder.prompts(prompts)
    encoder.tokenizer = Counting(encoder.tokenizer)
    token_ids = encoder.answers([(prompt, label) for prompt in encoded for label in labels])
    assert encoder.tokenizer.characters < 20 * len(prompts[0].text)
    assert len({id(row) for row in token_ids}) == len(labels)


@pytest.mark.parametrize("kind", MERGING)
def test_an_answer_that_would_merge_with_its_prompt_is_encoded_after_it(kind: str) -> None:
    """What a model reads before it writes stays as it is, and all of the answer is to be written."""
    encoder = PromptEncoder(home_made(kind), False)
    tokenizer = encoder.tokenizer
    (prompt,) = encoder.prompts([Rendered([], "Word:", "")])
    (token_ids,) = encoder.answers([(prompt, "no")])
    assert tokenizer.decode(prompt.token_ids + token_ids, skip_special_tokens=True) == "Word:no"
    assert whole(tokenizer, prompt, "no")[: len(prompt.token_ids)] != prompt.token_ids


def test_a_prompt_that_begins_with_the_token_of_a_beginning_gets_no_second_one() -> None:
    tokenizer = home_made("SentencePiece, first")
    (prompt,) = PromptEncoder(tokenizer, False).prompts([Rendered([], f"{BOS}Word:")])
    assert prompt.token_ids.count(tokenizer.bos_token_id) == 1


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
    assert prompt_of(home_made("bytes, GPT-2"), Rendered([], ""), chat=True).text == ""


def test_a_tokenizer_without_a_chat_template_is_said_and_not_guessed() -> None:
    with pytest.raises(
        UserError, match="chat = true, but the tokenizer has no chat template; set chat = false"
    ):
        PromptEncoder(Letters(), True)
    assert not PromptEncoder(Letters(), None).chat


def test_a_tokenizer_that_ends_no_text_is_refused_before_training() -> None:
    encoder = PromptEncoder(home_made("bytes, GPT-2", eos_token=None, template=None), None)
    with pytest.raises(
        UserError, match="the tokenizer has no token that ends a text, so no answer can end; set eos_token"
    ):
        encoder.completed([(PROMPT, "4")])
