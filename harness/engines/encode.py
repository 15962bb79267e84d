"""Turn a rendered prompt into the exact tokens a model reads, and its answer into the tokens that follow.

One class does it for training and for scoring, so the tokens a model is trained on are those it is scored on.
"""

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from harness.engines.rendering import NO_ARGUMENTS, TODAY, ChatTemplate
from harness.engines.template import TurnEnd, template_source, turn_end
from harness.engines.thinking import NO_THOUGHT, ThoughtPlace, ThoughtPlaces
from harness.engines.tool_turns import ToolTurns
from harness.errors import UserError
from harness.sweep.prompting import Prompting
from harness.sweep.thoughts import THOUGHT_MARKS
from harness.task import Rendered
from harness.task.prompts import LmEvalRequest

NO_TOKENS = (
    "the prompt is empty, and the tokenizer has no token to begin a text with; give the prompt some "
    "words, or the tokenizer "
    "a bos_token"
)

NO_END = (
    "the tokenizer has no token that ends a text, so no answer can end; set eos_token in its "
    "tokenizer_config.json"
)

PAIRS_AT_ONCE = 2**15
"""Prompts with an answer that are encoded at a time: many choices after many prompts
are more than memory should hold."""

_ENCODED_WHOLE = 200
"""Characters of a prompt up to which it is encoded whole along with its answers; of a longer one, only its
end."""


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

    lm_eval: LmEvalRequest | None = None
    """As `Rendered` has it."""

    thought: ThoughtPlace = NO_THOUGHT
    """Whether a model is expected to think before it answers."""

    turn_ends: tuple[str, ...] = ()
    """Texts that end an answer in a chat whose template has no token for it."""


@dataclass(frozen=True)
class Completed:
    """A prompt and its whole answer, as tokens."""

    prompt: list[int]
    answer: list[int]
    """With the tokens that end it."""


class PromptEncoder:
    """A tokenizer, and how prompts are put to it: as chats, with these arguments of its template, or
    plainly."""

    def __init__(
        self,
        tokenizer: Any,
        chat: bool | None,
        chat_template_kwargs: Mapping[str, Any] = NO_ARGUMENTS,
        *,
        thought_marks: Sequence[str] = THOUGHT_MARKS,
        max_thought_tokens: int | None = None,
    ) -> None:
        """The options are those of `Prompting`. Raises `UserError` where a chat, or an argument of a
        template, is asked for and there is no template."""
        has_template = bool(getattr(tokenizer, "chat_template", None))
        if chat and not has_template:
            raise UserError(
                "chat = true, but the tokenizer has no chat template; set chat = false for this candidate"
            )
        if chat_template_kwargs and not has_template:
            raise UserError(
                "chat_template_kwargs are given, but the tokenizer has no chat template to read them; leave "
                "them out for this candidate"
            )
        self.tokenizer = tokenizer
        self.chat = has_template if chat is None else chat
        self._arguments = chat_template_kwargs
        self._template = ChatTemplate(tokenizer, chat_template_kwargs)
        self.tool_turns = ToolTurns(self._template, thought_marks)
        self._apart: dict[str, list[int]] = {}
        """Answers as they follow a line break, for prompts that they would merge with."""
        self.answers_at_once = max_thought_tokens == 0
        template = template_source(tokenizer) if self.chat else ""
        self._thoughts = ThoughtPlaces(template, thought_marks, self._template.render)

    @classmethod
    def of(cls, tokenizer: Any, prompting: Prompting) -> "PromptEncoder":
        """As a candidate, a recipe or a job says."""
        return cls(
            tokenizer,
            prompting.chat,
            prompting.chat_template_kwargs,
            thought_marks=prompting.thought_marks,
            max_thought_tokens=prompting.max_thought_tokens,
        )

    @cached_property
    def turn_end(self) -> TurnEnd:
        """How the chat template ends an answer; nothing without one."""
        return turn_end(self.tokenizer, self._arguments) if self.chat else TurnEnd()

    @cached_property
    def stop_token_ids(self) -> list[int]:
        """The tokens that end an answer, the one that tuning teaches first: in a chat what its template puts
        behind an answer, and in any case the tokenizer's end of a text, where it has one."""
        eos: int | None = self.tokenizer.eos_token_id
        return list(dict.fromkeys([*self.turn_end.tokens, *([] if eos is None else [int(eos)])]))

    @property
    def date(self) -> datetime.date | None:
        """The day that the chat template was told is today, if it asked."""
        return TODAY.date() if self._template.told_date else None

    # Prompts

    def prompts(self, prompts: Sequence[Rendered]) -> list[Encoded]:
        """Everything up to where each answer begins. A chat template writes its own special tokens: no second
        BOS is added, nor to a text that begins with one.

        Where nothing is said before the answer (a bare text whose likelihood is measured) there is no chat,
        either. An empty prompt has no tokens where the tokenizer has none to begin with.
        """
        without_tokens = [self._put(prompt) for prompt in prompts]
        special = [
            self._adds_special(prompt, put.text) for prompt, put in zip(prompts, without_tokens, strict=True)
        ]
        texts: dict[bool, list[str]] = {True: [], False: []}
        for put, adds in zip(without_tokens, special, strict=True):
            texts[adds].append(put.text)
        token_ids = {adds: self._tokens(texts[adds], special=adds) for adds in texts}
        return [
            replace(put, token_ids=self._left_open(token_ids[adds][put.text]) or self._first_token())
            for put, adds in zip(without_tokens, special, strict=True)
        ]

    def _put(self, prompt: Rendered) -> Encoded:
        """A prompt as its text, yet without tokens."""
        chat = self.chat and bool(prompt.messages)
        messages, tools = self.tool_turns.put(prompt.messages, prompt.tools) if chat else ([], {})
        begun = chat and prompt.is_begun
        text, before, thought = prompt.text, prompt.before, NO_THOUGHT
        if chat:
            text = self._template.render(messages, tools, continue_final_message=begun)
            # As lm-eval has it: white space that ends the beginning of an answer stands for what parts them.
            before = prompt.before if begun and not messages[-1]["content"][-1:].isspace() else ""
        if not begun:  # what is begun is the answer
            thought = self._thoughts.of(messages, text)
        if prompt.lm_eval == "loglikelihood":  # white space at the end belongs to the answer there
            text, white_space = _white_space_apart(text)
            before = white_space + before
        turn_ends = self.turn_end.strings if chat else ()
        return Encoded(text, [], before, prompt.after, prompt.lm_eval, thought, turn_ends)

    def _adds_special(self, prompt: Rendered, text: str) -> bool:
        """Whether the tokenizer adds special tokens to a text; lm-eval lets it do so in chats, too."""
        if self._begins_with_bos(text):
            return False
        return prompt.lm_eval is not None or not (self.chat and prompt.messages)

    def _begins_with_bos(self, text: str) -> bool:
        bos: str = getattr(self.tokenizer, "bos_token", None) or ""
        return bos != "" and text.startswith(bos)

    def _left_open(self, token_ids: list[int]) -> list[int]:
        """Without the token that some tokenizers close every text with: the answer is still to come."""
        closed = len(token_ids) > 1 and token_ids[-1] == self.tokenizer.eos_token_id
        return token_ids[:-1] if closed else token_ids

    def _first_token(self) -> list[int]:
        """What stands before a text that has nothing before it; empty where the tokenizer has nothing for
        it."""
        token_id = self.tokenizer.bos_token_id
        token_id = self.tokenizer.eos_token_id if token_id is None else token_id
        return [] if token_id is None else [int(token_id)]

    def without_thoughts(self, prompts: Sequence[Encoded]) -> list[Encoded]:
        """The prompts up to where an answer stands: after an empty thought, where the template wants one."""
        return [self._without_thought(prompt) if prompt.thought.empty else prompt for prompt in prompts]

    def _without_thought(self, prompt: Encoded) -> Encoded:
        added, before = prompt.thought.empty, prompt.before
        if prompt.lm_eval == "loglikelihood":  # white space that belongs to the answer there
            added, before = _white_space_apart(before + added)
        bare = replace(prompt, before="", after="", lm_eval=None)
        (token_ids,) = self.answers([(bare, added)])
        return replace(
            prompt,
            text=prompt.text + added,
            token_ids=prompt.token_ids + token_ids,
            before=before,
            thought=NO_THOUGHT,
        )

    # Answers

    def answers(self, pairs: Sequence[tuple[Encoded, str]]) -> list[list[int]]:
        """The tokens of each answer after its prompt, without one that ends it.

        Prompt and answer are encoded as one text, and the answer's tokens are those that follow the prompt's.
        Where an answer merges with the end of its prompt into one token, the prompt keeps its own tokens,
        since a model reads those before it writes; the answer is then encoded as it follows a line break.

        Tasks of lm-eval are weighed exactly as `--model hf` does it (`TemplateLM._encode_pair` of
        lm-eval 0.4.13): as many tokens as the prompt has are cut off the front of the text as a whole,
        even where these are not the prompt's, and a text with nothing before it begins with the
        tokenizer's special tokens once more.
        """
        rows: list[list[int]] = []
        alike: dict[tuple[int, ...], list[int]] = {}
        """Each answer once: labels after many prompts take the memory of one."""

        for start in range(0, len(pairs), PAIRS_AT_ONCE):
            encoded = self._answers(pairs[start : start + PAIRS_AT_ONCE])
            rows += [alike.setdefault(tuple(row), row) for row in encoded]
        return rows

    def _answers(self, pairs: Sequence[tuple[Encoded, str]]) -> Iterator[list[int]]:
        ends = {text: self._end(text) for text in {prompt.text for prompt, _ in pairs}}
        joint = [(ends[prompt.text], prompt.before + answer + prompt.after) for prompt, answer in pairs]
        token_ids = self._tokens((end for end, _ in joint), special=False)
        token_ids |= self._tokens((end + answer for end, answer in joint), special=False)
        for (prompt, _), (end, answer) in zip(pairs, joint, strict=True):
            joint_ids = token_ids[end + answer]
            end_length = len(token_ids[end])
            if prompt.lm_eval == "loglikelihood_rolling":
                yield self._from_its_beginning(answer)
            elif joint_ids[:end_length] == token_ids[end] or (
                prompt.lm_eval == "loglikelihood" and joint_ids[end_length:]
            ):
                yield joint_ids[end_length:]
            else:
                yield self._after_a_line_break(answer)

    def _end(self, text: str) -> str:
        """The last words of a prompt, which decide alone how it and its answer are encoded together.

        No token goes on past a single space that follows a word, so what stands before
        it makes no difference. One word more is kept, since a tokenizer may treat the
        first word of a text in another way.
        """
        if len(text) <= _ENCODED_WHOLE or not _parts_at_spaces(self.tokenizer):
            return text
        space = text.rfind(" ", 1, -1)
        while space > 0 and (text[space - 1].isspace() or text[space + 1].isspace()):
            space = text.rfind(" ", 1, space)
        if space < 0:
            return text
        word = text[:space].rsplit(maxsplit=1)[-1]
        return text[space - len(word) :]

    def _from_its_beginning(self, text: str) -> list[int]:
        (row,) = self._tokens([text], special=not self._begins_with_bos(text)).values()
        return row

    def _after_a_line_break(self, answer: str) -> list[int]:
        if answer not in self._apart:
            token_ids = self._tokens(["\n", f"\n{answer}", answer], special=False)
            before, row = token_ids["\n"], token_ids[f"\n{answer}"]
            merges = row[: len(before)] != before
            self._apart[answer] = token_ids[answer] if merges else row[len(before) :]
        return self._apart[answer]

    # What is trained on

    def completed(self, pairs: Sequence[tuple[Rendered, str]]) -> list[Completed]:
        """Prompts and their whole answers. Raises `UserError` for a prompt without tokens, and for a
        tokenizer with no token to end an answer with."""
        if self.tokenizer.eos_token_id is None:
            raise UserError(NO_END)
        prompts = self.prompts([prompt for prompt, _ in pairs])
        if not all(prompt.token_ids for prompt in prompts):
            raise UserError(NO_TOKENS)
        closed = self.without_thoughts(prompts)
        texts = self.answer_texts(pairs, prompts)
        if self.answers_at_once:
            prompts = closed
        answers = self.answers(list(zip(closed, texts, strict=True)))
        of_turn, of_text = self._end_of_turn, self.stop_token_ids[-1:]
        ends = [of_turn if rendered.messages else of_text for rendered, _ in pairs]
        # Where a model may think, it learns to write the empty thought itself: it is asked without one.
        return [
            Completed(prompt.token_ids, [*read.token_ids[len(prompt.token_ids) :], *answer, *end])
            for prompt, read, answer, end in zip(prompts, closed, answers, ends, strict=True)
        ]

    def answer_texts(self, pairs: Sequence[tuple[Rendered, str]], prompts: Sequence[Encoded]) -> list[str]:
        """What stands after each prompt: its target, or the tool calls that it is, as the chat template
        writes them. `prompts`: of `pairs`, before thoughts are left out."""
        ends = [*self.tokenizer.convert_ids_to_tokens(self.stop_token_ids), *self.turn_end.strings]
        texts = []
        for (rendered, target), prompt in zip(pairs, prompts, strict=True):
            if rendered.answer is not None and self.chat:
                target = self.tool_turns.answer_text(
                    rendered.messages,
                    rendered.tools,
                    rendered.answer,
                    prompt=prompt.text,
                    empty_thought=prompt.thought.empty,
                    ends=ends,
                )
            texts.append(target)
        return texts

    @cached_property
    def _end_of_turn(self) -> list[int]:
        """The tokens that follow an answer in a chat: what its template puts there, and after a text the
        tokenizer's end of one, which ends an answer wherever nobody looks for the text."""
        # Not encoded along with the answer: its tokens are those that are weighed, too.
        text = self.turn_end.text if self.turn_end.strings else ""
        return [*(self._after_a_line_break(text) if text else ()), self.stop_token_ids[0]]

    def _tokens(self, texts: Iterable[str], *, special: bool) -> dict[str, list[int]]:
        """Each text's tokens; those that are alike are encoded once."""
        distinct = list(dict.fromkeys(texts))
        if not distinct:
            return {}
        rows = self.tokenizer(distinct, add_special_tokens=special)["input_ids"]
        return dict(zip(distinct, rows, strict=True))


@lru_cache(maxsize=4)
def _parts_at_spaces(tokenizer: Any) -> bool:
    """Whether a text falls into parts at every single space between words: no token has a space behind
    another character."""
    written = tokenizer.tokenize("a a")
    space = next((mark for mark in "Ġ▁" if any(mark in token for token in written)), " ")
    # In a byte-level vocabulary these stand for a line break, a tab and a carriage return.
    white = f"{space}\\s" + ("Ċĉč" if space == "Ġ" else "")
    within = re.compile(rf"[^{white}]{space}")
    if any(re.search(r"\S\s|\s\S", token) for token in tokenizer.get_added_vocab()):
        return False
    return not any(within.search(token) for token in tokenizer.get_vocab())


def _white_space_apart(text: str) -> tuple[str, str]:
    """A text without the white space at its end, and that."""
    stripped = text.rstrip()
    return stripped, text[len(stripped) :]
