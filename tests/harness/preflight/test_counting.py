"""Tokens of a sweep's prompts and training samples are counted as a model reads them: with all that its chat
template adds."""

from typing import Any

import pytest
from home_made_tokenizers import BOS, EOS, TEMPLATE, home_made
from installed import need

from harness.errors import UserError
from harness.preflight.counting import count_tokens
from harness.preflight.job import ModelJob, PromptProbe, TrainingProbe
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row

need("transformers", reason="needs the train extra")

SYSTEM = "You are a helpful assistant that answers questions.\n"
WITH_SYSTEM_LINE = TEMPLATE.replace("{{ bos_token }}", "{{ bos_token }}" + SYSTEM.replace("\n", "{{ '\n' }}"))
PROMPTS = PromptSet({"plain": "Word: {text}", "terse": "{text} ="})
WORDS, TARGETS = ("yes", "no, maybe", "the lamp in London"), ("red", "blue (no, red)", "a")


def rows(*templates: str) -> tuple[dict[str, Any], ...]:
    return tuple(
        prompt_row(PROMPTS, Sample(word, {"text": word}, target), templates[place % len(templates)])
        for place, (word, target) in enumerate(zip(WORDS, TARGETS, strict=True))
    )


def job(
    *, templates: tuple[str, ...] = ("plain",), typical: tuple[int, ...] = (0, 1, 2), **changed: Any
) -> ModelJob:
    asked = PromptProbe(
        task="words",
        templates=templates,
        num_fewshot=0,
        demonstrations=None,
        output="generate",
        max_tokens=8,
        max_model_len=None,
        may_be_cut=False,
        rows=rows(*templates),
        typical=typical,
    )
    trained = TrainingProbe(task="words", max_length=200, rows=rows("plain"), typical=typical)
    said = {"candidates": ("a",), "model": "a", "revision": None, "is_here": True, "downloads": False}
    return ModelJob(**said | {"prompts": (asked,), "trainings": (trained,)} | changed)


def tokens(tokenizer: Any, *texts: str) -> float:
    """On average."""
    return sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts) / len(texts)


def chats(*questions: str) -> list[str]:
    return [f"{BOS}{SYSTEM}<|user|>\n{question}{EOS}<|assistant|>\n" for question in questions]


@pytest.mark.parametrize("kind", ["SentencePiece, first", "bytes, Llama 3"])
def test_a_system_line_of_the_template_and_its_marks_are_counted(kind: str) -> None:
    tokenizer = home_made(kind, template=WITH_SYSTEM_LINE)
    (asked,), (trained,) = (counts := count_tokens(job(), tokenizer)).prompts, counts.trainings
    asked_texts = chats(*(f"Word: {word}\nAnswer:" for word in WORDS))
    assert asked.prompt_tokens == pytest.approx(tokens(tokenizer, *asked_texts))
    both = [f"{text}{target}{EOS}" for text, target in zip(asked_texts, TARGETS, strict=True)]
    assert trained.tokens == pytest.approx(tokens(tokenizer, *both))
    assert asked.target_tokens == pytest.approx(trained.tokens - 1 - asked.prompt_tokens)
    # Its own words are a small part: characters / 4 would be far off.
    assert asked.prompt_tokens > 3 * sum(len(f"Word: {word}") for word in WORDS) / 3 / 4


def test_a_prompt_without_a_template_has_the_tokens_of_its_text() -> None:
    tokenizer = home_made("SentencePiece, first", template=WITH_SYSTEM_LINE)
    (asked,) = count_tokens(job(chat=False), tokenizer).prompts
    assert asked.prompt_tokens == pytest.approx(
        tokens(tokenizer, *(f"{BOS}Word: {word}\nAnswer:" for word in WORDS))
    )


def test_arguments_of_the_template_are_given_to_it() -> None:
    template = "{% if wordy %}" + WITH_SYSTEM_LINE + "{% else %}" + TEMPLATE + "{% endif %}"
    tokenizer = home_made("SentencePiece, first", template=template)
    terse, wordy = (
        count_tokens(job(chat_template_kwargs=arguments), tokenizer).prompts[0].prompt_tokens
        for arguments in ({}, {"wordy": True})
    )
    assert wordy - terse == pytest.approx(tokens(tokenizer, f"{BOS}{SYSTEM}") - 1, abs=2)


def test_the_longest_samples_do_not_raise_the_mean() -> None:
    tokenizer = home_made("SentencePiece, first")
    (asked,) = count_tokens(job(typical=(0, 1)), tokenizer).prompts
    without = count_tokens(job(typical=(0, 1, 2)), tokenizer).prompts[0]
    assert asked.prompt_tokens < without.prompt_tokens


def test_a_sample_that_is_too_long_to_be_trained_on_counts_as_none() -> None:
    tokenizer = home_made("SentencePiece, first", template=WITH_SYSTEM_LINE)
    (whole,) = count_tokens(job(), tokenizer).trainings
    short = TrainingProbe(task="words", max_length=10, rows=rows("plain"), typical=(0, 1, 2))
    (cut,) = count_tokens(job(trainings=(short,)), tokenizer).trainings
    assert whole.tokens > 10 and cut.tokens == 0


def test_what_all_prompts_of_a_wording_begin_with_is_counted() -> None:
    tokenizer = home_made("SentencePiece, first", template=WITH_SYSTEM_LINE)
    (plain,) = count_tokens(job(), tokenizer).prompts
    assert plain.shared_tokens == tokens(tokenizer, f"{BOS}{SYSTEM}<|user|>\nWord:")
    (both,) = count_tokens(job(templates=("plain", "terse"), typical=(0, 1, 2)), tokenizer).prompts
    # The only prompt that is looked at in a wording does not tell what others begin with.
    assert both.shared_tokens == plain.shared_tokens / 2


def test_a_tokenizer_without_an_end_counts_no_training() -> None:
    counts = count_tokens(job(), home_made("SentencePiece, first", eos_token=None, template=None))
    assert counts.prompts and not counts.trainings


def test_a_template_that_fails_is_no_count() -> None:
    with pytest.raises(UserError, match="cannot render its prompts"):
        count_tokens(job(), home_made("SentencePiece, first", template="{{ raise_exception('No.') }}"))
