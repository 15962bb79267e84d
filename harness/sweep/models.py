"""Tell what kind of model a sweep names, whether it can be used, and when it has changed, without loading
it."""

import os
import re
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from harness.errors import UserError, suggest
from harness.sweep.gguf_header import ARCHITECTURES, GgufHeader, read_gguf_header
from harness.sweep.model_files import (
    check_folder,
    check_token,
    count_in_headers,
    file_digest,
    folder_fingerprint,
    loaded_files,
    signature,
)
from harness.toys import PREFIX, TOYS, toy_folder
from harness.toys.packaged import PACKAGED

ModelKind = Literal["toy", "gguf", "folder", "hub"]

TINY_PARAMETERS = 20_000_000
"""Up to here matrices are so small that threads lose more time waiting for each other than they save."""

_SIZE_IN_NAME = re.compile(r"(\d+(?:\.\d+)?)([bm])(?![a-z])", re.IGNORECASE)
_TOY_PREFIX = f"{PREFIX}toy-"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SETTLED_SECONDS = 2.0
"""A file that was written to so lately may be written to again within the
clock's grain, and nobody would see."""


def model_kind(model: str) -> ModelKind:
    """`toy` for `gainboard/toy-…`; `gguf` for a file `….gguf` and for a packaged model; `hub` for
    `owner/name` unless a folder is called so; else `folder`."""
    if model.startswith(_TOY_PREFIX):
        return "toy"
    if _packaged(model) or (model.lower().endswith(".gguf") and not Path(model).is_dir()):
        return "gguf"
    if not Path(model).exists() and _HUB_ID.fullmatch(model):
        return "hub"
    return "folder"


def check_model(model: str, revision: str | None, origin: str) -> None:
    """Raise `UserError`, beginning with `origin` (the sweep file), when the model cannot be used."""
    try:
        match model_kind(model):
            case "toy":
                _check_builtin(model)
            case "gguf":
                _check_gguf(gguf_file(model))
            case "folder":
                if not Path(model).is_dir():
                    raise UserError(
                        f"'{model}' is neither an existing folder nor a Hugging Face id (owner/name), and no "
                        "*.gguf file"
                    )
                check_folder(Path(model))
            case "hub":
                _check_hub(model, revision)
    except UserError as error:
        raise UserError(f"{origin}: {error}") from None
    except OSError as error:
        raise UserError(f"{origin}: '{model}' cannot be read: {error.strerror}") from None


def is_on_this_machine(model: str, revision: str | None) -> bool:
    """Whether a model need not be downloaded: a toy, a file, a folder, or a hub model in the local cache."""
    if model_kind(model) != "hub" or revision is None:
        return True
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    snapshot = cache / f"models--{model.replace('/', '--')}" / "snapshots" / revision
    return any(snapshot.glob("*.safetensors"))  # its tokenizer alone may have been fetched


def hub_is_offline() -> bool:
    """Whether the environment forbids to ask the model hub, as its own library reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def gguf_file(model: str) -> Path:
    """The file of a model of the kind `gguf`. Raises `UserError` when it is in a package that is missing."""
    if not _packaged(model):
        return Path(model)
    packaged = PACKAGED[model.removeprefix(PREFIX)]
    path = packaged.path()
    if path is None:
        raise UserError(f"'{model}' is in a package that is not installed: {packaged.command}")
    return path


def _packaged(model: str) -> bool:
    return model.startswith(PREFIX) and model.removeprefix(PREFIX) in PACKAGED


def _check_builtin(model: str) -> None:
    builtin = [PREFIX + name for name in (*TOYS, *PACKAGED)]
    if model not in builtin:
        kind = "toy model" if model.startswith(_TOY_PREFIX) else "model"
        raise UserError(
            f"{kind} '{model}' not found.{suggest(model, builtin)} There are {', '.join(builtin)}"
        )


def _check_hub(model: str, revision: str | None) -> None:
    if revision is None and model.startswith(PREFIX):
        _check_builtin(model)
    if revision is None or not _COMMIT.fullmatch(revision):
        raise UserError(
            f"'{model}' is no existing folder, and as a Hugging Face id it needs `revision`, the "
            "40-hex commit of its weights: it stands on the model's page under 'Files and versions'"
        )


def _check_gguf(path: Path) -> None:
    header = _header(path)
    parts = header.metadata.get("split.count")
    if isinstance(parts, int) and parts > 1:
        raise UserError(f"{path} is one of {parts} parts: join them first (llama-gguf-split --merge)")
    if header.architecture not in ARCHITECTURES:
        raise UserError(
            f"{path} is of the architecture '{header.architecture[:80]}', which transformers does not read "
            f"from GGUF; it reads {', '.join(sorted(ARCHITECTURES))}. Give the folder that it was made from"
        )
    tokens, embeddings = header.metadata.get("tokenizer.ggml.tokens"), header.shapes.get("token_embd.weight")
    if not isinstance(tokens, int):
        raise UserError(
            f"{path} holds no tokenizer (tokenizer.ggml.tokens); convert the model with its tokenizer"
        )
    if embeddings is None or len(embeddings) != 2:
        raise UserError(f"{path} holds no token embeddings (token_embd.weight), so it is no language model")
    check_token(tokens - 1, embeddings[0], where=f"{path}: ")


def _header(path: Path) -> GgufHeader:
    try:
        return read_gguf_header(path)
    except ValueError as error:
        raise UserError(f"{path} {error}") from None


# When it changes


def fingerprint(model: str, revision: str | None) -> str:
    """Changes when the weights or the tokenizer do: the contents of a toy's or another folder, or of a GGUF
    file, or the hub revision.

    Raises `UserError` for a file that is none any more.
    """
    if model_kind(model) == "hub":
        assert revision is not None, "check_model refuses a hub model without revision"
        return revision
    files = model_files(model)
    states = signature(files)
    newest = max(
        (max(path.stat().st_mtime, path.stat().st_ctime) for path in files if path.exists()), default=0
    )
    if time.time() - newest < _SETTLED_SECONDS:
        return _contents(model)
    return _remembered(model, states)


@lru_cache(maxsize=256)
def _remembered(model: str, states: tuple[object, ...]) -> str:
    """As long as the file system says that nobody has written to them, files are not read again."""
    return _contents(model)


def _contents(model: str) -> str:
    if model_kind(model) == "gguf":
        return file_digest(gguf_file(model))[:16]
    return folder_fingerprint(_folder(model))


def model_files(model: str) -> Sequence[Path]:
    """All files that are read when a model that is on this machine is loaded."""
    return [gguf_file(model)] if model_kind(model) == "gguf" else loaded_files(_folder(model))


def _folder(model: str) -> Path:
    return toy_folder(model.removeprefix(PREFIX)) if model_kind(model) == "toy" else Path(model)


def check_unchanged(model: str, revision: str | None, planned: str | None) -> None:
    """Raise `UserError` when a model is not the one that its sweep was planned with. `planned`: its
    fingerprint then; None where nothing was planned."""
    if planned is None:
        return
    try:
        present = fingerprint(model, revision)
    except OSError as error:
        raise UserError(f"the model {model} cannot be read any more: {error.strerror}") from None
    if present != planned:
        raise UserError(
            f"the model {model} has changed since this sweep was planned (fingerprint {planned}, now "
            f"{present}): what it answers would be kept under the name of another model; "
            "start the sweep again"
        )


# Size


def count_parameters(model: str) -> int | None:
    """Parameters according to the headers of the model's files, or to its name; None when neither
    tells, as where there are no files."""
    kind = model_kind(model)
    if kind == "hub":
        size = _SIZE_IN_NAME.search(model)
        return int(float(size[1]) * {"b": 1e9, "m": 1e6}[size[2].lower()]) if size else None
    try:
        return _header(gguf_file(model)).parameters if kind == "gguf" else count_in_headers(_folder(model))
    except UserError:
        return None


def is_tiny(model: str) -> bool:
    """Whether one thread is enough for it, so that several such models are best worked on side by side."""
    parameters = count_parameters(model)
    return parameters is not None and parameters <= TINY_PARAMETERS
