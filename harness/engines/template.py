"""Look into a tokenizer's chat template: its source, what it reads besides the messages, and what it does."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import Environment, TemplateSyntaxError, meta, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from harness.engines.rendering import NO_ARGUMENTS, ChatTemplate, Message
from harness.errors import UserError


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
    readable = ", ".join(sorted(read - _ALWAYS))
    instead = f"the arguments that it reads are {readable}" if readable else "it reads none"
    return f"the chat template does not read {', '.join(unread)} of chat_template_kwargs; {instead}"


_ALWAYS = {
    "add_generation_prompt", "documents", "loop", "messages", "namespace", "raise_exception", "range",
    "strftime_now", "tools",
    "bos_token", "eos_token", "pad_token", "unk_token",
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
    """Every name that a template takes from outside; of one that cannot be parsed, every word.

    What it sets in one branch and reads in another is its own, unless it asks whether it was given.
    """
    environment = Environment(extensions=["jinja2.ext.loopcontrols", _Generation], autoescape=False)
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError:
        return set(re.findall(r"\w+", source))
    names: dict[str, set[str]] = {"load": set(), "store": set(), "param": set()}
    for name in tree.find_all(nodes.Name):
        names[name.ctx].add(name.name)
    set_within = names["store"] - set(_names_asked_for(tree))
    return meta.find_undeclared_variables(tree) - set_within - names["param"]


def _names_asked_for(tree: nodes.Template) -> Iterator[str]:
    """Names of which a template asks whether they are there, or takes something else for them."""
    for test in tree.find_all(nodes.Test):
        if test.name in ("defined", "undefined") and isinstance(test.node, nodes.Name):
            yield test.node.name
    for default in tree.find_all(nodes.Filter):
        if default.name in ("default", "d") and isinstance(default.node, nodes.Name):
            yield default.node.name


_QUESTION, _ANSWER, _SYSTEM = "gainboardquestion", "gainboardanswer", "gainboardsystem"
"""Words that no template writes by itself, to see where it puts a turn."""

_ANSWERED: tuple[Message, ...] = (
    {"role": "user", "content": _QUESTION},
    {"role": "assistant", "content": _ANSWER},
)


FEWEST_CHARACTERS = 2
"""Of a text that ends answers, white space apart: a single mark may stand within one."""


@dataclass(frozen=True)
class TurnEnd:
    """How a chat template ends an answer: by a token of its own, or else by a text."""

    tokens: tuple[int, ...] = ()
    """The token that it puts behind a finished answer; empty where it puts none there."""

    text: str = ""
    """What it puts there instead, in tokens that words have, too; empty where that is white space at most."""

    next_turn: str = ""
    """Where it puts nothing behind an answer: how it goes on to the next question."""

    @property
    def strings(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        string = self.text.strip() or self.next_turn.rstrip()
        return (string,) if len("".join(string.split())) >= FEWEST_CHARACTERS else ()


@dataclass(frozen=True)
class TemplateFacts:
    """What a chat template does; found out by rendering a few words."""

    fault: str | None = None
    """Why it cannot render even one question, in a sentence; the rest is then unknown."""

    turn_end: TurnEnd = TurnEnd()

    generation_prompt: bool = True
    """Whether a prompt leads to where the answer begins; False: it stops before the assistant's turn."""

    system: Literal["kept", "dropped", "refused"] = "kept"
    """What becomes of a system line."""

    arguments: tuple[str, ...] = ()
    """Names that it reads and that transformers does not give by itself."""

    asks_for_date: bool = False
    """Whether it writes today's date, for which it is told `TODAY`."""

    draws: bool = False
    """Whether it writes something that it draws by chance."""


def template_facts(tokenizer: Any, arguments: Mapping[str, Any] = NO_ARGUMENTS) -> TemplateFacts:
    """The facts of a tokenizer that has a chat template. `arguments`: those that it is given."""
    template = ChatTemplate(tokenizer, arguments)
    question = _ANSWERED[0]
    try:
        prompt = template.render([question])
    except UserError as error:
        return TemplateFacts(fault=str(error))
    with_system = _rendered(template, [{"role": "system", "content": _SYSTEM}, question])
    return TemplateFacts(
        turn_end=_turn_end(tokenizer, template),
        generation_prompt=_leads_to_answer(template, prompt),
        system=_fate_of_system_line(with_system),
        arguments=tuple(sorted(_names_read(template_source(tokenizer)) - _ALWAYS)),
        asks_for_date=template.told_date,
        draws=template.has_drawn,
    )


def _fate_of_system_line(with_system: str | None) -> Literal["kept", "dropped", "refused"]:
    """`with_system`: what the template makes of a conversation with one; None where it refuses."""
    if with_system is None:
        return "refused"
    return "kept" if _SYSTEM in with_system else "dropped"


def turn_end(tokenizer: Any, arguments: Mapping[str, Any] = NO_ARGUMENTS) -> TurnEnd:
    """How the chat template ends an answer."""
    return _turn_end(tokenizer, ChatTemplate(tokenizer, arguments))


def _turn_end(tokenizer: Any, template: ChatTemplate) -> TurnEnd:
    pieces = re.split(f"{_QUESTION}|{_ANSWER}", _rendered(template, _ANSWERED * 2) or "")
    if len(pieces) != 5:  # it leaves out turns, or writes some twice
        return TurnEnd()
    before_question, _, between, before_answer, at_end = pieces
    ends = [_special_token(tokenizer, text) for text in (at_end, between)]
    if ends[0] != ends[1]:  # what follows one answer and not the other may begin the next turn
        turn_ends = (_without_end(at_end, before_answer), _without_end(between, before_question))
        ends = [_special_token(tokenizer, text) for text in turn_ends]
    tokens = tuple(end for end in ends if end is not None)[:1]
    if tokens:
        return TurnEnd(tokens)
    if at_end.strip() and between.startswith(at_end):
        return TurnEnd(text=at_end.rstrip())
    return TurnEnd(next_turn=between if between.strip() else "")


def _without_end(text: str, other_text: str) -> str:
    """A text up to where it ends like another one."""
    alike = 0
    while alike < min(len(text), len(other_text)) and text[-alike - 1] == other_text[-alike - 1]:
        alike += 1
    return text[: len(text) - alike]


def _special_token(tokenizer: Any, text: str) -> int | None:
    """The token that a text begins with, white space apart, if it is one of those that no word has."""
    if not text.strip():
        return None
    token_id = int(tokenizer(text.lstrip(), add_special_tokens=False)["input_ids"][0])
    special = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
    return token_id if token_id in special else None


def _leads_to_answer(template: ChatTemplate, prompt: str) -> bool:
    without = _rendered(template, _ANSWERED[:1])
    before_answer = (_rendered(template, _ANSWERED) or "").rpartition(_ANSWER)[0]
    return prompt != without or prompt.strip() == before_answer.strip()


def _rendered(template: ChatTemplate, messages: Sequence[Message]) -> str | None:
    """Without a generation prompt; None where the template refuses."""
    try:
        return template.render(messages, add_generation_prompt=False)
    except UserError:
        return None
