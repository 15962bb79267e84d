"""Read the header of a GGUF file: what it says of itself, and which tensors it holds. No weights are read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. All numbers are little-endian.
"""

import io
import math
import struct
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from harness.foreign import MOST_GGUF_HEADER, open_regular

MAGIC = b"GGUF"
VERSIONS = (2, 3)

ARCHITECTURES = frozenset(
    {
        "bloom", "deci", "falcon", "gemma2", "gemma3", "gemma4", "gpt-oss", "gpt2", "lfm2", "llama", "mamba",
        "minimax-m2", "mistral", "nemotron", "phi3", "qwen2", "qwen2moe", "qwen3", "qwen35", "qwen35moe",
        "qwen3moe", "stablelm", "starcoder2",
    }
)  # fmt: skip
"""Causal language models that transformers makes of such a file, by GGUF's names."""

_SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_F32 = 0
_MOST_DIMENSIONS = 8

_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip
"""Number of a type of numbers → (numbers, bytes) of one of its blocks;
4, 5 and 31 to 33 are no longer used."""


@dataclass(frozen=True)
class GgufHeader:
    """What a file says of itself."""

    architecture: str
    metadata: dict[str, Any]
    """Key → value; of an array its length, but for those that were asked for."""

    shapes: dict[str, tuple[int, ...]]
    """Name → shape of every tensor, as torch has it: rows before columns."""

    float_offsets: dict[str, int]
    """Name → first byte, in the file, of every tensor of 32-bit floats."""

    def of_architecture(self, key: str) -> Any:
        """`block_count` for `llama.block_count`; None where the file does not say."""
        return self.metadata.get(f"{self.architecture}.{key}")

    @property
    def parameters(self) -> int:
        """Numbers in all tensors but the tables of rotary frequencies, which are not trained."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if not name.startswith("rope_"))


def read_gguf_header(path: Path, arrays: Container[str] = ()) -> GgufHeader:
    """The header of a whole file. `arrays`: keys whose arrays are kept.

    Raises `ValueError`, with a phrase that follows the file's name, for anything else.
    """
    with open_regular(path) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if file.read(4) != MAGIC:
            raise ValueError("is no GGUF file: it does not begin with 'GGUF'; is it a git-lfs pointer?")
        try:
            return _Reader(file, size).header(arrays)
        except (EOFError, struct.error):
            raise ValueError("is cut off within its header; copy it once more") from None
        except UnicodeDecodeError:
            raise ValueError("is no sound GGUF file: a text in its header is not UTF-8") from None


def read_floats(path: Path, header: GgufHeader, name: str) -> list[float] | None:
    """All numbers of a small tensor; None where they are not 32-bit floats."""
    offset = header.float_offsets.get(name)
    if offset is None:
        return None
    count = math.prod(header.shapes[name])
    with open_regular(path) as file:
        file.seek(offset)
        return list(struct.unpack(f"<{count}f", file.read(4 * count)))


class _Reader:
    """Reads the parts of a header in their order, and never beyond `MOST_GGUF_HEADER`."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size

    def header(self, arrays: Container[str]) -> GgufHeader:
        version = self._number("<I")
        if version not in VERSIONS:
            raise ValueError(f"is of GGUF version {version}; versions 2 and 3 can be read")
        tensor_count, key_count = self._number("<Q"), self._number("<Q")
        metadata: dict[str, Any] = {}
        for _ in range(key_count):
            key = self._string()
            metadata[key] = self._value(self._number("<I"), with_items=key in arrays)
        architecture = metadata.get("general.architecture")
        if not isinstance(architecture, str) or not architecture:
            raise ValueError("does not say which architecture it is of (general.architecture)")
        shapes, offsets = self._tensors(tensor_count, metadata)
        return GgufHeader(architecture, metadata, shapes, offsets)

    def _tensors(
        self, count: int, metadata: dict[str, Any]
    ) -> tuple[dict[str, tuple[int, ...]], dict[str, int]]:
        shapes: dict[str, tuple[int, ...]] = {}
        offsets: dict[str, int] = {}
        end = 0
        for _ in range(count):
            name = self._string()
            dimensions = self._number("<I")
            if dimensions > _MOST_DIMENSIONS:
                raise ValueError(
                    f"is no sound GGUF file: its tensor {name[:80]!r} has {dimensions} dimensions"
                )
            shape = tuple(reversed([self._number("<Q") for _ in range(dimensions)]))
            kind, offset = self._number("<I"), self._number("<Q")
            if kind not in _BLOCKS:
                raise ValueError(f"holds its tensor {name[:80]!r} as type {kind} of GGUF, which is not known")
            if name in shapes:
                raise ValueError(f"is no sound GGUF file: it holds {name[:80]!r} twice")
            numbers, bytes_each = _BLOCKS[kind]
            shapes[name] = shape
            if kind == _F32:
                offsets[name] = offset
            end = max(end, offset + math.prod(shape) * bytes_each // numbers)
        alignment = metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= MOST_GGUF_HEADER:
            raise ValueError("is no sound GGUF file: its general.alignment is no number of bytes")
        start = -(-self._file.tell() // alignment) * alignment
        if not shapes:
            raise ValueError("holds no tensors; a model's file is needed, not that of a vocabulary")
        if start + end > self._size:
            raise ValueError(
                f"is cut off: its tensors end at byte {start + end:,}, and it has {self._size:,}; "
                "copy it once more"
            )
        return shapes, {name: start + offset for name, offset in offsets.items()}

    def _value(self, kind: int, *, with_items: bool) -> Any:
        if kind in _SCALARS:
            return self._number(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise ValueError(f"is no sound GGUF file: it holds a value of type {kind}")
        of, length = self._number("<I"), self._number("<Q")
        if of in _SCALARS:
            code = _SCALARS[of]
            data = self._bytes(length * struct.calcsize(code))
            return list(struct.unpack(f"<{length}{code[1]}", data)) if with_items else length
        if of != _STRING:
            raise ValueError(f"is no sound GGUF file: it holds an array of type {of}")
        texts = [self._bytes(self._number("<Q")) for _ in range(length)]
        return [text.decode("utf-8", errors="replace") for text in texts] if with_items else length

    def _string(self) -> str:
        return self._bytes(self._number("<Q")).decode("utf-8")

    def _number(self, code: str) -> Any:
        (number,) = struct.unpack(code, self._bytes(struct.calcsize(code)))
        return number

    def _bytes(self, count: int) -> bytes:
        position = self._file.tell()
        if count > self._size - position:
            raise EOFError
        if position + count > MOST_GGUF_HEADER:
            raise ValueError(f"has a header of more than {MOST_GGUF_HEADER >> 20} MB, which no model needs")
        return self._file.read(count)
