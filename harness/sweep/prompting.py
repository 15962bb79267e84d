"""How a candidate's model is prompted:
the arguments of its chat template, and how it thinks before it answers."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, field_validator, model_serializer

from harness.sweep.thoughts import THOUGHT_MARKS
from harness.toml import LARGEST_COUNT, Frozen

RENDERER_ARGUMENTS = frozenset(
    {
        "add_generation_prompt", "chat_template", "continue_final_message", "conversation", "max_length",
        "messages", "padding", "return_assistant_tokens_mask", "return_dict", "return_tensors", "tokenize",
        "tokenizer_kwargs", "truncation",
        "raise_exception", "strftime_now",
        "additional_special_tokens", "bos_token", "cls_token", "eos_token", "mask_token", "pad_token",
        "sep_token", "unk_token",
    }
)  # fmt: skip
"""What rendering a prompt sets itself: arguments of `apply_chat_template`, functions that templates may call,
and the tokenizer's special tokens."""


def _check_arguments(arguments: dict[str, Any]) -> dict[str, Any]:
    for name, value in arguments.items():
        if name in RENDERER_ARGUMENTS:
            raise ValueError(
                f"'{name}' is set when a prompt is rendered and cannot be given; leave it out, and name only "
                "arguments that the chat template reads, such as enable_thinking or date_string"
            )
        if value in ("true", "false", "True", "False"):
            raise ValueError(
                f"'{name}' is the text {value!r}, which a template takes for true; write "
                f"{str(value).lower()} without quotes"
            )
    return arguments


TemplateArguments = Annotated[dict[str, Any], AfterValidator(_check_arguments)]
"""Arguments of a chat template by their names, any JSON values."""


class Prompting(Frozen):
    """How a model is prompted, in training and in scoring.

    Candidates and recipes have these fields, and left out of their records are those that are as usual: a
    candidate without any keeps the key that it had before they existed.
    """

    chat: bool | None = None
    """Whether to render with the tokenizer's chat template; None: if it has one."""

    chat_template_kwargs: TemplateArguments = Field(default_factory=dict)
    """What the chat template is given besides the messages, such as `enable_thinking`."""

    thought_marks: tuple[str, ...] = THOUGHT_MARKS
    """The texts that begin and end a thought; empty: nothing that the model writes is one."""

    max_thought_tokens: int | None = Field(default=None, ge=0, le=LARGEST_COUNT)
    """Tokens that a thought may take, besides the answer's `max_tokens`; 0: the model answers at once. None:
    1,024 where the chat template knows thoughts, else none."""

    @property
    def prompting(self) -> dict[str, Any]:
        """These fields alone, by their names."""
        return {name: getattr(self, name) for name in Prompting.model_fields}

    @field_validator("thought_marks")
    @classmethod
    def _begin_and_end(cls, marks: tuple[str, ...]) -> tuple[str, ...]:
        stripped = tuple(mark.strip() for mark in marks)
        if stripped and (len(stripped) != 2 or not all(stripped) or stripped[0] == stripped[1]):
            raise ValueError(
                "must be two different texts, which begin and end a thought, such as "
                '["<think>", "</think>"], or [] for a model whose answers hold no thoughts'
            )
        return stripped

    @model_serializer(mode="wrap")
    def _without_the_usual(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = serialize(self)
        for name in LATER_FIELDS & written.keys():
            if getattr(self, name) == _USUAL[name]:
                del written[name]
        return written


LATER_FIELDS = {"chat_template_kwargs", "thought_marks", "max_thought_tokens"}
"""Those that are written only where they are not as usual."""

# Made once: pydantic inspects a factory's signature each time that it is called.
_USUAL = {name: Prompting.model_fields[name].get_default(call_default_factory=True) for name in LATER_FIELDS}
