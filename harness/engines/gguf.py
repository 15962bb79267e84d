"""Turn a GGUF file into an ordinary model folder, once: what trains and answers it then is what trains and
answers any other model.

transformers reads the weights, unrounded. What the file says of its tokenizer, and transformers leaves out,
is put right here: whether a text begins with the BOS token and ends with the EOS token, whether it is given a
space before its first word, how it is cut before merging, and which tokens end a turn. Without it the same
weights answer other tokens than they were trained on.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from filelock import FileLock
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerFast,
)

from harness.engines.gguf_context import stretch_of
from harness.engines.weights import check_loaded
from harness.errors import UserError, one_line
from harness.records.damaged import put_aside
from harness.sweep.converted import MARKER, converted_folder, is_converted, marker
from harness.sweep.gguf_header import GgufHeader, read_gguf_header
from harness.sweep.models import gguf_file, model_kind

LEADS_WITH_BOS = frozenset(
    {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "tekken"}
)
"""Ways of cutting (`tokenizer.ggml.pre`) with which llama.cpp begins a text with BOS and takes whole words
that are in the vocabulary, unless the file says otherwise."""

DIGITS_APART = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"})
"""Ways of cutting where every digit is a piece of its own."""

CUT_AS_GPT2 = frozenset({"", "default", "gpt-2", "gpt2", "phi-2", "mpt", "olmo", "jais", "gpt-neox"})
"""Ways of cutting that are GPT-2's, which transformers falls back to."""

_F32_BYTES = 4


def local_model(model: str, say: Callable[[str], None]) -> str:
    """What libraries are to load for a model: the folder that a GGUF file was turned
    into, and all others as they are called.

    `say` hears, in a sentence, what takes a while. Raises `UserError` when
    the file cannot be turned into one.
    """
    if model_kind(model) != "gguf":
        return model
    folder = converted_folder(model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not is_converted(model):
                _convert(model, folder, say)
    except (OSError, SafetensorError) as error:  # a full disk is the one or the other
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"{gguf_file(model)} cannot be converted into {folder}: {reason}; set GAINBOARD_CACHE to a "
            "folder that can be written and has room"
        ) from None
    return str(folder)


def _convert(model: str, folder: Path, say: Callable[[str], None]) -> None:
    path = gguf_file(model)
    header = _header(path)
    _check_room(path, header, folder.parent)
    say(
        f"converting {path.name} ({header.parameters / 1e6:,.0f} million parameters), once; "
        "it is kept in the cache"
    )
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        _save_model(path, header, unfinished)
        _save_tokenizer(path, header, unfinished)
        (unfinished / MARKER).write_text(marker(model, unfinished), encoding="utf-8")
        unfinished.chmod(0o755)
        if folder.exists():
            say(put_aside(folder, "it is not as this conversion wrote it"))
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _header(path: Path) -> GgufHeader:
    try:
        return read_gguf_header(path, ("tokenizer.ggml.tokens",))
    except ValueError as error:
        raise UserError(f"{path} {error}") from None


def _check_room(path: Path, header: GgufHeader, folder: Path) -> None:
    needed, free = header.parameters * _F32_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{path} takes {needed / 1e9:.1f} GB as a model folder, and {folder} has {free / 1e9:.1f} GB "
            "left: free some, or set GAINBOARD_CACHE to a folder on a larger disk"
        )


# Weights


def save_without_weights(model: str, folder: Path) -> None:
    """Write the configuration and the tokenizer of a GGUF file into a folder, as its conversion has them.

    Raises `UserError` where it cannot be converted for what they are."""
    path = gguf_file(model)
    header = _header(path)
    with _reading(path):
        config = _configuration(path, header)
    config.eos_token_id = _turn_ends(path, header)
    config.save_pretrained(folder)
    _save_tokenizer(path, header, folder)


def _save_model(path: Path, header: GgufHeader, folder: Path) -> None:
    """The weights with a configuration that knows nothing of GGUF."""
    model = _loaded(path, header)
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.float32
    config.eos_token_id = _turn_ends(path, header)
    # Of the plain architecture: what was loaded may remember that it came from a file of another format.
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config)
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = GenerationConfig.from_model_config(config)
    plain.save_pretrained(folder, state_dict=_compact(plain.state_dict()))


def _loaded(path: Path, header: GgufHeader) -> Any:
    with _reading(path), _one_table_of_names():
        model, info = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            config=_configuration(path, header),
            dtype=torch.float32,
            output_loading_info=True,
            **_unpacked(),
        )
    _check_complete(path, header, model, info)
    return model


def _configuration(path: Path, header: GgufHeader) -> Any:
    config = AutoConfig.from_pretrained(str(path.parent), gguf_file=path.name)
    _put_right(path, config, header)
    return config


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise `UserError` for whatever transformers thinks of a file."""
    try:
        yield
    except ImportError as error:
        raise UserError(
            f"{path.name} is read with the package gguf, which is not installed ({error.name}): "
            "pip install 'gainboard[train]' (or 'gainboard[cpu]' on a machine without a GPU)"
        ) from None
    except OSError:
        raise
    except Exception as error:  # whatever the libraries think of what the file says
        raise UserError(f"transformers cannot read {path} ({one_line(error)[:300]})") from error


@contextmanager
def _one_table_of_names() -> Iterator[None]:
    """Make gguf's table of tensor names once: transformers asks for it anew for every module of the model,
    which takes longer than reading the weights."""
    import gguf

    anew = gguf.get_tensor_name_map
    gguf.get_tensor_name_map = cache(anew)
    try:
        yield
    finally:
        gguf.get_tensor_name_map = anew


def _unpacked() -> dict[str, Any]:
    """Have the weights as plain numbers where transformers would else keep the file's blocks."""
    settings = getattr(transformers, "GgufConfig", None)
    return {} if settings is None else {"quantization_config": settings(dequantize=True)}


def _put_right(path: Path, config: Any, header: GgufHeader) -> None:
    """Sizes that the file gives, and that transformers does not take from it for every architecture."""
    key_length, embeddings = (
        header.of_architecture("attention.key_length"),
        header.shapes.get("token_embd.weight"),
    )
    if isinstance(key_length, int) and hasattr(config, "head_dim"):
        config.head_dim = key_length
    if embeddings is not None:  # there may be more rows than tokens
        config.vocab_size = embeddings[0]
    stretch = stretch_of(path, header)
    if stretch:
        config.rope_parameters = config.rope_parameters | stretch


def _check_complete(path: Path, header: GgufHeader, model: Any, info: dict[str, Any]) -> None:
    """Raise `UserError` unless the model has every number of the file, and no other."""
    check_loaded(str(path), type(model).__name__, info)
    numbers = sum(tensor.numel() for tensor in model.parameters())
    if numbers != header.parameters:
        raise UserError(
            f"{path} holds {header.parameters:,} numbers, and transformers makes a {type(model).__name__} of "
            f"{numbers:,} of them: layers or tensors would be left out; give the folder that it was made from"
        )


def _compact(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every tensor in the smallest type that holds its numbers exactly. Tensors that share memory still do,
    as tied embeddings: they are saved once."""
    compact: dict[str, torch.Tensor] = {}
    done: dict[int, torch.Tensor] = {}
    for name, tensor in state.items():
        place = tensor.data_ptr()
        if place in done:
            compact[name] = done[place]
            continue
        for dtype in (torch.bfloat16, torch.float16):
            if tensor.dtype == torch.float32 and torch.equal(tensor.to(dtype).float(), tensor):
                tensor = tensor.to(dtype)
                break
        compact[name] = done[place] = tensor
    return compact


# Tokenizer


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


def _turn_ends(path: Path, header: GgufHeader) -> int | list[int] | None:
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


def _save_tokenizer(path: Path, header: GgufHeader, folder: Path) -> None:
    try:
        # Not `AutoTokenizer`, which would read the whole file once more to tell this class.
        read = PreTrainedTokenizerFast.from_pretrained(str(path.parent), gguf_file=path.name)
    except OSError:
        raise
    except Exception as error:  # whatever the libraries think of what the file says
        raise UserError(
            f"transformers cannot read the tokenizer of {path} ({one_line(error)[:300]})"
        ) from error
    tokenization = _tokenization(header)
    state = json.loads(read.backend_tokenizer.to_str())
    _put_state_right(path, state, header, tokenization)
    length = header.of_architecture("context_length")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        chat_template=read.chat_template,
        add_bos_token=tokenization.begins_with_bos,
        add_eos_token=tokenization.ends_with_eos,
        **_special_tokens(path, header),
        **({"model_max_length": length} if isinstance(length, int) else {}),
    )
    tokenizer.save_pretrained(folder)
    _check_saved(path, folder, tokenization)


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
