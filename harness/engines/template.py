"""Look into a tokenizer's chat template: its source, and what it reads besides the messages."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser


def template_source(tokenizer: Any) -> str:
    """The source of a tokenizer's chat templates; empty without any."""
    template = getattr(tokenizer, "chat_template", None) or ""
    return "\n".join(template.values()) if isinstance(template, Mapping) else str(template)


def unread_arguments(tokenizer: Any, arguments: Iterable[str]) -> str:
    """A warning that names the arguments which the tokenizer's chat template does not read, and what it does;
    empty where it reads them all."""
    read = _names_read(template_source(tokenizer))
    unread = [name for name in arguments if name not in read]
    if not unread:
        return ""
    others = ", ".join(sorted(read - _ALWAYS))
    instead = f"the arguments that it reads are {others}" if others else "it reads none"
    return f"the chat template does not read {', '.join(unread)} of chat_template_kwargs; {instead}"


_ALWAYS = {
    "add_generation_prompt", "bos_token", "documents", "eos_token", "loop", "messages", "namespace", "pad_token",
    "raise_exception", "range", "strftime_now", "tools", "unk_token",
}  # fmt: skip
"""What every template has, or is given by whoever renders it."""


class _Generation(Extension):
    """The tag that transformers adds, with which templates mark what a model writes."""

    tags: set[str] = {"generation"}  # noqa: RUF012 - as its base declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """What stands within the tag."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _names_read(source: str) -> set[str]:
    """Every name that a template takes from outside; of one that cannot be parsed, every word."""
    environment = Environment(extensions=["jinja2.ext.loopcontrols", _Generation], autoescape=False)
    try:
        return meta.find_undeclared_variables(environment.parse(source))
    except TemplateSyntaxError:
        return set(re.findall(r"\w+", source))
