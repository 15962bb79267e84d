"""Say what a chat template makes of conversations, as far as that differs from what one would expect."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.engines.rendering import TODAY, ChatTemplate
from harness.engines.template import TemplateFacts, template_facts, template_source, unread_arguments
from harness.errors import shortened
from harness.preflight.job import ModelJob, Remark

QUESTION = "gainboardquestion"
"""A word that no template writes by itself."""

_MARK = re.compile(
    r"<\|?[\w:]*(?:think|thought|reason)\w*\|?>|\[(?:think|reason)\w*\]|◁think▷"
    r"|<\|channel\|>analysis<\|message\|>",
    re.ASCII | re.IGNORECASE,
)
"""What begins a thought, in the ways in which models have it."""


def chat_remarks(job: ModelJob, tokenizer: Any, config: Any) -> Iterator[Remark]:
    """Of a tokenizer whose chat template is used. `config`: of the model, by transformers."""
    facts = template_facts(tokenizer, job.chat_template_kwargs)
    if facts.fault is not None:
        yield Remark(severity="refuse", fact="chat_template", sentence=facts.fault)
        return
    yield from _arguments(job, tokenizer, facts)
    if not facts.generation_prompt:
        yield Remark(
            severity="warn",
            fact="generation_prompt",
            sentence="the chat template ignores add_generation_prompt: a prompt ends before the assistant's "
            "turn, which the model must begin by itself; correct the template, "
            "or set chat = false for this candidate",
        )
    if any(probe.output == "generate" for probe in job.prompts):
        yield from _turn_end(tokenizer, config, facts)
    yield from _system_line(job, tokenizer, facts)
    if facts.asks_for_date:
        yield Remark(
            severity="note",
            fact="date",
            sentence=f"the chat template asks for today's date, and is told {TODAY.date()} in every run, so "
            "that prompts do not change at midnight",
        )
    if facts.draws:
        yield Remark(
            severity="note",
            fact="chance",
            sentence="the chat template draws words by chance: in every prompt and run it draws the same",
        )
    yield from _other_marks(job, tokenizer)


def _other_marks(job: ModelJob, tokenizer: Any) -> Iterator[Remark]:
    """Thoughts that would be taken for answers: the template has marks for them that nobody looks for."""
    source = template_source(tokenizer)
    mark = _MARK.search(source)
    if mark is None or not job.thought_marks or any(known in source for known in job.thought_marks):
        return
    yield Remark(
        severity="warn",
        fact="thought_marks",
        sentence=f"the chat template writes {mark[0]!r}, and thoughts are looked for between "
        f"{' and '.join(map(repr, job.thought_marks))}: others are judged as answers; name the "
        "template's own in thought_marks, or set it to [] if they are no thoughts",
    )


def _arguments(job: ModelJob, tokenizer: Any, facts: TemplateFacts) -> Iterator[Remark]:
    """Those that are given and not read, which would pass for obeyed; and those that could be given."""
    unread = unread_arguments(tokenizer, job.chat_template_kwargs)
    could = [name for name in facts.arguments if name not in job.chat_template_kwargs]
    if unread:
        yield Remark(severity="refuse", fact="template_arguments", sentence=unread)
    elif could:
        yield Remark(
            severity="note",
            fact="template_arguments",
            sentence=f"the chat template also reads {', '.join(could)}, which chat_template_kwargs can set",
        )


def _turn_end(tokenizer: Any, config: Any, facts: TemplateFacts) -> Iterator[Remark]:
    """Where answers end."""
    eos, end = tokenizer.eos_token_id, facts.turn_end
    if end.tokens and eos is not None and eos not in end.tokens:
        of_turn, of_text = tokenizer.convert_ids_to_tokens([end.tokens[0], eos])
        yield Remark(
            severity="note",
            fact="turn_end",
            sentence=f"the chat template ends a turn with {of_turn!r}, and the tokenizer a text with "
            f"{of_text!r}: both end an answer, and tuning teaches the first",
        )
    if end.tokens or _writes_an_end(tokenizer, config):
        return  # perhaps behind some answers only, or at the beginning of the next turn
    if end.strings:
        teaches = "" if end.text else " the tokenizer's end of a text, not"
        yield Remark(
            severity="note",
            fact="turn_end",
            sentence="the chat template has no token of its own for the end of a turn: the text "
            f"{end.strings[0]!r} ends an answer, and tuning teaches{teaches} it",
        )
        return
    yield Remark(
        severity="warn",
        fact="turn_end",
        sentence="the chat template puts nothing behind an answer by which its end could be told: an untuned "
        "model may run on into the next turn; give the task a stop string, or set chat = false for this "
        "candidate",
    )


def _writes_an_end(tokenizer: Any, config: Any) -> bool:
    """Whether a template writes, somewhere, a token that ends the model's answers."""
    source = template_source(tokenizer)
    of_model = getattr(config, "eos_token_id", None)
    token_ids = {tokenizer.eos_token_id, *(of_model if isinstance(of_model, list) else [of_model])} - {None}
    tokens = [tokenizer.convert_ids_to_tokens(token_id) for token_id in sorted(token_ids)]
    return "eos_token" in source or any(token is not None and token in source for token in tokens)


def _system_line(job: ModelJob, tokenizer: Any, facts: TemplateFacts) -> Iterator[Remark]:
    """What becomes of the tasks' own, and the template's, which nobody sees in a task."""
    tasks = [probe.task for probe in job.prompts if any(map(_has_system_line, probe.rows))]
    if tasks and facts.system != "kept":
        verb = "drops" if facts.system == "dropped" else "refuses"
        yield Remark(
            severity="warn" if facts.system == "dropped" else "refuse",
            fact="system_line",
            sentence=f"the chat template {verb} system lines, and {', '.join(dict.fromkeys(tasks))} has one; "
            "put it into the question, or set chat = false for this candidate",
        )
    added_words = _own_words(job, tokenizer)
    if added_words:
        yield Remark(
            severity="note",
            fact="system_line",
            sentence=f"the chat template begins every conversation with words of its own: {added_words!r}",
        )


def _has_system_line(row: Mapping[str, Any]) -> bool:
    messages = row["prompt"]["messages"]
    return bool(messages) and messages[0]["role"] == "system"


def _own_words(job: ModelJob, tokenizer: Any) -> str:
    """What a template writes before the first question, without special tokens and names of roles."""
    prompt = ChatTemplate(tokenizer, job.chat_template_kwargs).render([{"role": "user", "content": QUESTION}])
    before, _, _ = prompt.partition(QUESTION)
    for token in sorted({*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}, key=len, reverse=True):
        before = before.replace(token, "\n")
    lines = [line.strip() for line in before.splitlines()]
    words = " ".join(line for line in lines if len(re.findall(r"\w+", line)) > 2)
    return shortened(words, 160)
