"""Turn messages into the exact tokens a model reads, by one function for training and for scoring.

Prompt and answer are tokenised apart and joined as tokens, so the tokens a model is trained on are those it is
scored on. An answer ends with the tokenizer's end-of-sequence token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.prompts import Message


@dataclass(frozen=True)
class Encoded:
    """A prompt as text and as tokens."""

    text: str
    token_ids: list[int]


def uses_chat_template(tokenizer: Any, chat: bool | None) -> bool:
    """Whether to render with the tokenizer's chat template: as asked, or (None) when it has one."""
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if chat and not has_template:
        raise UserError("chat = true, but the tokenizer has no chat template; set chat = false for this candidate")
    return has_template if chat is None else chat


def encode_prompt(tokenizer: Any, messages: Sequence[Message], *, chat: bool) -> Encoded:
    """Everything up to where the answer begins. A chat template writes its own special tokens; no second BOS is added."""
    if chat:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return Encoded(text, tokenizer(text, add_special_tokens=False)["input_ids"])
    text = plain_text(messages)
    token_ids = tokenizer(text)["input_ids"]
    if token_ids and token_ids[-1] == tokenizer.eos_token_id:
        token_ids = token_ids[:-1]  # some tokenizers close every text; the answer is still to come
    return Encoded(text, token_ids)


def plain_text(messages: Sequence[Message]) -> str:
    """Messages as running text: an answer follows its question after a space, a blank line parts the turns."""
    text = ""
    for message in messages:
        answer = message["role"] == "assistant"
        text += (" " if answer else "\n\n" if text else "") + message["content"]
    return text


def encode_answer(tokenizer: Any, answer: str, *, chat: bool) -> list[int]:
    """The answer's tokens as they follow a prompt, without the end-of-sequence token."""
    token_ids: list[int] = tokenizer(answer if chat else f" {answer}", add_special_tokens=False)["input_ids"]
    return token_ids
