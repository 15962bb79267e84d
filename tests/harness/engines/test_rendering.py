"""Conversations are rendered within bounds, and what a template does is found out by rendering."""

import datetime
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
    assert turn_end(tokenizer) == (() if end is None else token(tokenizer, end))


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
    monkeypatch.setattr("harness.engines.rendering.MOST_SECONDS", 0.2)
    tokenizer = chatting(template)
    started = time.process_time()
    with pytest.raises(UserError, match=re.escape(FAULTS[template])) as raised:
        PromptEncoder(tokenizer, True).prompts([Rendered(QUESTION, "What?")])
    assert time.process_time() - started < 5
    assert str(raised.value).endswith("or set chat = false for this candidate")
    fault = template_facts(tokenizer).fault
    assert fault and fault.startswith("the chat template ")
