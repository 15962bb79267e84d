"""Which files of a model folder are loaded, what they say, and when they have changed: nothing in them is
trusted."""

import hashlib
import math
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

from harness.errors import UserError
from harness.foreign import (
    MOST_SAFETENSORS_HEADER,
    MOST_TOKENIZER,
    json_object,
    open_regular,
    read_bounded,
    read_json_object,
)

TRAINING = "training.json"
"""The training worker's record beside weights. It holds seconds, which change no answer, so fingerprints
leave it out."""

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
TEMPLATES = "additional_chat_templates"

_READ_WHOLE = frozenset({".json", ".jinja", ".model", ".tiktoken", ".txt"})
"""Suffixes of configuration and tokenizer files: small, and every byte counts."""
_OBJECTS = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json")
_WHOLE, _BLOCKS, _BLOCK = 64 << 20, 1024, 4096
"""Bytes up to which weights are read whole; of larger files, how many blocks of how many bytes are read."""
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64,
    "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Of one number of each type that a safetensors file may hold."""


# What is loaded


def check_folder(folder: Path) -> None:
    """Raise `UserError` when the folder is not that of a model that can be loaded as it is."""
    if (folder / ADAPTER).exists() or (folder / ADAPTER).is_symlink():
        raise UserError(
            f"{folder} holds an adapter ({ADAPTER}), which would be put on whatever base it names: merge it "
            "(merge_and_unload) and save the whole model, or give its base as the model"
        )
    if not _is_there(folder / "config.json"):
        files = sorted(folder.glob("*.gguf"))
        instead = (
            f"name the file itself, {files[0]}" if files else "give the folder that `save_pretrained` wrote"
        )
        raise UserError(f"{folder} holds no config.json; {instead}")
    config = _configuration(folder)
    shapes: dict[str, list[int]] = {}
    for path in weight_files(folder):
        shapes |= _shapes_of_part(path)
    for path in loaded_files(folder):
        _check_readable(path)
    _check_vocabulary(folder, config)


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the folder's weights.
    Raises `UserError` when there are none, or others than in it."""
    if _is_there(folder / WEIGHTS):
        return [folder / WEIGHTS]
    if _is_there(folder / INDEX):
        return _parts(folder)
    if any(folder.glob("*.bin")):
        # Unpickling runs whatever code the file holds.
        raise UserError(
            f"{folder} holds its weights only as pickles (*.bin), which can run code when loaded; "
            "convert them: load the model where you trust it and call save_pretrained, which writes "
            "*.safetensors"
        )
    strays = sorted(path.name for path in folder.glob("*.safetensors"))
    if strays:
        raise UserError(
            f"{folder} holds {strays[0]}, but neither {WEIGHTS} nor {INDEX}, which names the parts of "
            "weights in several files: give the folder that `save_pretrained` wrote"
        )
    raise UserError(f"{folder} holds no weights (*.safetensors)")


def loaded_files(folder: Path) -> list[Path]:
    """Every file that a library reads when it loads the folder, or may read: configuration, tokenizer,
    templates, weights. Sorted by their places below the folder."""
    files = [path for path in folder.iterdir() if path.suffix in _READ_WHOLE and path.name != TRAINING]
    files += [path for path in folder.glob("*.safetensors") if path not in files]
    if (folder / TEMPLATES).is_dir():
        files += [path for path in (folder / TEMPLATES).iterdir() if path.suffix in _READ_WHOLE]
    if not _is_there(folder / WEIGHTS) and _is_there(folder / INDEX):
        files += [path for path in _parts(folder) if path not in files]
    return sorted(path for path in files if not path.is_dir())


def _parts(folder: Path) -> list[Path]:
    """The files that the index names, each once and all inside the folder."""
    index = folder / INDEX
    parts = _read(index).get("weight_map")
    if not isinstance(parts, dict) or not parts:
        raise UserError(f"{index} names no file: its 'weight_map' must say where each tensor is")
    paths = []
    for name in sorted({part for part in parts.values() if isinstance(part, str)}):
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts or "\\" in name or place.suffix != ".safetensors":
            raise UserError(
                f"{index} names {name[:200]!r}: weights are *.safetensors files inside the model's own "
                "folder; copy it there"
            )
        if not _is_there(folder / place):
            raise UserError(f"{index} names {name[:200]!r}, which is not there; copy the model once more")
        paths.append(folder / place)
    if any(not isinstance(part, str) for part in parts.values()):
        raise UserError(f"{index}: each tensor in 'weight_map' must be given the name of its file")
    return paths


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


# What the files say


def _configuration(folder: Path) -> dict[str, Any]:
    config = _read(folder / "config.json")
    named = config.get("transformers_weights")
    if named is not None:
        raise UserError(
            f"{folder / 'config.json'} names weights of its own (transformers_weights = "
            f"{str(named)[:80]!r}), which not every engine reads: "
            f"save the model so that they lie in {WEIGHTS}"
        )
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path)
    except ValueError as error:
        raise UserError(f"{path} {error}") from None


def _check_readable(path: Path) -> None:
    """Raise `UserError` for what a library would stumble over."""
    try:
        if path.name in _OBJECTS:
            read_json_object(path)
            return
        with open_regular(path) as file:
            size = file.seek(0, 2)
        if path.suffix in _READ_WHOLE and size > MOST_TOKENIZER:
            raise ValueError(f"is larger than {MOST_TOKENIZER >> 20} MB")
    except ValueError as error:
        raise UserError(f"{path} {error}") from None


def _shapes_of_part(path: Path) -> dict[str, list[int]]:
    try:
        return tensor_shapes(path)
    except ValueError as error:
        raise UserError(
            f"{path} is not a safetensors file ({error}); is it a git-lfs pointer, or cut off?"
        ) from None


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Name → shape of every tensor, from the JSON header that opens a safetensors file after its 8-byte
    length.

    Raises `ValueError` when the file is not one.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("its header is longer than the file")
        if length > MOST_SAFETENSORS_HEADER:
            raise ValueError(f"its header is larger than {MOST_SAFETENSORS_HEADER // 10**6} MB")
        try:
            header = json_object(file.read(length))
        except ValueError as error:
            raise ValueError(f"its header {error}") from None
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    ends = sorted(_extent(name, entry) for name, entry in tensors.items())
    end = 0
    for begin, after in ends:
        if begin != end:
            raise ValueError("its tensors leave gaps, or overlap")
        end = after
    if end != size - 8 - length:
        raise ValueError(f"its tensors take {end:,} bytes, and it has {size - 8 - length:,} of them")
    return {name: list(entry["shape"]) for name, entry in tensors.items()}


def _extent(name: str, entry: Any) -> tuple[int, int]:
    """Where a tensor's numbers begin and end."""
    fault = ValueError(f"its header does not say what the tensor {name[:80]!r} is")
    if not isinstance(entry, dict):
        raise fault
    shape, offsets, bits = entry.get("shape"), entry.get("data_offsets"), _BITS.get(str(entry.get("dtype")))
    if bits is None or not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise fault
    begin, end = offsets
    if math.prod(shape) * bits != (end - begin) * 8:
        raise ValueError(f"its tensor {name[:80]!r} has another size than its shape says")
    return begin, end


def _are_counts(values: object) -> TypeGuard[list[int]]:
    if not isinstance(values, list):
        return False
    return all(isinstance(value, int) and not isinstance(value, bool) and value >= 0 for value in values)


def count_in_headers(folder: Path) -> int:
    """Elements of all tensors of the folder's weights."""
    elements = 0
    for path in weight_files(folder):
        elements += sum(math.prod(shape) for shape in _shapes_of_part(path).values())
    return elements


def _check_vocabulary(folder: Path, config: dict[str, Any]) -> None:
    """Raise `UserError` when the tokenizer has tokens that the model's configuration does not."""
    text = config.get("text_config")
    rows = (text if isinstance(text, dict) else config).get("vocab_size")
    tokenizer = folder / "tokenizer.json"
    if not isinstance(rows, int) or not _is_there(tokenizer):
        return
    try:
        highest = max(_token_ids(json_object(read_bounded(tokenizer, MOST_TOKENIZER))), default=-1)
    except ValueError as error:
        raise UserError(f"{tokenizer} {error}") from None
    check_token(highest, rows, where=f"{folder}: ")


def check_token(highest: int, rows: int, *, where: str = "") -> None:
    """Raise `UserError` when the highest token of a tokenizer is none of the
    `rows` of the model's embeddings."""
    if highest >= rows:
        raise UserError(
            f"{where}the tokenizer knows token {highest}, and the model's vocabulary ends at {rows - 1}: "
            "they do not belong together; save the tokenizer that the model was trained with into its "
            "folder, or resize its embeddings"
        )


def _token_ids(tokenizer: dict[str, Any]) -> Iterator[int]:
    """The numbers of all tokens in a `tokenizer.json`."""
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        yield from (number for number in vocabulary.values() if isinstance(number, int))
    elif isinstance(vocabulary, list):
        yield len(vocabulary) - 1
    added = tokenizer.get("added_tokens")
    for token in added if isinstance(added, list) else ():
        if isinstance(token, dict) and isinstance(token.get("id"), int):
            yield token["id"]


# When they change


def folder_fingerprint(folder: Path) -> str:
    """Sixteen hex digits that change with any file that is loaded."""
    digest = hashlib.sha256()
    for path in loaded_files(folder):
        try:
            with open_regular(path) as file:
                size = file.seek(0, 2)
                read_whole = path.suffix in _READ_WHOLE or size <= _WHOLE
                length = size if read_whole else _BLOCKS * _BLOCK
                digest.update(f"{path.relative_to(folder).as_posix()} {size} {length}\n".encode())
                for start, count in _pieces(size, read_whole=read_whole):
                    file.seek(start)
                    digest.update(file.read(count))
        except ValueError as error:
            raise UserError(f"{path} {error}") from None
    return digest.hexdigest()[:16]


def sampled_digest(path: Path) -> str:
    """Sixteen hex digits that change with a file's size, and with what is read of it: all
    of a file that is not very large."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        size = file.seek(0, 2)
        digest.update(f"{size}\n".encode())
        for start, count in _pieces(size, read_whole=size <= _WHOLE):
            file.seek(start)
            digest.update(file.read(count))
    return digest.hexdigest()[:16]


def _pieces(size: int, *, read_whole: bool) -> Iterator[tuple[int, int]]:
    """(start, bytes) of what is read: a small file whole; of a large one 1,024 blocks at even distances, so
    that a change in any large tensor is seen."""
    if read_whole:
        yield from ((start, min(_WHOLE, size - start)) for start in range(0, size, _WHOLE))
        return
    yield from ((number * (size - _BLOCK) // (_BLOCKS - 1), _BLOCK) for number in range(_BLOCKS))


def file_digest(path: Path) -> str:
    """The SHA-256 of a whole file, in hex digits. Raises `UserError` where it cannot be read."""
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except ValueError as error:
        raise UserError(f"{path} {error}") from None


def signature(files: Iterable[Path]) -> tuple[tuple[object, ...], ...]:
    """What the file system says of files: equal as long as nobody has written to them."""
    states: list[tuple[object, ...]] = []
    for path in sorted(files):
        try:
            state = path.stat()
        except OSError:
            states.append((str(path), None))
            continue
        states.append((str(path), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return tuple(states)
