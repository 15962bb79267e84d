"""Where a template wants a model to think, an answer that is weighed or trained on stands after an empty
thought: what is trained on is what is scored."""

from typing import Any

import pytest
from transformers import AutoTokenizer

from harness.engines.encode import Encoded, PromptEncoder
from harness.engines.thinking import NO_THOUGHT
from harness.errors import UserError
from harness.sweep.thoughts import THOUGHT_MARKS
from harness.task import Rendered
from harness.toys import toy_folder

TURNS = "{% for m in messages %}<|user|>{{ m['content'] }}\n{% endfor %}"
ASKED = "{% if add_generation_prompt %}<|assistant|>"
THINKS = "{# <think> #}"
"""A template that knows of thoughts, and leaves them to the model."""

SWITCHED = (
    ASKED
    + "{% if enable_thinking is defined and enable_thinking is false %}"
    + ("<think>\n\n</think>\n\n{% endif %}{% endif %}")
)
"""As Qwen3 and SmolLM3 have it."""

OPENED = ASKED + "<think>\n{% endif %}"
"""As DeepSeek-R1 and Qwen3-Thinking have it."""

EITHER = ASKED + "{% if thinking %}<think>{% else %}</think>{% endif %}{% endif %}"
"""As DeepSeek-V3.1 has it."""

IN_LINE = ASKED + (
    "{% if enable_thinking is defined and not enable_thinking %}{{ '\n<think></think>' }}{% endif %}{% endif %}"
)
"""As GLM-4.5 has it."""

REFUSES = ASKED + "{% if thinking != 'on' %}{{ raise_exception('on or off') }}{% endif %}<think>{% endif %}"

QUESTION = Rendered([{"role": "user", "content": "Which colour? <think> "}], "Which colour? <think> ", " ")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(toy_folder("toy-qwen3"))


def encoder(tokenizer: Any, template: str, **options: Any) -> PromptEncoder:
    tokenizer.chat_template = TURNS + template
    return PromptEncoder(tokenizer, True, **options)


def asked(encoder: PromptEncoder) -> Encoded:
    (prompt,) = encoder.prompts([QUESTION])
    return prompt


@pytest.mark.parametrize(
    ("template", "arguments", "begun", "empty"),
    [
        (ASKED + "{% endif %}", {}, False, ""),
        (SWITCHED, {}, False, "<think>\n\n</think>\n\n"),
        (SWITCHED, {"enable_thinking": True}, False, "<think>\n\n</think>\n\n"),
        (SWITCHED, {"enable_thinking": False}, False, ""),
        (IN_LINE, {}, False, "\n<think></think>"),
        (IN_LINE, {"enable_thinking": False}, False, ""),
        (OPENED, {}, True, "\n</think>\n\n"),
        (ASKED + "<think>\nOkay,{% endif %}", {}, True, "\n</think>\n\n"),
        (EITHER, {}, False, ""),
        (EITHER, {"thinking": True}, True, "</think>"),
        (THINKS + ASKED + "{% endif %}", {}, False, "<think>\n\n</think>\n\n"),
        (REFUSES, {"thinking": "on"}, True, "</think>"),
    ],
)
def test_a_template_says_whether_a_thought_is_expected(
    tokenizer: Any, template: str, arguments: dict[str, Any], begun: bool, empty: str
) -> None:
    prompt = asked(encoder(tokenizer, template, chat_template_kwargs=arguments))
    assert (prompt.thought.begun, prompt.thought.empty) == (begun, empty)


def test_other_marks_are_looked_for_where_a_candidate_names_them(tokenizer: Any) -> None:
    template = ASKED + "[THINK]\n{% endif %}"
    assert asked(encoder(tokenizer, template)).thought == NO_THOUGHT
    place = asked(encoder(tokenizer, template, thought_marks=("[THINK]", "[/THINK]"))).thought
    assert (place.begun, place.empty) == (True, "\n[/THINK]\n\n")
    assert asked(encoder(tokenizer, OPENED, thought_marks=())).thought == NO_THOUGHT


@pytest.mark.parametrize(
    ("text", "begun"), [("Think: <think>\n", True), ("What is <think>?", False), ("", False)]
)
def test_a_plain_prompt_begins_a_thought_only_where_it_ends_with_the_mark(
    tokenizer: Any, text: str, begun: bool
) -> None:
    (prompt,) = PromptEncoder(tokenizer, False).prompts([Rendered([], text)])
    assert prompt.thought.begun == begun


@pytest.mark.parametrize("template", [SWITCHED, OPENED, IN_LINE, THINKS + ASKED + "{% endif %}"])
def test_what_is_trained_on_is_what_is_scored(tokenizer: Any, template: str) -> None:
    thinking = encoder(tokenizer, template)
    prompt = asked(thinking)
    (trained,) = thinking.completed([(QUESTION, "red")])
    (weighed,) = thinking.without_thoughts([prompt])
    (choice,) = thinking.answers([(weighed, "red")])
    end = thinking.stop_token_ids[:1]
    assert trained.prompt == prompt.token_ids
    assert trained.prompt + trained.answer == weighed.token_ids + choice + end
    assert weighed.text == prompt.text + prompt.thought.empty and weighed.thought == NO_THOUGHT
    assert weighed.text.endswith(THOUGHT_MARKS[1]) or weighed.text.endswith("</think>\n\n")


def test_a_model_that_answers_at_once_finds_the_empty_thought_in_its_prompt(tokenizer: Any) -> None:
    at_once = encoder(tokenizer, OPENED, max_thought_tokens=0)
    (weighed,) = at_once.without_thoughts([asked(at_once)])
    (trained,) = at_once.completed([(QUESTION, "red")])
    assert trained.prompt == weighed.token_ids
    assert tokenizer.decode(trained.answer).startswith("red")


def test_arguments_reach_the_template_and_are_refused_where_there_is_none(tokenizer: Any) -> None:
    dated = encoder(
        tokenizer,
        "{{ date_string }}{{ reasoning.effort }}",
        chat_template_kwargs={"date_string": "26 Jul", "reasoning": {"effort": "low"}},
    )
    assert asked(dated).text.endswith("26 Jullow")
    tokenizer.chat_template = None
    with pytest.raises(UserError, match="the tokenizer has no chat template to read them; leave them out"):
        PromptEncoder(tokenizer, None, {"date_string": "26 Jul"})
