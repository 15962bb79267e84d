"""The tokenizer of a GGUF file, put right in what the file says and transformers leaves out.

That is whether a text begins with the BOS token and ends with the EOS token, whether it is given a space
before its first word, how it is cut before merging, and which tokens end a turn. Without it the same weights
answer other tokens than they were trained on. No torch is needed here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from harness.errors import UserError, one_line
from harness.sweep.gguf_header import GgufHeader, read_gguf_header

LEADS_WITH_BOS = frozenset(
    {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken"}
)
"""Ways of cutting (`tokenizer.ggml.pre`) with which llama.cpp begins a text with BOS and takes whole words
that are in the vocabulary, unless the file says otherwise."""

DIGITS_APART = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
"""Ways of cutting where every digit is a piece of its own."""

CUT_AS_GPT2 = frozenset({"", "default", "gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "gpt-neox"})
"""Ways of cutting that are GPT-2's, which transformers falls back to."""


@dataclass(frozen=True)
class _Tokenization:
    """What a file says of how a text becomes tokens, with llama.cpp's defaults where it does not."""

    kind: str
    """`llama` (SentencePiece), `gpt2` (byte-level) or another, of `tokenizer.ggml.model`."""

    cut: str
    """How a text is cut into pieces before tokens are merged, of `tokenizer.ggml.pre`."""

    begins_with_bos: bool
    ends_with_eos: bool
    space_before: bool | None
    """None where the kind has no such thing."""


def _tokenization(header: GgufHeader) -> _Tokenization:
    read = header.metadata.get
    kind, cut = str(read("tokenizer.ggml.model", "")), str(read("tokenizer.ggml.pre", ""))
    bos, eos = read("tokenizer.ggml.add_bos_token"), read("tokenizer.ggml.add_eos_token")
    space = read("tokenizer.ggml.add_space_prefix")
    if bos is None:
        bos = kind == "llama" or (kind == "gpt2" and cut in LEADS_WITH_BOS)
    return _Tokenization(
        kind=kind,
        cut=cut,
        begins_with_bos=bool(bos) and read("tokenizer.ggml.bos_token_id") is not None,
        ends_with_eos=bool(eos) and read("tokenizer.ggml.eos_token_id") is not None,
        space_before=(True if space is None else bool(space)) if kind == "llama" else None,
    )


def turn_ends(path: Path, header: GgufHeader) -> int | list[int] | None:
    """The tokens that end an answer: of a text, of a turn, and of a message to a tool."""
    numbers = [_token_number(path, header, name) for name in ("eos", "eot", "eom")]
    ends = list(dict.fromkeys(number for number in numbers if number is not None))
    if len(ends) > 1:
        return ends
    return ends[0] if ends else None


def _token_number(path: Path, header: GgufHeader, name: str) -> int | None:
    """The token that the file gives this part; None where it gives none."""
    number = header.metadata.get(f"tokenizer.ggml.{name}_token_id")
    count = len(header.metadata["tokenizer.ggml.tokens"])
    if number is not None and not (isinstance(number, int) and 0 <= number < count):
        raise UserError(
            f"{path} says that its {name} token is {str(number)[:40]}, and its tokens end at {count - 1}: "
            "the file is damaged; give the folder that it was made from"
        )
    return number


def save_tokenizer(path: Path, header: GgufHeader, folder: Path) -> None:
    """Write a file's tokenizer into a folder. Raises `UserError` where it cannot be made to do what the file
    says. `header`: with its tokens."""
    try:
        # Not `AutoTokenizer`, which would read the whole file once more to tell this class.
        read = PreTrainedTokenizerFast.from_pretrained(str(path.parent), gguf_file=path.name)
    except OSError:
        raise
    except Exception as error:  # whatever the libraries think of what the file says
        raise UserError(
            f"transformers cannot read the tokenizer of {path} ({one_line(error)[:300]})"
        ) from error
    _put_right(path, header, read).save_pretrained(folder)
    _check_saved(path, folder, _tokenization(header))


def tokenizer_without_torch(path: Path) -> PreTrainedTokenizerFast:
    """A file's tokenizer, as `save_tokenizer` has it: read with parts of transformers that it offers nobody.

    Good to count with, and in a second. Raises whatever the libraries do of a file or a version that they do
    not know.
    """
    from transformers.integrations.gguf.gguf_tokenizer_mapping import (
        GGUF_TOKENIZER_MAPPING,
        convert_gguf_tokenizer,
    )

    names = {f"tokenizer.{key}": name for key, name in GGUF_TOKENIZER_MAPPING["tokenizer"].items()}
    header = read_gguf_header(path, names)
    described = {name: header.metadata[key] for key, name in names.items() if key in header.metadata}
    backend, _ = convert_gguf_tokenizer(header.architecture, described)
    template = header.metadata.get("tokenizer.chat_template")
    read = PreTrainedTokenizerFast(
        tokenizer_object=backend, chat_template=template, **_special_tokens(path, header)
    )
    return _put_right(path, header, read)


def _put_right(path: Path, header: GgufHeader, read: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The tokenizer that transformers read, doing what the file says."""
    tokenization = _tokenization(header)
    state = json.loads(read.backend_tokenizer.to_str())
    _put_state_right(path, state, header, tokenization)
    length = header.of_architecture("context_length")
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        chat_template=read.chat_template,
        add_bos_token=tokenization.begins_with_bos,
        add_eos_token=tokenization.ends_with_eos,
        **_special_tokens(path, header),
        **({"model_max_length": length} if isinstance(length, int) else {}),
    )


def _special_tokens(path: Path, header: GgufHeader) -> dict[str, str]:
    """By the names of transformers; those that the file does not have are left out."""
    tokens = header.metadata["tokenizer.ggml.tokens"]
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    numbers = {name: _token_number(path, header, key) for name, key in names.items()}
    return {name: tokens[number] for name, number in numbers.items() if number is not None}


def _put_state_right(
    path: Path, state: dict[str, Any], header: GgufHeader, tokenization: _Tokenization
) -> None:
    """Change a tokenizer's JSON to what the file says."""
    # A class that transformers builds it with may have brought a token of its own, which no model knows.
    count = len(header.metadata["tokenizer.ggml.tokens"])
    state["added_tokens"] = [token for token in state["added_tokens"] if token["id"] < count]
    if tokenization.kind == "gpt2":
        _cut_as_stated(path, state, tokenization)
    if tokenization.space_before is False:
        _without_space_before(state)


def _cut_as_stated(path: Path, state: dict[str, Any], tokenization: _Tokenization) -> None:
    """Cut a text as the file says, where transformers would cut it as GPT-2 does."""
    if tokenization.cut in LEADS_WITH_BOS:
        state["model"]["ignore_merges"] = True
    elif tokenization.cut in DIGITS_APART:
        bytes_of_gpt2 = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": True,
        }
        digits = {"type": "Digits", "individual_digits": True}
        state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, bytes_of_gpt2]}
    elif tokenization.cut not in CUT_AS_GPT2 and tokenization.cut not in _known_to_transformers():
        raise UserError(
            f"{path} cuts texts in the way '{tokenization.cut[:80]}' (tokenizer.ggml.pre), which "
            "transformers does not know: its prompts would be other tokens than it was trained on; "
            "give the folder that it was made from"
        )


def _known_to_transformers() -> frozenset[str]:
    try:
        from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS
    except ImportError:  # of another version
        return frozenset()
    return frozenset(GGUF_PRE_TOKENIZER_SPLITS)


def _without_space_before(state: dict[str, Any]) -> None:
    """Give a text no space before its first word."""
    before = state["pre_tokenizer"] or {}
    for step in before.get("pretokenizers", [before]):
        if step.get("type") == "Metaspace":
            step["prepend_scheme"] = "never"
    normalizer = state["normalizer"] or {}
    steps = normalizer.get("normalizers", [normalizer])
    remaining = [step for step in steps if step.get("type") != "Prepend"]
    if len(remaining) < len(steps):
        state["normalizer"] = {"type": "Sequence", "normalizers": remaining}


def _check_saved(path: Path, folder: Path, tokenization: _Tokenization) -> None:
    """Raise `UserError` unless the folder's tokenizer, loaded as every library loads it, does what the file
    says."""
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    token_ids = tokenizer("The capital of France is Paris.")["input_ids"]
    ends = {
        "begin": (tokenization.begins_with_bos, token_ids[0] == tokenizer.bos_token_id),
        "end": (tokenization.ends_with_eos, token_ids[-1] == tokenizer.eos_token_id),
    }
    for end, (wanted, done) in ends.items():
        if wanted != done:
            raise UserError(
                f"{path} says that a text does {'' if wanted else 'not '}{end} with a token of its own, and "
                "transformers' tokenizer cannot be made to do so; give the folder that it was made from"
            )
