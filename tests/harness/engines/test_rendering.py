"""Conversations are rendered within bounds, and what a template does is found out by rendering."""

import datetime
import random
import re
import time
from typing import Any

import pytest
from home_made_tokenizers import EOS, TEMPLATE, home_made

from harness.engines.encode import PromptEncoder
from harness.engines.rendering import ChatTemplate
from harness.engines.template import template_facts, turn_end
from harness.errors import UserError
from harness.task import Rendered

CHATML = (
    "{% for message in messages %}{{ '<|user|>' + message.role + '\n' + message.content + '<|assistant|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|user|>assistant\n' }}{% endif %}"
)
"""Of a base model: `<|assistant|>` ends every turn, and is not the token that ends a text."""

ROLES = (
    "{% for message in messages %}{{ '<|' + message.role + '|>' + message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Nothing ends a turn; the next one's beginning does."""

QUESTION = [{"role": "user", "content": "What?"}]


def chatting(template: str, **changed: Any) -> Any:
    return home_made("bytes, GPT-2", template=template, **changed)


def token(tokenizer: Any, text: str) -> tuple[int, ...]:
    return (tokenizer.convert_tokens_to_ids(text),)


@pytest.mark.parametrize(
    ("template", "end"),
    [
        (TEMPLATE, EOS),
        (CHATML, "<|assistant|>"),
        (ROLES, None),
        (ROLES.replace("{% if add_generation_prompt %}", "{% if true %}"), None),
        (
            CHATML.replace(
                "+ '<|assistant|>\n' }}", "}}{% if not loop.last %}{{ '<|assistant|>\n' }}{% endif %}"
            ),
            "<|assistant|>",
        ),
        (
            CHATML.replace("+ '<|assistant|>\n' }}", "}}{{ eos_token if loop.last else '<|assistant|>' }}"),
            EOS,
        ),
        (ROLES.replace("content }}", "content + ' ' + eos_token }}"), EOS),
        (CHATML.replace("{% if add_generation_prompt %}", "{% if true %}"), "<|assistant|>"),
        (
            "{% for message in messages %}{{ message.role + ': ' + message.content + ' (end)\n' }}{% endfor %}",
            None,
        ),
    ],
    ids=[
        "the end of a text",
        "its own",
        "none",
        "none, with a prompt in any case",
        "between turns only",
        "another at the end",
        "after a space",
        "its own, with a prompt in any case",
        "words",
    ],
)
def test_the_token_that_follows_a_finished_answer_ends_it(template: str, end: str | None) -> None:
    tokenizer = chatting(template)
    assert turn_end(tokenizer).tokens == (() if end is None else token(tokenizer, end))


SAID = (
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
"""In words alone, as base models are often given one."""

ORDINARY = CHATML.replace("'<|assistant|>\n'", "'<end>\n'")
"""Spells the end of a turn in tokens that words have, too."""


@pytest.mark.parametrize(
    ("template", "string", "learnt"),
    [
        (ORDINARY, "<end>", "<end>"),
        (CHATML.replace("'<|assistant|>\n'", "' </end>\n'"), "</end>", " </end>"),
        (SAID.replace("'\n\n'", "' (end)\n'"), "(end)", " (end)"),
        (SAID, "\n\nuser:", ""),
        (ROLES.replace("<|", "[").replace("|>", "]"), "[user]", ""),
        (ROLES, "<|user|>", ""),
        (ORDINARY.replace("{% if add_generation_prompt %}", "{% if true %}"), "<end>\n<|user|>user", ""),
        (SAID.replace("message.role + ': '", "'-'"), None, ""),
        ("{% for message in messages %}{{ message.content + '\n' }}{% endfor %}", None, ""),
        (TEMPLATE, None, EOS),
    ],
    ids=[
        "a mark",
        "after a space",
        "words",
        "the next turn",
        "the next turn, without a line between",
        "the next turn, by a token",
        "with a prompt in any case",
        "a dash",
        "a line break",
        "a token",
    ],
)
def test_a_turn_end_of_ordinary_tokens_ends_an_answer_as_a_text(
    template: str, string: str | None, learnt: str
) -> None:
    tokenizer = chatting(template)
    encoder = PromptEncoder(tokenizer, True)
    (prompt,) = encoder.prompts([Rendered(QUESTION, "What?")])
    assert prompt.turn_ends == (() if string is None else (string,))
    pairs = [(Rendered(QUESTION, "What?"), answer) for answer in ("no", "yes")]
    weighed = encoder.answers([(prompt, "no"), (prompt, "yes")])
    for sample, tokens in zip(encoder.completed(pairs), weighed, strict=True):
        assert sample.answer[: len(tokens)] == tokens, "what is weighed is what is learnt"
        assert sample.answer[-1] == tokenizer.eos_token_id, "whoever serves the model may not know the text"
        assert tokenizer.decode(sample.answer[len(tokens) :]) == learnt.removesuffix(EOS) + EOS


def test_only_chats_end_at_a_turn() -> None:
    tokenizer = chatting(ORDINARY)
    (bare,) = PromptEncoder(tokenizer, True).prompts([Rendered([], "What?")])
    (plain,) = PromptEncoder(tokenizer, False).prompts([Rendered(QUESTION, "What?")])
    assert (bare.turn_ends, plain.turn_ends) == ((), ())


def test_an_answer_in_a_chat_ends_with_the_templates_turn_and_a_plain_one_with_the_text() -> None:
    tokenizer = chatting(CHATML)
    turn, text = token(tokenizer, "<|assistant|>") + token(tokenizer, EOS)
    pair = Rendered(QUESTION, "What?"), "no"
    for chat, ends in ((True, (turn, text)), (False, (text,))):
        encoder = PromptEncoder(tokenizer, chat)
        assert tuple(encoder.stop_token_ids) == ends
        assert encoder.completed([pair])[0].answer[-1] == ends[0]


def test_a_text_with_nothing_before_it_ends_as_a_text_in_a_chat_too() -> None:
    tokenizer = chatting(CHATML)
    (sample,) = PromptEncoder(tokenizer, True).completed([(Rendered([], "", ""), "no yes")])
    assert sample.answer[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("template", "leads"),
    [
        (TEMPLATE, True),
        (TEMPLATE.replace("{% if add_generation_prompt %}", "{% if false %}"), False),
        (TEMPLATE.replace("{% if add_generation_prompt %}", "{% if messages[-1].role == 'user' %}"), True),
    ],
    ids=["honoured", "ignored", "written in any case"],
)
def test_a_template_that_ignores_the_generation_prompt_is_noticed(template: str, leads: bool) -> None:
    assert template_facts(chatting(template)).generation_prompt is leads


@pytest.mark.parametrize(
    ("condition", "system"),
    [
        ("", "kept"),
        ("{% if message.role == 'system' %}{% continue %}{% endif %}", "dropped"),
        ("{% if message.role == 'system' %}{{ raise_exception('no system') }}{% endif %}", "refused"),
    ],
)
def test_what_becomes_of_a_system_line_is_told(condition: str, system: str) -> None:
    template = TEMPLATE.replace("messages %}", "messages %}" + condition)
    assert template_facts(chatting(template)).system == system


def test_the_arguments_that_a_template_reads_are_told() -> None:
    template = (
        "{% set mode = 'x' %}{{ bos_token }}{% if enable_thinking %}{% generation %}{{ reasoning_effort }}"
        "{% endgeneration %}{% endif %}{% if tools %}{% endif %}{{ namespace(a=mode).a }}"
    )
    facts = template_facts(chatting(template))
    assert facts.arguments == ("enable_thinking", "reasoning_effort")
    assert not facts.asks_for_date


def test_an_argument_that_is_given_is_used() -> None:
    template = ChatTemplate(chatting("{{ reasoning_effort }}"), {"reasoning_effort": "high"})
    assert template.render(QUESTION) == "high"
    assert not template.told_date


@pytest.mark.parametrize("drawn", ["range(90000) | random", "lipsum()"])
def test_what_a_template_draws_by_chance_is_the_same_every_time_and_told(drawn: str) -> None:
    tokenizer = chatting("{{ " + drawn + " }}" + TEMPLATE)
    state = random.getstate()
    assert len({ChatTemplate(tokenizer).render(QUESTION) for _ in range(5)}) == 1
    assert random.getstate() == state
    assert template_facts(tokenizer).draws and not template_facts(chatting(TEMPLATE)).draws


def test_the_date_is_the_same_on_every_day_and_is_told() -> None:
    tokenizer = chatting("{{ strftime_now('%d %b %Y %H:%M') }}" + TEMPLATE)
    assert template_facts(tokenizer).asks_for_date
    encoder = PromptEncoder(tokenizer, True)
    assert encoder.date is None
    (prompt,) = encoder.prompts([Rendered(QUESTION, "What?")])
    assert prompt.text.startswith("26 Jul 2024 00:00")
    assert encoder.date == datetime.date(2024, 7, 26)


FAULTS = {
    "\n{% for m in %}": r"raises TemplateSyntaxError: Expected an expression, got 'end of statement block' in line 2;",
    "{{ raise_exception('no such turns') }}": "raises TemplateError: no such turns;",
    "{{ messages[7].content }}": "raises UndefinedError: list object has no element 7;",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "raises RecursionError:",
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}": "is not done after 0.2 sec",
    "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}": "is not done after 0.2 sec",
    "{% set n = namespace(s='x') %}{% for a in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}": "takes more",
    "{{ 'x' * 10 ** 12 }}": "takes more than 1,024 MiB for one;",
}


@pytest.mark.parametrize("template", FAULTS)
def test_a_template_that_fails_or_never_ends_is_told_in_a_sentence(
    template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What fills the memory must not run out of time before, on a machine that other work slows down.
    most_seconds = 0.2 if "0.2 sec" in FAULTS[template] else 20.0
    monkeypatch.setattr("harness.engines.rendering.MOST_SECONDS", most_seconds)
    tokenizer = chatting(template)
    started = time.process_time()
    with pytest.raises(UserError, match=re.escape(FAULTS[template])) as raised:
        PromptEncoder(tokenizer, True).prompts([Rendered(QUESTION, "What?")])
    assert time.process_time() - started < 5
    assert str(raised.value).endswith("or set chat = false for this candidate")
    fault = template_facts(tokenizer).fault
    assert fault and fault.startswith("the chat template ")
