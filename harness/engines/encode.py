"""Turn a rendered prompt into the exact tokens a model reads, by one class for training and for scoring.

Prompt and answer are tokenised apart and joined as tokens, so the tokens a model is trained on are those it
is scored on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harness.errors import UserError
from harness.task import Rendered

NO_TOKENS = (
    "the prompt is empty, and the tokenizer has no token to begin a text with; give the prompt some "
    "words, or the tokenizer "
    "a bos_token"
)

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Encoded:
    """A prompt as text and as tokens, and what surrounds its answer."""

    text: str
    token_ids: list[int]
    """Empty where `NO_TOKENS` says so: there is nothing to predict from."""

    before: str
    """Between `text` and the answer."""

    after: str
    """What follows the answer and counts as part of it."""


@dataclass(frozen=True)
class Completed:
    """A prompt and its whole answer, as tokens."""

    prompt: list[int]
    answer: list[int]
    """With the token that ends it."""


class PromptEncoder:
    """A tokenizer, and how prompts are put to it: as chats with these arguments of its template, or plainly."""

    def __init__(
        self, tokenizer: Any, chat: bool | None, chat_template_kwargs: Mapping[str, Any] = NO_ARGUMENTS
    ) -> None:
        """`chat`: whether to render with the tokenizer's chat template; None: when it has one.

        Raises `UserError` where a chat is asked for and there is no template.
        """
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if chat and not has_template:
            raise UserError(
                "chat = true, but the tokenizer has no chat template; set chat = false for this candidate"
            )
        self.tokenizer = tokenizer
        self.chat = has_template if chat is None else chat
        self.chat_template_kwargs = chat_template_kwargs

    @property
    def stop_token_ids(self) -> list[int]:
        """The tokens that end an answer; the first is the one that tuning teaches."""
        return [] if self.tokenizer.eos_token_id is None else [int(self.tokenizer.eos_token_id)]

    def prompts(self, prompts: Sequence[Rendered]) -> list[Encoded]:
        """Everything up to where each answer begins. A chat template writes its own special tokens; no second
        BOS is added.

        Where nothing is said before the answer (a bare text whose likelihood is measured) there is no chat,
        either. An empty prompt has no tokens where the tokenizer has none to begin with.
        """
        as_chat = [self.chat and bool(prompt.messages) for prompt in prompts]
        texts = [
            self._render(prompt.messages) if talks else prompt.text
            for prompt, talks in zip(prompts, as_chat, strict=True)
        ]
        token_ids: list[list[int]] = [[] for _ in prompts]
        for talks in (False, True):
            places = [place for place, value in enumerate(as_chat) if value == talks]
            if not places:
                continue
            rows = self.tokenizer([texts[place] for place in places], add_special_tokens=not talks)
            for place, row in zip(places, rows["input_ids"], strict=True):
                if not talks and len(row) > 1 and row[-1] == self.tokenizer.eos_token_id:
                    row = row[:-1]  # some tokenizers close every text; the answer is still to come
                token_ids[place] = row or self._first_token()
        return [
            Encoded(text, row, "" if talks else prompt.before, prompt.after)
            for text, row, talks, prompt in zip(texts, token_ids, as_chat, prompts, strict=True)
        ]

    def answers(self, pairs: Sequence[tuple[Encoded, str]]) -> list[list[int]]:
        """The tokens of answers as they follow their prompts, without one that ends them; those that are
        alike are encoded once."""
        texts = [prompt.before + answer + prompt.after for prompt, answer in pairs]
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return []
        rows = self.tokenizer(distinct, add_special_tokens=False)["input_ids"]
        token_ids = dict(zip(distinct, rows, strict=True))
        return [token_ids[text] for text in texts]

    def completed(self, pairs: Sequence[tuple[Rendered, str]]) -> list[Completed]:
        """Prompts and their whole answers: what a model is trained on. Raises `UserError` for a prompt without
        tokens."""
        prompts = self.prompts([prompt for prompt, _ in pairs])
        if not all(prompt.token_ids for prompt in prompts):
            raise UserError(NO_TOKENS)
        answers = self.answers([(prompt, answer) for prompt, (_, answer) in zip(prompts, pairs, strict=True)])
        end = self.stop_token_ids[:1]
        return [
            Completed(prompt.token_ids, answer + end) for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _render(self, messages: list[dict[str, str]]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, **self.chat_template_kwargs
        )
        return text

    def _first_token(self) -> list[int]:
        """What stands before a text that has nothing before it; empty where the tokenizer has nothing for
        it."""
        token_id = self.tokenizer.bos_token_id
        token_id = self.tokenizer.eos_token_id if token_id is None else token_id
        return [] if token_id is None else [int(token_id)]
