"""Tell what kind of model a sweep names, whether it can be used, and when it has changed, without loading
it."""

import hashlib
import json
import math
import os
import re
from pathlib import Path
from typing import Literal

from harness.errors import UserError, suggest
from harness.toys import PREFIX, TOYS, toy_folder

ModelKind = Literal["toy", "folder", "hub"]

TRAINING = "training.json"
"""The training worker's record beside weights. It holds seconds, which change no answer, so fingerprints
leave it out."""

TINY_PARAMETERS = 20_000_000
"""Up to here matrices are so small that threads lose more time waiting for each other than they save."""

_SIZE_IN_NAME = re.compile(r"(\d+(?:\.\d+)?)([bm])(?![a-z])", re.IGNORECASE)
_TOY_PREFIX = f"{PREFIX}toy-"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_READ_WHOLE = frozenset({".json", ".jinja", ".model", ".tiktoken", ".txt"})
"""Suffixes of configuration and tokenizer files: small, and every byte counts."""

_WHOLE, _BLOCKS, _BLOCK = 64 << 20, 1024, 4096
"""Bytes up to which weights are read whole; of larger files, how many blocks of how many bytes are read."""


def model_kind(model: str) -> ModelKind:
    """`toy` for `gainboard/toy-…`, `hub` for `owner/name` unless a folder is called so, else `folder`."""
    if model.startswith(_TOY_PREFIX):
        return "toy"
    if not Path(model).exists() and _HUB_ID.fullmatch(model):
        return "hub"
    return "folder"


def check_model(model: str, revision: str | None, origin: str) -> None:
    """Raise `UserError`, beginning with `origin` (the sweep file), when the model cannot be used."""
    kind = model_kind(model)
    if kind == "toy":
        _check_toy(model, origin)
    elif kind == "folder":
        _check_folder(model, origin)
    elif revision is None or not _COMMIT.fullmatch(revision):
        raise UserError(
            f"{origin}: '{model}' is no existing folder, and as a Hugging Face id it needs `revision`, the "
            "40-hex commit of its weights (on the model's page under 'Files and versions')"
        )


def is_on_this_machine(model: str, revision: str | None) -> bool:
    """Whether a model need not be downloaded: a toy, a folder, or a hub model in the local cache."""
    if model_kind(model) != "hub" or revision is None:
        return True
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshot = cache / f"models--{model.replace('/', '--')}" / "snapshots" / revision
    return any(snapshot.glob("*.safetensors"))  # its tokenizer alone may have been fetched


def hub_is_offline() -> bool:
    """Whether the environment forbids to ask the model hub, as its own library reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _check_toy(model: str, origin: str) -> None:
    toys = [PREFIX + name for name in TOYS]
    if model not in toys:
        raise UserError(
            f"{origin}: toy model '{model}' not found.{suggest(model, toys)} There are {', '.join(toys)}"
        )


def _check_folder(model: str, origin: str) -> None:
    folder = Path(model)
    if not folder.is_dir():
        raise UserError(
            f"{origin}: '{model}' is neither an existing folder nor a Hugging Face id (owner/name)"
        )
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{origin}: {folder} holds no config.json; give the folder that `save_pretrained` wrote"
        )
    weights = sorted(folder.glob("*.safetensors"))
    for path in weights:
        try:
            tensor_shapes(path)
        except ValueError as error:
            raise UserError(
                f"{origin}: {path} is not a safetensors file ({error}); is it a git-lfs pointer, or cut off?"
            ) from None
    if weights:
        return
    if any(folder.glob("*.bin")):
        # Unpickling runs whatever code the file holds.
        raise UserError(
            f"{origin}: {folder} holds its weights only as pickles (*.bin), which can run code when loaded; "
            "convert them: load the model where you trust it and call save_pretrained, which writes "
            "*.safetensors"
        )
    raise UserError(f"{origin}: {folder} holds no weights (*.safetensors)")


def fingerprint(model: str, revision: str | None) -> str:
    """Changes when the weights or the tokenizer do: the contents of a toy's or another folder, or the hub
    revision."""
    kind = model_kind(model)
    if kind == "toy":
        return _folder_fingerprint(toy_folder(model.removeprefix(PREFIX)))
    if kind == "folder":
        return _folder_fingerprint(Path(model))
    assert revision is not None, "check_model refuses a hub model without revision"
    return revision


def _folder_fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.name == TRAINING:
            continue
        if path.suffix in _READ_WHOLE:
            contents = path.read_bytes()
        elif path.suffix == ".safetensors":
            contents = _sampled(path)
        else:
            continue  # pickles that nobody loads, pictures, a read-me
        digest.update(f"{path.name} {path.stat().st_size} {len(contents)}\n".encode())
        digest.update(contents)
    return digest.hexdigest()[:16]


def _sampled(path: Path) -> bytes:
    """A small file whole; of a large one 1,024 blocks at even distances, so that a change in any large tensor
    is seen."""
    size = path.stat().st_size
    if size <= _WHOLE:
        return path.read_bytes()
    with path.open("rb") as file:
        blocks = []
        for number in range(_BLOCKS):
            file.seek(number * (size - _BLOCK) // (_BLOCKS - 1))
            blocks.append(file.read(_BLOCK))
    return b"".join(blocks)


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Name → shape of every tensor, from the JSON header that opens a safetensors file after its 8-byte
    length.

    Raises `ValueError` when the file is not one.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("its header is longer than the file")
        header = json.loads(file.read(length))
    return {name: tensor["shape"] for name, tensor in header.items() if name != "__metadata__"}


def count_parameters(model: str) -> int | None:
    """Parameters according to the headers of the model's safetensors, or to its name; None when neither
    tells."""
    kind = model_kind(model)
    if kind == "toy":
        return _in_headers(toy_folder(model.removeprefix(PREFIX)))
    if kind == "folder":
        return _in_headers(Path(model))
    size = _SIZE_IN_NAME.search(model)
    return int(float(size[1]) * {"b": 1e9, "m": 1e6}[size[2].lower()]) if size else None


def is_tiny(model: str) -> bool:
    """Whether one thread is enough for it, so that several such models are best worked on side by side."""
    parameters = count_parameters(model)
    return parameters is not None and parameters <= TINY_PARAMETERS


def _in_headers(folder: Path) -> int:
    """Elements of all tensors in the folder's safetensors."""
    elements = 0
    for path in folder.glob("*.safetensors"):
        elements += sum(math.prod(shape) for shape in tensor_shapes(path).values())
    return elements
