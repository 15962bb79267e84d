"""Where the folder lies that a GGUF file is turned into, and whether it is whole."""

import importlib.metadata
from pathlib import Path

from harness.errors import UserError
from harness.sweep.cache import cache_folder
from harness.sweep.model_files import folder_fingerprint
from harness.sweep.models import fingerprint, gguf_file, model_kind
from harness.toys import PREFIX, toy_folder

VERSION = 1
"""Of the conversion: a folder that another one made is not used."""

MARKER = "converted-from-gguf"
"""The file, written last, that tells what a folder was made from and what it held then."""


def location(model: str) -> str | None:
    """The folder or hub id that libraries load a model from;
    None for a GGUF file that was not converted yet."""
    match model_kind(model):
        case "toy":
            return str(toy_folder(model.removeprefix(PREFIX)))
        case "gguf":
            return str(converted_folder(model)) if is_converted(model) else None
    return model


def converted_folder(model: str) -> Path:
    """In the cache, by the file's contents."""
    return cache_folder() / "models" / f"{gguf_file(model).stem[:64]}-{fingerprint(model, None)}"


def is_converted(model: str) -> bool:
    """Whether the folder is this conversion of the file as it is now, and nobody has changed it since."""
    folder = converted_folder(model)
    try:
        return (folder / MARKER).read_text(encoding="utf-8") == marker(model, folder)
    except (OSError, UserError, ValueError):
        return False


def marker(model: str, folder: Path) -> str:
    """What the marker of a folder with these contents says."""
    conversion = f"conversion {VERSION}, transformers {importlib.metadata.version('transformers')}"
    return f"{fingerprint(model, None)}\n{conversion}\n{folder_fingerprint(folder)}\n"
