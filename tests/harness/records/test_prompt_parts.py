"""What prompts share, and what each has of its own."""

import pytest

from harness.records.prompts import prompt_parts

MAIL = [
    "Classify the mail.\n\nmy paper\n\nAnswer:",
    "Classify the mail.\n\nmy parcel is late\n\nAnswer:",
]


def test_a_prompt_is_taken_apart_between_words() -> None:
    parts = prompt_parts(MAIL)
    assert parts.own == ("paper", "parcel is late")
    assert (parts.before, parts.after) == ("Classify the mail.\n\nmy ", "\n\nAnswer:")


def test_a_mark_of_a_chat_template_ends_what_is_shared() -> None:
    prompts = [
        f'<|system|>{{"type": "string"}}<|end|><|user|>{text}<|end|><|assistant|>' for text in ("Ada", "Adam")
    ]
    parts = prompt_parts(prompts)
    assert parts.own == ("Ada", "Adam")
    assert (parts.before, parts.after) == (
        '<|system|>{"type": "string"}<|end|><|user|>',
        "<|end|><|assistant|>",
    )


@pytest.mark.parametrize("prompts", [["same", "same"], ["same"], ["", None]])
def test_of_prompts_that_are_all_the_same_nothing_is_their_own(prompts: list[str | None]) -> None:
    parts = prompt_parts(prompts)
    assert (parts.before, set(parts.own), parts.after) == (prompts[0], {""}, "")


def test_prompts_that_share_nothing_are_their_own() -> None:
    assert prompt_parts(["paris", "parma"]).own == ("paris", "parma")
    assert prompt_parts([]).own == ()
