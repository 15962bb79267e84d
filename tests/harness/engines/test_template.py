"""Arguments that a chat template does not read are told, and what it does read."""

from typing import Any

import pytest

from harness.engines.template import unread_arguments

LLAMA = (
    "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}"
    "{{ bos_token }}{{ date_string }}{% for message in messages %}{{ message.content }}{% endfor %}"
)
QWEN = (
    "{% for message in messages %}{% generation %}{{ message.reasoning_effort }}{% endgeneration %}{% endfor %}"
    "{% if add_generation_prompt %}{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
BRANCHES = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% else %}{% set system = '' %}{% endif %}"
    "{% set mode = mode if mode is defined else 'chat' %}{% set effort = effort | default('low') %}"
    "{{ system }}{{ mode }}{{ effort }}"
)
"""Sets a name in each of two branches, which reads like a name from outside."""

PLAIN = "{% for message in messages %}thinking: {{ message.content }}{% break %}{% endfor %}"


class Tokenizer:
    def __init__(self, template: Any) -> None:
        self.chat_template = template


@pytest.mark.parametrize(
    ("template", "arguments", "told"),
    [
        (LLAMA, ["date_string"], ""),
        (QWEN, ["enable_thinking"], ""),
        (QWEN, [], ""),
        (
            QWEN,
            ["thinking", "enable_thinking", "reasoning_effort"],
            "the chat template does not read thinking, reasoning_effort of chat_template_kwargs; the "
            "arguments that it reads are enable_thinking",
        ),
        (
            PLAIN,
            ["thinking"],
            "the chat template does not read thinking of chat_template_kwargs; it reads none",
        ),
        (
            BRANCHES,
            ["system", "mode", "effort"],
            "the chat template does not read system of chat_template_kwargs; the arguments that it reads are "
            "effort, mode",
        ),
        ({"default": PLAIN, "tool_use": QWEN}, ["enable_thinking"], ""),
        ("{% unknown tag %}{{ thinking }}", ["thinking"], ""),
    ],
)
def test_unread_arguments_are_told(template: Any, arguments: list[str], told: str) -> None:
    assert unread_arguments(Tokenizer(template), arguments) == told


def test_without_a_template_every_argument_is_unread() -> None:
    assert "does not read thinking" in unread_arguments(Tokenizer(None), ["thinking"])
