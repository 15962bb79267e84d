"""Turn a rendered prompt into the exact tokens a model reads, by one function for training and for scoring.

Prompt and answer are tokenised apart and joined as tokens, so the tokens a model is trained on are those it is
scored on. An answer ends with the tokenizer's end-of-sequence token.
"""

from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.task import Rendered


@dataclass(frozen=True)
class Encoded:
    """A prompt as text and as tokens; at least one token, so that there is something to predict from."""

    text: str
    token_ids: list[int]


def uses_chat_template(tokenizer: Any, chat: bool | None) -> bool:
    """Whether to render with the tokenizer's chat template: as asked, or (None) when it has one."""
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if chat and not has_template:
        raise UserError("chat = true, but the tokenizer has no chat template; set chat = false for this candidate")
    return has_template if chat is None else chat


def encode_prompt(tokenizer: Any, prompt: Rendered, *, chat: bool) -> Encoded:
    """Everything up to where the answer begins. A chat template writes its own special tokens; no second BOS is added.

    Where nothing is said before the answer (a bare text whose likelihood is measured) there is no chat, either.
    """
    if chat and prompt.messages:
        text = tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True)
        return Encoded(text, tokenizer(text, add_special_tokens=False)["input_ids"])
    token_ids = tokenizer(prompt.text)["input_ids"]
    if len(token_ids) > 1 and token_ids[-1] == tokenizer.eos_token_id:
        token_ids = token_ids[:-1]  # some tokenizers close every text; the answer is still to come
    return Encoded(prompt.text, token_ids or [_first_token(tokenizer)])


def _first_token(tokenizer: Any) -> int:
    """What stands before a text that has nothing before it."""
    first = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return int(first)


def encode_answer(tokenizer: Any, prompt: Rendered, answer: str, *, chat: bool) -> list[int]:
    """The answer's tokens as they follow a prompt, without the end-of-sequence token."""
    text = answer + prompt.after if chat else prompt.before + answer + prompt.after
    token_ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return token_ids
