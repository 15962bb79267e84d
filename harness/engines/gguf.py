"""Turn a GGUF file into an ordinary model folder, once: what trains and answers it then is what trains and
answers any other model.

transformers reads the weights, unrounded; `harness.engines.gguf_tokenizer` puts the tokenizer right.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from filelock import FileLock
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

from harness.engines.gguf_context import stretch_of
from harness.engines.gguf_tokenizer import save_tokenizer, turn_ends
from harness.engines.weights import check_loaded
from harness.errors import UserError, one_line
from harness.records.damaged import put_aside
from harness.sweep.converted import MARKER, converted_folder, is_converted, marker
from harness.sweep.gguf_header import GgufHeader, read_gguf_header
from harness.sweep.models import gguf_file, model_kind

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
        save_tokenizer(path, header, unfinished)
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
    config.eos_token_id = turn_ends(path, header)
    config.save_pretrained(folder)
    save_tokenizer(path, header, folder)


def _save_model(path: Path, header: GgufHeader, folder: Path) -> None:
    """The weights with a configuration that knows nothing of GGUF."""
    model = _loaded(path, header)
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.dtype = torch.float32
    config.eos_token_id = turn_ends(path, header)
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
