"""Turn a rendered prompt into the exact tokens a model reads, by one function for training and for scoring.

Prompt and answer are tokenised apart and joined as tokens, so the tokens a model is trained on are those it
is scored on. An answer ends with the tokenizer's end-of-sequence token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.task import Rendered

NO_TOKENS = (
    "the prompt is empty, and the tokenizer has no token to begin a text with; give the prompt some "
    "words, or the tokenizer "
    "a bos_token"
)


@dataclass(frozen=True)
class Encoded:
    """A prompt as text and as tokens; at least one token, so that there is something to predict from."""

    text: str
    token_ids: list[int]


def uses_chat_template(tokenizer: Any, chat: bool | None) -> bool:
    """Whether to render with the tokenizer's chat template: as asked, or (None) when it has one."""
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if chat and not has_template:
        raise UserError(
            "chat = true, but the tokenizer has no chat template; set chat = false for this candidate"
        )
    return has_template if chat is None else chat


def encode_prompt(tokenizer: Any, prompt: Rendered, *, chat: bool) -> Encoded:
    """Everything up to where the answer begins. A chat template writes its own special tokens; no second BOS
    is added.

    Where nothing is said before the answer (a bare text whose likelihood is measured) there is no chat,
    either. Raises `UserError` for an empty prompt of a tokenizer that has no token to begin with.
    """
    (encoded,) = encode_prompts(tokenizer, [prompt], chat=chat)
    if not encoded.token_ids:
        raise UserError(NO_TOKENS)
    return encoded


def encode_prompts(tokenizer: Any, prompts: Sequence[Rendered], *, chat: bool) -> list[Encoded]:
    """Encode many prompts in parallel. One that `encode_prompt` would refuse has no tokens."""
    as_chat = [chat and bool(prompt.messages) for prompt in prompts]
    texts = [
        tokenizer.apply_chat_template(prompt.messages, tokenize=False, add_generation_prompt=True)
        if talks
        else prompt.text
        for prompt, talks in zip(prompts, as_chat, strict=True)
    ]
    encoded: list[Encoded | None] = [None] * len(prompts)
    for talks in (False, True):
        places = [place for place, value in enumerate(as_chat) if value == talks]
        if not places:
            continue
        rows = tokenizer([texts[place] for place in places], add_special_tokens=not talks)["input_ids"]
        for place, token_ids in zip(places, rows, strict=True):
            if not talks and len(token_ids) > 1 and token_ids[-1] == tokenizer.eos_token_id:
                token_ids = token_ids[:-1]  # some tokenizers close every text; the answer is still to come
            encoded[place] = Encoded(texts[place], token_ids or _first_token(tokenizer))
    return [prompt for prompt in encoded if prompt is not None]


def _first_token(tokenizer: Any) -> list[int]:
    """What stands before a text that has nothing before it; empty where the tokenizer has nothing for it."""
    token_id = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return [] if token_id is None else [int(token_id)]


def encode_answer(tokenizer: Any, prompt: Rendered, answer: str, *, chat: bool) -> list[int]:
    """The answer's tokens as they follow its prompt, without the end-of-sequence token."""
    (token_ids,) = encode_answers(tokenizer, [(prompt, answer)], chat=chat)
    return token_ids


def encode_answers(tokenizer: Any, pairs: Sequence[tuple[Rendered, str]], *, chat: bool) -> list[list[int]]:
    """Encode the answers to many prompts in parallel, those that are alike only once."""
    texts = [
        answer + prompt.after if chat else prompt.before + answer + prompt.after for prompt, answer in pairs
    ]
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return []
    token_ids = dict(zip(distinct, tokenizer(distinct, add_special_tokens=False)["input_ids"], strict=True))
    return [token_ids[text] for text in texts]
