"""Say with which tokenizers answers can be held to choices, or to a schema."""

from typing import Any

SPACE = "▁"
"""How SentencePiece writes a space."""


def cannot_be_held(tokenizer: Any) -> str | None:
    """Why answers cannot be held to a form, in a sentence; None where they can.

    xgrammar, which both engines have grammars from, takes a `▁` for a space only where a tokenizer falls back
    to bytes, too. With others, as most of the kind Unigram, no token would begin a second word.
    """
    words = tokenizer.get_vocab().keys() - tokenizer.get_added_vocab().keys()
    if "<0x0A>" in words or not any(token.startswith(SPACE) for token in words):
        return None
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if "ByteFallback" in str(getattr(backend, "decoder", None)):
        return None
    kind = type(getattr(backend, "model", None)).__name__
    return (
        f"its answers cannot be held to a form: its tokenizer ({kind}) writes spaces as '{SPACE}' and falls "
        "back to no bytes, and grammars do not know the spaces of this kind; take zero_shot instead of "
        "zero_shot_constrained, or a task without structured_outputs, for this candidate"
    )
